"""Pictures show what was said, and drawing never fails, whatever is said."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.annotate import annotate, draw, spoken
from headway.panel import put_text, track_colour
from headway.scene import Person, Scene
from headway.types import Camera, DriveCommand, DriveState, Frame, Heads, Level, Risk, Risks

CAMERA = Camera(640, 480, 500.0, 500.0, 320.0, 240.0)
BLANK = np.full((480, 640, 3), 128, np.uint8)


def head(box, rotation=None, sigma=10.0):
    rotation = np.eye(3) if rotation is None else rotation
    return Heads(np.array([box], np.float32), np.ones(1, np.float32), rotation[None], np.array([sigma]), np.ones(1))


def person(x, y, track_id=1, modes=20):
    steps = np.linspace(0.1, 1.0, 12)[:, None]
    paths = np.array([x, y]) * (1 - steps) + np.zeros((modes, 1, 1))
    return Person(track_id, np.array([x, y, 0.0]), paths, np.full(modes, 1 / modes), np.linspace(0.2, 1.0, 12))


def changed(picture, area):
    y0, y1, x0, x1 = area
    return bool((picture[y0:y1, x0:x1] != 128).any())


def test_the_source_image_is_not_touched():
    image = BLANK.copy()
    frame = Frame(stamp_ns=1, image=image, camera=CAMERA)
    picture = annotate(frame, head([100, 100, 160, 160]))
    assert (image == 128).all()
    assert picture.shape[0] > 480


def test_a_head_is_boxed_where_it_is_and_nowhere_else():
    picture = draw(BLANK, Scene(heads=head([100, 100, 160, 160]), head_ids=(3,)))
    np.testing.assert_allclose(picture[130, 100], track_colour(3), atol=12)  # smoothed edges
    assert not changed(picture, (250, 480, 0, 640))
    assert not changed(picture, (0, 480, 300, 640))


def test_the_arrow_points_where_the_head_looks():
    turned = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # its back to the left: looks right
    picture = draw(BLANK, Scene(heads=head([300, 200, 360, 260], turned)))
    assert changed(picture, (210, 250, 370, 400))
    assert not changed(picture, (210, 250, 250, 290))


def test_a_box_that_is_hardly_a_head_says_so_and_shows_no_direction():
    turned = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    sure = head([200, 100, 400, 300], turned, sigma=40.0)
    doubted = replace(sure, scores=np.full(1, 0.4, np.float32))
    inside = (110, 290, 210, 390)
    assert changed(draw(BLANK, Scene(heads=sure)), inside)
    assert not changed(draw(BLANK, Scene(heads=doubted)), inside)
    assert changed(draw(BLANK, Scene(heads=doubted)), (150, 250, 198, 203))
    assert changed(draw(BLANK, Scene(heads=doubted, head_ids=(3,))), inside)  # somebody who is followed has more looks


def test_a_path_ahead_is_drawn_below_the_horizon_and_one_behind_is_not():
    ahead = draw(BLANK, Scene(people=(person(6.0, 0.0),), camera=CAMERA))
    behind = draw(BLANK, Scene(people=(person(-6.0, 0.0),), camera=CAMERA))
    assert changed(ahead, (300, 480, 300, 340))
    assert not changed(ahead, (30, 230, 0, 640))
    assert not changed(behind, (0, 480, 0, 640))


def test_an_alert_shows_in_the_banner_and_an_unsure_scene_says_why():
    risk = Risk(1, Level.ALERT, 1.0, 0.9, 0.1, "left")
    alert = draw(BLANK, Scene(risks=Risks(0, (risk,))))[2, 600].astype(int)
    unsure = draw(BLANK, Scene(risks=Risks(0, (), "no IMU")))[2, 600].astype(int)
    clear = draw(BLANK, Scene(risks=Risks(0)))[2, 600]
    assert alert[2] > alert[1] + 60
    assert abs(unsure - 128).max() > 5
    assert (clear == 128).all()


def test_an_alert_that_is_only_held_says_so():
    assert spoken(Risk(1, Level.ALERT, 1.5, 0.9, 0.1, "left")).startswith("person #1 left, contact in 1.5 s, p 0.90")
    assert spoken(Risk(1, Level.ALERT, None, 0.01, 4.7, "ahead")).startswith(
        "person #1 ahead, held from before, p 0.01"
    )
    assert "held" not in spoken(Risk(1, Level.UNSURE, None, 0.01, 4.7, "ahead"))


def test_steering_to_the_left_is_drawn_on_the_left():
    def marker(steering):
        command = DriveCommand(steering, 0.0, 0.0, (steering, steering), 1.0, DriveState.SLOW, 1.0)
        strip = draw(BLANK, Scene(command=command))[480:]
        amber = (np.abs(strip[40:60].astype(int) - [20, 170, 235]).max(axis=2) < 30).nonzero()[1]
        return float(amber.mean())

    assert marker(0.8) < 200 < 320 < 440 < marker(-0.8)


@pytest.mark.parametrize("shape", [(120, 160), (481, 641), (32, 32), (1, 1), (720, 1280)])
def test_pictures_have_even_sides_and_are_wide_enough_to_read(shape):
    picture = draw(np.zeros((*shape, 3), np.uint8), Scene(heads=head([0, 0, 20, 20])))
    assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0
    assert picture.shape[1] >= 640 or shape[1] >= 640


wild = st.floats(-1e7, 1e7)


@given(box=st.lists(wild, min_size=4, max_size=4), x=wild, y=wild, sigma=st.floats(), number=st.floats(-1e6, 1e6))
def test_drawing_never_fails(box, x, y, sigma, number):
    risks = Risks(0, (Risk(1, Level.ALERT, number, number, number, "left ☂"),))
    command = DriveCommand(number, number, number, (number, -number), number, DriveState.STOP, number, "±° ☂" * 50)
    scene = Scene(head(box, sigma=sigma), (1,), (person(x, y),), risks, command, CAMERA)
    picture = draw(BLANK, scene)
    assert picture.shape[1] == 640


@pytest.mark.parametrize("at", [(-50, 50), (190, 50), (100, -5)])
def test_a_text_at_the_border_is_whole(at):
    """The head at the right border is the one that is about to leave the picture or to come in."""

    def drawn(place):
        image = np.zeros((100, 200, 3), np.uint8)
        put_text(image, "#9 +-10 0.8s", place, (255, 255, 255), 0.42)
        return int((image > 200).sum())

    assert drawn(at) == drawn((50, 50)) > 100


def test_text_is_cut_to_its_room():
    image = np.zeros((40, 200, 3), np.uint8)
    put_text(image, "m" * 100, (5, 20), (255, 255, 255), 0.5, 100)
    assert not image[:, 120:].any()
    assert image[:, :100].any()
