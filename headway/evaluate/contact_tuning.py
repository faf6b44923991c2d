"""Fits the numbers of `ContactBelief`: how likely a contact is, from the share of the paths that meet the wearer.

Pedestrians of the five scenes wear the camera (see `egocentric`), each scene forecast by the network that never saw it:
networks agree with themselves too much on people whom they have learned from. Whether the numbers carry over to other
people is judged by leaving each scene out in turn.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from headway.evaluate.alert_tuning import Run, follow, published_alerts
from headway.evaluate.contact_calibration import outcomes
from headway.evaluate.egocentric import Walk, Wearing, dense, walk, wearers
from headway.evaluate.pedestrians import read_split
from headway.evaluate.walk_scores import EVERY_S
from headway.runtime.model import open_model
from headway.stages.contact_belief import ContactBelief, features
from headway.stages.contacts import weigh
from headway.stages.risk import RiskConfig

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """n moments of people: what `ContactBelief` is told (see `features`), and whether they came, each (n,)."""

    share: Array
    within: Mask
    unseen_s: Array
    age_s: Array
    own_motion: Mask
    came: Mask

    def __len__(self) -> int:
        return len(self.came)

    def said(self, belief: ContactBelief) -> Array:
        """(n,) probability."""
        return belief.probability(*self.told)

    @property
    def told(self) -> tuple[Array | Mask, ...]:
        """The arguments of `ContactBelief.probability`."""
        return (self.share, self.within, self.unseen_s, self.age_s, self.own_motion)

    @classmethod
    def joined(cls, parts: Sequence[Evidence]) -> Evidence:
        """All of them, one after the other."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


def evidence(run: Run) -> Evidence:
    """What one walk shows, at moments 0.4 s apart."""
    config, rate = RiskConfig(), run.walk.rate
    came, known = outcomes(run.walk.distance, rate, config.horizon_s)
    # Rows are ordered by track, then frame; a track that begins out of view counts as in view until then.
    rows = np.arange(len(run.frame))
    begins = np.diff(run.track, prepend=-1) != 0
    last = np.maximum.accumulate(np.where(run.visible | begins, rows, 0)) if len(rows) else rows
    unseen_s = (run.frame - run.frame[last]) / rate
    kept = known[run.frame, run.column] & (run.frame % round(EVERY_S * rate) == 0)
    return Evidence(
        share=np.asarray(weigh(run.paths, run.probability, config.disc).share, float)[kept],
        within=(run.paths.first_s == 0).all(axis=1)[kept],
        unseen_s=unseen_s[kept],
        age_s=run.age_s[kept],
        own_motion=np.full(kept.sum(), run.walk.velocity is not None),
        came=came[run.frame, run.column][kept],
    )


def watch(scene: str, folder: str, how: Wearing, per_scene: int, seed: int) -> Evidence:
    """`per_scene` pedestrians of `scene` wear the camera; forecasts are of the network in `folder`."""
    model = open_model(folder, "trajectory")
    found = [evidence(follow(seen, model)) for seen in _walks(scene, how, per_scene, seed)]
    model.close()
    return Evidence.joined(found)


def watch_published(scene: str, how: Wearing, per_scene: int, seed: int) -> tuple[Mask, Mask]:
    """The same people through the published rule (`heads_up`): alert (n,) and whether they came (n,), of everybody whom
    it knows at moments 0.4 s apart."""
    parts = [published_outcomes(seen) for seen in _walks(scene, how, per_scene, seed)]
    alert, came = (np.concatenate(column) for column in zip(*parts, strict=True))
    return alert, came


def published_outcomes(seen: Walk) -> tuple[Mask, Mask]:
    """The same of one walk."""
    alert, knows = published_alerts(seen)
    came, recorded = outcomes(seen.distance, seen.rate, RiskConfig().horizon_s)
    every = round(EVERY_S * seen.rate)
    kept = (recorded & knows)[::every]
    return alert[::every][kept], came[::every][kept]


def _walks(scene: str, how: Wearing, per_scene: int, seed: int) -> Iterator[Walk]:
    recordings = read_split(scene, "test")
    share = -(-per_scene // len(recordings))
    for recording in recordings:
        positions = dense(recording, how.rate)
        for person in wearers(recording, share):
            random = np.random.default_rng([seed, zlib.crc32(f"{recording.name}/{recording.ids[person]}".encode())])
            yield walk(recording, positions, person, how, random)


def fit(parts: Sequence[Evidence]) -> ContactBelief:
    """Logistic regression; each of `parts` (a scene) has the same total weight."""
    x = np.concatenate([features(*p.told) for p in parts])
    came = np.concatenate([p.came for p in parts]).astype(float)
    weight = np.concatenate([np.full(len(p), 1.0 / len(p) / len(parts)) for p in parts])

    def loss(b: Array) -> tuple[float, Array]:
        z = x @ b
        slope = weight * (1.0 / (1.0 + np.exp(-z)) - came)
        return float((weight * (np.logaddexp(0.0, z) - came * z)).sum()), x.T @ slope

    start = np.array(astuple(ContactBelief()))
    return ContactBelief(*minimize(loss, start, jac=True, method="BFGS").x.tolist())


def left_out(scenes: Mapping[str, Evidence]) -> Iterator[tuple[str, Evidence, Array]]:
    """Each scene with what a fit on the others says of it: name, evidence, said (n,)."""
    for name, held in scenes.items():
        yield name, held, held.said(fit([e for other, e in scenes.items() if other != name]))
