"""What makes reading fast changes no value: viewed pixels, looked-up greys against plain ones."""

import warnings
from pathlib import Path

import cv2
import data_store
import numpy as np
import pydicom.data
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from benchmarks.dicom_mutations import compare
from helpers.dicom import convert, read_dicom
from helpers.dicom_decoders import stored_words
from helpers.dicom_errors import UnreadableDicom
from helpers.dicom_header import open_film
from tests.dicom_films import make_film, make_table
from tests.dicom_matrix import ENCODED, cases
from tests.dicom_plain import plain_grey, unlike

CARRIED = [
    path
    for folder in (
        Path(pydicom.data.__file__).with_name("test_files"),
        Path(data_store.__file__).with_name("data"),
    )
    for path in sorted(folder.rglob("*"))
    if path.is_file() and path.read_bytes()[128:132] == b"DICM"
]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def test_real_files():
    read = 0
    for path in CARRIED:
        data = path.read_bytes()
        try:
            read_dicom(data)
        except UnreadableDicom:
            continue
        assert unlike(data) == [], path.name
        read += 1
    assert read > 60


@pytest.mark.parametrize("part", range(10))
def test_every_combination_of_steps(part):
    for case in list(cases())[part::10]:
        assert unlike(case.film(), **case.choice()) == [], case.name


@pytest.mark.parametrize("path", sorted(ENCODED.glob("*.dcm")), ids=lambda path: path.stem)
def test_every_encoding(path):
    assert unlike(path.read_bytes()) == []


def test_damaged_files():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = compare(range(600), seed=2)
    assert found["unlike"] == 0
    assert found["equal"] > 100


# --- Films so large that their pixels are not read before they are asked for ---

LARGE = np.random.default_rng(5).integers(0, 4096, (640, 600), dtype="u2")
SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG 2000": JPEG2000Lossless,
}


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("kind", ["u2", "i2", "u1"])
def test_large_films(syntax, kind):
    if syntax == "RLE" and kind == "i2":
        pytest.skip("pydicom writes no signed RLE")
    stored = LARGE if kind == "u2" else np.tile(LARGE, (2, 1)).astype(kind)
    data = make_film(stored, bits=8 * stored.itemsize, syntax=SYNTAXES[syntax])
    assert unlike(data) == []


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_uncompressed_pixels_are_not_copied(syntax):
    data = make_film(LARGE, syntax=SYNTAXES[syntax])
    words = stored_words(open_film(data))
    assert np.shares_memory(words, np.frombuffer(data, "u1"))
    np.testing.assert_array_equal(words, LARGE)


@pytest.mark.parametrize("kind", ["u2", "i2"])
@pytest.mark.parametrize("below", [0, 2])
def test_bits_that_are_no_part_of_the_pixel(kind, below):
    """An old overlay lies above and below the pixel's bits, and is nowhere in the picture."""
    clean = (LARGE.astype(kind) - (2048 if kind == "i2" else 0)).astype("u2") % 4096
    overlay = np.random.default_rng(6).integers(0, 2, LARGE.shape).astype("u2")
    stored = ((clean << below) | overlay * (2**15 + (1 if below else 0))).astype("u2")
    data = make_film(stored.view(kind), bits=12, HighBit=11 + below)
    assert unlike(data) == []
    without = make_film(clean.view(kind), bits=12)
    np.testing.assert_array_equal(read_dicom(data), read_dicom(without))


def test_cut_pixels_are_refused():
    with pytest.raises(UnreadableDicom, match="cut off"):
        read_dicom(make_film(LARGE)[:-2])


def test_tables_longer_than_what_is_read_at_once():
    values = np.linspace(0, 4095, 30_000).astype(int).tolist()
    tables = [make_table(values[::step], 0, 12)[0] for step in (1, -1) * 5]
    data = make_film(LARGE, VOILUTSequence=tables)
    assert len(data) > LARGE.nbytes + 500_000
    assert unlike(data, index=1) == []


# --- The picture ---


def test_picture_is_the_plain_grey_averaged(tmp_path):
    (tmp_path / "film.dcm").write_bytes(make_film(LARGE, WindowCenter=1500, WindowWidth=2000))
    made = convert([tmp_path / "film.dcm"], tmp_path / "out", size=200)
    plain = plain_grey((tmp_path / "film.dcm").read_bytes())
    grey = np.rint(255 * plain).astype("u1")
    expected = cv2.resize(grey, (188, 200), interpolation=cv2.INTER_AREA)
    picture = cv2.imread(made["png_path"][0], cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(picture, expected)
