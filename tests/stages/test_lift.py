"""Ranges from the size of heads: where the image border cuts them off, and through a lens that bends."""

import cv2
import numpy as np
import pytest
from walking_people import CAMERA, HEAD_M, view

from headway.geometry import OPTICAL_TO_BODY, on_image_plane, project
from headway.stages.lift import Sightings, by_size, lift
from headway.stages.tracks import TrackConfig, TrackStage
from headway.types import Camera, Heads

SIGMA = 0.08


def seen(boxes) -> Heads:
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    n = len(boxes)
    return Heads(boxes, np.full(n, 0.9, np.float32), np.tile(np.eye(3), (n, 1, 1)), np.full(n, 10.0), np.zeros(n))


def lifted(boxes, camera: Camera = CAMERA) -> Sightings:
    return lift(seen(boxes), camera, OPTICAL_TO_BODY, None, HEAD_M, SIGMA, 45.0)


def in_picture(point, width: float, camera: Camera = CAMERA) -> np.ndarray:
    """Box of a head at `point` (3,) m, optical frame, `width` heights wide: what the picture shows of it."""
    u, v = project(np.asarray(point, float), camera)
    high = camera.fy * HEAD_M / point[2]
    box = np.array([u - width * high / 2, v - high / 2, u + width * high / 2, v + high / 2])
    return box.clip(0, [camera.width, camera.height, camera.width, camera.height])


def relative_sigma(sightings: Sightings) -> float:
    """Of the range along the line of sight, noise and what stays with the person together."""
    place, spread = sightings.position[0, :2], sightings.noise[0] + sightings.bias[0]
    return float(np.sqrt(place @ spread @ place) / (place @ place))


@pytest.mark.parametrize("side", [-1.0, 1.0], ids=["top", "bottom"])
@pytest.mark.parametrize("shown", [0.4, 0.6, 0.9])
@pytest.mark.parametrize("width", [0.6, 0.75, 0.95])
def test_a_head_that_the_top_or_bottom_border_cuts_off_is_placed_within_its_uncertainty(side, shown, width) -> None:
    high = CAMERA.fy * HEAD_M / 1.0
    beyond = side * (240.0 + (0.5 - shown) * high) / CAMERA.fy
    sightings = lifted(in_picture([0.0, beyond, 1.0], width))
    away = sightings.position[0, 0]
    assert abs(away - 1.0) < 1.65 * relative_sigma(sightings) * away
    if width == 0.75:
        assert away == pytest.approx(1.0, rel=1e-5), "a head of the usual shape is measured exactly"


def test_a_head_that_a_side_border_cuts_off_is_measured_by_its_height() -> None:
    sightings = lifted(in_picture([0.64, 0.0, 1.0], 0.95))
    assert sightings.position[0, 0] == pytest.approx(1.0, rel=1e-5)
    assert relative_sigma(sightings) < 0.1


def test_a_picture_squeezed_sideways_makes_no_cut_off_head_look_further_away() -> None:
    squeezed = Camera(480, 480, 300.0, 400.0, 240.0, 240.0)  # of 640x480
    x0, y0, x1, y1 = in_picture([0.0, -0.62, 1.0], 0.75, Camera(640, 480, 400.0, 400.0, 320.0, 240.0))
    assert y0 == 0.0
    sightings = lifted([0.75 * x0, y0, 0.75 * x1, y1], squeezed)
    assert sightings.position[0, 0] == pytest.approx(1.0, rel=1e-5)


def test_depth_is_that_of_the_middle_half_of_the_box_at_any_resolution_of_the_depth() -> None:
    depth = np.full((240, 320), 8.0, np.float32)
    depth[60:80, 100:140] = 2.0  # half the size of the picture: of the box, its middle half
    heads = seen([160, 100, 320, 180])
    measured = lift(heads, CAMERA, OPTICAL_TO_BODY, depth, HEAD_M, SIGMA, 45.0)
    assert measured.position[0, 0] == 2.0
    depth[60:80, 100:131] = np.nan  # more than three quarters of it
    assert lift(heads, CAMERA, OPTICAL_TO_BODY, depth, HEAD_M, SIGMA, 45.0).position[0, 0] != 2.0


