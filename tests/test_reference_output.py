"""The bundled bag's output is the one that is kept, and where it is not, the fields and amounts are told."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drives import write_drive

from headway import messages
from headway.bags import BagReader, BagWriter
from headway.evaluate.reference_output import broken, compare, load, read_output, save, table
from headway.replay import TOPICS, replay

TOOL = Path(__file__).parents[1] / "tools" / "reference_output.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("reference_output_tool", TOOL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bundled_bag_gives_the_reference_output(tool):
    """Fails where the output changed: the message is the table of what moved. Meant so? Renew with the tool."""
    reference = load(tool.REFERENCE)
    output = tool.replayed()
    moved = compare(reference, output)
    headline = "the output of the bundled bag moved (meant so? python tools/reference_output.py --renew)"
    told = [headline, *tool.changed(reference, output), *table(moved)]
    assert not broken(moved, tool.SHARE), "\n".join(told)
    assert sum(m.compared for m in moved) > 100_000


def test_the_reference_is_small_and_says_how_it_was_made(tool):
    assert tool.REFERENCE.stat().st_size < 600_000
    about = load(tool.REFERENCE).about
    assert set(about["models"]) == {"head-pose", "trajectory", "driving"}
    assert about["bag"] == tool.BAG


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    replay(write_drive(folder / "drive.mcap"), folder / "output.mcap")
    return folder / "output.mcap"


def rewritten(source: Path, target: Path, change) -> Path:
    """A copy of `source` whose messages went through `change(topic, index, message)`."""
    with BagReader(source) as reader, BagWriter(target, reader.store) as writer:
        count: dict[str, int] = {}
        for message in reader.messages():
            index = count[message.topic] = count.get(message.topic, -1) + 1
            decoded = message.decode()
            change(message.topic, index, decoded)
            writer.write(message.topic, message.msgtype, decoded, message.stamp_ns)
    return target


def test_what_is_kept_is_read_back(output, tmp_path):
    kept = read_output(output, {"bag": "drive.mcap"})
    save(kept, tmp_path / "kept.npz.xz")
    again = load(tmp_path / "kept.npz.xz")
    assert again.about == kept.about
    assert table(compare(again, read_output(output))) == ["no field moved"]


def test_a_change_shows_which_field_moved_and_by_how_much(output, tmp_path):
    def change(topic, index, message):
        if topic == TOPICS[messages.COMMAND] and index in (3, 4, 5):
            message.steering += 0.1
        if topic == TOPICS[messages.RISK] and index == 7:
            message.reason = "something else"

    reference, after = read_output(output), read_output(rewritten(output, tmp_path / "changed.mcap", change))
    moved = {m.field: m for m in compare(reference, after) if m.moved}
    assert set(moved) == {"command/steering", "risk/reason"}
    assert moved["command/steering"].beyond == 3
    assert moved["command/steering"].compared == 12
    assert moved["command/steering"].largest == pytest.approx(0.1, abs=0.002)
    assert moved["command/steering"].mean == pytest.approx(0.1 * 3 / 12, abs=0.002)
    assert moved["risk/reason"].beyond == 1
    assert set(broken(list(moved.values()), 0.0)) == set(moved)
    assert any("command/steering" in line for line in table(list(moved.values())))


def test_a_change_within_the_tolerance_is_told_and_passes(output, tmp_path):
    def change(topic, index, message):
        if topic == TOPICS[messages.COMMAND]:
            message.steering += 0.003

    reference, after = read_output(output), read_output(rewritten(output, tmp_path / "changed.mcap", change))
    moved = [m for m in compare(reference, after) if m.moved]
    assert [m.field for m in moved] == ["command/steering"]
    assert broken(moved, 0.0) == []


def test_a_missing_answer_and_a_missing_person_are_counted(output):
    reference = read_output(output)
    fields = dict(reference.fields)
    steering = fields["command/steering"]
    fields["command/steering"] = steering._replace(
        answer=steering.answer[:-2],
        person=steering.person[:-2],
        length=steering.length[:-2],
        values=steering.values[:-2],
    )
    moved = {m.field: m for m in compare(reference, replace(reference, fields=fields)) if m.moved}
    assert moved["command/steering"].unmatched == 2
    del fields["command/throttle"]
    moved = {m.field: m for m in compare(reference, replace(reference, fields=fields)) if m.moved}
    assert moved["command/throttle"].unmatched == 12
    assert moved["command/throttle"].compared == 0
    assert "command/throttle" in broken(list(moved.values()), 0.02)


def test_no_number_of_the_machine_is_kept(tool):
    reference = load(tool.REFERENCE)
    assert not [n for n in reference.fields if "stage_ms" in n or "age_ms" in n]
    assert all(f.values.dtype.kind in "iubUf" for f in reference.fields.values())
    assert all(np.isfinite(f.values).all() for f in reference.fields.values() if f.values.dtype.kind == "f")
