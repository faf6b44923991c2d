"""A shipped graph is made anew from its weights by one command, and only where it says the same."""

import shutil
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from safetensors.torch import load_file, save_file  # noqa: E402

from headway.errors import ModelError  # noqa: E402
from headway.models.head_pose.renew import renew_graph  # noqa: E402
from headway.paths import weights_dir  # noqa: E402
from headway.runtime.manifest import file_entries, read_manifest, write_manifest  # noqa: E402
from headway.runtime.model import open_model  # noqa: E402

pytestmark = pytest.mark.train


def test_a_graph_is_made_anew_only_where_it_says_the_same(tmp_path):
    folder = tmp_path / "head-pose-nano"
    shutil.copytree(weights_dir() / "head-pose-nano", folder)
    before = read_manifest(folder)
    assert max(renew_graph(folder).values()) < 1e-3
    open_model(str(folder), "head-pose").close()
    manifest = read_manifest(folder)
    assert f"before: {before.hash[:12]}" in manifest.exporter
    assert (manifest.config, manifest.training) == (before.config, before.training)

    weights = folder / "head-pose-nano.safetensors"
    tensors = load_file(weights)
    tensors["detect_out.bias"] = tensors["detect_out.bias"] + torch.tensor(0.5)
    save_file(tensors, weights)
    names = {key: entry.path for key, entry in manifest.files.items()}
    write_manifest(folder, replace(manifest, files=file_entries(folder, names)))
    graph = (folder / "head-pose-nano.onnx").read_bytes()
    with pytest.raises(ModelError, match="says something else"):
        renew_graph(folder)
    assert (folder / "head-pose-nano.onnx").read_bytes() == graph
    assert not list(folder.glob("*.part"))


def test_the_decode_of_the_shipped_graphs_is_short():
    """On a GPU every operator behind the last layer is a kernel's launch; there were 62 that do something."""
    import onnx

    for name in ("head-pose", "head-pose-nano"):
        graph = onnx.load(str(weights_dir() / name / f"{name}.onnx")).graph
        last = max(i for i, node in enumerate(graph.node) if node.op_type == "Conv")
        views = {"Reshape", "Unsqueeze", "Squeeze", "Flatten", "Identity"}
        assert sum(node.op_type not in views for node in list(graph.node)[last:]) <= 45, name
        assert sum(node.op_type == "Clip" for node in graph.node) == 4, "two of them keep zero vectors from NaN"
