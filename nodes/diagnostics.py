"""/diagnostics from a steady timer, so that a node whose input or engine stalls still reports."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from headway.nodes.inputs import Ledger
from headway.stages.announce import Announcement
from headway.types import Level

STALE_PERIODS, DEAD_PERIODS = 3, 10  # of the input: WARN, ERROR
FIRST_PERIOD_S = 1.0  # taken for the period while one message has come
UNANSWERED_S = 1.0  # of messages, none of them with a valid answer
INVALID_S = 10.0  # a frame that was not valid is WARN for this long, and counted for good


def status(
    name: str,
    ledger: Ledger,
    models: Mapping[str, str],
    engine: str,
    state: str,
    trouble: str,
    doubt: str,
    extra: Mapping[str, Any],
) -> DiagnosticStatus:
    """One status of a node: rate, age, drops, stages, engine and hashes, reasons. trouble: the node's, an ERROR; doubt:
    why its answers are worth less than they should be, a WARN."""
    s = ledger.summary()
    arrivals = np.array(s["arrivals_ns"], float) * 1e-9
    gaps = np.diff(arrivals)
    period = float(np.median(gaps)) if len(gaps) else 0.0
    silence = time.monotonic_ns() * 1e-9 - arrivals[-1] if len(arrivals) else None
    level, message = (DiagnosticStatus.ERROR, trouble) if trouble else _judge(state, period, silence, s, doubt)
    values: dict[str, Any] = {"state": state, "rate_hz": f"{1 / period:.1f}" if period > 0 else "0"}
    if len(gaps):
        # How regular the input came, as this process saw it: a camera or a transport that stutters shows here.
        spread = {"min": gaps.min(), "max": gaps.max(), "sd": gaps.std()}
        values |= {f"interval_{k}_ms": f"{1e3 * v:.2f}" for k, v in spread.items()}
    if s["ages_ms"]:
        values["age_p50_ms"], values["age_p99_ms"] = (f"{v:.1f}" for v in np.percentile(s["ages_ms"], (50, 99)))
    values |= {"received": s["received"], "answered": s["answered"], "dropped": sum(s["dropped"].values())}
    values |= {f"stage_{k}_p50_ms": f"{np.median(v):.2f}" for k, v in s["stage_ms"].items()}
    values["engine"] = engine
    values |= {f"model_{k}": v[:12] for k, v in models.items()}
    values |= {f"dropped: {k}": v for k, v in s["dropped"].items()}
    values |= {f"invalid: {k}": v for k, v in s["invalid"].items()}
    values |= extra
    return DiagnosticStatus(
        level=level,
        name=f"{name}: stream",
        message=message,
        hardware_id="headway",
        values=[KeyValue(key=str(k), value=str(v)) for k, v in values.items()],
    )


def _judge(state: str, period: float, silence: float | None, s: Mapping[str, Any], doubt: str) -> tuple[bytes, str]:
    if state != "active":
        return DiagnosticStatus.OK, state
    if silence is None:
        return DiagnosticStatus.WARN, "no input received yet"
    period = period or FIRST_PERIOD_S
    if silence > DEAD_PERIODS * period:
        return DiagnosticStatus.ERROR, f"no input for {silence:.1f} s"
    if silence > STALE_PERIODS * period:
        return DiagnosticStatus.WARN, f"no input for {silence:.2f} s"
    now_ns = time.monotonic_ns()
    without_s = (now_ns - s["valid_ns"]) * 1e-9
    if without_s > max(UNANSWERED_S, DEAD_PERIODS * period):
        dropped = max(s["dropped"], key=s["dropped"].get, default="the first is being worked on")
        why = s["last_invalid"] if s["invalid_ns"] > s["valid_ns"] else dropped
        return DiagnosticStatus.ERROR, f"input comes, and no valid answer for {without_s:.1f} s: {why}"
    if s["invalid_ns"] and now_ns - s["invalid_ns"] < INVALID_S * 1e9:
        return DiagnosticStatus.WARN, f"{sum(s['invalid'].values())} frames not valid"
    if doubt:
        return DiagnosticStatus.WARN, doubt
    return DiagnosticStatus.OK, "running"


def alert_status(name: str, said: Announcement) -> DiagnosticStatus:
    """What is told to the wearer; sent at once, when it is new, and not again with every frame."""
    when = "" if said.time_to_contact_s is None else f"{said.time_to_contact_s:.2f}"
    values = {
        "level": said.level.name.lower(),
        "track_id": said.track_id,
        "direction": said.direction,
        "time_to_contact_s": when,
        "probability": f"{said.probability:.2f}",
        "image_stamp_ns": said.stamp_ns,
    }
    return DiagnosticStatus(
        level=DiagnosticStatus.ERROR if said.level == Level.ALERT else DiagnosticStatus.WARN,
        name=f"{name}: alert",
        message=said.text,
        hardware_id="headway",
        values=[KeyValue(key=k, value=str(v)) for k, v in values.items()],
    )


def rival_status(name: str, said: str) -> DiagnosticStatus:
    """Two nodes command one vehicle."""
    return DiagnosticStatus(
        level=DiagnosticStatus.ERROR, name=f"{name}: command", message=said, hardware_id="headway", values=[]
    )


def diagnostic_array(stamp: Any, statuses: list[DiagnosticStatus]) -> DiagnosticArray:
    """The message with its stamp; diagnostics are about the node, so this stamp is the node's now."""
    array = DiagnosticArray(status=statuses)
    array.header.stamp = stamp
    return array
