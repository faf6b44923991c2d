"""The bundled bags: whole, small, and true: heads, people and sensors agree with each other."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from headway.bags import BagReader
from headway.geometry import from_semi_local, project, rotation_from_quaternion
from headway.models.render.carrier import GRAVITY
from headway.paths import sample_dir
from headway.sensors import camera_from_message, stamp_of

NAMES = ("street-vehicle.mcap", "street-walker.mcap")
LIMIT = 8 << 20
CAMERA_IN_IMU = rotation_from_quaternion(np.array([-0.5, 0.5, -0.5, 0.5]))


@pytest.fixture(scope="module", params=NAMES)
def bag(request):
    """Topic -> decoded messages in order."""
    content: dict[str, list] = {}
    with BagReader(sample_dir() / request.param) as reader:
        for message in reader.messages():
            content.setdefault(message.topic, []).append(message.decode())
        assert reader.loss == ""
    return content


def quaternion(q) -> np.ndarray:
    return np.array([q.x, q.y, q.z, q.w])


def test_both_bags_together_fit_the_repository():
    assert sum((sample_dir() / name).stat().st_size for name in NAMES) <= LIMIT


def test_a_bag_holds_150_images_a_fifteenth_of_a_second_apart(bag):
    stamps = np.array([stamp_of(m) for m in bag["/camera/image_raw/compressed"]])
    assert len(stamps) == 150
    assert stamps[0] >= 1_700_000_000_000_000_000
    assert np.abs(np.diff(stamps) - 1e9 / 15).max() <= 1


@pytest.mark.parametrize(
    ("topic", "hertz"), [("/imu/data", 90), ("/odom", 30), ("/ground_truth/heads", 15), ("/camera/camera_info", 15)]
)
def test_every_topic_comes_at_its_rate_and_in_order(bag, topic, hertz):
    stamps = np.array([stamp_of(m) for m in bag[topic]])
    assert len(stamps) == hertz * 10
    assert (np.diff(stamps) > 0).all()


def test_images_decode_to_the_size_that_camera_info_says(bag):
    camera = camera_from_message(bag["/camera/camera_info"][0])
    for message in bag["/camera/image_raw/compressed"][::30]:
        image = cv2.imdecode(np.asarray(message.data), cv2.IMREAD_COLOR)
        assert image.shape == (camera.height, camera.width, 3)
        assert image.std() > 20


def test_true_heads_lie_inside_the_image(bag):
    count = 0
    for message in bag["/ground_truth/heads"]:
        assert message.valid
        for head in message.heads:
            assert 0 <= head.x_min < head.x_max <= message.width
            assert 0 <= head.y_min < head.y_max <= message.height
            assert np.linalg.norm(quaternion(head.orientation)) == pytest.approx(1, abs=1e-6)
            count += 1
    assert count > 300
    assert max(h.y_max - h.y_min for m in bag["/ground_truth/heads"] for h in m.heads) > 60


def test_true_people_project_into_their_true_heads(bag):
    camera = camera_from_message(bag["/camera/camera_info"][0])
    checked = 0
    for heads, people in zip(bag["/ground_truth/heads"], bag["/ground_truth/people"], strict=True):
        orientation = rotation_from_quaternion(quaternion(people.camera_orientation))
        boxes = {h.track_id: (h.x_min, h.y_min, h.x_max, h.y_max) for h in heads.heads}
        for person in people.forecasts:
            if person.track_id not in boxes:
                continue
            x0, y0, x1, y1 = boxes[person.track_id]
            if x0 <= 0 or y0 <= 0 or x1 >= camera.width or y1 >= camera.height:
                continue
            position = np.array([person.position.x, person.position.y, person.position.z])
            u, v = project(from_semi_local(position, orientation), camera)
            assert x0 < u < x1
            assert y0 < v < y1
            checked += 1
    assert checked > 200


def test_the_imu_carries_the_cameras_orientation_and_gravity(bag):
    imu = {stamp_of(m): m for m in bag["/imu/data"]}
    stamps = np.array(sorted(imu))
    for people in bag["/ground_truth/people"]:
        nearest = imu[int(stamps[np.abs(stamps - stamp_of(people)).argmin()])]
        body = rotation_from_quaternion(quaternion(nearest.orientation))
        truth = rotation_from_quaternion(quaternion(people.camera_orientation))
        np.testing.assert_allclose(body @ CAMERA_IN_IMU, truth, atol=1e-3)
    up = np.mean([m.linear_acceleration.z for m in bag["/imu/data"]])
    assert up == pytest.approx(GRAVITY, abs=0.3)


def test_relative_velocities_are_how_positions_change(bag):
    """From one image to the next a person's relative position moves by the velocity the bag states."""
    errors = []
    messages = bag["/ground_truth/people"]
    for a, b in itertools.pairwise(messages):
        after = {p.track_id: p for p in b.forecasts}
        for p in a.forecasts:
            if p.track_id in after:
                q = after[p.track_id]
                moved = np.array([q.position.x - p.position.x, q.position.y - p.position.y]) * 15
                stated = np.array([p.velocity.x + q.velocity.x, p.velocity.y + q.velocity.y]) / 2
                errors.append(np.linalg.norm(moved - stated))
    assert np.median(errors) < 0.25
