"""From a file's pixel data to stored values, by one named decoder for each encoding.

pydicom would take whichever plugin it finds first, so that the same film could differ from machine
to machine. Here each transfer syntax has its decoder, and the frame's own header is read before
that decoder is trusted with it: a few hundred bytes may claim a picture of gigabytes.

| encoding (PS3.5 Annex A.4) | decoder | licence |
|---|---|---|
| JPEG baseline, extended (8 and 12 bits), lossless | imagecodecs (libjpeg-turbo 3) | BSD, IJG |
| JPEG-LS | pyjpegls (CharLS) | MIT, BSD |
| JPEG 2000, HTJ2K | pylibjpeg-openjpeg (OpenJPEG) | MIT, BSD |
| RLE | imagecodecs | BSD |
| uncompressed of both byte orders | pydicom | MIT |
"""

from copy import copy
from threading import Lock
from typing import Any

import numpy as np
from pydicom import FileDataset, uid
from pydicom.encaps import encapsulate, generate_fragments
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import UID

from helpers import dicom_plugins, j2k_frames, jpeg_frames
from helpers.dicom_errors import UnreadableDicom, shown
from helpers.dicom_plugins import JPEG
from helpers.j2k_frames import J2kFrame
from helpers.jpeg_data import is_corrupt

JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
J2K = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
_WHOLE = (*JPEG, *JPEG_LS, *J2K)  # pixels have headers of their own
# pydicom's own decoder of run lengths is Python, and slow on many short runs; pylibjpeg-rle
# panics on damaged data, which is no Exception and ends a run.
_PLUGINS = (
    dict.fromkeys([*JPEG, uid.RLELossless], dicom_plugins.NAME)
    | dict.fromkeys(JPEG_LS, "pyjpegls")
    | dict.fromkeys(J2K, "pylibjpeg")
)

_KEPT_BITS: dict[str, Any] = {"correct_unused_bits": False}  # `values_of` takes them off

# Of a JPEG or JPEG-LS frame, and of a JPEG 2000 one.
_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")

_ADDING = Lock()  # pydicom adds plugins to decoders that all threads share


def decoder_of(syntax: UID) -> Decoder:
    """Return pydicom's decoder for a transfer syntax, with ours of :mod:`helpers.dicom_plugins`.

    Raises
    ------
    NotImplementedError
        If nothing can decode it: a film sequence, or a syntax that DICOM does not know.
    """
    decoder = get_decoder(syntax)
    with _ADDING:
        ours = _PLUGINS.get(syntax) == dicom_plugins.NAME
        if ours and dicom_plugins.NAME not in decoder.available_plugins:
            where = (dicom_plugins.__name__, dicom_plugins.function_for(syntax))
            decoder.add_plugin(dicom_plugins.NAME, where)
    return decoder


def is_decodable(syntax: UID) -> bool:
    """Tell whether the decoder named for a transfer syntax is installed."""
    decoder = decoder_of(syntax)
    plugin = _PLUGINS.get(syntax)
    return decoder.is_available if plugin is None else plugin in decoder.available_plugins


def stored_words(film: FileDataset) -> np.ndarray:
    """Decode the one frame of a film; what is uncompressed is neither touched nor copied.

    Returns
    -------
    numpy.ndarray
        Read-only words (rows, columns), signed or unsigned, in the byte order of this machine.
        :func:`values_of` takes off them the bits that are no part of the pixel.

    Raises
    ------
    UnreadableDicom
        If the frame's own header contradicts the file's, or decoding fails.
    """
    syntax = film.file_meta.TransferSyntaxUID
    try:
        if (words := _viewed_words(film)) is not None:
            return words
        found = None
        if syntax.is_encapsulated:
            frame = _whole_frame(film)
            found = _checked_header(film, frame) if syntax in _WHOLE else None
            film = _with_one_fragment(film, frame)
        words, _ = decoder_of(syntax).as_array(
            film,
            index=0,
            raw=True,
            decoding_plugin=_PLUGINS.get(syntax, ""),
            **_KEPT_BITS,
        )
    except UnreadableDicom:
        raise
    except Exception as error:  # each decoder fails in its own way, and may quote the header
        raise UnreadableDicom(
            f"The pixels are damaged, or of a kind of {syntax.name} that no decoder here knows "
            f"({type(error).__name__})."
        ) from None
    words = words.astype(words.dtype.newbyteorder("="), copy=False)
    if isinstance(found, J2kFrame) and found.signed and film.PixelRepresentation == 0:
        _refuse_below_zero(words, found.bits)
    below = _bits_below(film, found.bits) if found else 0
    return words >> below if below else words


def _refuse_below_zero(words: np.ndarray, bits: int) -> None:
    """Refuse values that the compressed pixels call negative, where the header knows no sign."""
    if np.any(words & (1 << (bits - 1))):
        raise UnreadableDicom(
            "The file's header says that no pixel is below zero (Pixel Representation 0), and some "
            "of the compressed pixels are; one of them is damaged. Export the film again."
        )


