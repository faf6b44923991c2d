"""What README.md says is what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.ros
def test_generated_tables_are_up_to_date():
    done = subprocess.run(
        [sys.executable, "tools/readme_tables.py", "README.md", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_files_that_are_linked_exist(name):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8")):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_commands_that_are_named_exist():
    from headway.cli.main import COMMANDS, GROUPS

    known = {name for names in COMMANDS.values() for name in names} | set(GROUPS)
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    named = re.findall(r"^headway (\S+)", "\n".join(blocks), re.M)
    assert len(named) > 5
    assert set(named) <= known
