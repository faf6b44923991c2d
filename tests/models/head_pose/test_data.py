"""Training pictures: the labels of a warped picture are what the warped picture shows."""

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from headway.errors import UsageError  # noqa: E402
from headway.evaluate.head_formats import read_labels  # noqa: E402
from headway.evaluate.head_labels import HeadLabels  # noqa: E402
from headway.geometry import geodesic_deg  # noqa: E402
from headway.models.head_pose.crops import Sampler  # noqa: E402
from headway.models.head_pose.cutouts import SHEETS, Cutout, load_cutouts, paste  # noqa: E402
from headway.models.head_pose.data import ImageCache, Sample, Warp, collate, recoloured, warped  # noqa: E402

pytestmark = pytest.mark.train

# Points of a rigid head round its centre, in head axes: what a rotation label is about.
POINTS = np.array([[0.5, 0.1, -0.7], [-0.4, 0.3, -0.6], [0.1, -0.6, 0.2], [0.2, 0.5, 0.4]])

warps = st.builds(
    Warp,
    scale=st.floats(0.3, 2.5),
    angle=st.floats(-0.7, 0.7),
    source=st.tuples(st.floats(20, 80), st.floats(20, 80)),
    target=st.tuples(st.floats(20, 80), st.floats(20, 80)),
    mirror=st.booleans(),
)


@given(warps, st.integers(0, 2**32 - 1))
def test_the_rotation_label_moves_the_heads_points_as_the_picture_moves_them(warp, seed):
    from scipy.spatial.transform import Rotation

    rotation = Rotation.random(random_state=seed).as_matrix()
    seen = 40.0 + 10.0 * (POINTS @ rotation.T)[:, :2]
    moved = seen @ warp.matrix[:, :2].T + warp.matrix[:, 2]
    centre = np.array([40.0, 40.0]) @ warp.matrix[:, :2].T + warp.matrix[:, 2]
    # A mirrored head is another head whose left is its right: the same points with x turned round.
    points = POINTS * [-1, 1, 1] if warp.mirror else POINTS
    new = warp.rotation(rotation[None])[0]
    np.testing.assert_allclose(moved, centre + 10.0 * warp.scale * (points @ new.T)[:, :2], atol=1e-9)
    assert np.linalg.det(new) == pytest.approx(1.0)


@settings(max_examples=25)
@given(warps)
def test_the_box_of_a_painted_ellipse_is_the_box_of_the_warped_picture(warp):
    image = np.zeros((100, 100, 3), np.uint8)
    cv2.ellipse(image, (50, 50), (14, 20), 0, 0, 360, (255, 255, 255), -1)
    warp = Warp(warp.scale, warp.angle, (50.5, 50.5), (100.0, 100.0), warp.mirror)
    box = warp.boxes(np.array([[36.0, 30.0, 65.0, 71.0]]))[0]
    rows, columns = np.nonzero(warp.image(image, 200, border=0)[..., 0] > 127)
    np.testing.assert_allclose([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], box, atol=1.6)


def test_mirroring_twice_gives_the_rotation_back(painted_pictures):
    rotation = painted_pictures(1, 64)[0].rotation
    warp = Warp(1.0, 0.0, (0.0, 0.0), (0.0, 0.0), True)
    assert geodesic_deg(warp.rotation(warp.rotation(rotation)), rotation).max() < 1e-6


def test_heads_cut_off_or_tiny_are_ignored_and_heads_outside_are_gone():
    boxes = np.array([[10.0, 10, 50, 50], [60, 10, 100, 50], [200, 10, 240, 50], [70, 70, 74, 74]])
    whole = Sample(np.zeros((300, 300, 3), np.uint8), boxes, np.tile(np.eye(3), (4, 1, 1)), np.zeros(4, bool))
    cut = warped(whole, Warp(1.0, 0.0, (0.0, 0.0), (-38.0, 0.0)), 100)
    np.testing.assert_allclose(cut.boxes, [[0, 10, 12, 50], [22, 10, 62, 50], [32, 70, 36, 74]])
    assert cut.ignore.tolist() == [True, False, True]


def labels_for(samples) -> HeadLabels:
    index = np.repeat(np.arange(len(samples)), [len(s.boxes) for s in samples])
    boxes = np.concatenate([s.boxes for s in samples])
    rotation = np.concatenate([s.rotation for s in samples])
    seen = np.linspace(0.1, 1.0, len(index))
    return HeadLabels(tuple(Path(f"{i}.png") for i in range(len(samples))), index, boxes, rotation, seen)


@pytest.mark.parametrize("around_heads", [True, False])
def test_a_stream_is_reproducible_and_well_formed(painted_pictures, around_heads):
    samples = painted_pictures(6, 128)
    images, labels = [s.image for s in samples], labels_for(samples)

    def stream(seed):
        return Sampler(images, labels, 64, np.random.default_rng(seed), around_heads=around_heads).batch(20)

    for one, two, other in zip(stream(1), stream(1), stream(2), strict=True):
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.boxes, two.boxes)
        assert one.image.shape == (64, 64, 3)
        assert one.image.dtype == np.uint8
        assert (one.boxes >= 0).all()
        assert (one.boxes <= 64).all()
        assert not np.array_equal(one.image, other.image)
    if around_heads:
        assert np.mean([(~s.ignore).any() for s in stream(3)]) > 0.9


