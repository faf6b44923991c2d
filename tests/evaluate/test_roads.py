"""The closed-loop report: its fixed keys, its drivers, and what a hopeless network looks like in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headway.errors import HeadwayError, ModelError, UsageError
from headway.evaluate.closed_loop import ExpertDriver, drive, lost, paired
from headway.evaluate.roads import evaluate_world
from headway.runtime.manifest import FileEntry, Manifest, TensorSpec
from headway.runtime.model import Model
from headway.worlds.roadworld import Roadworld

CONFIG = {
    "temperature": 1.0,
    "regression_sigma": 0.1,
    "conformal_scale": 1.5,
    "nominal": 0.9,
    "confidence_intercept": -2.0,
    "confidence_slope": 2.0,
    "small_error": 0.18,
    "novelty_limit": 1.5,
    "slow_width": 0.3,
    "recover_width": 0.4,
    "handover_width": 0.8,
}


class Dazzled:
    """An engine that always steers straight, and finds dark images novel."""

    name = "dazzled"

    def infer(self, feeds):
        dark = float(feeds["image"].mean()) < 30.0
        logits = np.zeros((1, 11), np.float32)
        logits[0, 5] = 9.0
        novelty = np.array([[9.0 if dark else 1.0]], np.float32)
        return {"controls": np.array([[0.0, 0.7]], np.float32), "bin_logits": logits, "novelty": novelty}

    def close(self):
        pass


@pytest.fixture(scope="module")
def model() -> Model:
    outputs = {
        "controls": TensorSpec((1, 2), columns={"steering": (0, 1), "throttle": (1, 2)}),
        "bin_logits": TensorSpec((1, 11), columns={"bins": (0, 11)}),
        "novelty": TensorSpec((1, 1), columns={"novelty": (0, 1)}),
    }
    inputs = {"image": TensorSpec((1, 120, 160, 3), "uint8", "NHWC", "BGR")}
    manifest = Manifest("d", "driving", {"onnx": FileEntry("x", "0")}, inputs, outputs, 0, config=CONFIG)
    return Model(manifest, Dazzled(), Path())


def test_the_report_has_the_fixed_keys_and_a_dark_camera_ends_in_a_stop(model):
    report = json.loads(json.dumps(evaluate_world(model, "roadworld", ["one-turn"], runs=1, stress=["darkness"])))
    drivers = report["routes"]["one-turn"]
    assert set(drivers) == {"headway-regression", "headway", "expert"}
    wanted = {"frechet_m", "dtw", "area", "deviation_m", "off_road_s", "completed"}
    assert all(wanted <= set(row) for row in drivers.values())
    assert {"ece", "auroc", "coverage"} <= set(report["confidence"])
    assert drivers["expert"]["completed"] == 1.0
    assert drivers["headway"]["completed"] == 0.0
    assert drivers["expert"]["frechet_m"] < drivers["headway"]["frechet_m"]
    dark = report["stress"]["darkness"]["one-turn"]
    assert dark["headway"]["stopped"] == 1.0
    assert dark["headway-regression"]["stopped"] == 0.0


def test_an_unknown_route_and_an_unknown_stress_are_named(model):
    with pytest.raises(UsageError, match="no route 'moon'"):
        evaluate_world(model, "roadworld", ["moon"], runs=1)
    with pytest.raises(UsageError, match="stress 'flood'"):
        evaluate_world(model, "roadworld", ["straight"], runs=1, stress=["flood"])


class Dying(Roadworld):
    """A simulator with a fault of its own."""

    name = "dying"

    def step(self, command):
        raise RuntimeError("out of memory")


def test_a_world_in_which_every_drive_fails_says_why_instead_of_a_report(model, monkeypatch):
    monkeypatch.setattr("headway.evaluate.roads.open_world", lambda name: Dying())
    with pytest.raises(
        HeadwayError, match="every drive of headway failed, the first one with RuntimeError: out of mem"
    ):
        evaluate_world(model, "dying", ["straight"], runs=1)


def test_drivers_that_share_no_whole_drive_are_not_compared():
    world = Roadworld()
    whole, broken = drive(world, ExpertDriver(world), "straight", 20_000), lost(0.1, "its process died twice")
    results = {"straight": {"a": [whole, broken], "b": [broken, whole], "c": [whole, whole]}}
    assert paired(results, "a", "b") is None
    assert paired(results, "a", "c")["pairs"] == 1


def test_differences_are_paired_by_seed_and_their_interval_is_round_the_mean(monkeypatch):
    monkeypatch.setattr("headway.evaluate.closed_loop.measures", lambda run: {"frechet_m": run.step_s})
    runs = {"a": [0.2, 0.4, 0.9, 0.5], "b": [0.3, 0.6, 1.5, 0.1]}
    made = {name: [replace(lost(v, ""), failed="") for v in values] for name, values in runs.items()}
    found = paired({"x": {k: v[:2] for k, v in made.items()}, "y": {k: v[2:] for k, v in made.items()}}, "a", "b")
    assert found["mean"] == pytest.approx((-0.1 - 0.2 - 0.6 + 0.4) / 4)
    assert found["ratio"] == pytest.approx(2.0 / 2.5)
    assert -0.6 <= found["low"] < found["mean"] < found["high"] <= 0.4
    assert found["pairs"] == 4
    same = paired({"x": {"a": made["a"], "b": made["a"]}}, "a", "b")
    assert (same["mean"], same["low"], same["high"], same["ratio"]) == (0.0, 0.0, 0.0, 1.0)


class Published:
    """A stand-in for the engine of the reference network: sure of itself, and always a little to the left."""

    name = "published"

    def infer(self, feeds):
        logits = np.zeros((1, 11), np.float32)
        logits[0, 5] = 9.0
        return {"regression": np.array([[0.1]], np.float32), "bin_logits": logits}

    def close(self):
        pass


def reference_model(**config) -> Model:
    outputs = {"regression": TensorSpec((1, 1)), "bin_logits": TensorSpec((1, 11))}
    inputs = {"image": TensorSpec((1, 120, 160, 3), "uint8", "NHWC", "BGR")}
    training = {"epochs": 2.5, "steps": 10, "seconds": 1.0, "frames": 320}
    files = {"onnx": FileEntry("x", "0")}
    manifest = Manifest("caril", "driving", files, inputs, outputs, 0, config=config, training=training)
    return Model(manifest, Published(), Path())


def test_the_reference_drives_beside_ours_on_the_same_seeds_and_says_how_far_it_was_trained(model):
    reference = reference_model(label_gain=2.0)
    report = evaluate_world(model, "roadworld", ["straight"], runs=1, stress=["delay"], reference=reference)
    assert list(report["routes"]["straight"]) == ["regression", "caril", "headway-regression", "headway", "expert"]
    assert set(report["paired"]) == {"headway - regression", "headway - caril", "headway - headway-regression"}
    assert report["reference"]["epochs"] == 2.5
    assert set(report["stress"]["delay"]["straight"]) == {"regression", "caril", "headway-regression", "headway"}


def test_a_folder_without_the_label_gain_is_no_reference(model):
    with pytest.raises(ModelError, match="label_gain"):
        evaluate_world(model, "roadworld", ["straight"], runs=1, reference=reference_model())
