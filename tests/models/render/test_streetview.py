"""A street behind the people of a picture: the same again, seen by the picture's own camera, nobody in it."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from headway.models.render.annotations import FILE_NAME, on_streets
from headway.models.render.bodies import load_pool
from headway.models.render.crowd import random_crowd
from headway.models.render.people import Order, render_people
from headway.models.render.photograph import Photographer, random_light
from headway.models.render.road import Road
from headway.models.render.streetview import PICTURES_EACH, leaves_colour, to_camera

pytestmark = pytest.mark.train
SIZE = 96


@pytest.fixture(scope="module")
def photographer(pool_file):
    made = Photographer(load_pool(pool_file), "train", 5, SIZE, streets=True)
    yield made
    made.canvas.close()


def test_a_picture_is_the_same_whatever_was_drawn_before_it(photographer, pool_file):
    last = PICTURES_EACH + 1
    before = [photographer.picture(k).image for k in (0, last)]
    assert np.array_equal(photographer.picture(0).image, before[0])
    alone = Photographer(load_pool(pool_file), "train", 5, SIZE, streets=True)
    assert np.array_equal(alone.picture(last).image, before[1])
    alone.canvas.close()


def test_people_stay_where_they_are_without_a_street(pool_file, tmp_path):
    """The street draws no random number of theirs: the same heads stand before another background."""
    for name, streets in (("plain", False), ("street", True)):
        render_people(Order(tmp_path / name, 4, seed=5, size=SIZE, streets=streets), pool_file)
    plain, street = (json.loads((tmp_path / name / FILE_NAME).read_text()) for name in ("plain", "street"))
    assert street["info"].pop("streets") is True
    assert [on_streets(tmp_path / part) for part in ("plain", "street", ".")] == [0, 4, 4]
    assert street["info"] == plain["info"]
    boxes = [{tuple(a["bbox_full"]) for a in c["annotations"] if a["visibility"] > 0.5} for c in (plain, street)]
    assert boxes[0] & boxes[1]
    pictures = [cv2.imread(str(tmp_path / name / "000000.jpg")) for name in ("plain", "street")]
    assert (pictures[0] != pictures[1]).mean() > 0.2


def test_the_camera_of_the_street_is_that_of_the_people(pool):
    """Its height, and how far it looks up or down, which is where the horizon lies."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        crowd = random_crowd(rng, pool, pool.members("train"), SIZE, SIZE)
        matrix = to_camera(rng, crowd, Road())
        rotation = matrix[:3, :3]
        assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        place = -rotation.T @ matrix[:3, 3]
        assert place[2] == pytest.approx(crowd.ground)
        wanted = np.arctan((crowd.horizon - crowd.camera.height / 2) / crowd.camera.fy)
        assert np.arcsin(rotation[2, 2]) == pytest.approx(wanted, abs=1e-9)
        assert rotation[1, 2] < 0  # the picture's down is not the world's up


def test_nobody_is_in_the_street_and_trees_are(photographer, pool):
    rng = np.random.default_rng(1)
    crowd = random_crowd(rng, pool, pool.members("train"), SIZE, SIZE)
    image = photographer.streets.draw(0, crowd, random_light(rng))
    assert image.shape == (SIZE, SIZE, 3)
    assert image.dtype == np.float32
    assert image.std() > 5
    assert not photographer.canvas.read()[1].any()  # no person's number
    colours = np.array([leaves_colour(np.random.default_rng(s)) for s in range(50)])
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert np.ptp(colours, axis=0).min() > 0.3
