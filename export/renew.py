"""The graph of finished weights, exported anew after a change of the code that leaves the answers as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from headway.errors import ModelError
from headway.export.operators import check_graph
from headway.export.package import export_onnx, exporter
from headway.export.parity import SAME, worst_difference
from headway.runtime.manifest import file_entries, read_manifest, verified_path, write_manifest
from headway.runtime.onnx import OnnxEngine


def renew_graph(folder: Path, network: torch.nn.Module, feeds: Sequence[Mapping[str, np.ndarray]]) -> dict[str, float]:
    """Exports `network`, made of the weights in `folder`; returns the worst difference from the old graph by output.

    What the manifest says was measured stays: the answers do. Raises ModelError, and changes nothing, where one of
    them on `feeds` is further than SAME from the old graph's.
    """
    manifest = read_manifest(folder)
    path = verified_path(folder, manifest, "onnx")
    # A manifest does not keep the order of the network's outputs, the graph does.
    outputs = {output.name: manifest.outputs[output.name] for output in check_graph(path).graph.output}
    fresh = path.with_suffix(".part")
    try:
        parity = export_onnx(network, feeds[0], outputs, fresh)
        old, new = OnnxEngine(path), OnnxEngine(fresh)
        found = [worst_difference(old.infer(feed), new.infer(feed), outputs) for feed in feeds]
        old.close()
        new.close()
        differences = {name: max(one[name] for one in found) for name in outputs}
        if max(differences.values()) > SAME:
            raise ModelError(f"{folder}: the graph of today's code says something else: {differences}")
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)
    renewed = replace(
        manifest,
        files=file_entries(folder, {key: entry.path for key, entry in manifest.files.items()}),
        evaluation={**manifest.evaluation, "parity_torch_onnxruntime": parity},
        exporter=f"{exporter()}; before: {manifest.hash[:12]}, the same to {max(differences.values()):.1e}",
    )
    write_manifest(folder, renewed)
    return differences
