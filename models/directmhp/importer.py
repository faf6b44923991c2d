"""`headway import directmhp`: a released checkpoint (as safetensors) becomes an installed reference model.

The released .pt files are pickles. Turning them into safetensors (tensors only, names kept) is a separate, explicit
step outside headway; this reads nothing but safetensors.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from headway.errors import ModelError, UsageError
from headway.export.package import package_model
from headway.models.directmhp.config import (
    NMS_IOU,
    PUBLISHED_SIGMA_DEG,
    SCORE_THRESHOLD,
    TOP_K,
    VALUES,
    VARIANTS,
)
from headway.models.directmhp.network import DirectMHP, Exported
from headway.runtime.manifest import Manifest, TensorSpec
from headway.stages.letterbox import ImageInput

_UNUSED = ("model.33.anchor_grid", "num_batches_tracked")
"""Tensors of the released checkpoints that inference does not need."""
COLUMNS = {"centre": (0, 2), "size": (2, 4), "objectness": (4, 5), "class": (5, 6), "euler": (6, 9)}


def load_network(path: Path, variant: str) -> DirectMHP:
    """A network with the tensors of `path`; every tensor must be there, of the right shape, and finite."""
    if variant not in VARIANTS:
        raise UsageError(f"--variant '{variant}' is none of {', '.join(VARIANTS)}")
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a readable safetensors file: {error}") from error
    network = DirectMHP(VARIANTS[variant]).eval()
    wanted = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    found = {k: v.float() for k, v in tensors.items() if not k.endswith(_UNUSED)}
    _compare(path, variant, wanted, found)
    network.load_state_dict(found, strict=False)
    return network


def _compare(path: Path, variant: str, wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    name = f"{path} is no checkpoint of directmhp-{variant}"
    if missing or extra:
        detail = f"tensor '{missing[0]}' is missing" if missing else f"tensor '{extra[0]}' is not part of it"
        raise ModelError(f"{name}: {detail} ({len(missing)} missing, {len(extra)} unknown)")
    for key, tensor in found.items():
        if tensor.shape != wanted[key].shape:
            raise ModelError(f"{name}: tensor '{key}' is {list(tensor.shape)}, not {list(wanted[key].shape)}")
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{name}: tensor '{key}' holds NaN or infinity")


def import_checkpoint(path: Path, variant: str, size: int, image: np.ndarray, out: Path) -> Manifest:
    """Writes weights, ONNX and manifest of `directmhp-<variant>` into `out`.

    image: (H, W, 3) uint8 BGR, a real picture on which torch and ONNX Runtime are compared. size: side of the square
    input in pixels, a multiple of 64 and at least 128 (below that there are fewer than 300 candidates).
    """
    if size % 64 or not 128 <= size <= 1280:
        raise UsageError(f"--size {size}: a multiple of 64 from 128 to 1280 is wanted")
    network = load_network(path, variant)
    spec = TensorSpec((1, 3, size, size), "float32", "NCHW", "RGB", scale=1 / 255)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Everything is written beside `out` first: an export that fails half-way leaves no half of a model.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as partial:
        manifest = _package(network, path, variant, spec, image, Path(partial))
        out.mkdir(exist_ok=True)
        for file in Path(partial).iterdir():
            file.replace(out / file.name)
    return manifest


def _package(
    network: DirectMHP, path: Path, variant: str, spec: TensorSpec, image: np.ndarray, folder: Path
) -> Manifest:
    name = f"directmhp-{variant}"
    return package_model(
        folder,
        name,
        "head-pose",
        network,
        {"image": ImageInput(spec)(image)},
        {"image": spec},
        {"candidates": TensorSpec((1, TOP_K, VALUES), columns=COLUMNS)},
        exported=Exported(network),
        config={
            "score_threshold": SCORE_THRESHOLD,
            "nms_iou": NMS_IOU,
            "sigma_deg": PUBLISHED_SIGMA_DEG[variant],
            "rotation": "camera axes, pitch yaw roll as published",
        },
        training={"source": f"imported from {path.name}", "command": f"headway import directmhp --variant {variant}"},
        evaluation={"summary": "imported; run `headway evaluate head-pose` for its numbers"},
        data_licence="that of the imported checkpoint: check before use",
    )
