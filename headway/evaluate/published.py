"""What others publish on ETH/UCY: best of 20 samples, 8 -> 12 steps of 0.4 s, mean of the five scenes, metres."""

from __future__ import annotations

from typing import Any

PUBLISHED: list[dict[str, Any]] = [
    {
        "model": "Social-GAN",
        "min_ade20": 0.58,
        "min_fde20": 1.18,
        "source": "CVPR 2018, as quoted; its five FDEs are in github.com/StanfordASL/Trajectron-plus-plus/issues/19",
    },
    {
        "model": "Trajectron++, derivative fixed",
        "min_ade20": 0.316,
        "min_fde20": 0.546,
        "source": "mean of the five scenes in github.com/StanfordASL/Trajectron-plus-plus/issues/53 (paper: .19/.41)",
    },
    {
        "model": "AgentFormer",
        "min_ade20": 0.23,
        "min_fde20": 0.39,
        "source": "arXiv 2103.14023, corrected version, as quoted; its README says that the ICCV numbers were too good",
    },
    {
        "model": "EigenTrajectory-LB-EBM",
        "min_ade20": 0.21,
        "min_fde20": 0.34,
        "source": "README of github.com/InhwanBae/EigenTrajectory",
    },
]
"""Splits and evaluation code differ between them; they stand beside, not under the same ruler."""
