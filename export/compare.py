"""How far the graphs of a folder in the making lie apart on real input, and which graph of it answers for which."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from headway.bench.frames import real_feeds
from headway.errors import ModelError, UsageError
from headway.export.operators import check_graph
from headway.export.parity import SAME, worst_difference
from headway.export.rounded import rounded
from headway.runtime.few import FEW, Few
from headway.runtime.manifest import Manifest, file_entries, write_manifest
from headway.runtime.model import open_own
from headway.runtime.onnx import OnnxEngine

FRAMES = 8
TIES = {"onnx_fp16": 5e-3, "onnx_int8": 5e-2}
"""Rows whose scores lie closer may change places: a half has a step of 0.0005 near 1, INT8 layers err by some steps."""


def torch_parity(folder: Path, manifest: Manifest, names: Mapping[str, str]) -> tuple[dict[str, float], str]:
    """Worst difference of the full graph to its own network in torch, output by output, and the input's name.

    Raises ModelError where the weights are of another version of the network.
    """
    from headway.bench.torch_eager import eager

    only(folder, manifest, names, "onnx")
    model = open_own(folder, manifest.task)
    try:
        feeds, source = real_feeds(model, FRAMES)
        network = eager(str(folder.resolve()), 1)
        worst: dict[str, float] = {}
        for feed in feeds:
            found = model.infer(feed)
            # The graph keeps the order of the network's outputs.
            expected = dict(zip(found, network(feed), strict=True))
            for name, value in worst_difference(expected, found, manifest.outputs).items():
                worst[name] = max(value, worst.get(name, 0.0))
    finally:
        model.close()
    return worst, source


@contextmanager
def judged(folder: Path, names: Mapping[str, str], key: str) -> Iterator[dict[str, str]]:
    """`names` as ONNX Runtime's CPU can judge them: a half graph stands there as one that rounds (see export.rounded),
    in a file that is gone afterwards."""
    if key != "onnx_fp16":
        yield dict(names)
        return
    path = folder / f"rounded.{names[key]}"
    onnx.save(rounded(check_graph(folder / names[key])), str(path))
    try:
        yield {**names, key: path.name}
    finally:
        path.unlink()


def parity(folder: Path, manifest: Manifest, names: Mapping[str, str], key: str) -> tuple[dict[str, float], str]:
    """Worst difference of the graph under `key` to the full one on real input, both by ONNX Runtime.

    Raises ModelError where an answer is no number: no accuracy could be allowed to be lost like that.
    """
    only(folder, manifest, names, "onnx")
    reference = open_own(folder, manifest.task)
    feeds, source = real_feeds(reference, FRAMES)
    candidate = OnnxEngine(folder / names[key])
    worst: dict[str, float] = {}
    for feed in feeds:
        expected = {k: v.copy() for k, v in reference.infer(feed).items()}
        found = worst_difference(expected, candidate.infer(feed), manifest.outputs, tie=TIES[key])
        worst = {k: max(v, worst.get(k, 0.0)) for k, v in found.items()}
    reference.close()
    candidate.close()
    broken = [name for name, value in worst.items() if not np.isfinite(value)]
    if broken:
        raise ModelError(
            f"{key} is refused: it answers NaN or infinity in '{broken[0]}' on {source}"
            + (", a value on the way does not fit into a half (65504)" if key == "onnx_fp16" else "")
        )
    return worst, source


def few_parity(folder: Path, manifest: Manifest, names: Mapping[str, str]) -> tuple[dict[str, float], str]:
    """Worst difference of the graph for few people to the full one on real input that it is there for, in the slots
    that both have, by ONNX Runtime.

    Raises ModelError where it is more than SAME, or no number: they are one network.
    """
    only(folder, manifest, names, "onnx")
    said, reference = Few.of(manifest), open_own(folder, manifest.task)
    feeds, source = real_feeds(reference, FRAMES, people=said.slots)
    candidate = OnnxEngine(folder / names[FEW])
    worst: dict[str, float] = {}
    for feed in feeds:
        expected = {k: v[:, : said.slots] for k, v in reference.infer(feed).items()}
        found = worst_difference(expected, candidate.infer(said.cut(feed)), manifest.outputs)
        worst = {k: max(v, worst.get(k, 0.0)) for k, v in found.items()}
    reference.close()
    candidate.close()
    name, value = max(worst.items(), key=lambda item: item[1])
    if value > SAME:  # what is no number is infinitely far off
        raise ModelError(
            f"{names[FEW]} is refused: '{name}' is {value:.3g} from what {names['onnx']} says on {source} "
            f"(limit {SAME:g}): install the model again"
        )
    return worst, source


def only(folder: Path, manifest: Manifest, names: Mapping[str, str], graph: str, beside: Collection[str] = ()) -> None:
    """A manifest in `folder` whose network is the file under key `graph`; of other graphs those named `beside` stay."""
    if graph not in names:
        precision = graph.rpartition("_")[2]
        raise UsageError(f"the engine wants an {precision} graph: add --precision {precision}")
    kept = {k: v for k, v in names.items() if k in beside or not k.startswith(("onnx", "tensorrt"))}
    files = {**kept, graph: names[graph], "onnx": names[graph]}
    write_manifest(folder, replace(manifest, files=file_entries(folder, files)))
