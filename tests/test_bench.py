"""`headway bench`: what it measures and what it writes. No test here looks at how long something took."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from headway.bench import Contestant, network_ratios, quantiles, take_turns
from headway.bench_pipeline import Clocked, paste
from headway.cli.main import build
from headway.errors import UsageError
from headway.paths import sample_dir

ROUNDS = "10"


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "driving.json"
    arguments = ["bench", "driving", "--rounds", ROUNDS, "--engines", "onnxruntime,tensorrt", "--no-torch"]
    result = CliRunner().invoke(build(), [*arguments, "--json", str(path)])
    assert result.exit_code == 0, result.output
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def pipeline_file(tmp_path_factory):
    if not (sample_dir() / "street-vehicle.mcap").is_file():
        pytest.skip("the bundled recording is not there")
    path = tmp_path_factory.mktemp("bench") / "pipeline.json"
    arguments = ["bench", "pipeline", "--rounds", ROUNDS, "--engines", "onnxruntime", "--json", str(path)]
    result = CliRunner().invoke(build(), arguments)
    assert result.exit_code == 0, result.output
    return json.loads(path.read_text())


def test_the_file_has_the_keys_that_are_promised(network_file):
    assert {"rows", "ratios", "machine", "command"} <= set(network_file)
    row = network_file["rows"][0]
    assert {"name", "engine", "precision", "p50_ms", "p95_ms", "p99_ms"} <= set(row)
    assert (row["name"], row["engine"], row["precision"], row["calls"]) == ("driving", "onnxruntime", "fp32", 10)
    assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]


def test_the_machine_and_the_versions_stand_beside_the_numbers(network_file):
    machine = network_file["machine"]
    assert machine["cores"] >= 1
    assert machine["memory_mib"] > 100
    assert machine["load_1min_after"] >= 0
    assert {"numpy", "onnxruntime"} <= set(machine["versions"]) | {"onnxruntime"}


def test_an_engine_that_could_not_run_is_named_with_its_reason(network_file):
    ran = {row["engine"] for row in network_file["rows"]}
    assert "tensorrt" in ran or network_file["skipped"]["tensorrt"]


def test_every_stage_of_the_pipeline_is_timed_and_the_shares_are_of_one_whole(pipeline_file):
    found = pipeline_file["pipeline"]["onnxruntime"]
    expected = {"decode", "heads", "tracks", "forecast", "risk", "drive", "gate", "message"}
    assert expected <= set(found["stages"])
    assert 0.8 < sum(stage["share"] for stage in found["stages"].values()) <= 1.0
    assert 0 < found["outside_network_share"] < 1
    assert pipeline_file["pipeline"]["memory"]["rss_mib"] > 10


def test_the_crowd_says_how_many_heads_were_found(pipeline_file):
    crowd = pipeline_file["pipeline"]["crowd"]
    assert crowd["pasted"] == [1, 32]
    assert crowd["many"]["heads_mean"] > crowd["few"]["heads_mean"]


@pytest.mark.train
def test_torch_eager_answers_what_the_engine_answers():
    pytest.importorskip("torch")
    from headway.bench_frames import real_feeds
    from headway.bench_torch import eager
    from headway.runtime.engine import open_model

    for name in ("driving", "trajectory"):
        model = open_model(name, name)
        feed = real_feeds(model, 1)[0][0]
        expected = model.infer(feed)
        for value, found in zip(expected.values(), eager(name, 1)(feed), strict=True):
            assert np.allclose(value, found, rtol=1e-3, atol=1e-3)


def test_rows_take_turns_and_the_slow_one_has_fewer():
    order = []
    contestants = [
        Contestant(name, "e", "fp32", lambda feeds, name=name: order.append(name), [{}], every)
        for name, every in (("a", 1), ("b", 1), ("slow", 5))
    ]
    take_turns(contestants, 10)
    assert [len(c.wall_ms) for c in contestants] == [10, 10, 2]
    turns = "".join(order)[-24 + 2 :]
    assert "aaa" not in turns
    assert "bbb" not in turns


def test_quantiles_are_those_of_the_times():
    assert quantiles(list(range(101))) == {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0}


def test_ratios_compare_medians_of_the_same_network():
    rows = [
        {"name": "n", "engine": "torch-eager", "p50_ms": 30.0, "cpu_p50_ms": 20.0},
        {"name": "n", "engine": "onnxruntime", "p50_ms": 10.0, "cpu_p50_ms": 10.0},
        {"name": "other", "engine": "onnxruntime", "p50_ms": 1.0, "cpu_p50_ms": 1.0},
    ]
    assert network_ratios("n", rows) == {
        "n: onnxruntime vs torch-eager": 3.0,
        "n: onnxruntime vs torch-eager, cpu time": 2.0,
    }


def test_a_clocked_engine_passes_on_what_its_engine_answers():
    class Inner:
        name = "inner"

        def infer(self, feeds):
            return {"y": feeds["x"] + 1}

    clock = Clocked(Inner())
    assert clock.infer({"x": np.ones(2)})["y"].tolist() == [2.0, 2.0]
    assert clock.ms > 0


@pytest.mark.parametrize("count", [1, 32])
def test_as_many_heads_are_pasted_as_were_asked_for(count):
    page = paste(np.full((50, 40, 3), 255, np.uint8), count)
    white = (page == 255).all(axis=2)
    assert white.sum() % count == 0
    assert 0 < white.sum() / count <= 180 * 160


def test_an_unknown_engine_is_refused_by_name():
    with pytest.raises(UsageError, match="abacus"):
        CliRunner().invoke(build(), ["bench", "driving", "--engines", "abacus"], catch_exceptions=False)


def test_the_published_tables_are_those_of_the_files():
    tool = [sys.executable, "tools/performance_tables.py", "--check", "docs/performance.md"]
    found = subprocess.run(tool, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
