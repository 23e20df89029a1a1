"""DICOM: grey values against the standard's formulas, refusals, and conversion of whole folders."""

import math
import os
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from io import BytesIO
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.tag import Tag
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from helpers.dicom import convert, describe_header, read_dicom
from helpers.dicom_beginning import is_dicom
from helpers.dicom_errors import UnreadableDicom
from helpers.dicom_header import open_film
from helpers.dicom_picture import render
from helpers.limits import LARGEST_AREA
from helpers.quarantine import read_header
from tests.dicom_films import make_film, make_table, ramp
from tests.dicom_matrix import CONTRAST, MODALITY, POLARITY, STORED, TABLE

MARKER = "ZZMARKERZZ"


# --- The matrix: every step of the chain against formulas written from PS3.3, value by value ---


def look_up(value: float, first: int) -> float:
    """PS3.3 C.11.1.1: below the table its first entry, above its last."""
    return TABLE[min(max(round(value) - first, 0), len(TABLE) - 1)]


def standard(
    value: int, modality: str, contrast: str, polarity: str, bits: int, signed: bool
) -> float:
    """Grey of one stored value, by the formulas of PS3.3 C.11."""
    low = -(2 ** (bits - 1)) if signed else 0
    steps = {
        "none": lambda x: x,
        "rescale": lambda x: 2 * x - 100,
        "negative slope": lambda x: 50 - x,
        "table": lambda x: look_up(x, first=3),
    }
    x = steps[modality](value)
    if contrast == "linear":
        c, w = 60, 200
        y = (x - (c - 0.5)) / (w - 1) + 0.5
    elif contrast == "exact":
        y = (x - 60.5) / 99.5 + 0.5
    elif contrast == "sigmoid":
        y = 1 / (1 + math.exp(min(-4 * (x - 60) / 80, 700)))
    elif contrast == "table":
        y = look_up(x, first=20) / 1023
    elif modality == "table":
        y = x / 1023
    else:
        ends = sorted((steps[modality](low), steps[modality](low + 2**bits - 1)))
        y = (x - ends[0]) / (ends[1] - ends[0])
    y = min(max(y, 0), 1)
    return y if polarity == "MONOCHROME2" else 1 - y


@pytest.mark.parametrize(
    ("stored", "modality", "contrast", "polarity"),
    list(product(STORED, MODALITY, CONTRAST, POLARITY)),
)
def test_grey_follows_the_standard(stored, modality, contrast, polarity):
    dtype, bits = STORED[stored]
    pixels = ramp(dtype, bits)
    data = make_film(
        pixels, bits=bits, **MODALITY[modality], **CONTRAST[contrast], **POLARITY[polarity]
    )
    expected = [
        standard(int(value), modality, contrast, polarity, bits, dtype.startswith("i"))
        for value in pixels.ravel()
    ]
    film = read_dicom(data)
    assert film.dtype == np.float32
    np.testing.assert_allclose(film.ravel(), expected, atol=1e-6)


def test_known_numbers():
    """A few greys worked out by hand, so that an error shared with the matrix would show."""
    pixels = np.array([[0, 100, 150, 200, 300]], "u2")
    window = {"WindowCenter": 150, "WindowWidth": 101}
    # (100 − 149.5) / 100 + 0.5 = 0.005 and so on
    np.testing.assert_allclose(read_dicom(make_film(pixels, **window))[0], [0, 0.005, 0.505, 1, 1])
    inverse = read_dicom(make_film(pixels, PhotometricInterpretation="MONOCHROME1", **window))
    np.testing.assert_allclose(inverse[0], [1, 0.995, 0.495, 0, 0], atol=1e-7)
    plain = read_dicom(make_film(pixels))
    np.testing.assert_allclose(plain[0], pixels[0] / 4095, atol=1e-7)


def test_inverse_shape_alone_inverts_once():
    pixels = ramp("u2", 12)
    upright = read_dicom(make_film(pixels))
    for elements in (
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"},
    ):
        np.testing.assert_allclose(
            read_dicom(make_film(pixels, **elements)), 1 - upright, atol=1e-6
        )


def test_scale_ignores_the_films_own_extremes():
    """A collar of lead must not change the grey of the lungs."""
    lungs = np.full((8, 8), 900, "u2")
    with_collar = lungs.copy()
    with_collar[0, 0] = 4095
    assert read_dicom(make_film(lungs))[4, 4] == read_dicom(make_film(with_collar))[4, 4]


def test_several_windows():
    pixels = ramp("u2", 12)
    data = make_film(pixels, WindowCenter=[500, 2000], WindowWidth=[400, 1000])
    second = make_film(pixels, WindowCenter=2000, WindowWidth=1000)
    np.testing.assert_array_equal(read_dicom(data, index=1), read_dicom(second))
    assert not np.array_equal(read_dicom(data), read_dicom(second))
    with pytest.raises(UnreadableDicom, match=r"offers 2 contrast.*asked for 2"):
        read_dicom(data, index=2)


def test_table_and_window_both_present():
    pixels = ramp("u2", 12)
    both = make_film(pixels, **CONTRAST["table"], **CONTRAST["linear"])
    table, window = (make_film(pixels, **CONTRAST[name]) for name in ("table", "linear"))
    np.testing.assert_array_equal(read_dicom(both), read_dicom(table))
    np.testing.assert_array_equal(read_dicom(both, prefer_lut=False), read_dicom(window))


def test_table_after_a_modality_step_that_gives_floats():
    """Values between two entries go to the nearer one, and far ones do not come round again."""
    pixels = np.array([[0, 21, 22, 40000, 65535]], "u2")
    data = make_film(pixels, bits=16, RescaleSlope=1.7, RescaleIntercept=-15.1, **CONTRAST["table"])
    expected = [look_up(1.7 * value - 15.1, first=20) / 1023 for value in (0, 21, 22)] + [1, 1]
    np.testing.assert_allclose(read_dicom(data)[0], expected, atol=1e-6)


