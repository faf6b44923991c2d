"""The plots of the head-pose report, as SVG inside the page."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np

from headway.errors import MissingDependencyError
from headway.evaluate.head_ap import precision_curve
from headway.evaluate.head_calibration import calibration
from headway.evaluate.head_match import match, wanted
from headway.evaluate.head_pose import Evaluation
from headway.geometry import Array, euler_from_rotation, geodesic_deg

BLUE, ORANGE, GREY = "#2563eb", "#e0701a", "#9aa4b2"
DOTS = 1500
"""More dots than this make the file heavy and the picture no clearer: every n-th head is drawn."""


def plots(evaluation: Evaluation) -> list[tuple[str, str]]:
    """(title, SVG) in the order of the page; [] where nothing was found."""
    labels, reported = evaluation.labels, evaluation.reported
    found = match(labels, reported, wanted(labels))
    if not len(found.label):
        return []
    error = geodesic_deg(found.rotations(reported), labels.rotation[found.label])
    sigma = found.sigma_deg(reported)
    yaw = euler_from_rotation(labels.rotation[found.label])[1]
    size = np.sqrt((labels.boxes[found.label, 2:] - labels.boxes[found.label, :2]).prod(1))
    drawn = [
        ("Error over yaw and size", _errors(yaw, size, error)),
        ("Expected error against true error, and all errors", _sigmas(sigma, error)),
    ]
    return [("Precision and recall", _precision(evaluation)), *drawn] if labels.whole_head else drawn


def _precision(evaluation: Evaluation) -> str:
    score, recall, precision = precision_curve(evaluation.labels, evaluation.predictions)
    figure, (left, right) = _figure(2)
    left.plot(recall, precision, color=BLUE)
    _label(left, "recall", "precision", (0, 1), (0, 1.02))
    right.plot(score, precision, color=BLUE, label="precision")
    right.plot(score, recall, color=ORANGE, label="recall")
    right.axvline(evaluation.threshold, color=GREY, linestyle="--", label="threshold")
    right.legend(frameon=False)
    _label(right, "score", "", (0, 1), (0, 1.02))
    return _svg(figure)


def _errors(yaw: Array, size: Array, error: Array) -> str:
    step = max(1, len(error) // DOTS)
    figure, (left, right) = _figure(2)
    left.scatter(yaw[::step], error[::step], s=5, color=GREY, linewidths=0)
    _medians(left, yaw, error, np.arange(-180, 181, 30.0))
    _label(left, "yaw of the truth, degrees", "error, degrees", (-180, 180), (0, 180))
    right.scatter(size[::step], error[::step], s=5, color=GREY, linewidths=0)
    edges = np.geomspace(max(size.min(), 1), max(size.max(), 2), 9)
    _medians(right, size, error, edges)
    right.set_xscale("log", base=2)
    right.xaxis.set_major_formatter("{x:g}")  # 32 and 64, not powers
    _label(right, "size of the head, px", "", None, (0, 180))
    return _svg(figure)


def _medians(axes: Any, x: Array, y: Array, edges: Array) -> None:
    rows = [(0.5 * (a + b), y[(x >= a) & (x <= b)]) for a, b in pairwise(edges)]
    rows = [(at, values) for at, values in rows if len(values)]
    axes.plot([r[0] for r in rows], [np.median(r[1]) for r in rows], color=BLUE, marker="o", label="median")
    axes.plot([r[0] for r in rows], [np.mean(r[1]) for r in rows], color=ORANGE, marker="o", label="mean")
    axes.legend(frameon=False)


def _sigmas(sigma: Array, error: Array) -> str:
    bins = calibration(sigma, error)["bins"]
    figure, (left, right) = _figure(2)
    top = max(max(b["sigma_deg"] for b in bins), max(b["error_deg"] for b in bins)) * 1.1
    left.plot([0, top], [0, top], color=GREY, linestyle="--")
    left.plot([b["sigma_deg"] for b in bins], [b["error_deg"] for b in bins], color=BLUE, marker="o")
    _label(left, "expected error (mean of equal bins), degrees", "true error, degrees", (0, top), (0, top))
    right.plot(np.sort(error), np.arange(1, len(error) + 1) / len(error), color=BLUE)
    _label(right, "error, degrees", "share of found heads below", (0, 180), (0, 1.02))
    return _svg(figure)


def _figure(columns: int) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("matplotlib is not installed: pip install 'headway[eval]'") from None
    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    return figure, figure.subplots(1, columns)


def _label(axes: Any, x: str, y: str, x_range: tuple[float, float] | None, y_range: tuple[float, float] | None) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(x_range)
    axes.set_ylim(y_range)
    axes.grid(color="#e2e6ec", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _svg(figure: Any) -> str:
    import matplotlib

    out = io.StringIO()
    # The same evaluation gives the same file: no dates, no random ids.
    with matplotlib.rc_context({"svg.hashsalt": "headway", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
