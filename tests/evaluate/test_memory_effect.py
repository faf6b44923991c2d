import numpy as np
import pytest
from straight_engine import straight_model

from headway.evaluate.memory_effect import compared, memory_effect
from headway.evaluate.pedestrians import SCENES
from headway.evaluate.published import PUBLISHED
from headway.evaluate.walk_run import Errors


def collected(ade: float, flicker: float) -> Errors:
    errors = Errors()
    errors.rows["headway"] = [(ade, 2 * ade)] * 3
    errors.best, errors.inside = [(ade / 2, ade)] * 3, [True] * 3
    errors.flicker_m["headway"] = [flicker] * 5
    return errors


def test_the_change_is_a_share_of_what_there_was_without() -> None:
    found = compared({"without": collected(1.0, 0.2), "with": collected(1.1, 0.1)})
    assert found["change"]["ade"] == pytest.approx(0.1)
    assert found["change"]["flicker_m"] == pytest.approx(-0.5)
    assert found["windows"] == 3


def test_a_network_without_memory_inputs_gains_nothing_from_it(tmp_path, monkeypatch, shared_data) -> None:
    shared_data("eth_ucy")
    model = straight_model(tmp_path)
    monkeypatch.setattr("headway.evaluate.memory_effect.open_model", lambda folder, task: model)
    monkeypatch.setattr("headway.evaluate.memory_effect.SCENES", SCENES[:1])
    report = memory_effect(dict.fromkeys(SCENES, ""), noises=(0.03,), per_scene=1)
    level = report["noise"]["0.03"]
    assert level["windows"] > 0
    assert all(abs(v) < 1e-9 for v in level["change"].values())
    assert np.isfinite(level["with"]["flicker_m"])


def test_every_published_number_names_its_source() -> None:
    for row in PUBLISHED:
        assert row["min_ade20"] < row["min_fde20"]
        assert "github.com/" in row["source"] or "arXiv" in row["source"]
