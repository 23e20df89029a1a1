"""Decompression bombs: files of some kilobytes that claim, or unpack to, hundreds of megabytes."""

import io
import math
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from PIL import Image
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate

from helpers.limits import LARGEST_AREA
from tests.dicom_films import make_film

LARGE = math.isqrt(LARGEST_AREA)  # px: the largest square that is read
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's colour types


def png(
    width: int, height: int, *, bits: int = 8, colour: int = 0, rows: int | None = None
) -> bytes:
    """PNG of zeros with `rows` rows of data, however many its header claims."""
    row = -(-width * bits * _CHANNELS[colour] // 8) + 1
    packer = zlib.compressobj(9)
    block, left = bytes(1 << 20), row * (height if rows is None else rows)
    packed = b""
    while left > 0:
        packed += packer.compress(block[: min(left, len(block))])
        left -= len(block)
    packed += packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    palette = [(b"PLTE", bytes(range(256)) * 3), (b"tRNS", bytes(256))] if colour == 3 else []
    return _png([(b"IHDR", header), *palette, (b"IDAT", packed), (b"IEND", b"")])


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def png_of_text() -> bytes:
    """A small PNG whose compressed comments and profile unpack to gigabytes."""
    many = zlib.compress(bytes(200_000_000), 9)
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(65 * 64))
    texts = [(b"zTXt", b"Comment\0\0" + many)] * 5 + [(b"iCCP", b"profile\0\0" + many)]
    return _png([(b"IHDR", header), *texts, (b"IDAT", pixels), (b"IEND", b"")])


def jpeg(mode: str, side: int, **options) -> bytes:
    """JPEG of one grey."""
    file = io.BytesIO()
    Image.new(mode, (side, side), 90 if mode == "L" else None).save(file, "JPEG", **options)
    return file.getvalue()


