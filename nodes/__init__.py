"""ROS 2 nodes: parameters in, messages out, nothing else."""

from headway.nodes.memory import share_one_arena

share_one_arena()  # first of all: numpy, OpenCV and ONNX Runtime start threads when they are imported
