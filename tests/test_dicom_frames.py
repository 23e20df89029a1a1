"""Compressed frames as careless software leaves them: cut off, in pieces, with bits of overlays."""

import struct
from io import BytesIO

import imagecodecs
import jpeg_ls
import numpy as np
import pydicom
import pytest
from dicom_films import make_film
from openjpeg.utils import encode_array
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from helpers.dicom import read_dicom
from helpers.dicom_errors import UnreadableDicom

SIDE = 64
RNG = np.random.default_rng(0)
GREY = (np.linspace(0, 3500, SIDE)[:, None] + RNG.integers(0, 500, (SIDE, SIDE))).astype(np.uint16)


def jls(words: np.ndarray, bits: int) -> bytes:
    size = {"rows": SIDE, "columns": SIDE, "samples_per_pixel": 1}
    frame = jpeg_ls.encode_buffer(
        words.tobytes(), **size, bits_stored=bits, interleave_mode=0, lossy_error=0
    )
    return bytes(frame)


def lossless_jpeg(words: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpeg8_encode(words, lossless=True, bitspersample=bits)


def j2k(words: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpeg2k_encode(
        words, level=0, reversible=True, codecformat="j2k", bitspersample=bits
    )


LOSSLESS = {
    JPEGLosslessSV1: lossless_jpeg,
    JPEG2000Lossless: j2k,
    JPEGLSLossless: jls,
}


def in_items(fragments: list[bytes], offsets: list[int]) -> bytes:
    """Pixel data of these fragments, with this table of offsets (PS3.5 A.4)."""
    table = b"".join(struct.pack("<I", offset) for offset in offsets)
    parts = [
        b"\xfe\xff\x00\xe0" + struct.pack("<I", len(part)) + part for part in (table, *fragments)
    ]
    return b"".join(parts) + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


def film_of(frame: bytes, syntax: str, *, pieces: int = 1, offsets=(0,), **elements) -> bytes:
    """A film of one frame in so many pieces."""
    frame += b"\0" * (len(frame) % 2)
    step = -(-len(frame) // pieces // 2) * 2
    parts = [frame[start : start + step] for start in range(0, len(frame), step)]
    bits = elements.pop("bits", 12)
    stored = GREY if bits > 8 else GREY.astype(np.uint8)
    film = pydicom.dcmread(BytesIO(make_film(stored, bits=bits, syntax=syntax)), force=True)
    film.PixelData = in_items(parts, list(offsets))
    for name, value in elements.items():
        setattr(film, name, value)
    file = BytesIO()
    film.save_as(file)
    return file.getvalue()


@pytest.mark.parametrize("offsets", [(), (0,), (0, 9), (0, 2000), (8,), (10**6,), (77,)])
@pytest.mark.parametrize("syntax", LOSSLESS)
def test_all_fragments_are_the_frame_whatever_the_table_says(syntax, offsets):
    frame = LOSSLESS[syntax](GREY, 12)
    found = read_dicom(film_of(frame, syntax, pieces=3, offsets=offsets))
    np.testing.assert_allclose(found, GREY / 4095, atol=1e-6)


@pytest.mark.parametrize("place, length", [(8, None), (0, 100)])
def test_an_extended_table_that_is_wrong_takes_nothing_off(place, length):
    frame = lossless_jpeg(GREY, 12)
    wrong = {
        "ExtendedOffsetTable": struct.pack("<Q", place),
        "ExtendedOffsetTableLengths": struct.pack("<Q", length or len(frame)),
    }
    found = read_dicom(film_of(frame, JPEGLosslessSV1, offsets=(), **wrong))
    np.testing.assert_allclose(found, GREY / 4095, atol=1e-6)


def test_samples_below_zero_are_refused_where_the_header_knows_no_sign():
    signed = (GREY.astype(int) - 2048).astype(np.int16)
    frame = encode_array(signed, bits_stored=12, photometric_interpretation=2)
    found = read_dicom(film_of(frame, JPEG2000Lossless, PixelRepresentation=1))
    np.testing.assert_allclose(found, GREY / 4095, atol=1e-6)
    with pytest.raises(UnreadableDicom, match="no pixel is below zero"):
        read_dicom(film_of(frame, JPEG2000Lossless, PixelRepresentation=0))
    above = encode_array((GREY // 2).astype(np.int16), bits_stored=12, photometric_interpretation=2)
    found = read_dicom(film_of(above, JPEG2000Lossless, PixelRepresentation=0))
    np.testing.assert_allclose(found, GREY // 2 / 4095, atol=1e-6)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(
    "syntax", [JPEGBaseline8Bit, JPEGExtended12Bit, *LOSSLESS], ids=lambda uid: uid.name
)
def test_a_frame_that_is_cut_off_is_refused(syntax, share):
    bits = 8 if syntax == JPEGBaseline8Bit else 12
    if syntax in LOSSLESS:
        frame = LOSSLESS[syntax](GREY, bits)
    else:
        words = GREY if bits == 12 else (GREY >> 4).astype(np.uint8)
        frame = imagecodecs.jpeg8_encode(words, level=95, bitspersample=bits)
    read_dicom(film_of(frame, syntax, bits=bits))
    with pytest.raises(UnreadableDicom, match=r"cut off|damaged"):
        read_dicom(film_of(frame[: int(share * len(frame))], syntax, bits=bits))


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_frame_with_an_end_and_a_gap_is_refused(share):
    frame = imagecodecs.jpeg8_encode((GREY >> 4).astype(np.uint8), level=95)
    cut = frame[: int(share * len(frame))] + b"\xff\xd9"
    with pytest.raises(UnreadableDicom, match="some are missing"):
        read_dicom(film_of(cut, JPEGBaseline8Bit, bits=8))


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_a_frame_of_more_bits_than_the_header_has_room_for_is_refused(syntax):
    with pytest.raises(UnreadableDicom, match=r"8 bits a pixel, the compressed pixels.* 12"):
        read_dicom(film_of(LOSSLESS[syntax](GREY, 12), syntax, bits=8, BitsAllocated=8))


@pytest.mark.parametrize("padding", [b"\0\0", b"\0" * 7, b"\xff", b" "])
def test_bytes_after_the_end_do_no_harm(padding):
    film = film_of(lossless_jpeg(GREY, 12) + padding, JPEGLosslessSV1)
    np.testing.assert_allclose(read_dicom(film), GREY / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_an_overlay_above_the_pixel_is_no_part_of_the_picture(syntax):
    words = GREY.copy()
    words[5:20, 5:50] |= 1 << 15  # an old overlay's bit (PS3.5 8.1.1), perhaps a name
    words[30:40] |= 1 << 12
    film = film_of(LOSSLESS[syntax](words, 16), syntax)
    np.testing.assert_allclose(read_dicom(film), GREY / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_pixels_in_the_upper_bits_of_compressed_samples(syntax):
    samples = LOSSLESS[syntax](GREY << 4, 16)
    film = film_of(samples, syntax, HighBit=15)
    np.testing.assert_allclose(read_dicom(film), GREY / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_samples_without_room_below_the_pixel_are_not_shifted(syntax):
    film = film_of(LOSSLESS[syntax](GREY, 12), syntax, HighBit=15)
    np.testing.assert_allclose(read_dicom(film), GREY / 4095, atol=1e-6)


def test_compressed_pixels_under_the_name_of_plain_ones_are_refused():
    data = film_of(lossless_jpeg(GREY, 12), JPEGLosslessSV1)
    claimed = data.replace(b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.1\0\0\0")
    assert claimed != data
    with pytest.raises(UnreadableDicom, match="not compressed, and they are"):
        read_dicom(claimed)
