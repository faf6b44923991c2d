"""The bundled bag's output against the reference in the repository: which fields moved, and by how much.

python tools/reference_output.py              # compare; exit code 1 where a field left its tolerance
python tools/reference_output.py --renew      # take what comes out now as the reference, and say what moved
python tools/reference_output.py --engine openvino      # how far another engine is from it
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from headway.bench.machine import machine
from headway.errors import HeadwayError
from headway.evaluate.reference_output import Output, broken, compare, load, read_output, save, table
from headway.node_config import HeadwayNodeConfig
from headway.node_config import load as configured
from headway.paths import sample_dir
from headway.replay import replay
from headway.runtime.manifest import read_manifest, sha256
from headway.runtime.model import model_folder

BAG = "street-vehicle.mcap"
REFERENCE = Path(__file__).parents[1] / "tests" / "reference" / "street-vehicle.npz.xz"
SHARE = 0.02
"""Share of a field's values that may leave the tolerance: another CPU rounds differently, and a head whose score is at
the threshold is then in or out."""


def replayed(engine: str = "onnxruntime") -> Output:
    """The bundled bag through the models as they are installed, with the launch files' parameters."""
    config = replace(configured(HeadwayNodeConfig(), "headway"), engine=engine)
    with tempfile.TemporaryDirectory() as folder:
        bag, output = sample_dir() / BAG, Path(folder) / "output.mcap"
        replay(bag, output, config)
        return read_output(output, about(bag, config, engine))


def about(bag: Path, config: HeadwayNodeConfig, engine: str) -> dict[str, Any]:
    """What the output depends on."""
    names = (config.models.head_pose, config.models.trajectory, config.models.driving)
    return {
        "bag": bag.name,
        "bag_sha256": sha256(bag),
        "models": {name: read_manifest(model_folder(name)).hash for name in names if name},
        "engine": engine,
        "machine": machine(config.threads),
    }


def changed(reference: Output, output: Output) -> list[str]:
    """What the two outputs were made with and do not share."""
    said = []
    if reference.about["bag_sha256"] != output.about["bag_sha256"]:
        said.append("another recording")
    before, now = reference.about["models"], output.about["models"]
    for name in dict.fromkeys([*before, *now]):
        a, b = before.get(name, "none"), now.get(name, "none")
        if a != b:
            said.append(f"model {name} {a[:12]} -> {b[:12]}")
    return said


def main() -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renew", action="store_true", help="write the reference anew")
    parser.add_argument("--engine", default="onnxruntime", help="inference engine")
    given = parser.parse_args()
    output = replayed(given.engine)
    reference = load(REFERENCE) if REFERENCE.is_file() else None
    if reference:
        moved = compare(reference, output)
        print("\n".join([*changed(reference, output), *table(moved)]))
        left = broken(moved, SHARE)
    if given.renew:
        save(output, REFERENCE)
        print(f"{REFERENCE.name}: {REFERENCE.stat().st_size:,} bytes written")
        return 0
    if reference is None:
        print(f"{REFERENCE} does not exist: make it with --renew")
        return 1
    if left:
        print(f"{len(left)} fields are outside their tolerance\nmeant so? python tools/reference_output.py --renew")
    return 1 if left else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HeadwayError as error:
        sys.exit(f"error: {error}")
