"""`headway bench`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

PIPELINE, ALL = "pipeline", "all"


def bench(
    name: Annotated[str, typer.Argument(help="Installed model, 'pipeline', or 'all' of them in one run.")],
    engines: Annotated[str, typer.Option(help="Engines, with commas; default: all that this machine has.")] = "",
    rounds: Annotated[int, typer.Option(help="Turns of each engine.", min=10)] = 100,
    threads: Annotated[int, typer.Option(help="CPU threads of each engine.", min=1)] = 1,
    torch: Annotated[bool, typer.Option("--torch/--no-torch", help="A row of torch eager, if it is installed.")] = True,
    reference: Annotated[
        bool, typer.Option("--reference", help="Also the published S network at 1280 px in torch eager: slow.")
    ] = False,
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the numbers to this file.")] = None,  # noqa: UP045
) -> None:
    """Times of networks and of the whole pipeline on this machine, engines interleaved."""
    from headway.bench.crowd import bench_crowd
    from headway.bench.machine import machine, product_rate
    from headway.bench.networks import Bench, bench_network, not_run
    from headway.bench.pipeline import bench_pipeline
    from headway.cli.common import check_targets
    from headway.errors import EngineError, UsageError
    from headway.report.progress import bars
    from headway.report.terminal import tables
    from headway.runtime.engine import ENGINES
    from headway.runtime.model import installed_models

    known = [engine for engine in ENGINES if engine != "auto"]
    chosen = list(filter(None, engines.split(","))) or known
    unknown = [engine for engine in chosen if engine not in known]
    if unknown:
        raise UsageError(f"--engines: '{unknown[0]}' is none of {', '.join(known)}")
    check_targets(json_file)
    found, before = Bench(), {**machine(threads), "product_gflop_s": product_rate(threads)}
    networks = installed_models() if name == ALL else [] if name == PIPELINE else [name]
    console = tables()
    with _reporting(console, found, before, json_file), bars() as shown:
        for network in networks:
            with_reference = reference and (name != ALL or network == "head-pose")
            bench_network(found, network, chosen, rounds, threads, torch, with_reference, _bar(shown, network))
        if name in (PIPELINE, ALL):
            bench_pipeline(found, chosen, rounds, threads, _bar(shown, PIPELINE))
            ran = [row["engine"] for row in found.rows if row["name"] == PIPELINE]
            if ran:
                bench_crowd(found, ran[0], max(rounds // 2, 20), threads, _bar(shown, "crowd"))
        if not found.rows:
            raise EngineError(f"nothing was measured: {'; '.join(not_run(found.skipped, found.rows))}")


@contextmanager
def _reporting(console: Any, found: Any, before: Mapping[str, Any], json_file: Path | None) -> Iterator[None]:
    """Prints and writes what was measured, also where something ends the run before its time."""
    from headway.errors import HeadwayError

    try:
        yield
    except (HeadwayError, KeyboardInterrupt) as error:
        found.skipped["the rest"] = str(error) or "interrupted"
        raise
    finally:
        if found.rows:
            _report(console, found, before, json_file)


def _report(console: Any, found: Any, before: Mapping[str, Any], json_file: Path | None) -> None:
    import os

    from headway.cli.common import command
    from headway.json_files import write_json
    from headway.runtime.gpu import gpu_clocks

    content: dict[str, Any] = {
        "rows": found.rows,
        "ratios": found.ratios,
        "pipeline": found.pipeline,
        "inputs": found.inputs,
        **({"parity": found.parity} if found.parity else {}),
        "skipped": found.skipped,
        "machine": {**before, "load_1min_after": os.getloadavg()[0], "gpu_clocks": gpu_clocks()},
        "command": command(),
    }
    _print(console, content)
    if json_file:
        write_json(json_file, content)


def _bar(bars: Any, label: str) -> Callable[[int, int], None]:
    task = bars.add_task(label, total=None)
    return lambda done, total: bars.update(task, completed=done, total=total)


def _parity(parity: Any) -> Any:
    from rich.table import Table

    table = Table("network", "engine", "column", "worst", "score", "tolerance", title="difference to onnxruntime")
    for name, engines in parity.items():
        for engine, found in engines.items():
            for column, c in found["columns"].items():
                tolerance = f"{c['tolerance']:g} {c['unit']}" if "tolerance" in c else ""
                score = f"{c['score']:.2f}" if "score" in c else ""
                table.add_row(name, engine, column, f"{c['worst']:.2g}", score, tolerance)
    return table


def _print(console: Any, content: dict[str, Any]) -> None:
    from rich.table import Table

    from headway.bench.networks import not_run
    from headway.bench.parity import outside
    from headway.report.terminal import lines, marked

    machine = content["machine"]
    title = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} thread(s), load {machine['load_1min']:.1f}"
    )
    names = ("network", "engine", "precision", "p50 ms", "p95 ms", "p99 ms", "CPU p50 ms", "GFLOP/s", "calls")
    table = Table(*names, title=title)
    for column in table.columns[3:]:
        column.justify = "right"
    for r in content["rows"]:
        times = [f"{r[k]:.2f}" for k in ("p50_ms", "p95_ms", "p99_ms")]
        cpu = f"{r['cpu_p50_ms']:.2f}" if "cpu_p50_ms" in r else ""
        rate = f"{r['gflop_s']:.0f}" if "gflop_s" in r else ""
        table.add_row(r["name"], r["engine"], r["precision"], *times, cpu, rate, str(r["calls"]))
    console.print(table)
    if machine["product_gflop_s"]:
        console.print(f"a large fp32 matrix product here: {machine['product_gflop_s']:.0f} GFLOP/s")
    for engine, found in content["pipeline"].items():
        if "stages" not in found:
            continue
        stages = Table("stage", "p50 ms", "p99 ms", "share", title=f"pipeline on {engine}")
        for stage, values in found["stages"].items():
            stages.add_row(stage, f"{values['p50_ms']:.2f}", f"{values['p99_ms']:.2f}", f"{values['share']:.1%}")
        stages.add_row(
            "not network", f"{found['outside_network_p50_ms']:.2f}", "", f"{found['outside_network_share']:.1%}"
        )
        console.print(stages)
    if content.get("parity"):
        console.print(_parity(content["parity"]))
    if content["ratios"]:
        ratios = Table("ratio", "", title="ratios of medians in this run")
        for label, value in content["ratios"].items():
            ratios.add_row(label, f"{value:.2f}")
        console.print(ratios)
    for line in outside(content.get("parity", {})):
        lines().print(marked("outside its tolerance:", "bold red", line))
    for line in not_run(content["skipped"], content["rows"]):
        lines().print(f"not run: {line}")
    if machine["load_1min"] > 0.5 * machine["cores"]:
        lines().print(
            f"other programs share the cores (load {machine['load_1min']:.1f} on {machine['cores']}): "
            "wall times are too long; ratios of CPU time hold"
        )
