"""The output of the graph: sorted, right-handed, in input pixels."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from headway.geometry import geodesic_deg, rotation_from_6d  # noqa: E402
from headway.models.head_pose.config import BOX, CANDIDATES, LOG_SIGMA, ROTATION, SCORE, SIZES, STRIDES  # noqa: E402
from headway.models.head_pose.decode import Exported, decode_boxes, flatten_maps, gram_schmidt, grid_places  # noqa: E402
from headway.models.head_pose.network import RAW_CHANNELS, HeadPoseNet  # noqa: E402

pytestmark = pytest.mark.train


def trained_looking(seed: int = 0) -> HeadPoseNet:
    """A network whose outputs spread, as those of a trained one do."""
    torch.manual_seed(seed)
    network = HeadPoseNet()
    for out in (network.detect_out, network.pose_out):
        torch.nn.init.normal_(out.weight, std=0.3)
    return network.eval()


@pytest.mark.parametrize(("size", "most"), [("nano", 1_000_000), ("small", 3_000_000)])
def test_each_size_stays_in_its_class(size, most):
    assert sum(p.numel() for p in HeadPoseNet(SIZES[size]).parameters()) <= most


@pytest.mark.parametrize(("height", "width"), [(64, 96), (192, 128)])
def test_the_network_takes_any_multiple_of_thirty_two(height, width):
    maps = HeadPoseNet().eval()(torch.zeros(2, 3, height, width))
    assert [m.shape for m in maps] == [(2, RAW_CHANNELS, height // s, width // s) for s in STRIDES]


def test_the_spread_rotations_are_answered_in_training_only():
    network, image = HeadPoseNet(), torch.zeros(2, 3, 64, 64)
    assert network.train()(image)[0].shape[1] == RAW_CHANNELS + SIZES["nano"].nearest
    assert network.eval()(image)[0].shape[1] == RAW_CHANNELS


def test_candidates_are_sorted_and_their_rotations_are_rotations():
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 128, 160, 3), dtype=np.uint8))
    with torch.no_grad():
        rows = Exported(trained_looking(), 128, 160)(image)[0].numpy()
    assert rows.shape == (CANDIDATES, 15)
    assert (np.diff(rows[:, SCORE][:, 0]) <= 0).all()
    rotation = rows[:, ROTATION].reshape(-1, 3, 3)
    np.testing.assert_allclose(
        rotation @ rotation.transpose(0, 2, 1), np.tile(np.eye(3), (CANDIDATES, 1, 1)), atol=1e-4
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=1e-4)
    assert (rows[:, 2:4] > rows[:, :2]).all()
    assert (np.exp(rows[:, LOG_SIGMA]) <= np.pi * 1.06).all()


def test_candidates_are_the_best_cells_decoded_in_place():
    network, image = trained_looking(1), torch.randint(0, 256, (1, 96, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        rows = Exported(network, 96, 96)(image)[0]
        raw = flatten_maps(network(image.permute(0, 3, 1, 2).float()))[0]
    best = int(raw[:, 4].argmax())
    torch.testing.assert_close(rows[0, BOX], decode_boxes(raw[best], grid_places(96, 96)[best]))


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_gram_schmidt_in_the_graph_is_that_of_the_core(six):
    a, b = np.array(six[:3]), np.array(six[3:])
    if np.linalg.norm(np.cross(a, b)) < 0.1:
        return  # nearly parallel: the two fall back to different, equally valid axes
    found = gram_schmidt(torch.tensor(six, dtype=torch.float64)).numpy()
    assert geodesic_deg(found, rotation_from_6d(np.array(six))) < 1e-3


def test_vectors_of_length_zero_give_numbers_in_the_exported_graph_too(tmp_path):
    """`+ 1e-12` did not get into the graph: torch's exporter takes it for zero."""
    onnx = pytest.importorskip("onnx")
    from headway.export.package import export_onnx
    from headway.runtime.onnx import OnnxEngine

    class Decoded(torch.nn.Module):
        def forward(self, six):
            return gram_schmidt(six)

    six = np.zeros((1, 3, 6), np.float32)
    six[0, 1, 0], six[0, 1, 3] = 1.0, 2.0  # the second vector is parallel to the first: nothing of it is left
    six[0, 2] = 0.1, 0.2, 0.3, -0.3, 0.2, 0.1
    export_onnx(Decoded(), {"six": six}, ("rotation",), tmp_path / "g.onnx")
    engine = OnnxEngine(tmp_path / "g.onnx")
    rotation = engine.infer({"six": six})["rotation"][0].copy()
    engine.close()
    assert np.isfinite(rotation).all(), onnx.load(str(tmp_path / "g.onnx")).graph.node
    assert (rotation[0] == 0).all()
    np.testing.assert_allclose(rotation[1, :, 0], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(rotation[2], rotation_from_6d(six[0, 2].astype(float)), atol=1e-6)


@pytest.mark.parametrize("axis", [-1, 1])
def test_boxes_and_rotations_are_the_same_whichever_axis_holds_the_channels(axis):
    raw, places = torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(0)), grid_places(64, 96)[-14:]
    places = places.reshape(2, 7, 5)
    boxes = decode_boxes(raw.movedim(-1, axis), places.movedim(-1, axis), axis).movedim(axis, -1)
    half = 0.5 * places[..., 2:3] * raw[..., 2:4].exp()
    centre = places[..., :2] + raw[..., :2] * places[..., 2:3]
    torch.testing.assert_close(boxes, torch.cat([centre - half, centre + half], -1))
    turned = gram_schmidt(raw[..., 5:11].movedim(-1, axis), axis).movedim((axis % 3, axis % 3 + 1), (-2, -1))
    assert torch.equal(turned, gram_schmidt(raw[..., 5:11]))


def test_wild_weights_give_finite_candidates():
    network = trained_looking()
    with torch.no_grad():
        network.detect_out.weight.mul_(1e6)
        network.pose_out.weight.zero_()
        network.pose_out.bias.zero_()
        rows = Exported(network, 64, 64)(torch.full((1, 64, 64, 3), 200, dtype=torch.uint8))
    assert torch.isfinite(rows).all()
