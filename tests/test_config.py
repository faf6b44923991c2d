from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.config import Config, group, parameter, read_parameter_file
from headway.errors import ConfigError


@dataclass(frozen=True)
class Inner(Config):
    gain: float = parameter(0.5, "a gain", 0.0, 1.0)
    count: int = parameter(3, "a count", 1, 10)


@dataclass(frozen=True)
class Outer(Config):
    name: str = parameter("fast", "a choice", choices=("fast", "slow"))
    rotation: tuple = parameter((0.0, 0.0, 0.0, 1.0), "a list")
    enabled: bool = parameter(True, "a switch")
    inner: Inner = group(Inner)


def test_groups_are_addressed_with_dots():
    assert [p.name for p in Outer().parameters()] == ["name", "rotation", "enabled", "inner.gain", "inner.count"]
    assert Outer().replaced({"inner.gain": 0.25, "name": "slow"}).inner.gain == 0.25


@given(st.one_of(st.floats(), st.integers(), st.text(), st.booleans(), st.none(), st.lists(st.integers())))
def test_a_value_out_of_range_or_kind_is_refused_by_name(value):
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0.0 <= value <= 1.0
    if good:
        assert Outer().replaced({"inner.gain": value}).inner.gain == value
    else:
        with pytest.raises(ConfigError, match="gain"):
            Outer().replaced({"inner.gain": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "other"),
        ("name", 3),
        ("enabled", 1),
        ("inner.count", 2.5),
        ("rotation", [1, float("nan")]),
        ("rotation", 3),
        ("rotation", "0001"),
        ("rotation", [False, False, False, True]),
        pytest.param("rotation", [10**400], id="list with more than a float"),
        pytest.param("inner.gain", 10**400, id="more than a float"),
        pytest.param("inner.count", 10**400, id="count of more than a float"),
        ("inner.count", float("inf")),
        ("inner.count", float("nan")),
    ],
)
def test_wrong_kinds_are_refused(name, value):
    with pytest.raises(ConfigError, match=name.split(".")[-1]):
        Outer().replaced({name: value})


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match="inner"):
        Outer().replaced({"inner.gian": 1.0})


def test_parameter_file_is_read_per_node(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n    enabled: false\n"
        "outer:\n  ros__parameters:\n    inner: {gain: 0.1}\n"
        "other:\n  ros__parameters:\n    name: slow\n"
    )
    assert read_parameter_file(path, "outer") == {"enabled": False, "inner.gain": 0.1}


@pytest.mark.parametrize("text", ["", "- a", "a: {b: 1}\nouter: 3", "outer: {ros__parameters: [1]}", "a: [", "\x00"])
def test_a_file_that_is_no_parameter_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        read_parameter_file(path, "outer")


def test_a_file_of_another_node_is_refused_since_all_it_sets_would_be_left_out(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("/**/other: {ros__parameters: {name: slow}}")
    with pytest.raises(ConfigError, match=r"p\.yaml has no parameters of node 'outer', only of: /\*\*/other"):
        read_parameter_file(path, "outer")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml does not exist"):
        read_parameter_file(tmp_path / "gone.yaml", "outer")
