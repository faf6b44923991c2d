"""Nodes as processes: import, start, signals, and the whole graph with every frame accounted for."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from headway import messages
from headway.bags import BagReader, BagWriter
from headway.bags.topics import InputTopics
from headway.convert.material import encode
from headway.convert.tub import convert_tub
from headway.convert.video import camera_info, convert_video
from headway.demo import run_demo
from headway.errors import BagError, ConfigError, HeadwayError, ModelError
from headway.graph import Performance, node_arguments, run_graph
from headway.images import COMPRESSED, IMAGE, decode_image
from headway.node_config import NODE_CONFIGS, HeadwayNodeConfig, load, parameter_file
from headway.paths import sample_dir
from headway.replay import replay
from headway.ros_environment import DOMAINS, child_environment, own_domain
from headway.runtime.model import installed_models
from headway.sensors import stamp_of

pytestmark = pytest.mark.ros

TINY = Path(__file__).with_name("tiny_node.py")
START_NS = 1_700_000_000_000_000_000


def weights_needed() -> None:
    if not {"head-pose", "trajectory", "driving"} <= set(installed_models()):
        pytest.skip("the shipped weights are missing")


def test_nodes_start_without_torch_and_load_nothing_slow() -> None:
    imports = ", ".join(f"headway.nodes.{node}" for node in NODE_CONFIGS)
    code = f"import sys, {imports}; print([m for m in ('torch', 'onnx', 'onnxruntime', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # onnxruntime and scipy are loaded at configure, not at start.
    assert done.stdout.strip() == "[]"


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a Python process in a ROS domain of its own."""
    with contextlib.ExitStack() as stack:
        env = child_environment(stack.enter_context(own_domain()))

        def start(*arguments: str) -> subprocess.Popen[str]:
            command = [sys.executable, *arguments]
            started = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            stack.callback(started.kill)
            return started

        yield start


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_a_signal_ends_a_running_node_cleanly_even_twice(
    sent: signal.Signals, process: Callable[..., subprocess.Popen[str]]
) -> None:
    node = process(str(TINY), "--ros-args", "-p", "autostart:=true")
    assert node.stdout
    line = node.stdout.readline()
    assert "configured" in line
    time.sleep(0.2)  # activation follows configuration
    node.send_signal(sent)
    time.sleep(0.02)
    node.send_signal(sent)
    output = node.communicate(timeout=20)[0]
    assert node.returncode == 0, output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("-p", "threads:=0"), "[1, 64]"),
        (("-p", "heads.score_treshold:=0.5"), "did you mean 'heads.score_threshold'"),
        (("-p", "input.transport:=pigeon"), "raw, compressed"),
    ],
)
def test_a_bad_parameter_ends_the_start_with_one_line_and_code_2(
    arguments: tuple[str, ...], word: str, process: Callable[..., subprocess.Popen[str]]
) -> None:
    node = process("-m", "headway.nodes.head_pose", "--ros-args", *arguments)
    output = node.communicate(timeout=30)[0]
    assert node.returncode == 2
    assert len(output.strip().splitlines()) == 1
    assert word in output


def accounted(performance: Performance) -> None:
    """Every frame is answered or counted as dropped for a reason that is told."""
    for task, found in performance.tasks.items():
        assert performance.unexplained(task) == 0, (task, found, performance.diagnostics)
        assert sum(performance.drop_reasons(task).values()) == found["dropped"], task
    assert performance.problems == []


