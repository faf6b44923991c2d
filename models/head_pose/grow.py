"""A trained network as the start of a larger one, which at first gives the same answers.

After Net2Net (Chen, Goodfellow, Shlens 2016), with fresh channels in place of copied ones: what was there reads nothing
of them, so the answers stay; they read everything, so that they have something to offer as soon as a weight on them
moves. Further blocks begin as the identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from headway.errors import UsageError

BESIDES = ("nearest_out.", "taught_out.", "mix")
"""What only training uses, or what a teacher will teach: begins at random where earlier weights do not have it."""


def read_grown(weights: Path, fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`grown` of a safetensors file. Raises UsageError, naming the file, where it is none or of another network."""
    try:
        return grown(load_file(weights), fresh)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{weights} cannot be read as safetensors: {error}") from error
    except UsageError as error:
        raise UsageError(f"{weights} holds another network: {error}") from error


def grown(source: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network in the shapes of one that is as large or larger.

    source: state of the trained network. fresh: state of the other as it was initialised. Raises UsageError, naming the
    weight, where `source` holds what has no place in `fresh`, or lacks what only training could give.
    """
    for name, old in source.items():
        new = fresh.get(name)
        if new is None or new.ndim != old.ndim or any(n < o for n, o in zip(new.shape, old.shape, strict=True)):
            raise UsageError(f"{name} {tuple(old.shape)} has no place in this one")
    blocks = {_block(name) for name in source}
    for name in fresh:
        if name not in source and not name.startswith(BESIDES) and (_block(name) in blocks or not _block(name)):
            raise UsageError(f"it has no {name}")
    return {name: _placed(name, source.get(name), new) for name, new in fresh.items()}


def _block(name: str) -> str:
    """Which block of which stage a weight belongs to; empty for weights outside the stages."""
    return ".".join(name.split(".")[:3]) if name.startswith("stages.") else ""


def _placed(name: str, old: Tensor | None, new: Tensor) -> Tensor:
    if old is None:
        # The last norm of a block that the smaller network lacks: its branch adds nothing at first.
        further = name.startswith("stages.") and name.endswith(("expand.1.weight", "expand.1.bias"))
        return new * 0.0 if further else new.clone()
    result = new.clone()
    if old.ndim > 1:
        result[: len(old)] = 0.0
    result[tuple(slice(0, n) for n in old.shape)] = old
    return result
