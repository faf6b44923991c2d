"""The weights that ship: what the manifest promises holds for the files beside it."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from walking_people import heads, view

from headway.errors import ModelError, UsageError
from headway.paths import weights_dir
from headway.runtime.manifest import file_entries, read_manifest, verified_path, write_manifest
from headway.runtime.model import open_model
from headway.runtime.onnx import OnnxEngine
from headway.stages.calibration import BY_SIZE, CONDITIONS, RELATIVE, Calibration
from headway.tasks import Trajectory
from headway.types import Level, Trace

SHAPES = {
    "positions": (1, 32, 8, 2),
    "valid": (1, 32, 8),
    "head_direction": (1, 32, 2),
    "noise": (1, 32),
    "relative": (1, 1),
    "memory_modes": (1, 32, 3, 20, 12, 2),
    "memory_log_probability": (1, 32, 3, 20),
    "memory_age": (1, 32, 3),
    "memory_valid": (1, 32, 3),
}


def real_feeds(people: int = 9) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    feeds = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    steps = random.normal(0, 0.4, (people, 1, 2)) + random.normal(0, 0.03, (people, 8, 2))
    feeds["positions"][0, :people] = steps.cumsum(axis=1) + random.normal(0, 3, (people, 1, 2))
    feeds["valid"][0, :people] = 1
    feeds["noise"][0, :people] = 0.03
    return feeds


def with_memory(model, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with two earlier forecasts, a little off what the network says now."""
    found = model.infer(feeds)
    feeds = {k: v.copy() for k, v in feeds.items()}
    for r in range(2):
        feeds["memory_modes"][0, :, r] = found["modes"][0] - feeds["positions"][0, :, -1, None, None] + 0.1 * (r + 1)
        feeds["memory_log_probability"][0, :, r] = found["log_probability"][0]
        feeds["memory_age"][0, :, r], feeds["memory_valid"][0, :, r] = (r + 1) / 15, 1.0
    return feeds


def test_the_contract_and_the_budget_are_kept() -> None:
    model = open_model("trajectory", "trajectory")
    m = model.manifest
    assert {k: s.shape for k, s in m.inputs.items()} == {k: v.shape for k, v in real_feeds().items()}
    assert {k: s.shape for k, s in m.outputs.items()} == {"modes": (1, 32, 20, 12, 2), "log_probability": (1, 32, 20)}
    assert m.parameters <= 1_500_000
    assert m.config["step_s"] == 0.4
    for key in ("weights", "onnx", "calibration", "training_log", "card"):
        verified_path(model.folder, m, key)


@pytest.mark.train
def test_onnx_and_torch_say_the_same() -> None:
    torch = pytest.importorskip("torch")
    from headway.models.trajectory.package import load

    model = open_model("trajectory", "trajectory")
    network = load(model.folder, None)
    for feeds in (real_feeds(), with_memory(model, real_feeds())):
        with torch.no_grad():
            modes, log_probability = network(*(torch.from_numpy(v) for v in feeds.values()))
        found = model.infer(feeds)
        np.testing.assert_allclose(found["modes"][0, :9], modes.numpy()[0, :9], atol=1e-3)
        np.testing.assert_allclose(found["log_probability"][0, :9], log_probability.numpy()[0, :9], atol=1e-3)


def test_the_memory_draws_the_forecast_towards_what_was_said_before() -> None:
    model = open_model("trajectory", "trajectory")
    bare, full = model.infer(real_feeds()), model.infer(with_memory(model, real_feeds()))
    moved = full["modes"][0, :9].astype(float) - bare["modes"][0, :9]
    assert 0.01 < moved.mean() < 0.2


@pytest.mark.train
def test_a_network_that_saw_the_scene_is_not_taken_for_one_that_did_not() -> None:
    pytest.importorskip("torch")
    from headway.models.trajectory.package import load

    with pytest.raises(ModelError, match="not without 'eth'"):
        load(weights_dir() / "trajectory", "eth")


def test_the_calibration_rises_with_the_level() -> None:
    calibration = Calibration.read(open_model("trajectory", "trajectory"))
    for name in CONDITIONS:
        assert (np.diff(calibration.scores[name], axis=1) >= 0).all()
        assert (np.diff(calibration.scores[name], axis=0) >= 0).all()
    assert calibration.people[0] == 1
    assert calibration.people[-1] == 32
    assert (np.diff(calibration.floor_m) > 0).all()
    assert calibration.levels[0] <= 0.5
    assert calibration.levels[-1] >= 0.99


