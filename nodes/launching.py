"""What the launch files share. Imported by them only: `launch` comes with a ROS installation, not from any registry.

Configure and activate are emitted as explicit events, which Humble and Jazzy understand alike.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from launch.actions import DeclareLaunchArgument, EmitEvent, RegisterEventHandler, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from headway.node_config import parameter_file
from headway.ros_environment import PROFILE_VARIABLES, SEGMENT_BYTES, profile_file, shared_memory_free
from launch import LaunchDescription

# launch argument (and relative topic of the node) -> what it carries
TOPICS = {
    "image": "camera images; compressed ones are looked for below it, on <image>/compressed",
    "camera_info": "camera intrinsics",
    "imu": "orientation of the camera's carrier",
    "odom": "velocity of the camera's carrier",
    "depth": "depth images aligned with the camera images",
    "heads": "heads of the head_pose node",
    "risk": "risks of the trajectory node",
}


def arguments(node: str, topics: Sequence[str], defaults: dict[str, str] | None = None) -> list[DeclareLaunchArgument]:
    """The launch arguments of one node. `defaults` replaces default topics."""
    declared = {
        "params_file": (str(parameter_file(node)), "parameter file; its values replace the defaults of every node"),
        "use_sim_time": ("false", "true while a bag is played with --clock"),
        "namespace": ("", "namespace of the nodes and of their relative topics"),
        "log_level": ("info", "debug, info, warn, error or fatal"),
        "security": ("false", "true: SROS2 is enforced, each node in the enclave /headway/<node> of `keystore`"),
        "keystore": (os.environ.get("ROS_SECURITY_KEYSTORE", ""), "folder made by `ros2 security create_keystore`"),
    }
    for topic in topics:
        declared[topic] = ((defaults or {}).get(topic, topic), TOPICS[topic])
    return [DeclareLaunchArgument(k, default_value=v, description=text) for k, (v, text) in declared.items()]


def environment() -> list[SetEnvironmentVariable]:
    """SROS2 where it is asked for; the shared-memory profile, where there is room for it and nobody chose another."""
    asked = IfCondition(LaunchConfiguration("security"))
    secured = {
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",  # without a valid enclave a node does not start
        "ROS_SECURITY_KEYSTORE": LaunchConfiguration("keystore"),
    }
    actions = [SetEnvironmentVariable(name, value, condition=asked) for name, value in secured.items()]
    if shared_memory_free() < 4 * SEGMENT_BYTES or any(name in os.environ for name in PROFILE_VARIABLES):
        return actions
    return actions + [SetEnvironmentVariable(name, str(profile_file())) for name in PROFILE_VARIABLES]


def running(
    node: str, executable: str, topics: Sequence[str], condition: Any = None, given: dict[str, Any] | None = None
) -> list[Any]:
    """Starts `node`, configures it, and activates it once it is configured. `given`: parameters that this launch file
    knows better than the node's own file; those of `params_file` outrank them."""
    remappings = [(topic, LaunchConfiguration(topic)) for topic in topics]
    if "image" in topics:
        remappings.append(("image/compressed", [LaunchConfiguration("image"), "/compressed"]))
    action = LifecycleNode(
        package="headway",
        executable=executable,
        name=node,
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            str(parameter_file(node)),
            given or {},
            LaunchConfiguration("params_file"),
            {"use_sim_time": LaunchConfiguration("use_sim_time")},
        ],
        remappings=remappings,
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level"), "--enclave", f"/headway/{node}"],
        output="screen",
        condition=condition,
    )
    activate = OnStateTransition(
        target_lifecycle_node=action,
        start_state="configuring",
        goal_state="inactive",
        entities=[_change(action, Transition.TRANSITION_ACTIVATE)],
    )
    return [
        RegisterEventHandler(activate, condition=condition),
        action,
        _change(action, Transition.TRANSITION_CONFIGURE, condition),
    ]


def _change(action: LifecycleNode, transition: int, condition: Any = None) -> EmitEvent:
    event = ChangeState(lifecycle_node_matcher=matches_action(action), transition_id=transition)
    return EmitEvent(event=event, condition=condition)


def description(*parts: Sequence[Any]) -> LaunchDescription:
    """One description of all parts."""
    return LaunchDescription([action for part in parts for action in part])
