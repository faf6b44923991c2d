import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headway.cli import main
from headway.errors import UsageError
from headway.paths import data_folder


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


def test_a_models_folder_that_does_not_exist_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HEADWAY_MODELS", str(tmp_path / "nowhere"))
    done = headway("models")
    assert done.returncode == 1
    assert f"HEADWAY_MODELS is {tmp_path / 'nowhere'}, which is no folder" in done.stderr


def test_a_models_folder_without_a_model_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HEADWAY_MODELS", str(tmp_path))
    done = headway("models")
    assert done.returncode == 1
    assert f"no model in {tmp_path}" in done.stderr


@pytest.mark.parametrize(("name", "words"), [("nowhere", "and no folder itself"), (".", "no folder eth_ucy below")])
def test_a_data_folder_that_does_not_exist_is_named(monkeypatch, tmp_path, name, words):
    monkeypatch.setenv("HEADWAY_DATA", str(tmp_path / name))
    with pytest.raises(UsageError, match=words) as caught:
        data_folder("eth_ucy")
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "driving"],
        ["evaluate", "trajectory"],
        ["evaluate", "head-pose", "--labels", "bundled"],
        ["replay", "bag.mcap", "--out", "out"],
        ["bench", "driving"],
    ],
)
def test_a_file_that_cannot_be_written_is_named_before_the_work(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    (tmp_path / "file").touch()
    done = headway(*words, "--json", "file/x.json")
    assert done.returncode == 2, done.stderr
    assert "file/x.json cannot be written" in done.stderr
    assert not (tmp_path / "out").exists()


def test_where_a_file_is_copied_to_a_full_disk_both_ends_are_named(monkeypatch, capsys):
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights/driving.onnx", None, "usb/driving.onnx")

    monkeypatch.setattr(main, "build", lambda: full)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert "weights/driving.onnx -> usb/driving.onnx: No space left on device" in capsys.readouterr().err