def _whole_frame(film: FileDataset) -> bytes:
    """Join all fragments: they make up the one frame (PS3.5 A.4), whatever a table of offsets says.

    Some files have an offset a fragment instead of one a frame, or lengths that are too short.
    Others hold frames that nobody counted: within a frame there is no second beginning of one.
    """
    _table, *fragments = generate_fragments(film.PixelData)
    if sum(fragment.startswith(_BEGINNINGS) or _is_rle(fragment) for fragment in fragments) > 1:
        raise UnreadableDicom("The file holds several frames; a radiograph is one picture.")
    return b"".join(fragments)


def _is_rle(fragment: bytes) -> bool:
    """Whether it begins with a header of RLE: at most 15 segments, the first after 64 bytes."""
    return fragment[4:8] == b"\x40\0\0\0" and fragment[1:4] == bytes(3) and fragment[0] < 16


def _with_one_fragment(film: FileDataset, frame: bytes) -> FileDataset:
    """Return the film with its frame in one piece and no table that could contradict it."""
    film = copy(film)
    for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        film.pop(name, None)
    film.PixelData = encapsulate([frame])
    return film


def _checked_header(film: FileDataset, frame: bytes) -> J2kFrame | jpeg_frames.JpegFrame:
    """Return the frame's own header, which must not contradict the file's.

    libjpeg fills what is missing of a frame that was cut off, without a word: so its last marker
    has to be there (ISO 10918-1 B.1.1.3). Within compressed samples neither marker can occur.
    """
    syntax = film.file_meta.TransferSyntaxUID
    found = j2k_frames.frame_of(frame) if syntax in J2K else jpeg_frames.frame_of(frame)
    if found is None:
        raise UnreadableDicom(
            "The compressed pixels are damaged: the header of their own that should give their "
            "size is missing."
        )
    if isinstance(found, J2kFrame) and (why := j2k_frames.why_costly(found, len(frame))):
        raise UnreadableDicom(f"The compressed pixels {why}. Export the film uncompressed.")
    if (found.rows, found.columns, found.samples) != (film.Rows, film.Columns, 1):
        raise UnreadableDicom(
            f"The file's header claims {shown(film, 'Rows')} × {shown(film, 'Columns')} grey "
            f"pixels, the compressed pixels themselves {found.rows} × {found.columns} with "
            f"{found.samples} sample(s) a pixel; one of them is damaged."
        )
    if syntax in JPEG and frame.rfind(b"\xff\xd9") < frame.rfind(b"\xff\xda"):
        raise UnreadableDicom(
            "The compressed pixels are cut off: the mark at their end is missing. Export or "
            "download the film again."
        )
    if syntax in JPEG and (why := jpeg_frames.why_costly(frame)):
        raise UnreadableDicom(f"The JPEG within the file {why}. Export the film again.")
    if syntax in JPEG and is_corrupt(frame):
        raise UnreadableDicom(
            "The compressed pixels are damaged or cut off: some are missing. Export or download "
            "the film again."
        )
    if found.bits > film.BitsAllocated:
        raise UnreadableDicom(
            f"The file's header claims {shown(film, 'BitsAllocated')} bits a pixel, the compressed "
            f"pixels themselves {found.bits}; one of them is damaged."
        )
    return found


def _viewed_words(film: FileDataset) -> np.ndarray | None:
    """Return words that `helpers.dicom_header` left in the file; None where pydicom decodes.

    These are pixels of whole bytes, the lowest first, one after the other (PS3.5 8.2).
    """
    pixels, bits = film.get("PixelData"), film.get("BitsAllocated")
    signed = film.get("PixelRepresentation")
    if not isinstance(pixels, memoryview) or bits not in (8, 16) or signed not in (0, 1):
        return None
    words = np.frombuffer(pixels, f"<{'ui'[signed]}{bits // 8}", film.Rows * film.Columns)
    return words.reshape(film.Rows, film.Columns).astype(words.dtype.newbyteorder("="), copy=False)


def values_of(words: np.ndarray, film: FileDataset) -> np.ndarray:
    """Take off words the bits that are no part of the pixel, an old overlay's (PS3.5 8.1.1).

    Parameters
    ----------
    words : numpy.ndarray
        Of `stored_words`, or any words of their type, any shape.
    film : pydicom.FileDataset

    Returns
    -------
    numpy.ndarray
        Stored values, of the type and shape of `words`.
    """
    above, below = unused_bits(film)
    return (words << above) >> (above + below) if above or below else words


def unused_bits(film: FileDataset) -> tuple[int, int]:
    """Count the bits of a word above and below those of the pixel (PS3.5 8.1.1).

    Bits below were allowed until 2014; `stored_words` leaves none where pixels have headers of
    their own, which say whether they are there at all.
    """
    if "PixelData" not in film:
        return 0, 0
    whole = film.file_meta.TransferSyntaxUID in _WHOLE
    below = 0 if whole else _bits_below(film, int(film.BitsAllocated))
    return int(film.BitsAllocated) - int(film.BitsStored) - below, below


def _bits_below(film: FileDataset, precision: int) -> int:
    """Count the bits below those of the pixel in samples of so many bits."""
    stored, high = int(film.BitsStored), film.get("HighBit")
    return 0 if high is None or precision <= int(high) else max(0, int(high) + 1 - stored)
