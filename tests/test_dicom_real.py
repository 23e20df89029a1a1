"""Real and odd files of the package pydicom-data: read rightly, or refused with a reason."""

from pathlib import Path

import data_store
import numpy as np
import pytest
from pydicom.data import get_testdata_file

from helpers.dicom import read_dicom
from helpers.dicom_errors import UnreadableDicom

FILES = Path(data_store.__file__).parent / "data"

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


@pytest.mark.parametrize("film", ["693", "MR2", "RG1", "RG3"])
def test_compression_without_loss_changes_nothing(film):
    plain = read_dicom(FILES / f"{film}_UNCR.dcm")
    np.testing.assert_array_equal(read_dicom(FILES / f"{film}_J2KR.dcm"), plain)


def test_chest_film_of_15_bits():
    """A Philips CR film, MONOCHROME1: the air beside the patient is dark, the window whole."""
    film = read_dicom(FILES / "RG1_UNCR.dcm")
    assert film.shape == (1955, 1841)
    assert 0.2 < film.mean() < 0.8
    middle = film[film.shape[0] // 3 : -film.shape[0] // 3]
    assert middle[:, 800:1000].mean() > middle.mean()  # the spine is brighter than its surroundings


def test_byte_order_of_32_bit_pixels():
    """DCMTK 3.6.7 shows noise for the second file."""
    little, big = (
        get_testdata_file(f"rtdose{order}_1frame.dcm", download=False) for order in ("", "_expb")
    )
    np.testing.assert_array_equal(read_dicom(big), read_dicom(little))


SHAPES = {
    "JPEG-LL.dcm": (1024, 256),
    "JPGLosslessP14SV1_1s_1f_8b.dcm": (768, 1024),
    "bad_sequence.dcm": (512, 512),
    "explicit_VR-UN.dcm": (512, 512),
    "mlut_18.dcm": (512, 512),
    "vlut_04.dcm": (512, 512),
}


@pytest.mark.parametrize("name", SHAPES)
def test_odd_files_read(name):
    film = read_dicom(FILES / name)
    assert film.shape == SHAPES[name]
    assert 0 <= film.min() < film.max() <= 1


REFUSED = {
    "SC_rgb.dcm": "in colour",
    "SC_ybr_full_uncompressed.dcm": "in colour",
    "OBXXXX1A.dcm": "in colour",
    "US1_J2KR.dcm": "in colour",
    "emri_small.dcm": "holds several frames",
    "emri_small_jpeg_2k_lossless.dcm": "holds several frames",
    "eCT_Supplemental.dcm": "holds several frames",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_single_grey_picture_is_refused(name):
    with pytest.raises(UnreadableDicom, match=REFUSED[name]):
        read_dicom(FILES / name)
