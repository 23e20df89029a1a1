"""What a reader may learn from a DICOM header, and no patient from it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pydicom import Dataset

from helpers.dicom_silence import quiet

MEANINGS = {
    "Modality": "kind of machine: CR (plate) or DX (digital detector)",
    "PresentationIntentType": "ready for the eye, or raw, still to be processed",
    "BodyPartExamined": "body part as entered at the machine, often wrong",
    "ViewPosition": "direction of the beam: AP from the front, PA from behind",
    "SeriesNumber": "place of the series in its study",
    "ReferencedImageSequence": "related pictures; at SBU the one that this one was made from",
    "BurnedInAnnotation": "whether text in the picture tells who and when, if anybody noted it",
    "LossyImageCompression": "00 never, 01 at some time compressed with loss",
    "Rows": "height in pixels",
    "Columns": "width in pixels",
    "ImagerPixelSpacing": "millimetres from pixel to pixel at the detector",
    "NumberOfFrames": "pictures in this file",
    "SamplesPerPixel": "1 grey, 3 colour",
    "PhotometricInterpretation": "MONOCHROME1: small is bright; MONOCHROME2: small is dark",
    "PresentationLUTShape": "INVERSE says again what MONOCHROME1 says",
    "BitsAllocated": "bits that a pixel takes in the file",
    "BitsStored": "bits of them that carry the picture",
    "HighBit": "place of the highest of those bits",
    "PixelRepresentation": "0 unsigned, 1 signed",
    "PixelPaddingValue": "value of pixels outside the picture",
    "PixelPaddingRangeLimit": "other end of a range of such values",
    "RescaleSlope": "modality step: stored value times this",
    "RescaleIntercept": "modality step: plus this",
    "ModalityLUTSequence": "modality step as a table",
    "WindowCenter": "middle of the values to show",
    "WindowWidth": "width of the values to show",
    "VOILUTFunction": "shape of the window: LINEAR if absent, LINEAR_EXACT or SIGMOID",
    "VOILUTSequence": "contrast as a table instead of a window",
}
# Where a header says how high and how wide a pixel is, the surest first (PS3.3 C.7.6.3.1.7).
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")
# What describes a film that is an enhanced object, for all frames and for each.
FRAME_BY_FRAME = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# Even a coded element can hold a name that somebody typed into it, so only these words are shown.
_KNOWN_WORDS = {
    *("CR", "DX", "MG", "RF", "XA", "CT", "MR", "SC", "OT"),
    *("FOR PRESENTATION", "FOR PROCESSING"),
    *("CHEST", "ABDOMEN", "PORT CHEST", "AP", "PA", "LL", "RL", "LATERAL"),
    *("YES", "NO", "00", "01", "IDENTITY", "INVERSE", "LINEAR", "LINEAR_EXACT", "SIGMOID"),
    *("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"),
    "PALETTE COLOR",
}
# Larger numbers tell nothing about a picture, and may be somebody's number.
_LARGEST_OTHER = 65_535
_LARGEST = {"SeriesNumber": 999, "NumberOfFrames": 9_999}


def describe_header(film: Dataset) -> pd.DataFrame:
    """List what a header teaches about its picture, and nothing that could name the patient.

    Parameters
    ----------
    film : pydicom.Dataset

    Returns
    -------
    pandas.DataFrame
        A row for each element of `MEANINGS` that is present, in text columns `attribute`, `tag`,
        `value` and `meaning`.
    """
    with quiet():  # pydicom reads a value when it is first asked for
        present = [name for name in MEANINGS if name in film]
        tags = [film[name].tag for name in present]
        values = [_shown(film[name].value, _LARGEST.get(name, _LARGEST_OTHER)) for name in present]
    return pd.DataFrame(
        {
            "attribute": present,
            "tag": [f"({tag.group:04X},{tag.element:04X})" for tag in tags],
            "value": values,
            "meaning": [MEANINGS[name] for name in present],
        },
        dtype="string",
    )


def _shown(value: Any, largest: float) -> str:
    """Return small numbers and known words as text; of anything else, only that it is there."""
    if value is None or value == "":
        return "(empty)"
    if isinstance(value, (int, float)) and abs(value) <= largest:
        return f"{value:g}"  # pydicom's own number types are among these
    if isinstance(value, str) and value in _KNOWN_WORDS:
        return value
    if isinstance(value, Sequence) and not isinstance(value, (bytes, str)):
        if any(isinstance(item, Dataset) for item in value):
            return f"{len(value)} item(s)"
        return ", ".join(_shown(item, largest) for item in value)
    return "(another value, not shown)"
