"""report.html: one file with pictures, plots and tables, readable without a network and without a script."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2

from headway.annotate import Image
from headway.paths import write_text
from headway.report import plots
from headway.report.run import Run

PICTURE_WIDTH = 560
PICTURE_QUALITY = 82
ALERTS_SHOWN = 12  # the others are folded away

STYLE = """
:root{--ink:#1d2430;--soft:#5d6878;--line:#e2e6ec;--card:#fff;--page:#f4f6f9}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 24px 60px}
h1{font-size:26px;margin:0 0 2px}h2{font-size:17px;margin:0 0 10px}
p.sub{margin:0 0 20px;color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:0 0 18px;
  overflow-x:auto}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin:0 0 18px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.tile b{display:block;font-size:22px;font-weight:650;white-space:nowrap}.tile span{color:var(--soft);font-size:13px}
.bad b{color:#c22438}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;color:var(--soft);font-weight:550;border-bottom:1px solid var(--line);padding:5px 10px 5px 0}
td{border-bottom:1px solid var(--line);padding:6px 10px 6px 0;vertical-align:top}
td.n,th.n{text-align:right;padding-right:18px;font-variant-numeric:tabular-nums}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:12px}
figure{margin:0}figure img{width:100%;border-radius:6px;display:block}figcaption{color:var(--soft);font-size:13px}
svg{width:100%;height:auto;display:block;overflow:visible}
svg text{font-size:11px;fill:var(--soft)}svg .unit{font-size:11px}
svg .grid{stroke:var(--line);stroke-width:1}svg .empty{fill:#f0f2f5}svg rect{shape-rendering:crispEdges}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;color:var(--soft);font-size:13px;margin:4px 0 0 54px}
.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.note{background:#fff7e6;border-color:#f3ddb0}code{font-size:13px;background:#eef1f5;border-radius:4px;padding:1px 5px}
summary{color:var(--soft);cursor:pointer;padding:8px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
"""


def page(run: Run, content: Mapping[str, Any], pictures: Mapping[int, Image]) -> str:
    """The whole document. `content` is that of summary.json; `pictures` maps stamps to annotated images."""
    body = [
        f"<h1>headway {escape(run.title)}</h1>",
        f'<p class="sub">{escape(run.bag.name)} &middot; {escape(run.topics.image)} &middot; '
        f"{content['duration_s']:.1f} s</p>",
        _tiles(content),
        _warnings(content),
        section("Pictures", _pictures(run, pictures)) if pictures else "",
        section("Models", _models(content)),
        section("Alerts", _alerts(content)),
        *(section(title, drawing) for title, drawing in plots.all_plots(run) if drawing),
        _reasons("Frames without a full answer", content["frames"]["by_reason"]),
        _reasons("Frames whose risk was unsure", content["unsure"]),
        section("How this was made", _provenance(run, content)),
    ]
    return document(f"headway {run.title}: {run.bag.name}", body)


def document(title: str, body: Sequence[str]) -> str:
    """One HTML file out of finished parts; `title` is text, the parts are HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def write_page(path: Path, text: str) -> None:
    """Writes a finished document, see `write_text`. Half a surrogate pair (a file name that is no UTF-8) becomes
    \\udcf6 and the like."""
    write_text(path, text, errors="backslashreplace")


def section(title: str, inner: str, kind: str = "") -> str:
    """A card with a heading; `title` is text, `inner` is HTML."""
    return f'<section class="{kind}"><h2>{escape(title)}</h2>{inner}</section>'


def _tiles(content: Mapping[str, Any]) -> str:
    frames = content["frames"]
    alerts = len(content["alerts"])
    entries = [
        (frames["in"], "frames in", False),
        (frames["answered"], "answered by every task", False),
        (frames["dropped"], "not fully answered", frames["dropped"] > 0),
        (alerts, "alert" if alerts == 1 else "alerts", False),
    ]
    entries += [
        (f"{task['latency_ms']['p50']:.1f} ms", f"{name.replace('_', '-')}, median latency", False)
        for name, task in content["models"].items()
        if task["latency_ms"]["p50"] is not None
    ]
    tiles = (
        f'<div class="tile{" bad" if bad else ""}"><b>{v}</b><span>{escape(t)}</span></div>' for v, t, bad in entries
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _warnings(content: Mapping[str, Any]) -> str:
    lines = [f"Lost: {content['loss']}"] if content["loss"] else []
    lines += content["notes"]
    return section("Note", "".join(f"<div>{escape(line)}</div>" for line in lines), "note") if lines else ""


def _pictures(run: Run, pictures: Mapping[int, Image]) -> str:
    figures = []
    for stamp_ns, image in sorted(pictures.items()):
        source = f"data:image/jpeg;base64,{_jpeg(image)}"
        at = f"{run.seconds(stamp_ns):.2f} s"
        figures.append(
            f'<figure><img src="{source}" alt="annotated frame at {at}"><figcaption>{at}</figcaption></figure>'
        )
    return f'<div class="pictures">{"".join(figures)}</div>'


def _jpeg(image: Image) -> str:
    scale = PICTURE_WIDTH / image.shape[1]
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY])[1].tobytes()
    return base64.b64encode(data).decode()


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[int] = ()) -> str:
    """An HTML table; `numbers` are the columns that are set flush right. Cells are escaped."""

    def row(cells: Sequence[Any], tag: str) -> str:
        inner = (f"<{tag}{' class=n' if i in numbers else ''}>{escape(str(c))}</{tag}>" for i, c in enumerate(cells))
        return f"<tr>{''.join(inner)}</tr>"

    return f"<table>{row(columns, 'th')}{''.join(row(r, 'td') for r in rows)}</table>"


def _models(content: Mapping[str, Any]) -> str:
    def ms(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f}"

    rows = []
    for name, task in content["models"].items():
        latency, age = task["latency_ms"], task["age_ms"]
        counts = [task["in"], task["out"], task["dropped"]]
        times = [ms(latency["p50"]), ms(latency["p99"]), ms(age["p50"])]
        rows.append([name.replace("_", "-"), *counts, *times, task["saw"], task["hash"][:12]])
    columns = ["model", "in", "out", "not", "p50 ms", "p99 ms", "age ms", "what it saw", "SHA-256"]
    return table(columns, rows, range(1, 7))


def _alerts(content: Mapping[str, Any]) -> str:
    if not content["alerts"]:
        return "<div>None.</div>"
    rows = [
        [
            f"{a['start_s']:.2f}",
            f"{a['end_s'] - a['start_s']:.2f}",
            f"#{a['track_id']}",
            a["direction"],
            "-" if a["time_to_contact_s"] is None else f"{a['time_to_contact_s']:.1f}",
            f"{a['probability']:.2f}",
            a["reason"],
        ]
        for a in content["alerts"]
    ]
    # A row is a whole alert: the first contact, the probability and the reason were said at different moments of it.
    columns = ["from s", "for s", "person", "where", "soonest contact, s", "highest probability", "why (when it began)"]
    shown, rest = rows[:ALERTS_SHOWN], rows[ALERTS_SHOWN:]
    more = f"<details><summary>{len(rest)} more</summary>{table(columns, rest, (0, 1, 4, 5))}</details>" if rest else ""
    return table(columns, shown, (0, 1, 4, 5)) + more


def _reasons(title: str, frames: Mapping[str, int]) -> str:
    rows = [[count, reason] for reason, count in frames.items()]
    return section(title, table(["frames", "reason"], rows, (0,))) if rows else ""


def _provenance(run: Run, content: Mapping[str, Any]) -> str:
    machine = content["machine"]
    entries = {
        "command": f"<code>{escape(content['command'])}</code>",
        "input": escape(str(run.bag)),
        "output": escape(str(run.output)),
        "models": "<br>".join(f"{escape(n)} <code>{escape(h)}</code>" for n, h in sorted(run.hashes.items())),
        "machine": escape(f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"),
        "software": escape(f"Python {machine['python']}, ONNX Runtime {machine['onnxruntime']}"),
    }
    return f"<dl>{''.join(f'<dt>{k}</dt><dd>{v}</dd>' for k, v in entries.items())}</dl>"
