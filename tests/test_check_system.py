"""What the machine lacks is named before anything is installed, and what it has is not called missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headway.paths import share_dir

CHECK = share_dir() / "tools" / "check_system.sh"

pytestmark = pytest.mark.skipif(not CHECK.is_file(), reason="tools/ is only in a checkout")


def check(path: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": path, "PYTHON": sys.executable, **variables}
    return subprocess.run(
        [shutil.which("bash"), str(CHECK), *words], env=env, capture_output=True, text=True, check=False
    )


def test_where_the_tests_run_nothing_is_missing_though_sbin_is_not_on_the_path_of_ordinary_users():
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if Path(p).name != "sbin")
    done = check(path, "render")
    assert done.returncode == 0, done.stderr


def test_missing_compilers_are_named_with_the_line_that_installs_them(tmp_path):
    done = check(str(tmp_path))
    assert done.returncode == 1
    assert "missing system packages: gcc g++" in done.stderr
    assert "apt-get install -y gcc g++" in done.stderr


def test_a_disk_too_full_for_the_environment_is_named_before_anything_is_installed(tmp_path):
    (tmp_path / "df").write_text("#!/bin/sh\necho header; echo /dev/vda 4000 3713 287 93% /\n")
    (tmp_path / "df").chmod(0o755)
    path = os.pathsep.join((str(tmp_path), os.environ["PATH"]))
    done = check(path, "render", VENV=str(tmp_path / ".venv"))
    assert done.returncode == 1
    assert f"{tmp_path / '.venv'} needs 2970 MiB of disk, 287 are free" in done.stderr


def test_an_environment_that_stands_already_asks_for_no_room_of_its_own(tmp_path):
    (tmp_path / "df").write_text("#!/bin/sh\necho header; echo /dev/vda 4000 3713 2969 93% /\n")
    (tmp_path / "df").chmod(0o755)
    path = os.pathsep.join((str(tmp_path), os.environ["PATH"]))
    made = tmp_path / ".venv"
    made.mkdir()
    (made / "library").write_bytes(os.urandom(2 << 20))
    assert check(path, "render", VENV=str(made)).returncode == 0
