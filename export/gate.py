"""The accuracy gate: a precision that costs more than the limits below against the reference is not exported.

Both run through the same stage and the same evaluation that `headway evaluate` uses, on the same labelled data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headway.errors import HeadwayError, UsageError
from headway.paths import data_dir
from headway.runtime.model import open_own

MAP_POINTS = 0.5
GEODESIC_DEG = 0.2
RELATIVE = 0.01
"""The limits of the handbook: 0.5 mAP point, 0.2 degrees, 1 % of ADE, 1 % of steering error."""

SCENES = ("hotel", "zara1")
"""Of the five recorded scenes two small ones: what is compared is two numerics of one network, not its accuracy."""


class AccuracyLossError(HeadwayError):
    """A precision loses more accuracy than allowed. Carries the whole comparison, for the table."""

    def __init__(self, message: str, label: str, rows: list[Row], data: str) -> None:
        super().__init__(message)
        self.label, self.rows, self.data = label, rows, data


@dataclass(frozen=True)
class Row:
    """One metric of the gate. loss is in the limit's unit, positive where the candidate is worse."""

    metric: str
    reference: float
    candidate: float
    loss: float
    limit: float
    unit: str

    @property
    def passed(self) -> bool:
        """Within the limit; a number that is none never is."""
        return bool(np.isfinite(self.loss) and self.loss <= self.limit)


def run_gate(
    task: str, reference: Path, candidate: Path, data: Path | None = None, engine: str = "onnxruntime"
) -> tuple[list[Row], str]:
    """Rows of the comparison of two model folders, and the data they were measured on.

    `engine` runs the candidate; the reference runs on ONNX Runtime. `data`: folder of labelled heads, or a tub; by
    default the project's evaluation data. Both folders are this process's own: no signature is asked for. Raises
    UsageError without any data, and for data that a task has no use for or in which the reference finds nothing.
    """
    measure, folder = MEASURES[task]
    if data is not None and task == "trajectory":
        raise UsageError(
            f"--data: forecasts are measured on the scenes {' and '.join(SCENES)} of {folder}, nothing else"
        )
    data = data or _default(folder)
    a = measure(reference, data, "onnxruntime")
    if not all(np.isfinite(value) for value in a.values()):
        raise UsageError(f"the reference finds nothing in {data}: the gate cannot compare anything there")
    b = measure(candidate, data, engine)
    return [_row(name, a[name], b[name]) for name in a], data.name


def _default(folder: str) -> Path:
    root = data_dir()
    if root is None or not (root / folder).is_dir():
        raise UsageError(
            f"the accuracy gate needs labelled data: no folder {folder} below {root or '../shared/data'}; "
            "give --data, or set HEADWAY_DATA, or export unchecked with --allow-loss"
        )
    return root / folder


def _row(name: str, reference: float, candidate: float) -> Row:
    metric, _, unit = name.partition("|")
    if unit == "points":
        return Row(metric, 100 * reference, 100 * candidate, 100 * (reference - candidate), MAP_POINTS, unit)
    if unit == "deg":
        return Row(metric, reference, candidate, candidate - reference, GEODESIC_DEG, unit)
    loss = (candidate - reference) / reference if reference else float("nan")
    return Row(metric, reference, candidate, 100 * loss, 100 * RELATIVE, "%")


def _heads(model: Path, data: Path, engine: str) -> dict[str, float]:
    from headway.evaluate.head_formats import read_labels
    from headway.evaluate.head_pose import AP_SCORE, predict, report_of
    from headway.stages.heads import HeadConfig, HeadStage, model_threshold

    labels = read_labels(data)
    opened = open_own(model, "head-pose", engine)
    stage = HeadStage(opened, HeadConfig(score_threshold=AP_SCORE))
    report = report_of(labels, predict(stage, labels.images), model_threshold(opened))
    opened.close()
    found = {"recall|points": report["recall"], "geodesic mean|deg": report["geodesic_deg"]["mean"]}
    if report["ap"] is not None:  # faces have no head boxes, so no AP: recall stands in for it
        found = {"mAP|points": report["ap"], **found}
    return {name: np.nan if value is None else value for name, value in found.items()}  # None: no head was found


def _walks(model: Path, data: Path, engine: str) -> dict[str, float]:
    from headway.evaluate.trajectory import metrics, run_network

    opened = open_own(model, "trajectory", engine)
    windows = [run_network(opened, scene) for scene in SCENES]
    opened.close()
    errors = np.concatenate([w.errors for w in windows])
    found = metrics(errors, np.concatenate([w.probability for w in windows]))
    return {"ADE|%": found["ade"], "minADE20|%": found["min_ade20"]}


def _drive(model: Path, data: Path, engine: str) -> dict[str, float]:
    from headway.evaluate.driving import evaluate

    opened = open_own(model, "driving", engine)
    report = evaluate(opened, data)
    opened.close()
    return {"steering error|%": report["steering_mae"]["headway"]}


MEASURES: dict[str, tuple[Callable[[Path, Path, str], dict[str, float]], str]] = {
    "head-pose": (_heads, "real_heads"),
    "trajectory": (_walks, "eth_ucy"),
    "driving": (_drive, "donkeycar_tub"),
}


def verdict(label: str, rows: list[Row], data: str, allow_loss: bool) -> dict[str, Any]:
    """What the manifest records; raises AccuracyLossError naming the metrics where the loss is not allowed."""
    failed = [r for r in rows if not r.passed]
    if failed and not allow_loss:
        words = ", ".join(f"{r.metric} {r.loss:+.2f} {r.unit} (limit {r.limit:g})" for r in failed)
        message = f"{label} is refused: {words} on {data}; --allow-loss exports it all the same"
        raise AccuracyLossError(message, label, rows, data)
    return {
        "data": data,
        "rows": [asdict(r) for r in rows],
        "passed": not failed,
        "allowed_loss": bool(failed),
        "not_measured": unmeasured(rows),
    }


def unmeasured(rows: list[Row]) -> list[str]:
    """Metrics of the gate that the data could not give: faces have landmarks and no head boxes, so no mAP."""
    found = {r.metric for r in rows}
    return ["mAP"] if "geodesic mean" in found and "mAP" not in found else []
