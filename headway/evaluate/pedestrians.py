"""Recorded pedestrians on a fixed time grid: the ETH/UCY trajectories and the windows that everybody evaluates on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headway.errors import UsageError
from headway.paths import data_folder

SCENES = ("eth", "hotel", "univ", "zara1", "zara2")
STEP_S = 0.4
PAST = 8
FUTURE = 12
_FRAMES_PER_STEP = 10
"""The files of this collection number frames so that 0.4 s are ten, in every scene."""


@dataclass(frozen=True)
class Recording:
    """One file. positions (F, P, 2) metres on the ground, NaN where person P is not there in step F; ids (P,).

    first_frame: number, in the file, of the first step."""

    name: str
    ids: NDArray[np.int64]
    positions: NDArray[np.float64]
    first_frame: int = 0


@dataclass(frozen=True)
class Moment:
    """One step of a recording, seen by a predictor. past (n, 8, 2) and future (n, 12, 2) metres, NaN where unknown;
    ids (n,). Everybody who is there now is listed, whether scored or not; `scored` (n,) has all 20 steps."""

    recording: str
    frame: int
    ids: NDArray[np.int64]
    past: NDArray[np.float64]
    future: NDArray[np.float64]

    @property
    def scored(self) -> NDArray[np.bool_]:
        """(n,) people with a complete past and future: the windows of the published protocol."""
        whole = np.concatenate([self.past, self.future], axis=1)
        return np.isfinite(whole).all(axis=(1, 2))


def eth_ucy_dir() -> Path:
    """The `eth_ucy` folder of the evaluation data; UsageError with the place looked at where it is missing."""
    return data_folder("eth_ucy")


def read_recording(path: Path) -> Recording:
    """Reads "frame id x y" rows."""
    rows = np.loadtxt(path, ndmin=2)
    if rows.shape[1] != 4:
        raise UsageError(f"{path} has {rows.shape[1]} columns, expected 4: frame, person, x, y")
    step = np.round((rows[:, 0] - rows[:, 0].min()) / _FRAMES_PER_STEP).astype(int)
    ids, column = np.unique(rows[:, 1].astype(np.int64), return_inverse=True)
    positions = np.full((step.max() + 1, len(ids), 2), np.nan)
    positions[step, column] = rows[:, 2:4]
    return Recording(path.stem, ids, positions, int(rows[:, 0].min()))


def read_split(scene: str, split: str) -> list[Recording]:
    """The recordings of `split` ("train", "val" or "test") when `scene` is the one held out."""
    if scene not in SCENES:
        raise UsageError(f"scene '{scene}' is none of {', '.join(SCENES)}")
    return [read_recording(path) for path in sorted((eth_ucy_dir() / scene / split).glob("*.txt"))]


def moments(recording: Recording, past: int = PAST, future: int = FUTURE) -> list[Moment]:
    """Every step at which at least one person was also there one step before; the rest of the window may be missing."""
    found = []
    padded = np.pad(recording.positions, ((past - 1, future), (0, 0), (0, 0)), constant_values=np.nan)
    here = np.isfinite(padded[..., 0])
    for frame in range(len(recording.positions)):
        now = frame + past - 1
        people = np.flatnonzero(here[now])
        if not (here[now - 1, people]).any():
            continue
        window = padded[frame : frame + past + future, people].transpose(1, 0, 2)
        found.append(Moment(recording.name, frame, recording.ids[people], window[:, :past], window[:, past:]))
    return found


def contiguous_valid(past: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n, 8, 2) with NaN -> (n, 8): steps of the unbroken run that ends now; what lies before a gap does not count."""
    finite = np.isfinite(past).all(axis=-1)
    return np.flip(np.logical_and.accumulate(np.flip(finite, axis=1), axis=1), axis=1)


def position_noise(past: NDArray[np.floating], valid: NDArray[np.bool_]) -> float:
    """past (n, 8, 2), valid (n, 8) -> standard deviation in metres of the measured positions, from the past alone.

    Third differences hardly see walking: the median of their size over all people gives the noise. 0.01 where
    nobody has been there for four steps.
    """
    whole = valid[:, 3:] & valid[:, 2:-1] & valid[:, 1:-2] & valid[:, :-3]
    jerk = np.diff(past, 3, axis=1)[whole]
    if not len(jerk):
        return 0.01
    # White noise of standard deviation 1 has third differences of variance 20; a normal's median size is 0.6745.
    return float(np.median(np.abs(jerk)) / (0.6745 * np.sqrt(20)))
