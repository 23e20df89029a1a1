"""What the headers of a JPEG 2000 codestream say, read before a decoder is trusted with it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

_SOC_SIZ = b"\xff\x4f\xff\x51"  # where a codestream begins; some files put boxes before it
_BOXES = 4096  # bytes in which to look for it
_CODING, _CODING_OF_COMPONENT, _DATA, _END = 0xFF52, 0xFF53, 0xFF93, 0xFFD9
_TILE_PART = b"\xff\x90"  # within compressed data no marker above 0xFF8F can occur
_WHOLE_TILE = 15  # exponent of a precinct's side where none is given
# Each takes a decoder's memory before a single pixel is read.
_MOST_PARTS = {"tiles": 4096, "segments": 100_000, "blocks": 200_000, "packets": 2_000_000}
# Noise takes a decoder a tenth of a second a megabyte; the largest published film, were it noise of
# 12 bits, would have as many.
_MOST_BYTES = 40_000_000


class J2kFrame(NamedTuple):
    """The SIZ segment (ISO 15444-1 A.5.1), and how much a decoder has to set up for it.

    ``segments`` are those of all headers; ``blocks`` and ``packets`` the largest numbers that any
    of the COD and COC segments (A.6.1, A.6.2) asks for in the whole picture. A decoder takes memory
    for each before it reads a pixel.
    """

    bits: int  # of a sample
    signed: bool
    rows: int
    columns: int
    samples: int  # of a pixel
    tiles: int
    segments: int
    blocks: int
    packets: int


class _Coding(NamedTuple):
    """What a COD or COC segment says of the parts that a tile is cut into."""

    layers: int
    levels: int
    block: tuple[int, int]  # exponents of a code-block's sides
    precincts: list[tuple[int, int]]  # the same of precincts, a pair a resolution


def frame_of(data: bytes) -> J2kFrame | None:
    """Return what the headers of a codestream say, None if the first is missing or cut off."""
    begin = data.find(_SOC_SIZ, 0, _BOXES)
    start = begin + 8  # at Xsiz
    if begin < 0 or len(data) < start + 35:
        return None
    right, bottom, left, top, tile_width, tile_height = (
        int.from_bytes(data[i : i + 4], "big") for i in range(start, start + 24, 4)
    )
    columns, rows = right - left, bottom - top
    tiles = -(-columns // max(tile_width, 1)) * -(-rows // max(tile_height, 1))
    samples = int.from_bytes(data[start + 32 : start + 34], "big")
    tile = min(max(tile_width, 1), max(columns, 1)), min(max(tile_height, 1), max(rows, 1))
    segments = list(_segments(data, begin + 2))
    blocks = packets = 0
    for coding in _codings(segments, samples):
        cut, precincts = _parts(coding, *tile)
        blocks, packets = max(blocks, cut), max(packets, precincts * coding.layers)
    bits, signed = (data[start + 34] & 0x7F) + 1, data[start + 34] > 0x7F
    parts = (tiles, len(segments), blocks * tiles, packets * tiles)
    return J2kFrame(bits, signed, rows, columns, samples, *parts)


def why_costly(frame: J2kFrame, length: int) -> str | None:
    """Say what about a codestream of so many bytes would take a decoder too long, None if nothing.

    The words follow "The compressed pixels".
    """
    if length > _MOST_BYTES:
        return f"take {length:,} bytes; expected at most {_MOST_BYTES:,}"
    for name, most in _MOST_PARTS.items():
        found = getattr(frame, name)
        if found > most:
            return f"claim to be cut into {found:,} {name}; expected at most {most:,}"
    return None


def _codings(segments: Iterable[tuple[int, bytes]], samples: int) -> Iterator[_Coding]:
    """Read the coding styles of the main header and of those of all tile-parts."""
    layers = 1
    for marker, segment in segments:
        if marker == _CODING and len(segment) >= 10:
            layers = max(int.from_bytes(segment[2:4], "big"), 1)
            yield _coding(segment[0], layers, segment[5:])
        elif marker == _CODING_OF_COMPONENT:
            of = 1 if samples < 257 else 2  # bytes of the component's number
            if len(segment) >= of + 6:
                yield _coding(segment[of], layers, segment[of + 1 :])


def _coding(style: int, layers: int, cut: bytes) -> _Coding:
    """Read how a tile is cut: levels, exponents of blocks, and, if the style says so, precincts."""
    levels = min(cut[0], 32)
    block = ((cut[1] & 15) + 2, (cut[2] & 15) + 2)
    given = [(pair & 15, pair >> 4) for pair in cut[5:]] if style & 1 else []
    left = levels + 1 - len(given)
    precincts = given[: levels + 1] + [(_WHOLE_TILE, _WHOLE_TILE)] * left
    return _Coding(layers, levels, block, precincts)


def _parts(coding: _Coding, width: int, height: int) -> tuple[int, int]:
    """Count the code-blocks and the precincts of a tile, over all resolutions (B.6, B.7)."""
    blocks = precincts = 0
    for resolution, precinct in enumerate(coding.precincts):
        shift = coding.levels - resolution
        sides = (-(-width >> shift) or 1, -(-height >> shift) or 1)
        block = tuple(map(min, coding.block, precinct))
        blocks += _cells(sides, block)
        precincts += _cells(sides, precinct)
    return blocks, precincts


def _cells(sides: tuple[int, ...], exponents: tuple[int, ...]) -> int:
    across, down = (
        -(-side // 2**exponent) for side, exponent in zip(sides, exponents, strict=True)
    )
    return across * down


def _segments(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield markers and contents of the segments of all headers (A.2), not the compressed data.

    No more than one beyond those that a film may have.
    """
    for _ in range(_MOST_PARTS["segments"] + 1):
        marker = int.from_bytes(data[at : at + 2], "big")
        if marker == _DATA:  # whatever length the part claims to have
            at = data.find(_TILE_PART, at)
            if at < 0:
                return
            marker = int.from_bytes(_TILE_PART, "big")
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker < 0xFF01 or marker == _END or length < 2:
            return
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length
