"""Sizes of the network and of its training, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrajectoryConfig:
    """The network. The first four are the ONNX contract; the widths are what fits 2 ms on one CPU thread."""

    slots: int = 32  # people in one call
    past: int = 8  # observed steps, newest last
    future: int = 12  # predicted steps
    modes: int = 20  # predicted paths for each person
    step_s: float = 0.4
    width: int = 256  # features of one person
    pair: int = 64  # features of one ordered pair of people
    heads: int = 4  # attention heads over the neighbours
    basis: int = 6  # smooth time functions that a path's offset from constant velocity is made of
    reach_m: float = 10.0  # people further apart do not see each other
    memory: int = 3  # earlier forecasts that are remembered


@dataclass(frozen=True)
class TrainingConfig:
    """One training run. `people` is the number of scored people in a batch, whatever the crowd's density."""

    steps: int = 6000
    people: int = 320
    rate: float = 1.5e-3  # falls along a cosine
    weight_decay: float = 1e-4
    seed: int = 0
    scale: tuple[float, float] = (0.5, 2.0)  # isotropic scaling of a whole scene
    anneal: float = 0.45  # share of the steps after which only the best mode is pulled
    final_weight: float = 0.3  # weight of the last point beside the mean over the path
    central_weight: float = 0.5  # weight of the central mode's error
    picked_weight: float = 0.05  # weight of the error of what the probabilities pick
    mean_weight: float = 0.3  # weight of the error of the mean path
    soft_m: float = 0.4  # width, in metres, of the soft assignment that the probabilities are trained on
    polish_steps: int = 2400  # steps at the end, with more weight on where paths end
    polish_rate: float = 4e-4  # learning rate of these steps
    polish_final_weight: float = 1.0  # and their weights, where they differ
    polish_central_weight: float = 0.25
    polish_mean_weight: float = 0.1
    head_share: float = 0.4  # share of the people who get a head direction
    head_noise_deg: float = 25.0  # its error against the direction walked next
    short_share: float = 0.15  # share of the scenes whose history is cut to a random length
    noise_share: float = 0.4  # share of the scenes whose history gets position noise
    noise_m: tuple[float, float] = (0.01, 0.08)  # its standard deviation, one for each scene, log-uniform


@dataclass(frozen=True)
class CameraConfig:
    """Scenes as a camera's tracker sees them, and how the memory learns from them."""

    share: float = 0.3  # share of the batches that are such scenes
    rate: float = 15.0
    noise_m: tuple[float, ...] = (0.01, 0.03, 0.1)  # levels of the position noise, drawn with equal chance
    relative_share: float = 0.6  # scenes relative to the camera: odometry unknown
    still_share: float = 0.2  # of these, scenes whose camera stands still
    scale: tuple[float, float] = (0.8, 1.25)
    people: int = 150  # in a batch
    frames: int = 8  # successive frames of a sequence
    frames_apart: tuple[int, ...] = (1, 1, 2, 3)  # camera frames between two of them, drawn with equal chance
    memory_steps: int = 120  # steps of the second part, in which the memory alone learns
    memory_rate: float = 2e-3
    sized_share: float = 0.1  # share of the batches in which ranges come from the size of heads
    sized_scale: tuple[float, float] = (0.5, 2.0)  # as in the recordings: people of other scenes walk faster
    sized_focal_px: tuple[float, float] = (250.0, 1000.0)  # focal lengths of these cameras
    sized_view_deg: tuple[float, float] = (60.0, 100.0)  # and how wide they see
    sized_jitter_px: tuple[float, float] = (0.3, 2.0)  # jitter of the boxes of heads
    sized_wearers: int = 40  # people of a recording who wear the camera in these
    agreement: float = 0.45  # weight of the agreement of successive forecasts beside their accuracy
