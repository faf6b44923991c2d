"""A row of the bench in a process of its own: it answers with its own times, and whatever ends it is said."""

import os
import signal
from functools import partial

import numpy as np
import pytest

from headway.bench.process import OwnProcess, OwnProcesses, Times, timed
from headway.errors import ModelError

pytestmark = pytest.mark.train
torch_rows = pytest.importorskip("headway.bench.torch_eager", exc_type=ImportError)

FEEDS = [{"image": np.full((1, 120, 160, 3), shade, np.uint8)} for shade in (10, 200)]


def driving(threads: int = 1):
    return partial(torch_rows.with_work, partial(torch_rows.eager, "driving", threads))


def test_it_takes_turns_there_and_counts_the_work_of_one():
    apart = OwnProcess(driving(), FEEDS)
    try:
        _call, work = driving()()
        assert apart.gflop == work(FEEDS[0])
        assert apart.gflop > 0.01
        for feeds in FEEDS:
            times = apart(feeds)
            assert isinstance(times, Times)
            assert times.wall_ms > 0
            assert times.cpu_ms > 0
    finally:
        apart.close()


def test_a_model_that_cannot_be_built_there_is_refused_here():
    with pytest.raises(ModelError, match="nowhere"):
        OwnProcess(partial(torch_rows.with_work, partial(torch_rows.eager, "nowhere", 1)), FEEDS)


def test_a_process_that_was_killed_is_named_and_none_is_left_behind():
    apart = OwnProcess(driving(), FEEDS)
    os.kill(apart._process.pid, signal.SIGKILL)
    with pytest.raises(ModelError, match="ended with code -9"):
        apart(FEEDS[0])
    apart.close()
    assert not apart._process.is_alive()


def test_several_processes_take_turns_and_are_all_ended():
    apart = OwnProcesses(driving(), FEEDS, 2)
    try:
        assert apart.gflop == apart._all[1].gflop
        first, second = apart._all
        os.kill(first._process.pid, signal.SIGKILL)
        assert apart(FEEDS[0]).wall_ms > 0
        with pytest.raises(ModelError, match="ended with code -9"):
            apart(FEEDS[0])
    finally:
        apart.close()
    assert second._process.exitcode == 0


def test_where_one_of_several_cannot_start_none_is_left():
    with pytest.raises(ModelError, match="nowhere"):
        OwnProcesses(partial(torch_rows.with_work, partial(torch_rows.eager, "nowhere", 1)), FEEDS, 2)


def test_closing_ends_the_process():
    apart = OwnProcess(driving(), FEEDS)
    apart.close()
    assert apart._process.exitcode == 0


def test_the_clock_here_times_what_it_calls():
    seen = []
    times = timed(seen.append, FEEDS[0])
    assert seen == [FEEDS[0]]
    assert times.wall_ms >= 0
