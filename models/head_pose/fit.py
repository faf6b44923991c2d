"""The training loop: crop start, then frames, with an averaged copy of the weights; can stop and go on."""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from headway.models.checkpoint import read_checkpoint, write_checkpoint
from headway.models.head_pose.config import SIZES, LossConfig, NetworkConfig, TrainConfig
from headway.models.head_pose.crops import Sampler
from headway.models.head_pose.data import as_input
from headway.models.head_pose.feed import Feed
from headway.models.head_pose.grow import read_grown
from headway.models.head_pose.loss import HeadPoseLoss, Targets
from headway.models.head_pose.network import HeadPoseNet
from headway.models.head_pose.optimizer import Optimizer
from headway.models.head_pose.pseudo import Lessons
from headway.models.head_pose.team import Team

LOG_FILE, CHECKPOINT_FILE = "log.csv", "checkpoint.pt"
KINDS = ("crop", "frame", "large", "photo")
"""Of pictures: rendered heads, rendered scenes, those with near heads, photographs with the teacher's labels."""

LOG_EVERY_S = 15.0
BFLOAT16_CAPABILITIES = ("avx512_bf16", "amx_bf16", "bf16")
"""Of x86 and Arm processors that multiply bfloat16 themselves: networks train in it there."""

CLIP = 5.0
"""Largest gradient norm: a head on the border of two cells now and then gives a gradient a hundred times the usual."""


@dataclass
class Limit:
    """A run ends after `minutes` of training or `steps`, whichever is given and comes first."""

    minutes: float | None = None
    steps: int | None = None

    def progress(self, elapsed_s: float, step: int) -> float:
        """0 at the start, 1 at the end."""
        by_time = elapsed_s / (60 * self.minutes) if self.minutes else 0.0
        by_step = step / self.steps if self.steps else 0.0
        return min(1.0, max(by_time, by_step))


def has_bfloat16() -> bool:
    """Whether this processor has bfloat16 instructions."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in BFLOAT16_CAPABILITIES)


class Average:
    """Exponential moving average of the weights; young averages follow faster."""

    def __init__(self, network: nn.Module, decay: float):
        self.network, self.decay, self.count = copy.deepcopy(network).eval(), decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Takes the weights of `network` in."""
        self.count += 1
        share = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        moving = [pair for pair in pairs if pair[0].dtype.is_floating_point]
        torch._foreach_lerp_([mine for mine, _ in moving], [new for _, new in moving], share)
        for mine, new in pairs:
            if not mine.dtype.is_floating_point:
                mine.copy_(new)


