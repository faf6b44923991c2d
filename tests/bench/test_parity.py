"""How the answers of a bench's engines are compared: what counts, and what is outside its tolerance."""

import numpy as np
import pytest

from headway.bench.parity import TOLERANCES, compare, outside
from headway.runtime.manifest import Manifest, TensorSpec, read_manifest
from headway.runtime.model import installed_models, model_folder


def manifest_of(outputs, **config):
    return Manifest("n", "driving", {}, {}, outputs, 0, config)


def test_candidates_that_no_stage_would_use_are_not_compared_and_those_of_one_side_alone_are():
    outputs = {"candidates": TensorSpec((1, 3, 2), columns={"score": (0, 1), "rotation": (1, 2)})}
    manifest = manifest_of(outputs, score_threshold=0.3)
    rows = np.array([[[0.9, 0.5], [0.2, 0.5], [0.1, 0.5]]])

    def worst(*scores_and_rotations):
        other = np.array([scores_and_rotations])
        told = compare(lambda f: {"candidates": rows}, lambda f: {"candidates": other}, [{}], manifest, "fp32")
        return told["columns"]["candidates.rotation"]

    assert worst((0.9, 0.5), (0.2, 0.7), (0.1, 0.5))["worst"] == 0.0
    assert worst((0.9, 0.51), (0.2, 0.7), (0.1, 0.5)) == {
        "worst": pytest.approx(0.01),
        "score": 0.9,
        "tolerance": 0.005,
        "unit": "",
    }
    assert worst((0.9, 0.5), (0.8, 0.7), (0.1, 0.5))["worst"] > 0.1, "a head that the reference does not see"
    assert worst((0.2, 0.5), (0.2, 0.5), (0.1, 0.7))["worst"] > 0.1, "a head that only the reference sees"


def test_an_engine_is_compared_column_by_column_and_what_leaves_its_tolerance_is_named():
    manifest = manifest_of({"controls": TensorSpec((1, 2), columns={"steering": (0, 1), "throttle": (1, 2)})})

    def found(steering):
        return lambda feeds: {"controls": np.array([[steering, feeds["x"]]])}

    feeds = [{"x": 1.0}, {"x": 2.0}]
    near = compare(found(0.1), found(0.1001), feeds, manifest, "fp32")
    assert near["inputs"] == 2
    assert near["columns"]["controls.throttle"]["worst"] == 0.0
    assert near["columns"]["controls.steering"]["worst"] == pytest.approx(1e-4)
    far = compare(found(0.1), found(0.102), feeds, manifest, "fp32")
    (line,) = outside({"driving": {"near": near, "far": far}})
    assert line.startswith("driving, far: controls.steering is off by 0.002")
    assert outside({"driving": {"half": compare(found(0.1), found(0.102), feeds, manifest, "fp16")}}) == []


def test_an_engine_that_answers_no_number_to_one_input_is_outside_whatever_comes_after():
    manifest = manifest_of({"controls": TensorSpec((1, 1), columns={"steering": (0, 1)})})
    feeds = [{"x": 0.1}, {"x": np.nan}, {"x": 0.2}]
    told = compare(
        lambda f: {"controls": np.zeros((1, 1))},
        lambda f: {"controls": np.full((1, 1), f["x"])},
        feeds,
        manifest,
        "fp32",
    )
    (line,) = outside({"driving": {"broken": told}})
    assert "controls.steering is off by inf" in line


@pytest.mark.parametrize("name", installed_models())
def test_every_output_column_of_the_installed_networks_has_a_tolerance(name):
    outputs = read_manifest(model_folder(name)).outputs
    labels = {f"{o}.{c}" for o, spec in outputs.items() for c in spec.columns} | {
        o for o, spec in outputs.items() if not spec.columns
    }
    assert labels <= set(TOLERANCES)
