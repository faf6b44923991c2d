"""`headway models`: what is installed, with hashes, accuracy and licence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from headway.errors import ModelError


def models(
    verify: Annotated[bool, typer.Option("--verify", help="Check every file against its SHA-256.")] = False,
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the list to this file.")] = None,  # noqa: UP045
) -> None:
    """What is installed: task, size, hash, accuracy, licence of the data."""
    from headway.runtime.engine import installed_models, model_folder
    from headway.runtime.manifest import read_manifest, verified_path

    rows, problems = [], []
    for name in installed_models():
        folder = model_folder(name)
        try:
            manifest = read_manifest(folder)
            if verify:
                for key in manifest.files:
                    verified_path(folder, manifest, key)
            state = "verified" if verify else "not checked"
            rows.append(
                {
                    "name": name,
                    "task": manifest.task,
                    "parameters": manifest.parameters,
                    "hash": manifest.hash,
                    "state": state,
                    "accuracy": manifest.evaluation.get("summary", ""),
                    "data_licence": manifest.data_licence,
                }
            )
        except ModelError as error:
            problems.append(str(error))
    console = Console(soft_wrap=True, highlight=False)
    for row in rows:
        console.print(f"[bold]{row['name']}[/]  {row['parameters']:,} parameters  {row['hash'][:12]}  {row['state']}")
        console.print(f"  accuracy: {row['accuracy'] or 'not recorded'}", markup=False)
        console.print(f"  data: {row['data_licence'] or 'not recorded'}", markup=False)
    if json_file:
        json_file.write_text(json.dumps({"models": rows, "problems": problems}, indent=1) + "\n", encoding="utf-8")
    if problems:
        raise ModelError("; ".join(problems))
