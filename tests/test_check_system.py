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


def check(path: str, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": path, "PYTHON": sys.executable}
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
