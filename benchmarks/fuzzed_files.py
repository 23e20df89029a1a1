"""Files that somebody, or something hostile, may upload: damaged, hollow, disguised, random.

Each follows from a seed and a number, so that each finding can be made again by `fuzzed(number,
seed)`. Sound files come from drawn phantoms, from the tests, and from those that pydicom carries.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, PngImagePlugin
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from benchmarks import dicom_mutations
from benchmarks.bombs import BOMBS
from phantoms.examples import example_films
from tests.dicom_films import make_film, make_table
from tests.drawn_chests import drawn_chest

SIDE, DICOM_SIDE = 220, 100  # px: small files are damaged in places that matter
LARGE_ENOUGH = 0.7  # of the DICOM files
SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
)
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_EXTREMES = (0, 1, 2, 7, 127, 128, 255, 256, 4096, 32767, 32768, 65535, 2**31 - 1, 2**32 - 1)


@lru_cache
def pictures() -> dict[str, list[bytes]]:
    """Return sound PNG and JPEG files of drawn films, of every mode."""
    greys = [
        Image.fromarray(cv2.resize(cv2.imdecode(np.frombuffer(data, np.uint8), 0), (SIDE, SIDE)))
        for data in example_films().values()
    ]
    grey, colour = greys[0], Image.merge("RGB", greys[:3])
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    png = [*greys, deep, colour, colour.convert("RGBA"), colour.convert("P"), grey.convert("LA")]
    jpeg = [*greys, colour, colour.convert("CMYK")]
    kept = [{"quality": 75}, {"quality": 95, "progressive": True}, {"exif": _turned()}]
    return {
        "PNG": [_saved(each, "PNG") for each in [*png, grey.convert("1")]]
        + [_saved(greys[0], "PNG", save_all=True, append_images=greys[1:])],
        "JPEG": [_saved(each, "JPEG", **options) for each in jpeg for options in kept],
    }


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x112] = 6  # orientation
    return exif.tobytes()


def _saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@lru_cache
def dicom_films() -> list[bytes]:
    """Return sound DICOM files of a drawn chest, of many encodings and contrasts.

    Large enough for the panel, which refuses most of `dicom_mutations.sources` for their size.
    """
    chest = drawn_chest(DICOM_SIDE, DICOM_SIDE)
    deep, flat = np.rint(chest * 4095).astype(np.uint16), np.rint(chest * 255).astype(np.uint8)
    signed = deep.astype(np.int16) - 1024
    table = make_table(list(range(0, 65536, 16)), 0, 16)
    files = [make_film(deep, syntax=syntax) for syntax in SYNTAXES]
    files += [make_film(flat, bits=8, syntax=syntax) for syntax in SYNTAXES]
    files += [
        make_film(deep, WindowCenter=2000, WindowWidth=3000, VOILUTFunction="SIGMOID"),
        make_film(signed, bits=13, RescaleSlope=2, RescaleIntercept=1024),
        make_film(deep, PhotometricInterpretation="MONOCHROME1", VOILUTSequence=table),
        make_film(deep, ModalityLUTSequence=table, PixelPaddingValue=0),
        _with_jpeg(flat),
    ]
    return files


def _with_jpeg(flat: np.ndarray) -> bytes:
    film, file = dcmread(io.BytesIO(make_film(flat, bits=8))), io.BytesIO()
    film.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    film.PixelData = encapsulate([_saved(Image.fromarray(flat), "JPEG")])
    film.save_as(file)
    return file.getvalue()


def _any(kind: str, rng: np.random.Generator) -> bytes:
    if kind == "DICOM":
        files = dicom_films() if rng.random() < LARGE_ENOUGH else dicom_mutations.sources()
    else:
        files = pictures()[kind]
    return files[rng.integers(len(files))]


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Change 1 to 20 bytes anywhere."""
    return dicom_mutations.flip_between(data, rng, 0, len(data))


def flip_early(data: bytes, rng: np.random.Generator) -> bytes:
    """Change 1 to 6 bytes of the first 700, where headers and tables are."""
    return dicom_mutations.flip_between(data, rng, 3, min(700, len(data)), most=6)


def change_chunks(data: bytes, rng: np.random.Generator) -> bytes:
    """Change, repeat, remove or exchange a PNG's chunks, with checksums that are right."""
    chunks = png_chunks(data)
    for _ in range(rng.integers(1, 4)):
        at, other = rng.integers(len(chunks), size=2)
        name, content = chunks[at]
        what = rng.integers(5)
        if what == 0:
            chunks[at] = (name, flip(content, rng) if content else b"\0")
        elif what == 1:
            chunks.insert(other, chunks[at])
        elif what == 2 and len(chunks) > 1:
            del chunks[at]
        elif what == 3:
            chunks[at], chunks[other] = chunks[other], chunks[at]
        else:
            number = int(rng.choice(_EXTREMES))
            place = 4 * rng.integers(2)
            chunks[0] = (b"IHDR", _written(chunks[0][1], place, number))
    return PNG + b"".join(png_chunk(name, content) for name, content in chunks)


