"""Node `head_pose` alone: camera images -> heads with their pose."""

from headway.nodes.launching import arguments, description, environment, running

TOPICS = ("image", "camera_info")


def generate_launch_description():
    """Entry point of `ros2 launch`."""
    return description(arguments("head_pose", TOPICS), environment(), running("head_pose", "head_pose", TOPICS))
