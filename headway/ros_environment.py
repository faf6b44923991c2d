"""Environment of ROS 2 processes: the wheels of a virtual environment need no sourcing, only these variables."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from headway.errors import HeadwayError
from headway.paths import share_dir

# Read by Fast DDS up to Jazzy, and from Kilted on.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

DOMAINS = range(11, 100)  # above 101 the ports are those that Linux gives to anybody
SEGMENT_BYTES = 67_108_864  # of each participant, see launch/config/fastdds.xml


def prepare(environment: MutableMapping[str, str] | None = None) -> None:
    """Adds the virtual environment to AMENT_PREFIX_PATH where its ament index is (a sourced ROS stays first)."""
    env = os.environ if environment is None else environment
    if not (Path(sys.prefix) / "share" / "ament_index").is_dir():
        return
    parts = [p for p in env.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    if sys.prefix not in parts:
        env["AMENT_PREFIX_PATH"] = os.pathsep.join([*parts, sys.prefix])


def child_environment(domain: int, processes: int = 6) -> dict[str, str]:
    """For a process of a private graph on this machine: own domain, localhost only, shared-memory profile."""
    env = dict(os.environ)
    prepare(env)
    env["ROS_DOMAIN_ID"] = str(domain)
    if env.get("ROS_DISTRO") == "humble":
        env["ROS_LOCALHOST_ONLY"] = "1"
    else:
        env["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    env["PYTHONUNBUFFERED"] = "1"
    env["RCUTILS_LOGGING_BUFFERED_STREAM"] = "1"
    if shared_memory_free() >= processes * SEGMENT_BYTES:
        for name in PROFILE_VARIABLES:
            env[name] = str(profile_file())
    return env


def profile_file() -> Path:
    """The Fast DDS profile with shared memory large enough for images."""
    return share_dir() / "launch" / "config" / "fastdds.xml"


@contextlib.contextmanager
def own_domain() -> Iterator[int]:
    """A ROS domain that nobody else on this machine uses, for as long as the context lasts.

    A domain in use is known by the port of its first participant; one that is only about to be used, by a port that
    whoever asks here holds.
    """
    for domain in DOMAINS:
        with contextlib.ExitStack() as stack:
            base = 7400 + 250 * domain
            try:
                stack.enter_context(_held(base + 249))
                with _held(base + 10):
                    pass
            except OSError:
                continue
            yield domain
            return
    raise HeadwayError(f"no free ROS domain in {DOMAINS[0]}..{DOMAINS[-1]}: too many ROS processes run here")


@contextlib.contextmanager
def _held(port: int) -> Iterator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", port))
        yield


def shared_memory_free() -> int:
    """Bytes free in /dev/shm; a container often has 64 MB in all, and a process that writes past it is killed."""
    try:
        s = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return s.f_bavail * s.f_frsize
