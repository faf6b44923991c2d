"""The plots of a report say no more than the rows of the run."""

import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from headway.bags.topics import InputTopics
from headway.report import plots
from headway.report.heads_plots import _errors
from headway.report.plots import HOLDS_S, LEVEL_COLOURS, PEOPLE_SHOWN
from headway.report.progress import bars
from headway.report.run import STAGES_OF, Row, Run
from headway.report.summary import print_summary, summary
from headway.report.svg import COLOURS, LEFT, RIGHT, WIDTH
from headway.types import Level

SECOND = 1_000_000_000


def a_run(*seconds, people=()):
    rows = [Row(round(s * SECOND), {"trajectory": ""}, level=Level.ALERT) for s in seconds]
    for row in rows:
        row.risks = [{"track_id": t, "level": level, "probability": 0.5} for t, level in people]
    stamps = [r.stamp_ns for r in rows]
    return Run(Path("a"), Path("b"), InputTopics("/i"), "", "", stamps, sorted(rows, key=lambda r: r.stamp_ns))


def stretches(drawing, colour):
    found = re.findall(rf'<rect x="([\d.-]+)" y="\d+" width="([\d.]+)" height="18" fill="{colour}">', drawing)
    return [(float(x), float(x) + float(width)) for x, width in found]


def test_a_silence_is_drawn_as_no_answer_not_as_an_alert_that_goes_on():
    drawing = plots.risk(a_run(1, 1.1, 1.2, 101, 101.1))
    first, last = stretches(drawing, LEVEL_COLOURS[Level.ALERT])
    per_second = (WIDTH - LEFT - RIGHT) / 100.1
    assert first[1] - first[0] == pytest.approx((0.2 + HOLDS_S) * per_second, abs=0.1)
    assert last[0] == pytest.approx(LEFT + 100 * per_second, abs=0.1)


def test_times_of_a_run_whose_stamps_went_back_start_at_zero_and_stay_within_the_axes():
    run = a_run(30, 31, 0, 1)
    assert summary(run)["duration_s"] == pytest.approx(31)
    edges = [x for stretch in stretches(plots.risk(run), LEVEL_COLOURS[Level.ALERT]) for x in stretch]
    assert min(edges) >= LEFT
    assert max(edges) <= WIDTH - RIGHT + 1.5  # the last frame's is drawn as wide as can be seen


def test_frames_that_a_task_skipped_do_not_break_its_line_and_refused_ones_do():
    run = a_run(*range(9))
    for i, row in enumerate(run.rows):
        row.tasks = {"driving": "", **({"head_pose": "black" if i == 4 else ""} if i % 2 == 0 else {})}
    lines = re.findall(r'<polyline points="([^"]*)"', plots.people(run))
    assert [len(line.split()) for line in lines] == [2, 2, 2, 2]  # heads and looking: frames 0 and 2, 6 and 8


def test_of_many_people_those_with_alerts_are_drawn_and_the_rest_is_counted():
    people = [(i, Level.NOTICE) for i in range(PEOPLE_SHOWN + 3)] + [(99, Level.ALERT)]
    drawing = plots.risk(a_run(1, 2, people=people))
    assert ">#99<" in drawing
    assert "Not drawn: 4 more." in drawing


def test_every_stage_has_a_colour_of_its_own():
    stages = {stage for stages in STAGES_OF.values() for stage in stages} | {"monitor", "shrink"}
    assert len(stages) <= len(set(COLOURS))


def test_a_bar_leaves_nothing_in_a_log(capfd):
    with bars() as shown:
        shown.update(shown.add_task("work", total=2), completed=1)
    assert not Console(stderr=True).is_terminal
    assert capfd.readouterr().err == ""


def test_one_frame_is_counted_as_one(capsys):
    print_summary(summary(a_run(1)))
    assert "1 frame in, 1 answered" in capsys.readouterr().out


def test_sizes_of_heads_are_written_as_numbers_not_as_powers():
    pytest.importorskip("matplotlib", reason="the extra eval is not installed")
    x = np.linspace(20.0, 90.0, 50)
    drawing = _errors(x, x, x)
    assert ">32<" in drawing
    assert ">64<" in drawing
