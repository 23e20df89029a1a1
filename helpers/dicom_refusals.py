"""What is no radiograph, or cannot be read as one: refused with a reason, before it is decoded."""

from pydicom import FileDataset
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import (
    DigitalIntraOralXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForProcessing,
    MediaStorageDirectoryStorage,
)

from helpers.dicom_attributes import FRAME_BY_FRAME
from helpers.dicom_decoders import is_decodable
from helpers.dicom_errors import UnreadableDicom, shown
from helpers.limits import LARGEST_AREA

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# What says "for processing" where the Presentation Intent Type is left out.
_FOR_PROCESSING = {
    DigitalXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalIntraOralXRayImageStorageForProcessing,
}


def refuse_other_contents(film: FileDataset, for_processing: bool) -> None:
    """Refuse files that hold no picture, several pictures, colour or raw detector data.

    Parameters
    ----------
    film : pydicom.FileDataset
    for_processing : bool
        Accept raw detector data (Presentation Intent Type, PS3.3 C.8.11.1.1.1).

    Raises
    ------
    UnreadableDicom
        With the first of these reasons that there is.
    """
    if film.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise UnreadableDicom(
            "The file is the table of contents of a disc (DICOMDIR) and holds no picture. Choose "
            "one of the films in the folders beside it."
        )
    if not any(name in film for name in PIXELS):
        raise UnreadableDicom(
            "The file describes a picture but holds no pixels; they were removed or cut off."
            if "Rows" in film
            else "The file holds no picture: it is a report, a plan or a signal, or it was cut off."
        )
    _refuse_missing(film, "SamplesPerPixel", "PhotometricInterpretation")
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
    if any(
        item.get(greys)
        for groups in FRAME_BY_FRAME
        for item in film.get(groups) or []
        for greys in ("PixelValueTransformationSequence", "FrameVOILUTSequence")
    ):
        raise UnreadableDicom(
            "The file describes its greys frame by frame (an enhanced object), which is not read "
            "here. Export the film as a plain one (CR or DX)."
        )
    raw = film.get("PresentationIntentType") == "FOR PROCESSING" or (
        film.get("SOPClassUID") in _FOR_PROCESSING and not film.get("PresentationIntentType")
    )
    if raw and not for_processing:
        raise UnreadableDicom(
            "The film is raw detector data (FOR PROCESSING), not made for the eye. Export the film "
            "as it is shown to doctors (FOR PRESENTATION)."
        )


def _pixels_of(film: FileDataset) -> str:
    return next(name for name in PIXELS if name in film)


def _refuse_missing(film: FileDataset, *names: str) -> None:
    """Refuse a film that lacks an element without which its pixels mean nothing (PS3.3 C.7.6.3)."""
    for name in names:
        if name not in film or film[name].is_empty:
            raise UnreadableDicom(
                f"The header does not describe its pixels: {name} is missing or empty. "
                "Export the film again from the archive that it came from."
            )


def refuse_unreadable_pixels(film: FileDataset) -> None:
    """Refuse absurd sizes, encodings that nothing here decodes, and pixels that are cut off.

    Parameters
    ----------
    film : pydicom.FileDataset
        That `refuse_other_contents` let pass.

    Raises
    ------
    UnreadableDicom
        With the first of these reasons that there is; nothing has been decoded then.
    """
    _refuse_missing(film, "Rows", "Columns", "BitsAllocated")
    if "PixelData" in film:
        _refuse_missing(film, "BitsStored")
    _refuse_sizes(film)
    _refuse_bits(film)
    _refuse_encodings(film)
    if not film.file_meta.TransferSyntaxUID.is_encapsulated:
        _refuse_hidden_compression(film)
        _refuse_other_lengths(film)


def _refuse_sizes(film: FileDataset) -> None:
    """Refuse a picture without pixels, and one with more than any radiograph has."""
    rows, columns = int(film.get("Rows") or 0), int(film.get("Columns") or 0)
    if not 0 < rows * columns <= LARGEST_AREA:
        raise UnreadableDicom(
            f"The header claims {shown(film, 'Rows')} × {shown(film, 'Columns')} pixels; expected "
            f"at least one and at most {LARGEST_AREA:,}. Export the film again."
        )


def _refuse_bits(film: FileDataset) -> None:
    """Refuse integers for whose bits there is no room where they are said to lie (PS3.5 8.1.1)."""
    allocated, stored = int(film.get("BitsAllocated") or 0), int(film.get("BitsStored") or 0)
    if not allocated >= stored > 0 and "PixelData" in film:
        raise UnreadableDicom(
            f"The header claims {shown(film, 'BitsStored')} bits stored in "
            f"{shown(film, 'BitsAllocated')} bits allocated; expected at least one and not more "
            "than are allocated. Export the film again."
        )
    high = film.get("HighBit")
    if high is not None and not stored - 1 <= int(high) < allocated and "PixelData" in film:
        raise UnreadableDicom(
            f"The header claims that bit {shown(film, 'HighBit')} is the highest of "
            f"{shown(film, 'BitsStored')} bits stored in {shown(film, 'BitsAllocated')} allocated; "
            "expected one of those allocated, with room for those stored."
        )


def _refuse_encodings(film: FileDataset) -> None:
    """Refuse pixels whose transfer syntax is not said, not known, or has no decoder here."""
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


def _refuse_hidden_compression(film: FileDataset) -> None:
    """Refuse pixels in fragments, as only compressed ones are, that are said to be plain."""
    if film[_pixels_of(film)].is_undefined_length:
        raise UnreadableDicom(
            "The header says that the pixels are not compressed, and they are (Transfer Syntax). "
            "Export the film again."
        )


def _refuse_other_lengths(film: FileDataset) -> None:
    """Refuse plain pixels that are fewer than one picture has, or enough for several."""
    present, expected = len(film[_pixels_of(film)].value or b""), get_expected_length(film)
    if present < expected:
        raise UnreadableDicom(
            f"The file is cut off: {present:,} of {expected:,} bytes of pixels are there."
        )
    if present >= 2 * expected:
        raise UnreadableDicom(
            f"The file holds {present:,} bytes of pixels where one picture has {expected:,}: "
            "several frames, or a header of another picture. Export the film again."
        )
