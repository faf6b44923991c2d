import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from headway.errors import ModelError, UsageError  # noqa: E402
from headway.models.directmhp.importer import import_checkpoint, load_network  # noqa: E402
from headway.models.directmhp.network import Exported  # noqa: E402
from headway.runtime.model import open_model  # noqa: E402
from tests.models.directmhp.oracle import Oracle, assert_same_candidates, square_input  # noqa: E402
from tests.models.directmhp.test_network import seeded  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A file with the tensor names of a released checkpoint, half precision as they are, with their extra tensor."""
    path = tmp_path_factory.mktemp("released") / "agora_s.safetensors"
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in seeded("s").state_dict().items()}
    save_file({**tensors, "model.33.anchor_grid": torch.zeros(4, 1, 3, 1, 1, 2)}, path)
    return path


def picture() -> np.ndarray:
    y, x = np.mgrid[:90, :120]
    return np.stack([(x * 2) % 256, (y * 3) % 256, (x + y) % 256], -1).astype(np.uint8)


def test_an_imported_model_answers_as_the_checkpoint_does(checkpoint, tmp_path):
    folder = tmp_path / "directmhp-s"
    import_checkpoint(checkpoint, "s", 128, picture(), folder)
    model = open_model(str(folder), "head-pose")
    image = square_input(picture(), 128)
    ours = model.infer({"image": image})["candidates"][0]
    with torch.no_grad():
        theirs = Oracle(load_network(checkpoint, "s").state_dict()).candidates(torch.from_numpy(image))
    assert_same_candidates(ours, theirs)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["parameters"] == 12_375_084


def test_candidates_come_best_first(checkpoint):
    with torch.no_grad():
        rows = Exported(load_network(checkpoint, "s"))(torch.rand(1, 3, 128, 128))[0]
    score = rows[:, 4] * rows[:, 5]
    assert torch.all(score[:-1] >= score[1:])


def test_a_checkpoint_of_another_variant_is_refused_by_tensor_name(checkpoint):
    with pytest.raises(ModelError, match=r"no checkpoint of directmhp-m: tensor 'model\."):
        load_network(checkpoint, "m")


def test_a_checkpoint_of_another_network_is_refused_and_nothing_is_written(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"backbone.weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match=r"other\.safetensors is no checkpoint"):
        import_checkpoint(path, "s", 128, picture(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nan_weights_are_refused_by_tensor_name(checkpoint, tmp_path):
    from safetensors.torch import load_file

    tensors = load_file(checkpoint)
    tensors["model.4.cv1.conv.weight"][0, 0] = float("nan")
    save_file(tensors, tmp_path / "nan.safetensors")
    with pytest.raises(ModelError, match=r"model\.4\.cv1\.conv\.weight' holds NaN"):
        load_network(tmp_path / "nan.safetensors", "s")


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"{}"])
def test_a_file_that_is_no_safetensors_is_named(tmp_path, content):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.safetensors"):
        load_network(path, "s")


@pytest.mark.parametrize("size", [0, 64, 100, 4096])
def test_an_impossible_size_is_refused(checkpoint, tmp_path, size):
    with pytest.raises(UsageError, match="multiple of 64"):
        import_checkpoint(checkpoint, "s", size, picture(), tmp_path / "out")
