"""The pose filter: an oracle with matrices, still and turning heads, impossible sightings, attention."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from headway.geometry import OPTICAL_TO_BODY, geodesic_deg, ray_basis
from headway.stages.heads import SIGMA_TO_AXIS, attention_probability
from headway.stages.poses import COMMON_SHARE, GATE, TURN_DEG, PoseFilter, with_track_poses
from headway.types import Heads, Tracks

STEP_NS = 66_666_667


def tracks_of(stamp_ns: int, ids, head_index, position=None) -> Tracks:
    n = len(ids)
    position = np.tile([3.0, 0.0, 0.0], (n, 1)) if position is None else np.array(position, float)
    blank = np.zeros((n, 2))
    return Tracks(
        stamp_ns,
        np.array(ids, np.int64),
        position,
        np.zeros((n, 3)),
        np.zeros((n, 4, 4)),
        blank[:, None],
        blank[:, :1],
        np.zeros(n),
        blank,
        np.array(head_index, np.int64),
    )


def heads_of(rotation, sigma_deg) -> Heads:
    rotation = np.asarray(rotation, float).reshape(-1, 3, 3)
    n = len(rotation)
    return Heads(
        np.zeros((n, 4), np.float32), np.ones(n), rotation, np.broadcast_to(sigma_deg, n).astype(float), np.zeros(n)
    )


class Oracle:
    """The same filter for one head, written with scipy's rotations and a full 3x3 error covariance."""

    def __init__(self) -> None:
        self.mean: Rotation | None = None

    def step(self, seen: np.ndarray, sigma_deg: float, dt: float) -> tuple[np.ndarray, float]:
        s2 = (np.radians(sigma_deg) * SIGMA_TO_AXIS) ** 2
        noise, common, measured = (1 - COMMON_SHARE) * s2 * np.eye(3), COMMON_SHARE * s2, Rotation.from_matrix(seen)
        if self.mean is None:
            self.mean, self.p, self.common, self.doubt = measured, noise, common, None
        else:
            self.p = self.p + np.radians(TURN_DEG) ** 2 * dt * np.eye(3)
            innovation = (self.mean.inv() * measured).as_rotvec()
            if innovation @ np.linalg.solve(self.p + noise, innovation) > GATE:
                again = self.doubt and (self.doubt.inv() * measured).as_rotvec()
                if again is not None and again @ again <= GATE * 2 * noise[0, 0]:
                    self.mean, self.p, self.common, self.doubt = measured, noise, common, None
                else:
                    self.doubt = measured
            else:
                gain = self.p @ np.linalg.inv(self.p + noise)
                self.mean = self.mean * Rotation.from_rotvec(gain @ innovation)
                self.p = (np.eye(3) - gain) @ self.p
                self.common += gain[0, 0] * (common - self.common)
                self.doubt = None
        spread = np.sqrt(self.p[0, 0] + self.common) / SIGMA_TO_AXIS
        return self.mean.as_matrix(), float(np.degrees(spread).clip(0.5, 180.0))


@given(st.integers(0, 2**32 - 1))
def test_the_filter_is_the_oracle_for_many_heads_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.array([7, 2, 11])
    oracles, filtered = {i: Oracle() for i in ids.tolist()}, PoseFilter()
    true = Rotation.random(3, random_state=seed % 2**32)
    stamp = 10**9
    for step in range(12):
        dt = float(rng.uniform(0.02, 0.2))
        dt = round(dt * 1e9) * 1e-9 if step else 0.0
        stamp += round(dt * 1e9)
        true = true * Rotation.from_rotvec(rng.normal(0, 0.2, (3, 3)))
        sigma = rng.uniform(3, 40, 3)
        wild = rng.uniform(0, 1, 3) < 0.25
        error = rng.normal(0, np.radians(sigma[:, None]) * SIGMA_TO_AXIS, (3, 3)) + wild[:, None] * rng.normal(
            0, 2, (3, 3)
        )
        seen = (true * Rotation.from_rotvec(error)).as_matrix()
        order = rng.permutation(3)
        rows = rng.permutation(3)
        heads = heads_of(seen[np.argsort(rows)], sigma[np.argsort(rows)])
        found = filtered(tracks_of(stamp, ids[order], rows[order]), heads, np.eye(3))
        for row, person in enumerate(order):
            expected, expected_sigma = oracles[int(ids[person])].step(seen[person], sigma[person], dt)
            assert geodesic_deg(found.head_rotation[row], expected) < 1e-5
            assert found.head_sigma_deg[row] == pytest.approx(expected_sigma, rel=1e-9)


