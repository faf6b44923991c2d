"""What a network learns from can be learned from again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

from toy_drives import drive_of

from headway.errors import UsageError
from headway.models.driving import material as m
from headway.models.driving.config import NetworkConfig, TrainConfig
from headway.models.driving.produce import build, recalibrate
from headway.models.driving.road_card import road_card
from headway.runtime.manifest import read_manifest, write_manifest

SHIPPED = Path(__file__).parents[3] / "models" / "weights" / "driving-roadworld"


def recorded(data: str = "roadworld") -> m.Material:
    facts = {"data": data, "episodes": [0, 1], "frames": {"recorded": 16, "fit": [10, 10]}, "split": "by episode"}
    facts["recorded_by"] = "the first command"
    fit, held = [drive_of(10, seed) for seed in (1, 2)], [drive_of(6, seed) for seed in (3, 4)]
    return m.Material("driving-roadworld", fit, held, facts, "none")


@pytest.fixture
def few_drives(monkeypatch):
    monkeypatch.setattr(m, "CALIBRATION_DRIVES", 1)


def test_every_member_learns_from_all_stored_frames_and_unseen_drives_calibrate(tmp_path, few_drives):
    first = recorded()
    again = m.stored_material(m.save_frames(first, tmp_path), members=3)
    for fit in again.fit:
        np.testing.assert_array_equal(fit.images, np.concatenate([first.fit[0].images, first.held[0].images]))
        np.testing.assert_array_equal(fit.steering, np.concatenate([first.fit[0].steering, first.held[0].steering]))
    assert len(again.fit) == len(again.held) == 3
    assert again.calibration is not None
    assert len(again.calibration) > 50
    assert again.facts["frames"] == {"recorded": 16, "fit": [16, 16, 16]}
    assert again.facts["split"] == m.EVERYTHING
    assert again.licence == "none"


def test_only_what_roadworld_drew_counts_as_drawn(tmp_path):
    fit = m.road_material(members=2, seed=1, count=2, progress=lambda *_: None).fit[0]
    both = m.joined([fit, drive_of(5, 1)])
    assert both.drawn.tolist() == [True] * len(fit) + [False] * 5
    stored, _ = m.load_frames(m.save_frames(replace(recorded(), fit=[both]), tmp_path))
    assert stored.drawn.tolist() == both.drawn.tolist() + [False] * 6


def test_frames_of_another_world_and_a_file_without_frames_are_named(tmp_path):
    with pytest.raises(UsageError, match="frames of 'tub', not of 'roadworld'"):
        m.stored_material(m.save_frames(recorded("tub"), tmp_path), members=2)
    (tmp_path / "no.npz").write_bytes(b"text")
    with pytest.raises(UsageError, match=r"no\.npz holds no training frames"):
        m.stored_material(tmp_path / "no.npz", members=2)


def test_no_round_drives_the_seeds_of_another_or_of_the_calibration():
    m.check_rounds(episodes=1000, dagger=4, members=8)
    for episodes, dagger in ((1001, 0), (60, 5)):
        with pytest.raises(UsageError, match="seeds would be driven twice"):
            m.check_rounds(episodes, dagger, members=3)


def test_every_member_leaves_out_a_drive_of_each_round():
    m.check_rounds(episodes=4, dagger=0, members=4)
    with pytest.raises(UsageError, match="4 recorded drives for 5 members"):
        m.check_rounds(episodes=8, dagger=1, members=5)


def test_a_folder_that_cannot_be_made_is_found_before_the_training(tmp_path):
    (tmp_path / "out").write_text("")
    tiny, done = NetworkConfig(members=2), []
    with pytest.raises(FileExistsError):
        build(recorded(), tmp_path / "out", "", tiny, TrainConfig(), lambda *step: done.append(step))
    assert not done


def test_the_card_says_that_no_member_left_anything_out(tmp_path, few_drives):
    material = m.stored_material(m.save_frames(recorded(), tmp_path), members=2)
    tiny = NetworkConfig(members=2, channels=(4, 4, 4, 4, 4), squeeze=4, hidden=8)
    build(material, tmp_path / "driving-roadworld", "a command", tiny, TrainConfig(epochs=1), lambda *_: None)
    manifest = read_manifest(tmp_path / "driving-roadworld")
    evaluated = replace(manifest, evaluation=read_manifest(SHIPPED).evaluation)
    text = road_card(evaluated, evaluated.evaluation)
    assert "Each member learns from all frames" in text
    assert "The frames were recorded by\n\n    the first command\n" in text


def test_calibrating_anew_finds_what_the_training_found(tmp_path, few_drives):
    material = m.stored_material(m.save_frames(recorded(), tmp_path), members=2)
    tiny = NetworkConfig(members=2, channels=(4, 4, 4, 4, 4), squeeze=4, hidden=8)
    folder = tmp_path / "driving-roadworld"
    build(material, folder, "a command", tiny, TrainConfig(epochs=1), lambda *_: None)
    first = read_manifest(folder)
    write_manifest(folder, replace(first, config={**first.config, "bend_doubt": 1.0, "slow_doubt": 0.0}))
    again = recalibrate(folder)
    assert again.config == first.config
    assert read_manifest(folder) == again
    assert again.evaluation == first.evaluation  # the parity of the graph, which needs no driving


def test_what_cannot_be_driven_here_is_not_calibrated_anew(tmp_path, few_drives):
    shutil.copytree(SHIPPED, tmp_path / "x")
    manifest = read_manifest(tmp_path / "x")
    write_manifest(tmp_path / "x", replace(manifest, training={**manifest.training, "data": "metadrive"}))
    with pytest.raises(UsageError, match="learned from 'metadrive'"):
        recalibrate(tmp_path / "x")
