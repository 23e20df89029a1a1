"""What the frame header of a JPEG says, read before a decoder is trusted with it."""

import re
from typing import NamedTuple

_START_OF_SCAN, _END = 0xDA, 0xD9
# A marker among compressed samples that ends them: neither a stuffed byte nor a restart.
_AFTER_SAMPLES = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # markers among those of frames: tables and a reserved one


class JpegFrame(NamedTuple):
    """A frame header (ISO 10918-1 B.2.2; ISO 14495-1 C.2.2)."""

    marker: int  # 0xC0 baseline … 0xCF, or 0xF7 for JPEG-LS
    bits: int  # of a sample
    rows: int
    columns: int
    samples: int  # of a pixel


def frame_of(data: bytes) -> JpegFrame | None:
    """Return the first frame header of a JPEG, None if the segments before it are damaged."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES):
            rows, columns = (int.from_bytes(data[i : i + 2], "big") for i in (at + 5, at + 7))
            return JpegFrame(marker, data[at + 4], rows, columns, data[at + 9])
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def scans_of(data: bytes, most: int) -> int:
    """Count the scans of a JPEG up to its end, and no further than `most`.

    What follows the picture does not count: a phone may append a film of some seconds.
    """
    scans, at = 0, 2
    while scans < most and (found := _AFTER_SAMPLES.match(data, at)):
        marker, at = found[0][-1], found.end()
        if marker == _END:
            break
        at += int.from_bytes(data[at : at + 2], "big")
        if marker == _START_OF_SCAN:
            scans += 1
            following = _AFTER_SAMPLES.search(data, at)
            at = following.start() if following else len(data)
    return scans


def rare_kind(data: bytes) -> str | None:
    """Name the kind of a JPEG that ordinary programs do not read, None if it is of no such kind."""
    frame = frame_of(data)
    if frame is None:
        return None
    if frame.marker == 0xF7:
        return "a JPEG-LS picture"
    if frame.marker in (0xC3, 0xC7, 0xCB, 0xCF):
        return "a lossless JPEG"
    if frame.bits != 8:
        return f"a JPEG of {frame.bits} bits"
    if frame.marker in (0xC5, 0xC6, 0xCD, 0xCE):
        return "a hierarchical JPEG"
    return "a JPEG with arithmetic coding" if frame.marker in (0xC9, 0xCA) else None
