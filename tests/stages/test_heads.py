"""The head stage: what is reported, where, in which axes, and how sure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.stats import rayleigh, rice

from headway.errors import ConfigError, EngineError, FrameError, ModelError
from headway.geometry import gaze, geodesic_deg, ray_basis, rotation_from_euler, viewing_ray
from headway.paths import weights_dir
from headway.runtime.manifest import FileEntry, Manifest, TensorSpec
from headway.runtime.model import Model, open_model
from headway.stages.heads import SIGMA_TO_AXIS, HeadConfig, HeadStage, attention_probability
from headway.types import Camera, Frame

HEIGHT, WIDTH = 96, 128
COLUMNS = {"box": (0, 4), "score": (4, 5), "rotation": (5, 14), "log_sigma": (14, 15)}
CAMERA = Camera(640, 480, 500.0, 510.0, 330.0, 235.0)


class Canned:
    """An engine that answers every image with the same rows."""

    name = "canned"

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def infer(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"candidates": self.rows}

    def close(self) -> None:
        pass


def stage_with(*heads: tuple, config: HeadConfig | None = None) -> HeadStage:
    """heads: (box, score, rotation, sigma_deg) in network pixels, any order."""
    rows = np.zeros((1, 300, 15), np.float32)
    rows[0, :, 5:14] = np.eye(3).ravel()
    for row, (box, score, rotation, sigma_deg) in enumerate(sorted(heads, key=lambda h: -h[1])):
        rows[0, row] = [*box, score, *np.ravel(rotation), np.log(np.radians(sigma_deg))]
    manifest = Manifest(
        "canned",
        "head-pose",
        {"onnx": FileEntry("x.onnx", "0" * 64)},
        {"image": TensorSpec((1, HEIGHT, WIDTH, 3), "uint8", "NHWC", "BGR")},
        {"candidates": TensorSpec((1, 300, 15), columns=COLUMNS)},
        parameters=0,
    )
    return HeadStage(Model(manifest, Canned(rows), Path()), config)


def test_the_threshold_is_the_models_own_unless_one_is_given() -> None:
    heads = [((10, 10, 40, 40), 0.9, np.eye(3), 8.0), ((60, 10, 90, 40), 0.3, np.eye(3), 8.0)]
    stage = stage_with(*heads)
    for own, asked, count in [(0.2, 0.0, 2), (0.5, 0.0, 1), (0.5, 0.25, 2), (0.2, 0.95, 0)]:
        model = Model(replace(stage.model.manifest, config={"score_threshold": own}), stage.model.engine, Path())
        assert len(HeadStage(model, HeadConfig(score_threshold=asked))(frame())) == count
    wrong = Model(replace(stage.model.manifest, config={"score_threshold": "high"}), stage.model.engine, Path())
    with pytest.raises(ModelError, match="score_threshold"):
        HeadStage(wrong)


def frame(height: int = 480, width: int = 640, camera: Camera | None = None) -> Frame:
    return Frame(stamp_ns=5, image=np.zeros((height, width, 3), np.uint8), camera=camera)


def test_boxes_come_back_in_source_pixels_best_score_first() -> None:
    turned = rotation_from_euler(10.0, -100.0, 5.0)
    stage = stage_with(((10, 20, 30, 50), 0.6, np.eye(3), 8.0), ((64, 40, 90, 70), 0.9, turned, 20.0))
    heads = stage(frame())
    np.testing.assert_allclose(heads.boxes, [[320, 200, 450, 350], [50, 100, 150, 250]], atol=1e-3)
    np.testing.assert_allclose(heads.scores, [0.9, 0.6], atol=1e-6)
    np.testing.assert_allclose(heads.sigma_deg, [20.0, 8.0], rtol=1e-5)
    assert geodesic_deg(heads.rotation[0], turned) < 1e-3
    np.testing.assert_allclose(np.linalg.det(heads.rotation), 1.0, atol=1e-12)


def test_heads_below_the_threshold_and_second_boxes_are_not_reported() -> None:
    stage = stage_with(
        ((10, 10, 40, 40), 0.9, np.eye(3), 8.0),
        ((11, 11, 41, 41), 0.8, np.eye(3), 8.0),
        ((60, 10, 90, 40), 0.2, np.eye(3), 8.0),
        config=HeadConfig(score_threshold=0.4),
    )
    assert len(stage(frame())) == 1


def test_a_model_that_says_so_reports_no_part_of_a_large_head_as_another() -> None:
    face = ((22, 30, 70, 74), 0.8, np.eye(3), 8.0)
    stage = stage_with(((12, 10, 82, 80), 0.9, np.eye(3), 8.0), face, config=HeadConfig(score_threshold=0.4))
    assert len(stage(frame())) == 2

    def with_config(**config: object) -> HeadStage:
        manifest = replace(stage.model.manifest, config=config)
        return HeadStage(Model(manifest, stage.model.engine, Path()), stage.config)

    assert len(with_config(nested_from_px=64)(frame())) == 1
    assert len(with_config(nested_from_px=96)(frame())) == 2
    with pytest.raises(ModelError, match="nested_from_px"):
        with_config(nested_from_px=-1.0)


def test_rotations_are_turned_from_the_ray_to_the_camera_axes_where_the_camera_is_known() -> None:
    box = (90, 60, 110, 84)
    stage = stage_with((box, 0.9, np.eye(3), 8.0))
    heads = stage(frame(camera=CAMERA))
    ray = viewing_ray(np.array([500.0, 360.0]), CAMERA)
    assert geodesic_deg(heads.rotation[0], ray_basis(ray)) < 1e-3
    np.testing.assert_allclose(gaze(heads.rotation[0]), -ray, atol=1e-6)
    assert geodesic_deg(stage(frame()).rotation[0], np.eye(3)) < 1e-3


def test_intrinsics_of_another_size_of_the_same_picture_give_the_same_rotation() -> None:
    stage = stage_with(((90, 60, 110, 84), 0.9, rotation_from_euler(5.0, 30.0, 0.0), 8.0))
    full, half = stage(frame(camera=CAMERA)), stage(frame(240, 320, camera=CAMERA))
    np.testing.assert_allclose(half.rotation, full.rotation, atol=1e-9)


def test_attention_does_not_depend_on_where_the_head_is_in_the_image() -> None:
    stage = stage_with(((0, 60, 20, 84), 0.9, np.eye(3), 8.0), ((60, 30, 80, 54), 0.8, np.eye(3), 8.0))
    attention = stage(frame(camera=CAMERA)).attention
    assert attention[0] == attention[1] > 0.8


@given(st.floats(0.0, 180.0), st.floats(1.0, 90.0))
def test_attention_is_the_rice_law_of_the_docstring(angle: float, sigma: float) -> None:
    s = sigma * SIGMA_TO_AXIS
    # scipy's rice.cdf is off by 5e-5 where its first parameter squared underflows; there the law is Rayleigh's.
    expected = rice.cdf(15.0, angle / s, scale=s) if angle / s > 1e-4 else rayleigh.cdf(15.0, scale=s)
    found = attention_probability(rotation_from_euler(0.0, angle, 0.0)[None], np.array([sigma]))
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_attention_is_how_often_a_head_with_that_error_does_look() -> None:
    rng = np.random.default_rng(0)
    seen = rotation_from_euler(4.0, 9.0, -20.0)
    error = Rotation.from_rotvec(rng.normal(0, np.radians(12.0) * SIGMA_TO_AXIS, (40000, 3)))
    true = (Rotation.from_matrix(seen) * error).as_matrix()
    looking = (np.degrees(np.arccos(true[:, 2, 2])) < 15).mean()
    assert abs(np.degrees(error.magnitude()).mean() - 12.0) < 0.2
    assert abs(attention_probability(seen[None], np.array([12.0]))[0] - looking) < 0.01


@given(st.integers(0, 2**32 - 1), st.integers(1, 2000), st.integers(1, 2000))
def test_whatever_finite_rows_come_the_answer_is_well_formed(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    stage = stage_with(config=HeadConfig(score_threshold=0.2))
    rows = np.zeros((1, 300, 15), np.float32)
    rows[..., :4] = rng.normal(50, 60, (1, 300, 4)) * 10.0 ** rng.integers(-3, 5)
    rows[..., 4] = np.sort(rng.uniform(0, 1, 300))[::-1]
    rows[..., 5:14] = rng.normal(0, 1, (1, 300, 9)) * rng.choice([0.0, 1.0, 1e-6], (1, 300, 1))
    rows[..., 14] = rng.normal(0, 3, (1, 300))
    stage.model.engine.rows = rows  # type: ignore[attr-defined]
    heads = stage(frame(height, width, CAMERA))
    assert all(
        np.isfinite(a).all() for a in (heads.boxes, heads.scores, heads.rotation, heads.sigma_deg, heads.attention)
    )
    assert (heads.boxes >= 0).all()
    assert (heads.boxes[:, 2] <= width).all()
    assert (heads.boxes[:, 3] <= height).all()
    assert (heads.boxes[:, 2:] > heads.boxes[:, :2]).all()
    assert (np.diff(heads.scores) <= 0).all()
    assert ((heads.attention >= 0) & (heads.attention <= 1)).all()
    np.testing.assert_allclose(np.linalg.det(heads.rotation), 1.0, atol=1e-9)


def test_no_heads_is_an_empty_answer_of_the_right_shapes() -> None:
    heads = stage_with()(frame(1, 1))
    assert len(heads) == 0
    assert heads.boxes.shape == (0, 4)
    assert heads.rotation.shape == (0, 3, 3)


def test_nan_from_the_network_never_becomes_a_head() -> None:
    stage = stage_with(((10, 10, 40, 40), 0.9, np.full((3, 3), np.nan), 8.0))
    with pytest.raises(EngineError, match="NaN"):
        stage(frame())


def test_a_grey_image_is_refused_by_name() -> None:
    with pytest.raises(FrameError, match="uint8 BGR"):
        stage_with()(Frame(stamp_ns=1, image=np.zeros((4, 4), np.uint8)))


def test_a_model_of_another_task_is_refused() -> None:
    manifest = Manifest("t", "head-pose", {"onnx": FileEntry("x", "0")}, {"positions": TensorSpec((1, 2))}, {}, 0)
    with pytest.raises(ModelError, match="no head-pose model"):
        HeadStage(Model(manifest, Canned(np.zeros(0)), Path()))


@pytest.mark.parametrize("values", [{"score_threshold": 1.5}, {"nms_iou": -0.1}, {"minimum_px": float("nan")}])
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        HeadConfig(**values)


@pytest.fixture(scope="module")
def shipped() -> HeadStage:
    if not (weights_dir() / "head-pose" / "manifest.json").is_file():
        pytest.fail("the shipped model head-pose is missing")
    return HeadStage(open_model("head-pose", "head-pose"), HeadConfig(score_threshold=0.01))


@pytest.mark.parametrize("size", [(1, 1), (2, 3000), (3000, 2), (480, 640), (37, 53)])
@pytest.mark.parametrize("value", [0, 255, 114])
def test_the_shipped_model_takes_any_size_and_any_flat_picture(
    shipped: HeadStage, size: tuple[int, int], value: int
) -> None:
    heads = shipped(Frame(stamp_ns=1, image=np.full((*size, 3), value, np.uint8), camera=CAMERA))
    assert np.isfinite(heads.rotation).all()
    assert (heads.boxes[:, [0, 2]] <= size[1]).all()


def test_the_same_frame_gives_the_same_bits_whatever_came_between(shipped: HeadStage) -> None:
    rng = np.random.default_rng(1)
    first, other = (Frame(stamp_ns=1, image=rng.integers(0, 256, s, np.uint8)) for s in ((300, 500, 3), (500, 300, 3)))
    before = shipped(first)
    shipped(other)
    after = shipped(first)
    for name in ("boxes", "scores", "rotation", "sigma_deg", "attention"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


def test_300_heads_in_one_frame_are_all_reported() -> None:
    boxes = [(6.0 * (k % 20), 6.0 * (k // 20), 6.0 * (k % 20) + 5, 6.0 * (k // 20) + 5) for k in range(300)]
    stage = stage_with(*((box, 0.9 - k / 1000, np.eye(3), 8.0) for k, box in enumerate(boxes)))
    heads = stage(frame())
    assert len(heads) == 300
    assert (np.diff(heads.scores) <= 0).all()
