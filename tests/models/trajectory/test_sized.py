from collections import Counter
from dataclasses import replace
from itertools import islice, repeat

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from headway.bench.frames import Tap  # noqa: E402
from headway.evaluate.egocentric import Columns, Wearing, dense, walk, wearers  # noqa: E402
from headway.evaluate.pedestrians import STEP_S, Recording  # noqa: E402
from headway.models.trajectory.camera import CameraSampler  # noqa: E402
from headway.models.trajectory.config import CameraConfig, TrajectoryConfig  # noqa: E402
from headway.models.trajectory.sized import sized_scenes, some_camera  # noqa: E402
from headway.models.trajectory.train import mixed  # noqa: E402
from headway.runtime.model import Model, open_model  # noqa: E402
from headway.stages.forecast import ForecastConfig, ForecastStage  # noqa: E402
from headway.stages.tracks import TrackStage  # noqa: E402

CAMERA = CameraConfig(people=20, noise_m=(0.03,), sized_wearers=1)
STRIDE = round(STEP_S * CAMERA.rate)


def in_a_row(people: int = 5, steps: int = 45) -> Recording:
    """The first walks behind the others, at 1.2 m/s; each of the others has a pace of its own."""
    pace = np.array([1.2, 1.0, 1.1, 1.3, 1.25])[:people] * STEP_S
    x = np.array([0.0, 3.0, 4.0, 5.0, 6.0])[:people] + np.arange(steps)[:, None] * pace
    y = np.broadcast_to(np.array([0.0, -1.5, 1.0, -0.5, 2.0])[:people], x.shape)
    return Recording("row", np.arange(people), np.stack([x, y], axis=-1))


def scenes(relative_share: float, seed: int = 0):
    camera = replace(CAMERA, relative_share=relative_share)
    return sized_scenes([in_a_row()], TrajectoryConfig(), camera, np.random.default_rng(seed))


def test_the_network_learns_on_exactly_what_a_device_would_feed_it() -> None:
    learned = scenes(relative_share=1.0)
    opened = open_model("trajectory", "trajectory")
    tap = Tap(opened.engine)
    stage = ForecastStage(Model(opened.manifest, tap, opened.folder), ForecastConfig(memory_s=0.0))
    random = np.random.default_rng(0)
    how = replace(some_camera(CAMERA, random), odometry=False)
    recording = in_a_row()
    positions = dense(recording, CAMERA.rate)
    person = wearers(recording, 1)[0]
    seen = walk(recording, positions, person, how, random)
    first, tracks, columns = int(random.integers(STRIDE)), TrackStage(), Columns()
    goes: list[np.ndarray] = []  # where everybody truly is one step later
    later = np.vstack([seen.relative[STRIDE:], np.full_like(seen.relative[:STRIDE], np.nan)])
    for frame in range(len(seen.seen)):
        now = tracks.follow(seen.view(frame), seen.sightings(frame))
        people = np.array(columns(now), int)
        if frame % STRIDE == first and len(now):
            stage(now)
            goes.append(np.where(people[:, None] >= 0, later[frame, people], np.nan))
    opened.close()
    assert len(learned) == len(tap.fed) > 20
    for (past, future, sigma, relative), fed, wanted in zip(learned, tap.fed, goes, strict=True):
        n = past.shape[1]
        np.testing.assert_array_equal(future[0, :, 0], wanted)
        np.testing.assert_array_equal(np.nan_to_num(past[0]).astype(np.float32), fed["positions"][0, :n])
        np.testing.assert_array_equal(np.isfinite(past[0, ..., 0]), fed["valid"][0, :n] > 0)
        np.testing.assert_allclose(sigma[0], fed["noise"][0, :n], rtol=1e-6)
        assert relative == fed["relative"]
        assert fed["noise"][0, :n].max() > 0.1


@pytest.mark.parametrize("odometry", [False, True])
def test_what_it_is_to_answer_is_where_the_recorded_people_go(odometry: bool) -> None:
    """Relative to the wearer without odometry, by themselves with it: on straight ways the difference is the wearer's
    own way."""
    found = scenes(relative_share=0.0 if odometry else 1.0)
    assert {float(s[3]) for s in found} == {0.0 if odometry else 1.0}
    paces = np.array([1.0, 1.1, 1.3, 1.25]) - (0.0 if odometry else 1.2)
    checked = 0
    for _, future, _, _ in found:
        for path in future[0][np.isfinite(future[0]).all(axis=(1, 2))]:
            pace = np.diff(path[:, 0]) / STEP_S
            assert np.abs(paces - pace.mean()).min() < 1e-6
            np.testing.assert_allclose(pace, pace.mean(), atol=1e-6)
            checked += 1
    assert checked > 20


def test_cameras_differ_and_find_heads_down_to_the_same_size() -> None:
    random = np.random.default_rng(0)
    drawn = [some_camera(CameraConfig(), random) for _ in range(200)]
    for limits, found in (
        (CameraConfig().sized_focal_px, [h.camera.fx for h in drawn]),
        (CameraConfig().sized_view_deg, [h.view_deg for h in drawn]),
        (CameraConfig().sized_jitter_px, [h.jitter_px for h in drawn]),
    ):
        assert limits[0] <= min(found) < 1.1 * limits[0]
        assert 0.9 * limits[1] < max(found) <= limits[1]
    for how in drawn:
        seen_deg = 2 * np.degrees(np.arctan(how.camera.width / 2 / how.camera.fx))
        assert seen_deg == pytest.approx(how.view_deg, abs=0.3)
        assert how.camera.fy / how.reach_m == pytest.approx(Wearing().camera.fy / Wearing().reach_m)
        assert how.head_size_sigma > 0


def test_batches_are_turned_and_keep_what_is_known_of_the_noise() -> None:
    camera = replace(CAMERA, sized_scale=(1.0, 1.0))
    sampler = CameraSampler([in_a_row()], TrajectoryConfig(), camera, 0)
    batch = next(sampler.sized(scenes(relative_share=1.0)))
    assert batch.valid[..., -1].sum() >= camera.people
    assert (batch.relative == 1).all()
    present = batch.valid[..., -1] > 0
    assert (batch.noise[present] > 0).all()
    assert (batch.noise[~present] == 0).all()
    # People and wearer walk along one line, at 0.05 to 0.2 m/s against each other, however the scene is turned.
    teaches = batch.teaches > 0
    step = batch.future[:, :, 5] - batch.future[:, :, 0]
    assert teaches.any()
    assert (step[teaches].norm(dim=-1) <= 0.2 * 5 * STEP_S + 1e-3).all()


def test_each_kind_of_batch_comes_as_often_as_told() -> None:
    camera = CameraConfig(share=0.3, sized_share=0.1)
    kinds = mixed(repeat("above"), repeat("moving"), repeat("sized"), camera, np.random.default_rng(0))
    found = Counter(islice(kinds, 20_000))
    for kind, share in (("moving", 0.3), ("sized", 0.1), ("above", 0.6)):
        assert found[kind] / 20_000 == pytest.approx(share, abs=0.015)
