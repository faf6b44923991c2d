"""What is written depends on what was given, and nothing else."""

import numpy as np
import pytest
from bag_files import START, write_bag
from hypothesis import given
from hypothesis import strategies as st

from headway.bags import BagWriter, build, typestore
from headway.bags.types import definition_files, schema_text
from headway.errors import BagError

STORE = typestore()


def test_two_writings_of_the_same_messages_are_the_same_file(tmp_path):
    assert write_bag(tmp_path / "a.mcap").read_bytes() == write_bag(tmp_path / "b.mcap").read_bytes()


def test_every_definition_of_headway_msgs_is_registered_with_all_its_fields():
    store = typestore()
    assert len(definition_files()) == 8
    for path in definition_files():
        lines = [line.split("#")[0].split() for line in path.read_text().splitlines()]
        expected = [words[1] for words in lines if len(words) == 2 and "=" not in words[1]]
        found = [name for name, _ in store.fielddefs[f"headway_msgs/msg/{path.stem}"][1]]
        assert found == expected


def test_the_schema_of_a_type_carries_all_it_is_built_of():
    text = schema_text(typestore(), "headway_msgs/msg/HeadArray")
    for name in ("std_msgs/Header", "headway_msgs/Head", "headway_msgs/Trace", "geometry_msgs/Quaternion"):
        assert f"MSG: {name}\n" in text


def test_an_unknown_type_and_a_misspelt_field_are_refused(tmp_path):
    with BagWriter(tmp_path / "a.mcap") as bag:
        with pytest.raises(BagError, match="foo_msgs/msg/Foo"):
            bag.write_raw("/a", "foo_msgs/msg/Foo", b"", START)
        with pytest.raises(KeyError, match="headway_msgs/msg/Risk has no field levl"):
            bag.write("/a", "headway_msgs/msg/Risk", {"levl": 1}, START)
    with pytest.raises(BagError, match=r"one \.mcap file"):
        BagWriter(tmp_path / "folder")


def test_fields_left_out_are_zero_and_fixed_arrays_keep_their_length():
    store = typestore()
    info = build(store, "sensor_msgs/msg/CameraInfo", {"width": 4})
    assert (info.width, info.height, info.k.tolist(), info.d.size) == (4, 0, [0.0] * 9, 0)
    with pytest.raises(ValueError, match="2 numbers"):
        build(store, "sensor_msgs/msg/CameraInfo", {"k": [1, 2]})


@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    values=st.lists(st.floats(width=32, allow_nan=False), max_size=20),
    flag=st.booleans(),
    number=st.integers(0, 2**64 - 1),
)
def test_messages_come_back_as_they_were_built(text, values, flag, number):
    trace = {"stages": [text, "b"], "stage_ms": values, "dropped_total": number}
    fields = {"header": {"frame_id": text}, "valid": flag, "reason": text, "trace": trace}
    kind = "headway_msgs/msg/HeadArray"
    found = STORE.deserialize_cdr(STORE.serialize_cdr(build(STORE, kind, fields), kind), kind)
    assert (found.header.frame_id, found.valid, found.reason, found.trace.stages) == (text, flag, text, [text, "b"])
    assert found.trace.dropped_total == number
    np.testing.assert_array_equal(found.trace.stage_ms, np.array(values, np.float32))
