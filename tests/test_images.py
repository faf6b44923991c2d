"""Every encoding against pixels computed by hand; every kind of broken image refused with its name."""

import io
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import FrameError
from headway.image_size import announced_size
from headway.images import ENCODINGS, decode_image, picture_file

HEIGHT, WIDTH = 6, 8


@pytest.fixture(scope="module")
def bgr():
    return np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def message(encoding, rows, padding=0, **changes):
    """rows: (H, bytes in a row)."""
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    fields = {
        "encoding": encoding,
        "height": rows.shape[0],
        "width": WIDTH,
        "step": data.shape[1],
        "data": data.tobytes(),
    }
    return SimpleNamespace(**{**fields, **changes})


def packed(encoding, bgr):
    """The bytes of `bgr` in `encoding`, from the definition of each."""
    opaque = np.full((HEIGHT, WIDTH, 1), 200, np.uint8)
    layout = {
        "bgr8": bgr,
        "rgb8": bgr[:, :, ::-1],
        "bgra8": np.concatenate([bgr, opaque], axis=2),
        "rgba8": np.concatenate([bgr[:, :, ::-1], opaque], axis=2),
    }
    return layout[encoding].reshape(HEIGHT, -1)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", ["bgr8", "rgb8", "bgra8", "rgba8"])
def test_colour_encodings_give_the_same_pixels(bgr, encoding, padding):
    np.testing.assert_array_equal(decode_image(message(encoding, packed(encoding, bgr), padding)), bgr)


@pytest.mark.parametrize("padding", [0, 5])
def test_mono8_gives_equal_channels(bgr, padding):
    grey = bgr[:, :, 0]
    np.testing.assert_array_equal(decode_image(message("mono8", grey, padding)), np.repeat(grey[..., None], 3, axis=2))


