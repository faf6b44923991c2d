"""`headway export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from headway.errors import MissingDependencyError


def export(
    name: Annotated[str, typer.Argument(help="Installed model, or a model folder (a path with a /).")],
    to: Annotated[str, typer.Option(help="onnx, or tensorrt (an engine built ahead of time).")],
    out: Annotated[Path, typer.Option(help="Model folder to write; must not hold anything yet.")],
    precision: Annotated[
        str, typer.Option(help="fp32, or fp16 or int8 (made in the graph, measured before they are kept).")
    ] = "fp32",
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Labelled data for the accuracy gate: heads, or a tub. Default: the evaluation data."),
    ] = None,
    engines: Annotated[
        str,
        typer.Option(
            help="Engines that must pass the accuracy gate too, with commas: openvino-bf16, openvino-int8, ..."
        ),
    ] = "",
    opset: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Write the graphs in this older ONNX operator set: 17 for TensorRT 8.6 (JetPack 6.0)."),
    ] = None,
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="Keep a precision that loses more than the limits; recorded.")
    ] = False,
) -> None:
    """A model for a device: operators checked, precision measured, engine built."""
    from headway.report.terminal import lines, tables

    try:
        from headway.export.deliver import deliver
        from headway.export.gate import AccuracyLossError
    except ImportError as error:
        raise MissingDependencyError(f"'{error.name}' is not installed: pip install 'headway[export]'") from None
    console = tables()
    with console.status("exporting") as status:
        chosen = [engine for engine in engines.split(",") if engine]
        try:
            delivery = deliver(name, to, precision, out, data, allow_loss, chosen, opset, status.update)
        except AccuracyLossError as error:
            console.print(_gate_table(error.label, error.rows, error.data, "REFUSED"))
            raise
    for table in _tables(delivery):
        console.print(table)
    for note in delivery.notes:
        lines().print(note)


def _tables(delivery: Any) -> list[Any]:
    from rich.table import Table

    tables = []
    files = Table("file", "KiB", title=str(delivery.folder))
    files.columns[1].justify = "right"
    for name, size in delivery.files.items():
        files.add_row(name, f"{size / 1024:,.0f}")
    tables.append(files)
    if delivery.half:
        table = Table("precision", "layers", title="layers in the graph")
        table.add_row("FP16", str(len(delivery.half.half)))
        table.add_row("FP32", str(len(delivery.half.full)))
        table.add_row("of these by name", ", ".join(delivery.half.islands) or "none")
        tables.append(table)
    if delivery.int8:
        table = Table("precision", "layers", title=f"layers with weights, by {delivery.int8.tool}")
        table.add_row("INT8", str(len(delivery.int8.int8)))
        table.add_row("FP32", str(len(delivery.int8.full)))
        tables.append(table)
    if delivery.layers:
        table = Table("precision", "layers", title="layers of the network as TensorRT reads it, before they are fused")
        for name, count in delivery.layers.items():
            table.add_row(name, str(count))
        tables.append(table)
    for title, found, source in (
        ("ONNX against torch", delivery.torch_parity, delivery.parity_source),
        ("the graph for few people against the whole", delivery.few_parity, delivery.few_source),
        ("against fp32", delivery.parity, delivery.parity_source),
    ):
        if found:
            table = Table("output", "worst difference", title=f"{title}, on {source}")
            for name, worst in found.items():
                table.add_row(name, f"{worst:.3g}")
            tables.append(table)
    for label, rows in delivery.gates.items():
        tables.append(_gate_table(label, rows, delivery.gate_data, "ALLOWED by --allow-loss"))
    return tables


def _gate_table(label: str, rows: Any, data: str, failed: str) -> Any:
    from rich.table import Table

    table = Table("metric", "fp32", label, "loss", "limit", "", title=f"accuracy gate on {data}")
    for r in rows:
        numbers = (f"{r.reference:.4f}", f"{r.candidate:.4f}", f"{r.loss:+.3f} {r.unit}", f"{r.limit:g}")
        table.add_row(r.metric, *numbers, "passed" if r.passed else failed)
    return table