def _written(content: bytes, at: int, number: int) -> bytes:
    return content[:at] + struct.pack(">I", number) + content[at + 4 :]


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Take a PNG file apart."""
    chunks, at = [], len(PNG)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Return a PNG chunk with its length and checksum."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def change_segments(data: bytes, rng: np.random.Generator) -> bytes:
    """Write an extreme number into a JPEG's segments: their lengths, sizes, samplings, tables."""
    starts = [
        at for at in range(2, len(data) - 9) if data[at] == 0xFF and data[at + 1] not in (0, 255)
    ]
    damaged = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.choice(starts)) + 2 + int(rng.integers(8))
        damaged[at : at + 2] = struct.pack(">H", int(rng.choice(_EXTREMES)) & 0xFFFF)
    return bytes(damaged)


def change_exif(rng: np.random.Generator) -> bytes:
    """Put damaged EXIF data into a sound picture, or an orientation that there is not."""
    film = Image.open(io.BytesIO(pictures()["PNG"][0]))
    exif = Image.Exif()
    exif[0x112] = int(rng.choice(_EXTREMES)) & 0xFFFF
    written = exif.tobytes()
    if rng.random() < 0.7:
        written = dicom_mutations.flip_between(written, rng, 0, len(written), most=6)
    return _saved(film, str(rng.choice(["PNG", "JPEG"])), exif=written)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Keep the beginning only, at times nothing."""
    return data[: rng.integers(0, len(data))] if rng.random() < 0.95 else b""


def random_bytes(rng: np.random.Generator) -> bytes:
    """Random bytes, mostly behind the first ones of a known format."""
    begins = (b"", PNG, PNG + b"\0\0\0\rIHDR", JPEG, JPEG + b"\xe0", b"\0" * 128 + b"DICM")
    return begins[rng.integers(len(begins))] + rng.bytes(int(2 ** rng.uniform(0, 17)))


def splice(rng: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another; or one format's magic on another's body."""
    one, other = (_any(str(rng.choice(["PNG", "JPEG", "DICOM"])), rng) for _ in range(2))
    if rng.random() < 0.3:  # two formats at once: a picture whose byte 128 says DICOM
        return one[:128].ljust(128, b"\0") + b"DICM" + other[132:]
    return one[: rng.integers(len(one))] + other[rng.integers(len(other)) :]


def disguise(rng: np.random.Generator) -> bytes:
    """Other formats, whatever the name of the file says, and pictures that carry them."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("film.png"), rng.bytes(300))
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    film = Image.open(io.BytesIO(pictures()["PNG"][0]))
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    others = [
        archive.getvalue(),
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
        b"MZ\x90\0\x03\0\0\0" + rng.bytes(500),
        b"\x7fELF\x02\x01\x01" + rng.bytes(500),
        b"#!/bin/sh\necho hello\n",
        b"patient_id,died\n1,0\n",
        svg,
        b"<!DOCTYPE html><html><body>a film</body></html>",
        "Röntgenbild".encode("utf-16"),
        b"\x93NUMPY\x01\0v\0" + rng.bytes(200),
        b"\x80\x04\x95" + rng.bytes(100),  # a pickle
        *(_saved(film, kind) for kind in ("GIF", "BMP", "TIFF", "WEBP", "ICO", "JPEG2000", "PPM")),
        pictures()["PNG"][0] + archive.getvalue(),  # a film that is an archive as well
        pictures()["JPEG"][0] + svg,
        _saved(film, "PNG", pnginfo=info),
    ]
    return others[rng.integers(len(others))]


def bomb(rng: np.random.Generator) -> bytes:
    """A small file that claims, or unpacks to, a huge picture."""
    return BOMBS[rng.integers(len(BOMBS))]()


def _of(kind: str, damage: Callable) -> Callable[[np.random.Generator], bytes]:
    return lambda rng: damage(_any(kind, rng), rng)


# How many of a hundred files are made in which way.
WAYS: dict[str, tuple[int, Callable[[np.random.Generator], bytes]]] = {
    "PNG, bytes": (8, _of("PNG", flip)),
    "PNG, header": (8, _of("PNG", flip_early)),
    "PNG, chunks": (10, _of("PNG", change_chunks)),
    "PNG, cut off": (4, _of("PNG", cut)),
    "JPEG, bytes": (8, _of("JPEG", flip)),
    "JPEG, header": (8, _of("JPEG", flip_early)),
    "JPEG, segments": (10, _of("JPEG", change_segments)),
    "JPEG, cut off": (4, _of("JPEG", cut)),
    "odd EXIF": (3, change_exif),
    **{
        f"DICOM, {damage.__name__.replace('_', ' ')}": (3, _of("DICOM", damage))
        for damage in dicom_mutations.DAMAGES
    },
    "spliced": (5, splice),
    "disguised": (5, disguise),
    "random bytes": (4, random_bytes),
    "bomb": (2, bomb),
}
_ORDER = [name for name, (files, _) in WAYS.items() for _ in range(files)]


def fuzzed(number: int, seed: int = 0) -> tuple[str, bytes]:
    """Return the way's name and the file of a number."""
    name = _ORDER[(37 * number) % len(_ORDER)]
    return name, WAYS[name][1](np.random.default_rng([seed, number]))
