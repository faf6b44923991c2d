"""Does sigma tell the truth? Expected error of each head against the error it turned out to have."""

from __future__ import annotations

from typing import Any

import numpy as np

from headway.geometry import Array

BINS = 8
RIGHT_WITHIN = {1: (0.53, 0.63), 2: (0.86, 0.98)}
"""Shares within 1 and 2 sigma that right sigmas give. Sigma is the mean of the error: where the error's three
components are normal it is Maxwell-distributed (0.533, 0.983); where it is exponential, as the training likelihood
takes it, the shares are 0.632 and 0.865. Real errors lie between."""


def calibration(sigma_deg: Array, error_deg: Array) -> dict[str, Any]:
    """Shares within 1 and 2 sigma, rank correlation, and mean sigma against mean error in bins of equal count."""
    order = np.argsort(sigma_deg, kind="stable")
    parts = [p for p in np.array_split(order, BINS) if len(p)]
    return {
        "within_1": _mean(error_deg <= sigma_deg),
        "within_2": _mean(error_deg <= 2 * sigma_deg),
        "rank_correlation": rank_correlation(sigma_deg, error_deg),
        "mean_sigma_deg": _mean(sigma_deg),
        "mean_error_deg": _mean(error_deg),
        "bins": [
            {
                "sigma_deg": float(sigma_deg[p].mean()),
                "error_deg": float(error_deg[p].mean()),
                "heads": len(p),
            }
            for p in parts
        ],
    }


def rank_correlation(a: Array, b: Array) -> float | None:
    """Spearman's, None where it says nothing (fewer than three heads, or all the same)."""
    from scipy.stats import spearmanr

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(spearmanr(a, b).statistic)


def _mean(values: np.ndarray) -> float | None:
    return float(np.mean(values)) if len(values) else None
