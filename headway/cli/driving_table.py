"""What `headway evaluate driving` and `headway train driving` print."""

from __future__ import annotations

from typing import Any

from headway.cli.common import number


def print_driving_report(report: dict[str, Any]) -> None:
    """Tables of one report, to the terminal."""
    from headway.report.terminal import tables

    console = tables()
    if report["world"] == "tub":
        console.print(_open_loop_table(report))
    else:
        console.print(_route_table(f"{report['world']}: means over {report['runs']} runs", report["routes"]))
        for name, routes in report.get("stress", {}).items():
            console.print(_route_table(f"{report['world']} under {name}", routes))
        for name, row in report["paired"].items():
            console.print(
                f"Fréchet, {name}, paired: {row['mean']:+.3f} m (95 %: {row['low']:+.3f}..{row['high']:+.3f}), "
                f"ratio of means {row['ratio']:.2f}"
            )
    console.print(_confidence_table(report))


def _open_loop_table(report: dict[str, Any]) -> Any:
    from rich.table import Table

    mae, accuracy = report["steering_mae"], report["bin_accuracy"]
    low, high = report["steering_mae_95"]
    table = Table(title=f"{report['world']}: {report['frames']} {report['part']} frames, open loop")
    for column in ("driver", "steering error (mean, -1..1)", "bin accuracy"):
        table.add_column(column)
    table.add_row("headway", f"{mae['headway']:.3f} (95 %: {low:.3f}..{high:.3f})", f"{accuracy['headway']:.3f}")
    for name in ("headway-regression", "caril", "regression"):
        if name in mae:
            table.add_row(name, f"{mae[name]:.3f}", f"{accuracy[name]:.3f}")
    table.add_row("mean steering", f"{mae['mean-steering']:.3f}", "")
    return table


def _route_table(title: str, routes: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title=title)
    columns = {
        "Fréchet m": "frechet_m",
        "DTW": "dtw",
        "area m²": "area",
        "deviation m": "deviation_m",
        "p95 m": "deviation_p95_m",
        "off-lane s": "off_road_s",
        "off-lane m": "off_road_m",
        "jerk": "jerk",
        "completed": "completed",
        "stopped": "stopped",
    }
    for column in ("route", "driver", *columns):
        table.add_column(column)
    for route, drivers in routes.items():
        for driver, row in drivers.items():
            table.add_row(route, driver, *(f"{row[key]:.2f}" if key in row else "" for key in columns.values()))
    return table


def _confidence_table(report: dict[str, Any]) -> Any:
    from rich.table import Table

    from headway.evaluate.held_out import band_name

    confidence = report["confidence"]
    table = Table(title="confidence")
    for column in ("what", "value"):
        table.add_column(column)
    table.add_row(f"coverage of the {confidence['nominal']:.0%} interval", number(confidence["coverage"], 3))
    if "coverage_95" in confidence:
        low, high = confidence["coverage_95"]
        table.add_row("95 % of it, over drives", f"{low:.3f} .. {high:.3f}")
    for row in confidence.get("by_offset", ()):
        table.add_row(f"coverage {band_name(row)} off the lane's centre", f"{row['coverage']:.3f} of {row['frames']}")
    table.add_row("calibration error (ECE)", number(confidence["ece"], 3))
    table.add_row("AUROC of confidence against error", number(confidence["auroc"], 3))
    table.add_row(f"share of errors below {confidence['small_error']:.3f}", number(confidence["share_small"], 3))
    for kind, row in report["unfamiliar"].items():
        table.add_row(f"highest confidence on {kind}", f"{row['confidence']:.3f}, ends in {row['state'].upper()}")
    return table