@dataclass
class Run:
    """State of one training run; `folder` receives the log and the checkpoints, from the leader of `team`.

    workers: processes that make the pictures ahead, beside a GPU; 0: each step makes its own. init, taught_by: which
    weights the run begins with and which a teacher has, None where there are none.
    """

    config: TrainConfig
    limit: Limit
    folder: Path
    crops: Sampler
    frames: Sampler
    loss: LossConfig = field(default_factory=LossConfig)
    step: int = 0
    elapsed_s: float = 0.0
    pictures: int = 0
    team: Team = field(default_factory=Team)
    shape: NetworkConfig = SIZES["small"]
    lessons: Lessons | None = None
    larges: Sampler | None = None
    bfloat16: bool = field(default_factory=has_bfloat16)  # of what is multiplied; weights and loss stay float32
    device: torch.device = torch.device("cpu")
    workers: int = 0
    init: str | None = None
    taught_by: str | None = None
    teacher: nn.Module | None = None  # a larger network, whose answers to the crops the second rotation learns

    def __post_init__(self) -> None:
        torch.manual_seed(self.config.seed)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # three sizes of pictures: worth a search each
            torch.set_float32_matmul_precision("high")
        network = HeadPoseNet(self.shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network.to(self.device)
        self.average = Average(self.network, self.config.ema)
        self.losses = {
            s.size: HeadPoseLoss(s.size, s.size, self.loss, self.shape.taught, self.device) for s in self._samplers()
        }
        self._feeds: dict[str, Feed] = {}
        c = self.config
        self.optimizer = Optimizer(self.network, c.learning_rate, c.kernel_learning_rate, c.weight_decay)

    def _samplers(self) -> list[Sampler]:
        return [s for s in (self.crops, self.frames, self.larges) if s]

    def resume(self) -> bool:
        """Goes on from the checkpoint in `folder`, if there is one."""
        state = read_checkpoint(self.folder / CHECKPOINT_FILE, self._settings())
        if state is None:
            return False
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.elapsed_s, self.pictures = state["step"], state["elapsed_s"], state["pictures"]
        self.average.count = self.step
        # The stream of pictures must not start again from its beginning.
        for sampler in self._samplers():
            sampler.reseed(self.config.seed + self.step, self.team.rank)
        if self.lessons:
            self.lessons.reseed(self.config.seed + self.step)
        return True

    def start_from(self, weights: Path) -> None:
        """Takes the weights of an earlier run, a safetensors file of this architecture or of a smaller one, in place
        of random ones."""
        # Copies into the kernels, whose memory the optimizer shares.
        self.network.load_state_dict(read_grown(weights, self.network.state_dict()))
        self.average = Average(self.network, self.config.ema)

    def save(self) -> None:
        """Writes the checkpoint."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "pictures": self.pictures,
        }
        write_checkpoint(self.folder / CHECKPOINT_FILE, state, self._settings())

    def _settings(self) -> dict[str, Any]:
        parts = {"network": asdict(self.shape), "loss": asdict(self.loss)}
        named = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
        labels = self.crops.labels
        named |= {"init": self.init, "teacher": self.taught_by, "images": len(labels.images), "heads": len(labels)}
        return {**asdict(self.config), **named}

    def fit(self, report: Callable[[float, dict[str, float]], None] | None = None) -> None:
        """Trains to the limit; `report` gets progress 0..1 and the mean terms since the last call."""
        self._open_feeds()
        if self.team.rank == 0:
            self._cut_log()
        started, before = time.monotonic(), self.elapsed_s
        saved = logged = started
        terms: dict[str, list[Tensor]] = {}
        while (progress := self.team.agree(self.limit.progress(self.elapsed_s, self.step))) < 1.0:
            said = self._one_step(progress)
            now = time.monotonic()
            self.elapsed_s = before + now - started
            if self.team.rank > 0:
                continue
            for name, value in said.items():
                terms.setdefault(name, []).append(value)
            if now - logged > LOG_EVERY_S or self.limit.progress(self.elapsed_s, self.step) >= 1.0:
                means = {name: float(torch.stack(values).mean()) for name, values in terms.items()}
                self._log(means)
                if report:
                    report(progress, means)
                terms, logged = {}, now
            if now - saved > self.config.checkpoint_s:
                self.save()
                saved = time.monotonic()
        if self.team.rank == 0:
            self.save()

    def _open_feeds(self) -> None:
        c, workers = self.config, self.workers
        wanted = [("crop", self.crops, c.crop_batch, workers // 2), ("frame", self.frames, c.frame_batch, workers)]
        if self.larges:
            wanted.append(("large", self.larges, c.large_batch, -(-workers // 4)))
        self._feeds = {kind: Feed(s, count, n, c.seed + self.step) for kind, s, count, n in wanted}

    def _one_step(self, progress: float) -> dict[str, Tensor]:
        c = self.config
        kind, size, (pictures, targets) = self._pictures(progress)
        self.optimizer.set_share(self._rate_share(progress))
        images = as_input(pictures.to(self.device, non_blocking=True))
        targets = targets.to(self.device)
        self.network.train()
        raw_pose = max(0.0, 1.0 - progress / c.raw_pose_share) if c.raw_pose_share else 0.0
        said = None
        if self.teacher is not None and kind == "crop":
            with torch.no_grad():
                said = self.teacher(images)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            maps = self.network(images)
        loss, terms = self.losses[size]([m.float() for m in maps], targets, raw_pose, said)
        self.optimizer.zero_grad()
        loss.backward()
        self.team.average_gradients(self.network.parameters())
        self._clip()
        self.optimizer.step()
        self.average.update(self.network)
        self.step += 1
        self.pictures += len(images) * self.team.size
        return {f"{kind}_{k}": v for k, v in terms.items()}

    def _clip(self) -> None:
        """Bounds the gradient; one that is not finite becomes zero, which is decided on the device: no wait for it."""
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        sound = torch.isfinite(nn.utils.clip_grad_norm_(parameters, CLIP))
        for p in parameters:
            p.grad = torch.where(sound, p.grad, 0.0)

    def _pictures(self, progress: float) -> tuple[str, int, tuple[Tensor, Targets]]:
        """What this step learns from: kind, size in pixels, batch.

        A team learns from one kind at a time, unless the teacher of one member is sure of nothing.
        """
        c = self.config
        if self.lessons and progress >= c.teach_from and self.step % c.teach_each == 0:
            # An average is of any module.
            batch = self.lessons.batch(self.step, self.average.network)  # type: ignore[arg-type]
            if batch:
                return "photo", self.lessons.size, batch
        if progress < c.crop_share or (progress < c.mixed_share and self.step % 2 == 0):
            return "crop", self.crops.size, self._feeds["crop"].next()
        # Of two successive steps one may be of crops: pairs of steps are counted.
        if self.larges and (self.step // 2) % c.large_each == 0:
            return "large", self.larges.size, self._feeds["large"].next()
        return "frame", self.frames.size, self._feeds["frame"].next()

    def _rate_share(self, progress: float) -> float:
        warm = min(1.0, (self.step + 1) / self.config.warmup_steps)
        return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def _cut_log(self) -> None:
        """Leaves the rows up to the step that the run goes on from: those after it are made again."""
        path = self.folder / LOG_FILE
        if path.is_file():
            head, *rows = path.read_bytes().splitlines(keepends=True)
            path.write_bytes(b"".join([head, *(row for row in rows if int(row.split(b",")[0]) <= self.step)]))

    def _log(self, means: dict[str, float]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / LOG_FILE
        names = [f"{kind}_{k}" for kind in KINDS for k in ("loss", "score", "box", "angle_deg", "sigma")]
        fresh = not path.is_file()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", "elapsed_s", "pictures", *names])
            row = [f"{means[n]:.4f}" if n in means else "" for n in names]
            writer.writerow([self.step, f"{self.elapsed_s:.0f}", self.pictures, *row])