def test_demo_accounts_for_150_frames_and_writes_every_result(tmp_path: Path) -> None:
    """150 frames in, 150 answered or counted as dropped with a reason, none unexplained; stamps are those of images."""
    weights_needed()
    bag = sample_dir() / "street-vehicle.mcap"
    seen: list[int] = []
    content = run_demo(tmp_path, "headway demo", playing=lambda done, total: seen.append(done))
    assert seen == list(range(1, 151))
    for name in ("output.mcap", "annotated.mp4", "report.html", "summary.json"):
        assert (tmp_path / name).stat().st_size > 1000
    assert json.loads((tmp_path / "summary.json").read_text()) == content
    assert content["frames"]["in"] == 150
    assert content["frames"]["answered"] + content["frames"]["dropped"] == 150
    assert sum(content["frames"]["by_reason"].values()) == content["frames"]["dropped"]
    assert set(content["models"]) == {"head_pose", "trajectory", "driving"}

    result = json.loads((tmp_path / "logs" / "result.json").read_text())
    performance = Performance(
        tmp_path / "output.mcap", InputTopics(), 150, result["tasks"], result["diagnostics"], content["notes"]
    )
    accounted(performance)
    with BagReader(tmp_path / "output.mcap") as reader, BagReader(bag) as source:
        images = {message_stamp(m) for m in source.messages([content["topics"]["image"]])}
        for topic in ("/head_pose/heads", "/trajectory/risk", "/driving/command"):
            stamps = [message_stamp(m) for m in reader.messages([topic])]
            # What a node says of itself while its input is silent repeats the last stamp, or has none yet.
            answered = list(dict.fromkeys(s for s in stamps if s))
            assert set(answered) <= images, "an output stamp was invented"
            assert answered == sorted(answered)
            assert answered


def test_demo_names_a_missing_model_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_MODELS", str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match=r"HEADWAY_MODELS is .*nowhere, which is no folder"):
        run_demo(tmp_path / "out", "headway demo")
    assert not (tmp_path / "out").exists()


def message_stamp(message: object) -> int:
    from headway.nodes.player import header_stamp

    return header_stamp(message.data)  # type: ignore[attr-defined]


