"""PNG and JPEG files as programs and phones write them, and as they must not be read."""

import io
import struct
import zlib

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from helpers import jpeg_data, jpeg_frames
from helpers.pixels import UnreadableRadiograph, read_radiograph

SIDE = 96
RNG = np.random.default_rng(0)
GREY = (np.linspace(0, 190, SIDE)[:, None] + RNG.integers(0, 60, (SIDE, SIDE))).astype(np.uint8)
DEEP = GREY.astype(">u2") * 257
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
ADAM7 = (*PASSES, (1, 0, 2, 1))  # first row, first column, step of rows, of columns
KINDS = {  # pixels, bits of a sample, colour type
    "grey of 8 bits": (GREY, 8, 0),
    "grey of 16 bits": (DEEP, 16, 0),
    "colour of 8 bits": (np.stack([GREY] * 3, -1), 8, 2),
    "colour of 16 bits": (np.stack([DEEP] * 3, -1), 16, 2),
    "grey and alpha": (np.stack([GREY, np.full_like(GREY, 255)], -1), 8, 4),
}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: list[bytes], bits: int, colour: int, *, between: bytes = b"", adam7=False) -> bytes:
    header = struct.pack(">IIBBBBB", SIDE, SIDE, bits, colour, 0, 0, int(adam7))
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = chunk(b"IHDR", header) + between + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def transparent(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_png_gives_its_grey(kind):
    pixels, bits, colour = KINDS[kind]
    found = read_radiograph(png([row.tobytes() for row in pixels], bits, colour))
    np.testing.assert_allclose(found, GREY / 255, atol=1 / 250)


@pytest.mark.parametrize("kind", KINDS)
def test_interlaced_pngs_are_read_alike(kind):
    pixels, bits, colour = KINDS[kind]
    parts = (pixels[row::down, column::across] for row, column, down, across in ADAM7)
    rows = [row.tobytes() for part in parts for row in part]
    found = read_radiograph(png(rows, bits, colour, adam7=True))
    np.testing.assert_allclose(found, GREY / 255, atol=1 / 250)


@pytest.mark.parametrize("rows", [1, SIDE // 2, SIDE - 1])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_missing_are_not_taken_for_black(kind, rows):
    pixels, bits, colour = KINDS[kind]
    with pytest.raises(UnreadableRadiograph, match="damaged or cut off"):
        read_radiograph(png([row.tobytes() for row in pixels[:rows]], bits, colour))


def test_transparent_grey_is_black():
    value = int(DEEP[50, 50])
    film = read_radiograph(png([row.tobytes() for row in DEEP], 16, 0, between=transparent(value)))
    np.testing.assert_allclose(film, np.where(value == DEEP, 0, GREY / 255), atol=1e-6)

    four = GREY >> 4
    rows = [row.tobytes() for row in (four[:, ::2] << 4) | four[:, 1::2]]
    film = read_radiograph(png(rows, 4, 0, between=transparent(int(four[50, 50]))))
    np.testing.assert_allclose(film, np.where(four == four[50, 50], 0, four / 15), atol=1e-6)


def jpeg(**settings) -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "JPEG", quality=95, **settings)
    return file.getvalue()


@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"comment": b"\xff\xd9\xff\xda"}])
def test_what_a_phone_appends_to_a_jpeg_is_not_counted(settings):
    following = RNG.integers(0, 256, 12_000_000, dtype=np.uint8).tobytes()
    assert following.count(b"\xff\xda") > 100
    film = read_radiograph(jpeg(**settings) + b"\0\0\0\x18ftypmp42" + following)
    np.testing.assert_allclose(film, GREY / 255, atol=0.1)


def test_a_jpeg_of_too_many_scans_is_refused():
    data = jpeg(progressive=True)
    last = data.rfind(b"\xff\xda")
    with pytest.raises(UnreadableRadiograph, match="too many for its size"):
        read_radiograph(data[:-2] + 200 * data[last:-2] + data[-2:])


def test_a_jpeg_of_many_restarts_is_one_scan():
    settings = [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]
    data = cv2.imencode(".jpg", GREY, settings)[1].tobytes()
    assert data.count(b"\xff\xd0") > 5
    assert read_radiograph(data).shape == GREY.shape


def large_jpeg(mode: str, **settings) -> bytes:
    file = io.BytesIO()
    large = Image.fromarray(GREY).resize((400, 400)).convert(mode)
    large.save(file, "JPEG", quality=95, **settings)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_whose_samples_are_missing_is_refused(mode, progressive):
    """Though it has an end, and libjpeg fills the gap with grey."""
    whole = large_jpeg(mode, progressive=progressive)
    read_radiograph(whole)
    read_radiograph(whole[:-2] + bytes(9) + whole[-2:])  # bytes that no decoder needs
    half = len(whole) // 2
    taller = bytearray(whole)
    frame = whole.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    taller[frame + 5 : frame + 7] = struct.pack(">H", 700)
    for damaged in (
        whole[:half] + b"\xff\xd9",
        whole[: int(0.9 * len(whole))] + b"\xff\xd9",
        whole[:half] + whole[half + half // 4 :],
        bytes(taller),
    ):
        with pytest.raises(UnreadableRadiograph, match="some pixels are missing"):
            read_radiograph(damaged)


@pytest.mark.parametrize("before", [b"\xff\xc4", b"\xff\xda"])
@pytest.mark.parametrize("progressive", [False, True])
def test_stray_bytes_among_the_headers_of_a_jpeg_do_no_harm(progressive, before):
    whole = large_jpeg("L", progressive=progressive)
    at = whole.index(before)
    found = read_radiograph(whole[:at] + bytes(5) + whole[at:])
    np.testing.assert_array_equal(found, read_radiograph(whole))


def test_kinds_of_jpeg_that_simplejpeg_has_no_room_for_never_reach_it(monkeypatch):
    monkeypatch.setattr(jpeg_data, "simplejpeg", None)  # whoever asks it, fails
    lossless = imagecodecs.ljpeg_encode(GREY.astype(np.uint16), bitspersample=8)
    of_12_bits = imagecodecs.jpeg8_encode(GREY.astype(np.uint16) * 16, bitspersample=12)
    hidden = lossless[:2] + b"\xff\x01" + lossless[2:]  # a marker without a length before it
    for kind in (lossless, of_12_bits, hidden, imagecodecs.jpegls_encode(GREY), b"\xff\xd8\xff"):
        assert not jpeg_data.is_corrupt(kind)
    assert jpeg_frames.frame_of(hidden) == jpeg_frames.frame_of(lossless)
    assert jpeg_frames.frame_of(hidden).marker == 0xC3
    with pytest.raises(AttributeError):
        jpeg_data.is_corrupt(large_jpeg("L"))


def test_what_libpng_says_of_a_damaged_file_is_not_quoted():
    rows = [row.tobytes() for row in GREY]
    with pytest.raises(UnreadableRadiograph, match=r"damaged or cut off\. Export"):
        read_radiograph(png(rows, 8, 0, between=chunk(b"ABCD", b"critical, and unknown")))
