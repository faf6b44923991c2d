import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from headway.errors import UsageError
from headway.evaluate.by_heads import read_heads
from headway.evaluate.kitti import camera_to_car, car_orientation, kitti, read_sequence, sequences


def test_the_cars_orientation_is_the_oracles() -> None:
    random = np.random.default_rng(0)
    oxts = np.zeros((20, 30))
    oxts[:, 3:6] = random.uniform(-1, 1, (20, 3))
    oracle = Rotation.from_euler("ZYX", oxts[:, [5, 4, 3]]).as_matrix()
    np.testing.assert_allclose(car_orientation(oxts), oracle, atol=1e-12)


def test_forward_of_the_camera_is_forward_of_the_car(shared_data) -> None:
    folder = shared_data("kitti_tracking")
    rotation = camera_to_car(folder / "calib" / "0000.txt")
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
    np.testing.assert_allclose(rotation @ [0, 0, 1], [1, 0, 0], atol=0.05)
    np.testing.assert_allclose(rotation @ [0, 1, 0], [0, 0, -1], atol=0.05)


def test_people_who_stand_stand_still_once_the_cars_motion_is_taken_off(shared_data) -> None:
    shared_data("kitti_tracking")
    speeds, relative = [], []
    for label in sequences():
        walk = read_sequence(label)
        moved = np.diff(walk.relative, axis=0) * walk.rate
        relative.append(np.linalg.norm(moved, axis=-1).ravel())
        speeds.append(np.linalg.norm(moved + walk.velocity[:-1, None], axis=-1).ravel())
    own, seen = np.concatenate(speeds), np.concatenate(relative)
    # A car drives at ten metres a second: were an axis or a sign wrong, people would seem to run.
    assert np.nanmedian(own) < 1.6
    assert np.nanpercentile(own, 95) < 3.0
    assert np.nanpercentile(seen, 95) > 5.0


def test_real_people_from_a_moving_car_go_through_the_stages(shared_data) -> None:
    folder = shared_data("kitti_tracking")
    report = kitti("trajectory", labels=[folder / "label" / "0011.txt"])
    assert {"protocol", "scenes", "mean", "coverage", "alerts"} <= set(report)
    assert report["windows"] > 10
    assert report["coverage"]["drawn"]["forecasts"] == report["windows"]
    ade = {name: values["ade"] for name, values in report["mean"].items()}
    assert ade["headway"] < ade["heads-up"]
    assert ade["headway"] < ade["headway-no-odometry"]


PERSON = "0 1 Pedestrian 0 0 0 1 2 3 4 1.8 0.6 0.8 2 1.7 9 0"
EYE = "1 0 0 0 0 1 0 0 0 0 1 0"
FILES = {
    "label": PERSON,
    "oxts": " ".join(["0.1"] * 30),
    "calib": f"P0: 700 0 600 0 0 700 170 0 0 0 1 0\nR_rect 1 0 0 0 1 0 0 0 1\nTr_velo_cam {EYE}\nTr_imu_velo {EYE}\n",
}


def sequence(folder, **changed):
    for part, text in (FILES | changed).items():
        (folder / part).mkdir(parents=True)
        (folder / part / "0007.txt").write_text(text)
    return folder / "label" / "0007.txt"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("label", "0 1 Pedestrian 0 0"),
        ("label", PERSON.replace("1.7", "nan")),
        ("label", "one " + PERSON[2:]),
        ("oxts", ""),
        ("oxts", "garbage"),
        ("oxts", FILES["oxts"] + "\n0.1 0.2"),
        ("oxts", FILES["oxts"].replace("0.1", "inf")),
        ("calib", ""),
        ("calib", FILES["calib"].replace("700", "x")),
        ("calib", FILES["calib"].replace("R_rect 1", "R_rect")),
    ],
)
def test_a_file_that_is_broken_is_named(tmp_path, part, text) -> None:
    read_heads(sequence(tmp_path / "whole"))
    with pytest.raises(UsageError, match=f"{part}/0007.txt is no {part} file of kitti_tracking"):
        read_heads(sequence(tmp_path / "broken", **{part: text}))
