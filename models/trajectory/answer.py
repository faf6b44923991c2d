"""What the predictor says of everybody, as coefficients of smooth time functions, and how these become paths.

B scenes, N people, K modes, J time functions, T future steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Answer:
    """What the network says before it looks at its memory. coefficients (B, N, K, 2 J): x, then y, of each path over
    the J time functions in each person's own axes; log_probability (B, N, K), features (B N, width), frame
    (B, N, 2, 2), last (B, N, 1, 2); draw: what makes paths of such coefficients."""

    coefficients: Tensor
    log_probability: Tensor
    features: Tensor
    frame: Tensor
    last: Tensor
    draw: Drawing

    def placed(self) -> Tensor:
        """(B, N, K, T, 2) paths in the axes of the scene."""
        return self.draw(self.coefficients, self)


class Drawing(nn.Module):
    """Coefficients in the persons' axes to points in those of the scene, in one product for each person: it is cheaper
    to turn the time functions than the points of twenty paths."""

    turned: Tensor
    every_step: Tensor

    def __init__(self, x_rows: Tensor, y_rows: Tensor) -> None:
        """x_rows, y_rows (M, T): what each of the M coefficients adds to x and to y."""
        super().__init__()
        m, t = x_rows.shape
        turned = torch.zeros(2, 2, m, t, 2)  # own axis, scene axis, coefficient, step, x or y
        for scene in range(2):
            turned[0, scene, ..., scene], turned[1, scene, ..., scene] = x_rows, y_rows
        self.shape = (m, 2 * t)
        self.register_buffer("turned", turned.view(4, 2 * m * t), persistent=False)
        self.register_buffer("every_step", torch.eye(2).repeat(1, t), persistent=False)

    def forward(self, coefficients: Tensor, answer: Answer) -> Tensor:
        """(B, N, K, M) -> (B, N, K, T, 2) m in the axes of the scene."""
        return self.points(coefficients, answer).view(*coefficients.shape[:3], -1, 2)

    def points(self, coefficients: Tensor, answer: Answer) -> Tensor:
        """The same as (B, N, K, 2 T), x and y in turn."""
        b, n = coefficients.shape[:2]
        functions = (answer.frame.view(b, n, 1, 4) @ self.turned).view(b, n, *self.shape)
        return coefficients @ functions + answer.last @ self.every_step
