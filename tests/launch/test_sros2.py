"""SROS2: a policy for each node that allows what the node does and no more, and a launch argument that enforces it.

The Jazzy wheels' Fast DDS is built without DDS security and no registry has `ros2 security`, so encrypted traffic
itself is not tried here. What is: policies against the topics and services of the real running nodes, the launch files'
words, and that a node that is told to be secure and cannot be does not start.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.node_config import NODE_CONFIGS
from headway.paths import share_dir
from headway.ros_environment import child_environment, own_domain

LAUNCH = share_dir() / "launch"
FILES = sorted(LAUNCH.glob("*.launch.py"))
OPTIONAL = {"/clock", "/parameter_events", "/tf", "~/get_type_description"}
"""Used with use_sim_time, or by one ROS distribution and not by the other."""


def policy(node: str) -> ElementTree.Element:
    return ElementTree.parse(LAUNCH / "security" / f"{node}.policy.xml").getroot()


def allowed(node: str, kind: str, verb: str) -> set[str]:
    """Names as written in the policy."""
    group = policy(node).findall(f".//{kind}s[@{verb}='ALLOW']")
    return {str(entry.text) for g in group for entry in g.findall(kind)}


@pytest.mark.parametrize("node", NODE_CONFIGS)
def test_a_policy_speaks_of_one_enclave_and_one_node_and_allows_no_wildcard(node: str) -> None:
    root = policy(node)
    assert root.attrib["version"] == "0.2.0"
    assert [e.attrib["path"] for e in root.iter("enclave")] == [f"/headway/{node}"]
    assert [(p.attrib["ns"], p.attrib["node"]) for p in root.iter("profile")] == [("/", node)]
    names = [str(e.text) for e in root.iter() if e.tag in ("topic", "service", "action")]
    assert names
    assert not [n for n in names if "*" in n or "?" in n or "[" in n]
    for group in root.iter():
        assert "DENY" not in group.attrib.values()


@pytest.mark.ros
@pytest.mark.parametrize("transport", ["raw", "compressed"])
@pytest.mark.parametrize("node", NODE_CONFIGS)
def test_the_policy_allows_what_the_running_node_does_and_nothing_else(node: str, transport: str) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    pytest.importorskip("headway_msgs", reason="headway_msgs is not built")
    if node == "trajectory" and transport == "compressed":
        pytest.skip("trajectory has no images")
    import importlib

    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.parameter import Parameter
    from ros_bench import Bench, wait

    module = importlib.import_module(f"headway.nodes.{node}")
    kind = next(v for k, v in vars(module).items() if k.endswith("Node") and v.__module__ == module.__name__)
    bench = Bench()
    try:
        given = [Parameter("input.transport", value=transport)]
        running = bench.add(kind(context=bench.context, parameter_overrides=given))
        assert running.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert running.trigger_activate() == TransitionCallbackReturn.SUCCESS

        def short(found: list[tuple[str, list[str]]]) -> set[str]:
            """Names as a policy writes them."""
            names = {n.replace(f"/{node}/", "~/", 1) if n.startswith(f"/{node}/") else n for n, _ in found}
            return {n if n in ("/rosout", "/diagnostics") or n in OPTIONAL else n.removeprefix("/") for n in names}

        ask = running
        wait(lambda: len(ask.get_subscriber_names_and_types_by_node(node, "/")) > 0, "the node does not see itself")
        published = short(ask.get_publisher_names_and_types_by_node(node, "/"))
        subscribed = short(ask.get_subscriber_names_and_types_by_node(node, "/"))
        served = short(ask.get_service_names_and_types_by_node(node, "/"))
    finally:
        bench.close()
    images = {"image", "image/compressed"}
    assert published - OPTIONAL == allowed(node, "topic", "publish") - OPTIONAL
    assert subscribed - OPTIONAL - images == allowed(node, "topic", "subscribe") - OPTIONAL - images
    assert subscribed & images <= allowed(node, "topic", "subscribe")
    assert served - OPTIONAL == allowed(node, "service", "reply") - OPTIONAL


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_security_true_enforces_and_gives_each_node_its_enclave(file: Path, described: Callable[[Path], Any]) -> None:
    actions = described(file)
    declared = {a.args[0]: a.kwargs for a in actions if type(a).__name__ == "DeclareLaunchArgument"}
    assert declared["security"]["default_value"] == "false"
    assert "keystore" in declared
    variables = {a.args[0]: a for a in actions if type(a).__name__ == "SetEnvironmentVariable"}
    assert variables["ROS_SECURITY_ENABLE"].args[1] == "true"
    assert variables["ROS_SECURITY_STRATEGY"].args[1] == "Enforce"
    assert variables["ROS_SECURITY_KEYSTORE"].args[1].args == ("keystore",)
    for name in ("ROS_SECURITY_ENABLE", "ROS_SECURITY_STRATEGY", "ROS_SECURITY_KEYSTORE"):
        condition = variables[name].kwargs["condition"]
        assert type(condition).__name__ == "IfCondition"
        assert condition.args[0].args == ("security",)
    for node in (a for a in actions if type(a).__name__ == "LifecycleNode"):
        words = node.kwargs["arguments"]
        assert words[words.index("--enclave") + 1] == f"/headway/{node.kwargs['name']}"
    first_node = next(i for i, a in enumerate(actions) if type(a).__name__ == "LifecycleNode")
    assert all(actions.index(v) < first_node for v in variables.values()), "a node would start before it is secured"


@pytest.mark.ros
@pytest.mark.parametrize("enclave", ["missing", "there"])
def test_a_node_that_must_be_secure_and_cannot_be_does_not_start(tmp_path: Path, enclave: str) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    pytest.importorskip("headway_msgs", reason="headway_msgs is not built")
    keystore = tmp_path / "keystore"
    folder = keystore / "enclaves" / "headway" / "driving"
    folder.mkdir(parents=True)
    if enclave == "there":  # with files that are no certificates
        for name in ("identity_ca.cert.pem", "cert.pem", "key.pem", "permissions_ca.cert.pem"):
            (folder / name).write_text("no certificate")
        for name in ("governance.p7s", "permissions.p7s"):
            (folder / name).write_text("no signed document")
    else:
        folder.rmdir()
    with own_domain() as domain:
        secured = {
            "ROS_SECURITY_ENABLE": "true",
            "ROS_SECURITY_STRATEGY": "Enforce",
            "ROS_SECURITY_KEYSTORE": str(keystore),
        }
        command = [sys.executable, "-m", "headway.nodes.driving", "--ros-args", "--enclave", "/headway/driving"]
        done = subprocess.run(
            command,
            env={**child_environment(domain), **secured},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode not in (0, None), "it runs without the security that was asked for"
    assert "Traceback" not in done.stderr + done.stdout
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("error: ")]
    words = ("does not exist",) if enclave == "missing" else ("security", "certificate", "cert", "valid")
    assert any(word in line.lower() for word in words), line
