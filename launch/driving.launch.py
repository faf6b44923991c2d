"""Node `driving` alone: camera images -> commands."""

from headway.nodes.launching import arguments, description, environment, running

TOPICS = ("image", "odom", "risk")
DEFAULTS = {"risk": "trajectory/risk"}


def generate_launch_description():
    """Entry point of `ros2 launch`."""
    return description(arguments("driving", TOPICS, DEFAULTS), environment(), running("driving", "driving", TOPICS))
