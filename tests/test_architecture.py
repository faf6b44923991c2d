"""The arrows between the folders, held by import-linter and by a fresh interpreter."""

import subprocess
import sys

import pytest

CORE = [
    "headway.types",
    "headway.geometry",
    "headway.pipeline",
    "headway.messages",
    "headway.images",
    "headway.bags",
    "headway.replay",
    "headway.cli.main",
]


@pytest.mark.parametrize("module", CORE)
def test_the_core_starts_without_torch_or_ros(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'rclpy', 'tensorrt', 'matplotlib') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == "[]"


def test_building_the_whole_command_line_imports_no_torch():
    code = "import sys; from headway.cli.main import build; build(); print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == "False"
