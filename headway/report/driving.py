"""The HTML report of `headway evaluate driving`: the terminal's tables, reliability, the worst drives as maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from headway.evaluate.closed_loop import FIRST_SEED, Run, measures
from headway.evaluate.held_out import band_name
from headway.report.html import document, section, table, write_page
from headway.report.reliability import EDGE, SIDE, reliability, square

MEASURES = {
    "frechet_m": "Fréchet m",
    "dtw": "DTW",
    "area": "area m²",
    "curve_length": "curve length",
    "deviation_m": "deviation m",
    "deviation_p95_m": "p95 m",
    "off_road_s": "off-lane s",
    "off_road_m": "off-lane m",
    "jerk": "jerk m/s³",
    "completed": "completed",
    "stopped": "stopped",
    "failed": "failed",
}
COLOURS = {
    "regression": "#e0701a",
    "caril": "#b02fb0",
    "headway-regression": "#8a6d1d",
    "headway": "#2563eb",
    "expert": "#16915f",
}

Results = Mapping[str, Mapping[str, Sequence[Run]]]


def write_driving_report(report: Mapping[str, Any], results: Results, out: Path) -> None:
    """Writes one file that needs nothing else. results: route -> driver -> runs, {} for the open loop."""
    write_page(out, page(report, results))


def page(report: Mapping[str, Any], results: Results) -> str:
    """The whole document; the same input gives the same bytes."""
    world = str(report["world"])
    body = [f"<h1>headway evaluate driving: {escape(world)}</h1>"]
    if report["routes"]:
        body.append(f'<p class="sub">{report["runs"]} runs a route and driver, the same seeds and gate for all.</p>')
        body.append(section("Routes", _routes(report["routes"])))
        body.append(section("Differences, paired by seed", _paired(report["paired"])))
    else:
        body.append(section("Open loop", _open_loop(report)))
    body += [section(f"Under {name}", _routes(routes)) for name, routes in report.get("stress", {}).items()]
    body.append(section("Confidence", _confidence(report)))
    worst = worst_runs(results)
    if worst:
        body.append(section("Worst drives of headway, with the others on the same seed", _maps(worst)))
    body.append(section("Images that are no road", _unfamiliar(report["unfamiliar"])))
    body.append(section("How this was made", _provenance(report)))
    return document(f"headway evaluate driving: {world}", body)


def worst_runs(results: Results) -> list[tuple[str, int, dict[str, Run]]]:
    """For each route the seed on which `headway` has the largest Fréchet distance: (route, seed, driver -> run)."""
    found = []
    for route, drivers in results.items():
        distances = [measures(run)["frechet_m"] for run in drivers.get("headway", ()) if not run.failed]
        if distances:
            rows = [i for i, run in enumerate(drivers["headway"]) if not run.failed]
            worst = rows[int(np.nanargmax(distances))]
            found.append((route, FIRST_SEED + worst, {name: runs[worst] for name, runs in drivers.items()}))
    return found


def _routes(routes: Mapping[str, Any]) -> str:
    rows = []
    for route, drivers in routes.items():
        for i, (driver, row) in enumerate(drivers.items()):
            cells = ["" if key not in row else f"{row[key]:.2f}" for key in MEASURES]
            rows.append([route if i == 0 else "", driver, *cells])
    return table(["route", "driver", *MEASURES.values()], rows, range(2, 2 + len(MEASURES)))


def _paired(paired: Mapping[str, Any]) -> str:
    rows = [
        [name, f"{p['mean']:+.3f}", f"{p['low']:+.3f} to {p['high']:+.3f}", f"{p['ratio']:.2f}", p["pairs"]]
        for name, p in paired.items()
    ]
    return table(["Fréchet m", "mean", "95 %", "ratio of means", "pairs"], rows, (1, 2, 3, 4))


def _open_loop(report: Mapping[str, Any]) -> str:
    accuracy = report["bin_accuracy"]
    rows = [
        [name, f"{error:.3f}", f"{accuracy[name]:.3f}" if name in accuracy else ""]
        for name, error in report["steering_mae"].items()
    ]
    note = f"<p>{report['frames']} frames of the {escape(str(report['part']))} blocks.</p>"
    return note + table(["driver", "steering error, of ±1", "bin accuracy"], rows, (1, 2))


def _confidence(report: Mapping[str, Any]) -> str:
    c = report["confidence"]

    def said(key: str) -> str:
        return "-" if c[key] is None or np.isnan(c[key]) else f"{c[key]:.3f}"

    rows = [
        [f"coverage of the {c['nominal']:.0%} interval", said("coverage")],
        *(
            [f"{band_name(row)} off the lane's centre, {row['frames']} frames", f"{row['coverage']:.3f}"]
            for row in c.get("by_offset", ())
        ),
        ["calibration error (ECE)", said("ece")],
        ["AUROC of confidence against error", said("auroc")],
        [f"share of errors below {c['small_error']:.3f}", said("share_small")],
    ]
    dots = [(row["count"], row["confidence"], row["correct"]) for row in c["reliability"]]
    caption = "stated confidence across, share of small errors up; on the line both agree"
    return table(["what", "value"], rows, (1,)) + reliability(dots, "frames", caption)


def _maps(worst: Sequence[tuple[str, int, dict[str, Run]]]) -> str:
    figures = []
    for route, seed, runs in worst:
        numbers = ", ".join(f"{name} {measures(run)['frechet_m']:.2f} m" for name, run in runs.items())
        said = f"{route}, seed {seed}: Fréchet {numbers}"
        figures.append(f"<figure>{_map(runs)}<figcaption>{escape(said)}</figcaption></figure>")
    names = dict.fromkeys(name for _, _, runs in worst for name in runs)
    keys = "".join(f'<span><i style="background:{COLOURS.get(n, "#1d2430")}"></i>{escape(n)}</span>' for n in names)
    return f'<div class="legend" style="margin-left:0">{keys}</div><div class="pictures">{"".join(figures)}</div>'


def _map(runs: Mapping[str, Run]) -> str:
    """The lane, grey and as wide as it is, and every driver's path, on one scale."""
    lane = next(iter(runs.values())).lane
    everything = np.concatenate([lane, *(run.path for run in runs.values())])
    low, high = everything.min(0), everything.max(0)
    scale = (SIDE - 2 * EDGE) / max(float((high - low).max()), 1.0)

    def line(points: np.ndarray, colour: str, width: float) -> str:
        x = EDGE + scale * (points[:, 0] - low[0])
        y = SIDE - EDGE - scale * (points[:, 1] - low[1])
        dots = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        return f'<polyline points="{dots}" fill="none" stroke="{colour}" stroke-width="{width:.1f}"/>'

    parts = [line(lane, "#d9dee6", max(3.5 * scale, 3.0))]
    parts += [line(run.path, COLOURS.get(name, "#1d2430"), 1.6) for name, run in runs.items() if len(run.path) > 1]
    return square(parts)


def _unfamiliar(unfamiliar: Mapping[str, Any]) -> str:
    rows = [[kind, f"{row['confidence']:.3f}", row["state"].upper()] for kind, row in unfamiliar.items()]
    return table(["image", "highest confidence", "ends in"], rows, (1,))


def _provenance(report: Mapping[str, Any]) -> str:
    entries = {"command": f"<code>{escape(str(report.get('command', '')))}</code>"}
    for key in ("model", "reference"):
        if key in report:
            facts = ", ".join(f"{k} {v}" for k, v in report[key].items())
            entries[key] = escape(facts)
    for key in ("first_seed", "failed", "blocks"):
        if key in report:
            entries[key.replace("_", " ")] = escape(str(report[key]))
    return f"<dl>{''.join(f'<dt>{k}</dt><dd>{v}</dd>' for k, v in entries.items())}</dl>"
