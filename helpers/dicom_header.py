"""Opening a DICOM file, and refusing with a reason what is no radiograph.

Only the elements named here are ever read. Names, dates and free text are skipped while the file is
parsed, so no later step can let them out.
"""

import zlib
from io import BytesIO
from typing import Any

from pydicom import DataElement, FileDataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.pixels.utils import get_expected_length
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalIntraOralXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from helpers.dicom_attributes import MEANINGS
from helpers.dicom_decoders import UnreadableDicom, is_decodable, shown
from helpers.quarantine import quiet

__all__ = ["PIXELS", "UnreadableDicom", "is_dicom", "open_film", "picture_words"]

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

# More than a stitched whole-spine film. A file of a few bytes may claim 65,535 × 65,535.
MOST_PIXELS = 52_500_000

_LONG = 32  # bytes: longer values are read when they are asked for
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_UNDEFINED = 0xFFFFFFFF  # length (PS3.5 7.1.1)

_NEEDED = (
    "SOPClassUID",
    *MEANINGS,
    *PIXELS,
    "PatientOrientation",
    "PlanarConfiguration",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "FloatPixelPaddingValue",
    "FloatPixelPaddingRangeLimit",
    "DoubleFloatPixelPaddingValue",
    "DoubleFloatPixelPaddingRangeLimit",
)
_TAGS = [Tag(name) for name in _NEEDED]
# What says "for processing" where the Presentation Intent Type is left out.
_FOR_PROCESSING = {
    DigitalXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalIntraOralXRayImageStorageForProcessing,
}


def is_dicom(data: bytes) -> bool:
    """Whether a file says that it is one (PS3.10 7.1)."""
    return data[128:132] == b"DICM"


