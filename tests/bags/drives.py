"""A short made-up drive: images of a road and a textured background, camera_info, imu, odometry."""

import cv2
import numpy as np

from headway.bags import BagWriter
from headway.convert.material import CAMERA_INFO, CAMERA_TOPIC, IMAGE_TOPIC, Picture
from headway.convert.tub import DRIVE_TOPIC
from headway.convert.video import camera_info
from headway.images import COMPRESSED
from headway.messages import COMMAND, stamp

START = 1_700_000_000_000_000_000
STEP = 66_666_667
WIDTH, HEIGHT = 320, 240


def picture(index, width=WIDTH, height=HEIGHT):
    """(H, W, 3) uint8 BGR: a road whose middle line wanders."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[: height // 2] = (200, 180, 160)
    middle = round(width * (0.5 + 0.1 * np.sin(index / 3)))
    cv2.line(image, (middle, height), (width // 2, height // 2), (40, 210, 230), 6)
    cv2.circle(image, (40 + 8 * index, height // 2), 12, (120, 140, 190), -1)
    return image


def jpeg(image):
    return cv2.imencode(".jpg", image)[1].tobytes()


def write_drive(path, frames=12, change=None, sensors=True):
    """`change` (index, fields) -> fields alters the image messages."""
    with BagWriter(path) as bag:
        for i in range(frames):
            at = START + i * STEP
            header = {"stamp": stamp(at), "frame_id": "camera_optical_frame"}
            fields = {"header": header, "format": "jpeg", "data": jpeg(picture(i))}
            bag.write(IMAGE_TOPIC, COMPRESSED, change(i, fields) if change else fields, at + 1_000_000)
            if sensors:
                write_sensors(bag, i, at)
    return path


def write_sensors(bag, index, at):
    size = Picture(b"", WIDTH, HEIGHT)
    bag.write(CAMERA_TOPIC, CAMERA_INFO, camera_info(size, 70, at), at + 2_000_000)
    for k in range(5):
        t = at + k * STEP // 5
        imu = {"header": {"stamp": stamp(t)}, "orientation": {"z": np.sin(index / 40), "w": np.cos(index / 40)}}
        bag.write("/imu/data", "sensor_msgs/msg/Imu", imu, t + 3_000_000)
    odom = {"header": {"stamp": stamp(at)}, "twist": {"twist": {"linear": {"x": 1.2}}}}
    odom["pose"] = {"pose": {"orientation": {"w": 1.0}}}
    bag.write("/odom", "nav_msgs/msg/Odometry", odom, at + 4_000_000)
    driven = {"header": {"stamp": stamp(at)}, "valid": True, "steering": 0.1 * np.sin(index / 3)}
    bag.write(DRIVE_TOPIC, COMMAND, driven, at)