def test_across_the_line_of_sight_a_place_is_as_sure_as_a_pixel() -> None:
    noise = lifted(in_picture([0.0, 0.0, 5.0], 0.75)).noise[0]
    assert np.sqrt(noise[1, 1]) == pytest.approx(1.5 * 5.0 / CAMERA.fx + 0.02, rel=1e-4)


def test_in_a_corner_next_to_nothing_is_known_of_the_range() -> None:
    assert relative_sigma(lifted(in_picture([0.64, 0.5, 1.0], 0.75))) > 0.4


@pytest.mark.parametrize("width", [0.6, 0.95])
def test_somebody_who_stands_with_a_cut_off_head_for_long_is_not_placed_more_surely_than_their_shape_is_known(
    width,
) -> None:
    stage = TrackStage(TrackConfig())
    for k in range(30):
        tracks = stage(view(k / 15), seen(in_picture([0.0, -0.5, 1.0], width)))
    off = tracks.position[0, 0] - 1.0
    assert abs(off) > 0.1, "the width misleads"
    assert abs(off) < 1.8 * np.sqrt(tracks.covariance[0, 0, 0])


LENSES = {
    "webcam": Camera(640, 480, 350.0, 350.0, 320.0, 240.0, (-0.30, 0.09, 0.0, 0.0, 0.0)),
    "euroc": Camera(752, 480, 458.654, 457.296, 367.215, 248.375, (-0.28340811, 0.07395907, 0.00019359, 1.76e-05)),
    "kitti": Camera(1392, 512, 958.0, 957.0, 696.0, 224.0, (-0.369, 0.197, 0.0013, 0.0005, -0.0677)),
}


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("angle_deg", [0.0, 20.0, 33.0])
def test_a_lens_that_bends_makes_nobody_look_further_away(lens, angle_deg) -> None:
    camera, angle = LENSES[lens], np.radians(angle_deg)
    place = 3.0 * np.array([np.sin(angle), 0.0, np.cos(angle)])
    ends = place + np.array([[0.0, -HEAD_M / 2, 0.0], [0.0, HEAD_M / 2, 0.0]])
    bent = cv2.projectPoints(ends, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion))[0][:, 0]
    (u, top), (_, bottom) = bent
    half = 0.375 * (bottom - top)
    sightings = lifted([u - half, top, u + half, bottom], camera)
    assert np.linalg.norm(sightings.position[0]) == pytest.approx(3.0, rel=0.01)


@pytest.mark.parametrize("lens", LENSES)
def test_through_a_lens_that_bends_a_cut_off_head_is_as_far_away_as_its_width_says(lens) -> None:
    camera, half = LENSES[lens], 0.375 * HEAD_M
    rim = on_image_plane(np.array([camera.cx, 0.0]), camera)
    points = rim + np.array([[-half, 0.02, 0.0], [half, 0.02, 0.0], [0.0, 0.04, 0.0]])
    bent = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion))
    left, right, bottom = bent[0][:, 0]
    sightings = lifted([left[0], 0.0, right[0], bottom[1]], camera)
    assert sightings.position[0, 0] == pytest.approx(1.0, rel=0.005)


@pytest.mark.parametrize("aside", [0.0, 1.0, -1.7])
def test_a_range_from_the_size_of_a_head_is_one_in_every_direction_and_a_measured_one_is_none(aside) -> None:
    camera = Camera(1280, 480, 320.0, 320.0, 640.0, 240.0)
    box = in_picture([aside, 0.0, 1.0], 0.75, camera)
    assert by_size(lifted(box, camera).bias).tolist() == [True]
    depth = np.full((480, 1280), 2.0, np.float32)
    assert by_size(lift(seen(box), camera, OPTICAL_TO_BODY, depth, HEAD_M, SIGMA, 45.0).bias).tolist() == [False]


def test_where_a_lens_model_folds_over_people_are_placed_all_the_same() -> None:
    camera = Camera(640, 480, 100.0, 100.0, 320.0, 240.0, (5.0, 30.0, 0.0, 0.0, 900.0))
    sightings = lifted([[300, 220, 330, 260], [560, 20, 600, 70]], camera)
    assert len(sightings) == 2
    assert (np.linalg.norm(sightings.position[:, :2], axis=1) < 10.0).all()
