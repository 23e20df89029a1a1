"""Which films must be looked at before they may leave, and what is read to know.

All that is read of a header to tell whose film it is, and when and how it was made, is named here.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from io import BytesIO
from threading import Lock
from typing import Any, BinaryIO

from pydicom import Dataset, dcmread
from pydicom.filereader import read_partial
from pydicom.tag import Tag

from helpers.dicom_file import in_plain_words, is_dicom, plain_source, refuse_many_items

RADIOGRAPHS = ("CR", "DX")  # of Modality (PS3.3 C.7.3.1.1.1): plates and digital detectors

_PACKAGES = ("pydicom", "pylibjpeg", "openjpeg", "jpeg_ls", "imagecodecs")
_TALKATIVE = (*_PACKAGES, "pydicom.pixels.decoders.base", "pydicom.pixels.utils", "openjpeg.utils")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7."  # and its kinds .1 to .4 (PS3.4 B.5)
_HEADER = [
    *["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "StudyDate", "StudyDescription"],
    *["Modality", "ViewPosition", "SeriesNumber", "ReferencedImageSequence"],
    *["BurnedInAnnotation", "RecognizableVisualFeatures", "SOPClassUID", "ConversionType"],
    "ImageType",
]


class _Silence:
    """Warnings and the loggers of pydicom and its decoders, off while anybody is inside.

    Both belong to the whole process. So the first thread to come in turns them off, and the last
    one to leave turns them on again.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._undo = Lock(), 0, ExitStack()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            self._undo.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            for logger in _talkative():
                self._undo.callback(setattr, logger, "disabled", logger.disabled)
                logger.disabled = True

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._undo.close()


_SILENCE = _Silence()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from warning and logging: what it says quotes the values that it is about.

    Whoever reads headers or pixels does it within. It may be nested, and used by several threads;
    while one is inside, warnings of the others are not shown either.
    """
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()


def _talkative() -> list[logging.Logger]:
    """Return the loggers of pydicom and its decoders; a parent's silence is not its children's."""
    for name in _TALKATIVE:
        logging.getLogger(name)  # made now if its module is loaded later
    named = logging.Logger.manager.loggerDict.copy()
    return [
        logger
        for name, logger in named.items()
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in _PACKAGES
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
