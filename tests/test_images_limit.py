"""No image is larger than the limit, also where every byte of it has come."""

from types import SimpleNamespace

import numpy as np
import pytest

from headway.errors import FrameError
from headway.image_size import PIXEL_LIMIT
from headway.images import decode_image


def test_a_raw_image_beyond_the_limit_is_refused_before_it_is_converted():
    width, height = 1 << 13, (PIXEL_LIMIT >> 13) + 1
    data = np.zeros(width * height, np.uint8)
    message = SimpleNamespace(encoding="mono8", width=width, height=height, step=width, data=data)
    with pytest.raises(FrameError, match="more than 33,554,432 pixels"):
        decode_image(message)
