"""The tables of a head-pose evaluation on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from headway.cli.common import number
from headway.report.terminal import lines, tables

_ANGLES = ("pitch", "yaw", "roll", "mean")
_BANDS = (("by_yaw", "abs_yaw_deg", "by |yaw|"), ("by_size", "box_px", "by size (px)"))
_SEEN = ("by_visibility", "visibility", "by visible share")


def print_report(report: Mapping[str, Any]) -> None:
    """Our table, the published one, the bands and the calibration."""
    console = tables()
    console.print(_main(report))
    if report.get("published"):
        console.print(_published(report))
    for key, name, title in (*_BANDS, _SEEN):
        bands = [b for b in report.get(key, []) if b["heads"]]
        if bands:
            console.print(_band_table(bands, name, title))
    sigma = report["sigma"]
    console.print(
        f"expected error: {number(sigma['within_1'], 2)} of heads within 1 sigma, {number(sigma['within_2'], 2)} "
        f"within 2, rank correlation {number(sigma['rank_correlation'], 2)}; score >= {report['score_threshold']}"
    )


def _main(report: Mapping[str, Any]) -> Table:
    table = Table(title=f"head pose on {report['dataset']}: {report['images']} images, {report['heads']} heads")
    names = ("model", "heads", "AP", "AP50", "recall", "missed", "geodesic mean", "median", *_ANGLES[:3], "MAE", "ms")
    for name in names:
        table.add_column(name, justify="left" if name == "model" else "right")
    rows = [report, *report.get("beside", [])]
    if not report.get("beside") and report.get("peer"):
        rows.append(report["peer"])
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Mapping[str, Any]) -> list[str]:
    name = f"{row['model']}, {row['note']}" if row.get("note") else str(row["model"])
    geodesic, mae = row["geodesic_deg"], row["mae_deg"]
    cells = [name, str(row["heads"])] + [number(row.get(k), 3) for k in ("ap", "ap50", "recall")]
    cells.append(str(row.get("missed", "")))
    cells += [number(v, 1) for v in (geodesic["mean"], geodesic["median"], *(mae[k] for k in _ANGLES))]
    if "ms_per_image" in row:
        return [*cells, f"{number(row['ms_per_image'], 1)} an image"]
    return [*cells, f"{number(row['ms_per_face'], 1)} a head" if "ms_per_face" in row else ""]


def _published(report: Mapping[str, Any]) -> Table:
    """The columns of the papers' tables: MAE by angle over the heads that count, full, front and back range."""
    p = report["published"]
    left_out = f", {p['excluded']} beyond 99° left out" if p["excluded"] else ""
    table = Table(title=f"as published ({p['rule']}; {p['matched']} of {p['heads']} heads count{left_out})")
    for name in ("range", "heads", "mAP", "AP50", "yaw", "pitch", "roll", "MAE"):
        table.add_column(name, justify="left" if name == "range" else "right")
    ranges = {"full": {**p, "heads": p["matched"]}, "front |yaw| <= 90": p["front"], "back": p["back"]}
    for name, part in ranges.items():
        if part["heads"] or name == "full":
            mae = [number(part["mae_deg"][k], 2) for k in ("yaw", "pitch", "roll", "mean")]
            table.add_row(name, str(part["heads"]), number(part.get("ap"), 3), number(part.get("ap50"), 3), *mae)
    return table


def _band_table(bands: list[Mapping[str, Any]], key: str, title: str) -> Table:
    table = Table(title=title)
    for name in ("from..to", "heads", "recall", "geodesic mean", "median"):
        table.add_column(name, justify="right")
    for band in bands:
        low, high = band[key]
        geodesic = band["geodesic_deg"]
        table.add_row(
            f"{low}..{high}" if high < 10000 else f"{low}..",
            str(band["heads"]),
            number(band["recall"], 3),
            number(geodesic["mean"], 1),
            number(geodesic["median"], 1),
        )
    return table


def print_by_eye(report: Mapping[str, Any]) -> None:
    """Photographs and head views against ground truth by eye."""
    console = tables()
    people, views = report.get("people"), report.get("views")
    if people:
        table = Table(title=f"{report['model']} on photographs, heads of 32 px and more, IoU 0.5")
        for name in ("picture", "heads", "found", "false boxes"):
            table.add_column(name, justify="left" if name == "picture" else "right")
        for row in people["pictures"]:
            table.add_row(row["file"], *(str(row[k]) for k in ("heads", "found", "false")))
        console.print(table)
        console.print(
            f"recall {number(people['recall'], 3)}, precision {number(people['precision'], 3)}; yaw sector right "
            f"{number(people['yaw_sector_right'], 3)}, right or neighbouring "
            f"{number(people['yaw_sector_right_or_neighbour'], 3)} of the found heads"
        )
    if views:
        table = Table(title=f"{report['model']} on head views of the openpeople sheets")
        for name in ("sheet", "view", "found", "yaw", "said", "error", "second boxes"):
            table.add_column(name, justify="left" if name in ("sheet", "view") else "right")
        for row in views["rows"]:
            angles = [number(row[k], 0) for k in ("yaw_truth_deg", "yaw_deg", "yaw_error_deg")]
            table.add_row(row["file"], row["view"], "yes" if row["found"] else "no", *angles, str(row["second_boxes"]))
        console.print(table)
        console.print(
            f"found {views['found']} of {views['views']}, yaw median {number(views['yaw_median_deg'], 1)}°, "
            f"sides right {views['sides_right']} of {views['profiles']}, second boxes {views['second_boxes']}"
        )
    for line in report["missing"]:
        lines().print(f"left out: {line}")
