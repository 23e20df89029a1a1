"""Grey values against what DCMTK and ITK answered, and every encoding against the plain film.

The answers are kept: `python -m benchmarks.dicom_agreement --ask` made them with DCMTK 3.6.7 and
SimpleITK 2.5, of generated films only. No test needs either of them.
"""

import numpy as np
import pytest
from pydicom import dcmread

from helpers.dicom import read_dicom
from tests.dicom_matrix import ENCODED, EXPECTED, cases, digest, tolerance

PEERS = ("dcmtk", "itk")
EVERY_ENCODING = sorted(path.stem for path in ENCODED.glob("*.dcm"))
LOSSY = ("baseline", "extended", "near", "irreversible")


def grey(source, **choice) -> np.ndarray:
    """Read a film as 0 to 255."""
    return np.rint(255 * read_dicom(source, **choice).astype(float)).astype(int)


@pytest.fixture(scope="module")
def answers() -> dict[str, np.ndarray]:
    with np.load(EXPECTED) as kept:
        return dict(kept)


@pytest.fixture(scope="module")
def asked(answers) -> list:
    return list(cases())[:: int(answers["every"])]


def test_answers_belong_to_these_films(answers, asked):
    films = [case.film() for case in asked]
    assert digest(films) == str(answers["digest"]), (
        "The generated films are no longer those that DCMTK and ITK were asked about: run "
        "`python -m benchmarks.dicom_agreement --ask` again."
    )


@pytest.mark.parametrize("peer", PEERS)
def test_grey_agrees_with_a_foreign_implementation(answers, asked, peer):
    """Within 1 of 255, but for the deviations from the standard that `tolerance` names."""
    far = []
    for number in np.flatnonzero(answers[f"{peer}_defined"]):
        case = asked[number]
        ours = grey(case.film(), **case.choice())
        difference = np.abs(ours - answers[peer][number])[case.shown()].max()
        if difference > tolerance(case, peer):
            far.append((case.name, int(difference)))
    assert not far


def test_both_were_asked_about_every_step(answers, asked):
    """No step is untested because an implementation gave no answer."""
    by_dcmtk = [asked[number] for number in np.flatnonzero(answers["dcmtk_defined"])]
    by_itk = [asked[number] for number in np.flatnonzero(answers["itk_defined"])]
    everything = list(cases())
    for step in ("modality", "contrast", "polarity", "padding", "stored"):
        known = {getattr(case, step) for case in everything}
        assert {getattr(case, step) for case in by_dcmtk} == known
        tables = {"table", "table and window, table"}
        assert {getattr(case, step) for case in by_itk} >= known - tables


@pytest.mark.parametrize("name", EVERY_ENCODING)
def test_every_encoding_gives_the_drawing(answers, name):
    """Encoded by DCMTK, GDCM and OpenJPH. Without loss nothing may differ, with loss little."""
    plain = ENCODED / f"plain-{name.rsplit('-', 1)[-1]}.dcm"
    ours = grey(ENCODED / f"{name}.dcm")
    if any(word in name for word in LOSSY):
        number = list(answers["encoded"]).index(name)
        given = [peer for peer in PEERS if answers[f"{peer}_encoded_defined"][number]]
        assert given
        for peer in given:
            assert np.abs(ours - answers[f"{peer}_encoded"][number]).max() <= 1
    else:
        np.testing.assert_array_equal(ours, grey(plain))


def test_every_encoding_is_among_them():
    """A codec is tested with 8, 12 and 16 bits, where it knows them."""
    films = [dcmread(ENCODED / f"{name}.dcm") for name in EVERY_ENCODING]
    syntaxes = {film.file_meta.TransferSyntaxUID.name for film in films}
    for part in ("Baseline", "Extended", "(Process 14)", "Selection Value 1", "JPEG-LS Lossless"):
        assert any(part in name for name in syntaxes), part
    for part in ("Near-Lossless", "JPEG 2000", "High-Throughput", "RLE", "Explicit VR Little"):
        assert any(part in name for name in syntaxes), part