def follow(rotations, sigma_deg, axes=None) -> list[Tracks]:
    """One person, one sighting a frame; None: not seen. axes: camera to semi-local, one a frame."""
    filtered, out = PoseFilter(), []
    for k, rotation in enumerate(rotations):
        turn = np.eye(3) if axes is None else axes[k]
        heads = Heads.empty() if rotation is None else heads_of(rotation, sigma_deg)
        out.append(filtered(tracks_of(10**9 + k * STEP_NS, [4], [0 if rotation is not None else -1]), heads, turn))
    return out


def noisy(true: np.ndarray, sigma_deg: float, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    error = Rotation.from_rotvec(rng.normal(0, np.radians(sigma_deg) * SIGMA_TO_AXIS, (count, 3)))
    return (Rotation.from_matrix(true) * error).as_matrix()


def test_a_still_heads_pose_is_steadier_and_nearer_than_its_sightings() -> None:
    true = Rotation.from_euler("ZYX", [10, 150, -20], degrees=True).as_matrix()
    raw, smooth = [], []
    for seed in range(30):
        seen = noisy(true, 20.0, 30, seed)
        answers = follow(seen, 20.0)[10:]
        raw += list(geodesic_deg(seen[10:], true))
        smooth += [float(geodesic_deg(a.head_rotation[0], true)) for a in answers]
    assert np.mean(raw) == pytest.approx(20.0, abs=1.5)
    assert np.mean(smooth) < 0.65 * np.mean(raw)


def test_a_sure_sighting_counts_more_than_an_unsure_one() -> None:
    a, b = np.eye(3), Rotation.from_euler("Y", 20, degrees=True).as_matrix()

    def after(first: float, second: float) -> float:
        filtered = PoseFilter()
        filtered(tracks_of(10**9, [1], [0]), heads_of(a, first), np.eye(3))
        answer = filtered(tracks_of(10**9 + STEP_NS, [1], [0]), heads_of(b, second), np.eye(3))
        return float(geodesic_deg(answer.head_rotation[0], a))

    assert after(30.0, 5.0) > 17 > after(10.0, 10.0) > 5 > after(5.0, 60.0)


def test_sigma_never_falls_below_what_sightings_have_in_common_and_grows_while_hidden() -> None:
    seen = noisy(np.eye(3), 12.0, 60, 0)
    answers = follow([*seen, *[None] * 8], 12.0)
    sigma = [float(a.head_sigma_deg[0]) for a in answers]
    assert min(sigma[5:60]) > 12.0 * np.sqrt(COMMON_SHARE)
    assert sigma[59] < 12.0
    assert (np.diff(sigma[60:]) > 0).all()


def test_one_impossible_sighting_is_not_believed_and_two_that_agree_are() -> None:
    front, back = np.eye(3), Rotation.from_euler("Y", 180, degrees=True).as_matrix()
    one = follow([*noisy(front, 10, 10, 1), back, *noisy(front, 10, 3, 2)], 10.0)
    assert all(geodesic_deg(a.head_rotation[0], front) < 20 for a in one)
    two = follow([*noisy(front, 10, 10, 1), back, back], 10.0)
    assert geodesic_deg(two[-2].head_rotation[0], front) < 20
    assert geodesic_deg(two[-1].head_rotation[0], back) < 1e-6
    wild = [Rotation.from_euler("Y", y, degrees=True).as_matrix() for y in (180, 90, -100)]
    three = follow([*noisy(front, 10, 10, 1), *wild], 10.0)
    assert geodesic_deg(three[-1].head_rotation[0], front) < 20, "sightings that contradict each other prove nothing"


def test_a_head_that_looks_round_is_followed() -> None:
    yaw = np.concatenate([np.zeros(8), np.arange(0, 90, 10), np.full(10, 90)])
    turn = Rotation.from_rotvec(np.radians(yaw)[:, None] * [0.0, 1.0, 0.0]).as_matrix()
    answers = follow(turn, 10.0)
    lag = [float(geodesic_deg(a.head_rotation[0], t)) for a, t in zip(answers, turn, strict=True)]
    assert max(lag) < 12
    assert lag[-1] < 0.5


def test_a_turning_camera_does_not_turn_the_heads() -> None:
    true = Rotation.from_euler("ZYX", [5, 60, 10], degrees=True)
    axes = Rotation.from_rotvec(np.radians(np.linspace(0, 120, 20))[:, None] * [0.0, 0.0, 1.0]) * Rotation.from_matrix(
        OPTICAL_TO_BODY
    )
    seen = (axes.inv() * true).as_matrix()
    answers = follow(seen, 10.0, axes.as_matrix())
    assert max(float(geodesic_deg(a.head_rotation[0], true.as_matrix())) for a in answers) < 1e-5


def test_attention_is_the_stages_law_of_the_smoothed_pose() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        position = rng.uniform([1, -3, -1], [6, 3, 1])
        basis = ray_basis(OPTICAL_TO_BODY.T @ position)
        from_ray = Rotation.from_rotvec(rng.normal(0, 0.4, 3)).as_matrix()
        heads = heads_of(basis @ from_ray, 14.0)
        tracks = PoseFilter()(tracks_of(10**9, [1], [0], [position]), heads, OPTICAL_TO_BODY)
        expected = attention_probability(from_ray[None], np.array([14.0]))[0]
        assert tracks.attention[0] == pytest.approx(expected, abs=1e-6)


def test_heads_carry_their_tracks_poses_in_camera_axes_and_others_keep_their_own() -> None:
    rng = np.random.default_rng(0)
    axes = Rotation.random(random_state=1).as_matrix()
    seen = Rotation.random(3, random_state=2).as_matrix()
    heads, filtered = heads_of(seen, 10.0), PoseFilter()
    filtered(tracks_of(10**9, [5, 9], [2, 0]), heads, axes)
    shaken = (Rotation.from_matrix(seen) * Rotation.from_rotvec(rng.normal(0, 0.1, (3, 3)))).as_matrix()
    now = heads_of(shaken, 10.0)
    tracks = filtered(tracks_of(10**9 + STEP_NS, [9, 5], [0, 2]), now, axes)
    carried = with_track_poses(now, tracks, axes)
    np.testing.assert_allclose(carried.rotation[0], axes.T @ tracks.head_rotation[0], atol=1e-12)
    np.testing.assert_allclose(carried.rotation[2], axes.T @ tracks.head_rotation[1], atol=1e-12)
    np.testing.assert_array_equal(carried.rotation[1], now.rotation[1])
    assert geodesic_deg(carried.rotation[0], seen[0]) < geodesic_deg(shaken[0], seen[0])
    assert carried.attention[0] == tracks.attention[0]
    np.testing.assert_array_equal(now.rotation, shaken)


def test_a_person_whose_head_was_never_seen_has_no_pose_and_nobody_is_no_error() -> None:
    filtered = PoseFilter()
    tracks = filtered(tracks_of(10**9, [3], [-1]), Heads.empty(), np.eye(3))
    assert np.isnan(tracks.head_rotation).all()
    assert np.isnan(tracks.attention).all()
    assert with_track_poses(Heads.empty(), tracks, np.eye(3)).attention.shape == (0,)
    nobody = filtered(tracks_of(2 * 10**9, [], []), Heads.empty(), np.eye(3))
    assert nobody.head_rotation.shape == (0, 3, 3)


def test_a_person_who_comes_back_under_a_new_identity_starts_anew() -> None:
    filtered = PoseFilter()
    filtered(tracks_of(10**9, [3], [0]), heads_of(np.eye(3), 10.0), np.eye(3))
    filtered(tracks_of(2 * 10**9, [], []), Heads.empty(), np.eye(3))
    back = Rotation.from_euler("Y", 170, degrees=True).as_matrix()
    answer = filtered(tracks_of(3 * 10**9, [4], [0]), heads_of(back, 10.0), np.eye(3))
    assert geodesic_deg(answer.head_rotation[0], back) < 1e-5


def test_a_sighting_that_is_no_number_is_left_out_and_does_not_stay() -> None:
    filtered = PoseFilter()
    bad, sure = np.full((3, 3), np.nan), Rotation.from_euler("Y", 10, degrees=True).as_matrix()
    steps = [(bad, 10.0), (sure, 10.0), (bad, 10.0), (sure, float("nan")), (sure, 10.0)]
    found = [
        filtered(tracks_of(10**9 + k * STEP_NS, [1], [0]), heads_of(rotation, sigma), np.eye(3))
        for k, (rotation, sigma) in enumerate(steps)
    ]
    assert np.isnan(found[0].head_sigma_deg[0])
    for tracks in found[1:]:
        assert geodesic_deg(tracks.head_rotation[0], sure) < 1e-5
        assert 0.0 <= tracks.attention[0] <= 1.0
    assert found[1].head_sigma_deg < found[2].head_sigma_deg < found[3].head_sigma_deg
