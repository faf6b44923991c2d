"""The driving stage's promises: fusion, calibrated doubt, behaviour with hysteresis."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_driving import CALIBRATION, START, Scripted, frame, model_with

from headway.bags import BagReader
from headway.errors import FrameError
from headway.images import decode_image
from headway.paths import sample_dir
from headway.runtime.manifest import TensorSpec
from headway.runtime.model import Model, open_model
from headway.stages import drive as d
from headway.stages.drive import Behaviour, DriveConfig, DriveStage
from headway.types import DriveState, Frame, Odometry, Steering

FINITE = st.floats(-50, 50)
LOGITS = st.lists(FINITE, min_size=11, max_size=11).map(np.array)


def test_bins_are_eleven_equal_ones_and_mirror_as_k_to_10_minus_k():
    assert d.bin_of(np.array([-1.0, 0.0, 1.0])).tolist() == [0, 5, 10]
    steering = np.linspace(-0.99, 0.99, 200)
    assert (d.bin_of(-steering) == 10 - d.bin_of(steering)).all()
    assert (d.bin_of(d.BIN_CENTRES) == np.arange(11)).all()


@given(st.floats(-1, 1), LOGITS)
def test_fusion_lies_between_the_two_heads_and_is_deterministic(regression, logits):
    belief = d.fuse(np.asarray(regression), logits, 1.5, 0.2)
    low, high = sorted([regression, float(d.bin_probability(logits, 1.5) @ d.BIN_CENTRES)])
    assert low - 1e-9 <= belief.steering <= high + 1e-9
    again = d.fuse(np.asarray(regression), logits, 1.5, 0.2)
    assert (again.steering, again.spread) == (belief.steering, belief.spread)


@given(st.floats(-0.99, 0.99), LOGITS)
def test_fusion_of_a_mirrored_answer_is_the_mirrored_fusion(regression, logits):
    belief = d.fuse(np.asarray(regression), logits, 1.5, 0.2)
    mirrored = d.fuse(np.asarray(-regression), logits[::-1], 1.5, 0.2)
    assert mirrored.steering == pytest.approx(-belief.steering, abs=1e-9)
    assert mirrored.spread == pytest.approx(belief.spread, abs=1e-9)


def test_fusion_weighs_by_precision():
    sharp, flat = np.where(np.arange(11) == 8, 20.0, 0.0), np.zeros(11)
    regression, centre = 0.0, d.BIN_CENTRES[8]
    # By hand: a bin known for sure still has the variance of a uniform draw from it.
    weight = d.WITHIN_BIN_VARIANCE / (d.WITHIN_BIN_VARIANCE + 0.2**2)
    assert d.fuse(np.asarray(regression), sharp, 1.0, 0.2).steering == pytest.approx((1 - weight) * centre, abs=1e-4)
    variance = float(np.var(d.BIN_CENTRES)) + d.WITHIN_BIN_VARIANCE
    assert d.fuse(np.asarray(0.5), flat, 1.0, 0.2).steering == pytest.approx(0.5 * variance / (variance + 0.04))


@given(st.floats(-1, 1), LOGITS, st.floats(0, 30))
def test_doubt_in_bends_widens_the_spread_by_the_steering_and_moves_nothing(regression, logits, doubt):
    plain = d.fuse(np.asarray(regression), logits, 1.5, 0.2)
    wide = d.fuse(np.asarray(regression), logits, 1.5, 0.2, doubt)
    assert wide.steering == plain.steering
    assert wide.spread == pytest.approx(plain.spread * (1 + doubt * abs(plain.steering)))


def test_spread_grows_with_flat_bins_and_with_disagreement():
    sharp = np.where(np.arange(11) == 5, 20.0, 0.0)
    agreed = d.fuse(np.asarray(0.0), sharp, 1.0, 0.2).spread
    assert d.fuse(np.asarray(0.6), sharp, 1.0, 0.2).spread > agreed + 0.3
    assert d.fuse(np.asarray(0.0), np.zeros(11), 1.0, 0.2).spread > agreed + 0.3


def test_the_interval_holds_the_steering_and_a_familiar_image_keeps_its_confidence():
    answer = DriveStage(model_with(Scripted()))(frame())
    assert answer.interval[0] <= answer.steering <= answer.interval[1]
    assert answer.confidence > 0.5
    assert answer.state == DriveState.DRIVE
    assert answer.reason == ""


def test_an_unfamiliar_image_has_no_confidence_and_ends_in_hand_over_then_stop():
    engine = Scripted(novelty=4.0)
    stage = DriveStage(model_with(engine))
    answers = [stage(frame(i)) for i in range(80)]
    assert all(a.confidence == 0.0 for a in answers)
    assert answers[0].interval == (-1.0, 1.0)
    assert "unlike" in answers[0].reason
    states = [a.state for a in answers]
    assert states == sorted(states)
    assert states[9] == DriveState.SLOW
    assert states[11] == DriveState.HANDOVER
    assert states[-1] == DriveState.STOP
    assert answers[-1].throttle == 0.0


def test_after_a_stop_driving_goes_on_only_when_calm_lasted():
    engine = Scripted(novelty=4.0)
    stage = DriveStage(model_with(engine))
    for i in range(80):
        stage(frame(i))
    engine.novelty = 1.0
    states = [stage(frame(80 + i)).state for i in range(30)]
    assert states[10] == DriveState.STOP
    assert states[-1] == DriveState.DRIVE


def test_speed_falls_as_the_interval_widens():
    behaviour = Behaviour(CALIBRATION, DriveConfig())
    widths = np.linspace(0.1, 0.6, 30)
    shares = []
    for width in widths:
        behaviour.reset()
        shares.append(behaviour.step(float(width), 0.05)[1])
    assert shares[0] == 1.0
    assert shares[-1] == pytest.approx(d.LOWEST_THROTTLE_SHARE)
    assert all(b <= a for a, b in itertools.pairwise(shares))


def test_doubt_between_the_thresholds_neither_starts_nor_ends():
    between = (CALIBRATION.recover_width + CALIBRATION.handover_width) / 2
    calm = Behaviour(CALIBRATION, DriveConfig())
    assert all(calm.step(between, 0.1)[0] == DriveState.SLOW for _ in range(100))
    doubting = Behaviour(CALIBRATION, DriveConfig())
    doubting.step(1.0, 0.1)
    assert [doubting.step(between, 0.1)[0] for _ in range(100)][-1] == DriveState.STOP


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), max_size=50))
def test_no_throttle_in_stop_and_never_more_than_the_networks(steps):
    behaviour = Behaviour(CALIBRATION, DriveConfig())
    for width, dt in steps:
        state, share = behaviour.step(width, dt)
        assert 0.0 <= share <= 1.0
        assert share == 0.0 or state != DriveState.STOP


SLOW = asdict(replace(CALIBRATION, slow_doubt=20.0, full_speed_mps=8.0))


def at_speed(i: int, speed_mps: float) -> Frame:
    odometry = Odometry(START + i * 50_000_000, np.array([speed_mps, 0.0, 0.0]), 0.0)
    return replace(frame(i), odometry=odometry)


def width(answer: Steering) -> float:
    return answer.interval[1] - answer.interval[0]


def test_the_slower_the_vehicle_the_wider_the_interval_and_the_smaller_the_confidence():
    answers = [DriveStage(model_with(Scripted(), SLOW))(at_speed(0, v)) for v in (8.0, 6.5, 4.0, 1.0, 0.0)]
    widths, confidences = [width(a) for a in answers], [a.confidence for a in answers]
    assert widths[0] == widths[1]  # as fast as the throttle asks for, or faster
    assert widths[1] < widths[2] < widths[3] < widths[4]
    assert confidences[1] > confidences[2] > confidences[3] > confidences[4]


@pytest.mark.parametrize("odometry", [None, Odometry(START, np.full(3, np.nan), 0.0), Odometry(0, np.ones(3), 0.0)])
def test_a_speed_that_nobody_knows_counts_as_standing(odometry):
    stage = DriveStage(model_with(Scripted(), SLOW))
    unknown = stage(replace(frame(0), odometry=odometry))
    assert width(unknown) == width(stage(at_speed(0, 0.0)))


def test_a_vehicle_is_not_slowed_down_for_being_slow():
    slow = DriveStage(model_with(Scripted(), SLOW))
    fast = DriveStage(model_with(Scripted(), SLOW))
    for i in range(100):
        a, b = slow(at_speed(i, 0.5)), fast(at_speed(i, 8.0))
        assert (a.state, a.throttle, a.steering) == (b.state, b.throttle, b.steering)


def test_a_model_without_that_doubt_does_not_ask_for_the_speed():
    stage = DriveStage(model_with(Scripted()))
    assert width(stage(frame(0))) == width(stage(at_speed(0, 8.0))) == width(stage(at_speed(0, 0.1)))


def test_the_image_is_resized_to_the_networks_input_without_touching_it():
    engine = Scripted()
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    before = image.copy()
    image.flags.writeable = False
    DriveStage(model_with(engine))(Frame(stamp_ns=START, image=image))
    assert engine.seen.shape == (1, 120, 160, 3)
    assert np.abs(engine.seen[0].mean() - before.mean()) < 1.0
    assert (image == before).all()


@pytest.mark.parametrize("image", [np.zeros((0, 0, 3), np.uint8), np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3))])
def test_an_unusable_image_is_refused_by_name(image):
    with pytest.raises(FrameError, match="driving needs"):
        DriveStage(model_with(Scripted()))(Frame(stamp_ns=START, image=image))


def test_stamps_that_jump_back_or_far_do_not_count_as_waiting_time():
    stage = DriveStage(model_with(Scripted(novelty=4.0)))
    stage(frame(0))
    back = stage(Frame(stamp_ns=START - 10**12, image=frame().image))
    assert back.state == DriveState.SLOW
    far = stage(Frame(stamp_ns=START + 10**12, image=frame().image))
    assert far.state == DriveState.HANDOVER


def test_a_frozen_camera_is_noticed_while_moving_and_only_then():
    moving = Odometry(START, np.array([1.0, 0.0, 0.0]), 0.0)
    rng = np.random.default_rng(0)

    def answers(odometry, live):
        stage = DriveStage(model_with(Scripted()))
        still = rng.integers(0, 256, (120, 160, 3), np.uint8)
        frames = [rng.integers(0, 256, (120, 160, 3), np.uint8) if live else still for _ in range(80)]
        stamps = [START + i * 50_000_000 for i in range(80)]
        return [stage(Frame(stamp_ns=t, image=x, odometry=odometry)) for t, x in zip(stamps, frames, strict=True)]

    frozen = answers(moving, live=False)
    assert frozen[5].confidence > 0.5
    assert frozen[12].confidence == 0.0
    assert "frozen" in frozen[12].reason
    assert frozen[-1].state == DriveState.STOP
    for odometry, live in ((moving, True), (None, False), (Odometry(START, np.zeros(3), 0.0), False)):
        assert min(a.confidence for a in answers(odometry, live)) > 0.5


@pytest.fixture(scope="module")
def installed() -> Model:
    return open_model("driving", "driving")


@pytest.mark.parametrize("kind", ["black", "white", "noise", "street", "gradient"])
def test_the_shipped_model_claims_nothing_on_images_that_are_no_track(installed, kind):
    rng = np.random.default_rng(3)
    rows = np.linspace(0, 255, 120)[:, None, None]
    image = {
        "black": np.zeros((120, 160, 3)),
        "white": np.full((120, 160, 3), 255.0),
        "noise": rng.integers(0, 256, (120, 160, 3)).astype(float),
        "street": np.where(rows > 128, [120.0, 120.0, 125.0], [235.0, 190.0, 150.0]) * np.ones((1, 160, 1)),
        "gradient": np.broadcast_to(rows, (120, 160, 3)),
    }[kind]
    stage = DriveStage(installed)
    answers = [stage(Frame(stamp_ns=START + i * 50_000_000, image=image.astype(np.uint8))) for i in range(70)]
    assert max(a.confidence for a in answers) < 0.2
    assert answers[-1].state == DriveState.STOP


def test_the_shipped_model_doubts_a_street_that_it_has_never_seen(installed):
    bag = sample_dir() / "street-vehicle.mcap"
    with BagReader(bag) as reader:
        images = [decode_image(m.decode()) for m in reader.messages(["/camera/image_raw/compressed"])][::3]
    stage = DriveStage(installed)
    answers = [stage(Frame(stamp_ns=START + i * 200_000_000, image=image)) for i, image in enumerate(images)]
    assert len(answers) == 50
    assert np.median([a.confidence for a in answers]) < 0.3
    assert all(a.state != DriveState.DRIVE for a in answers)
    assert max(a.state for a in answers) >= DriveState.HANDOVER


def test_the_same_frame_twice_gives_the_same_answer(installed):
    image = np.random.default_rng(5).integers(0, 256, (240, 320, 3), np.uint8)
    stage = DriveStage(installed)
    first = stage(Frame(stamp_ns=START, image=image))
    stage.reset()
    assert stage(Frame(stamp_ns=START, image=image)) == first


def test_a_network_with_a_brake_column_says_it_and_one_without_never_brakes():
    model = model_with(Scripted())
    image = np.zeros((120, 160, 3), np.uint8)
    assert d.DriveStage(model).infer(image).brake == 0.0

    class Braking(Scripted):
        def infer(self, feeds):
            said = super().infer(feeds)
            return {**said, "controls": np.concatenate([said["controls"], [[0.6]]], axis=1)}

    three = TensorSpec((1, 3), columns={"steering": (0, 1), "throttle": (1, 2), "brake": (2, 3)})
    manifest = replace(model.manifest, outputs={**model.manifest.outputs, "controls": three})
    stage = d.DriveStage(Model(manifest, Braking(), model.folder))
    assert stage(Frame(stamp_ns=1, image=image)).brake == pytest.approx(0.6)