def test_table_whose_first_value_is_written_as_unsigned():
    """DCMTK reads 65,524 as −12 too, where values can be negative but not as large as that."""
    pixels = np.array([[0, 80, 90, 91, 92, 100, 4095]], "u2")
    signed, unsigned = (
        read_dicom(
            make_film(
                pixels,
                RescaleSlope=1,
                RescaleIntercept=-100,
                VOILUTSequence=make_table(TABLE, first, 10),
            )
        )
        for first in (-12, 65524)
    )
    np.testing.assert_array_equal(unsigned, signed)
    wide = make_film(
        np.array([[0, 65524, 65526]], "u2"), bits=16, VOILUTSequence=make_table(TABLE, 65524, 10)
    )
    np.testing.assert_allclose(read_dicom(wide)[0], [0, 0, 40 / 1023], atol=1e-6)


def test_table_of_65536_entries_starting_below_zero():
    item = make_table([0], -32768, 16)[0]
    item.LUTDescriptor = [0, -32768, 16]  # 0 entries means 65,536
    item.add_new("LUTData", "OW", np.arange(2**16, dtype="<u2").tobytes())
    pixels = np.array([[-32768, -1, 0, 32767]], "i2")
    film = read_dicom(make_film(pixels, bits=16, VOILUTSequence=[item]))
    np.testing.assert_allclose(film[0], [0, 32767 / 65535, 32768 / 65535, 1], atol=1e-6)


@pytest.mark.parametrize("kind", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("entries", [256, 4096, 65536])
@pytest.mark.parametrize("bits", range(8, 17))
def test_tables_of_every_depth_and_length(bits, entries, kind):
    """pydicom counts positions in the type of the entries: in 8 bits, entry 256 is entry 0."""
    table = np.arange(entries) * (2**bits - 1) // (entries - 1)
    item = make_table([0], 0, bits)[0]
    item.LUTDescriptor = [entries % 2**16, 0, bits]
    item.add_new("LUTData", "OW", table.astype("<u2").tobytes())
    pixels = np.linspace(0, entries - 1, 4096).astype("u2").reshape(64, 64)
    film = read_dicom(make_film(pixels, bits=16, **{kind: [item]}))
    np.testing.assert_allclose(film, table[pixels] / (2**bits - 1), atol=1e-7)


@pytest.mark.parametrize("kind", ["VOILUTSequence", "ModalityLUTSequence"])
def test_entries_larger_than_their_bits_are_believed(kind):
    """DCMTK corrects the bits, too; clipped, three quarters of this ramp would be white."""
    pixels = np.linspace(0, 4095, 4096).astype("u2").reshape(64, 64)
    claimed = make_table(list(range(4096)), 0, 10)
    film = read_dicom(make_film(pixels, bits=16, **{kind: claimed}))
    np.testing.assert_allclose(film, pixels / 4095, atol=1e-6)


@pytest.mark.parametrize("kind", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("entries", [32767, 32768, 40000])
def test_long_tables_of_signed_pixels_without_kinds_of_values(entries, kind):
    """pydicom takes the number of entries for a signed one."""
    table = np.arange(entries) * 65535 // (entries - 1)
    item = make_table([0], -32768, 16)[0]
    item.LUTDescriptor = [entries, -32768, 16]
    item.add_new("LUTData", "OW", table.astype("<u2").tobytes())
    pixels = (np.linspace(0, entries - 1, 4096).astype("i4") - 32768).astype("i2").reshape(64, 64)
    film = make_film(pixels, bits=16, syntax=ImplicitVRLittleEndian, **{kind: [item]})
    expected = table[pixels.astype("i4") + 32768] / 65535
    np.testing.assert_allclose(read_dicom(film), expected, atol=1e-6)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("entries", [255, 256])
def test_tables_of_bytes_packed_two_in_a_word(entries, syntax):
    table = np.arange(entries + entries % 2, dtype="u1")[::-1]
    item = make_table([0], 0, 8)[0]
    item.LUTDescriptor = [entries, 0, 8]
    words = table.astype("u1").tobytes()
    if syntax == ExplicitVRBigEndian:
        words = np.frombuffer(words, "<u2").astype(">u2").tobytes()
    item.add_new("LUTData", "OW", words)
    pixels = np.arange(entries, dtype="u1").reshape(-1, 5 if entries % 2 else 8)
    film = read_dicom(make_film(pixels, bits=8, syntax=syntax, VOILUTSequence=[item]))
    np.testing.assert_allclose(film.ravel(), table[:entries] / 255, atol=1e-7)


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_background(polarity):
    pixels = np.array([[-2000, -1999, -1000, 0, 1000]], "i2")
    plain = make_film(pixels, bits=12, PhotometricInterpretation=polarity)
    padded = make_film(
        pixels,
        bits=12,
        PhotometricInterpretation=polarity,
        PixelPaddingValue=-2000,
        PixelPaddingRangeLimit=-1999,
    )
    film = read_dicom(padded)
    assert film[0, :2].tolist() == [0, 0]
    np.testing.assert_array_equal(film[0, 2:], read_dicom(plain)[0, 2:])


def test_padding_written_as_unsigned_beside_signed_pixels():
    pixels = np.array([[-2000, 0]], "i2")
    data = bytearray(
        make_film(pixels, bits=12, PixelPaddingValue=-2000, PhotometricInterpretation="MONOCHROME1")
    )
    at = data.index(b"\x28\x00\x20\x01SS")
    data[at + 4 : at + 6] = b"US"
    assert read_dicom(bytes(data))[0].tolist() == [0, pytest.approx(1 - 2048 / 4095)]


@pytest.mark.parametrize(
    ("dtype", "bits", "padding", "kind", "written"),
    [
        ("i2", 12, -2000, "US", 2096),  # the pattern of its 12 bits
        ("u2", 16, 63536, "SS", -2000),
        ("i2", 12, -2000, "SS", -2000),
        ("i2", 12, None, "SS", -3000),  # which 12 bits cannot hold: no padding
        ("u2", 12, None, "SS", -3000),
    ],
)
def test_padding_written_with_the_other_sign(dtype, bits, padding, kind, written):
    stored = ramp(dtype, bits)
    if padding is not None:
        stored[3:5] = padding
    film = dcmread(BytesIO(make_film(stored, bits=bits)))
    film.add_new("PixelPaddingValue", kind, written)
    file = BytesIO()
    film.save_as(file)
    grey = (stored - (-(2.0 ** (bits - 1)) if dtype == "i2" else 0)) / (2**bits - 1)
    expected = np.where(stored == padding, 0, grey) if padding is not None else grey
    np.testing.assert_allclose(read_dicom(file.getvalue()), expected, atol=1e-6)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_tables_whose_first_value_has_the_sign_of_something_else(syntax):
    signed = ramp("i2", 12)
    modality = make_table(list(range(4096)), first=2**16 - 2048, bits=12)
    film = make_film(signed, syntax=syntax, ModalityLUTSequence=modality)
    np.testing.assert_allclose(read_dicom(film), (signed + 2048) / 4095, atol=1e-6)

    signed = ramp("i2", 16)  # pydicom reads 40,000 by their sign, if the file says no kind
    entries = np.minimum(3 * np.arange(20_000), 2**16 - 1)
    film = make_film(
        signed,
        bits=16,
        syntax=syntax,
        RescaleSlope="1",
        RescaleIntercept="32768",
        VOILUTSequence=make_table(entries.tolist(), first=40_000, bits=16),
    )
    places = np.clip(signed.astype(int) + 32_768 - 40_000, 0, 19_999)
    np.testing.assert_allclose(read_dicom(film), entries[places] / 65535, atol=1e-6)


def with_items(number: int) -> bytes:
    """A film with a sequence of so many empty items, of a private element that nobody asks for."""
    data = make_film(ramp("u2", 12))
    at = data.index(struct.pack("<HH", 0x28, 2))
    sequence = b"\x19\x00\x10\x10SQ\x00\x00\xff\xff\xff\xff"
    items = number * b"\xfe\xff\x00\xe0\x00\x00\x00\x00"
    return data[:at] + sequence + items + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00" + data[at:]


def test_many_items_of_sequences_are_refused_before_they_are_made():
    np.testing.assert_array_equal(
        read_dicom(with_items(10_000)), read_dicom(make_film(ramp("u2", 12)))
    )
    with pytest.raises(UnreadableDicom, match="30,000 items of sequences; expected at most 20,000"):
        read_dicom(with_items(30_000))
    with pytest.raises(UnreadableDicom, match="items of sequences"):
        read_header(with_items(30_000))


def test_bits_above_the_stored_ones_are_ignored():
    """An old overlay lives in unused high bits (PS3.5 8.1.1)."""
    pixels = ramp("u2", 12)
    np.testing.assert_array_equal(
        read_dicom(make_film(pixels | 0x8000)), read_dicom(make_film(pixels))
    )


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
@pytest.mark.parametrize("dtype", ["u2", "i2"])
def test_pixels_in_the_upper_bits(dtype, syntax):
    """Until 2014 the highest bit could be any; what is below the pixel is none of it."""
    pixels = np.tile(ramp(dtype, 12), (4, 4))
    shifted = (pixels.astype("i4") * 16 + 5).astype(dtype)
    np.testing.assert_array_equal(
        read_dicom(make_film(shifted, syntax=syntax, HighBit=15)), read_dicom(make_film(pixels))
    )


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        JPEG2000Lossless,
        JPEGLSLossless,
        RLELossless,
    ],
)
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_encodings_without_loss_give_the_same_film(syntax, dtype):
    bits = 8 if dtype == "u1" else 12
    window = {"WindowCenter": 100, "WindowWidth": 300}
    pixels = np.tile(ramp(dtype, bits), (4, 4))
    encoded = read_dicom(make_film(pixels, bits=bits, syntax=syntax, **window))
    np.testing.assert_array_equal(encoded, read_dicom(make_film(pixels, bits=bits, **window)))


