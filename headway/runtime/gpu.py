"""What an NVIDIA GPU is set to, as NVIDIA's tools and Linux tell it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

DEVFREQ = Path("/sys/class/devfreq")
JETSON = ("17000000.gpu", "17000000.ga10b", "17000000.gv11b")
"""The GPU of an Orin under JetPack 6 and 5, and that of a Xavier."""


def nvidia_smi(*fields: str) -> list[str]:
    """What nvidia-smi says of the first GPU, with units, a text for each field; empty where it is missing or fails."""
    line = _said("nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader").partition("\n")[0]
    values = [value.strip() for value in line.split(",")]
    return values if len(values) == len(fields) and values[0] else []


def gpu_clocks() -> dict[str, Any] | None:
    """now_mhz and max_mhz of the GPU's cores, and whether they are `fixed` by jetson_clocks (nvidia-smi does not say);
    each None where it is not known, all of it where no GPU says anything."""
    for name in JETSON:
        now, least, most = (_mhz(DEVFREQ / name / f"{word}_freq") for word in ("cur", "min", "max"))
        if most:
            return {"now_mhz": now, "max_mhz": most, "fixed": least == most if least else None}
    said = nvidia_smi("clocks.sm", "clocks.max.sm")
    return {"now_mhz": _number(said[0]), "max_mhz": _number(said[1]), "fixed": None} if said else None


def power_mode() -> str | None:
    """A Jetson's power mode ("MAXN", "15W"), elsewhere the GPU's power limit ("450.00 W"); None where nobody says."""
    # Whoever is not root gets errors beside the answer: its exit code says nothing.
    if found := re.search(r"NV Power Mode:\s*(\S.*)", _said("nvpmodel", "-q", check=False)):
        return found[1].strip()
    said = nvidia_smi("power.limit")
    return said[0] if said and _number(said[0]) else None


def _said(*command: str, check: bool = True) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=check).stdout.strip()
    except (OSError, ValueError, subprocess.SubprocessError):  # ValueError: no UTF-8
        return ""


def _mhz(path: Path) -> float | None:
    try:
        return int(path.read_text(encoding="ascii")) / 1e6
    except (OSError, ValueError):
        return None


def _number(text: str) -> float | None:
    """2827.0 of "2827 MHz"; None of "[N/A]"."""
    found = re.match(r"\d+(\.\d+)?", text)
    return float(found[0]) if found else None
