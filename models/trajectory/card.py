"""The model card, written from the manifest so that its numbers cannot drift from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headway.evaluate.egocentric import level_words
from headway.evaluate.published import PUBLISHED
from headway.runtime.manifest import Manifest

_LIMITS = """## Limits

- Learned from five recordings of students and shoppers seen from above, mostly walking at 0.5 to 2 m/s. Runners,
  cyclists, children and wheelchairs are hardly in them.
- The data hold ground positions measured from above. What a camera adds to that is simulated in training and in the
  calibration of the radius: white noise through the tracker's filter at 15 Hz, motion relative to the wearer, heads of
  other sizes (8 %) whose boxes jitter. In training jitter (0.3 to 2 pixels) and lens vary; the
  calibration knows 1.5 pixels and 90 degrees. Real cameras err in other ways too (see KITTI above).
- The settings of the training were found by looking at the scenes `eth` and `univ`, those of the memory at `hotel` as
  well, and those of ranges from the size of heads at `eth` and `hotel`: their rows are not wholly held out.
- It knows people only: no walls, kerbs or cars.
- Head directions in training are synthetic (the direction walked at that moment or next, with 25 degrees of error),
  because no recording that may be trained on has real ones.
- The people of the scene `eth` turn more and were measured less exactly than the others; a network that never saw it
  does worse there, and its radius covers far fewer of them than it says.
- Of the two shares of conflicts warned of, the first counts warnings that begin a single frame before contact, which
  help nobody: look at the second.
- The probability of a contact was fitted on wearers of these five scenes, where its calibration error (ECE) above is
  measured too. Judged on each scene by a fit on the other four it is 0.006 to 0.007 over all levels of noise together
  (`python tools/calibrate_contacts.py`).
