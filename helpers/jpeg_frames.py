"""What the headers of a JPEG say, read before a decoder is trusted with it."""

import re
from typing import NamedTuple

_START_OF_SCAN, _END, _ALONE = 0xDA, 0xD9, 0x01  # the last is a segment of nothing else
# A marker with the fill bytes before it, and one among compressed samples that ends them: neither a
# stuffed byte nor a restart. (With fill bytes, the search would take the square of their number.)
_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
_AFTER_SAMPLES = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # markers among those of frames: tables and a reserved one

MOST_SCANS = 100  # of a progressive JPEG; cameras and consoles write about ten
_MOST_SCANNED = 600_000_000  # px of all scans; ten scans of the largest picture
_MOST_SEGMENTS = 2_000  # a decoder written in Python walks through them
_MOST_FILL = 64  # bytes before a marker; so it does through these


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
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.match(data, at, at + _MOST_FILL + 2)
        if not found or found.end() + 7 >= len(data):
            return None
        marker, at = found[0][-1], found.end()
        if marker == _ALONE:
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES):
            rows, columns = (int.from_bytes(data[i : i + 2], "big") for i in (at + 3, at + 5))
            return JpegFrame(marker, data[at + 2], rows, columns, data[at + 7])
        at += int.from_bytes(data[at : at + 2], "big")
    return None


def why_costly(data: bytes) -> str | None:
    """Say what about a JPEG would take a decoder too long, None if nothing would.

    Bytes between segments that belong to none are passed over, as decoders do. What follows the
    picture does not count: a phone may append a film of some seconds.
    """
    frame, scans, at = frame_of(data), 0, 2
    pixels = frame.rows * frame.columns if frame else _MOST_SCANNED // 10
    for _ in range(_MOST_SEGMENTS):
        found = _AFTER_SAMPLES.search(data, at)
        if not found or found[0][-1] == _END:
            return None
        if not scans and found.start() - at > _MOST_FILL:
            return "has more bytes between its segments than any program writes"
        marker, at = found[0][-1], found.end()
        if marker != _ALONE:
            at += int.from_bytes(data[at : at + 2], "big")
        if marker == _START_OF_SCAN:
            scans += 1
            # Each walks over all pixels. (What is too large for one is said elsewhere.)
            if scans > MOST_SCANS or (scans > 1 and scans * pixels > _MOST_SCANNED):
                return f"is written in {scans} scans or more, too many for its size"
    return f"has more than {_MOST_SEGMENTS:,} segments"


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
