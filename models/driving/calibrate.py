"""Calibration of the driving stage: every number of `DriveCalibration`, from predictions for frames not trained on.

Each member of the ensemble leaves out one fold of the training blocks; each training frame is predicted by the member
that has not seen its block. So all training blocks calibrate, and none calibrates itself. The ensemble that drives is
a little better than its single members: the interval errs on the wide side. The frames of a block are alike, so the
numbers rest on a few dozen independent blocks: the evaluation says how well they hold.

Novelty is another matter where the members learned from folds (the tub): there is one measure, fitted on the first
member's frames and made of what that member sees, and most calibration frames are among these (480 of 600). They look
more familiar than new ones do (99 % quantile 0.86, of the other 120 1.07, of the test frames 1.05), and the limit is
mostly set on them (1.11).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.stages.drive import BIN_WIDTH, bin_of, bin_probability, fuse
from headway.stages.drive_calibration import DriveCalibration, lacking

Array = NDArray[np.floating]

NOMINAL = 0.9  # coverage asked of the interval
SMALL_ERROR = BIN_WIDTH  # an error below the width of a bin counts as small
NOVELTY_QUANTILE, NOVELTY_MARGIN = 0.99, 1.1  # of the novelty of the calibration frames: some of them are odd, too
SLOW_QUANTILE, RECOVER_QUANTILE, HANDOVER_QUANTILE = 0.75, 0.9, 1.0  # of the half-widths of the calibration frames
HANDOVER_MARGIN = 1.1  # hand-over begins above every width that calibration frames showed
TEMPERATURES = np.geomspace(0.1, 6.0, 400)
BEND_DOUBTS, SLOW_DOUBTS = np.linspace(0.0, 40.0, 81), np.linspace(0.0, 100.0, 51)


def temperature_of(logits: Array, steering: Array) -> float:
    """Temperature with the least negative log likelihood of the right bin; logits (N, 11), steering (N,)."""
    rows, right = np.arange(len(steering)), bin_of(steering)
    loss = [-np.log(bin_probability(logits, t)[rows, right] + 1e-12).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(loss))])


def doubts_of(error: Array, spread: Array, steering: Array, slow: Array | None = None) -> tuple[float, float]:
    """How fast the spread must grow with |steering|, and with |steering| times `slow` (what `lacking` says; None: not
    known), for the errors to be most likely, with Laplace's density.

    One scale for all covers 98 % of straight frames and a quarter of the hardest bends, and is right on average.
    """
    bend, best, found = np.abs(steering), np.inf, (0.0, 0.0)
    for slow_doubt in SLOW_DOUBTS if slow is not None else (0.0,):
        for bend_doubt in BEND_DOUBTS:
            doubt = bend_doubt if slow is None else bend_doubt + slow_doubt * slow
            scale = spread * (1.0 + doubt * bend)
            loss = np.log(scale).mean() + np.log((error / scale).mean())
            if loss < best:
                best, found = float(loss), (float(bend_doubt), float(slow_doubt))
    return found


def conformal_quantile(scores: Array, nominal: float) -> float:
    """The finite-sample quantile: the ceil((n + 1) nominal)-th smallest score, the largest where n is too small."""
    scores = np.sort(np.asarray(scores))
    rank = int(np.ceil((len(scores) + 1) * nominal))
    return float(scores[min(rank, len(scores)) - 1])


def logistic(x: Array, correct: NDArray[np.bool_], ridge: float = 1e-2) -> tuple[float, float]:
    """(intercept, slope) of P(correct) = sigmoid(intercept - slope x), by Newton's method with a small ridge."""
    design = np.stack([np.ones_like(x), -x], 1)
    weights = np.zeros(2)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-design @ weights))
        gradient = design.T @ (p - correct) + ridge * weights
        hessian = (design * (p * (1 - p))[:, None]).T @ design + ridge * np.eye(2)
        weights = weights - np.linalg.solve(hessian, gradient)
    return float(weights[0]), float(weights[1])


def calibrate(
    controls: Array,
    logits: Array,
    novelty: Array,
    steering: Array,
    speed: Array | None = None,
    full_speed_mps: float = 0.0,
) -> DriveCalibration:
    """controls (N, 2), logits (N, 11), novelty (N,) of frames that the controls and logits are not trained on; steering
    (N,) of the human there. speed (N,) m/s where it is known, with that of throttle 1."""
    temperature = temperature_of(logits, steering)
    regression = np.clip(controls[:, 0], -1, 1)
    sigma = float(np.sqrt(((regression - steering) ** 2).mean()))
    belief = fuse(regression, logits, temperature, sigma)
    error = np.abs(belief.steering - steering)
    slow = None if speed is None else lacking(controls[:, 1], speed, full_speed_mps)
    bend_doubt, slow_doubt = doubts_of(error, belief.spread, belief.steering, slow)
    bend = np.abs(belief.steering)
    at_speed = belief.spread * (1.0 + bend_doubt * bend)
    spread = belief.spread * (1.0 + (bend_doubt + slow_doubt * (0.0 if slow is None else slow)) * bend)
    scale = conformal_quantile(error / spread, NOMINAL)
    intercept, slope = logistic(np.log(spread), error <= SMALL_ERROR)
    if slope < 0.0:  # too few frames to tell: more spread must never mean more confidence
        share = float((error <= SMALL_ERROR).mean())
        intercept, slope = float(np.log(share / (1.0 - share + 1e-6))), 0.0
    width = scale * at_speed  # what slows the vehicle down: see Behaviour
    slow_width, recover, handover = np.quantile(width, [SLOW_QUANTILE, RECOVER_QUANTILE, HANDOVER_QUANTILE])
    return DriveCalibration(
        temperature=temperature,
        regression_sigma=sigma,
        conformal_scale=scale,
        nominal=NOMINAL,
        confidence_intercept=intercept,
        confidence_slope=slope,
        small_error=SMALL_ERROR,
        novelty_limit=NOVELTY_MARGIN * float(np.quantile(novelty, NOVELTY_QUANTILE)),
        slow_width=float(slow_width),
        recover_width=float(recover),
        handover_width=HANDOVER_MARGIN * float(handover),
        bend_doubt=bend_doubt,
        slow_doubt=slow_doubt,
        full_speed_mps=full_speed_mps,
    )


def as_config(calibration: DriveCalibration) -> dict[str, Any]:
    """For the manifest."""
    return {key: round(value, 6) for key, value in asdict(calibration).items()}
