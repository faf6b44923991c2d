"""An engine, a network or a pipeline that cannot run leaves the others alone, and the reason is told."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from headway.bench.crowd import bench_crowd
from headway.bench.networks import Bench, bench_network, not_run
from headway.bench.pipeline import ROWS, bench_pipeline
from headway.cli.main import build
from headway.errors import EngineError, ModelError
from headway.runtime import providers
from headway.runtime.model import model_folder

ROUNDS = "10"


class Broken:
    """An engine whose answers are numbers for the first calls alone."""

    name = "openvino"

    def __init__(self, inner, good):
        self.inner, self.good, self.closed = inner, good, False

    def infer(self, feeds):
        self.good -= 1
        return {k: np.full_like(v, v if self.good >= 0 else np.nan) for k, v in self.inner.infer(feeds).items()}

    def close(self):
        self.closed = True


@pytest.mark.parametrize("good", [1, 20])
def test_an_engine_that_stops_answering_numbers_leaves_the_bench_and_the_others_stay(monkeypatch, good):
    """After the first call (at the comparison), and in the turns."""
    opened = []
    whole = providers.OPENERS["onnxruntime"]

    def broken(*args):
        opened.append(Broken(whole(*args), good))
        return opened[0]

    monkeypatch.setitem(providers.OPENERS, "openvino", broken)
    bench = Bench()
    bench_network(bench, "driving", ("openvino", "onnxruntime"), 10, 1, torch_rows=False)
    assert [row["engine"] for row in bench.rows] == ["onnxruntime"]
    assert "NaN" in bench.skipped["driving: openvino"]
    assert opened[0].closed


def test_a_pipeline_whose_network_fails_is_not_measured_by_how_fast_it_fails(monkeypatch):
    whole = providers.OPENERS["onnxruntime"]
    monkeypatch.setitem(providers.OPENERS, "openvino", lambda *args: Broken(whole(*args), 12))
    bench = Bench()
    bench_pipeline(bench, ("openvino", "onnxruntime"), 10)
    assert [(row["name"], row["engine"]) for row in bench.rows] == [(name, "onnxruntime") for name in ROWS]
    assert all("NaN" in bench.skipped[f"{name}: openvino"] for name in ROWS)
    assert not any("openvino" in label for label in bench.ratios)


def test_a_crowd_that_cannot_be_shown_costs_nothing_but_its_own_numbers(monkeypatch):
    whole = providers.OPENERS["onnxruntime"]
    opened = []

    def broken(*args):
        opened.append(Broken(whole(*args), 2))
        return opened[-1]

    monkeypatch.setitem(providers.OPENERS, "openvino", broken)
    bench = Bench()
    bench_crowd(bench, "openvino", 1)
    assert bench.skipped.keys() == {"crowd: openvino"}
    assert bench.pipeline == {}
    assert opened
    assert all(engine.closed for engine in opened)


def test_what_an_engine_lacks_for_all_networks_is_told_once():
    skipped = {
        "driving: tensorrt": "no usable NVIDIA GPU\nand more",
        "head-pose: tensorrt": "no usable NVIDIA GPU",
        "driving: openvino-int8": "model 'driving' has no int8 graph: headway export driving --precision int8",
        "pipeline: openvino-int8": "model 'head-pose' has no int8 graph: headway export head-pose --precision int8",
        "driving: openvino": "GPU out of memory",
        "onnxruntime-cuda": "not installed",
    }
    assert not_run(skipped, [{"engine": "openvino"}]) == [
        "tensorrt: no usable NVIDIA GPU",
        "openvino-int8: the model has no int8 graph: headway export MODEL --precision int8",
        "openvino for driving: GPU out of memory",
        "onnxruntime-cuda: not installed",
    ]


def test_an_engine_that_runs_one_network_and_not_the_other_is_skipped_for_the_other_alone(monkeypatch):
    whole = providers.OPENERS["onnxruntime"]

    def choosy(folder, manifest, threads):
        if manifest.name == "driving":
            raise EngineError("GPU out of memory")
        return whole(folder, manifest, threads)

    monkeypatch.setitem(providers.OPENERS, "openvino", choosy)
    bench = Bench()
    for name in ("driving", "driving-roadworld"):
        bench_network(bench, name, ("openvino",), 10, 1, torch_rows=False)
    assert [(row["name"], row["engine"]) for row in bench.rows] == [("driving-roadworld", "openvino")]
    assert bench.skipped == {"driving: openvino": "GPU out of memory"}


def test_an_engine_that_cannot_run_without_its_cuda_graph_keeps_its_own_row(monkeypatch):
    def refuse(graph, precision):
        raise EngineError("no memory for a second one")

    monkeypatch.setitem(providers.OPENERS, "tensorrt", providers.OPENERS["onnxruntime"])
    monkeypatch.setattr("headway.bench.networks.WITHOUT_GRAPH", {"tensorrt": refuse})
    bench = Bench()
    bench_network(bench, "driving", ("tensorrt",), 10, 1, torch_rows=False)
    assert [row["engine"] for row in bench.rows] == ["tensorrt"]
    assert bench.skipped == {"driving: tensorrt-no-graph": "no memory for a second one"}


@pytest.mark.parametrize("what", ["driving", "pipeline"])
def test_where_nothing_could_be_measured_the_command_fails_with_the_reasons(what, monkeypatch, tmp_path):
    def refuse(folder, manifest, threads):
        raise EngineError("no usable NVIDIA GPU")

    monkeypatch.setitem(providers.OPENERS, "tensorrt", refuse)
    path = tmp_path / "bench.json"
    arguments = ["bench", what, "--engines", "tensorrt", "--no-torch", "--rounds", ROUNDS, "--json", str(path)]
    result = CliRunner().invoke(build(), arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, EngineError)
    assert "nothing was measured" in str(result.exception)
    assert "tensorrt: no usable NVIDIA GPU" in str(result.exception)
    assert not path.exists()


def bench_all_of_driving_alone(tmp_path, monkeypatch):
    shutil.copytree(model_folder("driving"), tmp_path / "models" / "driving")
    monkeypatch.setenv("HEADWAY_MODELS", str(tmp_path / "models"))
    arguments = ["bench", "all", "--rounds", ROUNDS, "--engines", "onnxruntime", "--no-torch"]
    result = CliRunner().invoke(build(), [*arguments, "--json", str(tmp_path / "bench.json")])
    return result, json.loads((tmp_path / "bench.json").read_text())


def test_what_was_measured_before_an_error_is_printed_and_written(tmp_path, monkeypatch):
    def ended(*args):
        raise ModelError("the weights are gone")

    monkeypatch.setattr("headway.bench.pipeline.bench_pipeline", ended)
    result, written = bench_all_of_driving_alone(tmp_path, monkeypatch)
    assert isinstance(result.exception, ModelError), result.output
    assert [row["name"] for row in written["rows"]] == ["driving"]
    assert written["skipped"] == {"the rest": "the weights are gone"}
    assert "driving" in result.output


def test_where_the_pipeline_cannot_run_the_networks_are_measured_and_the_reason_is_told(tmp_path, monkeypatch):
    result, written = bench_all_of_driving_alone(tmp_path, monkeypatch)
    assert result.exit_code == 0
    assert [row["name"] for row in written["rows"]] == ["driving"]
    assert "no model 'head-pose'" in written["skipped"]["pipeline: onnxruntime"]
    assert "crowd" not in written["pipeline"]
