"""What a report says follows from what is in the bags, also where answers are missing or texts are hostile."""

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from drives import START, STEP, write_drive

from headway import messages
from headway.bags import BagWriter
from headway.bags.topics import InputTopics
from headway.errors import UsageError
from headway.report.build import telling_stamps, write_report
from headway.report.html import page
from headway.report.run import SKIPPED, Row, Run, collect
from headway.report.summary import summary
from headway.report.svg import Band, Line, Span, plot, timeline
from headway.report.video import annotated, rate_hz
from headway.types import DriveCommand, DriveState, Heads, Level, Risk, Risks, Trace, View

HASH = "c0ffee" * 10


def view(index):
    return View(stamp_ns=START + index * STEP, frame_id="camera_optical_frame")


def write_answers(path, frames, skipped=(), invalid=(), alerts=()):
    """What a graph of two tasks would have recorded: heads a little late, risks later still."""
    with BagWriter(path) as bag:
        for i in range(frames):
            trace = Trace(stage_ms={"decode": 1.0, "heads": 10.0 + i}, age_ms=20.0, models={"head-pose": HASH})
            if i in skipped:
                continue
            at = view(i).stamp_ns
            heads = None if i in invalid else Heads.empty()
            fields = messages.head_array(
                heads, view(i), 320, 240, trace, i not in invalid, "too dark" if i in invalid else ""
            )
            bag.write("/head_pose/heads", messages.HEADS, fields, at + 30_000_000)
            items = (Risk(5, Level.ALERT, 2.0 - i / 10, 0.5 + i / 100, 0.3, "left", "close"),) if i in alerts else ()
            trace = Trace(stage_ms={"tracks": 0.5, "risk": 0.25})
            risk = messages.risk_array(Risks(at, items), view(i), trace)
            bag.write("/trajectory/risk", messages.RISK, risk, at + 90_000_000)
        # A heartbeat between two images answers no frame.
        command = DriveCommand(0, 0, 1, (-1, 1), 0, DriveState.STOP, 0)
        between = View(stamp_ns=START + STEP // 2)
        bag.write("/driving/command", messages.COMMAND, messages.drive_command(command, between, Trace()), START)
    return path


@pytest.fixture
def run(tmp_path):
    bag = write_drive(tmp_path / "drive.mcap")
    output = write_answers(tmp_path / "out.mcap", 12, skipped=(3, 4), invalid=(6,), alerts=(7, 8, 10))
    return collect(bag, output, command="headway demo")


def test_frames_add_up_and_every_missing_one_has_a_reason(run):
    run.dropped = {"head_pose": Counter({"a newer frame arrived": 1})}
    frames = summary(run)["frames"]
    assert frames["in"] == 12
    assert frames["answered"] + frames["dropped"] == 12
    assert frames["by_reason"] == {"head_pose: a newer frame arrived": 1, SKIPPED: 1, "head_pose: too dark": 1}
    assert sum(frames["by_reason"].values()) == frames["dropped"] == 3


def test_each_task_is_counted_and_timed_by_itself(run):
    models = summary(run)["models"]
    assert set(models) == {"head_pose", "trajectory"}
    assert (models["head_pose"]["out"], models["trajectory"]["out"]) == (9, 10)
    assert models["head_pose"]["hash"] == HASH
    # decode 1 ms and heads 10..21 ms of the nine answered frames
    expected = [11.0 + i for i in range(12) if i not in (3, 4, 6)]
    assert models["head_pose"]["latency_ms"]["p50"] == pytest.approx(np.median(expected))
    assert models["trajectory"]["latency_ms"]["p50"] == pytest.approx(0.75)
    assert models["head_pose"]["age_ms"]["p50"] == pytest.approx(20.0)


def test_latencies_measured_from_outside_go_before_the_stages(run):
    run.latencies = {"head_pose": [40.0, 50.0, 60.0]}
    assert summary(run)["models"]["head_pose"]["latency_ms"]["p50"] == 50.0


def test_alerts_close_together_are_one_and_keep_the_worst(run):
    (alert,) = run.alerts()
    assert (alert.track_id, alert.direction, alert.reason) == (5, "left", "close")
    assert alert.start_s == pytest.approx(7 * STEP * 1e-9)
    assert alert.end_s == pytest.approx(10 * STEP * 1e-9)
    assert alert.time_to_contact_s == pytest.approx(1.0)
    assert alert.probability == pytest.approx(0.6)


def test_a_second_camera_is_noted_unless_the_topic_was_named(tmp_path, run):
    bag = tmp_path / "two.mcap"
    with BagWriter(bag) as writer:
        for name in ("/left/image", "/right/image"):
            writer.write(name, "sensor_msgs/msg/Image", {}, START)
    (note,) = collect(bag, run.output).notes
    assert note.startswith("images are those of /left/image; /right/image left alone")
    assert collect(bag, run.output, InputTopics(image="/right/image")).notes == []


def answered(reasons):
    rows = [Row(START + i * STEP, {"trajectory": ""}, unsure=reason) for i, reason in enumerate(reasons)]
    return Run(Path("a.mcap"), Path("o.mcap"), InputTopics("/i"), "", "", [r.stamp_ns for r in rows], rows)


def test_an_unsure_run_says_what_it_lacked_most_often():
    gap = "no forecast for {} s before this one"
    reasons = ["", "no camera_info received; " + gap.format(0.6), gap.format(0.6), gap.format(0.7), gap.format(0.7)]
    run = answered(reasons)
    content = summary(run)
    assert content["unsure"] == {gap.format(0.7): 3, "no camera_info received": 1}
    assert content["models"]["trajectory"]["saw"].endswith(f"; unsure in 4 frames, mostly: {gap.format(0.7)}")
    assert "Frames whose risk was unsure" in page(run, content, {})


def test_a_sure_run_speaks_of_nothing_unsure_and_counts_one_as_one():
    run = answered([""])
    run.rows[0].tracks = (7,)
    run.rows[0].risks = [{"track_id": 7, "level": Level.ALERT, "time_to_contact": 1.0, "probability": 1.0,
                          "direction": "left", "reason": "close"}]  # fmt: skip
    content = summary(run)
    assert content["models"]["trajectory"]["saw"] == "1 person followed, 1 alert"
    assert content["unsure"] == {}
    assert "Frames whose risk was unsure" not in page(run, content, {})


def test_an_alerts_row_says_of_which_moment_each_number_is(run):
    text = page(run, summary(run), {})
    for heading in ("soonest contact, s", "highest probability", "why (when it began)"):
        assert f">{heading}</th>" in text


def test_the_report_is_complete_without_network_or_script(run, tmp_path):
    content = write_report(run, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "summary.json").read_text()) == content
    assert text.count("<img") == 6
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    for words in ("too dark", SKIPPED, "headway demo", HASH, "Latency of each stage", "Risk", "#5"):
        assert words in text
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []


