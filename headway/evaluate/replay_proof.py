"""Do the hosts agree? A bag of heads through the stages in this process and through the real node, frame by frame, and
the evaluation's numbers of both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headway import messages
from headway.bags import BagReader
from headway.evaluate.by_heads import Answer, Truth, score
from headway.graph import OUTPUT
from headway.heads_bag import PEOPLE, node_config, played, through_node
from headway.sensors import stamp_of

TOLERANCES = {"position_m": 1e-3, "path_m": 2e-3, "probability": 1e-3, "radius_m": 2e-3, "risk": 1e-3, "levels": 0.0}
"""Messages carry float32, and a network given inputs that differ in the seventh digit answers so too."""


def differences(a: Mapping[int, Answer], b: Mapping[int, Answer]) -> dict[str, float]:
    """The largest differences between two hosts' answers to the same frames, and how many frames only one answered.

    levels: share of people whose level differs. People are compared by identity; another set of people is infinite.
    """
    found = dict.fromkeys(TOLERANCES, 0.0)
    people = changed = 0
    for stamp_ns in a.keys() & b.keys():
        x, y = a[stamp_ns], b[stamp_ns]
        if x.ids.tolist() != y.ids.tolist():
            return dict.fromkeys(TOLERANCES, float("inf")) | {"frames_missing": float(len(a.keys() ^ b.keys()))}
        if not len(x.ids):
            continue
        pairs = {
            "position_m": (x.position, y.position),
            "path_m": (x.modes, y.modes),
            "probability": (x.probability, y.probability),
            "radius_m": (x.radius, y.radius),
            "risk": (x.risk, y.risk),
        }
        for name, (p, q) in pairs.items():
            found[name] = max(found[name], float(np.abs(p - q).max()))
        people, changed = people + len(x.ids), changed + int((x.level != y.level).sum())
    found["levels"] = changed / max(1, people)
    return found | {"frames_missing": float(len(a.keys() ^ b.keys()))}


def answers_of_bag(output: Path) -> dict[int, Answer]:
    """What a node published: stamp -> answer, of the frames that it answered."""
    forecasts: dict[int, Any] = {}
    found: dict[int, Answer] = {}
    with BagReader(output) as reader:
        for message in reader.messages(reader.of_type(messages.FORECASTS, messages.RISK)):
            decoded = message.decode()
            if decoded.valid:
                forecasts.setdefault(stamp_of(decoded), {})[message.msgtype] = decoded
    for stamp_ns, parts in forecasts.items():
        if len(parts) == 2:
            found[stamp_ns] = _answer(parts[messages.FORECASTS].forecasts, parts[messages.RISK].risks)
    return found


def _answer(forecasts: Any, risks: Any) -> Answer:
    n = len(forecasts)
    if n == 0:
        return Answer(*(np.zeros(0, np.int64), np.zeros((0, 2)), *(np.zeros(0),) * 4, np.zeros(0, np.int64)))
    modes = [np.stack([f.x, f.y], axis=-1).reshape(len(f.probability), f.steps, 2) for f in forecasts]
    return Answer(
        np.array([f.track_id for f in forecasts], np.int64),
        np.array([[f.position.x, f.position.y] for f in forecasts]),
        np.array(modes),
        np.array([f.probability for f in forecasts]),
        np.array([f.radius for f in forecasts]),
        np.array([r.probability for r in risks]),
        np.array([r.level for r in risks], np.int64),
    )


def truth_of_bag(bag: Path) -> Truth:
    """Where everybody was, as the bag says."""
    with BagReader(bag) as reader:
        listed = [m.decode() for m in reader.messages([PEOPLE])]
    ids = sorted({f.track_id for m in listed for f in m.forecasts})
    relative = np.full((len(listed), len(ids), 2), np.nan)
    for row, message in enumerate(listed):
        for f in message.forecasts:
            relative[row, ids.index(f.track_id)] = f.position.x, f.position.y
    return Truth(np.array([stamp_of(m) for m in listed]), relative)


def prove(
    bag: Path, out: Path, params: Path | None = None, rate: float = 1.0, evaluated: Mapping[int, Answer] | None = None
) -> dict[str, Any]:
    """Plays a bag of heads in this process and through the node at `rate`; `evaluated`: the evaluation's answers.

    Returns hosts -> scores, pairs of hosts -> differences, and `agree`: whether all are within TOLERANCES. The first
    host is the evaluation, or this process where the bag is all that there is.
    """
    truth = truth_of_bag(bag)
    hosts = {} if evaluated is None else {"evaluation": dict(evaluated)}
    hosts["in process"] = {stamp: Answer.of(motion) for stamp, motion in played(bag, node_config(params))}
    performance = through_node(bag, out, params, rate)
    hosts["node"] = answers_of_bag(out / OUTPUT)
    first = next(iter(hosts))
    found = {name: differences(hosts[first], hosts[name]) for name in list(hosts)[1:]}
    return {
        "bag": str(bag),
        "frames": len(hosts["in process"]),
        "hosts": {name: score(said.items(), truth) for name, said in hosts.items()},
        "differences": {f"{first} - {name}": values for name, values in found.items()},
        "tolerances": TOLERANCES,
        "agree": all(within(values) for values in found.values()),
        "problems": performance.problems,
    }


def within(found: Mapping[str, float]) -> bool:
    """Whether two hosts answered the same frames, and the same."""
    return found["frames_missing"] == 0 and all(found[name] <= limit for name, limit in TOLERANCES.items())
