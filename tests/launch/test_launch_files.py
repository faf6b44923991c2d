"""Every executable, parameter file and argument that a launch file names exists."""

from __future__ import annotations

import ast
import configparser
import importlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from headway.config import read_parameter_file
from headway.node_config import NODE_CONFIGS, load, parameter_file
from headway.paths import share_dir
from headway.ros_environment import profile_file

LAUNCH = share_dir() / "launch"
FILES = sorted(LAUNCH.glob("*.launch.py"))
CHECKOUT = (share_dir() / "setup.cfg").is_file()


def walk(thing: Any) -> Iterator[Any]:
    """Every recorded object below `thing`."""
    if isinstance(thing, dict):
        thing = thing.values()
    if isinstance(thing, (list, tuple)) or not hasattr(thing, "kwargs"):
        if isinstance(thing, str) or not hasattr(thing, "__iter__"):
            return
        for part in thing:
            yield from walk(part)
        return
    yield thing
    yield from walk(thing.args)
    yield from walk(thing.kwargs)


def of_kind(thing: Any, kind: str) -> list[Any]:
    return [t for t in walk(thing) if type(t).__name__ == kind]


def test_the_four_launch_files_are_there() -> None:
    assert [f.name for f in FILES] == [
        "driving.launch.py", "head_pose.launch.py", "headway.launch.py", "trajectory.launch.py"
    ]  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_every_argument_used_is_declared_with_default_and_description(
    file: Path, described: Callable[[Path], Any]
) -> None:
    actions = described(file)
    declared = {a.args[0]: a.kwargs for a in of_kind(actions, "DeclareLaunchArgument")}
    used = {a.args[0] for a in of_kind(actions, "LaunchConfiguration")}
    assert used == set(declared)
    assert {"params_file", "use_sim_time", "namespace", "log_level"} <= set(declared)
    for name, given in declared.items():
        assert given["default_value"] is not None, name
        assert len(given["description"]) > 5, name
    assert Path(declared["params_file"]["default_value"]).is_file()


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_every_executable_is_an_entry_point_whose_function_exists(file: Path, described: Callable[[Path], Any]) -> None:
    if not CHECKOUT:
        pytest.skip("setup.cfg is only in a checkout")
    config = configparser.ConfigParser()
    config.read(share_dir() / "setup.cfg")
    scripts = dict(line.split(" = ") for line in config["options.entry_points"]["console_scripts"].strip().splitlines())
    nodes = of_kind(described(file), "LifecycleNode")
    assert nodes
    for node in nodes:
        module, function = scripts[node.kwargs["executable"]].split(":")
        pytest.importorskip("headway_msgs.msg", reason="headway_msgs is not built")
        assert callable(getattr(importlib.import_module(module), function))
        assert node.kwargs["name"] in NODE_CONFIGS
        assert node.kwargs["package"] == "headway"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_every_node_is_configured_and_activated_by_explicit_events(
    file: Path, described: Callable[[Path], Any]
) -> None:
    actions = described(file)
    nodes = of_kind(actions, "LifecycleNode")
    changes = of_kind(actions, "ChangeState")
    transitions = {(c.kwargs["lifecycle_node_matcher"].kwargs["name"], c.kwargs["transition_id"]) for c in changes}
    from lifecycle_msgs.msg import Transition

    names = {n.kwargs["name"] for n in nodes}
    assert transitions == {
        (n, t) for n in names for t in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
    }


def test_composed_starts_one_process_and_otherwise_three_wired_in_a_row(described: Callable[[Path], Any]) -> None:
    nodes = {n.kwargs["name"]: n for n in of_kind(described(LAUNCH / "headway.launch.py"), "LifecycleNode")}
    assert set(nodes) == {"headway", "head_pose", "trajectory", "driving"}
    conditions = {name: type(n.kwargs["condition"]).__name__ for name, n in nodes.items()}
    assert conditions.pop("headway") == "IfCondition"
    assert set(conditions.values()) == {"UnlessCondition"}
    declared = {
        a.args[0]: a.kwargs["default_value"]
        for a in of_kind(described(LAUNCH / "headway.launch.py"), "DeclareLaunchArgument")
    }
    assert declared["composed"] == "true"
    assert declared["heads"] == "head_pose/heads"
    assert declared["risk"] == "trajectory/risk"


def test_nodes_remap_only_topics_they_have(described: Callable[[Path], Any]) -> None:
    sources = {n: (share_dir() / "nodes" / f"{n}.py") for n in NODE_CONFIGS}
    if not all(s.is_file() for s in sources.values()):
        pytest.skip("the nodes' sources are only in a checkout")
    base = ast.parse((share_dir() / "nodes" / "images.py").read_text(encoding="utf-8"))
    for node in of_kind(described(LAUNCH / "headway.launch.py"), "LifecycleNode"):
        tree = ast.parse(sources[node.kwargs["name"]].read_text(encoding="utf-8"))
        words = {n.value for t in (tree, base) for n in ast.walk(t) if isinstance(n, ast.Constant)}
        for topic, _ in node.kwargs["remappings"]:
            assert topic in words, f"{node.kwargs['name']} never names {topic}"


@pytest.mark.parametrize("node", NODE_CONFIGS)
def test_every_parameter_in_the_file_is_known_and_in_range(node: str) -> None:
    values = read_parameter_file(parameter_file(node), node)
    assert values, f"{parameter_file(node)} has no section for {node}"
    load(NODE_CONFIGS[node](), node)  # raises ConfigError otherwise
    assert set(yaml.safe_load(parameter_file(node).read_text())) == {f"/**/{node}"}


def test_the_profile_is_shared_memory_and_udp_without_the_built_in_transports() -> None:
    root = ElementTree.parse(profile_file()).getroot()
    space = {"p": root.tag.partition("}")[0].strip("{")}
    assert [t.text for t in root.findall(".//p:transport_descriptor/p:type", space)] == ["SHM", "UDPv4"]
    shm = root.find(".//p:transport_descriptor", space)
    assert shm is not None
    numbers = {c.tag.rpartition("}")[2]: c.text for c in shm}
    assert numbers["segment_size"] == "67108864"
    assert numbers["maxMessageSize"] == "8388608"
    assert numbers["port_queue_capacity"] == "512"
    used = [t.text for t in root.findall(".//p:userTransports/p:transport_id", space)]
    assert used == [t.text for t in root.findall(".//p:transport_descriptor/p:transport_id", space)]
    assert root.findtext(".//p:useBuiltinTransports", namespaces=space) == "false"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_launch_itself_accepts_the_file(file: Path) -> None:
    pytest.importorskip("launch_ros", reason="launch comes with a ROS installation only")
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(file))
    assert description.get_launch_arguments()


@pytest.mark.parametrize("node", NODE_CONFIGS)
@pytest.mark.parametrize(("name", "engine"), [("cpu-bf16", "openvino-bf16"), ("cpu-int8", "openvino-int8")])
def test_the_files_for_a_cpu_differ_from_the_others_in_networks_and_engine_alone(
    node: str, name: str, engine: str
) -> None:
    file = LAUNCH / "config" / f"{name}.yaml"
    usual, fast = read_parameter_file(parameter_file(node), node), read_parameter_file(file, node)
    assert fast.pop("engine") == engine
    for key in [k for k in usual if k == "model" or k.startswith("models.")]:
        assert Path(str(fast.pop(key))).name in (usual[key], f"{usual.pop(key)}-nano")
    assert fast == usual
    load(NODE_CONFIGS[node](), node, file)
