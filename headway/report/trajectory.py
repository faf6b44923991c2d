"""The HTML report of `headway evaluate trajectory`: the tables of the terminal, and the worst cases as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from headway.evaluate.alerts import CONFLICT_M
from headway.evaluate.cases import AlertCase, Cases, ForecastCase
from headway.evaluate.egocentric import level_words
from headway.report.ground import ground, legend
from headway.report.html import document, section, table, write_page
from headway.report.reliability import reliability
from headway.report.svg import Line, Span, plot, timeline

ERRORS = {"ade": "ADE", "fde": "FDE", "min_ade20": "minADE20", "min_fde20": "minFDE20"}
ALERTS = {
    "conflicts": "conflicts",
    "recall": "recall",
    "recall_in_time": "1.5 s ahead",
    "recall_in_time_seen_2s": "if seen for 2 s",
    "precision": "precision",
    "false_per_hour": "false alarms/h",
    "told_false_per_hour": "times told/h",
    "lead_s": "median lead, s",
    "rises_per_alert": "rises per alert",
}
ABOUT = {
    "leave-one-out": "ETH/UCY, each scene predicted by a network that never saw it, 8 -> 12 steps of 0.4 s.",
    "egocentric": "ETH/UCY pedestrians seen from one of them: 90° camera at 15 Hz, occlusion, head turning, noise.",
    "kitti": "Pedestrians of KITTI tracking from a moving car at 10 Hz, labelled boxes for the detector.",
    "head-direction": "The same network with head directions and without, paired.",
}
COLOURS = {"headway": "#2563eb", "heads-up": "#e0701a", "line-fit": "#8a6d1d"}
SEEN = "#c9d3de"
_FURTHEST_M = 12.0
"""What is further away is drawn at the plot's upper edge."""


def write_trajectory_report(report: Mapping[str, Any], cases: Mapping[str, Cases], out: Path) -> None:
    """Writes one file that needs nothing else. cases: part of the report ("" for the whole) -> its worst."""
    write_page(out, page(report, cases))


def page(report: Mapping[str, Any], cases: Mapping[str, Cases]) -> str:
    """The whole document; the same input gives the same bytes."""
    protocol = str(report["protocol"])
    body = [f"<h1>headway evaluate trajectory: {escape(protocol)}</h1>"]
    body.append(f'<p class="sub">{escape(ABOUT.get(protocol, ""))}</p>')
    parts = report.get("noise") or {"": report}
    for name, part in parts.items():
        title = level_words(name) if name else ""
        body += _part(part, cases.get(name, Cases()), title)
    body.append(section("How this was made", _provenance(report)))
    return document(f"headway evaluate trajectory: {protocol}", body)


def _part(part: Mapping[str, Any], cases: Cases, title: str) -> list[str]:
    prefix = f"{title}: " if title else ""
    if "pooled" in part:  # the head-direction experiment: differences, not errors
        return [section("with the head's direction minus without, metres", _differences(part))]
    found = [section(f"{prefix}forecast errors, metres", _errors(part))]
    if part.get("coverage"):
        found.append(section(f"{prefix}radius", _coverage(part["coverage"])))
    if part.get("alerts"):
        note = f"<p>A conflict is somebody who comes within {CONFLICT_M:g} m in the next 3 s.</p>"
        found.append(section(f"{prefix}alerts", note + _alerts(part)))
    if part.get("contacts"):
        found.append(section(f"{prefix}probability of a contact", _contacts(part["contacts"])))
    if len(cases.forecasts):
        found.append(section(f"{prefix}worst forecasts", _forecasts(cases.forecasts)))
    if len(cases.missed):
        found.append(section(f"{prefix}conflicts not warned of in time", _meetings(cases.missed)))
    if len(cases.false):
        found.append(section(f"{prefix}false alarms furthest from a conflict", _meetings(cases.false)))
    return found


def _number(value: Any, digits: int = 3) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def _errors(part: Mapping[str, Any]) -> str:
    rows = []
    scenes = [(s, v["windows"], v["models"]) for s, v in part.get("scenes", {}).items()]
    for scene, windows, models in [*scenes, ("mean", "", part["mean"])]:
        for i, (name, values) in enumerate(models.items()):
            single = values["min_ade20"] == values["ade"]
            numbers = ["one path" if single and k.startswith("min") else _number(values[k]) for k in ERRORS]
            rows.append([scene if i == 0 else "", windows if i == 0 else "", name, *numbers])
    return table(["scene", "windows", "model", *ERRORS.values()], rows, (1, 3, 4, 5, 6))


def _differences(part: Mapping[str, Any]) -> str:
    rows = []
    scenes = {s: (v["windows"], v["metrics"]) for s, v in part["scenes"].items()}
    for scene, (windows, values) in (scenes | {"all": (part["windows"], part["pooled"])}).items():
        cells = []
        for key in ERRORS:
            low, high = values[key]["interval_95"]
            cells.append(f"{values[key]['difference']:+.4f} ({low:+.4f} to {high:+.4f})")
        rows.append([scene, windows, *cells])
    note = "<p>Paired; in brackets the 95 % interval over people.</p>"
    return note + table(["scene", "windows", *ERRORS.values()], rows, (1, 2, 3, 4, 5))


def _coverage(cover: Mapping[str, Any]) -> str:
    rows = [["each person by themselves", f"{100 * cover['measured']:.1f} %", _by_scene(cover)]]
    if cover.get("together"):
        together = cover["together"]
        rows.append(["everybody in view at once", f"{100 * together['measured']:.1f} %", _by_scene(together)])
    return table([f"whole path inside, nominal {100 * cover['nominal']:.0f} %", "measured", "scenes"], rows, (1,))


