"""`headway models`: what is installed, with hashes, signatures, accuracy and licence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from headway.errors import ModelError, UsageError
from headway.report.terminal import lines, marked


def models(
    public_key: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(
            metavar="[PUBKEY]", help="With --verify: the Ed25519 public key (PEM) that must have signed them."
        ),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check every file against its SHA-256.")] = False,
    sign: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--sign", metavar="KEY", help="Sign with this Ed25519 private key (PEM)."),
    ] = None,
    model: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--model", help="Only this one (name, or path of a model folder); may be repeated."),
    ] = None,
    json_file: Annotated[Optional[Path], typer.Option("--json", help="Write the list to this file.")] = None,  # noqa: UP045
) -> None:
    """What is installed: task, size, hash, signature, accuracy, licence of the data."""
    from headway.paths import weights_dir
    from headway.runtime.model import installed_models

    if public_key and not verify:
        raise UsageError(f"{public_key}: a public key goes with --verify")
    rows, problems = [], []
    for name in model or installed_models():
        try:
            rows.append(_row(name, verify, public_key, sign))
        except ModelError as error:
            problems.append(str(error))
    console = lines()
    for row in rows:
        text = f" {row['parameters']:,} parameters  {row['hash'][:12]}  {row['state']}"
        console.print(marked(row["name"], "bold", text))
        console.print(f"  accuracy: {row['accuracy'] or 'not recorded'}")
        console.print(f"  data: {row['data_licence'] or 'not recorded'}")
    if json_file:
        from headway.json_files import write_json

        write_json(json_file, {"models": rows, "problems": problems})
    if not rows and not problems:
        problems.append(f"no model in {weights_dir()}")
    if problems:
        raise ModelError("; ".join(problems))


def _row(name: str, verify: bool, public_key: Path | None, private_key: Path | None) -> dict[str, Any]:
    """One model, checked and signed as asked. Raises ModelError, and UsageError for a key that is none."""
    from headway.runtime.manifest import read_manifest, sign_manifest, signature_file, verified_path
    from headway.runtime.model import model_folder

    folder = model_folder(name)
    if private_key:
        sign_manifest(folder, private_key)
    manifest = read_manifest(folder, public_key)
    if verify:
        for key in manifest.files:
            verified_path(folder, manifest, key)
    signed = "signed now" if private_key else "signed" if signature_file(folder).is_file() else "not signed"
    return {
        "name": name,
        "task": manifest.task,
        "parameters": manifest.parameters,
        "hash": manifest.hash,
        "state": f"{'verified' if verify else 'not checked'}, {'signature verified' if public_key else signed}",
        "accuracy": manifest.evaluation.get("summary", ""),
        "data_licence": manifest.data_licence,
    }