@pytest.mark.parametrize("ego", [None, [1.2, 0.0]])
def test_a_head_on_walker_is_warned_of_and_a_passer_by_is_not(ego) -> None:
    """The whole chain with the shipped network: one walks into the wearer, one passes three metres to the left."""
    task = Trajectory.open("trajectory")
    own = np.zeros(2) if ego is None else np.array(ego)
    alerts: dict[bool, list[float]] = {True: [], False: []}
    for i in range(70):
        t = i / 15
        places = np.array([[9.0, 0.0, 0.0], [9.0, 3.0, 0.0]])
        places[:, :2] += t * (np.array([-1.2, 0.0]) - own) if ego is None else t * (np.array([-0.6, 0.0]) - own)
        motion = task.step(view(t, velocity=ego), heads(places), Trace())
        for risk, place in zip(motion.risks.items, motion.tracks.position, strict=True):
            if risk.level == Level.ALERT:
                alerts[bool(abs(place[1]) < 1.5)].append(t)
    assert alerts[True]
    speed = 1.2 if ego is None else 1.8
    assert (9.0 - 1.0) / speed - min(alerts[True]) >= 1.5
    assert not alerts[False]


def test_the_card_says_what_was_measured_and_on_what() -> None:
    model = open_model("trajectory", "trajectory")
    card = (model.folder / "README.md").read_text()
    mean = model.manifest.evaluation["leave_one_out"]["mean"]
    for value in mean.values():
        assert f"{value:.3f}" in card
    assert "has seen all scenes" in card
    e = model.manifest.evaluation
    for cover in [*(level["coverage"] for level in e["egocentric"]["noise"].values()), e["kitti"]["coverage"]]:
        used = cover["together"]
        assert f"At {100 * used['measured']:.1f} % of {used['moments']} moments everybody scored is inside" in card
        assert f"{100 * cover['measured']:.1f} % of {cover['people']} pairs of a camera and a person" in card
    assert model.manifest.training["held_out"] == ""


def test_the_numbers_in_the_manifest_come_out_again(shared_data) -> None:
    from headway.evaluate.trajectory import metrics, run_network

    shared_data("eth_ucy")
    stated = open_model("trajectory", "trajectory").manifest.evaluation["leave_one_out"]["scenes"]
    for scene in ("eth", "hotel"):
        model = open_model(str(weights_dir() / "trajectory" / "leave-one-out" / scene), "trajectory")
        assert model.manifest.training["held_out"] == scene
        found = run_network(model, scene)
        model.close()
        for key, value in metrics(found.errors, found.probability).items():
            assert value == pytest.approx(stated[scene][key], abs=1e-3)


def test_networks_beat_constant_velocity_on_scenes_they_never_saw_and_the_radius_covers() -> None:
    e = open_model("trajectory", "trajectory").manifest.evaluation
    mean, cover = e["leave_one_out"]["mean"], e["coverage"]
    assert mean["ade"] <= 0.48
    assert mean["fde"] <= 1.02
    assert mean["min_ade20"] <= 0.20
    assert abs(cover["measured"] - cover["nominal"]) <= 0.02
    for level in e["egocentric"]["noise"].values():
        alerts = level["alerts"]
        assert alerts["headway"]["false_alarms"] < alerts["heads-up"]["false_alarms"]
        assert alerts["headway"]["recall"] >= 0.95


def test_sixteen_people_are_answered_by_the_smaller_graph_as_by_the_larger_one() -> None:
    model = open_model("trajectory", "trajectory")
    rng = np.random.default_rng(4)
    feeds = {k: rng.normal(0, 0.5, spec.shape).astype(np.float32) for k, spec in model.manifest.inputs.items()}
    for name, spec in model.manifest.inputs.items():
        if "valid" in name or name == "relative":
            feeds[name] = (rng.random(spec.shape) < 0.8).astype(np.float32)
    feeds["memory_log_probability"] -= 3.0
    feeds["memory_age"] = np.abs(feeds["memory_age"])
    feeds["valid"][:, :16, -1] = 1.0
    feeds["valid"][:, 16:] = 0.0
    few = {k: v.copy() for k, v in model.infer(feeds).items()}
    model.close()
    whole = OnnxEngine(verified_path(model.folder, model.manifest, "onnx"))
    for name, value in whole.infer(feeds).items():
        np.testing.assert_allclose(few[name][:, :16], value[:, :16], atol=1e-4, rtol=1e-4)
        assert not few[name][:, 16:].any(), "the larger graph answered"
    whole.close()


