"""Shared by the tests of engines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headway.errors import MissingDependencyError

ABSENT = ("no NVIDIA GPU", "no usable NVIDIA GPU", "compute capability", "ExecutionProvider")


@pytest.fixture(scope="session")
def skip_if_absent() -> Callable[[Exception], None]:
    """Returns a function that skips where the error says that there is no GPU, library or provider to test; an engine
    that is there and fails (out of memory, say) is no reason to skip: the error is raised."""

    def judge(error: Exception) -> None:
        if isinstance(error, MissingDependencyError) or any(words in str(error) for words in ABSENT):
            pytest.skip(str(error))
        raise error

    return judge