def yuv_to_bgr(y, u, v):
    """BT.601 with limited range, in floating point."""
    y, u, v = 1.164383 * (y - 16.0), u - 128.0, v - 128.0
    bgr = np.stack([y + 2.017232 * u, y - 0.391762 * u - 0.812968 * v, y + 1.596027 * v], axis=-1)
    return np.clip(bgr, 0, 255)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422", "UYVY"), ("uyvy", "UYVY"), ("yuv422_yuy2", "YUYV"), ("yuyv", "YUYV")]
)
def test_yuv_encodings_match_the_formula(encoding, order, padding):
    random = np.random.default_rng(5)
    luma = random.integers(16, 236, (HEIGHT, WIDTH))
    blue, red = random.integers(16, 240, (2, HEIGHT, WIDTH // 2))
    rows = np.zeros((HEIGHT, WIDTH // 2, 4), np.uint8)
    places = {"UYVY": (1, 3, 0, 2), "YUYV": (0, 2, 1, 3)}[order]
    for place, values in zip(places, (luma[:, ::2], luma[:, 1::2], blue, red), strict=True):
        rows[:, :, place] = values
    expected = yuv_to_bgr(luma, np.repeat(blue, 2, axis=1), np.repeat(red, 2, axis=1))
    found = decode_image(message(encoding, rows.reshape(HEIGHT, -1), padding))
    assert np.abs(found - expected).max() <= 2


def test_bgr8_is_a_read_only_view_on_the_message(bgr):
    rows = bytearray(bgr.tobytes())
    found = decode_image(message("bgr8", bgr.reshape(HEIGHT, -1), data=rows))
    rows[0] ^= 255
    assert found[0, 0, 0] == rows[0]
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoding": "bayer_rggb8"}, r"'bayer_rggb8' is none of bgr8, rgb8, mono8"),
        ({"width": 0}, r"size 0x6"),
        ({"height": 0}, r"size 8x0"),
        ({"step": 23}, r"step is 23: 8 pixels of bgr8 need at least 24"),
        ({"data": b"\0" * 143}, r"truncated: 143 bytes, 6 rows of 24 need 144"),
        ({"data": b""}, r"truncated: 0 bytes"),
        ({"width": 2**32 - 1, "height": 2**32 - 1, "step": 2**32 - 1}, r"step is"),
        ({"encoding": "yuyv", "width": 7}, r"width 7 is odd"),
    ],
)
def test_a_broken_image_is_refused_with_what_is_wrong(bgr, changes, words):
    with pytest.raises(FrameError, match=words):
        decode_image(message(**{"encoding": "bgr8", "rows": bgr.reshape(HEIGHT, -1), **changes}))


def compressed(data, kind="jpeg"):
    return SimpleNamespace(format=kind, data=data)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp"])
def test_compressed_images_without_loss_come_back_exactly(bgr, suffix):
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    data = cv2.imencode(suffix, bgr, options)[1].tobytes()
    np.testing.assert_array_equal(decode_image(compressed(data, suffix[1:])), bgr)


SAMPLING = {"4:4:4": 0x111111, "4:2:2": 0x211111, "4:2:0": 0x221111}


def photo(height=121, width=163):
    """Smooth colour with some texture, odd sides."""
    random = np.random.default_rng(7)
    low = random.integers(0, 256, (1 + height // 20, 1 + width // 20, 3), dtype=np.uint8)
    smooth = cv2.resize(low, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + random.normal(0, 4, (height, width, 1)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(121, 163), (480, 640), (8, 16)])
@pytest.mark.parametrize("sampling", SAMPLING)
def test_a_jpeg_is_what_opencv_makes_of_it(sampling, size):
    options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[sampling]]
    data = cv2.imencode(".jpg", photo(*size), options)[1]
    np.testing.assert_array_equal(decode_image(compressed(data.tobytes())), cv2.imdecode(data, cv2.IMREAD_COLOR))


def test_gray_cmyk_and_turned_jpegs_are_read_as_opencv_reads_them():
    data = cv2.imencode(".jpg", photo()[..., 0])[1]
    np.testing.assert_array_equal(decode_image(compressed(data.tobytes())), cv2.imdecode(data, 1))
    # EXIF: little-endian, one entry, orientation (0x0112, one SHORT) 6: a quarter turn.
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff
    plain = cv2.imencode(".jpg", photo())[1].tobytes()
    turned = plain[:2] + exif + plain[2:]
    assert decode_image(compressed(plain)).shape == (121, 163, 3)
    assert decode_image(compressed(turned)).shape == (163, 121, 3)
    try:
        from PIL import Image as Pillow
    except ImportError:
        return
    stream = io.BytesIO()
    Pillow.fromarray(photo()).convert("CMYK").save(stream, "JPEG")
    oracle = cv2.imdecode(np.frombuffer(stream.getvalue(), np.uint8), 1)
    np.testing.assert_array_equal(decode_image(compressed(stream.getvalue())), oracle)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_truncated_compressed_image_is_refused(suffix):
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = cv2.imencode(suffix, image)[1].tobytes()
    assert decode_image(compressed(data)).shape == (64, 64, 3)
    with pytest.raises(FrameError, match="truncated"):
        decode_image(compressed(data[: len(data) // 2]))


def test_a_padded_jpeg_is_decoded():
    data = cv2.imencode(".jpg", np.full((16, 16, 3), 90, np.uint8))[1].tobytes()
    assert decode_image(compressed(data + b"\0" * 100)).shape == (16, 16, 3)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff\xd9"])
def test_bytes_that_are_no_image_are_refused_with_the_format(data):
    with pytest.raises(FrameError, match="'jpeg'"):
        decode_image(compressed(data))


@given(
    encoding=st.sampled_from([*ENCODINGS, "", "bgr16", "8UC3"]),
    height=st.integers(0, 2**32 - 1),
    width=st.integers(0, 2**32 - 1),
    step=st.integers(0, 2**32 - 1),
    data=st.binary(max_size=300),
)
def test_any_raw_message_gives_an_image_or_a_frame_error(encoding, height, width, step, data):
    fields = SimpleNamespace(encoding=encoding, height=height % 9, width=width % 9, step=step % 40, data=data)
    for fields.height, fields.width, fields.step in ((height, width, step), (height % 9, width % 9, step % 40)):
        try:
            image = decode_image(fields)
        except FrameError:
            continue
        assert image.shape == (fields.height, fields.width, 3)
        assert image.dtype == np.uint8


@given(
    data=st.binary(max_size=200),
    start=st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF"]),
)
def test_any_compressed_bytes_give_an_image_or_a_frame_error(data, start):
    try:
        image = decode_image(compressed(start + data))
    except FrameError:
        return
    assert image.ndim == 3


def claiming(width, height, suffix):
    """A real image of 8x6 whose header says that it is of another size."""
    data = bytearray(cv2.imencode(suffix, np.zeros((6, 8, 3), np.uint8))[1].tobytes())
    if suffix == ".png":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif suffix == ".bmp":
        data[18:26] = struct.pack("<ii", width, -height)
    else:
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(
    ("suffix", "width", "height"), [(".png", 60_000, 60_000), (".jpg", 65_500, 65_500), (".bmp", 30_000, 30_000)]
)
def test_a_few_bytes_that_announce_gigabytes_are_refused_before_they_are_decoded(monkeypatch, suffix, width, height):
    data = claiming(width, height, suffix)
    assert announced_size(data) == (width, height)
    monkeypatch.setattr(cv2, "imdecode", None)  # decoding would be a TypeError
    monkeypatch.setattr(simplejpeg, "decode_jpeg", None)
    with pytest.raises(FrameError, match=f"{width}x{height} has more than"):
        decode_image(compressed(data))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
@pytest.mark.parametrize("lossless", [True, False])
def test_the_size_is_read_from_the_header_of_every_format_that_is_decoded(suffix, lossless):
    options = [cv2.IMWRITE_WEBP_QUALITY, 101 if lossless else 70] if suffix == ".webp" else []
    data = cv2.imencode(suffix, np.zeros((24, 37, 3), np.uint8), options)[1].tobytes()
    assert announced_size(data) == (37, 24)
    assert all(announced_size(data[:n]) in (None, (37, 24)) for n in range(40))


def test_other_formats_are_refused_by_name_of_those_that_are_read():
    tiff = cv2.imencode(".tiff", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    with pytest.raises(FrameError, match="no JPEG, PNG, WebP or BMP"):
        decode_image(compressed(tiff))


def test_a_broken_image_is_said_once_and_not_by_opencv_as_well(capfd):
    # A BMP that announces its size, with a header of no length.
    data = b"BM" + struct.pack("<IHHIIiiHH", 62, 0, 0, 54, 0, 4, 4, 1, 24) + bytes(20)
    with pytest.raises(FrameError):
        decode_image(SimpleNamespace(format="bmp", data=data))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["\ud800.png", "a\0b.png", "x" * 400 + ".png", "missing.png", "empty.png", "."])
def test_a_picture_that_cannot_be_there_is_none_and_the_process_lives(tmp_path, name):
    (tmp_path / "empty.png").touch()
    assert picture_file(tmp_path / Path(name)) is None


def test_a_picture_file_is_bgr_whatever_it_holds(tmp_path, bgr):
    for name, picture in (
        ("a.png", bgr),
        ("b.tiff", bgr),
        ("c.png", bgr[..., 0]),
        ("d.png", np.dstack([bgr, bgr[..., :1]])),
    ):
        cv2.imwrite(str(tmp_path / name), picture)
        wanted = np.dstack([picture] * 3) if picture.ndim == 2 else picture[..., :3]
        np.testing.assert_array_equal(picture_file(tmp_path / name), wanted)
