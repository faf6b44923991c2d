"""Writes the table of docs/reliability.md from the JSON of `headway replay BAG --out DIR --fault all --json FILE`.

Usage: python tools/reliability_table.py FILE docs/reliability.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

BEGIN, END = "<!-- begin faults -->", "<!-- end faults -->"


def table(content: dict) -> str:
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
    return "\n".join(lines)


def main() -> None:
    """Replaces what stands between the markers."""
    content = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    path = Path(sys.argv[2])
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{path} has no '{BEGIN}' ... '{END}'")
    before, rest = text.split(BEGIN, 1)
    path.write_text(f"{before}{BEGIN}\n{table(content)}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
