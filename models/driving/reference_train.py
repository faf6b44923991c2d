"""Trains the reference network `caril` on the frames that the headway network learned from, and writes its folder.

What is published is kept: loss, optimizer, schedule, batch of 32; it starts from random weights. The limit is time: the
network has 24 million parameters, and 50 epochs on two CPU cores take days. How far a run came stands in the manifest,
and a run in the same work folder goes on where it stopped, on another device too: it may learn on a GPU and be
exported from its checkpoint where there is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headway.errors import UsageError
from headway.evaluate.tub import HEIGHT, WIDTH, Drive
from headway.export.package import package_model
from headway.models.checkpoint import read_checkpoint, write_checkpoint
from headway.models.driving.reference import (
    BINS,
    SIZE,
    CarilNetwork,
    keras_parameter_count,
    published_label,
    published_loss,
    published_optimizer,
)
from headway.models.driving.reference_feed import Feed, steps_an_epoch
from headway.runtime.manifest import Manifest, TensorSpec

NAME = "caril"
CHECKPOINT = "caril.pt"
SAVE_EVERY_S = 300.0
READ_EVERY = 50
"""Steps between two rows of the log. On a GPU the loss is read only then: to read it is to wait for the GPU."""
DEVICES = ("cpu", "cuda")
SETTLED_ON = 640
"""Frames over which the batch statistics are estimated at the end."""
FILLED = 0.995
"""Quantile of |steering| that the label's gain brings to 1: published is 4, for CARLA's steering of up to 0.25."""

Progress = Callable[[float, int, float], None]


@dataclass(frozen=True)
class ReferenceConfig:
    """One run. Published: 50 epochs. minutes: of training, resumed time included; whichever comes first ends it.

    device: cpu or cuda; wanted only while there are steps left.
    """

    seed: int = 0
    batch: int = 32
    epochs: int = 50
    minutes: float | None = None
    mirror: bool = False  # half of the frames, with their bin: the released loader forgets the bin
    device: str = "cpu"


class ReferenceGraph(nn.Module):
    """What is exported: uint8 BGR frames of the data's size -> regression (1, 1) and bin_logits (1, 11), both in units
    of the label (steering times the gain)."""

    def __init__(self, network: CarilNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, 120, 160, 3) -> see the class."""
        return self.network(published_input(image))


