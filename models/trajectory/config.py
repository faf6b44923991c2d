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


@dataclass(frozen=True)
class TrainingConfig:
    """One training run. `people` is the number of scored people in a batch, whatever the crowd's density."""

    steps: int = 3000
    people: int = 320
    rate: float = 1.5e-3  # falls along a cosine; a continued run starts at two thirds of it
    weight_decay: float = 1e-4
    seed: int = 0
    scale: tuple[float, float] = (0.5, 1.8)  # isotropic scaling of a whole scene
    anneal: float = 0.45  # share of the steps after which only the best mode is pulled
    final_weight: float = 0.3  # weight of the last point beside the mean over the path
    soft_m: float = 0.25  # width, in metres, of the soft assignment that the probabilities are trained on
    head_share: float = 0.4  # share of the people who get a head direction
    head_noise_deg: float = 25.0  # its error against the direction walked next
    short_share: float = 0.15  # share of the scenes whose history is cut to a random length
    noise_share: float = 0.5  # share of the scenes whose history gets position noise
    noise_m: tuple[float, float] = (0.01, 0.08)  # its standard deviation, one for each scene, log-uniform
