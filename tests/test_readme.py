"""What README.md says is what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from headway.cli.main import build
from headway.faults.inject import FAULTS

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


DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "nodes/README.md", "headway/sample/README.md"]
DOCUMENTS += sorted(
    str(p.relative_to(ROOT)) for p in [*ROOT.glob("docs/*.md"), *ROOT.glob("models/weights/*/README.md")]
)


def commands(document):
    """Words of every line in a code block, and of every `code` in the text."""
    text = (ROOT / document).read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.S)
    inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return [line.partition("#")[0].split() for line in ["\n".join(blocks), *inline] for line in line.splitlines()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_and_option_that_is_named_exists(document):
    known = options(typer.main.get_command(build()))
    for words in commands(document):
        if len(words) < 2 or Path(words[0]).name != "headway" or not words[1].isalpha():
            continue
        exact = [n for n in known if words[1 : 1 + len(n.split())] == n.split()]
        names = exact or [n for n in known if n.split()[0] == words[1]]  # `headway train <task>`, say
        assert names, words
        named = {w.partition("=")[0] for w in words if w.startswith("--")}
        assert named <= {"--help"}.union(*(known[n] for n in names)), words


def options(command, prefix=""):
    """Name of each command -> its options."""
    if not hasattr(command, "commands"):
        return {prefix: {o for p in command.params for o in (*p.opts, *p.secondary_opts)}}
    return {k: v for n, sub in command.commands.items() for k, v in options(sub, f"{prefix} {n}".strip()).items()}


def test_every_target_of_make_that_is_named_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    sources = [p for folder in ("headway", "tools", "tests") for p in ROOT.glob(f"{folder}/**/*.py")]
    named = {words[1] for d in DOCUMENTS for words in commands(d) if words[:1] == ["make"] and len(words) > 1}
    named |= {n for p in sources for n in re.findall(r"`make ([a-z-]+)", p.read_text(encoding="utf-8"))}
    assert len(named) > 5
    assert named <= targets


def test_every_file_of_the_nodes_stands_in_their_table():
    table = (ROOT / "nodes" / "README.md").read_text(encoding="utf-8")
    assert {p.name for p in ROOT.glob("nodes/*.py")} - {"__init__.py"} == set(re.findall(r"`(\w+\.py)`", table))


def test_the_python_example_runs_and_finds_heads():
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    done = subprocess.run([sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.fullmatch(r"(head at \d+, \d+: yaw -?\d+°, expected error \d+°\n)+", done.stdout)


def test_as_many_faults_are_announced_as_there_are():
    (count,) = re.findall(r"--fault all` injects (\d+) faults", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert int(count) == len(FAULTS)
