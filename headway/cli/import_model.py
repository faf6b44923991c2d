"""`headway import`: weights published elsewhere become installed models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer


def directmhp(
    file: Annotated[Path, typer.Argument(help="Released checkpoint as safetensors, tensor names kept.")],
    variant: Annotated[str, typer.Option(help="s or m.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    size: Annotated[int, typer.Option(help="Side of the square input, pixels, a multiple of 64.")] = 1280,
    image: Annotated[
        Path | None, typer.Option(help="Picture for the parity check; default: the bundled bag's.")
    ] = None,
) -> None:
    """A DirectMHP checkpoint: weights, ONNX and manifest, with the parity of torch and ONNX Runtime printed."""
    from headway.models.directmhp.importer import import_checkpoint
    from headway.report.terminal import lines

    manifest = import_checkpoint(file, variant, size, _picture(image), out)
    worst = manifest.evaluation["parity_torch_onnxruntime"]["candidates"]
    lines().print(f"{manifest.name}: {manifest.parameters:,} parameters, worst difference to torch {worst:.2g}")
    lines().print(f"written to {out}; use it with --model {out}/")


def _picture(path: Path | None) -> np.ndarray:
    """(H, W, 3) uint8 BGR."""
    from headway.bags import BagReader
    from headway.errors import UsageError
    from headway.images import COMPRESSED, decode_image, picture_file
    from headway.paths import sample_dir

    if path is None:
        with BagReader(sample_dir() / "street-vehicle.mcap") as bag:
            return decode_image(next(bag.messages(bag.of_type(COMPRESSED))).decode())
    picture = picture_file(path)
    if picture is None:
        raise UsageError(f"{path} is not a picture that OpenCV can read")
    return picture
