"""What cannot be measured, as AUROC where every error is small, is a dash and no `nan`."""

import math

from headway.cli.driving_table import print_driving_report


def test_what_was_not_measured_is_a_dash(capsys):
    confidence = {"nominal": 0.9, "coverage": 1.0, "ece": 0.1, "auroc": math.nan, "small_error": 0.2}
    print_driving_report(
        {
            "world": "tub",
            "part": "test",
            "frames": 3,
            "steering_mae": {"headway": 0.1, "mean-steering": 0.3},
            "steering_mae_95": (0.0, 0.2),
            "bin_accuracy": {"headway": 0.5},
            "confidence": {**confidence, "share_small": 1.0},
            "unfamiliar": {},
        }
    )
    said = capsys.readouterr().out
    assert "nan" not in said
    assert "AUROC of confidence against error │ -" in said
