"""The graph of finished weights, exported anew."""

from __future__ import annotations

from pathlib import Path

from headway.bench.frames import real_feeds
from headway.export import renew
from headway.models.head_pose.decode import Exported
from headway.models.head_pose.distil import load_network
from headway.runtime.manifest import read_manifest
from headway.runtime.model import open_model

FRAMES = 16


def renew_graph(folder: Path) -> dict[str, float]:
    """See export.renew; compared on pictures of the bundled recording."""
    manifest = read_manifest(folder)
    _, height, width, _ = manifest.inputs["image"].shape
    old = open_model(str(folder.resolve()), manifest.task)
    feeds, _ = real_feeds(old, FRAMES)
    old.close()
    return renew.renew_graph(folder, Exported(load_network(folder), height, width), feeds)