- The memory steadies the forecasts at a small price in accuracy (table above); `forecast.memory_s: 0` switches it off.
"""


ROWS = ("headway", "heads-up", "line-fit", "constant-velocity", "headway-no-odometry")
"""Order of the predictors in a table; a manifest keeps none."""


def write_card(folder: Path, manifest: Manifest) -> Path:
    """Writes `folder`/README.md."""
    t, e = manifest.training, manifest.evaluation
    minutes = f"{t['minutes']} minutes on {t['machine']}"
    lines = [
        f"# {manifest.name}",
        "",
        "Forecasts the next 4.8 s (12 steps of 0.4 s) of up to 32 pedestrians at once from the last 3.2 s: 20 paths"
        " each, with probabilities, on the ground, in metres. The answer turns and shifts with the scene; for people"
        " who stand (less than 0.05 m a step) it shifts only.",
        "",
        f"- Network: {manifest.parameters:,} parameters; per-person MLP, dense masked attention over the neighbours,"
        " smooth offsets from constant velocity, attention of each mode over its last three forecasts (a ring buffer"
        " that the stage keeps). It is told how exact positions are and whether they are relative to a moving camera.",
        f"- Data: {t['data']}. {manifest.data_licence}.",
        f"- Training: `{t['command']}`, seed {t['settings']['seed']}, {minutes}; every 100 steps in `training.csv`.",
        *([f"- {t['history']}"] if t.get("history") else []),
        f"- Exporter: {manifest.exporter}.",
        "",
        "## Accuracy",
        "",
        "`headway evaluate trajectory --data eth_ucy --protocol leave-one-out --json F`, metres:",
        "",
    ]
    lines += _accuracy(e)
    if "memory" in e:
        lines += _memory(e["memory"])
    if "head_direction" in e:
        lines += _heads(e["head_direction"])
    for noise, level in e.get("egocentric", {}).get("noise", {}).items():
        title = f"Seen by a walker with a 90 degree camera at 15 Hz, {level_words(noise)}, 2.8 s ahead"
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
    return [
        e["note"],
        "",
        *head,
        *rows,
        *(_published(p) for p in PUBLISHED),
        "",
        "ADE and FDE are of the most likely path, the memory is empty: the protocol shows eight steps. Constant"
        " velocity has 0.534 / 1.148 as the mean.",
        "",
        *_coverage(e),
    ]


def _published(other: dict[str, Any]) -> str:
    return f"| {other['model']}: {other['source']} |  |  |  | {other['min_ade20']} | {other['min_fde20']} |"


def _coverage(e: dict[str, Any]) -> list[str]:
    nominal = 100 * e["coverage"]["nominal"]
    lines = [
        f"Coverage of the radius at {nominal:.0f} %, calibrated on the other four scenes: share of people (where a"
        " camera tracks them, of pairs of a camera and a person) whose whole path stays inside the radius of one person"
        " by themselves, and share of moments at which everybody scored is inside the radius for as many (drawn,"
        " by `forecast.together`, is that for as many as are followed, which is no narrower):",
        "",
        "| positions | each | all in view | each, by scene | all in view, by scene |",
        "|---|---|---|---|---|",
    ]
    names = {
        "coverage": "recorded from above",
        "coverage_relative": "tracked, relative to the wearer",
        "coverage_own": "tracked, with odometry",
        "coverage_relative_by_size": "ranges from the size of heads, relative to the wearer",
        "coverage_own_by_size": "ranges from the size of heads, with odometry",
    }
    for key, name in names.items():
        single, together = e[key], e[key]["together"]
        lines.append(
            f"| {name} | {100 * single['measured']:.1f} % | {100 * together['measured']:.1f} % "
            f"| {_scenes(single)} | {_scenes(together)} |"
        )
    return lines


def _scenes(found: dict[str, Any]) -> str:
    return ", ".join(f"{scene} {100 * v:.0f}" for scene, v in found["by_scene"].items())


def _memory(e: dict[str, Any]) -> list[str]:
    lines = [
        "",
        f"What the memory changes, seen by a walker (`{e['command']}`):",
        "",
        "| noise | ADE | FDE | minADE20 | minFDE20 | jump between successive forecasts |",
        "|---|---|---|---|---|---|",
    ]
    for noise, level in e["noise"].items():
        cells = [
            f"{level['without'][k]:.3f} -> {level['with'][k]:.3f} ({100 * level['change'][k]:+.1f} %)"
            for k in ("ade", "fde", "min_ade20", "min_fde20", "flicker_m")
        ]
        lines.append(f"| {100 * float(noise):g} cm | {' | '.join(cells)} |")
    return lines


def _heads(e: dict[str, Any]) -> list[str]:
    values = e["pooled"]
    cells = [
        f"{key} {1000 * values[key]['difference']:+.1f} mm ({1000 * values[key]['interval_95'][0]:+.1f} to "
        f"{1000 * values[key]['interval_95'][1]:+.1f})"
        for key in ("ade", "fde", "min_ade20", "min_fde20")
    ]
    return [
        "",
        f"Head direction, with minus without, {e['windows']} windows of univ, zara1 and zara2 (`{e['command']}`; 95 % "
        f"interval over people): {'; '.join(cells)}. The files hold displacements, not positions: what is tested is "
        "the direction in which the gaze point moves, and networks that learned from synthetic heads.",
    ]


def _moving(level: dict[str, Any]) -> list[str]:
    lines = [
        "| predictor | ADE | FDE | warned of before contact | 1.5 s and more before | precision | false alarms/h |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name in sorted(level["mean"], key=ROWS.index):
        values, alerts = level["mean"][name], level["alerts"].get(name, {})
        cells = [alerts.get(k) for k in ("recall", "recall_in_time", "precision")]
        numbers = " | ".join("" if v is None else f"{v:.2f}" for v in cells)
        false = "" if alerts.get("false_per_hour") is None else f"{alerts['false_per_hour']:.0f}"
        lines.append(f"| {name} | {values['ade']:.3f} | {values['fde']:.3f} | {numbers} | {false} |")
    own = level["alerts"]["headway"]
    seen = own.get("recall_in_time_seen_2s")
    in_sight = "" if seen is None else f", of those in sight for 2 s before {seen:.2f} warned of 1.5 s ahead"
    words = f"{own['conflicts']} conflicts{in_sight}. {_inside(level['coverage'])}"
    if contacts := level.get("contacts"):
        words += f" Probability of a contact: {_said(contacts)}"
        if contacts["out_of_view"]:
            words += f"; of who is out of view {_said(contacts['out_of_view'])}"
        words += "."
    return [*lines, "", words]


def _said(found: dict[str, Any]) -> str:
    """Whether the probability that was said is true."""
    return (
        f"{found['said']:.3f} said and {found['came']:.3f} came of {found['moments']} moments (ECE {found['ece']:.3f})"
    )


def _inside(cover: dict[str, Any]) -> str:
    """What the radius holds. The one drawn is for as many people as are followed, of whom some are out of sight, too
    new or gone too soon to be scored: it is wider than that for as many as are scored."""
    together, nominal = cover["together"], 100 * cover["nominal"]
    words = (
        f"At {100 * together['measured']:.1f} % of {together['moments']} moments everybody scored is inside the"
        f" {nominal:.0f} % radius for as many, and the whole path of {100 * cover['measured']:.1f} % of"
        f" {cover['people']} pairs of a camera and a person inside that for one person (`forecast.together: false`)."
    )
    if drawn := cover.get("drawn"):
        words += (
            f" The radius drawn is for all who are followed: at {100 * drawn['measured']:.1f} % of {drawn['moments']}"
            f" moments everybody scored is inside, and {100 * drawn['single']:.1f} % of single forecasts over 2.8 s."
        )
    return words


def _row(name: str, values: dict[str, float]) -> str:
    numbers = " | ".join(f"{values[k]:.3f}" for k in ("ade", "fde", "min_ade20", "min_fde20"))
    return f"| {name} | {values.get('windows', '')} | {numbers} |"
