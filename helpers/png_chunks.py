"""What the chunks of a PNG ask of a decoder, read before it is trusted with the file."""

_FIRST = 8  # byte of the first chunk
# Of pixels, writers make chunks of 8 kB and more; of others some dozen. A decoder written in Python
# walks through all and keeps those that it does not know.
_MOST_OF_PIXELS, _MOST_OTHERS = 100_000, 1_000


def why_costly(data: bytes) -> str | None:
    """Say what about a PNG would take a decoder too long, None if nothing would."""
    at, of_pixels, others = _FIRST, 0, 0
    while at + 8 <= len(data) and data[at + 4 : at + 8] != b"IEND":
        if data[at + 4 : at + 8] == b"IDAT":
            of_pixels += 1
        else:
            others += 1
        if of_pixels > _MOST_OF_PIXELS or others > _MOST_OTHERS:
            return f"is cut into {of_pixels + others:,} chunks or more"
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return None
