"""Recorded material as bags: videos, folders of images, donkeycar tubs, KITTI tracking labels."""
