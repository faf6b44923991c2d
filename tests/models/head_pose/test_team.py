"""Processes that train together take the same steps, on the mean of their gradients."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headway.models.head_pose.team import Team, lead  # noqa: E402

pytestmark = pytest.mark.train


def work(team: Team, folder) -> None:
    """Two members with gradients rank + 1 and the leader's word on a number of its own."""
    layer = torch.nn.Linear(3, 2)
    for p in layer.parameters():
        p.grad = torch.full_like(p, float(team.rank + 1))
    team.average_gradients(layer.parameters())
    said = team.agree(10.0 + team.rank)
    means = [float(p.grad.mean()) for p in layer.parameters()]
    np.save(folder / f"{team.rank}.npy", np.array([said, *means]))


def fail(team: Team, folder) -> None:
    raise ValueError("on purpose")


def test_every_member_has_the_mean_gradient_and_the_leaders_value(tmp_path):
    with lead(2, tmp_path, work, tmp_path) as team:
        work(team, tmp_path)
    for rank in (0, 1):
        assert np.load(tmp_path / f"{rank}.npy").tolist() == [10.0, 1.5, 1.5]
    assert not list(tmp_path.glob("team-*"))


def test_a_team_of_one_changes_nothing(tmp_path):
    with lead(1, tmp_path, fail) as team:
        work(team, tmp_path)
    assert np.load(tmp_path / "0.npy").tolist() == [10.0, 1.0, 1.0]


def test_a_member_that_dies_ends_the_run_of_the_leader(tmp_path):
    with pytest.raises(RuntimeError), lead(2, tmp_path, fail, tmp_path) as team:
        work(team, tmp_path)
