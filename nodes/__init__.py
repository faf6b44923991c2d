"""ROS 2 nodes: parameters in, messages out, nothing else."""
