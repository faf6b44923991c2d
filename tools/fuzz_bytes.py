"""Coverage-guided fuzzing of what reads bytes from outside: the image decoder and the manifest reader.

    python tools/fuzz_bytes.py image --runs 100000
    python tools/fuzz_bytes.py manifest --runs 100000 --json out/fuzz-manifest.json

Needs atheris (extra `fuzz`: wheels for x86-64 and Python 3.10 to 3.13, none for aarch64). The Python code of headway
and of json is instrumented; OpenCV's decoders are native and are run, not steered. A finding ends the run with a
traceback and leaves the bytes in a file `crash-*` of the working directory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

try:
    import atheris
except ImportError:
    sys.exit("error: atheris is not installed: pip install 'headway[fuzz]' (x86-64, Python 3.10 to 3.13)")

with atheris.instrument_imports(include=["headway", "json"]):
    from headway.errors import FrameError, ModelError
    from headway.image_size import PIXEL_LIMIT
    from headway.images import ENCODINGS, decode_image
    from headway.runtime.manifest import FILE_NAME, read_manifest, verified_path

import cv2
import numpy as np

outcomes: Counter[str] = Counter()
SUFFIXES = (".jpg", ".png", ".webp", ".bmp")


def image(data: bytes) -> None:
    """Either kind of image message: fields and pixels from `data`."""
    source = atheris.FuzzedDataProvider(data)
    if source.ConsumeBool():
        message = SimpleNamespace(format="jpeg", data=source.ConsumeBytes(1 << 20))
    else:
        names = [*ENCODINGS, "bayer_rggb8", ""]
        message = SimpleNamespace(
            encoding=names[source.ConsumeIntInRange(0, len(names) - 1)],
            height=source.ConsumeIntInRange(0, 2**32 - 1) if source.ConsumeBool() else source.ConsumeIntInRange(0, 40),
            width=source.ConsumeIntInRange(0, 2**32 - 1) if source.ConsumeBool() else source.ConsumeIntInRange(0, 40),
            step=source.ConsumeIntInRange(0, 2**32 - 1) if source.ConsumeBool() else source.ConsumeIntInRange(0, 400),
            data=source.ConsumeBytes(1 << 20),
        )
    try:
        pixels = decode_image(message)
    except FrameError:
        outcomes["refused"] += 1
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.shape[0] * pixels.shape[1] <= PIXEL_LIMIT
    outcomes["decoded"] += 1


def manifest_reader(folder: Path) -> Callable[[bytes], None]:
    """Reads `data` as the manifest of a model folder."""
    (folder / "m.onnx").write_bytes(b"network")

    def read(data: bytes) -> None:
        (folder / FILE_NAME).write_bytes(data)
        try:
            manifest = read_manifest(folder)
        except ModelError:
            outcomes["refused"] += 1
            return
        for key in manifest.files:
            try:
                assert verified_path(folder, manifest, key).resolve().parent == folder.resolve()
            except ModelError:
                continue
        outcomes["read"] += 1

    return read


def seeds(target: str, folder: Path) -> None:
    """Good inputs to start from: pictures of every kind, a shipped manifest."""
    if target == "image":
        pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
        for suffix in SUFFIXES:
            # FuzzedDataProvider takes numbers from the end: a last byte of 1 means "compressed".
            (folder / f"seed{suffix}").write_bytes(cv2.imencode(suffix, pixels)[1].tobytes() + b"\x01")
        (folder / "seed.raw").write_bytes(bytes(600))
    else:
        from headway.paths import weights_dir

        raw = json.loads((weights_dir() / "driving" / FILE_NAME).read_text(encoding="utf-8"))
        (folder / "whole").write_text(json.dumps(raw), encoding="utf-8")
        small = {k: {} if k in ("training", "evaluation", "config") else v for k, v in raw.items()}
        (folder / "small").write_text(json.dumps(small, separators=(",", ":")), encoding="utf-8")


def main() -> None:
    """Never returns: the process ends once `runs` examples were tried, and says what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=("image", "manifest"))
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    given = parser.parse_args()
    work = tempfile.TemporaryDirectory(prefix="headway-fuzz-")
    corpus, desk = Path(work.name) / "corpus", Path(work.name) / "desk"
    corpus.mkdir()
    desk.mkdir()
    seeds(given.target, corpus)
    start = time.monotonic()

    target = image if given.target == "image" else manifest_reader(desk)

    def counted(data: bytes) -> None:
        target(data)
        if sum(outcomes.values()) < given.runs:
            return
        row = {"target": f"atheris {given.target}", "examples": given.runs, **outcomes}
        print(f"fuzz: {row}, {time.monotonic() - start:.0f} s", flush=True)
        if given.json:
            given.json.write_text(json.dumps({"rows": [row]}, indent=1) + "\n", encoding="utf-8")
        work.cleanup()
        os._exit(0)  # libFuzzer has no other end that leaves Python time to speak

    options = ["-max_len=16384", "-rss_limit_mb=2048", "-timeout=20", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], counted)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
