"""The model card, written from the manifest so that its numbers cannot drift from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headway.runtime.manifest import Manifest

_LIMITS = """## Limits

- Learned from five recordings of students and shoppers seen from above, mostly walking at 0.5 to 2 m/s. Runners,
  cyclists, children and wheelchairs are hardly in them.
- The data hold ground positions measured from above. Tracks from a head-worn camera are noisier; the radius is widened
  by the tracker's own covariance for that, not by the calibration.
- It knows people only: no walls, kerbs or cars.
- Head directions in training are synthetic (the direction walked at that moment or next, with 25 degrees of error),
  because no recording that may be trained on has real ones.
- The people of the scene `eth` walk faster and were measured less exactly than the others; a network that never saw it
  does worse there.
"""


def write_card(folder: Path, manifest: Manifest) -> Path:
    """Writes `folder`/README.md."""
    t, e = manifest.training, manifest.evaluation
    minutes = f"{t['minutes']} minutes on {t['machine']}"
    lines = [
        f"# {manifest.name}",
        "",
        "Forecasts the next 4.8 s (12 steps of 0.4 s) of up to 32 pedestrians at once from the last 3.2 s: 20 paths"
        " each, with probabilities, on the ground, in metres. The answer turns and shifts with the scene.",
        "",
        f"- Network: {manifest.parameters:,} parameters; per-person MLP, dense masked attention over the neighbours,"
        " smooth offsets from constant velocity.",
        f"- Data: {t['data']}. {manifest.data_licence}.",
        f"- Training: `{t['command']}`, seed {t['settings']['seed']}, {minutes}; every 100 steps in `training.csv`.",
        *_history(t.get("rounds", [])),
        f"- Exporter: {manifest.exporter}.",
        "",
        "## Accuracy",
        "",
        "`headway evaluate trajectory --data eth_ucy --protocol leave-one-out --json F`, metres:",
        "",
    ]
    lines += _accuracy(e)
    for noise, level in e.get("egocentric", {}).get("noise", {}).items():
        title = f"Seen by a walker with a 90 degree camera at 15 Hz, {100 * float(noise):g} cm of noise, 2.8 s ahead"
        lines += ["", f"{title} (`{e['egocentric']['command']}`):", "", *_moving(level)]
    if "kitti" in e:
        title = "KITTI pedestrians from a moving car, 2.8 s ahead, with and without odometry"
        lines += ["", f"{title} (`{e['kitti']['command']}`):", "", *_moving(e["kitti"])]
    lines += ["", _LIMITS]
    path = folder / "README.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _accuracy(e: object) -> list[str]:
    assert isinstance(e, dict)
    head = ["| scene | windows | ADE | FDE | minADE20 | minFDE20 |", "|---|---|---|---|---|---|"]
    if "held_out" in e:
        return [f"On `{e['held_out']}`, which this network has never seen:", "", *head, _row(e["held_out"], e)]
    rows = [_row(scene, values) for scene, values in e["leave_one_out"]["scenes"].items()]
    rows.append(_row("mean of scenes", e["leave_one_out"]["mean"]))
    cover = e["coverage"]
    inside = ", ".join(f"{scene} {100 * v:.1f} %" for scene, v in cover["by_scene"].items())
    return [
        e["note"],
        "",
        *head,
        *rows,
        "",
        "ADE and FDE are of the most likely path; constant velocity has 0.534 / 1.148 as the mean.",
        "",
        f"Radius at {100 * cover['nominal']:.0f} %: {100 * cover['measured']:.1f} % of people stayed inside for the "
        f"whole path, with radii calibrated on the other four scenes ({inside}).",
    ]


def _history(rounds: list[dict[str, Any]]) -> list[str]:
    if len(rounds) < 2:
        return []
    return [
        f"- Trained in {len(rounds)} runs, each from where the last one ended, while the training code was moving:"
        " the settings of each are in the manifest, the commands repeated today give another network."
    ]


def _moving(level: dict[str, Any]) -> list[str]:
    lines = ["| predictor | ADE | FDE | recall of conflicts | of those 1.5 s ahead | precision | false alarms/h |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, values in level["mean"].items():
        alerts = level["alerts"].get(name, {})
        cells = [alerts.get(k) for k in ("recall", "recall_in_time", "precision")]
        numbers = " | ".join("" if v is None else f"{v:.2f}" for v in cells)
        false = "" if alerts.get("false_per_hour") is None else f"{alerts['false_per_hour']:.0f}"
        lines.append(f"| {name} | {values['ade']:.3f} | {values['fde']:.3f} | {numbers} | {false} |")
    conflicts = level["alerts"]["headway"]["conflicts"]
    inside = 100 * level["coverage"]["measured"]
    return [*lines, "", f"{conflicts} conflicts; {inside:.1f} % of paths inside the {_nominal(level)} % radius."]


def _nominal(level: dict[str, Any]) -> str:
    return f"{100 * level['coverage']['nominal']:.0f}"


def _row(name: str, values: dict[str, float]) -> str:
    numbers = " | ".join(f"{values[k]:.3f}" for k in ("ade", "fde", "min_ade20", "min_fde20"))
    return f"| {name} | {values.get('windows', '')} | {numbers} |"
