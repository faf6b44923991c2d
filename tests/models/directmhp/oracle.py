"""A second implementation of the published network: plain function calls on the tensors of a checkpoint, by name.

Written layer by layer from the published table, without the module classes it checks.
"""

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch.nn import functional as F

from headway.runtime.manifest import TensorSpec
from headway.stages.letterbox import ImageInput


class Oracle:
    def __init__(self, tensors):
        self.t = tensors

    def conv(self, x, name, stride=1):
        weight = self.t[f"{name}.conv.weight"]
        y = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        bn = [self.t[f"{name}.bn.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
        y = F.batch_norm(y, bn[0], bn[1], bn[2], bn[3], eps=1e-3)
        return y * torch.sigmoid(y)

    def c3(self, x, name, shortcut):
        y = self.conv(x, f"{name}.cv1")
        i = 0
        while f"{name}.m.{i}.cv1.conv.weight" in self.t:
            z = self.conv(self.conv(y, f"{name}.m.{i}.cv1"), f"{name}.m.{i}.cv2")
            y = y + z if shortcut else z
            i += 1
        return self.conv(torch.cat([y, self.conv(x, f"{name}.cv2")], 1), f"{name}.cv3")

    def levels(self, x):
        t = lambda i: f"model.{i}"  # noqa: E731
        focus = torch.cat([x[:, :, r::2, c::2] for c in (0, 1) for r in (0, 1)], 1)
        y = self.conv(focus, "model.0.conv")
        kept = {}
        for down, block in ((1, 2), (3, 4), (5, 6), (7, 8)):
            y = kept[block] = self.c3(self.conv(y, t(down), 2), t(block), True)
        y = self.conv(self.conv(y, t(9), 2), "model.10.cv1")
        pools = [y] + [F.max_pool2d(y, k, stride=1, padding=k // 2) for k in (3, 5, 7)]
        y = self.c3(self.conv(torch.cat(pools, 1), "model.10.cv2"), t(11), False)
        for conv, skip in ((12, 8), (16, 6), (20, 4)):
            kept[conv] = self.conv(y, t(conv))
            bigger = kept[conv].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            y = self.c3(torch.cat([bigger, kept[skip]], 1), t(conv + 3), False)
        out = [y]
        for conv, skip in ((24, 20), (27, 16), (30, 12)):
            y = self.c3(torch.cat([self.conv(y, t(conv), 2), kept[skip]], 1), t(conv + 2), False)
            out.append(y)
        return [
            F.conv2d(y, self.t[f"model.33.m.{i}.weight"], self.t[f"model.33.m.{i}.bias"]) for i, y in enumerate(out)
        ]

    def candidates(self, x, top=300):
        """Rows of nine, one anchor at a time, in numpy."""
        rows = []
        for level, raw in enumerate(self.levels(x)):
            stride = 8 * 2**level
            anchors = self.t["model.33.anchors"][level].numpy() * stride
            grid = raw[0].numpy().astype(np.float64)
            for a in range(3):
                s = 1 / (1 + np.exp(-grid[9 * a : 9 * a + 9]))
                for j, i in np.ndindex(*s.shape[1:]):
                    v = s[:, j, i]
                    xy = [(2 * v[0] - 0.5 + i) * stride, (2 * v[1] - 0.5 + j) * stride]
                    wh = [(2 * v[2]) ** 2 * anchors[a, 0], (2 * v[3]) ** 2 * anchors[a, 1]]
                    rows.append([*xy, *wh, *v[4:]])
        rows = np.array(rows)
        return rows[np.argsort(-rows[:, 4] * rows[:, 5], kind="stable")[:top]]


def assert_same_candidates(ours, theirs):
    """Every row of the oracle's best 280 stands among our 300, to 1e-3 px and 1e-4; equal scores may swap places."""
    scale = np.array([1e-3] * 4 + [1e-4] * 5)
    distance, row = cKDTree(ours / scale).query(theirs[:280] / scale, p=np.inf)
    assert len(set(row)) == 280
    assert distance.max() <= 1.0
    np.testing.assert_allclose(ours[:, 4] * ours[:, 5], theirs[:, 4] * theirs[:, 5], atol=1e-4)


def square_input(image: np.ndarray, size: int) -> np.ndarray:
    """(H, W, 3) uint8 BGR -> (1, 3, size, size) float32 RGB 0..1, letterboxed on grey, as the head stage does it."""
    return ImageInput(TensorSpec((1, 3, size, size), "float32", "NCHW", "RGB", scale=1 / 255))(image)
