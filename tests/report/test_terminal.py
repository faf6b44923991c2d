"""Whatever a path, a topic or a reason holds is printed as it is, and no table loses a column."""

from pathlib import Path

import pytest
from drives import START
from rich.table import Table

from headway.bags.topics import InputTopics
from headway.convert.material import Converted
from headway.report import terminal
from headway.report.progress import bar, bars
from headway.report.run import Row, Run
from headway.report.summary import print_summary, summary

HOSTILE = "[/red] [bold]x :smile: \\"


def test_lines_and_tables_print_text_as_it_is(capsys):
    terminal.lines().print(HOSTILE)
    terminal.lines().print(terminal.marked("lost:", "yellow", HOSTILE))
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    terminal.tables().print(table)
    assert capsys.readouterr().out.count(HOSTILE) == 5


def test_a_table_without_a_terminal_is_as_wide_as_its_columns_need(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    table = Table(*(f"column {i}" for i in range(9)))
    terminal.tables().print(table)
    assert "column 8" in capsys.readouterr().out


def test_no_name_and_no_number_of_a_table_is_cut(capsys, monkeypatch):
    """Of `headway-regression` and `headway` both rows said `headway…`."""
    monkeypatch.setenv("COLUMNS", "40")
    words = ["headway-regression", *(f"deviation {i}" for i in range(12))]
    table = Table("saw", *words)
    table.add_row("a sentence that wraps " * 9, *("0.123456" for _ in words))
    terminal.tables().print(table)
    out = capsys.readouterr().out
    assert all(word in out for word in words)


def test_the_title_of_a_bar_is_no_markup():
    with bar(f"replaying {HOSTILE}") as update:
        update(1, 2)


def test_bars_leave_the_standard_stream_to_results(capsys):
    for counted in (True, False):
        with bars(counted) as shown:
            shown.update(shown.add_task("work", total=2), completed=1)
    assert capsys.readouterr().out == ""


def test_no_command_draws_a_bar_of_its_own():
    for file in (Path(terminal.__file__).parents[1] / "cli").glob("*.py"):
        assert "rich.progress" not in file.read_text(encoding="utf-8"), file


def test_the_summary_prints_reasons_notes_and_losses_as_they_are(capsys):
    rows = [Row(START, {"trajectory": ""}, unsure="[/a]"), Row(START + 1, {"trajectory": "[/b]"})]
    stamps = [r.stamp_ns for r in rows]
    run = Run(Path("a"), Path("b"), InputTopics("/i"), "", "", stamps, rows, notes=["[/c]"], loss="[/d]")
    print_summary(summary(run))
    out = capsys.readouterr().out
    assert all(f"[/{letter}]" in out for letter in "abcd")


def test_what_was_converted_is_printed_as_it_is(capsys):
    from typer import Exit

    from headway.cli.convert import _report

    with pytest.raises(Exit):
        _report(Converted(Path("[/c].mcap"), 3, lost=["[/a].jpg"], notes=["[/b]"]))
    out = capsys.readouterr().out
    assert all(f"[/{letter}]" in out for letter in "abc")
