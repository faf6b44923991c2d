"""tools/gpu_check.sh says that something failed where nothing ran on a GPU."""

import os
import stat
import subprocess

import pytest


@pytest.mark.parametrize(
    ("summary", "code", "word"),
    [
        ("18 passed, 2 skipped in 61.20s", 0, "nothing failed"),
        ("37 skipped in 1.20s", 1, "no test ran on a GPU"),
        ("no tests ran in 0.01s", 1, "no test ran on a GPU"),
    ],
)
def test_a_check_in_which_no_test_ran_has_failed(tmp_path, summary, code, word):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *pytest*) echo "{summary}";; esac\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "models").mkdir()
    environment = {**os.environ, "PYTHON": str(python), "MODELS": str(tmp_path / "models")}
    command = ["bash", "tools/gpu_check.sh", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert word in done.stdout
