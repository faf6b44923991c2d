"""Node `trajectory` alone: heads and motion -> forecasts and risk."""

from headway.nodes.launching import arguments, description, environment, running

TOPICS = ("heads", "camera_info", "imu", "odom", "depth")
DEFAULTS = {"heads": "head_pose/heads"}


def generate_launch_description():
    """Entry point of `ros2 launch`."""
    declared = arguments("trajectory", TOPICS, DEFAULTS)
    return description(declared, environment(), running("trajectory", "trajectory", TOPICS))
