"""Suppression against a naive version and against OpenCV's."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.stages.nms import iou_matrix, suppress, without_nested, without_see_through


def naive(boxes: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        for j in kept:
            a0, b0, a1, b1 = boxes[j]
            inner = max(0.0, min(x1, a1) - max(x0, a0)) * max(0.0, min(y1, b1) - max(y0, b0))
            union = max(0, x1 - x0) * max(0, y1 - y0) + max(0, a1 - a0) * max(0, b1 - b0) - inner
            if union > 0 and inner / union > threshold:
                break
        else:
            kept.append(i)
    return kept


@st.composite
def box_sets(draw: st.DrawFn) -> np.ndarray:
    count = draw(st.integers(0, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    spread = draw(st.sampled_from([10.0, 60.0, 400.0]))
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, spread, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(-1.0, 40.0, (count, 2))], axis=1)


@settings(max_examples=150, deadline=None)
@given(box_sets(), st.floats(0.05, 0.95))
def test_suppression_keeps_what_the_naive_version_keeps(boxes: np.ndarray, threshold: float) -> None:
    assert suppress(boxes, threshold).tolist() == naive(boxes, threshold)


def test_suppression_agrees_with_opencv() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        corner, size = rng.uniform(0, 100, (60, 2)), rng.uniform(5, 50, (60, 2))
        score = np.sort(rng.uniform(0.1, 1.0, 60))[::-1]
        expected = cv2.dnn.NMSBoxes(np.c_[corner, size].tolist(), score.tolist(), 0.0, 0.45)
        assert suppress(np.c_[corner, corner + size], 0.45).tolist() == sorted(np.ravel(expected).tolist())


@settings(max_examples=60, deadline=None)
@given(box_sets(), st.floats(0.05, 0.95))
def test_kept_boxes_do_not_overlap_and_every_dropped_one_overlaps_a_better_one(boxes: np.ndarray, t: float) -> None:
    kept = suppress(boxes, t)
    overlap = iou_matrix(boxes, boxes)
    assert (overlap[np.ix_(kept, kept)] - np.diag(np.diag(overlap)[kept]) <= t).all()
    for row in set(range(len(boxes))) - set(kept.tolist()):
        assert (overlap[row, kept[kept < row]] > t).any()


def test_three_hundred_identical_boxes_leave_one() -> None:
    assert suppress(np.tile([[1.0, 2.0, 30.0, 40.0]], (300, 1)), 0.45).tolist() == [0]


HEAD = [100.0, 100.0, 200.0, 240.0]


def nested(*boxes: list[float], from_px: float = 64.0) -> list[int]:
    return without_nested(np.array(boxes), from_px).tolist()


def test_a_face_inside_its_head_is_no_second_head_whichever_scores_higher() -> None:
    face = [120.0, 150.0, 180.0, 235.0]
    assert nested(HEAD, face) == [0]
    assert nested(face, HEAD) == [0]
    assert iou_matrix(np.array([HEAD]), np.array([face]))[0, 0] < 0.45, "plain suppression would keep both"


def test_heads_beside_each_other_far_behind_or_small_stay() -> None:
    beside, far = [170.0, 100.0, 270.0, 240.0], [150.0, 110.0, 180.0, 150.0]
    assert nested(HEAD, beside, far) == [0, 1, 2]
    small = (0.2 * np.array([HEAD, [120.0, 150.0, 180.0, 235.0]])).tolist()
    assert nested(*small) == [0, 1]
    assert nested(*small, from_px=10.0) == [0]


def see_through(*boxes: list[float], from_px: float = 64.0) -> list[int]:
    return without_see_through(np.array(boxes), from_px).tolist()


def test_nobody_is_seen_through_a_head() -> None:
    behind, beside = [142.0, 162.0, 154.0, 178.0], [102.0, 102.0, 114.0, 118.0]
    assert see_through(behind, HEAD) == [0]
    assert see_through(HEAD, behind) == [0, 1], "the large one is surer: what is in it is left to the other rules"
    assert see_through(beside, HEAD) == [0, 1], "in the corner of the box, beside the head"
    assert see_through(behind, HEAD, from_px=150.0) == [0, 1], "not large"


def test_a_head_close_up_never_goes_because_of_a_part_of_it() -> None:
    face, ear = [110.0, 120.0, 190.0, 220.0], [130.0, 150.0, 154.0, 182.0]
    assert see_through(face, HEAD) == [0, 1]
    assert see_through(ear, HEAD) == [0, 1]


def test_no_boxes_and_empty_boxes_are_left_alone() -> None:
    assert without_see_through(np.zeros((0, 4)), 64.0).tolist() == []
    assert see_through([150.0, 170.0, 150.0, 170.0], HEAD) == [0, 1]
    assert without_nested(np.zeros((0, 4)), 64.0).tolist() == []
    assert nested(HEAD, [150.0, 150.0, 150.0, 150.0]) == [0, 1]


@settings(max_examples=60, deadline=None)
@given(box_sets(), st.floats(1.0, 60.0))
def test_what_is_kept_is_not_nested_and_what_is_dropped_is(boxes: np.ndarray, from_px: float) -> None:
    kept = without_nested(boxes, from_px).tolist()
    assert without_nested(boxes[kept], from_px).tolist() == list(range(len(kept)))
    for row in set(range(len(boxes))) - set(kept):
        assert any(without_nested(boxes[[k, row]], from_px).tolist() == [0] for k in kept if k < row)


@settings(max_examples=60, deadline=None)
@given(box_sets(), st.floats(1.0, 60.0))
def test_a_box_goes_because_of_one_that_stays_inside_it_and_small_boxes_stay(boxes: np.ndarray, from_px: float) -> None:
    kept = without_see_through(boxes, from_px).tolist()
    assert without_see_through(boxes[kept], from_px).tolist() == list(range(len(kept)))
    for row in set(range(len(boxes))) - set(kept):
        assert np.prod(boxes[row, 2:] - boxes[row, :2]) >= from_px**2
        assert any(without_see_through(boxes[[k, row]], from_px).tolist() == [0] for k in kept if k < row)
