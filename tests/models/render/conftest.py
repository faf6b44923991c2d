"""Tiny pools, built once for all render tests: bodies cost a model load of some seconds."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def pool_file(tmp_path_factory):
    """The file of a pool of five training and three validation bodies."""
    pytest.importorskip("torch", reason="the extra 'render' is not installed")
    from headway.models.render.bodies import build_pool

    path = tmp_path_factory.mktemp("bodies") / "bodies.npz"
    build_pool(5, 3).save(path)
    return path


@pytest.fixture(scope="session")
def pool(pool_file):
    from headway.models.render.bodies import load_pool

    return load_pool(pool_file)
