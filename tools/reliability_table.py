"""Writes a table of docs/reliability.md from the JSON that a tool left: faults, soak or transport, whichever it is.

Usage: python tools/reliability_table.py FILE docs/reliability.md

FILE is that of `headway replay BAG --out DIR --fault all --json FILE`, `tools/soak.py --json FILE`,
`tools/transport.py --json FILE` or `make test-nightly` (out/fuzz.json and the out/fuzz-*.json beside it).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def main() -> None:
    """Replaces what stands between the markers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("page", type=Path)
    arguments = parser.parse_args()
    file, path = arguments.file, arguments.page
    content = json.loads(file.read_text(encoding="utf-8"))
    kind, made = ("faults", faults) if "tried" in content else ("transport", transport) if "size" in content else (
        "soak", soak)  # fmt: skip
    if kind == "transport":
        kind = file.stem  # runs under several conditions stand side by side
    if "rows" in content and "tried" not in content and "examples" in content["rows"][0]:
        kind, made = "fuzz", fuzz
        for more in sorted(file.parent.glob("fuzz-*.json")):  # what atheris tried
            content["rows"] += json.loads(more.read_text(encoding="utf-8"))["rows"]
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- begin {kind} -->", f"<!-- end {kind} -->"
    if begin not in text or end not in text:
        raise SystemExit(f"{path} has no '{begin}' ... '{end}'")
    before, rest = text.split(begin, 1)
    table = "\n".join(made(content))
    path.write_text(f"{before}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def fuzz(content: dict[str, Any]) -> list[str]:
    """One row a target."""
    lines = ["| target | examples | what became of them |", "|---|---|---|"]
    for row in content["rows"]:
        ends = [(n, what) for what, n in row.items() if what not in ("target", "examples", "peak_mib")]
        told = ", ".join(f"{n:,} {what}" for n, what in sorted(ends, reverse=True))
        lines.append(f"| {row['target']} | {row['examples']:,} | {told} |")
    return lines


def faults(content: dict[str, Any]) -> list[str]:
    """One row a fault."""
    lines = [
        f"{content['tried']} faults tried on `{content['bag']}`, {content['kept']} kept all promises.",
        "",
        "| fault | messages changed | found after (periods) | what was said | safe | recovered (s) | kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in content["rows"]:
        periods = "-" if row["periods"] is None else f"{row['periods']:.1f}"
        back = "-" if row["recovered_s"] is None else f"{row['recovered_s']:.2f}"
        said, safe = row["said"].split(";")[0] or "-", row["unsafe"] or row["safe"]
        kept = "yes" if row["kept"] else "NO"
        lines.append(f"| {row['fault']} | {row['changed']} | {periods} | {said} | {safe} | {back} | {kept} |")
    return lines


def transport(content: dict[str, Any]) -> list[str]:
    """One row a node and rate."""
    wide, high = content["size"]
    lines = [
        *where(content, content["machine"], f", {content['load_1min_after']:.1f} after"),
        "",
        f"| {wide}x{high} bgr8 to | Hz | sent | received | answered | replaced by a newer | RSS growth / private | "
        "received at min / max ms | max/min | relative sd | waited p99 ms | age p50 / p99 / max ms | "
        "answered at min / max ms | max/min | relative sd | broken |",
        "|---" * 16 + "|",
    ]
    for row in content["rows"]:
        age = row["age_ms"]
        grown = row["rss_growth"], row.get("private_growth")
        growth = " / ".join("-" if v is None else f"{100 * v:.1f} %" for v in grown)
        lines.append(
            f"| `{row['node']}` | {row['rate_hz']:g} | {row['sent']:,} | {row['received']:,} | {row['answered']:,} | "
            f"{sum(row['dropped'].values()):,} | {growth} | {regularity(row.get('received_interval_ms'))} | "
            f"{row['waited_ms']['p99']:.1f} | {age['p50']:.1f} / {age['p99']:.1f} / {age['max']:.1f} | "
            f"{regularity(row['interval_ms'])} | "
            f"{'; '.join(row['broken']) or '-'} |"
        )
    return lines


def regularity(spans: dict[str, float] | None) -> str:
    """Three cells; dashes where a run of before did not measure it."""
    if not spans:
        return "- | - | -"
    return f"{spans['min']:.1f} / {spans['max']:.1f} | {spans['max_over_min']:.2f} | {spans['relative_sd']:.2f}"


def soak(content: dict[str, Any]) -> list[str]:
    """The live graph node by node, then the cycles and the ends."""
    live, cycles, ends = content["live"], content["cycles"], content["ends"]
    lines = [
        *where(live, live["machine"]),
        "",
        f"{live['frames']:,} frames in {live['seconds']:g} s. Most that was logged within 25 s: "
        f"{live['log_bytes_per_25_s']:,} bytes (limit 350,000).",
        "",
        "| node | messages | answered | dropped | lost | age p50 / p99 / max ms "
        "| RSS MiB | growth | threads | handles |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in live["nodes"].items():
        age = row["age_ms"]
        lines.append(
            f"| `{name}` | {row['sent']:,} | {row['answered']:,} | {sum(row['dropped'].values()):,} | {row['lost']} | "
            f"{age['p50']:.1f} / {age['p99']:.1f} / {age['max']:.1f} | {process(row)} |"
        )
    return [
        *lines,
        "",
        f"{cycles['cycles']} lifecycle cycles of `headway` in {cycles['seconds']:.0f} s, one answer in each:",
        "",
        "| RSS MiB | growth | threads | handles |",
        "|---|---|---|---|",
        f"| {process(cycles)} |",
        "",
        f"SIGTERM at {ends['count']} random moments (seed {ends['seed']}, {ends['between_s'][0]:g} to "
        f"{ends['between_s'][1]:g} s after the start): {ends['clean']} ended cleanly; "
        f"{ends['messages_read_back']:,} messages were read back from the bags "
        f"({ends['without_messages']} runs were ended before the first one).",
    ]  # fmt: skip


def process(row: dict[str, Any]) -> str:
    """Cells on what became of a process, first and last."""
    pairs = [f"{row[key][0]} -> {row[key][1]}" for key in ("rss_mib", "threads", "handles")]
    return f"{pairs[0]} | {100 * row['rss_growth']:.1f} % | {pairs[1]} | {pairs[2]}"


def where(content: dict[str, Any], machine: dict[str, Any], more: str = "") -> list[str]:
    """Command and machine."""
    return [
        f"Command: `{content['command']}`. Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}, "
        f"load {machine['load_1min']:.1f} before{more}."
    ]


if __name__ == "__main__":
    main()