def test_float_pixels():
    values = np.array([[-1.0, 0.25, 0.5, np.nan]], "<f4")
    float_elements = {"PixelData": None, "FloatPixelData": values.tobytes(), "BitsStored": None}
    window = {"WindowCenter": 0.5, "WindowWidth": 1, "VOILUTFunction": "LINEAR_EXACT"}
    film = read_dicom(make_film(np.zeros((1, 4), "u4"), bits=32, **float_elements, **window))
    np.testing.assert_allclose(film[0], [0, 0.25, 0.5, 0])
    with pytest.raises(UnreadableDicom, match="float pixels and no window"):
        read_dicom(make_film(np.zeros((1, 4), "u4"), bits=32, **float_elements))
    for share, message in ((0.5, "cut off: 8 of 16 bytes"), (2, "holds 32 bytes of pixels")):
        other = np.resize(values, int(4 * share)).tobytes()
        elements = float_elements | {"FloatPixelData": other}
        with pytest.raises(UnreadableDicom, match=message):
            read_dicom(make_film(np.zeros((1, 4), "u4"), bits=32, **elements, **window))


def test_32_bit_pixels():
    pixels = np.array([[0, 2**31, 2**32 - 1]], "u4")
    np.testing.assert_allclose(read_dicom(make_film(pixels, bits=32))[0], [0, 0.5, 1], atol=1e-6)


def test_many_32_bit_pixels_are_mapped_as_few_are():
    """They go through the chain in strips of rows, the last of which is shorter."""
    pixels = np.random.default_rng(3).integers(0, 2**32, (601, 257), dtype="u4")
    elements = {"WindowCenter": 2**31, "WindowWidth": 2**30, "PixelPaddingValue": 0}
    data = make_film(pixels, bits=32, PhotometricInterpretation="MONOCHROME1", **elements)
    expected = 1 - np.clip((pixels - (2**31 - 0.5)) / (2**30 - 1) + 0.5, 0, 1)
    np.testing.assert_allclose(read_dicom(data), expected, atol=1e-7)


def test_mapping_32_bit_pixels_takes_little_memory():
    film = open_film(make_film(np.zeros((2000, 2000), "u4"), bits=32))
    tracemalloc.start()
    try:
        render(film, np.float32)
        assert tracemalloc.get_traced_memory()[1] < 3 * 4 * 2000 * 2000
    finally:
        tracemalloc.stop()


