"""What the core says survives the way through a message, in radians, without NaN."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from headway import messages
from headway.bags import build, typestore
from headway.fields import Fields
from headway.geometry import OPTICAL_TO_BODY, from_semi_local
from headway.markers import MODES_SHOWN, marker_array
from headway.stages.limits import GateConfig
from headway.types import (
    Camera,
    DriveCommand,
    DriveState,
    Forecast,
    Heads,
    Level,
    Risk,
    Risks,
    Trace,
    Tracks,
    View,
)

STORE = typestore()
VIEW = View(stamp_ns=1_700_000_000_123_456_789, frame_id="cam", camera=Camera(640, 480, 500, 500, 320, 240))
TRACE = Trace(stage_ms={"heads": 3.5, "tracks": 0.25}, age_ms=12.0, frame_index=7, dropped=1, dropped_total=4)
TRACE.models["head-pose"] = "ab" * 32


def through(msgtype, fields):
    """Built, serialized and read again."""
    return STORE.deserialize_cdr(STORE.serialize_cdr(build(STORE, msgtype, fields), msgtype), msgtype)


def some_heads(count, seed=0):
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 400, (count, 2))
    return Heads(
        boxes=np.concatenate([corner, corner + 40], axis=1).astype(np.float32),
        scores=random.uniform(0, 1, count).astype(np.float32),
        rotation=Rotation.random(count, random_state=seed).as_matrix(),
        sigma_deg=random.uniform(1, 40, count),
        attention=random.uniform(0, 1, count),
    )


def some_forecast(count=3, modes=20, steps=12, unsure=""):
    random = np.random.default_rng(1)
    tracks = Tracks(
        stamp_ns=VIEW.stamp_ns,
        ids=np.arange(10, 10 + count),
        position=random.normal(4, 1, (count, 3)),
        velocity=random.normal(0, 1, (count, 3)),
        covariance=np.tile(np.eye(4), (count, 1, 1)),
        history=np.zeros((count, 8, 2)),
        history_age_s=np.full((count, 8), np.nan),
        age_s=np.full(count, 2.0),
        head_direction=np.full((count, 2), np.nan),
        head_index=np.array([2, -1, 0][:count]),
        unsure=unsure,
    )
    probability = random.dirichlet(np.ones(modes), count)
    return Forecast(
        tracks, random.normal(4, 2, (count, modes, steps, 2)), probability, np.ones((count, steps)), 0.4, 0.9
    )


@given(count=st.integers(0, 8), seed=st.integers(0, 1000))
def test_heads_come_back_as_they_were(count, seed):
    heads = some_heads(count, seed)
    found = messages.heads_from_message(through(messages.HEADS, messages.head_array(heads, VIEW, 640, 480, TRACE)))
    np.testing.assert_array_equal(found.boxes, heads.boxes)
    np.testing.assert_array_equal(found.scores, heads.scores)
    np.testing.assert_allclose(found.rotation, heads.rotation, atol=1e-12)
    np.testing.assert_allclose(found.sigma_deg, heads.sigma_deg, rtol=1e-6)


def test_a_head_message_holds_header_ids_radians_and_the_trace():
    heads = some_heads(3)
    found = through(messages.HEADS, messages.head_array(heads, VIEW, 640, 480, TRACE, tracks=some_forecast().tracks))
    assert (found.header.stamp.sec, found.header.stamp.nanosec, found.header.frame_id) == (
        1_700_000_000,
        123_456_789,
        "cam",
    )
    assert (found.valid, found.width, found.height) == (True, 640, 480)
    assert [h.track_id for h in found.heads] == [12, -1, 10]
    np.testing.assert_allclose([h.sigma for h in found.heads], np.radians(heads.sigma_deg), rtol=1e-6)
    assert all(abs(h.yaw) <= math.pi and abs(h.pitch) <= math.pi / 2 + 1e-6 for h in found.heads)
    assert found.trace.stages == ["heads", "tracks"]
    assert found.trace.stage_ms.tolist() == [3.5, 0.25]
    assert (found.trace.frame_index, found.trace.dropped, found.trace.dropped_total) == (7, 1, 4)
    assert (found.trace.models, found.trace.hashes) == (["head-pose"], ["ab" * 32])


def test_yaw_of_a_message_has_the_published_sign():
    left = Rotation.from_euler("y", 30, degrees=True).as_matrix()[None]
    heads = Heads(np.zeros((1, 4), np.float32), np.ones(1, np.float32), left, np.ones(1), np.ones(1))
    (head,) = messages.head_array(heads, VIEW, 1, 1, TRACE)["heads"]
    assert head["yaw"] == pytest.approx(math.radians(30))


def test_no_answer_is_not_valid_and_says_why():
    heads = through(messages.HEADS, messages.head_array(None, VIEW, 0, 0, TRACE, False, "image is truncated"))
    forecast = through(messages.FORECASTS, messages.forecast_array(None, VIEW, TRACE, False, "image is truncated"))
    risk = through(messages.RISK, messages.risk_array(None, VIEW, TRACE, False, "image is truncated"))
    assert [m.valid for m in (heads, forecast, risk)] == [False] * 3
    assert [m.reason for m in (heads, forecast, risk)] == ["image is truncated"] * 3
    assert (risk.unsure, risk.level) == (True, Level.UNSURE)
    assert messages.risks_from_message(risk).level == Level.UNSURE
    assert len(messages.heads_from_message(heads)) == 0


def test_a_forecast_message_keeps_modes_in_mode_major_order():
    forecast = some_forecast(unsure="no orientation")
    found = through(messages.FORECASTS, messages.forecast_array(forecast, VIEW, TRACE))
    assert (found.valid, found.unsure, found.reason) == (True, True, "no orientation")
    for i, item in enumerate(found.forecasts):
        modes = np.stack([item.x, item.y], axis=-1).reshape(20, item.steps, 2)
        np.testing.assert_allclose(modes, forecast.modes[i], rtol=1e-6)
        assert item.track_id == 10 + i
        assert item.step == pytest.approx(0.4)
        np.testing.assert_allclose(item.probability.sum(), 1, rtol=1e-5)


def test_the_camera_orientation_of_a_forecast_is_the_views_or_that_of_a_level_camera():
    turned = Rotation.random(random_state=4).as_matrix()
    for view, expected in ((View(stamp_ns=1, orientation=turned), turned), (VIEW, OPTICAL_TO_BODY)):
        q = messages.forecast_array(some_forecast(), view, TRACE)["camera_orientation"]
        np.testing.assert_allclose(Rotation.from_quat([q[k] for k in "xyzw"]).as_matrix(), expected, atol=1e-9)


def test_risks_come_back_as_they_were():
    items = (
        Risk(3, Level.ALERT, 1.5, 0.75, 0.25, "left", "near"),
        Risk(4, Level.CLEAR, None, 0.0, 9.0, "right"),
    )
    risks = Risks(VIEW.stamp_ns, items, unsure="no odometry")
    assert messages.risks_from_message(through(messages.RISK, messages.risk_array(risks, VIEW, TRACE))) == risks


def test_heads_without_intrinsics_say_that_their_rotations_are_relative_to_the_ray():
    blind = replace(VIEW, camera=None, unsure="no camera_info received")
    found = through(messages.HEADS, messages.head_array(some_heads(1), blind, 640, 480, TRACE))
    assert found.valid
    assert found.reason == "no camera_info received: rotations are relative to the viewing ray"
    assert through(messages.HEADS, messages.head_array(some_heads(1), VIEW, 640, 480, TRACE)).reason == ""


def numbers(fields):
    if isinstance(fields, dict):
        for value in fields.values():
            yield from numbers(value)
    elif isinstance(fields, str):
        return
    elif hasattr(fields, "__iter__"):
        for value in fields:
            yield from numbers(value)
    else:
        yield fields


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_never_written(bad):
    heads = some_heads(2)
    broken = Heads(
        heads.boxes * np.float32(bad), heads.scores, heads.rotation * bad, heads.sigma_deg * bad, heads.attention
    )
    forecast = some_forecast()
    forecast.modes[0, 0, 0] = bad
    forecast.tracks.position[1] = bad
    forecast.radius[2] = bad
    risks = Risks(1, (Risk(1, Level.ALERT, bad, bad, bad, "left"),))
    command = DriveCommand(bad, bad, bad, (bad, bad), bad, DriveState.STOP, bad)
    with np.errstate(invalid="ignore"):
        for fields in (
            messages.head_array(broken, VIEW, 1, 1, TRACE),
            messages.forecast_array(forecast, VIEW, TRACE),
            messages.risk_array(risks, VIEW, TRACE),
            messages.drive_command(command, VIEW, TRACE),
            messages.twist_stamped(command, VIEW, GateConfig()),
            marker_array(forecast, risks, VIEW),
        ):
            assert all(math.isfinite(v) for v in numbers(fields))


def test_a_number_that_is_none_never_becomes_certainty():
    forecast = some_forecast(1)
    forecast.radius[:] = forecast.tracks.covariance[:] = math.nan
    found = messages.forecast_array(forecast, VIEW, TRACE).forecasts[0]
    assert min(found.radius) > 1e9
    assert min(found.position_covariance) > 1e9
    risk = messages.risk_array(Risks(1, (Risk(1, Level.ALERT, 1.0, math.nan, 0.2, "left"),)), VIEW, TRACE).risks[0]
    assert risk.probability == 1.0


def plain(fields):
    """The same in dicts and lists alone."""
    if isinstance(fields, Fields):
        return {name: plain(value) for name, value in fields.items()}
    return [plain(value) for value in fields] if isinstance(fields, list) else fields


@given(people=st.integers(0, 5), oriented=st.booleans(), valid=st.booleans(), reason=st.text(max_size=9))
def test_fields_are_serialized_to_the_bytes_of_the_message_that_is_built_of_them(people, oriented, valid, reason):
    view = replace(VIEW, orientation=np.eye(3)) if oriented else VIEW
    forecast, risk = some_forecast(people), Risk(3, Level.ALERT, None, 0.25, 0.5, "left", reason)
    command = DriveCommand(0.5, 0.2, 0.0, (0.4, 0.6), 0.9, DriveState.SLOW, 1.0, "person near")
    heads, said = some_heads(people), (valid, reason)
    for kind, fields in {
        messages.HEADS: messages.head_array(heads, view, 640, 480, TRACE, *said),
        messages.FORECASTS: messages.forecast_array(forecast, view, TRACE, *said),
        messages.RISK: messages.risk_array(Risks(5, (risk,) * people), view, TRACE, *said),
        messages.COMMAND: messages.drive_command(command, view, TRACE, *said),
        messages.TWIST: messages.twist_stamped(command, view, GateConfig()),
    }.items():
        assert build(STORE, kind, fields) is fields
        built = build(STORE, kind, plain(fields))
        assert bytes(STORE.serialize_cdr(fields, kind)) == bytes(STORE.serialize_cdr(built, kind))


def test_fields_are_read_and_written_by_name_and_by_key():
    fields = messages.risk_array(Risks(5), VIEW, TRACE)
    fields["header"]["stamp"] = Fields(sec=3, nanosec=4)
    assert (fields.header.stamp.sec, fields.get("nothing", 7), len(fields)) == (3, 7, 7)
    assert fields == dict(fields)
    del fields["reason"]
    assert "reason" not in fields


def test_the_messages_of_one_frame_may_share_their_trace():
    shared = messages.trace_fields(TRACE)
    told = messages.risk_array(Risks(5), VIEW, shared)
    assert told.trace is shared
    assert plain(told) == plain(messages.risk_array(Risks(5), VIEW, shared))
    assert vars(told.trace).keys() == vars(messages.risk_array(Risks(5), VIEW, TRACE).trace).keys()


def test_readers_take_any_object_with_the_fields():
    fields = messages.risk_array(Risks(5, (Risk(1, Level.NOTICE, 2.0, 0.5, 1.0, "left"),)), VIEW, TRACE)
    message = SimpleNamespace(
        **{**fields, "risks": [SimpleNamespace(**r) for r in fields["risks"]]},
    )
    message.header = SimpleNamespace(stamp=SimpleNamespace(**fields["header"]["stamp"]))
    assert messages.risks_from_message(message).items[0].time_to_contact_s == 2.0


def test_markers_stand_where_the_people_are_in_the_cameras_frame():
    view = View(stamp_ns=1, frame_id="cam", orientation=Rotation.random(random_state=2).as_matrix())
    forecast = some_forecast()
    found = through("visualization_msgs/msg/MarkerArray", marker_array(forecast, None, view))
    assert found.markers[0].action == 3
    spheres = [m for m in found.markers if m.ns == "people"]
    expected = from_semi_local(forecast.tracks.position, view.orientation)
    np.testing.assert_allclose([[getattr(m.pose.position, k) for k in "xyz"] for m in spheres], expected)
    paths = [m for m in found.markers if m.ns == "paths"]
    assert len(paths) == MODES_SHOWN * 3
    assert {len(m.points) for m in paths} == {13}
    assert len({(m.ns, m.id) for m in found.markers[1:]}) == len(found.markers) - 1
    assert {m.header.frame_id for m in found.markers} == {"cam"}


def risk_message(**changes):
    fields = messages.risk_array(Risks(VIEW.stamp_ns, (Risk(3, Level.NOTICE, 2.0, 0.25, 0.5, "left"),)), VIEW, TRACE)
    message = through(messages.RISK, fields)
    for name, value in changes.items():
        setattr(message.risks[0], name, value)
    return message


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["time_to_contact", "probability", "closest"])
def test_an_alert_with_a_number_that_is_none_stays_an_alert_at_its_worst(name, bad):
    risks = messages.risks_from_message(risk_message(level=int(Level.ALERT), **{name: bad}))
    item = risks.items[0]
    assert (item.level, item.time_to_contact_s, item.probability, item.closest_m) == (Level.ALERT, 0.0, 1.0, 0.0)
    assert "NaN" in risks.unsure
    quiet = messages.risks_from_message(risk_message(level=int(Level.CLEAR), **{name: bad}))
    assert quiet.items[0].level == Level.UNSURE, "what is nonsense is never clear"


def test_an_unknown_level_is_unsure():
    risks = messages.risks_from_message(risk_message(level=200))
    assert risks.items[0].level == Level.UNSURE
    assert "unknown level" in risks.unsure


def test_of_a_message_with_thousands_of_heads_the_first_300_are_taken():
    message = through(messages.HEADS, messages.head_array(some_heads(3), VIEW, 640, 480, TRACE))
    message.heads = message.heads * 1000
    assert len(messages.heads_from_message(message)) == 300
