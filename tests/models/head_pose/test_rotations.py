"""The spread rotations: rotations, spread evenly, and the soft label points at the nearest."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from headway.models.head_pose.rotations import nearness, spread_rotations  # noqa: E402

pytestmark = pytest.mark.train


def angles(rotation: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """(P, C) degrees, by scipy."""
    return np.degrees(
        [[(Rotation.from_matrix(a).inv() * Rotation.from_matrix(b)).magnitude() for b in spread] for a in rotation]
    )


def test_every_rotation_has_one_of_them_near():
    spread = spread_rotations(72).numpy()
    np.testing.assert_allclose(np.linalg.det(spread), 1.0, atol=1e-5)
    nearest = angles(Rotation.random(300, random_state=0).as_matrix(), spread).min(1)
    # A grid of 72 balls of equal volume has a radius of 39 degrees: what is not even leaves larger gaps.
    assert nearest.max() < 57.0
    assert nearest.mean() < 31.0


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_the_label_is_a_distribution_with_its_peak_at_the_nearest(seed):
    spread = spread_rotations(24)
    rotation = Rotation.random(4, random_state=seed).as_matrix()
    soft = nearness(torch.from_numpy(rotation).float(), spread, 20.0).numpy()
    np.testing.assert_allclose(soft.sum(1), 1.0, atol=1e-5)
    found = angles(rotation, spread.numpy())
    chosen = np.take_along_axis(found, soft.argmax(1)[:, None], 1)[:, 0]
    np.testing.assert_allclose(chosen, found.min(1), atol=0.5)