def test_near_heads_fill_their_frames_and_small_ones_are_not_blown_up(painted_pictures):
    samples = painted_pictures(6, 128)
    labels = labels_for(samples)
    sized = {"around_heads": False, "minimum_visibility": 0.0, "sized_share": 1.0, "sized_from_px": 50.0}
    stream = Sampler([s.image for s in samples], labels, 96, np.random.default_rng(0), **sized)
    largest = [np.sqrt(np.prod(s.boxes[:, 2:] - s.boxes[:, :2], axis=1)).max() for s in stream.batch(60)]
    rendered = np.sqrt(np.prod(labels.boxes[:, 2:] - labels.boxes[:, :2], axis=1)).max()
    assert np.mean(np.array(largest) >= min(45.0, 1.5 * rendered)) > 0.8
    assert max(largest) <= min(96.0, 2.1 * rendered)


def test_labels_without_a_head_to_look_at_are_refused_and_say_so(painted_pictures):
    samples = painted_pictures(2, 128)
    labels = replace(labels_for(samples), visibility=np.zeros(sum(len(s.boxes) for s in samples)))
    stream = Sampler([s.image for s in samples], labels, 64, np.random.default_rng(0), around_heads=True)
    with pytest.raises(UsageError, match="no head of 14 px"):
        stream.next()


def test_collate_keeps_every_head_with_its_picture(painted_pictures):
    samples = painted_pictures(3, 64)
    images, targets = collate(samples)
    assert images.shape == (3, 3, 64, 64)
    assert targets.image.tolist() == np.repeat(range(3), [len(s.boxes) for s in samples]).tolist()
    np.testing.assert_array_equal(images[1].permute(1, 2, 0).numpy().astype(np.uint8), samples[1].image)


def test_recolouring_leaves_the_picture_a_picture_and_the_source_untouched(painted_pictures):
    image = painted_pictures(1, 64)[0].image
    before, rng = image.copy(), np.random.default_rng(0)
    results = [recoloured(image, rng) for _ in range(40)]
    assert all(r.shape == image.shape and r.dtype == np.uint8 for r in results)
    np.testing.assert_array_equal(image, before)


def test_the_cache_holds_the_pictures_and_is_made_once(tmp_path):
    for chunk in ("000", "001"):
        (tmp_path / chunk).mkdir()
        cv2.imwrite(str(tmp_path / chunk / "0.png"), np.full((32, 32, 3), 50 + int(chunk), np.uint8))
        label = {"id": 1, "image_id": 1, "bbox": [1, 2, 20, 20], "rotation": np.eye(3).ravel().tolist()}
        text = {"images": [{"id": 1, "file_name": "0.png"}], "annotations": [label]}
        (tmp_path / chunk / "annotations.json").write_text(json.dumps(text))
    labels = read_labels(tmp_path)
    cache = ImageCache(labels, tmp_path / "cache")
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").glob("*.npy")}
    again = ImageCache(labels, tmp_path / "cache")
    assert len(stamps) == 2
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    assert [int(cache[i][0, 0, 0]) for i in range(2)] == [int(again[i][0, 0, 0]) for i in range(2)] == [50, 51]


def test_pictures_rendered_anew_into_the_same_folder_are_decoded_anew(tmp_path):
    picture = tmp_path / "000000.png"

    def shown(grey: int, at_s: int) -> int:
        cv2.imwrite(str(picture), np.full((8, 8, 3), grey, np.uint8))
        os.utime(picture, (at_s, at_s))
        labels = HeadLabels((picture,), np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 3, 3)), np.zeros(0))
        return int(ImageCache(labels, tmp_path / "cache")[0][0, 0, 0])

    assert (shown(40, 1), shown(200, 2)) == (40, 200)


def test_a_pasted_head_is_labelled_and_what_it_covers_is_ignored():
    patch = np.zeros((80, 80, 4), np.uint8)
    cv2.circle(patch, (40, 40), 30, (10, 200, 30, 255), -1)
    cutout = Cutout(patch, np.array([10.0, 10, 70, 70]), np.eye(3))
    ground = Sample(np.zeros((96, 96, 3), np.uint8), np.array([[0.0, 0, 95, 95]]), np.eye(3)[None], np.zeros(1, bool))
    for seed in range(10):
        result = paste(ground, cutout, 60.0, np.random.default_rng(seed))
        green = result.image[..., 1] > 100
        x0, y0, x1, y1 = result.boxes[1].round().astype(int)
        assert len(result.boxes) == 2
        assert green[(y0 + y1) // 2, (x0 + x1) // 2]
        assert green[:, : max(x0 - 1, 0)].sum() == 0
        assert green[:, x1 + 2 :].sum() == 0


def test_held_out_people_are_not_in_the_sheets():
    assert sorted(SHEETS) == [f"P00{i}" for i in range(1, 8)]


@pytest.mark.slow
def test_cut_out_heads_face_the_side_they_are_labelled_with():
    pytest.importorskip("openpeople")
    cutouts = load_cutouts()
    assert len(cutouts) == 56
    for cutout in cutouts:
        x0, y0, x1, y1 = cutout.box.astype(int)
        alpha = cutout.image[y0:y1, x0:x1, 3] / 255.0
        assert 0.6 < alpha.mean() <= 1.0
        assert cutout.image[:20, :20, 3].mean() < 30
