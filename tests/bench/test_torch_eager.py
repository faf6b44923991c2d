"""Torch eager beside the engines: the same answers, and one line for weights that are another network's."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from headway.bench.frames import real_feeds
from headway.errors import EngineError, ModelError
from headway.runtime.manifest import file_entries, read_manifest, write_manifest
from headway.runtime.model import model_folder, open_model

pytestmark = pytest.mark.train
torch_eager = pytest.importorskip("headway.bench.torch_eager", exc_type=ImportError)
safetensors = pytest.importorskip("safetensors.numpy")


def test_torch_eager_answers_what_the_engine_answers():
    for name in ("driving", "trajectory"):
        model = open_model(name, name)
        feed = real_feeds(model, 1)[0][0]
        expected = model.infer(feed)
        for value, found in zip(expected.values(), torch_eager.eager(name, 1)(feed), strict=True):
            assert np.allclose(value, found, rtol=1e-3, atol=1e-3)


def changed_driving(folder, change):
    """The installed driving network in `folder`, changed, with the hashes that its files have then."""
    shutil.copytree(model_folder("driving"), folder)
    manifest = change(folder, read_manifest(folder))
    names = {key: entry.path for key, entry in manifest.files.items()}
    write_manifest(folder, replace(manifest, files=file_entries(folder, names)))
    return folder


def no_weights_file(folder, manifest):
    (folder / manifest.files["weights"].path).write_bytes(b"rubbish")
    return manifest


def a_tensor_of_another_shape(folder, manifest):
    path = folder / manifest.files["weights"].path
    safetensors.save_file({**safetensors.load_file(path), "mean": np.zeros((3, 3), np.float32)}, path)
    return manifest


def a_tensor_too_many(folder, manifest):
    path = folder / manifest.files["weights"].path
    safetensors.save_file({**safetensors.load_file(path), "meaning": np.zeros(3, np.float32)}, path)
    return manifest


def no_configuration(folder, manifest):
    return replace(manifest, training={})


def a_configuration_of_another_version(folder, manifest):
    return replace(manifest, training={"network": {**manifest.training["network"], "wheels": 4}})


@pytest.mark.parametrize(
    "change",
    [
        no_weights_file,
        a_tensor_of_another_shape,
        a_tensor_too_many,
        no_configuration,
        a_configuration_of_another_version,
    ],
)
def test_weights_that_are_not_of_this_network_are_one_line_and_not_a_traceback(tmp_path, change):
    with pytest.raises(ModelError, match="weights of 'driving' are not of the network in this checkout: ") as caught:
        torch_eager.eager(str(changed_driving(tmp_path / "driving", change)), 1)
    assert len(str(caught.value).splitlines()) == 1


def test_torch_that_fails_in_a_call_is_a_row_that_fails():
    """A GPU out of memory is such a RuntimeError; here it is an image of the wrong shape."""
    with pytest.raises(EngineError, match="torch on cpu failed: "):
        torch_eager.eager("driving", 1)({"image": np.zeros((1, 7, 5, 2), np.uint8)})
