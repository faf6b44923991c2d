"""What commands do alike: files that will be written are tried out, the command line is told as a shell takes it."""

from pathlib import Path

import pytest

from headway.cli.common import check_targets, command, number
from headway.errors import UsageError


def test_a_target_is_tried_and_nothing_is_left_behind_or_changed(tmp_path):
    (tmp_path / "old.json").write_text("kept")
    check_targets(tmp_path / "new" / "a.json", tmp_path / "old.json", None, Path("/dev/null"))
    assert list((tmp_path / "new").iterdir()) == []
    assert (tmp_path / "old.json").read_text() == "kept"


@pytest.mark.parametrize("name", ["/proc/no/x.json", "."])
def test_a_target_that_cannot_be_written_is_named(name):
    with pytest.raises(UsageError, match=name):
        check_targets(Path(name))


def test_the_command_line_can_be_pasted(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/headway", "replay", "my bag.mcap", "--out", "o"])
    assert command() == "headway replay 'my bag.mcap' --out o"


def test_what_was_not_measured_is_a_dash():
    assert [number(v, 1) for v in (None, float("nan"), 1.25)] == ["-", "-", "1.2"]
