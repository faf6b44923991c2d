"""Few people in view take the smaller graph, more take the larger one, and nobody sees a difference in shape."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headway.errors import ModelError
from headway.runtime.few import TwoSizes
from headway.runtime.manifest import FileEntry, Manifest, TensorSpec

MANIFEST = Manifest(
    "canned",
    "trajectory",
    {"onnx": FileEntry("x.onnx", "0" * 64), "onnx_few": FileEntry("y.onnx", "0" * 64)},
    {"place": TensorSpec((1, 6, 2)), "valid": TensorSpec((1, 6)), "camera": TensorSpec((1, 1))},
    {"twice": TensorSpec((1, 6, 2))},
    parameters=0,
    config={"few": {"slots": 4, "mask": "valid"}},
)


class Doubling:
    """Answers twice the places, and notes what it was asked."""

    name = "doubling"

    def __init__(self) -> None:
        self.asked: list[dict[str, tuple[int, ...]]] = []
        self.closed = False

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.asked.append({k: v.shape for k, v in feeds.items()})
        return {"twice": 2 * feeds["place"]}

    def close(self) -> None:
        self.closed = True


def engines() -> tuple[TwoSizes, Doubling, Doubling]:
    whole, few = Doubling(), Doubling()
    both = TwoSizes(whole, few, MANIFEST)
    assert len(whole.asked) == 1, "the larger graph is warmed"
    whole.asked.clear()
    return both, whole, few


def feeds(people: int) -> dict[str, np.ndarray]:
    valid = np.zeros((1, 6), np.float32)
    valid[0, :people] = 1.0
    place = np.arange(12, dtype=np.float32).reshape(1, 6, 2) * valid[..., None]
    return {"place": place, "valid": valid, "camera": np.ones((1, 1), np.float32)}


@pytest.mark.parametrize("people", range(7))
def test_every_number_of_people_gets_the_same_answer(people: int) -> None:
    both, whole, few = engines()
    given = feeds(people)
    np.testing.assert_array_equal(both.infer(given)["twice"], 2 * given["place"])
    assert (len(whole.asked), len(few.asked)) == ((1, 0) if people > 4 else (0, 1))


def test_the_smaller_graph_gets_its_own_shapes_and_nothing_is_left_of_a_crowd_before() -> None:
    both, _, few = engines()
    both.infer(feeds(6))
    answer = both.infer(feeds(2))["twice"]
    assert few.asked == [{"place": (1, 4, 2), "valid": (1, 4), "camera": (1, 1)}]
    assert answer.shape == (1, 6, 2)
    assert not answer[:, 2:].any()
    both.close()
    assert few.closed


@pytest.mark.parametrize(
    "said", [None, 4, {}, {"slots": 4}, {"slots": 0, "mask": "valid"}, {"slots": 6, "mask": "valid"}, {"slots": True},
             {"slots": 4, "mask": "nobody"}, {"slots": "4", "mask": "valid"}]
)  # fmt: skip
def test_a_manifest_that_does_not_say_how_few_is_refused(said: Any) -> None:
    with pytest.raises(ModelError, match=r"config\.few"):
        TwoSizes(Doubling(), Doubling(), replace(MANIFEST, config={"few": said}))
