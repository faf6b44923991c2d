"""The head-pose report: one HTML file with tables, plots and the heads that went worst, readable without a network."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from headway.evaluate.head_pose import Evaluation
from headway.report.heads_pictures import Figure, false_boxes, missed_heads, worst_heads
from headway.report.heads_plots import plots
from headway.report.html import STYLE, table, write_page

ANGLES = ("pitch", "yaw", "roll", "mean")
BANDS = (
    ("by_yaw", "abs_yaw_deg", "By |yaw| (degrees)"),
    ("by_size", "box_px", "By size of the head (px)"),
    ("by_visibility", "visibility", "By visible share"),
)


def write_heads_report(evaluation: Evaluation, report: Mapping[str, Any], path: Path) -> None:
    """Writes the report of one evaluation; `report` is what `--json` writes."""
    write_page(path, page(evaluation, report))


def page(evaluation: Evaluation, report: Mapping[str, Any]) -> str:
    """The whole document."""
    title = f"head pose on {report['dataset']}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="sub">{escape(report["model"])} <code>{escape(report["model_hash"][:12])}</code> &middot; '
        f"{report['images']} images &middot; {report['heads']} heads &middot; "
        f"score &ge; {report['score_threshold']}</p>",
        _tiles(report),
        _section("Accuracy", _accuracy(report)),
        _section("As published", _published(report)),
        *(_section(name, drawing) for name, drawing in plots(evaluation)),
        *(_section(heading, _bands(report[key], name)) for key, name, heading in BANDS if report.get(key)),
        _section("Expected error against true error", _calibration(report["sigma"])),
        _gallery("Worst heads: truth left, prediction right", worst_heads(evaluation)),
        _gallery("Missed heads, largest first", missed_heads(evaluation)),
        _gallery("Boxes where no head is labelled, highest score first", false_boxes(evaluation)),
        _section("How this was made", f"<code>{escape(str(report.get('command', '')))}</code>"),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{MORE_STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


MORE_STYLE = """
.heads{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:14px}
.heads figcaption{line-height:1.35;margin-top:4px}
.axes i{font-style:normal;font-weight:650}
"""


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inner}</section>" if inner else ""


def _tiles(report: Mapping[str, Any]) -> str:
    geodesic, sigma = report["geodesic_deg"], report["sigma"]
    entries = [
        (_number(report["ap50"], 3), "AP50"),
        (_number(report["ap"], 3), "AP"),
        (_number(report["recall"], 3), "recall"),
        (_number(report["recall_24px"], 3), "recall, heads of 24 px and more"),
        (_number(geodesic["median"], 1, "°"), "median error"),
        (_number(geodesic["mean"], 1, "°"), "mean error"),
        (_number(report["mae_deg"]["mean"], 1, "°"), "MAE of pitch, yaw, roll"),
        (_number(sigma["rank_correlation"], 2), "rank correlation of sigma"),
    ]
    tiles = (f'<div class="tile"><b>{v}</b><span>{escape(t)}</span></div>' for v, t in entries if v != "-")
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _accuracy(report: Mapping[str, Any]) -> str:
    rows = []
    beside = report.get("beside") or [r for r in [report.get("peer")] if r]
    for row in (report, *beside):
        name = f"{row['model']}, {row['note']}" if row.get("note") else row["model"]
        geodesic, mae = row["geodesic_deg"], row["mae_deg"]
        rows.append(
            [name, row["heads"], *(_number(row.get(k), 3) for k in ("ap", "ap50", "recall")), row.get("missed", "")]
            + [_number(v, 1) for v in (geodesic["mean"], geodesic["median"], *(mae[k] for k in ANGLES))]
            + [_time(row)]
        )
    names = ["model", "heads", "AP", "AP50", "recall", "missed", "mean °", "median °", "pitch", "yaw", "roll", "MAE"]
    return table([*names, "ms"], rows, range(1, 13))


def _time(row: Mapping[str, Any]) -> str:
    if "ms_per_image" in row:
        return f"{_number(row['ms_per_image'], 1)} an image"
    return f"{_number(row['ms_per_face'], 1)} a head" if "ms_per_face" in row else ""


def _published(report: Mapping[str, Any]) -> str:
    p = report["published"]
    rows = []
    for name, part in (("full", {**p, "heads": p["matched"]}), ("front, |yaw| ≤ 90°", p["front"]), ("back", p["back"])):
        mae = [_number(part["mae_deg"][k], 2) for k in ("yaw", "pitch", "roll", "mean")]
        rows.append([name, part["heads"], _number(part.get("ap"), 3), _number(part.get("ap50"), 3), *mae])
    told = f"{p['rule']}; {p['matched']} of {p['heads']} heads count, missed ones do not; "
    told += f"angles in order {p['euler_order']}"
    told += f"; {p['excluded']} heads beyond 99° left out" if p["excluded"] else ""
    names = ["range", "heads", "mAP", "AP50", "yaw", "pitch", "roll", "MAE"]
    return f'{table(names, rows, range(1, 8))}<p class="sub">{escape(told)}</p>'


def _bands(bands: list[Mapping[str, Any]], key: str) -> str:
    rows = []
    for band in bands:
        low, high = band[key]
        geodesic = band["geodesic_deg"]
        name = f"{low} … {high}" if high < 10000 else f"{low} and more"
        numbers = [_number(band["recall"], 3), _number(geodesic["mean"], 1), _number(geodesic["median"], 1)]
        rows.append([name, band["heads"], *numbers])
    return table(["from … to", "heads", "recall", "mean °", "median °"], rows, range(1, 5))


def _calibration(sigma: Mapping[str, Any]) -> str:
    from headway.evaluate.head_calibration import RIGHT_WITHIN

    rows = [
        [f"within {k} sigma", _number(sigma[f"within_{k}"], 3), "{:.2f} … {:.2f}".format(*RIGHT_WITHIN[k])]
        for k in (1, 2)
    ]
    rows.append(["rank correlation (Spearman)", _number(sigma["rank_correlation"], 3), "higher is better"])
    return table(["share of found heads", "measured", "right sigmas would give"], rows, (1,))


def _gallery(title: str, figures: list[Figure]) -> str:
    if not figures:
        return ""
    inner = "".join(
        f'<figure><img src="data:image/jpeg;base64,{f.jpeg}" alt="{escape(f.lines[0])}">'
        f"<figcaption>{'<br>'.join(escape(line) for line in f.lines)}</figcaption></figure>"
        for f in figures
    )
    key = (
        '<p class="sub axes">Axes of the head: <i style="color:#c22438">x</i> to the person\'s left, '
        '<i style="color:#16915f">y</i> down, <i style="color:#2563eb">gaze</i>.</p>'
    )
    return _section(f"{title} ({len(figures)})", f'{key}<div class="heads">{inner}</div>')


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"
