"""Batches come the same way whoever makes them, and processes that make them have pictures of their own."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headway.models.head_pose.data import Sample, as_input  # noqa: E402
from headway.models.head_pose.feed import Feed  # noqa: E402

pytestmark = pytest.mark.train


class Numbers:
    """Pictures of one grey each, one head in each; the grey says which stream it is of, and how far it came."""

    def __init__(self) -> None:
        self.now = 0

    def reseed(self, seed: int, rank: int = 0) -> None:
        self.now = seed + 50 * rank

    def batch(self, count: int) -> list[Sample]:
        self.now += count
        image = np.full((32, 32, 3), self.now, np.uint8)
        sample = Sample(image, np.array([[4.0, 5.0, 20.0, 21.0]]), np.eye(3)[None], np.zeros(1, bool))
        return [sample] * count


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_has_pictures_and_the_heads_in_them(workers):
    images, targets = Feed(Numbers(), 3, workers).next()
    assert images.shape == (3, 32, 32, 3)
    assert images.dtype == torch.uint8
    assert targets.boxes.tolist() == [[4.0, 5.0, 20.0, 21.0]] * 3
    assert targets.image.tolist() == [0, 1, 2]
    assert targets.rotation.shape == (3, 3, 3)
    assert targets.ignore.tolist() == [False] * 3


def test_each_process_has_a_stream_of_its_own_from_the_seed_on():
    feed = Feed(Numbers(), 1, workers=2, seed=100)
    seen = sorted(int(feed.next()[0][0, 0, 0, 0]) for _ in range(6))
    assert seen == [101, 102, 103, 151, 152, 153]


def test_without_processes_the_stream_goes_on_where_it_is():
    source = Numbers()
    source.now = 7
    feed = Feed(source, 1, seed=100)
    assert [int(feed.next()[0][0, 0, 0, 0]) for _ in range(2)] == [8, 9]


def test_a_network_gets_colours_first_and_floats_of_the_same_values():
    images = torch.arange(2 * 32 * 32 * 3).remainder(256).to(torch.uint8).view(2, 32, 32, 3)
    given = as_input(images)
    assert given.shape == (2, 3, 32, 32)
    assert given.dtype == torch.float32
    assert given.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(given.permute(0, 2, 3, 1), images.float())
