"""`headway render people`: determinism, disjoint splits, labels that fit the geometry they were made from."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from headway.errors import MissingDependencyError, UsageError
from headway.geometry import euler_from_rotation, geodesic_deg, project, ray_basis, viewing_ray
from headway.models.render.annotations import FILE_NAME
from headway.models.render.canvas import ID_STEPS, lens_uniforms, open_context
from headway.models.render.labels import head_label, visibility
from headway.models.render.people import Order, render_people
from headway.types import Camera

pytestmark = pytest.mark.train
SIZE = 128
CAMERA = Camera(SIZE, SIZE, 160.0, 160.0, SIZE / 2, SIZE / 2)


@pytest.fixture(scope="module")
def rendered(pool_file, tmp_path_factory):
    """Twelve training pictures and their annotations."""
    out = tmp_path_factory.mktemp("train")
    render_people(Order(out, 12, seed=5, size=SIZE), pool_file)
    return out, json.loads((out / FILE_NAME).read_text())


def test_the_same_seed_gives_the_same_pictures_and_labels(rendered, pool_file, tmp_path):
    out, content = rendered
    render_people(Order(tmp_path, 12, seed=5, size=SIZE), pool_file)
    assert json.loads((tmp_path / FILE_NAME).read_text()) == content
    for image in content["images"]:
        assert (out / image["file_name"]).read_bytes() == (tmp_path / image["file_name"]).read_bytes()


def test_two_processes_draw_what_one_draws(rendered, pool_file, tmp_path):
    out, content = rendered
    render_people(Order(tmp_path, 12, seed=5, size=SIZE, jobs=2), pool_file)
    assert (tmp_path / FILE_NAME).read_text() == (out / FILE_NAME).read_text()
    name = content["images"][-1]["file_name"]
    assert (out / name).read_bytes() == (tmp_path / name).read_bytes()


def test_another_seed_and_the_other_split_give_other_pictures(rendered, pool_file, tmp_path):
    out, content = rendered
    render_people(Order(tmp_path / "seed", 2, seed=6, size=SIZE), pool_file)
    render_people(Order(tmp_path / "val", 2, seed=5, size=SIZE, split="val"), pool_file)
    name = content["images"][0]["file_name"]
    pictures = {p.read_bytes() for p in (out / name, tmp_path / "seed" / name, tmp_path / "val" / name)}
    assert len(pictures) == 3


def test_train_and_validation_share_no_body(pool):
    train, val = pool.members("train"), pool.members("val")
    assert not set(train) & set(val)
    shapes = [pool.positions[i].tobytes() for i in (*train, *val)]
    assert len(set(shapes)) == len(pool) == 8


def test_annotations_are_what_the_published_sets_hold(rendered):
    out, content = rendered
    images = {i["id"]: i for i in content["images"]}
    assert len(images) == 12
    assert content["annotations"]
    assert [c["name"] for c in content["categories"]] == ["person"]
    for image in images.values():
        assert cv2.imread(str(out / image["file_name"])).shape == (image["height"], image["width"], 3)
    for a in content["annotations"]:
        x, y, w, h = a["bbox"]
        image = images[a["image_id"]]
        assert min(x, y) >= 0
        assert x + w <= image["width"] + 0.01
        assert y + h <= image["height"] + 0.01
        rotation = np.reshape(a["rotation"], (3, 3))
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-4)
        angles = np.array(euler_from_rotation(rotation))
        off = (angles - a["euler_angles"] + 180) % 360 - 180
        assert np.abs(off).max() < 0.2 or abs(np.cos(np.radians(angles[1]))) < 0.02
        assert 0 < a["visibility"] <= 1
        assert (a["iscrowd"], a["category_id"]) == (0, 1)


def test_the_two_rotations_of_a_label_differ_by_the_viewing_ray(rendered):
    _, content = rendered
    cameras = {i["id"]: i["camera"] for i in content["images"]}
    for a in content["annotations"]:
        x, y, w, h = a["bbox_full"]
        camera = Camera(SIZE, SIZE, **cameras[a["image_id"]])
        basis = ray_basis(viewing_ray(np.array([x + w / 2, y + h / 2]), camera))
        in_camera = basis @ np.reshape(a["rotation"], (3, 3))
        assert geodesic_deg(in_camera, np.reshape(a["rotation_camera"], (3, 3))) < 0.1


def test_label_rotation_is_that_of_the_posed_skull():
    from headway.models.render.bodies import (
        BODY_TO_HEAD_AXES,
        load_model,
        pose_batch,
        random_faces,
        random_phenotypes,
        random_poses,
    )
    from headway.models.render.template import load_template

    model = load_model()
    skull = load_template(model).skull
    rng = np.random.default_rng(3)
    people, poses, faces = random_phenotypes(model, rng), random_poses(model, rng), random_faces(rng)
    rest, _ = pose_batch(model, people, np.tile(np.eye(4), (*poses.shape[:2], 1, 1)), faces)
    posed, rotations = pose_batch(model, people, poses, faces)
    to_camera = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    for k in range(len(posed)):
        label = head_label(posed[k, skull] @ to_camera.T + [0, 0.6, 3], rotations[k], to_camera, CAMERA)
        before, after = (bodies[k, skull] - bodies[k, skull].mean(0) for bodies in (rest, posed))
        fit = to_camera @ Rotation.align_vectors(after, before)[0].as_matrix() @ BODY_TO_HEAD_AXES
        assert geodesic_deg(label.rotation_camera, fit) < 1.5


def test_a_body_that_faces_the_camera_is_labelled_as_identity(pool):
    # At rest the body looks along -y; this camera stands there and looks back along +y.
    to_camera = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    skull = pool.vertices(0)[pool.template.skull]
    ahead = skull @ to_camera.T + [0, -(skull @ to_camera.T)[:, 1].mean(), 3]
    label = head_label(ahead, np.eye(3), to_camera, CAMERA)
    assert geodesic_deg(label.rotation_camera, np.eye(3)) < 1e-6


def test_the_box_holds_eyes_and_nose(pool):
    to_camera = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    template = pool.template
    for body in range(len(pool)):
        in_camera = pool.vertices(body) @ to_camera.T + [0, 0.6, 2.5]
        label = head_label(in_camera[template.skull], pool.head_rotation[body], to_camera, CAMERA)
        for part in (template.eyes, template.nose):
            points = project(in_camera[part], CAMERA)
            assert (points >= label.full_box[:2]).all()
            assert (points <= label.full_box[2:]).all()


def test_visibility_falls_when_somebody_or_something_stands_in_front(pool):
    from headway.models.render.canvas import Canvas
    from headway.models.render.look import random_look
    from headway.models.render.photograph import draw_body, random_light, rigid

    canvas = Canvas(pool.template, SIZE, SIZE, 1.0)
    light = {**random_light(np.random.default_rng(0)), **lens_uniforms(CAMERA)}
    rotation = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])

    def draw(number: int, body: int, distance: float) -> np.ndarray:
        head = pool.vertices(body)[pool.template.skull].mean(axis=0)
        translation = np.array([0, 0, distance]) - rotation @ head
        uniforms = {**light, "to_camera": rigid(rotation, translation), "person": number / ID_STEPS}
        surface = (pool.vertices(body), pool.vertex_normals(body))
        affines = (pool.head_affine[body], pool.neck_affine[body])
        draw_body(canvas, surface, affines, uniforms, random_look(np.random.default_rng(number)), 30)
        return pool.vertices(body)[pool.template.skull] @ rotation.T + translation

    canvas.begin()
    label = head_label(draw(1, 0, 1.6), pool.head_rotation[0], rotation, CAMERA)
    _, person, head = canvas.read()
    alone = visibility(label, 1, person, head, None, 1.0)
    board = np.zeros((SIZE, SIZE), bool)
    board[:, : SIZE // 2] = True
    half_covered = visibility(label, 1, person, head, board, 1.0)
    draw(2, 1, 0.9)
    _, person, head = canvas.read()
    behind = visibility(label, 1, person, head, None, 1.0)
    assert alone > 0.9
    assert 0.25 < half_covered < 0.75
    assert behind < 0.2
    canvas.close()


def test_a_head_outside_the_image_or_behind_the_lens_has_no_label():
    skull = np.random.default_rng(0).normal(0, 0.08, (50, 3))
    assert head_label(skull + np.array([0, 0, -2]), np.eye(3), np.eye(3), CAMERA) is None
    assert head_label(skull + np.array([5, 0, 2]), np.eye(3), np.eye(3), CAMERA) is None


@pytest.mark.parametrize(
    ("change", "word"),
    [({"split": "test"}, "split"), ({"images": 0}, "images"), ({"size": 8}, "size"), ({"seed": -1}, "seed")],
)
def test_a_wrong_order_is_refused_by_name(change, word, tmp_path):
    with pytest.raises(UsageError, match=word):
        Order(**{"out": tmp_path, "images": 1, "seed": 1, **change})


def test_an_output_that_is_a_file_is_named(pool_file, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="taken cannot be made a folder"):
        render_people(Order(tmp_path / "taken", 1, seed=1), pool_file)


@pytest.mark.parametrize("content", [b"not a zip file", b"", "truncated"])
def test_a_file_that_is_no_pool_is_named(content, pool_file, tmp_path):
    broken = tmp_path / "bodies.npz"
    broken.write_bytes(pool_file.read_bytes()[:100_000] if content == "truncated" else content)
    with pytest.raises(UsageError, match=r"bodies\.npz"):
        render_people(Order(tmp_path / "out", 1, seed=1), broken)


def test_a_missing_egl_is_named_with_the_packages_that_bring_it(monkeypatch):
    moderngl = pytest.importorskip("moderngl")

    def no_egl(**_):
        raise ImportError("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(moderngl, "create_standalone_context", no_egl)
    with pytest.raises(MissingDependencyError, match="apt-get install libegl1 libgl1-mesa-dri"):
        open_context()
