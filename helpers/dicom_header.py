"""Opening a DICOM file, or refusing it with a reason (`helpers.dicom_refusals`).

Only the elements named here are ever read. Names, dates and free text are skipped while the file is
parsed, so no later step can let them out.
"""

from typing import NamedTuple

from pydicom import FileDataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from helpers.dicom_attributes import FRAME_BY_FRAME, MEANINGS, SPACINGS
from helpers.dicom_beginning import is_dicom
from helpers.dicom_errors import UnreadableDicom
from helpers.dicom_file import read_elements
from helpers.dicom_refusals import PIXELS, refuse_other_contents, refuse_unreadable_pixels
from helpers.dicom_silence import quiet

__all__ = ["PictureWords", "open_film", "picture_words"]

_NEEDED = (
    "SOPClassUID",
    *MEANINGS,
    *PIXELS,
    *SPACINGS,
    "PatientOrientation",
    "PlanarConfiguration",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    *FRAME_BY_FRAME,
    "FloatPixelPaddingValue",
    "FloatPixelPaddingRangeLimit",
    "DoubleFloatPixelPaddingValue",
    "DoubleFloatPixelPaddingRangeLimit",
)
_TAGS = [Tag(name) for name in _NEEDED]


class PictureWords(NamedTuple):
    """What a header says of its picture, in capitals; "" where it says nothing.

    ``rows`` and ``columns`` are the directions in which these run (Patient Orientation, PS3.3
    C.7.6.1.1.1): L and F in a frontal film as it is looked at, A or P and F in one from the side.
    """

    modality: str
    view: str
    body_part: str
    rows: str
    columns: str


def picture_words(data: bytes) -> PictureWords:
    """Return what a header says of its picture.

    The values are not vouched for: compare them with words of the standard, and show no other.

    Parameters
    ----------
    data : bytes
        A file that :func:`open_film` accepts.

    Raises
    ------
    UnreadableDicom
        If it is none.
    """
    film = open_film(data)
    with quiet():
        return PictureWords(
            _word(film, "Modality"),
            _word(film, "ViewPosition"),
            _word(film, "BodyPartExamined"),
            _word(film, "PatientOrientation"),
            _word(film, "PatientOrientation", place=1),
        )


def _word(film: FileDataset, name: str, place: int = 0) -> str:
    """Value of an element in capitals, "" if it is absent or too damaged to say anything."""
    try:
        value = film.get(name)
    except Exception:  # pydicom reads a value when it is asked for, and raises a zoo of types
        return ""
    values = list(value) if isinstance(value, MultiValue) else [value]
    return str(values[place] or "").strip().upper() if place < len(values) else ""


def open_film(data: bytes, *, for_processing: bool = False) -> FileDataset:
    """Parse one film without its identifiers, refusing what is no single grey picture.

    Parameters
    ----------
    data : bytes
        The whole file.
    for_processing : bool
        Accept raw detector data (Presentation Intent Type, PS3.3 C.8.11.1.1.1).

    Returns
    -------
    pydicom.FileDataset
        The elements named in this module, pixels among them, not yet decoded. Use them within
        `helpers.quarantine.quiet`: pydicom reads a value when it is first asked for.

    Raises
    ------
    UnreadableDicom
        With the reason.
    """
    if not data:
        raise UnreadableDicom("The file is empty.")
    if not is_dicom(data):
        raise UnreadableDicom("This is not a DICOM file: the letters DICM are missing at byte 128.")
    try:
        with quiet():
            return _parse(data, for_processing)
    except UnreadableDicom:
        raise
    except Exception as error:
        # pydicom raises a zoo of types on damaged files, and its messages may quote identifiers.
        raise UnreadableDicom(
            f"The DICOM header is damaged or cut off ({type(error).__name__})."
        ) from None


def _parse(data: bytes, for_processing: bool) -> FileDataset:
    film = read_elements(data, _TAGS)
    refuse_other_contents(film, for_processing)
    refuse_unreadable_pixels(film)
    return film
