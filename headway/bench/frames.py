"""Real input for measuring and comparing: what the stages really feed to a network, from pictures and recordings."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from headway.errors import BagError, UsageError
from headway.images import picture_file
from headway.paths import data_dir, sample_dir
from headway.runtime.engine import Engine
from headway.runtime.model import Model
from headway.types import Frame

Image = NDArray[np.uint8]
Feeds = dict[str, np.ndarray]

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 66_666_667
"""15 Hz, the rate of the bundled recordings."""
SAMPLE = "street-vehicle.mcap"
WHOLE = 150
"""Images of a bundled recording."""
CALIBRATION_SCENE = "univ"
"""Not one of those on which the accuracy gate compares (headway.export.gate.SCENES)."""

T = TypeVar("T")


class Tap:
    """An engine that also keeps a copy of everything it is fed."""

    def __init__(self, inner: Engine) -> None:
        self.name = inner.name
        self.inner = inner
        self.fed: list[Feeds] = []

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See Engine.infer."""
        self.fed.append({name: array.copy() for name, array in feeds.items()})
        return self.inner.infer(feeds)

    def close(self) -> None:
        """Frees the inner engine."""
        self.inner.close()


def bag_images(bag: Path, count: int) -> list[Image]:
    """The first `count` images of a bag, decoded."""
    from headway.bags import BagReader
    from headway.bags.topics import choose_topics
    from headway.images import decode_image

    with BagReader(bag) as reader:
        messages = islice(reader.messages([choose_topics(reader, None).image]), count)
        images = [np.array(decode_image(m.decode())) for m in messages]
    if not images:
        raise BagError(f"{bag} holds no image")
    return images


def pictures(count: int) -> tuple[list[Image], str]:
    """`count` images and where they are from: the bundled recording, else the photographs of the data folder."""
    bag = sample_dir() / SAMPLE
    if bag.is_file():
        return bag_images(bag, count), f"bundled recording {bag.name}"
    root = data_dir()
    read = [picture_file(p) for p in sorted((root / "people").glob("*.jpg"))[:count]] if root else []
    photos = [image for image in read if image is not None]
    if not photos:
        raise UsageError(f"no images: neither {bag} nor ../shared/data/people (HEADWAY_DATA) is there")
    # One size, as from a camera: stages keep buffers for it.
    images = [np.asarray(cv2.resize(image, (1280, 720)), np.uint8) for image in photos]
    return [images[i % len(images)] for i in range(count)], "photographs of data/people at 1280x720"


def frames(images: list[Image]) -> list[Frame]:
    """Images as frames with stamps at 15 Hz."""
    return [Frame(stamp_ns=START_NS + i * PERIOD_NS, image=image) for i, image in enumerate(images)]


def real_feeds(model: Model, count: int, apart: bool = False, people: int | None = None) -> tuple[list[Feeds], str]:
    """What the stage of `model` feeds it on real material, `count` times, and where that material is from.

    apart: material spread over whole recordings that no evaluation measures on, for calibration. people: of the moments
    of a forecast those with at most so many.
    """
    tap = Tap(model.engine)
    tapped = Model(model.manifest, tap, model.folder)
    if model.manifest.task == "trajectory":
        source = _feed_walks(tapped, count, apart, people)
    elif model.manifest.task == "driving":
        source = _feed_drive(tapped, count, apart)
    else:
        source = _feed_pictures(tapped, count, apart)
    return tap.fed[:count], source


def _feed_pictures(model: Model, count: int, apart: bool) -> str:
    from headway.stages.heads import HeadStage

    images, source = pictures(WHOLE if apart else count)
    stage = HeadStage(model)
    for frame in frames(_spread(images, count)):
        stage(frame)
    return source


def _feed_drive(model: Model, count: int, apart: bool) -> str:
    from headway.evaluate.tub import find_tub, read_tub, split_blocks
    from headway.stages.drive import DriveStage

    root, stage = data_dir(), DriveStage(model)
    if root and (root / "donkeycar_tub").is_dir():
        drive, source = read_tub(find_tub(root / "donkeycar_tub")), "donkeycar_tub"
        if apart:
            drive, source = drive.at(split_blocks(len(drive))["train"]), f"{source}, training blocks"
        images = _spread(list(drive.images), count) if apart else list(drive.images[:count])
    else:
        images, source = pictures(count)
    for frame in frames(images):
        stage(frame)
    return source


def _spread(items: list[T], count: int) -> list[T]:
    """`count` of the items, evenly spread; all where there are fewer."""
    return [items[i * len(items) // count] for i in range(count)] if len(items) > count else items


CROWDED_SCENE = "univ"
"""Where more people are in view at once than a forecast has slots for."""


def _feed_walks(model: Model, count: int, apart: bool, people: int | None = None) -> str:
    """Moments of the ETH/UCY recordings, most crowded first; where there are none such, walks drawn from a seed."""
    from headway.evaluate.pedestrians import moments, read_split
    from headway.evaluate.trajectory import predict

    root = data_dir()
    if root and (root / "eth_ucy").is_dir():
        scene = CALIBRATION_SCENE if apart else CROWDED_SCENE
        listed = [m for r in read_split(scene, "test") for m in moments(r) if people is None or len(m.ids) <= people]
        ordered = sorted(listed, key=lambda m: -len(m.ids))
        chosen = _spread(ordered, count) if apart else ordered[:count]
        for moment in chosen:
            predict(model, moment)
        if apart:
            return f"eth_ucy {scene}, moments from crowded to empty"
        if numbers := [len(m.ids) for m in chosen]:
            return f"eth_ucy {scene}, test split, moments with {min(numbers)} to {max(numbers)} people"
    rng = np.random.default_rng(0)
    for _ in range(count):
        model.infer(drawn_walks(model, rng, people))
    return "walks drawn at random"


def drawn_walks(model: Model, rng: np.random.Generator, people: int | None = None) -> Feeds:
    """People who walk straight at 0.5 to 1.5 m/s, as the forecast stage would feed them; None: one in every slot."""
    feeds: Feeds = {name: np.zeros(spec.shape, np.float32) for name, spec in model.manifest.inputs.items()}
    _, slots, past, _ = feeds["positions"].shape
    people = slots if people is None else people
    angle, speed = rng.uniform(0, 2 * np.pi, people), rng.uniform(0.5, 1.5, people)
    velocity = (speed * np.array([np.cos(angle), np.sin(angle)])).T
    times = 0.4 * np.arange(1 - past, 1)
    place = rng.uniform(-8, 8, (people, 1, 2))
    feeds["positions"][0, :people] = place + velocity[:, None] * times[:, None]
    feeds["valid"][0, :people] = 1.0
    return feeds
