# Sourced, not run: makes ROS 2 visible to the commands that follow. With /opt/ros that installation is used (its rclpy,
# its message packages), otherwise the wheels in the virtual environment, which need nothing but the ament index.
ros_setup=$(ls /opt/ros/*/setup.bash 2>/dev/null | tail -n 1)
if [ -n "$ros_setup" ]; then
  set +u
  . "$ros_setup"
  set -u
  export PATH="$VENV/bin:$PATH"
  export AMENT_PREFIX_PATH="$VENV:$AMENT_PREFIX_PATH"
  export LD_LIBRARY_PATH="$VENV/lib:${LD_LIBRARY_PATH:-}"
else
  export PATH="$VENV/bin:$PATH"
  export AMENT_PREFIX_PATH="$VENV"
fi