def picture_words(data: bytes) -> tuple[str, str, str]:
    """Return Modality, View Position and the first value of Patient Orientation, in capitals.

    The last is the direction in which rows run: L or R in a frontal film, A or P in one from the
    side (PS3.3 C.7.6.1.1.1). Each is "" if it is absent. The values are not vouched for: compare
    them with words of the standard, and show no other.

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
        return (
            _first_word(film, "Modality"),
            _first_word(film, "ViewPosition"),
            _first_word(film, "PatientOrientation"),
        )


def _first_word(film: FileDataset, name: str) -> str:
    """First value of an element in capitals, "" if it is absent or too damaged to say anything."""
    try:
        value = film.get(name)
    except Exception:  # pydicom reads a value when it is asked for, and raises a zoo of types
        return ""
    first = value[0] if isinstance(value, MultiValue) and value else value
    return str(first or "").strip().upper()


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
    _refuse_bomb(data)
    try:
        with quiet():
            return _parse(data, for_processing)
    except UnreadableDicom:
        raise
    except Exception as error:
        # pydicom raises a zoo of types on damaged files, and its messages may quote identifiers.
        raise UnreadableDicom(
            f"The DICOM header is damaged or cut off ({type(error).__name__})."
        ) from error


def _parse(data: bytes, for_processing: bool) -> FileDataset:
    deferred = None if _may_be_deflated(data) else _LONG
    film = dcmread(BytesIO(data), specific_tags=_TAGS, defer_size=deferred)
    if not film.file_meta:
        raise UnreadableDicom(
            f"The DICOM file has no header; its {len(data):,} bytes are damaged or cut off."
        )
    _view_pixels(film, data)
    _refuse_other_contents(film, for_processing)
    _refuse_unreadable_pixels(film)
    return film


def _view_pixels(film: FileDataset, data: bytes) -> None:
    """Let uncompressed pixels be a view of the file's bytes, before pydicom makes a copy of them.

    Of the other byte order too few films are left to care.
    """
    raw: Any = film.get_item("PixelData", keep_deferred=True)
    unread = isinstance(raw, RawDataElement) and raw.value is None
    if not unread or film.file_meta.get("TransferSyntaxUID") not in _PLAIN:
        return
    kind = raw.VR or "OW"  # implicit VR (PS3.5 A.1)
    if kind in ("OB", "OW") and raw.length != _UNDEFINED:
        value = memoryview(data)[raw.value_tell : raw.value_tell + raw.length]
        film["PixelData"] = DataElement(raw.tag, kind, value, already_converted=True)


def _may_be_deflated(data: bytes) -> bool:
    return DeflatedExplicitVRLittleEndian.encode() in data[:2048]


def _refuse_bomb(data: bytes) -> None:
    """Refuse a deflated file that grows beyond any film, which pydicom would unpack whole."""
    if not _may_be_deflated(data):
        return
    # The first element, of twelve bytes, gives the length of what is not deflated (PS3.10 7.1).
    start = 144 + int.from_bytes(data[140:144], "little")
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacking.decompress(data[start:], 4 * MOST_PIXELS)
    except zlib.error:
        raise UnreadableDicom("The file is compressed as a whole and damaged.") from None
    if unpacking.unconsumed_tail:
        raise UnreadableDicom(
            f"The file unpacks to more than {4 * MOST_PIXELS:,} bytes, more than any film needs."
        )


def _refuse_other_contents(film: FileDataset, for_processing: bool) -> None:
    """Refuse files that hold no picture, several pictures, colour or raw detector data."""
    if not any(name in film for name in PIXELS):
        raise UnreadableDicom(
            "The file describes a picture but holds no pixels; they were removed or cut off."
            if "Rows" in film
            else "The file holds no picture: it is a report, a plan or a signal, or it was cut off."
        )
    missing = [
        name for name in ("SamplesPerPixel", "PhotometricInterpretation") if name not in film
    ]
    if missing:
        raise UnreadableDicom(f"The header does not describe its pixels: {missing[0]} is missing.")
    if film.SamplesPerPixel != 1 or film.PhotometricInterpretation == "PALETTE COLOR":
        raise UnreadableDicom(
            "The picture is in colour, a screen shot or a photograph; a radiograph has one grey "
            "value a pixel."
        )
    if film.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableDicom(
            "The header does not say whether small values are bright or dark (Photometric "
            "Interpretation is neither MONOCHROME1 nor MONOCHROME2)."
        )
    if int(film.get("NumberOfFrames") or 1) > 1:
        raise UnreadableDicom("The file holds several frames; a radiograph is one picture.")
    raw = film.get("PresentationIntentType") == "FOR PROCESSING" or (
        film.get("SOPClassUID") in _FOR_PROCESSING and not film.get("PresentationIntentType")
    )
    if raw and not for_processing:
        raise UnreadableDicom(
            "The film is raw detector data (FOR PROCESSING), not made for the eye. Export the film "
            "as it is shown to doctors (FOR PRESENTATION)."
        )


def _refuse_unreadable_pixels(film: FileDataset) -> None:
    """Refuse absurd sizes, encodings that nothing here decodes, and pixels that are cut off."""
    rows, columns = int(film.get("Rows") or 0), int(film.get("Columns") or 0)
    if not 0 < rows * columns <= MOST_PIXELS:
        raise UnreadableDicom(
            f"The header claims {shown(film, 'Rows')} × {shown(film, 'Columns')} pixels; expected "
            f"at least one and at most {MOST_PIXELS:,}."
        )
    allocated, stored = int(film.get("BitsAllocated") or 0), int(film.get("BitsStored") or 0)
    if not allocated >= stored > 0 and "PixelData" in film:
        raise UnreadableDicom(
            f"The header claims {shown(film, 'BitsStored')} bits stored in "
            f"{shown(film, 'BitsAllocated')} bits allocated."
        )
    high = film.get("HighBit")
    if high is not None and not stored - 1 <= int(high) < allocated and "PixelData" in film:
        raise UnreadableDicom(
            f"The header claims that bit {shown(film, 'HighBit')} is the highest of "
            f"{shown(film, 'BitsStored')} bits stored in {shown(film, 'BitsAllocated')} allocated; "
            "expected one of those allocated, with room for those stored."
        )
    syntax = film.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise UnreadableDicom("The file does not say how its pixels are encoded (Transfer Syntax).")
    try:
        decodable = is_decodable(syntax)
    except NotImplementedError:
        raise UnreadableDicom(
            "The pixels are encoded as a film sequence or in a way that is not known here "
            "(Transfer Syntax)."
        ) from None
    if not decodable:
        raise UnreadableDicom(
            f"The pixels are compressed as {syntax.name}, and no decoder for it is installed here."
        )
    if not syntax.is_encapsulated and "PixelData" in film:
        present, expected = len(film.PixelData or b""), get_expected_length(film)
        if present < expected:
            raise UnreadableDicom(
                f"The file is cut off: {present:,} of {expected:,} bytes of pixels are there."
            )
