"""From rendered folders to a model folder: train, export, evaluate, card. `headway train head-pose` calls `produce`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headway.errors import UsageError
from headway.evaluate.by_eye import BUNDLED, evaluate_by_eye
from headway.evaluate.fsanet import peer_report
from headway.evaluate.head_formats import read_labels
from headway.evaluate.head_labels import HeadLabels
from headway.evaluate.head_pose import AP_SCORE, best_threshold, evaluate_folder, predict, read_image
from headway.export.package import package_model
from headway.models.head_pose.blend import draw_back
from headway.models.head_pose.card import write_card
from headway.models.head_pose.config import COLUMNS, NAMES, SIZES, LossConfig, TrainConfig
from headway.models.head_pose.crops import HEAD_SIZED_SHARE, SMALLEST_SIZED_PX, Sampler
from headway.models.head_pose.cutouts import Cutout, load_cutouts
from headway.models.head_pose.data import ImageCache
from headway.models.head_pose.decode import Exported
from headway.models.head_pose.distil import choose_mix, load_network
from headway.models.head_pose.fit import LOG_FILE, Limit, Run, has_bfloat16
from headway.models.head_pose.network import HeadPoseNet
from headway.models.head_pose.photos import load_photos
from headway.models.head_pose.pseudo import Lessons
from headway.models.head_pose.team import Team, lead
from headway.models.render.annotations import on_streets
from headway.paths import data_dir
from headway.runtime.manifest import Manifest, TensorSpec, file_entries, read_manifest, write_manifest
from headway.runtime.model import open_model
from headway.stages.heads import HeadConfig, HeadStage
from headway.stages.letterbox import Letterbox

TASK = "head-pose"
NESTED_FROM_PX = 64
"""Pixels of the input: of boxes of this size and more, one inside another is a part of a head (stages/nms.py)."""
CARD, ABLATIONS = "README.md", "ablations.json"
RENDERED = "rendered by headway from anny bodies (CC0 data, Apache-2.0 code)"
NOBODY_REAL = "no photograph of a real person"

Report = Callable[[float, dict[str, float]], None]


@dataclass(frozen=True)
class Order:
    """One call of `headway train head-pose`.

    work: folder of the cache and the checkpoints; a run there is resumed. init: model folder whose weights the run
    starts from, None for a start from scratch; keep: their share in what is written (see blend.py). device: cpu or
    cuda. jobs: on a CPU processes that train together (see team.py), each with batches of the size that the
    configuration names; on a GPU processes that make the pictures for it (see feed.py). teacher: model folder of a
    larger network (see distil.py).
    """

    data: Path
    validation: Path
    out: Path
    work: Path
    limit: Limit
    config: TrainConfig
    height: int = 384
    width: int = 512
    command: str = ""
    init: Path | None = None
    keep: float = 0.0
    jobs: int = 1
    size: str = "small"
    teacher: Path | None = None
    device: str = "cpu"
    loss: LossConfig = field(default_factory=LossConfig)

    @property
    def name(self) -> str:
        """Of the model."""
        return NAMES[self.size]


def produce(order: Order, report: Report | None = None) -> dict[str, Any]:
    """Trains (or goes on training), writes the model folder, and returns its evaluation."""
    labels, judging = read_labels(order.data), read_labels(order.validation)  # both now: later is too late
    if shared := {p.resolve() for p in judging.images} & {p.resolve() for p in labels.images}:
        raise UsageError(
            f"{len(shared)} pictures of {order.validation} are in {order.data} too: what was learned cannot judge; "
            "`headway render people --split val` makes others"
        )
    ImageCache(labels, order.work / "cache")  # made once, before the others look for it
    with lead(1 if order.device == "cuda" else order.jobs, order.work, assist, order) as team:
        run = begin(order, labels, team)
        order.out.mkdir(parents=True, exist_ok=True)
        run.fit(report)
    return export(order, run, labels)


def assist(team: Team, order: Order) -> None:
    """What a process that is not the leader does: the same steps, on other pictures."""
    begin(order, read_labels(order.data), team).fit()


def begin(order: Order, labels: HeadLabels, team: Team) -> Run:
    """The run as it stood when it was stopped, or at its start."""
    run = prepare(order, labels, load_cutouts() if order.config.photo_share > 0 else [], team)
    if order.config.teach_each:
        run.lessons = Lessons(load_photos(), order.config, team.rank, min(run.workers, 2))
    if order.teacher:
        run.teacher = load_network(order.teacher).to(run.device)
    if not run.resume() and order.init:
        run.start_from(_weights(order.init))
    if order.device == "cuda" and run.device.type != "cuda" and run.limit.progress(run.elapsed_s, run.step) < 1.0:
        raise UsageError("--device cuda: torch finds no CUDA device here, and there is training left to do")
    return run


def prepare(order: Order, labels: HeadLabels, cutouts: list[Cutout], team: Team | None = None) -> Run:
    """The run with its two streams of pictures."""
    team = team or Team()
    c, images = order.config, ImageCache(labels, order.work / "cache")

    def stream(
        size: int, around_heads: bool, sized: tuple[float, float] = (HEAD_SIZED_SHARE, SMALLEST_SIZED_PX)
    ) -> Sampler:
        return Sampler(
            images,
            labels,
            size,
            np.random.default_rng([c.seed, size, team.rank]),
            around_heads=around_heads,
            minimum_visibility=c.minimum_visibility,
            cutouts=cutouts,
            cutout_share=c.photo_share,
            distractor_share=0.0 if around_heads else c.distractor_share,
            sized_share=sized[0],
            sized_from_px=sized[1],
        )

    return Run(
        c,
        order.limit,
        order.work,
        stream(c.crop_size, True),
        stream(c.frame_size, False),
        team=team,
        larges=stream(c.large_size, False, (1.0, c.large_from_px)) if c.large_each else None,
        shape=replace(SIZES[order.size], taught=order.teacher is not None),
        loss=order.loss,
        init=_fingerprint(order.init),
        taught_by=_fingerprint(order.teacher),
        device=torch.device(order.device if torch.cuda.is_available() else "cpu"),  # a run that is over needs no GPU
        workers=order.jobs if order.device == "cuda" else 0,
        bfloat16=order.device == "cuda" or has_bfloat16(),
    )


def export(order: Order, run: Run, labels: HeadLabels) -> dict[str, Any]:
    """Writes weights, ONNX, log, card and manifest, the last two with what the written model scores."""
    network: HeadPoseNet = run.average.network.cpu()  # type: ignore[assignment]  # an average is of any module
    if order.init and order.keep:
        draw_back(network, _weights(order.init), order.keep)
    distilled = _distilled(order, network)
    shutil.copyfile(order.work / LOG_FILE, order.out / LOG_FILE)
    sample = Letterbox(order.height, order.width)(read_image(read_labels(order.validation).images[0]))
    exported = Exported(network, order.height, order.width)
    package_model(
        order.out,
        order.name,
        TASK,
        network,
        {"image": sample},
        {"image": TensorSpec((1, order.height, order.width, 3), "uint8", "NHWC", "BGR")},
        {"candidates": TensorSpec((1, exported.rows, 15), columns=COLUMNS)},
        exported=exported,
        config={
            "rotation": "relative to the viewing ray",
            "log_sigma": "ln of the expected geodesic error in radians",
            "nested_from_px": NESTED_FROM_PX,
        },
        training={
            "command": order.command,
            **_history(order.init),
            "seconds": round(run.elapsed_s),
            "steps": run.step,
            "pictures": run.pictures,
            "kept": order.keep,
            "jobs": order.jobs,
            "device": order.device,
            "cores": os.cpu_count(),
            "data": f"{len(labels.images)} rendered images with {len(labels)} heads"
            + (f", {streets} of the images on rendered streets" if (streets := on_streets(order.data)) else "")
            + ("; head cut-outs of openpeople P001-P007" if order.config.photo_share > 0 else "")
            + ("; pictures of openpeople P001-P007, unlabelled" if order.config.teach_each else ""),
            "network": asdict(run.shape),
            **distilled,
            "settings": asdict(order.config),
            "loss": asdict(run.loss),
        },
        evaluation={},
        data_licence=_data_licence(order),
    )
    return finish(order.out, order.validation)


def _fingerprint(folder: Path | None) -> str | None:
    return read_manifest(folder).files["weights"].sha256[:12] if folder else None


def _weights(folder: Path) -> Path:
    return folder / read_manifest(folder).files["weights"].path


def _distilled(order: Order, network: HeadPoseNet) -> dict[str, Any]:
    """Chooses how much of the taught rotation is answered, for the manifest; nothing without a teacher."""
    if order.teacher is None:
        return {}
    labels = _third(read_labels(order.validation))
    errors = choose_mix(network, ImageCache(labels, order.work / "cache"), labels, order.config.crop_size)
    teacher = read_manifest(order.teacher)
    said = {"teacher": teacher.name, "teacher_parameters": teacher.parameters, "share": float(network.mix)}
    return {"distillation": said | {"crop_error_deg": errors}}


def _data_licence(order: Order) -> str:
    """Of all that the weights come of: what this run learned from, and what the networks that it began with or was
    taught by had learned from."""
    learned = (("heads", order.config.photo_share > 0), ("pictures", order.config.teach_each > 0))
    used = " and ".join(name for name, on in learned if on)
    own = RENDERED + (f"; {used} of openpeople P001-P007 (MIT)" if used else "") + f"; {NOBODY_REAL}"
    before = [read_manifest(folder).data_licence for folder in (order.init, order.teacher) if folder]
    return "; before that, ".join(dict.fromkeys([own, *before]))


def _history(init: Path | None) -> dict[str, str]:
    """What came before a run that started from trained weights, in words."""
    if init is None:
        return {}
    before = read_manifest(init).training
    start = f"This run began with the weights of an earlier one ({before['seconds']} s, {before['pictures']:,} pictures"
    return {"history": f"{start}, `{before['command']}`). {before.get('history', '')}".rstrip()}


def finish(out: Path, validation: Path) -> dict[str, Any]:
    """Finds the threshold, evaluates the written folder as a device would load it, writes card and manifest."""
    model = str(out.resolve())
    manifest = _with_threshold(out, validation)
    write_manifest(out, manifest)
    evaluation: dict[str, Any] = {"rendered": evaluate_folder(validation, model)}
    root = data_dir()
    real = root / "real_heads" if root else None
    if real and real.is_dir():
        evaluation["real_heads"] = evaluate_folder(real, model)
        evaluation["real_heads"]["peer"] = peer_report(read_labels(real), real.parent.parent / "peers")
    if root and (root / "people").is_dir():
        evaluation["by_eye"] = evaluate_by_eye(BUNDLED, model)
    evaluation["summary"] = summary(evaluation["rendered"])
    evaluation["parity_torch_onnxruntime"] = manifest.evaluation.get("parity_torch_onnxruntime")
    ablations = json.loads((out / ABLATIONS).read_text(encoding="utf-8")) if (out / ABLATIONS).is_file() else None
    write_card(out / CARD, replace(manifest, evaluation=evaluation), ablations)
    files = {key: manifest.files[key].path for key in ("weights", "onnx")} | {"log": LOG_FILE, "card": CARD}
    entries = file_entries(out, files | ({"ablations": ABLATIONS} if ablations else {}))
    write_manifest(out, replace(manifest, evaluation=evaluation, files=entries))
    return evaluation


def _with_threshold(out: Path, validation: Path) -> Manifest:
    part, manifest = _third(read_labels(validation)), read_manifest(out)
    opened = open_model(str(out.resolve()), TASK)
    predictions = predict(HeadStage(opened, HeadConfig(score_threshold=AP_SCORE)), part.images)
    opened.close()
    return replace(manifest, config={**manifest.config, "score_threshold": best_threshold(part, predictions)})


def _third(labels: HeadLabels) -> HeadLabels:
    """Every third image: enough for a choice, and most of the set stays untouched by it."""
    keep = labels.index % 3 == 0
    return HeadLabels(
        labels.images[::3],
        labels.index[keep] // 3,
        labels.boxes[keep],
        labels.rotation[keep],
        labels.visibility[keep],
    )


def summary(rendered: Mapping[str, Any]) -> str:
    """What `headway models` says of the network, from its evaluation on the rendered validation set."""
    median = rendered["geodesic_deg"]["median"]  # None where no head was found
    pose = "no head found" if median is None else f"geodesic median {median:.0f}°"
    return (
        f"AP50 {rendered['ap50'] or 0:.2f}, recall {rendered['recall'] or 0:.2f}, {pose}, "
        f"{rendered['images']:,} rendered images"
    )
