"""Time of the image monitor on the frames of the bundled bag: python tools/monitor_cost.py [OpenCV threads [WxH]]."""

from __future__ import annotations

import sys
import time

import cv2
import numpy as np

from headway.bags import BagReader
from headway.images import COMPRESSED, decode_image
from headway.paths import sample_dir
from headway.stages.monitor import ImageMonitor
from headway.types import Frame

ROUNDS = 4


def main() -> None:
    """Prints median and 90th percentile in milliseconds, wall time and CPU time of the calling thread."""
    cv2.setNumThreads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    with BagReader(sample_dir() / "street-vehicle.mcap") as bag:
        images = [decode_image(m.decode()) for m in bag.messages(bag.of_type(COMPRESSED))]
    if len(sys.argv) > 2:
        wide, high = (int(n) for n in sys.argv[2].split("x"))
        images = [np.asarray(cv2.resize(i, (wide, high), interpolation=cv2.INTER_CUBIC), np.uint8) for i in images]
    monitor, wall, cpu = ImageMonitor(), [], []
    for i, image in enumerate(images * ROUNDS):
        frame = Frame(stamp_ns=(i + 1) * 66_666_667, image=image)
        start, used = time.perf_counter(), time.thread_time()
        monitor(frame)
        wall.append(1e3 * (time.perf_counter() - start))
        cpu.append(1e3 * (time.thread_time() - used))
    height, width = images[0].shape[:2]
    for name, values in (("wall", wall), ("cpu", cpu)):
        print(f"{width}x{height}, {len(values)} frames, {name}: "
              f"median {np.median(values):.2f} ms, p90 {np.percentile(values, 90):.2f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
