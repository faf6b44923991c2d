"""Rotations spread evenly over all there are: the classes that a network tells apart while it learns."""

from __future__ import annotations

import math

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

_PHI, _PSI = math.sqrt(2.0), 1.533751168755204288118041
"""Alexa, "Super-Fibonacci Spirals", CVPR 2022: psi is the root of x^4 = x + 4."""


def spread_rotations(count: int) -> Tensor:
    """`count` rotations (count, 3, 3), float32; of 72 none leaves a rotation farther than about 56 degrees."""
    s = torch.arange(count, dtype=torch.float64) + 0.5
    r, rest = torch.sqrt(s / count), torch.sqrt(1.0 - s / count)
    a, b = 2.0 * math.pi * s / _PHI, 2.0 * math.pi * s / _PSI
    quaternions = torch.stack([r * torch.sin(a), r * torch.cos(a), rest * torch.sin(b), rest * torch.cos(b)], -1)
    return torch.from_numpy(Rotation.from_quat(quaternions.numpy()).as_matrix()).float()


def nearness(rotation: Tensor, spread: Tensor, width_deg: float) -> Tensor:
    """(P, 3, 3), (C, 3, 3) -> (P, C) soft labels: how near each is, a Gaussian of the angle that sums to 1."""
    cosine = (torch.einsum("pij,cij->pc", rotation, spread) - 1.0) / 2.0
    angle = torch.rad2deg(torch.acos(cosine.clamp(-1.0, 1.0)))
    return torch.softmax(-0.5 * (angle / width_deg) ** 2, -1)
