"""JSON for people and programs alike: what was not measured (NaN, infinity) is null, since JSON has no such numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from headway.paths import write_text


def write_json(path: Path, content: Any) -> None:
    """Writes `content`, numbers that are not finite as null; see `write_text`."""
    write_text(path, json.dumps(finite(content), indent=1, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    """`value` with every number in it that is not finite as None."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
