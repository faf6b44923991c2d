"""`headway bench`: what it measures and what it writes. No test here looks at how long something took."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from headway.bench.crowd import CLIP, Scene, clip, turning
from headway.bench.networks import Bench, _torch_rows, network_ratios
from headway.bench.pipeline import Clocked
from headway.bench.turns import Contestant, quantiles, take_turns
from headway.cli.main import build
from headway.errors import EngineError, ModelError, UsageError
from headway.paths import sample_dir

ROUNDS = "10"
FEEDS = [{"image": np.zeros((1, 120, 160, 3), np.uint8)}]


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "driving.json"
    arguments = ["bench", "driving", "--rounds", ROUNDS, "--engines", "onnxruntime,openvino,tensorrt", "--no-torch"]
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
    assert machine["product_gflop_s"] > 0.1
    assert machine["load_1min_after"] >= 0
    assert {"numpy", "onnxruntime"} <= set(machine["versions"]) | {"onnxruntime"}


def test_an_engine_that_could_not_run_is_named_with_its_reason(network_file):
    ran = {row["engine"] for row in network_file["rows"]}
    assert "tensorrt" in ran or any("tensorrt" in key and reason for key, reason in network_file["skipped"].items())


def test_every_stage_of_the_pipeline_is_timed_and_the_shares_are_of_one_whole(pipeline_file):
    found = pipeline_file["pipeline"]["onnxruntime"]
    expected = {"decode", "heads", "tracks", "forecast", "risk", "drive", "gate", "message"}
    assert expected <= set(found["stages"])
    assert 0.8 < sum(stage["share"] for stage in found["stages"].values()) <= 1.0
    assert 0 < found["outside_network_share"] < 1
    assert pipeline_file["pipeline"]["memory"]["rss_mib"] > 10
    raw = pipeline_file["pipeline"]["raw"]["onnxruntime"]
    assert raw["stages"]["decode"]["share"] < found["stages"]["decode"]["share"], "a raw image is not decoded"


def test_the_crowd_says_how_many_heads_were_found(pipeline_file):
    crowd = pipeline_file["pipeline"]["crowd"]
    assert crowd["pasted"] == [1, 32]
    assert crowd["engine"] == "onnxruntime"
    assert any(label.endswith("heads in view against 1.0, onnxruntime") for label in pipeline_file["ratios"])
    assert crowd["many"]["heads_mean"] > crowd["few"]["heads_mean"] >= 0.5


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


@pytest.mark.parametrize("error", [EngineError("it answers NaN"), ModelError("its own process ended with code -9")])
def test_a_row_that_fails_has_no_turn_any_more_and_the_others_go_on(error):
    def fails(feeds):
        raise error

    rows = [Contestant("n", "e", "fp32", call, [{}]) for call in (fails, lambda feeds: None)]
    take_turns(rows, 10)
    assert [row.failed for row in rows] == [str(error), ""]
    assert [len(row.wall_ms) for row in rows] == [0, 10]


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


def test_on_a_gpu_ratios_are_to_torch_on_the_same_gpu_and_to_the_engine_without_its_graph():
    times = {
        "torch-eager-cuda": 6.0,
        "tensorrt-fp16": 1.0,
        "tensorrt-fp16-no-graph": 1.5,
        "onnxruntime": 9.0,
    }
    rows = [{"name": "n", "engine": e, "p50_ms": ms, "cpu_p50_ms": ms} for e, ms in times.items()]
    assert network_ratios("n", rows) == {
        "n: tensorrt-fp16 vs torch-eager-cuda": 6.0,
        "n: tensorrt-fp16, CUDA graph vs none": 1.5,
        "n: tensorrt-fp16-no-graph vs torch-eager-cuda": 4.0,
    }


def test_torch_eager_on_the_cpu_has_no_turn_between_engines_of_the_gpu_alone(monkeypatch):
    torch_rows = pytest.importorskip("headway.bench.torch_eager", exc_type=ImportError)
    monkeypatch.setattr(torch_rows, "eager_devices", lambda: ["cuda"])
    monkeypatch.setattr(torch_rows, "eager", lambda name, threads, device="cpu": lambda feeds: None)
    monkeypatch.setattr(
        "headway.bench.networks.OwnProcesses", lambda make, feeds, count: SimpleNamespace(gflop=1.0, close=lambda: None)
    )
    for engine, expected in (
        ("tensorrt-fp16-no-graph", ["torch-eager-cuda"]),
        ("onnxruntime", ["torch-eager", "torch-eager-cuda"]),
    ):
        contestants = [Contestant("driving", engine, "fp32", lambda feeds: None, FEEDS)]
        for process in _torch_rows(Bench(), "driving", FEEDS, 1, contestants, False):
            process.close()
        assert [c.engine for c in contestants[1:]] == expected


def test_the_rate_of_a_row_is_its_work_over_its_median():
    row = Contestant("n", "e", "fp32", lambda feeds: None, [{}], gflop=4.0, wall_ms=[10.0, 40.0, 20.0], cpu_ms=[1.0])
    assert row.row()["gflop_s"] == 200.0
    assert "gflop_s" not in Contestant("n", "e", "fp32", lambda feeds: None, [{}], wall_ms=[1.0], cpu_ms=[1.0]).row()


def test_a_clocked_engine_passes_on_what_its_engine_answers():
    class Inner:
        name = "inner"

        def infer(self, feeds):
            return {"y": feeds["x"] + 1}

    clock = Clocked(Inner())
    assert clock.infer({"x": np.ones(2)})["y"].tolist() == [2.0, 2.0]
    assert clock.ms > 0


def scene():
    rng = np.random.default_rng(0)
    crop = np.full((60, 50, 3), 255, np.uint8)
    return Scene(crop, rng.integers(60, 120, (480, 640, 3)).astype(np.uint8))


@pytest.mark.parametrize("count", [0, 1, 32])
def test_as_many_heads_walk_as_were_asked_for_and_none_touch(count):
    import cv2

    for image in (clip(scene(), count)[0], clip(scene(), count)[-1]):
        assert image.shape == (720, 1280, 3)
        white = (image > 235).all(axis=2).astype(np.uint8)
        assert cv2.connectedComponentsWithStats(cv2.erode(white, np.ones((9, 9))))[0] - 1 == count


def test_two_clips_are_the_same_but_for_the_heads():
    few, many = (clip(scene(), n, 2)[1].astype(int) for n in (1, 32))
    assert (few == many).all(axis=2).mean() > 0.5
    assert (few != many).any()


def test_no_two_neighbouring_frames_of_a_clip_are_the_same_and_it_never_jumps():
    order = [turning(i, CLIP) for i in range(4 * CLIP)]
    assert all(abs(a - b) == 1 for a, b in pairwise(order))
    assert set(order) == set(range(CLIP))


def test_the_image_monitor_takes_the_crowd_for_a_picture_of_the_world(pipeline_file):
    """What voided the first comparison: stills were called frozen and their frames refused."""
    many = pipeline_file["pipeline"]["crowd"]["many"]
    assert "heads" in many["stages"]
    assert many["heads_mean"] > 16


@pytest.fixture(scope="module")
def schema():
    jsonschema = pytest.importorskip("jsonschema")
    content = json.loads(Path("docs/bench.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


def test_what_bench_writes_is_what_the_schema_says(schema, network_file, pipeline_file):
    for content in (network_file, pipeline_file):
        assert [e.message for e in schema.iter_errors(content)] == []


def test_the_published_files_are_what_the_schema_says(schema):
    files = sorted(Path("docs/performance").glob("*.json"))
    assert files
    for file in files:
        assert [e.message for e in schema.iter_errors(json.loads(file.read_text()))] == [], file


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.pop("machine"),
        lambda c: c["rows"][0].pop("p99_ms"),
        lambda c: c["rows"][0].update(p50_ms="fast"),
        lambda c: c["rows"][0].update(p50_ms=-1.0),
        lambda c: c["rows"][0].update(precision="fp8"),
        lambda c: c["machine"].update(jetson=True),
        lambda c: c["rows"].clear(),
        lambda c: c.update(rubbish=1),
    ],
)
def test_a_file_that_somebody_wrote_by_hand_wrongly_does_not_pass(schema, network_file, spoil):
    content = json.loads(json.dumps(network_file))
    spoil(content)
    assert list(schema.iter_errors(content))


def test_an_unknown_engine_is_refused_by_name():
    with pytest.raises(UsageError, match="abacus"):
        CliRunner().invoke(build(), ["bench", "driving", "--engines", "abacus"], catch_exceptions=False)


def test_the_published_tables_are_those_of_the_files():
    tool = [sys.executable, "tools/performance_tables.py", "--check", "docs/performance.md"]
    found = subprocess.run(tool, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_table_says_what_the_gpu_was_set_to(tmp_path):
    content = json.loads(Path("docs/performance/h100-tensorrt-8.6-driving.json").read_text())
    content["machine"] |= {
        "power_mode": "MAXN",
        "gpu_clocks": {"now_mhz": 1300.5, "max_mhz": 1300.5, "fixed": True},
    }
    page = tmp_path / "page.md"
    page.with_suffix("").mkdir()
    (tmp_path / "page" / "orin.json").write_text(json.dumps(content))
    page.write_text(Path("docs/performance.md").read_text())
    subprocess.run([sys.executable, "tools/performance_tables.py", str(page)], check=True)
    assert " (power mode MAXN, 1300 of 1300 MHz, fixed), " in page.read_text()
