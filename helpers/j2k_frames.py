"""What the header of a JPEG 2000 codestream says, read before a decoder is trusted with it."""

from typing import NamedTuple

_SOC_SIZ = b"\xff\x4f\xff\x51"  # where a codestream begins; some files put boxes before it
_BOXES = 4096  # bytes in which to look for it


class J2kFrame(NamedTuple):
    """The SIZ segment (ISO 15444-1 A.5.1)."""

    bits: int  # of a sample
    rows: int
    columns: int
    samples: int  # of a pixel
    tiles: int


def j2k_frame_of(data: bytes) -> J2kFrame | None:
    """Return the header of a codestream, None if it is missing or cut off."""
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
    return J2kFrame((data[start + 34] & 0x7F) + 1, rows, columns, samples, tiles)