# --- Careless headers, read as they are meant ---

CARELESS = {
    "words in small letters": (
        {"PhotometricInterpretation": "monochrome1", "VOILUTFunction": "sigmoid"},
        {"PhotometricInterpretation": "MONOCHROME1", "VOILUTFunction": "SIGMOID"},
    ),
    "shape in small letters": (
        {"PresentationLUTShape": "inverse"},
        {"PresentationLUTShape": "INVERSE"},
    ),
    "empty slope and intercept": ({"RescaleSlope": "", "RescaleIntercept": ""}, {}),
    "empty slope": ({"RescaleSlope": "", "RescaleIntercept": 5}, {}),
    "no sign": ({"PixelRepresentation": None}, {}),
}


@pytest.mark.parametrize("kind", CARELESS)
def test_careless_headers(kind):
    window = {"WindowCenter": 2000, "WindowWidth": 900}
    careless, meant = (make_film(ramp("u2", 12), **window, **each) for each in CARELESS[kind])
    np.testing.assert_array_equal(read_dicom(careless), read_dicom(meant))


SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)


def meta_end(data: bytes) -> int:
    """Where the meta header ends (PS3.10 7.1)."""
    return 144 + int.from_bytes(data[140:144], "little")


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_films_without_preamble_or_meta_header(syntax):
    data = make_film(ramp("u2", 12), syntax=syntax)
    whole = read_dicom(data)
    for lost in (data[132:], data[: 132 - 4] + b"DICM" + data[meta_end(data) :]):
        np.testing.assert_array_equal(read_dicom(lost), whole)
    np.testing.assert_array_equal(read_dicom(data[meta_end(data) :]), whole)


FIRST = ("StudyDate", "SeriesDescription", "PatientName", "PatientSex", "KVP", "SamplesPerPixel")


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_films_without_meta_header_may_have_lost_their_first_elements_too(syntax, name):
    values = {"StudyDate": "20200401", "SeriesDescription": "AP", "PatientName": "A^B"}
    data = make_film(ramp("u2", 12), syntax=syntax, PatientSex="F", KVP=80, **values)
    lost = Dataset(
        {element.tag: element for element in dcmread(BytesIO(data)) if element.tag >= Tag(name)}
    )
    file = BytesIO()
    lost.save_as(file, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    np.testing.assert_array_equal(read_dicom(file.getvalue()), read_dicom(data))


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x00\x02\x00\x04\x00\x00\x00",  # an element that the standard does not know
        b"\x08\x00\x60\x00\x00\x01\x00\x00",  # a modality of 256 letters
        b"\x28\x00\x00\x00\x00\x02\x00\x00",  # a bitmap as Windows copies it
        b"\x02\x00\x10\x00\x12\x00\x00\x00",  # a meta header always names the kind of a value
        b"\x30\x00\x10\x00LO\x04\x00",  # a later group
    ],
)
def test_what_only_looks_like_an_element_is_no_dicom(data):
    assert not is_dicom(data.ljust(400, b"\x01"))
    assert not is_dicom(b"\x08\x00\x60\x00CS\x02\x00CR")  # too little to be one
    assert is_dicom(b"\x08\x00\x60\x00CS\x02\x00CR".ljust(400, b"\x01"))


def test_compressed_pixels_need_a_meta_header():
    data = encoded()
    with pytest.raises(UnreadableDicom, match="does not say how its pixels are encoded"):
        read_dicom(data[meta_end(data) :])


# --- Real files that pydicom carries ---

REAL = {  # file: rows, columns
    "CT_small.dcm": (128, 128),
    "MR_small.dcm": (64, 64),
    "MR_small_RLE.dcm": (64, 64),
    "MR_small_bigendian.dcm": (64, 64),
    "MR_small_implicit.dcm": (64, 64),
    "MR_small_jp2klossless.dcm": (64, 64),
    "MR_small_jpeg_ls_lossless.dcm": (64, 64),
    "MR_small_padded.dcm": (64, 64),
    "image_dfl.dcm": (512, 512),
    "J2K_pixelrep_mismatch.dcm": (512, 512),
    "693_J2KI.dcm": (512, 512),
    "liver_1frame.dcm": (512, 512),
    "examples_overlay.dcm": (300, 484),
    "JPGExtended.dcm": (1024, 256),
    "JPEG-lossy.dcm": (1024, 256),
    "JPEGLSNearLossless_08.dcm": (45, 10),
    "JPEGLSNearLossless_16.dcm": (50, 10),
}


def real(name: str) -> str:
    path = get_testdata_file(name, download=False)
    assert path is not None, f"{name} is not among the files that pydicom carries"
    return path


@pytest.mark.parametrize("name", REAL)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_real_files_read(name):
    film = read_dicom(real(name))
    assert film.shape == REAL[name]
    assert film.dtype == np.float32
    assert 0 <= film.min() < film.max() <= 1


@pytest.mark.parametrize("name", [name for name in REAL if name.startswith("MR_small_")])
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_one_real_film_in_seven_encodings(name):
    np.testing.assert_array_equal(read_dicom(real(name)), read_dicom(real("MR_small.dcm")))


def test_sources_are_paths_or_bytes():
    path = real("CT_small.dcm")
    by_path = read_dicom(path)
    np.testing.assert_array_equal(read_dicom(Path(path)), by_path)
    np.testing.assert_array_equal(read_dicom(Path(path).read_bytes()), by_path)
    with pytest.raises(FileNotFoundError):
        read_dicom("no such file.dcm")


# --- Refusals: each its own sentence ---

GREY = np.arange(64, dtype="u2").reshape(8, 8)


def encoded() -> bytes:
    """Make a film in JPEG 2000."""
    return make_film(np.tile(ramp("u2", 12), (4, 4)), syntax=JPEG2000Lossless)


