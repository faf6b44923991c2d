"""What this CPU is and can do, as Linux tells."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""x86 instructions that add products of bytes in 32 bits. Without them they are added in 16 bits, which overflow."""


def cpu_field(name: str) -> str | None:
    """A field of the first CPU ("model name", "flags", ...), None where there is none or this is no Linux."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return None


def cpu_flags() -> set[str]:
    """Instruction sets ("avx2", "asimd", ...); empty where they are not known."""
    return set((cpu_field("flags") or cpu_field("features") or "").split())


def bytes_overflow() -> bool:
    """Whether sums of products of bytes are known to overflow on this CPU: x86 without any of DOT_PRODUCTS."""
    flags = cpu_flags()
    return "sse2" in flags and not flags & DOT_PRODUCTS
