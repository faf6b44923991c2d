"""`headway train driving` refuses what it cannot learn on, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from headway.cli.driving import train  # noqa: E402
from headway.errors import UsageError  # noqa: E402

pytestmark = pytest.mark.train


def test_a_device_of_another_name_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(UsageError, match="cpu or cuda is wanted"):
        train(tmp_path / "out", network="caril", frames=tmp_path / "none.npz", device="tpu")


def test_the_headway_network_learns_on_the_cpu_alone(tmp_path):
    with pytest.raises(UsageError, match="only --network caril"):
        train(tmp_path / "out", device="cuda")


@pytest.mark.parametrize("more", [{"world": "tub"}, {"with_tub": True}, {"drives": [Path("drives.npz")]}])
def test_stored_frames_are_refused_where_others_are_recorded(tmp_path, more):
    settings = {"world": "roadworld", "frames": Path("frames.npz"), **more}
    with pytest.raises(UsageError, match="--frames is for --world roadworld"):
        train(tmp_path / "out", **settings)
