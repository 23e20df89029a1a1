"""Which films must be looked at before they may leave, and what is read to know.

All that is read of a header to tell whose film it is, and when and how it was made, is named here.
"""

from datetime import date
from io import BytesIO
from typing import Any, BinaryIO

from pydicom import Dataset, dcmread
from pydicom.filereader import read_partial
from pydicom.tag import Tag

from helpers.dicom_beginning import is_dicom
from helpers.dicom_file import in_plain_words, plain_source, refuse_many_items

RADIOGRAPHS = ("CR", "DX")  # of Modality (PS3.3 C.7.3.1.1.1): plates and digital detectors

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7."  # and its kinds .1 to .4 (PS3.4 B.5)
_HEADER = [
    *["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "StudyDate", "StudyDescription"],
    *["Modality", "ViewPosition", "SeriesNumber", "ReferencedImageSequence"],
    *["BurnedInAnnotation", "RecognizableVisualFeatures", "SOPClassUID", "ConversionType"],
    "ImageType",
]


def quarantine_reason(header: Dataset, *, derived_primary: bool = False) -> str | None:
    """Say why a film must be looked at before it may leave, by its header; None if nothing says so.

    Sources: Burned In Annotation and Image Type, PS3.3 C.7.6.1.1; Recognizable Visual Features,
    C.7.6.1; Secondary Capture, PS3.4 B.5 and Conversion Type, PS3.3 C.8.6.1.
    """
    burned_in = word(header, "BurnedInAnnotation")
    if burned_in not in ("", "NO"):
        answer = "YES" if burned_in == "YES" else "neither YES nor NO"
        return f"BurnedInAnnotation says {answer}: letters in the picture may name the patient."
    if word(header, "RecognizableVisualFeatures") == "YES":
        return "RecognizableVisualFeatures says YES: the patient may be known by the picture."
    if f"{header.get('SOPClassUID', '')}.".startswith(_SECONDARY_CAPTURE):
        return "Secondary capture: a screen shot or a scan, which often shows names."
    if header.get("ConversionType"):
        return "Secondary capture (ConversionType): a scan or a photograph of a film."
    if word(header, "Modality") not in RADIOGRAPHS:
        return "The modality is neither CR nor DX: no plain radiograph."
    kind = [str(value).strip().upper() for value in _list(header.get("ImageType"))]
    if "SECONDARY" in kind[1:2]:
        return "Derived image (ImageType SECONDARY): made from another picture, perhaps with text."
    if "DERIVED" in kind[:1] and not derived_primary:
        return "Derived image (ImageType DERIVED): computed, perhaps with text."
    return None


def read_header(data: bytes) -> Dataset:
    """Read the elements of `_HEADER` and no others.

    Raises
    ------
    ValueError
        If it is no DICOM file, or one that unpacks to more than any film needs.
    """
    if not is_dicom(data):
        raise ValueError("no DICOM file")
    data = in_plain_words(data)
    refuse_many_items(data)
    return dcmread(BytesIO(data), stop_before_pixels=True, specific_tags=_HEADER, force=True)


def whose_and_when(file: BinaryIO) -> tuple[str, date | None]:
    """Return the patient and the date of the study, and read no further than to these.

    Raises
    ------
    ValueError
        If it is no DICOM file, or one that unpacks to more than any film needs.
    """
    source = plain_source(file)
    last = Tag("PatientID")
    header = read_partial(
        source,
        lambda tag, _kind, _length: tag > last,
        specific_tags=[Tag("StudyDate"), last],
        force=True,  # films without a preamble are films, too
    )
    return patient_of(header), study_date(header)


def patient_of(header: Dataset) -> str:
    """Return the number of the patient, "" if there is none."""
    return str(header.get("PatientID", "") or "").strip()


def study_date(header: Dataset) -> date | None:
    """Return the date of the study, None if it is not one."""
    text = str(header.get("StudyDate", "") or "").strip()
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None


def word(header: Dataset, name: str) -> str:
    """Return an element of one word in capitals, "" if it is absent."""
    return str(header.get(name, "") or "").strip().upper()


def _list(value: Any) -> list[Any]:
    if value is None or isinstance(value, str):
        return [] if not value else [value]
    return list(value)
