"""Everything on one camera: one process by default, three with composed:=false."""

from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import LaunchConfiguration

from headway.nodes.launching import arguments, description, environment, running

TOPICS = ("image", "camera_info", "imu", "odom", "depth")
BETWEEN = {"heads": "head_pose/heads", "risk": "trajectory/risk"}


def generate_launch_description():
    """Entry point of `ros2 launch`."""
    composed = DeclareLaunchArgument(
        "composed",
        default_value="true",
        description="true: one process, images cross DDS once; false: head_pose, trajectory and driving on their own",
    )
    one, three = IfCondition(LaunchConfiguration("composed")), UnlessCondition(LaunchConfiguration("composed"))
    return description(
        [composed],
        arguments("headway", (*TOPICS, *BETWEEN), BETWEEN),
        environment(),
        running("headway", "headway_node", TOPICS, one),
        running("head_pose", "head_pose", ("image", "camera_info"), three),
        running("trajectory", "trajectory", ("heads", "camera_info", "imu", "odom", "depth"), three),
        running("driving", "driving", ("image", "odom", "risk"), three, {"risk_expected": True}),
    )
