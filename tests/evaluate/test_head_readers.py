"""Published data sets are read as published: tiny files of each form, and one clear line for each mistake in them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
from scipy.spatial.transform import Rotation

from headway.errors import UsageError
from headway.evaluate.head_formats import FORMATS, read_labels
from headway.geometry import geodesic_deg, ray_basis, viewing_ray


def grey(path: Path, width: int = 80, height: int = 64) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))


# ---- AGORA-HPE and CMU-HPE


def published(folder: Path, name: str = "coco_style_validation.json", split: str = "validation", **change) -> Path:
    """One 1280x720 picture, one head and one crowd label in the form that the AGORA-HPE script writes."""
    grey(folder / "images" / split / "2000400001.jpg", 1280, 720)
    image = {"file_name": "2000400001.jpg", "height": 720, "width": 1280, "id": 2000400001, "seq_key": "a"}
    label = {
        "face2d_pts": [[1, 2], [3, 4]],
        "bbox": [600, 200, 60, 70],
        "euler_angles": [12.0, -130.0, 7.5],
        "image_id": 2000400001,
        "id": 200040000100,
        "category_id": 1,
        "iscrowd": 0,
        "segmentation": [],
        "area": 4200,
    }
    label = {k: v for k, v in {**label, **change}.items() if v is not None}
    crowd = {**label, "id": 200040000101, "iscrowd": 1}
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / name).write_text(json.dumps({"images": [image], "annotations": [label, crowd]}))
    return folder


@pytest.mark.parametrize(
    ("form", "name", "split"),
    [
        ("agora-hpe", "coco_style_validation.json", "validation"),
        ("cmu-hpe", "coco_style_sampled_val.json", "val"),
        ("auto", "coco_style_validation.json", "validation"),
    ],
)
def test_agora_and_cmu_are_read_as_their_scripts_write_them(tmp_path, form, name, split) -> None:
    labels = read_labels(published(tmp_path, name, split), form)
    np.testing.assert_array_equal(labels.boxes[0], [600, 200, 660, 270])
    np.testing.assert_allclose(labels.published_angles[0], [12.0, -130.0, 7.5])
    oracle = Rotation.from_euler("ZYX", [7.5, -130.0, -12.0], degrees=True).as_matrix()
    assert geodesic_deg(labels.rotation[0], oracle) < 1e-6
    assert labels.visibility.tolist() == [1.0, 0.0], "crowd labels are neither wanted nor counted as false"
    assert labels.whole_head
    assert labels.images[0].is_file()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"euler_angles": None}, "annotation 0: field 'rotation' is missing, and so is 'euler_angles'"),
        ({"bbox": None}, "annotation 0: field 'bbox' is missing"),
        ({"image_id": None}, "annotation 0: field 'image_id' is missing"),
        ({"euler_angles": [0.0, 200.0, 0.0]}, "annotation 0: euler_angles has yaw 200, outside ±180"),
        ({"euler_angles": [100.0, 0.0, 0.0]}, "annotation 0: euler_angles has pitch 100, outside ±90"),
        ({"euler_angles": [1.0, 2.0]}, "euler_angles .* is not 3 numbers"),
        ({"euler_angles": [1.0, "x", 3.0]}, "euler_angles .* is not 3 numbers"),
        ({"euler_angles": [1.0, float("nan"), 3.0]}, "euler_angles .* holds NaN"),
        ({"bbox": [1300, 10, 20, 20]}, "bbox .* lies outside its image of 1280x720"),
        ({"bbox": [-50, 10, 20, 20]}, "bbox .* lies outside its image"),
        ({"bbox": [10, 10, -5, 20]}, "bbox .* has no area"),
        ({"bbox": "big"}, "bbox 'big' is not 4 numbers"),
        ({"id": 200040000101}, "two annotations share one id"),
        ({"image_id": 5}, "image 5 is missing"),
        ({"visibility": 3.0}, "visibility 3 is outside 0..1"),
    ],
)
def test_wrong_coco_labels_are_refused_by_file_label_and_field(tmp_path, change, named) -> None:
    published(tmp_path, **change)
    with pytest.raises(UsageError, match=f"coco_style_validation.json.*{named}"):
        read_labels(tmp_path, "agora-hpe")


def test_two_images_with_one_id_are_refused(tmp_path) -> None:
    path = published(tmp_path) / "annotations" / "coco_style_validation.json"
    raw = json.loads(path.read_text())
    raw["images"].append(raw["images"][0])
    path.write_text(json.dumps(raw))
    with pytest.raises(UsageError, match=r"validation\.json: two images share one id"):
        read_labels(tmp_path, "agora-hpe")


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "{", '{"images": 3, "annotations": []}', '{"images": [7], "annotations": []}']
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, text) -> None:
    (published(tmp_path) / "annotations" / "coco_style_validation.json").write_text(text)
    with pytest.raises(UsageError, match=r"coco_style_validation\.json"):
        read_labels(tmp_path, "agora-hpe")


def test_a_box_that_leaves_the_image_is_cut_at_its_border(tmp_path) -> None:
    labels = read_labels(published(tmp_path, bbox=[-10, 700, 40, 60]), "agora-hpe")
    np.testing.assert_array_equal(labels.boxes[0], [0, 700, 30, 720])


# ---- 300W-LP and AFLW2000


def mat(path: Path, pitch: float = 0.2, yaw: float = -0.7, roll: float = 0.1, **fields) -> None:
    grey(path.with_suffix(".jpg"))
    points = np.full((3, 68), 5.0)
    points[:2, :4] = [[20, 60, 30, 40], [10, 15, 50, 55]]
    content = {"Pose_Para": np.array([[pitch, yaw, roll, 1.0, 2.0, 3.0, 0.001]]), "pt3d_68": points, **fields}
    scipy.io.savemat(path, {k: v for k, v in content.items() if v is not None})


def test_aflw2000_angles_are_radians_in_the_order_xyz_and_the_box_is_the_landmarks(tmp_path) -> None:
    mat(tmp_path / "image00002.mat")
    labels = read_labels(tmp_path, "aflw2000")
    np.testing.assert_allclose(labels.published_angles[0], np.degrees([0.2, -0.7, 0.1]), rtol=1e-6)
    oracle = Rotation.from_euler("XYZ", [-0.2, -0.7, 0.1]).as_matrix()
    assert geodesic_deg(labels.rotation[0], oracle) < 1e-5
    np.testing.assert_array_equal(labels.boxes[0], [5, 5, 60, 55])
    assert not labels.whole_head


def test_faces_beyond_99_degrees_are_left_out_and_counted(tmp_path) -> None:
    for row, (pitch, yaw) in enumerate([(0.1, 1.7), (1.75, 0.0), (0.1, -1.74), (0.0, 0.0)]):
        mat(tmp_path / f"image{row:05d}.mat", pitch=pitch, yaw=yaw)
    labels = read_labels(tmp_path, "aflw2000")
    assert (len(labels), labels.excluded) == (2, 2)  # 1.7 rad = 97.4 degrees stays, 1.74 and 1.75 go


def test_300w_lp_is_read_below_its_folders_without_the_landmark_files(tmp_path) -> None:
    visible = np.array([[20.0, 60, -1, 40], [10, 15, -1, 55]])
    mat(tmp_path / "AFW" / "AFW_1_0.mat", pt3d_68=None, pt2d=visible)
    mat(tmp_path / "HELEN_Flip" / "HELEN_2_1.mat", pt3d_68=None, pt2d=visible)
    (tmp_path / "landmarks" / "AFW").mkdir(parents=True)
    scipy.io.savemat(tmp_path / "landmarks" / "AFW" / "AFW_1_0_pts.mat", {"pts_2d": visible})
    labels = read_labels(tmp_path, "300w-lp")
    assert [p.name for p in labels.images] == ["AFW_1_0.jpg", "HELEN_2_1.jpg"]
    np.testing.assert_array_equal(labels.boxes[0], [20, 10, 60, 55])  # hidden landmarks (-1) do not count


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"Pose_Para": None}, "field 'Pose_Para' is missing"),
        ({"pt3d_68": None}, "field 'pt2d' is missing"),
        ({"Pose_Para": np.zeros((1, 2))}, "is not 3 numbers"),
        ({"Pose_Para": np.array([[np.nan, 0, 0]])}, "holds NaN"),
        ({"Pose_Para": np.array([[20.0, 0, 0]])}, "radians within"),
        ({"pt3d_68": np.zeros((5, 68))}, "pt3d_68 is"),
        ({"pt3d_68": np.full((3, 68), -1.0)}, "fewer than two visible landmarks"),
    ],
)
def test_wrong_mat_labels_are_refused_by_file_and_field(tmp_path, change, named) -> None:
    mat(tmp_path / "image00004.mat", **change)
    with pytest.raises(UsageError, match=f"image00004.mat.*{named}"):
        read_labels(tmp_path, "aflw2000")


def test_a_mat_file_that_is_none_and_a_missing_picture_are_named(tmp_path) -> None:
    (tmp_path / "image1.mat").write_bytes(b"no matlab")
    with pytest.raises(UsageError, match=r"image1\.mat has no picture"):
        read_labels(tmp_path, "aflw2000")
    grey(tmp_path / "image1.jpg")
    with pytest.raises(UsageError, match=r"image1\.mat is no MATLAB file"):
        read_labels(tmp_path, "aflw2000")


# ---- BIWI

CALIBRATION = """517.679 0 320
0 517.679 240.5
0 0 1

