"""Which topics of a bag feed the pipeline: those the user names, else the first of the right type that has messages."""

from __future__ import annotations

from dataclasses import dataclass, fields

from headway.bags.reader import BagReader
from headway.errors import BagError

IMAGE_TYPES = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")
HEADS_TYPE = "headway_msgs/msg/HeadArray"
TYPES: dict[str, tuple[str, ...]] = {
    "image": IMAGE_TYPES,
    "camera_info": ("sensor_msgs/msg/CameraInfo",),
    "imu": ("sensor_msgs/msg/Imu",),
    "odom": ("nav_msgs/msg/Odometry",),
    "depth": ("sensor_msgs/msg/Image",),
}


@dataclass(frozen=True)
class InputTopics:
    """Topic names, "" for an input that the bag does not have."""

    image: str = ""
    camera_info: str = ""
    imu: str = ""
    odom: str = ""
    depth: str = ""

    @property
    def names(self) -> list[str]:
        """The topics there are."""
        return [name for name in vars(self).values() if name]


def choose_topics(bag: BagReader, wanted: InputTopics | None = None) -> InputTopics:
    """Fills in what `wanted` leaves open. Raises BagError where a named topic is missing or has another type, or
    where there is no image at all; the text lists what the bag has."""
    wanted = wanted or InputTopics()
    chosen: dict[str, str] = {}
    for field in fields(InputTopics):
        name = getattr(wanted, field.name)
        if name:
            _check(bag, field.name, name)
        chosen[field.name] = name or _found(bag, field.name, chosen.get("image", ""))
    heads = [name for name in bag.of_type(HEADS_TYPE) if name.startswith("/ground_truth/")]
    if heads and not chosen["image"]:
        raise BagError(
            f"{bag.path} has heads on {heads[0]} and no images: it is for the trajectory node and tools/replay_proof.py"
        )
    if not chosen["image"]:
        raise BagError(f"{bag.path} has no image topic ({' or '.join(IMAGE_TYPES)}); {_listed(bag)}")
    return InputTopics(**chosen)


def other_images(bag: BagReader, image: str) -> str:
    """A note on the image topics with messages that were not taken, "" where there is none."""
    names = [n for n in bag.of_type(*IMAGE_TYPES) if n != image and "depth" not in n.lower() and bag.topics[n].count]
    if not names:
        return ""
    return f"images are those of {image}; {', '.join(names)} left alone (`headway replay --image` chooses)"


def _check(bag: BagReader, role: str, name: str) -> None:
    topic = bag.topics.get(name)
    if topic is None:
        raise BagError(f"{bag.path} has no topic {name}; {_listed(bag)}")
    if topic.msgtype not in TYPES[role]:
        raise BagError(f"{name} is of type {topic.msgtype}; as {role} a {' or '.join(TYPES[role])} is wanted")


def _found(bag: BagReader, role: str, image: str) -> str:
    names = [n for n in bag.of_type(*TYPES[role]) if ("depth" in n.lower()) == (role == "depth") or role != "image"]
    if role == "depth":
        names = [n for n in names if "depth" in n.lower() and n != image]
    # A topic that was recorded and never published says nothing; a count of -1 is not known.
    # A bag with several cameras: the camera_info beside the image is the one that belongs to it.
    names.sort(key=lambda n: (bag.topics[n].count == 0, -_shared(n, image)))
    return names[0] if names else ""


def _shared(name: str, image: str) -> int:
    """How many leading parts two topic names have in common."""
    count = 0
    for a, b in zip(name.split("/"), image.split("/"), strict=False):
        if a != b:
            break
        count += 1
    return count


def _listed(bag: BagReader) -> str:
    topics = ", ".join(f"{t.name} ({t.msgtype})" for t in bag.topics.values())
    return f"it has {topics or 'no topics'}" + (f"; {bag.loss}" if bag.loss else "")
