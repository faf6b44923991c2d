"""Writes a model folder: weights (safetensors), ONNX, manifest. The one way a network leaves the workbench."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.torch import save_file

from headway.export.graph import cast_first, without_traces
from headway.export.operators import check_graph
from headway.export.parity import worst_difference
from headway.runtime.manifest import Manifest, TensorSpec, file_entries, write_manifest
from headway.runtime.onnx import OnnxEngine

OPSET = 18


def export_onnx(
    network: torch.nn.Module,
    feeds: Mapping[str, np.ndarray],
    outputs: Sequence[str] | Mapping[str, TensorSpec],
    path: Path,
) -> dict[str, float]:
    """Exports with fixed shapes and returns, per output, the worst |torch - ONNX Runtime| on `feeds` (real input).

    Raises ModelError where the graph holds an operator that not every engine runs. With specs instead of bare names,
    ranked outputs are compared row by row (see parity).
    """
    specs = outputs if isinstance(outputs, Mapping) else {name: TensorSpec(()) for name in outputs}
    network = network.eval()
    tensors = tuple(torch.from_numpy(np.array(v)) for v in feeds.values())
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            network,
            tensors,
            input_names=list(feeds),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        program.optimize()
        program.save(str(path), external_data=False)
        expected = network(*tensors)
    model = without_traces(check_graph(path))
    cast_first(model)
    onnx.save(model, str(path))
    check_graph(path)
    expected = (expected,) if isinstance(expected, torch.Tensor) else tuple(expected)
    engine = OnnxEngine(path)
    found = engine.infer(feeds)
    engine.close()
    return worst_difference(dict(zip(specs, (t.numpy() for t in expected), strict=True)), found, specs)


def exporter() -> str:
    """What makes the graphs here, for the manifest."""
    return f"torch {torch.__version__}, onnx {onnx.__version__}, opset {OPSET}"


def package_model(
    folder: Path,
    name: str,
    task: str,
    network: torch.nn.Module,
    feeds: Mapping[str, np.ndarray],
    inputs: Mapping[str, TensorSpec],
    outputs: Mapping[str, TensorSpec],
    *,
    exported: torch.nn.Module | None = None,
    files: Mapping[str, str] | None = None,
    config: Mapping[str, Any],
    training: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    data_licence: str,
) -> Manifest:
    """Writes <name>.safetensors, <name>.onnx and manifest.json into `folder`.

    `exported` is the module that goes to ONNX where it differs from `network` (decode in the graph); `files` names
    further files already in `folder` that belong to the model (calibration, card), key -> file name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / f"{name}.safetensors")
    parity = export_onnx(exported or network, feeds, outputs, folder / f"{name}.onnx")
    manifest = Manifest(
        name=name,
        task=task,
        files=file_entries(folder, {"weights": f"{name}.safetensors", "onnx": f"{name}.onnx", **(files or {})}),
        inputs=inputs,
        outputs=outputs,
        parameters=sum(p.numel() for p in network.parameters()),
        config=config,
        training=training,
        evaluation={**evaluation, "parity_torch_onnxruntime": parity},
        exporter=exporter(),
        data_licence=data_licence,
    )
    write_manifest(folder, manifest)
    return manifest
