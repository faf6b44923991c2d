import subprocess
import sys

import pytest


def headway(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "headway.cli.main", *arguments], capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    "command",
    [
        ["demo"],
        ["replay"],
        ["models"],
        ["doctor"],
        ["evaluate", "head-pose"],
        ["evaluate", "trajectory"],
        ["evaluate", "driving"],
        ["train", "head-pose"],
        ["train", "trajectory"],
        ["train", "driving"],
        ["render", "people"],
        ["render", "scene"],
        ["import", "directmhp"],
        ["convert", "video"],
        ["convert", "tub"],
    ],
)
def test_every_command_of_the_handbook_explains_itself(command):
    done = headway(*command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["replay"], ["replay", "bag", "--no-such-option"], ["evaluate", "nothing"]]
)
def test_wrong_usage_ends_with_2_and_no_traceback(arguments):
    done = headway(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_missing_bag_is_named_without_a_traceback(tmp_path):
    done = headway("replay", "no-such.mcap", "--out", str(tmp_path))
    assert done.returncode in (1, 2)
    assert "no-such.mcap" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path):
    done = headway("replay", "no-such.mcap", "--out", str(tmp_path), "--debug")
    assert "Traceback" in done.stderr


def test_models_are_listed_and_verified():
    done = headway("models", "--verify")
    assert done.returncode == 0, done.stderr
    for name in ("head-pose", "trajectory", "driving"):
        assert name in done.stdout
