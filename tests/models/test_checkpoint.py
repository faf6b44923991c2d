"""A training goes on from its own checkpoint, and from nothing else."""

import pytest

torch = pytest.importorskip("torch")

from headway.errors import UsageError  # noqa: E402
from headway.models.checkpoint import read_checkpoint, write_checkpoint  # noqa: E402

SETTINGS = {"seed": 1, "limits": ((0.0, 40.0), (26.0, 96.0)), "held_out": None}


def test_what_was_written_is_read_and_nothing_is_none(tmp_path):
    path = tmp_path / "work" / "checkpoint.pt"
    assert read_checkpoint(path, SETTINGS) is None
    write_checkpoint(path, {"step": 3, "weight": torch.ones(2)}, SETTINGS)
    state = read_checkpoint(path, SETTINGS)
    assert state is not None
    assert state["step"] == 3
    assert torch.equal(state["weight"], torch.ones(2))
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.pt"]


def test_a_run_with_other_settings_is_refused_by_name(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, {"step": 3}, SETTINGS)
    with pytest.raises(UsageError, match=r"checkpoint\.pt is of a run with seed 1 \(now 2\): train as before"):
        read_checkpoint(path, {**SETTINGS, "seed": 2})


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut off"])
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"checkpoint\.pt is no checkpoint"):
        read_checkpoint(path, SETTINGS)


def test_a_damaged_byte_ends_in_one_line_or_changes_nothing_that_is_compared(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, {"step": 3, "weight": torch.ones(2)}, SETTINGS)
    data, refused = path.read_bytes(), 0
    for place in range(0, len(data), 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            read_checkpoint(path, SETTINGS)
        except UsageError:
            refused += 1
    assert refused > 100