def bomb() -> bytes:
    """Make a file of some hundred kilobytes that unpacks to more than memory should hold."""
    head = make_film(GREY, syntax=DeflatedExplicitVRLittleEndian)
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    packed = b"".join(packer.compress(bytes(2**24)) for _ in range(4 * LARGEST_AREA // 2**24 + 1))
    return head[: meta_end(head)] + packed + packer.flush()


def bomb_of_wrong_length() -> bytes:
    """Let the meta header claim to be longer than the file."""
    data = bomb()
    return data[:140] + b"\xff\xff\xff\x7f" + data[144:]


def bomb_behind_a_long_element() -> bytes:
    """Push the transfer syntax far back in the file."""
    data = bomb()
    at = data.index(b"\x02\x00\x10\x00UI")
    return data[:at] + b"\x02\x00\x03\x00UI" + struct.pack("<H", 3000) + bytes(3000) + data[at:]


def deflated() -> bytes:
    return make_film(GREY, syntax=DeflatedExplicitVRLittleEndian)


def with_number(name: str, text: str) -> bytes:
    """Make a film with a number in its header that pydicom would not write."""
    numbers = {"RescaleSlope": 1, "RescaleIntercept": 0, "WindowCenter": 9, "WindowWidth": 20}
    data = make_film(GREY, **numbers | {name: 777777})
    return data.replace(b"777777.0", text.ljust(8).encode())


BROKEN = {
    "empty": (lambda: b"", "The file is empty"),
    "text": (lambda: b"patient,died\n1,no\n" * 20, "not a DICOM file"),
    "PNG": (lambda: cv2.imencode(".png", GREY.astype("u1"))[1].tobytes(), "not a DICOM file"),
    "header only": (lambda: make_film(GREY)[:132], "no header; its 132 bytes"),
    "cut in the header": (lambda: make_film(GREY)[:300], "a signal, or it was cut off"),
    "cut in the pixels": (lambda: make_film(GREY)[:-40], "cut off: 88 of 128 bytes"),
    "cut J2K": (lambda: encoded()[:-30], "cut off"),
    "J2K without header": (lambda: encoded().replace(b"\xff\x4f\xff\x51", bytes(4)), "missing"),
    "damaged J2K": (lambda: encoded().replace(b"\xff\x52\x00", bytes(3)), "damaged, or of"),
    "J2K of absurd size": (
        lambda: encoded().replace(b"\x00\x00\x00\x40" * 2, b"\x00\x00\xff\xff" * 2, 1),
        "tiles|65535 × 65535",
    ),
    "J2K of another height": (
        lambda: encoded().replace(b"\x10\x00US\x02\x00\x40", b"\x10\x00US\x02\x00\x20"),
        "header claims 32 × 64 grey pixels, the compressed pixels themselves 64 × 64",
    ),
    "no pixels": (lambda: make_film(GREY, PixelData=None), "holds no pixels"),
    "empty pixels": (lambda: make_film(GREY, PixelData=b""), "cut off: 0 of 128 bytes"),
    "report": (lambda: Path(real("test-SR.dcm")).read_bytes(), "holds no picture"),
    "signal": (lambda: Path(real("waveform_ecg.dcm")).read_bytes(), "holds no picture"),
    "contents of a disc": (lambda: Path(real("DICOMDIR")).read_bytes(), "contents of a disc"),
    "colour": (lambda: Path(real("SC_rgb_jpeg.dcm")).read_bytes(), "in colour"),
    "palette": (lambda: Path(real("examples_palette.dcm")).read_bytes(), "in colour"),
    "no photometric": (lambda: make_film(GREY, PhotometricInterpretation=None), "is missing"),
    "odd photometric": (lambda: make_film(GREY, PhotometricInterpretation="X"), "bright or dark"),
    "several frames": (lambda: Path(real("rtdose.dcm")).read_bytes(), "holds several frames"),
    "raw": (lambda: make_film(GREY, PresentationIntentType="FOR PROCESSING"), "raw detector data"),
    "no rows": (lambda: make_film(GREY, Rows=0), "claims 0 × 8 pixels"),
    "absurd size": (lambda: make_film(GREY, Rows=65535, Columns=65535), "claims 65535 × 65535"),
    "absurd bits": (lambda: make_film(GREY, BitsStored=17), "17 bits stored in 16 bits"),
    "no JPEG": (lambda: make_film(GREY, syntax=JPEGLosslessSV1), "header of their own"),
    "video": (lambda: make_film(GREY, syntax=MPEG2MPML), "film sequence"),
    "raw by its class": (
        lambda: make_film(GREY, SOPClassUID=DigitalXRayImageStorageForProcessing),
        "raw detector data",
    ),
    "absurd high bit": (lambda: make_film(GREY, HighBit=16), "bit 16 is the highest"),
    "high bit too low": (lambda: make_film(GREY, HighBit=5), "bit 5 is the highest"),
    "zero window": (
        lambda: make_film(GREY, WindowCenter=5, WindowWidth=0),
        "too narrow; expected a width of at least 1",
    ),
    "odd window": (
        lambda: make_film(GREY, WindowCenter=5, WindowWidth=9, VOILUTFunction="CURVE"),
        "expected LINEAR, LINEAR_EXACT or SIGMOID",
    ),
    "short table": (
        lambda: make_film(GREY, VOILUTSequence=make_table(TABLE[:3], 0, 10), BitsStored=12).replace(
            b"\x28\x00\x02\x30US\x06\x00\x03\x00", b"\x28\x00\x02\x30US\x06\x00\xff\x00"
        ),
        "not valid",
    ),
    "bomb": (bomb, "unpacks to more than"),
    "bomb of wrong length": (bomb_of_wrong_length, "unpacks to more than"),
    "bomb behind a long element": (bomb_behind_a_long_element, "unpacks to more than"),
    "deflated and cut off": (lambda: deflated()[:-9], "compressed as a whole and cut off"),
    "deflated and damaged": (
        lambda: deflated()[: meta_end(deflated())] + b"\xff" * 90,
        "compressed as a whole and damaged",
    ),
    **{
        f"{name} {text}": (partial(with_number, name, text), f"{name} is no usable number")
        for name in ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth")
        for text in ("NaN", "inf", "-inf", "1e99", "abc")
    },
    "slope of nothing": (partial(with_number, "RescaleSlope", "0"), "RescaleSlope is 0"),
    "slope too small": (
        lambda: make_film(GREY, RescaleSlope="1e-20", RescaleIntercept=5),
        "so small beside",
    ),
    "table of 7 bits": (
        lambda: make_film(GREY, VOILUTSequence=make_table(TABLE, 0, 7)),
        "entries of 7 bits; expected 8 to 16",
    ),
    **{
        f"no {name}": (
            partial(make_film, GREY, **{name: None}),
            f"{name} is missing or empty. Export",
        )
        for name in ("Rows", "Columns", "BitsAllocated", "BitsStored", "SamplesPerPixel")
    },
    "empty samples": (lambda: emptied("SamplesPerPixel"), "SamplesPerPixel is missing or empty"),
}


def emptied(name: str) -> bytes:
    """Make a film with an element that is there and holds nothing."""
    film = dcmread(BytesIO(make_film(GREY)))
    film[name].value = None
    file = BytesIO()
    film.save_as(file)
    return file.getvalue()


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_refusals_say_why(kind):
    make, reason = BROKEN[kind]
    with pytest.raises(UnreadableDicom, match=reason) as caught:
        read_dicom(make())
    assert str(caught.value).endswith(".")


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_run_that_is_longer_than_the_picture_is_refused():
    """pylibjpeg-rle leaves with what is no Exception; pydicom leaves out what is too much."""
    data = bytearray(make_film(np.tile(ramp("u2", 12), (4, 4)), syntax=RLELossless))
    data[data.index(b"\x02\x00\x00\x00\x40\x00\x00\x00") + 64] = 0x81
    with pytest.raises(UnreadableDicom, match="pixels are damaged"):
        read_dicom(bytes(data))


@pytest.mark.parametrize("bits", [8, 16])
def test_run_lengths_filled_up_to_an_even_number(bits):
    pixels = np.arange(63, dtype=f"u{bits // 8}").reshape(7, 9)
    planes = [pixels.ravel().view("u1")[part :: bits // 8] for part in range(bits // 8)][::-1]
    for extra, readable in ((0, True), (1, True), (2, False)):
        segments = [bytes([62 + extra]) + plane.tobytes() + bytes(extra) for plane in planes]
        starts = np.cumsum([64, *map(len, segments)])[:-1]
        header = np.zeros(16, "<u4")
        header[: len(segments) + 1] = [len(segments), *starts]
        frame = header.tobytes() + b"".join(segments)
        film = dcmread(BytesIO(make_film(pixels, bits=bits, syntax=RLELossless)))
        film.PixelData = encapsulate([frame + bytes(len(frame) % 2)])
        file = BytesIO()
        film.save_as(file)
        if readable:
            plain = read_dicom(make_film(pixels, bits=bits))
            np.testing.assert_array_equal(read_dicom(file.getvalue()), plain)
        else:
            with pytest.raises(UnreadableDicom, match="pixels are damaged"):
                read_dicom(file.getvalue())


def test_raw_data_on_request():
    data = make_film(GREY, PresentationIntentType="FOR PROCESSING")
    np.testing.assert_array_equal(
        read_dicom(data, for_processing=True), read_dicom(make_film(GREY))
    )


# --- What may be shown ---


def test_header_table_shows_values_and_meanings():
    film = dcmread(BytesIO(make_film(GREY, WindowCenter=[40, 50.5], WindowWidth=[80, 90])))
    table = describe_header(film).set_index("attribute")
    assert table.loc["WindowCenter", "value"] == "40, 50.5"
    assert table.loc["WindowCenter", "tag"] == "(0028,1050)"
    assert table.loc["PhotometricInterpretation", "value"] == "MONOCHROME2"
    assert "small is dark" in table.loc["PhotometricInterpretation", "meaning"]


def planted() -> Dataset:
    """Make a film with a marker in every text element that it has or might have."""
    film = dcmread(BytesIO(make_film(GREY, WindowCenter=30, WindowWidth=60)))
    names = (
        "PatientName PatientID PatientComments AccessionNumber StudyDescription SeriesDescription "
        "InstitutionName ReferringPhysicianName OperatorsName ImageComments ProtocolName "
        "StationName Modality BodyPartExamined ViewPosition BurnedInAnnotation "
        "PresentationIntentType"
    )
    for name in names.split():
        setattr(film, name, MARKER)
    film.add_new(0x00091010, "LO", MARKER)
    film.ReferencedImageSequence = [Dataset()]
    film.ReferencedImageSequence[0].PatientName = MARKER
    return film


def test_marker_in_no_output(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    sound = planted()
    sound.save_as(tmp_path / "in" / "sound.dcm")
    broken = planted()
    broken.VOILUTFunction = MARKER
    broken.save_as(tmp_path / "in" / "window.dcm")
    broken.PhotometricInterpretation = MARKER
    broken.save_as(tmp_path / "in" / "photometric.dcm")
    cut = (tmp_path / "in" / "sound.dcm").read_bytes()
    for length in range(200, len(cut), 37):
        (tmp_path / "in" / f"cut{length}.dcm").write_bytes(cut[:length])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        table = convert(sorted((tmp_path / "in").iterdir()), tmp_path / "out")
    assert table["png_path"].notna().sum() == 1
    outputs = [table.to_csv(), describe_header(sound).to_csv(), caplog.text, *map(str, seen)]
    outputs += [path.name for path in (tmp_path / "out").iterdir()]
    assert not any(MARKER in text for text in outputs)
    assert not any(MARKER.encode() in path.read_bytes() for path in (tmp_path / "out").iterdir())


# --- Conversion of a folder ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hold a few films of several kinds, one of them twice, and some files that are none."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    rng = np.random.default_rng(1)
    for number in range(6):
        pixels = rng.integers(0, 4096, (90 + number, 60), dtype="u2")
        (inputs / f"{number}.dcm").write_bytes(make_film(pixels))
    (inputs / "twin.dcm").write_bytes((inputs / "0.dcm").read_bytes())
    (inputs / "window.dcm").write_bytes(
        make_film(ramp("u2", 12), PhotometricInterpretation="MONOCHROME1", **CONTRAST["linear"])
    )
    (inputs / "notes.txt").write_text("no film")
    (inputs / "cut.dcm").write_bytes(make_film(GREY)[:-40])
    return inputs


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def test_convert_gives_a_row_a_file(folder, tmp_path):
    paths = sorted(folder.iterdir())
    table = convert(paths, tmp_path / "out", size=48)
    assert table["image_path"].tolist() == [str(path) for path in paths]
    by_name = table.set_index(table["image_path"].map(lambda path: Path(path).name))
    good = by_name[by_name["reason"].isna()]
    assert good["png_path"].notna().all()
    assert by_name.loc[["notes.txt", "cut.dcm"], "png_path"].isna().all()
    assert "not a DICOM file" in by_name.loc["notes.txt", "reason"]
    assert by_name.loc["0.dcm", ["rows", "columns", "contrast"]].tolist() == [90, 60, "full range"]
    assert by_name.loc["window.dcm", "contrast"] == "window"
    assert by_name.loc["twin.dcm", "png_path"] == by_name.loc["0.dcm", "png_path"]
    assert str(table["rows"].dtype) == "Int64"
    # No identifiers and nothing of the input's name in the output's.
    assert all(len(Path(path).stem) == len("0" * 32 + "-48") for path in good["png_path"])


def test_converted_pictures_are_the_films(folder, tmp_path):
    table = convert(folder.glob("*.dcm"), tmp_path / "out", size=48).dropna(subset="png_path")
    for row in table.itertuples():
        picture = cv2.imread(row.png_path, cv2.IMREAD_UNCHANGED)
        film = np.rint(255 * read_dicom(row.image_path).astype(float)).astype(np.uint8)
        rows, columns = film.shape
        scale = min(1, 48 / max(film.shape))
        assert picture.shape == (round(rows * scale), round(columns * scale))
        assert picture.dtype == np.uint8
        if scale == 1:
            np.testing.assert_array_equal(picture, film)
        else:
            # Area averaging keeps the mean, whatever way of doing it.
            assert picture.mean() == pytest.approx(film.mean(), abs=0.5)


def test_pngs_carry_no_metadata(folder, tmp_path):
    convert(folder.iterdir(), tmp_path / "out", size=48)
    written = pictures(tmp_path / "out")
    assert len(written) > 1
    for data in written.values():
        chunks, at = [], 8
        while at < len(data):
            chunks.append(data[at + 4 : at + 8])
            at += 12 + int.from_bytes(data[at : at + 4], "big")
        assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}


def test_sizes_do_not_mix(folder, tmp_path):
    small = convert([folder / "0.dcm"], tmp_path / "out", size=16)["png_path"][0]
    large = convert([folder / "0.dcm"], tmp_path / "out", size=48)["png_path"][0]
    assert max(cv2.imread(small).shape) == 16
    assert max(cv2.imread(large).shape) == 48


def test_same_bytes_from_every_executor(folder, tmp_path):
    paths = sorted(folder.iterdir())
    serial = convert(paths, tmp_path / "serial", size=48)
    for kind in (ProcessPoolExecutor, ThreadPoolExecutor):
        with kind(2) as executor:
            pooled = convert(paths, tmp_path / kind.__name__, size=48, executor=executor)
        assert contents(tmp_path / kind.__name__) == contents(tmp_path / "serial")
        without_folder = [
            table.assign(png_path=table["png_path"].map(lambda path: Path(path).name, "ignore"))
            for table in (serial, pooled)
        ]
        pd.testing.assert_frame_equal(*without_folder)


def test_repeating_keeps_pictures_and_rows(folder, tmp_path):
    paths = sorted(folder.iterdir())
    first = convert(paths, tmp_path / "out", size=48)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again = convert(paths, tmp_path / "out", size=48)
    pd.testing.assert_frame_equal(first, again)
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}


class CountingExecutor(Executor):
    """Run at once, and remember how many results were waiting to be fetched."""

    def __init__(self) -> None:
        self.waiting = self.most = 0

    def submit(self, work, /, *args, **kwargs):
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        future: Future = Future()
        future.set_result(work(*args, **kwargs))
        fetch = future.result

        def result(timeout=None):
            self.waiting -= 1
            return fetch(timeout)

        future.result = result
        return future


def test_streams_without_collecting_the_archive(tmp_path):
    film = tmp_path / "film.dcm"
    film.write_bytes(make_film(GREY))
    executor = CountingExecutor()

    def archive() -> Iterator[Path]:
        for _ in range(500):
            yield film

    assert len(convert(archive(), tmp_path / "out", executor=executor)) == 500
    assert executor.most <= 100


def test_failures_to_read_or_write_are_rows(folder, tmp_path, monkeypatch):
    missing = convert([folder / "gone.dcm"], tmp_path / "out")
    assert "No such file" in missing["reason"][0]
    assert "gone" not in missing["reason"][0]

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    table = convert([folder / "0.dcm"], tmp_path / "out")
    assert "No space left" in table["reason"][0]
    assert table["png_path"].isna().all()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.csv"]


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="pass a list"):
        convert("film.dcm", tmp_path)
    with pytest.raises(ValueError, match="at least 1 pixel"):
        convert([], tmp_path, size=0)
    assert convert([], tmp_path).columns.tolist()[:3] == ["image_path", "png_path", "reason"]


def test_killed_conversion_goes_on_and_ends_the_same(tmp_path):
    inputs = tmp_path / "in"
    inputs.mkdir()
    rng = np.random.default_rng(2)
    for number in range(60):
        pixels = rng.integers(0, 4096, (400, 300), dtype="u2")
        (inputs / f"{number:02}.dcm").write_bytes(make_film(pixels))
    paths = sorted(inputs.iterdir())
    convert(paths, tmp_path / "undisturbed")

    out = tmp_path / "out"
    script = (
        "import sys, pathlib; from helpers.dicom import convert;"
        "convert(sorted(pathlib.Path(sys.argv[1]).iterdir()), sys.argv[2])"
    )
    for stop_at in (3, 15):
        run = subprocess.Popen([sys.executable, "-c", script, str(inputs), str(out)])
        deadline = time.monotonic() + 60
        while run.poll() is None and time.monotonic() < deadline:
            if out.exists() and len(list(out.glob("*.png"))) >= stop_at:
                break
            time.sleep(0.001)
        run.kill()
        run.wait()
        assert run.returncode == -signal.SIGKILL if os.name == "posix" else run.returncode
        whole = contents(tmp_path / "undisturbed")
        done = pictures(out)
        assert stop_at <= len(done) < len(whole)
        assert done.items() <= whole.items()
    # A temporary file such as a kill at the worst moment leaves.
    subprocess.run([sys.executable, "-c", LEAVE_PART, str(paths[-1]), str(out)], check=False)
    assert list(out.glob(".rows/parts/*"))
    convert(paths, out)
    assert contents(out) == contents(tmp_path / "undisturbed")


LEAVE_PART = """
import os, sys, pathlib
from helpers.dicom import convert
pathlib.Path.replace = lambda *_: os._exit(9)  # dies after writing, before renaming
convert([sys.argv[1]], sys.argv[2])
"""


def test_greys_that_are_described_frame_by_frame_are_refused():
    groups = Dataset()
    groups.PixelValueTransformationSequence = [Dataset()]
    groups.PixelValueTransformationSequence[0].RescaleSlope = -1
    film = make_film(ramp("u2", 12), SharedFunctionalGroupsSequence=[groups])
    with pytest.raises(UnreadableDicom, match="frame by frame"):
        read_dicom(film)


def test_frames_that_nobody_counted_are_noticed():
    film = make_film(ramp("u2", 12), PixelData=np.tile(ramp("u2", 12), (3, 1)).tobytes())
    with pytest.raises(UnreadableDicom, match="several frames"):
        read_dicom(film)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_frames_that_nobody_counted_are_noticed(syntax):
    film = dcmread(BytesIO(make_film(np.tile(ramp("u2", 12), (4, 4)), syntax=syntax)))
    (frame,) = generate_frames(film.PixelData, number_of_frames=1)
    for frames, fragments in ((1, 1), (1, 3), (2, 1)):
        film.PixelData = encapsulate([frame] * frames, fragments_per_frame=fragments)
        buffer = BytesIO()
        film.save_as(buffer)
        if frames == 1:
            assert read_dicom(buffer.getvalue()).shape == (64, 64)
        else:
            with pytest.raises(UnreadableDicom, match="several frames"):
                read_dicom(buffer.getvalue())


# --- Pixels that are not square ---


@pytest.mark.parametrize(
    ("elements", "shape"),
    [
        ({"PixelAspectRatio": [2, 1]}, (40, 30)),  # twice as high as wide
        ({"PixelAspectRatio": [3, 4]}, (30, 60)),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, (20, 60)),
        ({"PixelSpacing": [0.2, 0.1], "ImagerPixelSpacing": [0.1, 0.1]}, (40, 30)),
        ({"ImagerPixelSpacing": [0.143, 0.1429]}, (40, 60)),  # rounded by the maker
        ({"NominalScannedPixelSpacing": [0.2, 0.2], "PixelAspectRatio": [2, 1]}, (40, 60)),
        ({"PixelSpacing": [0.143, 143], "ImagerPixelSpacing": [0.2, 0.1]}, (40, 30)),  # a slip
        ({"PixelSpacing": [0, 0]}, (40, 60)),  # nothing is said
        ({"PixelSpacing": [0.1]}, (40, 60)),
        ({"PixelSpacing": []}, (40, 60)),
    ],
)
def test_pixels_become_square(elements, shape, tmp_path):
    stored = np.zeros((40, 60), "u2")
    stored[10:20, 12:36] = 4095
    data = make_film(stored, **elements)
    film = read_dicom(data)
    assert film.shape == shape
    assert film.mean() == pytest.approx(0.1, abs=2e-3)  # the square takes a tenth of the film
    (tmp_path / "film.dcm").write_bytes(data)
    row = convert([tmp_path / "film.dcm"], tmp_path / "out").iloc[0]
    assert (row["rows"], row["columns"]) == (40, 60)  # as in the header
    picture = np.asarray(Image.open(row["png_path"]))
    np.testing.assert_allclose(picture, 255 * film, atol=1)


@pytest.mark.parametrize(
    "groups", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"]
)
def test_an_enhanced_film_says_in_its_groups_how_large_a_pixel_is(groups):
    measures, item = Dataset(), Dataset()
    measures.PixelSpacing = [0.2, 0.1]
    item.PixelMeasuresSequence = [measures]
    film = dcmread(BytesIO(make_film(np.zeros((40, 60), "u2"))))
    setattr(film, groups, [item])
    file = BytesIO()
    film.save_as(file)
    assert read_dicom(file.getvalue()).shape == (40, 30)


@pytest.mark.parametrize("spacing", [[1, 5], [0.1, 900]])
def test_pixels_of_absurd_shape_are_refused(spacing):
    with pytest.raises(UnreadableDicom, match="expected nearly square ones"):
        read_dicom(make_film(ramp("u2", 12), PixelSpacing=spacing))


def test_damaged_spacing_harms_nobody():
    good = make_film(ramp("u2", 12), PixelSpacing=[0.25, 0.25])
    for text in (b"no   ", b"0.5\\0", b"1\\2\\3", b"inf\\1", b"nan\\1"):
        bad = good.replace(b"0.25\\0.25 ", text.ljust(10))
        assert bad != good
        np.testing.assert_array_equal(read_dicom(bad), read_dicom(good))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_film_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "film.dcm").write_bytes(make_film(ramp("u2", 12)))
    paths = [str(tmp_path / name) for name in ("film.dcm", "pipe")]
    table = convert(paths, tmp_path / "out")
    assert table["reason"].isna().tolist() == [True, False]
    assert "no file, but a pipe" in table["reason"].iloc[1]
