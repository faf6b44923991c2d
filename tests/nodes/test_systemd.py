"""sd_notify from real node processes, started as the unit file starts them."""

from __future__ import annotations

import array
import configparser
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from notify_socket import NotifySocket
from ros_bench import Bench, wait
from sensor_msgs.msg import Image

from headway.nodes.systemd import Systemd
from headway.paths import share_dir
from headway.ros_environment import child_environment
from headway.runtime.model import installed_models
from headway_msgs.msg import DriveCommand

pytestmark = pytest.mark.ros

UNIT = share_dir() / "launch" / "systemd" / "headway@.service"
TINY, HANGING = (Path(__file__).with_name(name) for name in ("tiny_node.py", "hanging_node.py"))
needs_weights = pytest.mark.skipif(
    not {"head-pose", "trajectory", "driving"} <= set(installed_models()), reason="the shipped weights are missing"
)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifySocket]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@headway-test-{os.getpid()}"
    listening = NotifySocket(name)
    yield listening
    listening.close()


@pytest.fixture
def service(bench: Bench, manager: NotifySocket) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a process in the bench's domain, with the environment of a service that is watched every second."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **extra: str) -> subprocess.Popen[bytes]:
        env = child_environment(bench.context.get_domain_id())
        env |= {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "1000000", **extra}
        started.append(subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_node_is_ready_when_it_is_active_then_beats_and_says_when_it_stops(
    bench: Bench, manager: NotifySocket, service: Callable[..., subprocess.Popen[bytes]]
) -> None:
    node = service(sys.executable, str(TINY), "--ros-args", "-p", "autostart:=true")
    wait(lambda: manager.count("WATCHDOG=1") >= 3, "no sign of life", timeout_s=30)
    assert manager.told[0].lines == ("READY=1", "STATUS=active")
    assert manager.count("READY=1") == 1
    assert {t.pid for t in manager.told} == {node.pid}
    assert manager.count("STOPPING=1") == 0
    node.send_signal(signal.SIGTERM)
    assert node.wait(20) == 0
    wait(lambda: manager.count("STOPPING=1") == 1, "the end was not announced")
    assert manager.told[-1].lines == ("STOPPING=1",)


def test_a_start_that_fails_is_never_ready_and_ends_with_code_1(
    manager: NotifySocket, service: Callable[..., subprocess.Popen[bytes]]
) -> None:
    arguments = ("-m", "headway.nodes.driving", "--ros-args", "-p", "autostart:=true", "-p", "model:=nobody")
    assert service(sys.executable, *arguments).wait(30) == 1
    assert manager.count("READY=1") == 0


@needs_weights
@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_an_engine_that_hangs_again_goes_to_error_and_the_signs_of_life_end(
    bench: Bench, manager: NotifySocket, service: Callable[..., subprocess.Popen[bytes]]
) -> None:
    given = {
        "autostart": "true",
        "watchdog.minimum_s": "0.5",
        "monitor.enabled": "false",
        "diagnostics_period_s": "0.2",
    }
    arguments = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
    node = service(sys.executable, str(HANGING), "2", "driving", "--ros-args", *arguments)
    commands = bench.record(DriveCommand, "/driving/command")
    diagnostics = bench.record(DiagnosticArray, "/diagnostics")
    wait(lambda: manager.count("READY=1") == 1, "never ready", timeout_s=30)
    bench.matched("/driving/command")
    camera = bench.publisher(Image, "image")
    pixels = np.random.default_rng(5).integers(0, 255, 160 * 120 * 3, np.uint8)
    image = Image(width=160, height=120, encoding="bgr8", step=480, data=array.array("B", pixels.tobytes()))

    def shoot() -> None:
        image.header.stamp = bench.tester.get_clock().now().to_msg()
        camera.publish(image)

    timer = bench.tester.create_timer(0.05, shoot)

    def values() -> dict[str, str]:
        return {v.key: v.value for m in diagnostics for s in m.status if s.name == "driving: stream" for v in s.values}

    wait(lambda: values().get("engine_restarts") == "1", "the hanging engine was not restarted", timeout_s=30)
    ask = bench.tester.create_client(GetState, "/driving/get_state")

    def state() -> str:
        future = ask.call_async(GetState.Request())
        wait(future.done, "the node does not say its state")
        return str(future.result().current_state.label)

    wait(lambda: state() == "unconfigured", "the node did not go through its error state", timeout_s=60)
    timer.cancel()
    hangs = [c for c in commands if "the engine of 'driving' hangs" in c.reason]
    assert len(hangs) == 2, "each hang answers its own frame"
    assert commands[-1].speed == 0.0
    wait(lambda: any("again" in s.message for m in diagnostics for s in m.status), "no word in the diagnostics")
    since = manager.told[-1].at_s
    wait(lambda: sum(t.at_s > since for t in manager.told) >= 3, "the executor does not turn")
    assert not any("WATCHDOG=1" in t.lines for t in manager.told if t.at_s > since)
    assert "again" in manager.told[-1].lines[0]
    assert node.poll() is None
    node.send_signal(signal.SIGTERM)
    assert node.wait(20) == 0, "two hanging threads do not keep the process"


def unit() -> configparser.SectionProxy:
    config = configparser.ConfigParser(strict=False, interpolation=None)
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read(UNIT)
    return config["Service"]


@needs_weights
@pytest.mark.parametrize("instance", ["driving", "headway_node"])
@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_the_command_of_the_unit_file_makes_the_node_the_main_process(
    instance: str, manager: NotifySocket, service: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    shell, flag, script = unit()["ExecStart"].split(" ", 2)
    # What systemd itself resolves; the folder of the parameter files is that of the checkout.
    script = script.strip("'").replace("%i", instance).replace("%%", "%").replace("$$", "$")
    script = script.replace("/etc/headway/", f"{share_dir()}/launch/config/")
    setup = tmp_path / "setup.bash"
    setup.write_text("export SOURCED=1\n")
    binaries = Path(sys.executable).parent
    if not (binaries / instance).is_file():
        pytest.skip("the executables are not beside this Python")
    node = service(shell, flag, script, HEADWAY_SETUP=str(setup), HEADWAY_BIN=str(binaries))
    wait(lambda: manager.count("READY=1") == 1, "never ready", timeout_s=60)
    assert manager.told[0].pid == node.pid
    assert "STATUS=active" in manager.told[0].lines
    node.send_signal(signal.SIGTERM)
    assert node.wait(20) == 0


def test_the_unit_file_asks_for_what_the_node_gives() -> None:
    service = unit()
    assert (service["Type"], service["NotifyAccess"], service["Restart"]) == ("notify", "main", "on-failure")
    assert int(service["WatchdogSec"]) >= 5, "a restart of the engine must fit in"
    profile = service["Environment"] if "fastdds" in service["Environment"] else UNIT.read_text()
    assert "FASTRTPS_DEFAULT_PROFILES_FILE=/etc/headway/fastdds.xml" in profile
    assert (share_dir() / "launch" / "config" / "fastdds.xml").is_file()


def test_systemd_accepts_the_unit_file(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    instance = tmp_path / "headway@driving.service"
    shutil.copy(UNIT, instance)
    done = subprocess.run([analyze, "verify", str(instance)], capture_output=True, text=True, check=False)
    assert "headway@" not in done.stderr, done.stderr
    assert done.returncode == 0


class Sent:
    def __init__(self, trouble: str = "") -> None:
        self.warned: list[str] = []
        self.watchdog = type("Watchdog", (), {"trouble": trouble, "stuck": bool(trouble)})()
        self.steady = None

    def create_timer(self, period_s: float, callback: Any, clock: Any) -> None:
        self.period_s = period_s

    def guarded(self, callback: Any) -> Any:
        return callback

    def status(self) -> str:
        return "active"

    def get_logger(self) -> Any:
        return type("Log", (), {"warning": self.warned.append})()


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_the_watchdog_of_another_process_is_not_fed(manager: NotifySocket) -> None:
    systemd, node = Systemd({"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}), Sent()
    systemd.watch(node)
    assert node.period_s == 5.0
    systemd.beat()
    wait(lambda: len(manager.told) == 1, "nothing was sent")
    assert manager.told[0].lines == ("STATUS=active",)


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_signs_of_life_come_twice_in_each_interval_and_not_while_there_is_trouble(manager: NotifySocket) -> None:
    environment = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}
    for node, lines in ((Sent(), ("WATCHDOG=1", "STATUS=active")), (Sent("it hangs"), ("STATUS=active",))):
        systemd, told = Systemd(environment), len(manager.told)
        systemd.watch(node)
        assert node.period_s == 0.5
        systemd.beat()
        wait(lambda n=told: len(manager.told) > n, "nothing was sent")  # type: ignore[misc]
        assert manager.told[-1].lines == lines


def test_without_systemd_nothing_is_sent_and_nobody_listening_is_said_once(tmp_path: Path) -> None:
    silent, node = Systemd({}), Sent()
    silent.watch(node)
    silent.ready()
    silent.beat()
    assert not hasattr(node, "period_s")
    gone = Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    gone.watch(node)
    gone.ready()
    gone.beat()
    assert len(node.warned) == 1
