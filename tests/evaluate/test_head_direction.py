import numpy as np
import pytest

from headway.errors import UsageError
from headway.evaluate.head_direction import FILES, difference, head_orientation_dir, read_heads
from headway.evaluate.pedestrians import Recording, read_split


def annotated(folder, turn: float = 0.0):
    """Three people on curved ways; the file holds their displacements and those of the gaze, scaled and mixed up as
    in the published files. The gaze moves at `turn` radians from the walk."""
    steps, first = 60, 10
    t = np.arange(steps)[:, None]
    way = np.stack([0.5 * t + np.arange(3), 4 * np.sin(t / 12 + np.arange(3))], axis=-1)
    recording = Recording("made", np.arange(1, 4), way, first)
    columns = []
    for i in range(3):
        for frame in range(first + 17, first + 10 * (steps - 1), 8):
            times = first + 10 * np.arange(steps)
            moved = np.array([np.interp(frame, times, way[:, i, k]) - np.interp(frame - 8, times, way[:, i, k])
                              for k in (0, 1)])  # fmt: skip
            c, s = np.cos(turn), np.sin(turn)
            gaze = np.array([c * moved[0] - s * moved[1], s * moved[0] + c * moved[1]])
            columns.append([frame, i + 1, -3 * moved[1] + 0.1, 2 * moved[0], -3 * gaze[1] + 0.1, 2 * gaze[0]])
    path = folder / "made.csv"
    np.savetxt(path, np.array(columns).T, delimiter=",")
    return path, recording


def test_the_first_pair_is_recognised_as_displacement(tmp_path) -> None:
    path, recording = annotated(tmp_path)
    heads = read_heads(path, recording)
    assert heads.fit_m < 1e-6
    assert heads.turned_deg < 1e-3
    (step, person), direction = next(iter(heads.direction.items()))
    assert np.linalg.norm(direction) == pytest.approx(1)
    walked = recording.positions[step, person - 1] - recording.positions[step - 1, person - 1]
    assert direction @ walked / np.linalg.norm(walked) > 0.98


def test_no_direction_comes_from_the_future_of_its_step(tmp_path) -> None:
    path, recording = annotated(tmp_path)
    frames, people = np.loadtxt(path, delimiter=",")[:2]
    newest = {int(p): frames[people == p].max() for p in np.unique(people)}
    for step, person in read_heads(path, recording).direction:
        assert recording.first_frame + 10 * step <= newest[person] + 9
    steps = {s for s, p in read_heads(path, recording).direction if p == 1}
    assert min(steps) * 10 + recording.first_frame >= frames.min()


def test_the_published_files_annotate_the_recordings_beside_them(shared_data) -> None:
    shared_data("eth_ucy")
    shared_data("head_orientation")
    for scene, (name, recorded) in FILES.items():
        recording = next(r for r in read_split(scene, "test") if r.name == recorded)
        heads = read_heads(head_orientation_dir() / name, recording)
        assert heads.fit_m < 0.01
        assert heads.turned_deg < 10


def test_a_paired_difference_is_found_under_a_large_common_error() -> None:
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(200), 10)
    common = random.exponential(5.0, 2000)
    better = difference(np.stack([common, common - 0.02 + 0.05 * random.normal(size=2000)], axis=1), person)
    assert better["interval_95"][0] < better["difference"] < better["interval_95"][1] < 0
    same = difference(np.stack([common, common + 0.05 * random.normal(size=2000)], axis=1), person)
    assert same["interval_95"][0] < 0 < same["interval_95"][1]


def test_the_interval_knows_that_windows_of_one_person_are_alike() -> None:
    random = np.random.default_rng(0)
    change = np.repeat(random.normal(size=30), 50)
    pairs = np.stack([np.zeros(1500), change], axis=1)
    by_person, by_window = difference(pairs, np.repeat(np.arange(30), 50)), difference(pairs, np.arange(1500))
    width = [d["interval_95"][1] - d["interval_95"][0] for d in (by_person, by_window)]
    assert width[0] > 3 * width[1]


def test_a_file_with_other_rows_is_refused(tmp_path) -> None:
    (tmp_path / "bad.csv").write_text("1,2\n3,4\n")
    with pytest.raises(UsageError, match="2 rows, expected 6"):
        read_heads(tmp_path / "bad.csv", Recording("made", np.arange(1), np.zeros((4, 1, 2))))
