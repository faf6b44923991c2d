"""One dataclass a node, and the files that fill it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headway import tasks
from headway.errors import ConfigError, ModelError
from headway.node_config import NODE_CONFIGS, DrivingNodeConfig, HeadwayNodeConfig, load, open_pipeline
from headway.runtime import providers
from headway.runtime.model import installed_models


@pytest.mark.parametrize("node", NODE_CONFIGS)
def test_every_parameter_has_a_description_and_every_number_a_bound(node: str) -> None:
    for p in NODE_CONFIGS[node]().parameters():
        assert len(p.description) > 10, p.name
        if isinstance(p.value, float) or (isinstance(p.value, int) and not isinstance(p.value, bool)):
            assert p.minimum is not None or p.maximum is not None, p.name


@pytest.mark.parametrize("key", ["/**", "/**/driving", "driving", "/driving"])
def test_a_parameter_file_reaches_the_node_under_every_name_ros_knows(tmp_path: Path, key: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(f"{key}: {{ros__parameters: {{heartbeat_s: 0.3, use_sim_time: true, gate: {{wheelbase_m: 0.3}}}}}}")
    config = load(DrivingNodeConfig(), "driving", file)
    assert (config.heartbeat_s, config.gate.wheelbase_m) == (0.3, 0.3)


def test_what_every_ros_node_may_be_told_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("driving: {ros__parameters: {qos_overrides: {/clock: {subscription: {depth: 1}}}, threads: 2}}")
    assert load(DrivingNodeConfig(), "driving", file) == replace(DrivingNodeConfig(), threads=2)


def test_an_unknown_parameter_in_a_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("driving: {ros__parameters: {hartbeat_s: 0.3}}")
    with pytest.raises(ConfigError, match="hartbeat_s"):
        load(DrivingNodeConfig(), "driving", file)


def test_a_pipeline_without_any_task_is_refused() -> None:
    none = HeadwayNodeConfig().replaced({"models.head_pose": "", "models.trajectory": "", "models.driving": ""})
    with pytest.raises(ConfigError, match="nothing to do"):
        open_pipeline(none)


class Counted:
    """An engine that knows whether it was closed."""

    def __init__(self, inner, made):
        self.name, self.infer, self._inner, self.closed = inner.name, inner.infer, inner, False
        made.append(self)

    def close(self):
        self.closed = True
        self._inner.close()


@pytest.mark.skipif(not {"head-pose", "trajectory", "driving"} <= set(installed_models()), reason="weights are missing")
@pytest.mark.parametrize("fault", ["no such model", "no calibration"])
def test_what_was_opened_before_a_model_that_cannot_be_is_closed_again(monkeypatch, fault):
    made, open_engine, config = [], providers.open_engine, HeadwayNodeConfig()
    monkeypatch.setattr(providers, "open_engine", lambda *given: Counted(open_engine(*given), made))
    if fault == "no such model":
        config = replace(config, models=replace(config.models, driving="nobody"))
    else:

        def refuse(*_):
            raise ModelError("no calibration")

        monkeypatch.setattr(tasks, "DriveStage", refuse)
    with pytest.raises(ModelError):
        open_pipeline(config)
    assert [engine.closed for engine in made] == [True] * (2 if fault == "no such model" else 3)
