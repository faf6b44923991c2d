"""Writes the generated tables of README.md: topics asked of the running nodes, parameters read from their dataclasses,
models read from their manifests.

Usage: python tools/readme_tables.py README.md [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from headway.config import Parameter
from headway.node_config import NODE_CONFIGS
from headway.runtime.manifest import read_manifest
from headway.runtime.model import installed_models, model_folder


def parameter_table() -> str:
    """One row a parameter, all nodes; a parameter that several nodes share stands once."""
    rows: dict[str, tuple[Parameter, list[str]]] = {}
    for node, config in NODE_CONFIGS.items():
        for p in config().parameters():
            rows.setdefault(f"{p.name}|{p.value}|{p.description}", (p, []))[1].append(node)
    lines = ["| parameter | default | range | nodes | what |", "|---|---|---|---|---|"]
    for p, nodes in rows.values():
        where = "all" if len(nodes) == len(NODE_CONFIGS) else ", ".join(nodes)
        lines.append(f"| `{p.name}` | {_value(p.value)} | {_range(p)} | {where} | {p.description} |")
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value != "" else '`""`'


def _range(p: Parameter) -> str:
    if p.choices:
        return ", ".join(p.choices)
    if p.minimum is None and p.maximum is None:
        return ""
    return f"{p.minimum:g} … {p.maximum:g}" if p.minimum is not None and p.maximum is not None else ""


def model_table() -> str:
    """One row an installed model, in the words of its manifest."""
    lines = ["| model | parameters | measured |", "|---|---|---|"]
    for name in installed_models():
        m = read_manifest(model_folder(name))
        measured = m.evaluation.get("summary", "see its card")
        lines.append(f"| [`{name}`](models/weights/{name}/README.md) | {m.parameters:,} | {measured} |")
    return "\n".join(lines)


def topic_table() -> str:
    """One row a topic, as the running nodes report them."""
    import rclpy
    from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

    from headway.nodes.driving import DrivingNode
    from headway.nodes.head_pose import HeadPoseNode
    from headway.nodes.headway import HeadwayNode
    from headway.nodes.trajectory import TrajectoryNode

    lines = ["| node | direction | topic | type |", "|---|---|---|---|"]
    rclpy.init()
    try:
        nodes = {
            "head_pose": HeadPoseNode,
            "trajectory": TrajectoryNode,
            "driving": DrivingNode,
            "headway": HeadwayNode,
        }
        for name, make in nodes.items():
            node: LifecycleNode = make()
            for transition in (node.trigger_configure, node.trigger_activate):
                if transition() != TransitionCallbackReturn.SUCCESS:
                    raise SystemExit(f"node {name} does not start: see the line above")
            for direction, found in (
                ("in", node.get_subscriber_names_and_types_by_node(name, "/")),
                ("out", node.get_publisher_names_and_types_by_node(name, "/")),
            ):
                for topic, types in sorted(found):
                    if topic in ("/rosout", "/parameter_events", "/clock") or topic.endswith("/transition_event"):
                        continue
                    shown = topic if topic == "/diagnostics" else topic.replace(f"/{name}/", "~/").lstrip("/")
                    lines.append(f"| `{name}` | {direction} | `{shown}` | {', '.join(f'`{t}`' for t in types)} |")
            node.trigger_deactivate()
            node.trigger_cleanup()
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
    return "\n".join(lines)


def replace(text: str, name: str, table: str) -> str:
    """`text` with what stands between the markers of `name` replaced by `table`."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if begin not in text or end not in text:
        raise SystemExit(f"the file has no '{begin}' ... '{end}'")
    before, rest = text.split(begin, 1)
    return f"{before}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"


def main() -> None:
    """Writes the file, or with --check only says whether it is up to date (exit code 1 where it is not)."""
    path = Path(sys.argv[1])
    old = path.read_text(encoding="utf-8")
    new = old
    for name, table in (("models", model_table), ("parameters", parameter_table), ("topics", topic_table)):
        new = replace(new, name, table())
    if "--check" in sys.argv:
        if new != old:
            raise SystemExit(f"{path} is out of date: run `make tables`")
    elif new != old:
        path.write_text(new, encoding="utf-8")
        print(f"{path} written")


if __name__ == "__main__":
    main()