@pytest.fixture
def faulty_bag(tmp_path: Path) -> Path:
    """15 images at 15 Hz; one is cut off, one empty, one of another size; no camera_info, no IMU, no odometry."""
    path = tmp_path / "faulty.mcap"
    with BagReader(sample_dir() / "street-vehicle.mcap") as sample:
        pictures = [decode_image(m.decode()) for m in islice(sample.messages(sample.of_type(COMPRESSED)), 15)]
    with BagWriter(path) as bag:
        for i, picture in enumerate(pictures):
            # Pictures of the world: the image monitor rightly refuses noise.
            data = encode(cv2.resize(picture, (128, 96) if i != 9 else (64, 48), interpolation=cv2.INTER_AREA)).jpeg
            data = data[: len(data) // 2] if i == 5 else b"" if i == 7 else data
            stamp_ns = START_NS + i * 66_666_667
            header = {"stamp": messages.stamp(stamp_ns), "frame_id": "lens"}
            bag.write("/cam/compressed", COMPRESSED, {"header": header, "format": "jpeg", "data": data}, stamp_ns)
    return path


def test_faulty_frames_are_answered_with_their_reason_and_the_graph_lives_on(faulty_bag: Path, tmp_path: Path) -> None:
    weights_needed()
    # The driving task alone: quick enough that no frame has to be dropped, so that every fault must be seen.
    file = tmp_path / "driving_only.yaml"
    file.write_text("headway: {ros__parameters: {models: {head_pose: '', trajectory: ''}}}")
    performance = run_graph(faulty_bag, tmp_path / "out", composed=True, rate=0.25, parameter_files={"headway": file})
    assert performance.frames == 15
    accounted(performance)
    assert list(performance.tasks) == ["driving"]
    reasons = " | ".join(performance.tasks["driving"]["invalid"])
    for word in ("truncated", "empty", "size changed from 128x96 to 64x48", "size changed from 64x48 to 128x96"):
        assert word in reasons
    with BagReader(performance.output) as reader:
        commands = [m.decode() for m in reader.messages(["/headway/command"])]
    assert commands[-1].valid, "the node lives on"


def test_raw_images_choose_the_raw_transport(tmp_path: Path) -> None:
    topics = InputTopics(image="/cam/image", imu="/imu")
    arguments = node_arguments("headway", topics, {"/cam/image": IMAGE}, parameter_file("headway"))
    assert "input.transport:=raw" in arguments
    assert "image:=/cam/image" in arguments
    assert "imu:=/imu" in arguments
    assert not any(a.startswith("odom:=") for a in arguments)


def test_a_parameter_file_without_one_of_the_nodes_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """ROS passes over it: the camera's mounting in a copy of headway.yaml never reached the trajectory node."""
    file = dict.fromkeys(("head_pose", "trajectory", "driving"), parameter_file("headway"))
    with pytest.raises(ConfigError, match="no parameters of node 'head_pose'"):
        run_graph(sample_dir() / "street-vehicle.mcap", tmp_path, parameter_files=file)
    assert not (tmp_path / "output.mcap").exists()


def test_a_bag_without_images_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "none.mcap"
    with BagWriter(path) as bag:
        picture = encode(np.zeros((48, 64, 3), np.uint8))
        bag.write("/camera_info", "sensor_msgs/msg/CameraInfo", camera_info(picture, 60.0, START_NS), START_NS)
    with pytest.raises(BagError, match="no image topic"):
        run_graph(path, tmp_path / "out")
    assert not (tmp_path / "out" / "logs").exists()


def test_a_node_that_cannot_configure_ends_the_run_with_its_own_words(
    faulty_bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_MODELS", str(tmp_path / "nowhere"))
    with pytest.raises(HeadwayError, match="could not configure") as caught:
        run_graph(faulty_bag, tmp_path / "out", composed=True)
    assert "HEADWAY_MODELS is" in str(caught.value)
    assert "Traceback" not in (tmp_path / "out" / "logs" / "headway.log").read_text()


@pytest.mark.parametrize("material", ["people/vtest.avi", "donkeycar_tub/tub"])
def test_recorded_material_runs_through_the_graph(
    material: str, shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    weights_needed()
    source, bag = shared_data(material), tmp_path / "real.mcap"
    if source.is_dir():
        convert_tub(source, bag, limit=45)
    else:
        convert_video(source, bag, rate_hz=15.0, limit=45)
    performance = run_graph(bag, tmp_path / "out", composed=True)
    assert performance.frames == 45
    accounted(performance)
    assert performance.tasks["driving"]["answered"] > 0
    # Live and replay agree: the same frame has the same heads, to the bit, once the camera_info has come. Poses are
    # smoothed over the frames that were answered, and live that is not every one: they may differ.
    replay(bag, tmp_path / "replay.mcap", load(HeadwayNodeConfig(), "headway"))
    live = heads_by_stamp(performance.output, "/headway/heads")
    again = heads_by_stamp(tmp_path / "replay.mcap", "/head_pose/heads")
    settled = sorted(live)[3:]
    assert settled
    for stamp_ns in settled:
        np.testing.assert_array_equal(live[stamp_ns], again[stamp_ns])


def heads_by_stamp(bag: Path, topic: str) -> dict[int, np.ndarray]:
    """stamp -> (N, 5) box and score of every valid answer."""
    with BagReader(bag) as reader:
        answers = [m.decode() for m in reader.messages([topic])]

    def numbers(head: Any) -> list[float]:
        return [head.x_min, head.y_min, head.x_max, head.y_max, head.score]

    return {stamp_of(a): np.array([numbers(h) for h in a.heads]).reshape(-1, 5) for a in answers if a.valid}


def test_two_graphs_at_a_time_never_share_a_domain() -> None:
    with own_domain() as first, own_domain() as second:
        assert first != second
        # A participant that never asked: its first port is taken.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
            third = next(d for d in DOMAINS if d not in (first, second))
            with contextlib.suppress(OSError):
                foreign.bind(("0.0.0.0", 7400 + 250 * third + 10))
            with own_domain() as other:
                assert other not in (first, second, third)