def test_a_bag_whose_name_is_no_utf8_is_reported(run, tmp_path):
    run.bag, run.command = run.bag.rename(tmp_path / "r\udcf6t.mcap"), "headway replay r\udcf6t.mcap"
    write_report(run, tmp_path / "out", video=False)
    assert "r\\udcf6t.mcap" in (tmp_path / "out" / "report.html").read_text()


def test_a_video_whose_name_opencv_cannot_take_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match="OpenCV cannot take"):
        write_report(run, tmp_path / "l\udcf6t")


class Balanced(HTMLParser):
    """Every tag that is opened is closed, in order."""

    VOID = ("meta", "img", "br", "line", "rect", "polygon", "polyline")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_texts_from_bags_cannot_become_markup():
    evil = "<script>alert(1)</script>"
    stamps = [START, START + STEP]
    rows = [Row(s, {"head_pose": evil}, risks=[], unsure=evil) for s in stamps]
    rows[0].risks = [{"track_id": 1, "level": Level.ALERT, "time_to_contact": 1.0, "probability": 1.0, "closest": 0.0,
                      "direction": evil, "reason": evil}]  # fmt: skip
    run = Run(SimpleNamespace(name=evil), evil, InputTopics(evil), evil, evil, stamps, rows, {evil: evil}, notes=[evil])
    text = page(run, summary(run), {})
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_telling_frames_hold_the_alerts(run):
    chosen = telling_stamps(run, 3)
    rows = {r.stamp_ns: r for r in run.rows}
    assert len(chosen) == 3
    assert chosen == sorted(chosen)
    assert rows[chosen[2]].level == Level.ALERT


def test_every_image_is_drawn_also_those_without_an_answer(run):
    frames = list(annotated(run))
    assert [s for s, _ in frames] == run.stamps
    # Skipped ones say so in the banner, answered ones without risk have none.
    banner = {i: frames[i][1][:12].mean(axis=(0, 1)) for i in (3, 5)}
    assert np.abs(banner[3] - banner[5]).max() > 20


def test_the_rate_of_the_video_is_that_of_the_stamps(run):
    assert rate_hz(run) == pytest.approx(15.0, rel=1e-6)
    run.stamps = run.stamps[:1]
    assert rate_hz(run) == 15.0


def points_of(drawing):
    svg = ET.fromstring(drawing[: drawing.index("</svg>") + 6])
    return [
        [tuple(map(float, pair.split(","))) for pair in element.get("points").split()]
        for element in svg.iter("polyline")
    ]


def test_a_plot_draws_its_points_where_the_axes_say():
    (line,) = points_of(plot([Line("a", [0, 5, 10], [0, 1, 0.5])], "ms"))
    assert line[0][0] < line[1][0] < line[2][0]
    assert line[1][0] == pytest.approx((line[0][0] + line[2][0]) / 2, abs=0.1)
    assert line[1][1] < line[2][1] < line[0][1]
    assert line[2][1] == pytest.approx((line[0][1] + line[1][1]) / 2, abs=0.1)


def test_a_gap_breaks_a_line_and_a_peak_survives_thinning():
    gap = points_of(plot([Line("a", [0, 1, 2, 3, 4], [1, 2, None, float("nan"), 3])], "ms"))
    assert [len(set(piece)) for piece in gap] == [2, 1]
    assert len(gap[1]) == 2  # a single point would draw nothing
    values = [0.0] * 5000
    values[2501] = 9.0
    (line,) = points_of(plot([Line("a", list(range(5000)), values)], "ms"))
    assert len(line) < 2600
    assert min(y for _, y in line) < 20


@pytest.mark.parametrize("values", [[], [0.0], [1e-9, 1e-9], [-1e12, 1e12]])
def test_plots_of_any_range_are_well_formed(values):
    x = [float(i) for i in range(len(values))]
    drawing = plot([Line("a<b", x, values)], "<ms>", [Band("b", x, values, values)])
    assert "nan" not in drawing
    assert "a&lt;b" in drawing
    ET.fromstring(drawing[: drawing.index("</svg>") + 6])


def test_a_timeline_joins_stretches_that_look_the_same():
    spans = [Span("a", i, i + 1, "red" if i < 3 else "blue") for i in range(5)]
    drawing = timeline(spans, ["a"], 5.0, [])
    assert drawing.count('fill="red"') == 1
    assert drawing.count('fill="blue"') == 1