@pytest.mark.train
def test_a_graph_is_made_anew_only_where_it_says_the_same(shared_data, tmp_path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    from headway.models.trajectory.package import renew_graph

    shared_data("eth_ucy")
    folder = tmp_path / "trajectory"
    shutil.copytree(weights_dir() / "trajectory", folder, ignore=shutil.ignore_patterns("leave-one-out"))
    assert max(renew_graph(folder).values()) < 1e-3
    open_model(str(folder), "trajectory").close()

    manifest, weights = read_manifest(folder), folder / "trajectory.safetensors"
    tensors = load_file(weights)
    tensors["paths.bias"] = tensors["paths.bias"] + torch.tensor(0.5)
    save_file(tensors, weights)
    names = {key: entry.path for key, entry in manifest.files.items()}
    write_manifest(folder, replace(manifest, files=file_entries(folder, names)))
    before = (folder / "trajectory.onnx").read_bytes()
    with pytest.raises(ModelError, match="says something else"):
        renew_graph(folder)
    assert (folder / "trajectory.onnx").read_bytes() == before
    assert not list(folder.glob("*.part"))


@pytest.mark.train
def test_an_evaluation_takes_the_place_of_the_one_of_its_protocol_and_of_nothing_else(tmp_path) -> None:
    pytest.importorskip("torch")
    from headway.models.trajectory.produce import renew_moving

    folder = tmp_path / "trajectory"
    shutil.copytree(weights_dir() / "trajectory", folder, ignore=shutil.ignore_patterns("leave-one-out"))
    before = read_manifest(folder)
    contacts = {"said": 0.2, "came": 0.1, "moments": 77, "ece": 0.1, "out_of_view": None}
    level = before.evaluation["egocentric"]["noise"]["0.03"] | {"contacts": contacts, "scenes": {}}
    report = {
        "protocol": "egocentric",
        "noise": {"0.03": level},
        "command": "headway evaluate trajectory --json x.json -v",
    }
    after = renew_moving(folder, report)
    kept = set(before.evaluation) - {"egocentric"}
    assert {k: after.evaluation[k] for k in kept} == {k: before.evaluation[k] for k in kept}
    assert after.evaluation["egocentric"]["command"] == "headway evaluate trajectory -v"
    assert "0.200 said and 0.100 came of 77 moments" in (folder / "README.md").read_text()
    open_model(str(folder), "trajectory").close()  # the card's hash is renewed with it
    with pytest.raises(UsageError, match="memory"):
        renew_moving(folder, report | {"protocol": "memory"})


@pytest.mark.train
def test_one_condition_is_calibrated_anew_and_nothing_else_changes(tmp_path, monkeypatch) -> None:
    """From scores made up for the purpose: the walks themselves take minutes."""
    pytest.importorskip("torch")
    from headway.evaluate.coverage import Scores
    from headway.evaluate.pedestrians import SCENES
    from headway.models.trajectory import produce

    folder, condition = tmp_path / "trajectory", BY_SIZE[RELATIVE]
    shutil.copytree(weights_dir() / "trajectory", folder)
    asked = []

    def made(model, scene, name, progress) -> Scores:
        asked.append((model.name, scene, name))
        score = np.random.default_rng(len(asked)).exponential(size=400)
        return Scores(score, np.arange(400), np.arange(400), np.zeros((400, 2)))

    monkeypatch.setattr(produce, "walked_scores", made)
    before = {f: Calibration.parse(f / "calibration.json") for f in (folder, folder / "leave-one-out" / "eth")}
    manifest = produce.renew_calibration(folder, (condition,), lambda what, done, total: None)
    assert asked == [(f"trajectory-{scene}", scene, condition) for scene in SCENES]
    for where, old in before.items():
        model = open_model(str(where), "trajectory")  # whose hashes hold
        new = Calibration.read(model)
        model.close()
        for name in set(CONDITIONS) - {condition}:
            np.testing.assert_array_equal(new.scores[name], old.scores[name])
        assert new.quantile(0.9, 1, condition) == pytest.approx(-np.log(0.1), rel=0.15)
    cover = manifest.evaluation["coverage_relative_by_size"]
    assert cover["measured"] == pytest.approx(0.9, abs=0.03)
    assert f"{100 * cover['measured']:.1f} %" in (folder / "README.md").read_text()
    assert manifest.evaluation["coverage_own"] == read_manifest(weights_dir() / "trajectory").evaluation["coverage_own"]
    (folder / "leave-one-out" / "evaluation.json").unlink()
    with pytest.raises(UsageError, match=r"evaluation\.json is no evaluation"):
        produce.renew_calibration(folder, (condition,), lambda what, done, total: None)
