"""What a driving model was calibrated with is read whole, or refused by the name of what is wrong."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_driving import CALIBRATION as PLAIN

from headway.errors import ModelError
from headway.stages.drive_calibration import OPTIONAL, DriveCalibration, lacking

CALIBRATION = replace(PLAIN, bend_doubt=4.0, slow_doubt=20.0, full_speed_mps=8.0)


@pytest.mark.parametrize("bad", [None, math.nan, -1.0, "wide"])
def test_a_manifest_without_a_threshold_is_refused_by_its_name(bad):
    with pytest.raises(ModelError, match=r"config\.handover_width"):
        DriveCalibration.from_config({**asdict(CALIBRATION), "handover_width": bad})


def test_thresholds_out_of_order_are_refused():
    with pytest.raises(ModelError, match="recover_width < handover_width"):
        DriveCalibration.from_config(asdict(replace(CALIBRATION, recover_width=0.7)))


def test_older_models_lack_the_doubts_and_negative_ones_are_refused():
    older = DriveCalibration.from_config({k: v for k, v in asdict(CALIBRATION).items() if k not in OPTIONAL})
    assert all(getattr(older, name) == 0.0 for name in OPTIONAL)
    assert DriveCalibration.from_config(asdict(CALIBRATION)) == CALIBRATION
    for name in OPTIONAL:
        for value in (-0.1, math.nan, "much"):
            with pytest.raises(ModelError, match=rf"config\.{name}"):
                DriveCalibration.from_config({**asdict(CALIBRATION), name: value})


def test_doubt_of_the_speed_without_a_full_speed_is_refused():
    with pytest.raises(ModelError, match="full_speed_mps"):
        DriveCalibration.from_config(asdict(replace(CALIBRATION, full_speed_mps=0.0)))


@given(st.floats(-1, 2), st.floats(allow_nan=True, allow_infinity=True), st.floats(0.1, 40))
def test_what_is_lacking_is_a_share_and_at_most_what_is_asked_for(throttle, speed_mps, full):
    share = float(lacking(np.asarray(throttle), np.asarray(speed_mps), full))
    asked = min(max(throttle, 0.0), 1.0)
    assert 0.0 <= share <= 1.0
    if not math.isfinite(speed_mps):
        assert share == asked
    elif speed_mps >= 0.0:
        assert share <= asked


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 8))
def test_the_factor_of_a_slow_vehicle_turns_one_spread_into_the_other(steering, throttle, speed_mps):
    s, t, v = np.asarray(steering), np.asarray(throttle), np.asarray(speed_mps)
    whole = 1.0 + (4.0 + 20.0 * lacking(t, v, 8.0)) * abs(steering)
    assert (1.0 + 4.0 * abs(steering)) * CALIBRATION.slow_factor(s, t, v) == pytest.approx(whole)
