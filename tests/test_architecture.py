"""The arrows between the folders: a fresh interpreter imports all of the core, and import-linter knows all of it."""

import re
import subprocess
import sys
from pathlib import Path

import headway

ROOT = Path(headway.__file__).parents[1]
WORKBENCH = ("nodes", "models", "export")
ASIDE = ("headway.bench", "headway.cli")
"""`headway bench` runs torch beside the engines, and a command imports what it needs when it is called."""
HEAVY = ("torch", "rclpy", "tensorrt", "onnx", "matplotlib", *(f"headway.{name}" for name in WORKBENCH))


def core() -> list[str]:
    """Every module of the core by its name; the folders of the workbench are links in it."""
    files = [p.relative_to(ROOT / "headway") for p in (ROOT / "headway").rglob("*.py")]
    parts = [p.with_suffix("").parts for p in files if p.parts[0] not in WORKBENCH]
    return sorted(".".join(("headway", *p)).removesuffix(".__init__") for p in parts)


def test_all_of_the_core_starts_without_torch_or_ros_and_so_does_the_whole_command_line():
    names = [name for name in core() if name != "headway.bench.torch_eager"]
    assert len(names) > 150
    code = (
        f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
        "from headway.cli.main import build\nbuild()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == "[]"


def test_import_linter_is_told_of_every_part_of_the_core():
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("source_modules")[2].partition("]")[0]
    parts = {".".join(name.split(".")[:2]) for name in core() if name != "headway"}
    assert set(re.findall(r'"(headway\.\w+)"', contract)) == parts - set(ASIDE)
