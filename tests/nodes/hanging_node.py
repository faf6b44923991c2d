"""A real node whose real engine hangs after two frames, for the first N openings: hanging_node.py N NODE ARGS."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

import numpy as np

from headway.faults.engines import FaultyEngine
from headway.runtime import providers


class HangingLater(FaultyEngine):
    """Lets the warm-up and two frames pass."""

    calls = 0

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.calls += 1
        self.mode = "hangs" if self.calls > 3 else ""
        return super().infer(feeds)


def main() -> None:
    left, node = int(sys.argv.pop(1)), sys.argv.pop(1)
    open_engine = providers.open_engine

    def opened(*arguments: object) -> object:
        nonlocal left
        engine = open_engine(*arguments)  # type: ignore[arg-type]
        left -= 1
        return HangingLater(engine) if left >= 0 else engine

    providers.open_engine = opened  # type: ignore[assignment]
    importlib.import_module(f"headway.nodes.{node}").main()


if __name__ == "__main__":
    main()