def _by_scene(cover: Mapping[str, Any]) -> str:
    return ", ".join(f"{s} {100 * v:.1f} %" for s, v in cover.get("by_scene", {}).items())


def _alerts(part: Mapping[str, Any]) -> str:
    rows = []
    digits = {"false_per_hour": 0, "told_false_per_hour": 0}
    keys = [k for k in ALERTS if any(k in v for v in part["alerts"].values())]
    for name, values in part["alerts"].items():
        rows.append([name, *(_number(values.get(k), digits.get(k, 2)) for k in keys)])
    flicker = part.get("flicker_m") or {}
    jumps = ", ".join(f"{name} {100 * v:.1f} cm" for name, v in flicker.items() if v is not None)
    said = f"<p>Jump between successive forecasts of the same moment, 2 s ahead: {escape(jumps)}.</p>" if jumps else ""
    return table(["model", *(ALERTS[k] for k in keys)], rows, range(1, len(keys) + 1)) + said


def _contacts(found: Mapping[str, Any]) -> str:
    """Everybody, and who is out of view, with a picture of each."""
    kinds = {"everybody": found} | ({"out of view": out} if (out := found.get("out_of_view")) else {})
    columns = ["people", "moments", "said, mean", "came", "ECE", "Brier", "AUROC"]
    keys = ("moments", "said", "came", "ece", "brier", "auroc")
    rows = [[name, *(_number(kind[k]) for k in keys)] for name, kind in kinds.items()]
    figures = [
        reliability(
            [(b["count"], b["said"], b["came"]) for b in kind["bins"]],
            "moments",
            f"{name}: probability said across, share that came within {CONFLICT_M:g} m up",
        )
        for name, kind in kinds.items()
    ]
    return table(columns, rows, range(1, 7)) + f'<div class="pictures">{"".join(figures)}</div>'


def _forecasts(cases: Iterable[ForecastCase]) -> str:
    listed = list(cases)
    figures = []
    for case in listed:
        best = float(case.probability.max())
        nearest = float(np.linalg.norm(case.modes[:, : len(case.truth)] - case.truth, axis=-1).mean(axis=1).min())
        said = (
            f"{case.who} at {case.at_s:.1f} s: most likely path {case.error_m:.2f} m off on average "
            f"(probability {best:.2f}), best of {len(case.modes)} {nearest:.2f} m"
        )
        figures.append(f"<figure>{ground(case)}<figcaption>{escape(said)}</figcaption></figure>")
    names = list(dict.fromkeys(n for c in listed for n in c.others))
    keys = "".join(f'<span><i style="background:{c}"></i>{escape(n)}</span>' for n, c in legend(names))
    return f'<div class="legend" style="margin-left:0">{keys}</div><div class="pictures">{"".join(figures)}</div>'


def _meetings(cases: Iterable[AlertCase]) -> str:
    return "".join(f"<figure>{_meeting(c)}<figcaption>{escape(_words(c))}</figcaption></figure><br>" for c in cases)


def _words(case: AlertCase) -> str:
    nearest = float(np.nanmin(case.distance))
    lead = "nobody was told" if case.lead_s is None else f"told {case.lead_s:.1f} s before contact"
    what = lead if case.contact_s is not None else f"never nearer than {nearest:.2f} m in what is shown"
    return f"{case.who}, from {case.start_s:.1f} s of the walk: {case.kind}, {what}"


def _meeting(case: AlertCase) -> str:
    """Distance and probability over time, and below when the person was seen and who raised an alert."""
    t = [i / case.rate for i in range(len(case.distance))]
    distance = [float(d) if np.isfinite(d) else None for d in case.distance]
    top = min(max([d for d in distance if d is not None] + [2.0]), _FURTHEST_M)
    lines = [
        Line("distance, m", t, distance, "#1d2430"),
        Line(f"reach, {CONFLICT_M:g} m", [0.0, t[-1]], [CONFLICT_M, CONFLICT_M], "#d3304b", True),
        Line("headway's probability, 0 .. 1", t, [float(p) if np.isfinite(p) else None for p in case.probability]),
    ]
    if case.contact_s is not None:
        at = case.contact_s - case.start_s
        lines.append(Line("contact", [at, at], [0.0, top], "#16915f", True))
    spans = list(_spans("seen", case.seen, case.rate, SEEN))
    for name, raised in case.alerts.items():
        spans += _spans(name, raised, case.rate, COLOURS.get(name, "#b02fb0"))
    keys = [("seen by the camera", SEEN), *((f"alert of {n}", COLOURS.get(n, "#b02fb0")) for n in case.alerts)]
    return plot(lines, "m", y_range=(0.0, top)) + timeline(spans, ["seen", *case.alerts], t[-1], keys)


def _spans(row: str, mask: Any, rate: float, colour: str) -> list[Span]:
    return [Span(row, i / rate, (i + 1) / rate, colour, row) for i in np.flatnonzero(mask[:-1])]


def _provenance(report: Mapping[str, Any]) -> str:
    entries = {"command": f"<code>{escape(str(report.get('command', '')))}</code>"}
    for key in ("data", "wearers", "wearers_per_scene", "seed", "mean_is"):
        if key in report:
            entries[key.replace("_", " ")] = escape(str(report[key]))
    models = report.get("models") or ({report["model"]["name"]: report["model"]["hash"]} if "model" in report else {})
    if models:
        lines = "<br>".join(f"{escape(n)} <code>{escape(str(h))}</code>" for n, h in models.items())
        entries["models"] = lines
    return f"<dl>{''.join(f'<dt>{k}</dt><dd>{v}</dd>' for k, v in entries.items())}</dl>"
