"""Recorded drives travel in a file: what is read is what was driven, and a network learns from it."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from headway.errors import UsageError
from headway.models.driving.drives import policy_of, read_drives, record_drives, write_drives
from headway.models.driving.imitation import record
from headway.models.driving.material import drives_material, load_frames
from headway.runtime.model import open_model
from headway.worlds.roadworld import Roadworld


class Bare(Roadworld):
    """A user's world: routes of its own name, and no start beside the lane."""

    name = "bare"
    starts_beside = False
    routes = ("straight", "one-turn")

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def reset(self, *arguments):
        self.asked.append(arguments)
        return super().reset(*arguments)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path, world = tmp_path_factory.mktemp("drives") / "bare.npz", Bare()
    recording = record_drives(world, range(4, 8))
    write_drives(recording, path)
    return path, world, recording


def test_a_world_of_ones_own_drives_all_of_its_routes_in_turn(recorded):
    _, world, recording = recorded
    assert world.asked == [("straight", 4), ("one-turn", 5), ("straight", 6), ("one-turn", 7)]
    assert recording.facts == {"world": "bare", "routes": ["straight", "one-turn"], "seeds": [4, 7], "learner": ""}


def test_what_is_read_is_what_was_driven_episode_by_episode(recorded):
    path, _, recording = recorded
    read = read_drives(path)
    assert read.facts == recording.facts
    assert [e.seed for e in read.episodes] == [4, 5, 6, 7]
    for a, b in zip(read.episodes, recording.episodes, strict=True):
        for name in ("images", "steering", "throttle", "brake"):
            np.testing.assert_array_equal(getattr(a.drive, name), getattr(b.drive, name))


def test_members_leave_out_whole_drives(recorded):
    path, _, recording = recorded
    material = drives_material("driving-bare", [path], 2, seed=1)
    lengths = [len(e.drive) for e in recording.episodes]
    assert [len(held) for held in material.held] == [lengths[0] + lengths[2], lengths[1] + lengths[3]]
    assert material.facts["data"] == "bare"
    assert material.facts["frames"]["recorded"] == sum(lengths)


def test_too_few_drives_and_a_file_that_is_none_are_named(recorded, tmp_path):
    with pytest.raises(UsageError, match="4 recorded drives for 5 members"):
        drives_material("driving-bare", [recorded[0]], 5, seed=1)
    other = tmp_path / "other.npz"
    np.savez(other, images=np.zeros(3))
    with pytest.raises(UsageError, match=r"other\.npz holds no recorded drives"):
        read_drives(other)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_file_that_is_empty_or_cut_off_is_named(recorded, tmp_path, share):
    whole, path = recorded[0].read_bytes(), tmp_path / "cut.npz"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UsageError, match=r"cut\.npz holds no recorded drives"):
        read_drives(path)
    with pytest.raises(UsageError, match=r"cut\.npz holds no training frames"):
        load_frames(path)


def test_seeds_of_the_evaluation_and_a_place_that_cannot_be_written_are_named(recorded, tmp_path):
    with pytest.raises(UsageError, match="belong to evaluation"):
        record_drives(Bare(), range(9_999, 10_001))
    with pytest.raises(UsageError, match="cannot be written"):
        write_drives(recorded[2], tmp_path)


def test_an_exported_network_steers_a_dagger_round(recorded):
    model = open_model("driving-roadworld", "driving")
    frame = recorded[2].episodes[0].drive.images[0]
    said = policy_of(model)(frame)
    assert -1.0 <= said <= 1.0
    learned = record(Roadworld(), 3, policy_of(model))
    assert not np.array_equal(learned.drive.images, record(Roadworld(), 3).drive.images)


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_a_network_is_trained_from_the_file_and_refused_for_another_world(recorded, tmp_path):
    from headway.models.driving.config import NetworkConfig, TrainConfig
    from headway.models.driving.produce import produce_drives

    tiny = NetworkConfig(members=2, channels=(4, 4, 4, 4, 4), squeeze=4, hidden=8)
    out = tmp_path / "driving-bare"
    manifest = produce_drives("bare", [recorded[0]], out, tiny, TrainConfig(epochs=1), lambda *_: None)
    assert manifest.name == "driving-bare"
    assert "--drives bare.npz" in manifest.training["command"]
    assert (tmp_path / "driving-bare.work" / "frames.npz").is_file()
    assert f"{manifest.training['frames']['recorded']} frames of 4 episodes" in (out / "README.md").read_text()
    model = open_model(str(out), "driving")
    assert model.infer({"image": np.zeros((1, 120, 160, 3), np.uint8)})["controls"].shape == (1, 3)
    with pytest.raises(UsageError, match="recorded in 'bare'"):
        produce_drives("moon", [recorded[0]], out, tiny, TrainConfig(epochs=1), lambda *_: None)