def jpeg_that_claims(side: int) -> bytes:
    """A small JPEG whose header claims a square of `side` px."""
    data = jpeg("L", 64)
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", side, side) + data[at + 4 :]


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again, each over all pixels."""
    data = jpeg("L", side, progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def dicom(syntax: str, side: int, *, bits: int = 8, **elements: float) -> bytes:
    """A DICOM film of zeros, packed as a whole, by run lengths (8 or 32 bits) or as JPEG."""
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        return make_film(np.zeros((side, side), np.uint16), syntax=syntax)
    frame = _run_lengths(side * side, bits // 8) if syntax == uid.RLELossless else jpeg("L", side)
    film = dcmread(io.BytesIO(make_film(np.zeros((2, 2), np.uint8), bits=8, syntax=syntax)))
    film.Rows = film.Columns = side
    film.BitsAllocated, film.BitsStored, film.HighBit = bits, bits, bits - 1
    film.update(elements)
    film.PixelData = encapsulate([frame])
    file = io.BytesIO()
    film.save_as(file, enforce_file_format=True)
    return file.getvalue()


def j2k_in_parts(side: int, *, exponent: int, levels: int = 0, layers: int = 1) -> bytes:
    """A DICOM film whose JPEG 2000 frame is cut into precincts of 2 to the `exponent` px."""
    size = struct.pack(">HIIIIIIIIHBBB", 0, side, side, 0, 0, side, side, 0, 0, 1, 7, 1, 1)
    coding = struct.pack(">BBHBBBBBB", 1, 0, layers, 0, levels, 4, 4, 0, 1)
    coding += bytes([17 * exponent] * (levels + 1))
    steps = bytes([0x40] + [8] * (3 * levels + 1))
    part = struct.pack(">HIBB", 0, 0, 0, 1)  # the one tile-part, to the end
    segments = {0xFF51: size, 0xFF52: coding, 0xFF5C: steps, 0xFF90: part}
    frame = b"\xff\x4f"
    for marker, content in segments.items():
        frame += struct.pack(">HH", marker, 2 + len(content)) + content
    frame += b"\xff\x93" + bytes(1000) + b"\xff\xd9"
    return _dicom_of(frame, uid.JPEG2000Lossless, side)


def dicom_of_scans(side: int, scans: int) -> bytes:
    """A DICOM film whose JPEG says the same in very many scans."""
    return _dicom_of(jpeg_of_scans(side, scans), uid.JPEGBaseline8Bit, side)


def dicom_of_elements(number: int, where: str) -> bytes:
    """A DICOM film with so many empty elements, at the top or elsewhere in its header."""
    film = make_film(np.zeros((64, 64), np.uint16))
    elements = b"".join(
        struct.pack("<HH2sH", 0x41 + 2 * (one // 0xF000), 0x1000 + one % 0xF000, b"LO", 0)
        for one in range(number)
    )
    if where == "meta":
        length = int.from_bytes(film[140:144], "little")
        own = struct.pack("<HH2sH", 2, 0x102, b"LO", 0) * number
        head, rest = film[144 : 144 + length], film[144 + length :]
        return film[:140] + struct.pack("<I", length + len(own)) + head + own + rest
    if where == "asked for":  # the shared functional groups, of a known length
        item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(elements)) + elements
        elements = struct.pack("<HH4sI", 0x5200, 0x9229, b"SQ", len(item)) + item
    if where == "unknown length":
        opened = struct.pack("<HH4sI", 0x40, 0x555, b"SQ", 2**32 - 1)
        opened += b"\xfe\xff\x00\xe0" + b"\xff" * 4
        elements = opened + elements + b"\xfe\xff\x0d\xe0" + bytes(4)
        elements += b"\xfe\xff\xdd\xe0" + bytes(4)
    at = film.index(b"\xe0\x7f\x10\x00")
    return film[:at] + elements + film[at:]


def _dicom_of(frame: bytes, syntax: str, side: int) -> bytes:
    film = dcmread(io.BytesIO(make_film(np.zeros((64, 64), np.uint8), bits=8, syntax=syntax)))
    film.Rows = film.Columns = side
    film.PixelData = encapsulate([frame])
    file = io.BytesIO()
    film.save_as(file, enforce_file_format=True)
    return file.getvalue()


def png_of_chunks(name: bytes, number: int) -> bytes:
    """A small PNG with very many empty chunks."""
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(65 * 64))
    empty = [(name, b"")] * number
    return _png([(b"IHDR", header), *empty, (b"IDAT", pixels), (b"IEND", b"")])


def jpeg_with(stuff: bytes, number: int) -> bytes:
    """A small JPEG with very many times the same before its first segment."""
    film = jpeg("L", 64)
    return film[:2] + stuff * number + film[2:]


def jpeg_of_fill(number: int) -> bytes:
    """A scan of nothing but fill bytes, of which none ends it."""
    return b"\xff\xd8\xff\xda\0\x02" + b"\xff" * number + b"\0"


def deflated_that_hides(*, wrong_length: bool) -> bytes:
    """A deflated DICOM film of gigabytes, behind a meta header that misleads."""
    data = make_film(np.zeros((64, 64), np.uint16), syntax=uid.DeflatedExplicitVRLittleEndian)
    end = 144 + int.from_bytes(data[140:144], "little")
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(zlib.decompress(data[end:], -zlib.MAX_WBITS))
    packed += packer.compress(b"\xe1\x7f\x10\x10OB\0\0" + struct.pack("<I", 2_000_000_000))
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(2000)) + packer.flush()
    if wrong_length:
        return data[:140] + struct.pack("<I", 2**31 - 1) + data[144:end] + packed
    at = data.index(b"\x02\0\x10\0UI")
    long = b"\x02\0\x03\0UI" + struct.pack("<H", 3000) + bytes(3000)
    return data[:at] + long + data[at:end] + packed


def _run_lengths(length: int, segments: int) -> bytes:
    """Segments of zeros, one for each byte of a pixel (PS3.5 Annex G): two bytes for each 128."""
    segment = b"\x81\0" * -(-length // 128)
    starts = [64 + number * len(segment) for number in range(segments)]
    return struct.pack("<16I", segments, *starts, *[0] * (15 - segments)) + segment * segments


def dicom_that_claims(**elements: int) -> bytes:
    """A small DICOM film whose header claims much more."""
    return make_film(np.zeros((64, 64), np.uint16), **elements)


_Bomb = Callable[[], bytes]
BOMBS: tuple[_Bomb, ...] = tuple(
    lru_cache(make)
    for make in (
        partial(png, 65_535, 65_535, rows=10),
        partial(png, 2**31 - 1, 2**31 - 1, rows=0),
        partial(png, 30_000, 30_000, bits=1),
        partial(png, 64, 64, rows=5_000_000),
        partial(png, LARGE, LARGE),
        partial(png, LARGE, LARGE, bits=16),
        partial(png, LARGE, LARGE, bits=16, colour=2),
        partial(png, LARGE, LARGE, colour=6),
        partial(png, LARGE, LARGE, colour=3),
        partial(png, LARGE, LARGE, colour=4),
        partial(png, LARGE, LARGE, bits=1),
        partial(png, 900_000, 70),
        partial(png, 70, 900_000, colour=6),
        png_of_text,
        partial(jpeg, "L", LARGE),
        partial(jpeg, "RGB", LARGE),
        partial(jpeg, "CMYK", LARGE),
        partial(jpeg, "RGB", LARGE, progressive=True),
        partial(jpeg_that_claims, 65_500),
        partial(jpeg_that_claims, LARGE),
        partial(jpeg_of_scans, 5_000, 2_000),
        partial(jpeg_of_scans, LARGE, 10),
        partial(jpeg_of_fill, 1_000_000),
        partial(jpeg_with, b"\xff", 4_000_000),
        partial(jpeg_with, b"\xff\xfe\0\x02", 1_000_000),
        partial(png_of_chunks, b"prVt", 500_000),
        partial(png_of_chunks, b"IDAT", 500_000),
        partial(dicom_of_scans, 3_000, 2_000),
        partial(dicom_of_elements, 500_000, "top"),
        partial(dicom_of_elements, 500_000, "meta"),
        partial(dicom_of_elements, 500_000, "unknown length"),
        partial(dicom_of_elements, 500_000, "asked for"),
        partial(dicom_of_elements, 100_000, "asked for"),
        partial(j2k_in_parts, 400, exponent=0),
        partial(j2k_in_parts, LARGE, exponent=0),
        partial(j2k_in_parts, LARGE, exponent=1, levels=5),
        partial(j2k_in_parts, LARGE, exponent=5, levels=5),
        partial(j2k_in_parts, 512, exponent=5, levels=3, layers=65_535),
        partial(dicom, uid.DeflatedExplicitVRLittleEndian, LARGE),
        partial(dicom, uid.DeflatedExplicitVRLittleEndian, 16_000),
        partial(dicom, uid.RLELossless, LARGE),
        partial(dicom, uid.RLELossless, 40_000),
        partial(dicom, uid.RLELossless, LARGE, bits=32),
        partial(dicom, uid.RLELossless, LARGE, bits=32, WindowCenter=0.0, WindowWidth=9.0),
        partial(deflated_that_hides, wrong_length=True),
        partial(deflated_that_hides, wrong_length=False),
        partial(dicom, uid.JPEGBaseline8Bit, LARGE),
        partial(dicom_that_claims, Rows=65_535, Columns=65_535),
        partial(dicom_that_claims, NumberOfFrames=2**31 - 1),
    )
)