0 0 0 0

0.99998 -0.00600 0.00100
0.00600 0.99998 0.00200
-0.00101 -0.00199 0.99999

-25.0 0.5 1.0

640 480
"""


def biwi(folder: Path, turn: np.ndarray, centre: tuple = (60.0, -40.0, 950.0), calibration: str = CALIBRATION) -> None:
    grey(folder / "01" / "frame_00003_rgb.png", 640, 480)
    rows = "\n".join(" ".join(f"{v:.8f}" for v in row) + " " for row in turn)
    (folder / "01" / "frame_00003_pose.txt").write_text(f"{rows}\n\n{centre[0]} {centre[1]} {centre[2]}\n")
    (folder / "01" / "rgb.cal").write_text(calibration)


def test_biwi_angles_are_those_that_papers_print_and_the_rotation_is_relative_to_the_ray(tmp_path) -> None:
    turn = Rotation.from_euler("XYZ", [-15.0, 40.0, 10.0], degrees=True).as_matrix()
    biwi(tmp_path, turn)
    labels = read_labels(tmp_path, "biwi")
    # The published recipe: of the transposed matrix, pitch = atan2(32, 33), yaw and roll negated.
    m = turn.T
    pitch = np.degrees(np.arctan2(m[2, 1], m[2, 2]))
    yaw = -np.degrees(np.arctan2(-m[2, 0], np.hypot(m[2, 1], m[2, 2])))
    roll = -np.degrees(np.arctan2(m[1, 0], m[0, 0]))
    np.testing.assert_allclose(labels.published_angles[0], [pitch, yaw, roll], atol=1e-4)
    np.testing.assert_allclose(labels.published_angles[0], [15.0, 40.0, 10.0], atol=1e-4)
    camera = labels.camera(0)
    assert (camera.fx, camera.cx, camera.cy) == (517.679, 320, 240.5)
    centre = labels.boxes[0].reshape(2, 2).mean(0)
    to_rgb = np.array([[0.99998, -0.006, 0.001], [0.006, 0.99998, 0.002], [-0.00101, -0.00199, 0.99999]])
    here = to_rgb @ [60.0, -40.0, 950.0] + [-25.0, 0.5, 1.0]
    np.testing.assert_allclose(centre, 517.679 * here[:2] / here[2] + [320, 240.5], atol=0.01)
    back = ray_basis(viewing_ray(centre, camera)) @ labels.rotation[0]
    assert geodesic_deg(back, to_rgb @ turn) < 0.05


def test_a_biwi_head_that_faces_the_lens_from_the_corner_is_the_identity(tmp_path) -> None:
    centre = np.array([300.0, 200.0, 900.0])
    eye = CALIBRATION.replace("0.99998 -0.00600 0.00100", "1 0 0").replace("0.00600 0.99998 0.00200", "0 1 0")
    eye = eye.replace("-0.00101 -0.00199 0.99999", "0 0 1").replace("-25.0 0.5 1.0", "0 0 0")
    biwi(tmp_path, ray_basis(centre), tuple(centre), eye)
    assert geodesic_deg(read_labels(tmp_path).rotation[0], np.eye(3)) < 1e-4


@pytest.mark.parametrize(
    ("turn", "centre", "calibration", "named"),
    [
        (2 * np.eye(3), (0, 0, 900), CALIBRATION, "pose.txt.*not a rotation matrix"),
        (np.diag([-1.0, 1, 1]), (0, 0, 900), CALIBRATION, "pose.txt.*not a rotation matrix"),
        (np.eye(3), (0, 0, -900), CALIBRATION, "pose.txt.*behind the camera"),
        (np.eye(3), (0, "x", 900), CALIBRATION, "pose.txt.*something else than numbers"),
        (np.eye(3), (0, "nan", 900), CALIBRATION, "pose.txt.*NaN"),
        (np.eye(3), (0, 0, 900), "1 2 3", "rgb.cal holds 3 numbers"),
        (np.eye(3), (0, 0, 900), CALIBRATION.replace("517.679", "-1"), "rgb.cal.*not positive"),
    ],
)
def test_wrong_biwi_files_are_refused_by_name(tmp_path, turn, centre, calibration, named) -> None:
    biwi(tmp_path, turn, centre, calibration)
    with pytest.raises(UsageError, match=named):
        read_labels(tmp_path, "biwi")


def test_a_biwi_frame_without_picture_or_calibration_is_named(tmp_path) -> None:
    biwi(tmp_path, np.eye(3))
    (tmp_path / "01" / "frame_00003_rgb.png").unlink()
    with pytest.raises(UsageError, match=r"frame_00003_pose\.txt has no picture"):
        read_labels(tmp_path, "biwi")
    (tmp_path / "01" / "rgb.cal").unlink()
    with pytest.raises(UsageError, match=r"rgb\.cal cannot be read"):
        read_labels(tmp_path, "biwi")


# ---- faces, and folders of none of these forms


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"R_ray": None}, "face 0: field 'R_ray' is missing"),
        ({"landmark_box": [5, 5, 5, 9]}, "face 0: landmark_box .* has no area"),
        ({"landmark_box": [5, 5]}, "face 0: landmark_box .* is not 4 numbers"),
        ({"R_ray": (2 * np.eye(3)).tolist()}, "label 0 is not a rotation matrix"),
        ({"image": "../../other.jpg"}, "leads out of the folder"),
        ({"image": "\ud800.jpg"}, "is no file name"),
        ({"image": "a\0.jpg"}, "is no file name"),
    ],
)
def test_wrong_faces_are_refused_by_file_and_field(tmp_path, change, named) -> None:
    face = {"image": "a.jpg", "landmark_box": [1, 2, 30, 40], "R_ray": np.eye(3).tolist(), **change}
    (tmp_path / "labels.json").write_text(json.dumps([{k: v for k, v in face.items() if v is not None}]))
    with pytest.raises(UsageError, match=named):
        read_labels(tmp_path, "faces")


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_folder_is_refused_in_every_format(tmp_path, form) -> None:
    with pytest.raises(UsageError, match=tmp_path.name):
        read_labels(tmp_path, form)


def test_an_unknown_format_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="'aflw' is none of"):
        read_labels(tmp_path, "aflw")