def published_input(image: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 BGR -> (B, 3, 160, 160) RGB 0..1; the picture is stretched, as published."""
    rgb = image.permute(0, 3, 1, 2).flip(1).float() / 255.0
    return F.interpolate(rgb, (SIZE, SIZE), mode="bilinear", align_corners=False)


def label_gain(steering: np.ndarray) -> float:
    """The gain with which a data set's steering fills the bins."""
    return float(1.0 / max(float(np.quantile(np.abs(steering), FILLED)), 1e-3))


@dataclass
class Training:
    """State of a run that can stop and go on."""

    drive: Drive
    config: ReferenceConfig
    folder: Path
    step: int = 0
    elapsed_s: float = 0.0

    def __post_init__(self) -> None:
        torch.manual_seed(self.config.seed)
        self.network = CarilNetwork().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer, self.schedule = published_optimizer(self.network)
        self.gain = label_gain(self.drive.steering)
        self.log: list[dict[str, float]] = []
        self.trained_on: list[dict[str, Any]] = []

    @property
    def steps_an_epoch(self) -> int:
        """Batches in one pass over the frames."""
        return steps_an_epoch(len(self.drive), self.config.batch)

    def resume(self) -> bool:
        """Goes on from the checkpoint in the folder, if there is one, whatever device wrote it."""
        state = read_checkpoint(self.folder / CHECKPOINT, self._settings())
        if state is None:
            return False
        self.network.load_state_dict(state["network"])
        self._load_optimizer(state["optimizer"], state["schedule"])
        self.step, self.elapsed_s, self.log = state["step"], state["elapsed_s"], state["log"]
        self.trained_on = state.get("trained_on", [])
        return True

    def save(self) -> None:
        """Writes the checkpoint."""
        parts = {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}
        state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
        for name in ("step", "elapsed_s", "log", "trained_on"):
            state[name] = getattr(self, name)
        write_checkpoint(self.folder / CHECKPOINT, state, self._settings())

    def _settings(self) -> dict[str, Any]:
        c = self.config
        frames = {"frames": len(self.drive), "label_gain": self.gain}
        return {"seed": c.seed, "batch": c.batch, "mirror": c.mirror, **frames}

    def fit(self, progress: Progress = lambda share, step, loss: None) -> None:
        """Trains to the limit, on the device; afterwards the network is on the CPU. Raises UsageError where steps are
        left and the device is not there."""
        if self._progress() < 1.0:
            check_device(self.config.device)
            with _fast_arithmetic(self.config.device):
                self._learn(progress)
            self._move("cpu")
            self.save()
        self.network.eval()

    def _learn(self, progress: Progress) -> None:
        device, started, before = self.config.device, time.monotonic(), self.elapsed_s
        self._move(device)
        self._note_device()
        feed = Feed(self.drive, self.config.batch, self.config.seed, self.config.mirror, device)
        saved, lost, count = started, torch.zeros((), dtype=torch.float64, device=device), 0
        self.network.train()
        while self._progress() < 1.0:
            loss = self._one_step(feed)
            lost += loss
            count += 1
            self.step += 1
            self.elapsed_s = before + time.monotonic() - started
            read = self.step % READ_EVERY == 0 or self._progress() >= 1.0
            if read:
                mean = float(lost) / count  # waits for the device
                self.elapsed_s = before + time.monotonic() - started
                self.log.append({"step": self.step, "seconds": round(self.elapsed_s, 1), "loss": mean})
                lost.zero_()
                count = 0
                loss = torch.tensor(mean)
            if read or device == "cpu":
                progress(self._progress(), self.step, float(loss))
                if time.monotonic() - saved > SAVE_EVERY_S:
                    self.save()
                    saved = time.monotonic()

    def _progress(self) -> float:
        by_time = self.elapsed_s / (60 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(self.step / (self.steps_an_epoch * self.config.epochs), by_time))

    def _one_step(self, feed: Feed) -> Tensor:
        images, steering = feed.batch(self.step)
        wanted, index = published_label(steering, self.gain)
        x = published_input(images)
        regression, logits = self.network(x.contiguous(memory_format=torch.channels_last))
        loss = published_loss(self.network, regression, logits, wanted, index)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.detach()

    def _move(self, device: str) -> None:
        state, schedule = self.optimizer.state_dict(), self.schedule.state_dict()
        self.network.to(device)
        self.optimizer, self.schedule = published_optimizer(self.network, fused=device != "cpu")
        self._load_optimizer(state, schedule)

    def _load_optimizer(self, state: dict[str, Any], schedule: dict[str, Any]) -> None:
        # Which kernel computes a step is the device's matter, not the checkpoint's.
        for group, own in zip(state["param_groups"], self.optimizer.param_groups, strict=True):
            group["fused"] = own["fused"]
        self.optimizer.load_state_dict(state)
        self.schedule.load_state_dict(schedule)

    def _note_device(self) -> None:
        if (on := _described(self.config.device)) not in [entry["device"] for entry in self.trained_on[-1:]]:
            self.trained_on.append({"from_step": self.step, "device": on})


def check_device(device: str) -> None:
    """Raises UsageError where the device is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device cuda: torch {torch.__version__} finds no CUDA device here, and steps are left")


def _described(device: str) -> str:
    if device == "cpu":
        return f"CPU, torch {torch.__version__}"
    name = torch.cuda.get_device_name()
    return f"{name}, torch {torch.__version__}, TF32 in convolutions and matrix products"


@contextmanager
def _fast_arithmetic(device: str) -> Iterator[None]:
    """On a GPU: TF32, and the convolution kernels that measure fastest."""
    if device == "cpu":
        yield
        return
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
    # The old switches: torch 2.9 to 2.13 keep them and the new fp32_precision in step, but not the other way round.
    torch.set_float32_matmul_precision("high")
    cudnn.allow_tf32, cudnn.benchmark = True, True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32, cudnn.benchmark = before[1:]


@torch.no_grad()
def settle(training: Training, frames: int = SETTLED_ON) -> None:
    """Estimates the batch statistics anew, over training frames, with the weights as they are.

    The published running mean keeps 0.99 of itself a batch: in a training that is cut short it is of weights long gone
    (measured after one epoch: a constant answer, where the same weights with fresh statistics correlate 0.45 with the
    steering). After the published 50 epochs it changes little.
    """
    norms = [module for module in training.network.modules() if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    rng, drive, batch = np.random.default_rng(training.config.seed), training.drive, training.config.batch
    rows = rng.permutation(len(drive))[:frames]
    training.network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    for chosen in np.array_split(rows, -(-len(rows) // batch)):
        training.network(published_input(torch.from_numpy(np.ascontiguousarray(drive.images[chosen]))))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    training.network.eval()


def write_folder(training: Training, out: Path, command: str, data: dict[str, Any], licence: str) -> Manifest:
    """The model folder that `--reference` of the evaluation takes. Over 90 MB: it is not meant for the repository."""
    settle(training)
    frames, config = training.drive.images[:1], training.config
    return package_model(
        out,
        NAME,
        "driving",
        training.network,
        {"image": np.ascontiguousarray(frames)},
        {"image": TensorSpec((1, HEIGHT, WIDTH, 3), "uint8", "NHWC", "BGR")},
        {
            "regression": TensorSpec((1, 1), columns={"steering": (0, 1)}),
            "bin_logits": TensorSpec((1, BINS), columns={"bins": (0, BINS)}),
        },
        exported=ReferenceGraph(training.network),
        config={"label_gain": training.gain, "parameters_keras": keras_parameter_count(training.network)},
        training={
            "command": command,
            **data,
            "settings": asdict(config),
            "seconds": round(training.elapsed_s, 1),
            "trained_on": training.trained_on,
            "steps": training.step,
            "epochs": round(training.step / training.steps_an_epoch, 2),
            "frames": len(training.drive),
            "log": training.log,
            "batch_statistics": f"estimated over {min(SETTLED_ON, len(training.drive))} training frames at the end",
        },
        evaluation={},
        data_licence=licence,
    )
