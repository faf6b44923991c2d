"""An engine is given up while it hangs, and another takes its place."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping

import numpy as np
import pytest

from headway.errors import AbandonedError, EngineError
from headway.runtime.restart import RestartableEngine


class Waiting:
    """An engine that answers with its number once it may."""

    def __init__(self, number: int, fails: bool = False) -> None:
        self.name, self.number, self.fails = f"engine {number}", number, fails
        self.inside, self.may = threading.Event(), threading.Event()
        self.closed = False

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.inside.set()
        assert self.may.wait(10)
        if self.fails:
            raise RuntimeError("late and broken")
        return {"number": np.array([self.number])}

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("fails", [False, True], ids=["late answer", "late failure"])
def test_a_call_that_was_given_up_never_answers_and_the_fresh_engine_does(fails: bool) -> None:
    made: list[Waiting] = []

    def opened() -> Waiting:
        made.append(Waiting(len(made), fails=fails and not made))
        return made[-1]

    engine, outcome = RestartableEngine(opened), list[BaseException | dict[str, np.ndarray]]()

    def call() -> None:
        try:
            outcome.append(engine.infer({}))
        except AbandonedError as error:
            outcome.append(error)

    hung = threading.Thread(target=call)
    hung.start()
    assert made[0].inside.wait(10)
    assert engine.busy
    engine.give_up()
    assert not engine.busy
    with pytest.raises(EngineError, match="restarted"):
        engine.infer({})
    engine.restart()
    made[1].may.set()
    assert engine.infer({})["number"] == 1
    assert not made[0].closed, "whoever is still inside would fall with it"
    assert engine.name == "engine 1"
    made[0].may.set()
    hung.join(10)
    assert isinstance(outcome[0], AbandonedError)
    assert not engine.busy
    assert made[0].closed, "nobody is inside any more: its memory on the GPU would be lost"
    engine.close()
    assert made[1].closed


def test_closing_leaves_an_engine_with_a_call_in_it_alone() -> None:
    inner = Waiting(0)
    engine = RestartableEngine(lambda: inner)

    def call() -> None:
        with contextlib.suppress(AbandonedError):
            engine.infer({})

    hung = threading.Thread(target=call)
    hung.start()
    assert inner.inside.wait(10)
    engine.close()
    assert not inner.closed
    inner.may.set()
    hung.join(10)
    assert inner.closed
    with pytest.raises(EngineError, match="closed"):
        engine.infer({})


def test_an_engine_that_is_closed_while_it_is_opened_anew_leaves_none_open() -> None:
    fresh = Waiting(1)
    opened = iter([Waiting(0), fresh])
    engine = RestartableEngine(lambda: next(opened))
    engine.give_up()
    engine.close()
    engine.restart()
    assert fresh.closed
    with pytest.raises(EngineError):
        engine.infer({})


def test_an_engine_that_is_restarted_while_nobody_is_in_it_is_freed_first() -> None:
    made = [Waiting(0), Waiting(1)]
    opened = iter(made)
    engine = RestartableEngine(lambda: next(opened))
    engine.restart()
    assert [inner.closed for inner in made] == [True, False]


def test_of_two_calls_in_an_engine_that_was_given_up_the_last_to_return_frees_it() -> None:
    inner = Waiting(0)
    engine = RestartableEngine(lambda: inner)
    first_may_return, seen = threading.Event(), []

    def infer(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if feeds:
            assert first_may_return.wait(10)
            return {}
        return Waiting.infer(inner, feeds)

    inner.infer = infer  # type: ignore[method-assign]

    def call(feeds: dict[str, np.ndarray]) -> None:
        with contextlib.suppress(AbandonedError):
            engine.infer(feeds)
        seen.append(inner.closed)

    threads = [threading.Thread(target=call, args=(feeds,)) for feeds in ({"x": np.zeros(1)}, {})]
    for thread in threads:
        thread.start()
    assert inner.inside.wait(10)
    while engine._inner is not None and engine._inner.calls < 2:
        pass
    engine.give_up()
    first_may_return.set()
    threads[0].join(10)
    inner.may.set()
    threads[1].join(10)
    assert seen == [False, True]
