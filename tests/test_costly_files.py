"""Small files that would keep a decoder busy or fill the memory: told before one sees them."""

import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, uid
from pydicom.encaps import generate_frames

from benchmarks.bombs import (
    dicom_of_elements,
    dicom_of_scans,
    j2k_in_parts,
    jpeg_of_fill,
    jpeg_with,
    png_of_chunks,
)
from helpers import j2k_frames, jpeg_frames, png_chunks
from helpers.pixels import UnreadableRadiograph, read_radiograph

ENCODED = sorted(Path(__file__).with_name("dicom_encoded").glob("*j2k*.dcm"))
COSTLY = {
    "fill": (lambda: jpeg_of_fill(1_000_000), "header is damaged"),
    "fill before": (lambda: jpeg_with(b"\xff", 4_000_000), "bytes between"),
    "comments": (lambda: jpeg_with(b"\xff\xfe\0\x02", 100_000), "segments"),
    "private chunks": (lambda: png_of_chunks(b"prVt", 100_000), "chunks"),
    "chunks of pixels": (lambda: png_of_chunks(b"IDAT", 200_000), "chunks"),
    "scans": (lambda: dicom_of_scans(2_000, 300), "scans"),
    "elements": (lambda: dicom_of_elements(200_000, "top"), "more elements"),
    "meta": (lambda: dicom_of_elements(200_000, "meta"), "more elements"),
    "in a sequence": (lambda: dicom_of_elements(200_000, "unknown length"), "more elements"),
    "in one asked for": (lambda: dicom_of_elements(200_000, "asked for"), "longer"),
    "precincts": (lambda: j2k_in_parts(3_000, exponent=0), "blocks"),
    "layers": (lambda: j2k_in_parts(512, exponent=5, levels=3, layers=65_535), "packets"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_file_is_refused_at_once(name):
    make, why = COSTLY[name]
    data = make()
    began = time.process_time()
    with pytest.raises(UnreadableRadiograph, match=why):
        read_radiograph(data)
    assert time.process_time() - began < 3  # some took hours


def test_elements_that_a_film_may_have_are_read():
    assert read_radiograph(dicom_of_elements(10_000, "unknown length")).shape == (64, 64)
    assert read_radiograph(dicom_of_elements(10_000, "asked for")).shape == (64, 64)


def jpeg(**options) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG", **options)
    return file.getvalue()


def test_ordinary_pictures_are_not_costly():
    comments = jpeg()[:2] + b"\xff\xfe\0\x02" * 500 + jpeg()[2:]
    for data in (jpeg(), jpeg(progressive=True), comments, jpeg() + b"\xff" * 10_000):
        assert jpeg_frames.why_costly(data) is None
    file = io.BytesIO()
    Image.effect_noise((500, 500), 80).save(file, "PNG")
    assert png_chunks.why_costly(file.getvalue()) is None
    assert png_chunks.why_costly(file.getvalue()[:-30]) is None  # cut off: others say so


@pytest.mark.parametrize("hidden", [b"\0\0", b"\xff\x01", b"\xff\xff\xff"])
def test_scans_behind_what_belongs_to_no_segment_are_counted(hidden):
    """Decoders pass over stray bytes, markers without a segment and fill bytes."""
    data = jpeg(progressive=True)
    last = data.rindex(b"\xff\xda")
    tables = data.rindex(b"\xff\xc4", 0, last)
    scan = data[tables:last] + hidden + data[last:-2]
    assert "scans or more" in str(jpeg_frames.why_costly(data[:-2] + 200 * scan + data[-2:]))


def test_scans_are_counted_with_the_size_of_the_picture(monkeypatch):
    progressive = jpeg(progressive=True)
    assert jpeg_frames.why_costly(progressive) is None
    monkeypatch.setattr(jpeg_frames, "_MOST_SCANNED", 300 * 300 * 3)
    assert "4 scans or more" in str(jpeg_frames.why_costly(progressive))
    assert jpeg_frames.why_costly(jpeg()) is None


@pytest.mark.parametrize("path", ENCODED, ids=lambda path: path.stem)
def test_blocks_of_sound_frames_are_few(path):
    frame = next(generate_frames(dcmread(path).PixelData, number_of_frames=1))
    found = j2k_frames.frame_of(frame)
    assert found is not None and j2k_frames.why_costly(found, len(frame)) is None
    area = found.rows * found.columns
    assert area / 64**2 <= found.blocks <= area  # code-blocks of 64 px at most


def test_parts_are_those_of_the_standard():
    """Of 100 × 100 px: at level 1, 50 × 50 px in blocks of 16; below, 100 × 100 px likewise."""
    film = dcmread(io.BytesIO(j2k_in_parts(100, exponent=4, levels=1, layers=3)))
    frame = next(generate_frames(film.PixelData, number_of_frames=1))
    found = j2k_frames.frame_of(frame)
    assert found is not None
    assert (found.tiles, found.blocks, found.packets) == (1, 4**2 + 7**2, 3 * (4**2 + 7**2))


def test_a_codestream_longer_than_any_film_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(j2k_frames, "_MOST_BYTES", 100)
    with pytest.raises(UnreadableRadiograph, match="bytes; expected at most 100"):
        read_radiograph(ENCODED[0].read_bytes())


def test_coding_styles_of_tiles_and_components_count_as_well():
    film = dcmread(io.BytesIO(j2k_in_parts(100, exponent=4)))
    frame = next(generate_frames(film.PixelData, number_of_frames=1))
    at = frame.index(b"\xff\x90")
    style = struct.pack(">BBBBBBBB", 0, 1, 0, 4, 4, 0, 1, 0)  # of component 0: precincts of 1 px
    segment = b"\xff\x53" + struct.pack(">H", 2 + len(style)) + style
    for where in (at, at + 12):  # in the main header; in that of the tile-part
        found = j2k_frames.frame_of(frame[:where] + segment + frame[where:])
        assert found is not None and found.blocks == 100**2


def test_a_coding_style_cannot_hide():
    """Neither behind many segments nor behind a tile-part that claims a wrong length."""
    film = dcmread(io.BytesIO(j2k_in_parts(100, exponent=4)))
    frame = next(generate_frames(film.PixelData, number_of_frames=1))
    at = frame.index(b"\xff\x52")
    behind = j2k_frames.frame_of(frame[:at] + b"\xff\x64\0\x04\0\1" * 100_001 + frame[at:])
    assert behind is not None and "segments" in str(j2k_frames.why_costly(behind, 1))
    begin = frame.index(b"\xff\x90")
    for claimed in (0, 12, 13, 10**6):
        part = bytearray(frame[begin:-2])
        part[6:10] = struct.pack(">I", claimed)
        finer = part[:12] + b"\xff\x52\0\x0d\1\0\0\1\0\0\4\4\0\1\0" + part[12:]
        found = j2k_frames.frame_of(frame[:begin] + bytes(part) + bytes(finer) + frame[-2:])
        assert found is not None and found.blocks == 100**2


def test_a_cut_off_codestream_has_a_header_or_none():
    film = dcmread(io.BytesIO(j2k_in_parts(100, exponent=4)))
    frame = next(generate_frames(film.PixelData, number_of_frames=1))
    for length in range(len(frame) - 900):
        found = j2k_frames.frame_of(frame[:length])
        assert found is None or found.columns == 100
    assert uid.JPEG2000Lossless == film.file_meta.TransferSyntaxUID
