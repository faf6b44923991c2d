"""The replay proof: evaluation, this process and the real node say the same of the same recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml

from headway.bags import BagReader
from headway.convert.kitti import convert_kitti
from headway.errors import BagError, UsageError
from headway.evaluate.by_heads import Answer, Truth, answers, read_heads, score
from headway.evaluate.replay_proof import TOLERANCES, differences, prove, truth_of_bag, within
from headway.heads_bag import CAMERA, DELAY_S, HEADS, IMU, ODOM, PEOPLE, delayed_copy, node_config, played
from headway.paths import sample_dir
from headway.runtime.model import open_model
from headway.sensors import stamp_of
from headway.stages.tracks import TrackConfig
from headway.types import Trace

FRAMES = 40


def label(shared_data, name: str = "0016"):
    return shared_data("kitti_tracking") / "label" / f"{name}.txt"


def evaluated(path, frames: int) -> dict[int, Answer]:
    model = open_model("trajectory", "trajectory")
    try:
        return dict(answers(read_heads(path), model, frames))
    finally:
        model.close()


def test_a_head_box_is_lifted_back_to_where_the_label_says_the_person_is(shared_data) -> None:
    from headway.stages.lift import lift

    walk = read_heads(label(shared_data))
    config, checked = TrackConfig(), 0
    for frame in range(0, 60, 10):
        heads, columns = walk.heads(frame)
        found = lift(heads, walk.camera, walk.orientation[frame], None, config.head_size_m, 0.0, 45.0)
        truth = walk.walk.relative[frame, columns[found.index]]
        error = np.linalg.norm(found.position[:, :2] - truth, axis=1)
        whole = found.noise[:, 0, 0] < 9 * np.median(found.noise[:, 0, 0])  # boxes cut by the border are guesses
        assert (error[whole] < 0.02 * np.linalg.norm(truth[whole], axis=1) + 0.05).mean() > 0.8
        checked += len(error)
    assert checked > 20


def test_a_kitti_bag_holds_everything_that_the_node_needs(shared_data, tmp_path) -> None:
    bag = tmp_path / "k.mcap"
    result = convert_kitti(label(shared_data), bag, limit=10)
    assert result.images == 10
    with BagReader(bag) as reader:
        assert {CAMERA, IMU, ODOM, HEADS, PEOPLE} == set(reader.topics)
        listed = list(reader.messages([HEADS]))
    stamps = [stamp_of(m.decode()) for m in listed]
    assert np.diff(stamps).tolist() == [100_000_000] * 9
    assert all(m.stamp_ns - s == round(DELAY_S * 1e9) for m, s in zip(listed, stamps, strict=True))
    parameters = yaml.safe_load(bag.with_suffix(".yaml").read_text())["/**/trajectory"]["ros__parameters"]
    assert len(parameters["sensors"]["camera_imu_rotation"]) == 4
    with pytest.raises(UsageError, match="label"):
        convert_kitti(label(shared_data).parent, tmp_path / "other.mcap")


def test_a_parameter_file_of_that_name_is_kept_unless_told_otherwise(shared_data, tmp_path):
    (tmp_path / "walk.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"walk\.yaml exists.*--overwrite"):
        convert_kitti(label(shared_data), tmp_path / "walk.mcap", limit=1)
    assert (tmp_path / "walk.yaml").read_text() == "mine"
    convert_kitti(label(shared_data), tmp_path / "walk.mcap", limit=1, overwrite=True)
    assert "camera_imu_rotation" in (tmp_path / "walk.yaml").read_text()


def test_a_kitti_bag_played_in_this_process_gives_the_evaluations_numbers(shared_data, tmp_path) -> None:
    bag, path = tmp_path / "k.mcap", label(shared_data)
    convert_kitti(path, bag, limit=FRAMES)
    replayed = {s: Answer.of(m) for s, m in played(bag, node_config(bag.with_suffix(".yaml")))}
    ours = evaluated(path, FRAMES)
    assert len(ours) == FRAMES
    found = differences(ours, replayed)
    assert within(found), found
    truth = truth_of_bag(bag)
    a, b = score(ours.items(), truth), score(replayed.items(), truth)
    assert a["windows"] == b["windows"] > 50
    for key in ("ade", "fde", "min_ade20", "min_fde20"):
        assert a[key] == pytest.approx(b[key], abs=TOLERANCES["path_m"])


@pytest.mark.ros
def test_a_kitti_bag_through_the_node_gives_the_evaluations_numbers(shared_data, tmp_path) -> None:
    bag, path = tmp_path / "k.mcap", label(shared_data)
    convert_kitti(path, bag, limit=FRAMES)
    found = prove(bag, tmp_path / "node", bag.with_suffix(".yaml"), 0.5, evaluated(path, FRAMES))
    assert found["agree"], found["differences"]
    assert found["hosts"]["node"]["windows"] == found["hosts"]["evaluation"]["windows"] > 50
    assert found["hosts"]["node"]["ade"] == pytest.approx(found["hosts"]["evaluation"]["ade"], abs=1e-3)


@pytest.mark.ros
def test_the_bundled_bag_through_the_node_gives_the_numbers_of_this_process(tmp_path) -> None:
    bag = tmp_path / "heads.mcap"
    assert delayed_copy(sample_dir() / "street-walker.mcap", bag, limit=60) == 60
    found = prove(bag, tmp_path / "node", None, 0.25)  # slow: beside other tests a frame may else be dropped
    assert found["frames"] == 60
    assert found["agree"], found["differences"]
    assert found["hosts"]["node"]["windows"] > 10


def test_the_proof_can_fail(shared_data) -> None:
    said = evaluated(label(shared_data), 15)
    assert within(differences(said, said))
    last = max(s for s, a in said.items() if len(a.ids))
    moved = said | {last: replace(said[last], modes=said[last].modes + 0.01)}
    assert differences(said, moved)["path_m"] == pytest.approx(0.01)
    assert not within(differences(said, moved))
    assert not within(differences(said, {s: a for s, a in said.items() if s != last}))
    louder = said | {last: replace(said[last], level=said[last].level + 1)}
    assert not within(differences(said, louder))
    others = said | {last: replace(said[last], ids=said[last].ids + 1)}
    assert not within(differences(said, others))


def test_scores_are_those_of_a_loop_by_hand() -> None:
    stamps = np.arange(40) * 100_000_000
    place = np.stack([np.column_stack([5 - 0.1 * np.arange(40.0), np.zeros(40)])], axis=1)
    truth = Truth(stamps, place)
    straight = 5 - 0.1 * (4 * np.arange(1, 13))
    aside = np.full(12, 0.3), 0.02 * np.arange(1, 13)  # the second, less likely one turns off slowly
    modes = np.stack([np.column_stack([straight, side]) for side in aside])[None]
    answer = Answer(
        np.array([3]),
        np.array([[5.0, 0.2]]),
        modes,
        np.array([[0.9, 0.1]]),
        np.zeros((1, 12)),
        np.zeros(1),
        np.zeros(1),
    )
    found = score([(0, answer)], truth)
    wanted = {"windows": 1, "ade": 0.3, "fde": 0.3, "min_ade20": 0.08, "min_fde20": 0.14, "inside": 0.0}
    assert found == pytest.approx(wanted, abs=1e-9)
    for radius, inside in ((0.31, 1.0), (0.29, 0.0)):
        assert score([(0, replace(answer, radius=np.full((1, 12), radius)))], truth)["inside"] == inside
    far = replace(answer, position=np.array([[9.0, 0.0]]))
    assert score([(0, far)], truth) == {"windows": 0}
    assert score([(0, far)], truth, range_share=0.5)["windows"] == 1  # 4 m off, at 9 m
    assert score([(3_000_000_000, answer)], truth) == {"windows": 0}, "what comes after the recording is not known"


def test_a_bag_without_heads_cannot_be_played_without_images(tmp_path) -> None:
    from headway import messages
    from headway.bags import BagWriter
    from headway.types import View

    bag = tmp_path / "bare.mcap"
    with BagWriter(bag) as writer:
        writer.write(HEADS, messages.HEADS, messages.head_array(None, View(stamp_ns=1), 0, 0, Trace()), 1)
    with pytest.raises(BagError, match="no topic"):
        delayed_copy(bag, tmp_path / "out.mcap")
