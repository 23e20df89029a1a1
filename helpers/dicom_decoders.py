"""From a file's pixel data to stored values, by one named decoder for each encoding.

pydicom would take whichever plugin it finds first, so that the same film could differ from machine
to machine. Here each transfer syntax has its decoder, and the frame's own header is read before
that decoder is trusted with it: a few hundred bytes may claim a picture of gigabytes.

| encoding (PS3.5 Annex A.4) | decoder | licence |
|---|---|---|
| JPEG baseline, extended (8 and 12 bits), lossless | imagecodecs (libjpeg-turbo 3) | BSD, IJG |
| JPEG-LS | pyjpegls (CharLS) | MIT, BSD |
| JPEG 2000, HTJ2K | pylibjpeg-openjpeg (OpenJPEG) | MIT, BSD |
| RLE, uncompressed of both byte orders | pydicom | MIT |
"""

from threading import Lock
from typing import Any

import imagecodecs
import numpy as np
from pydicom import FileDataset, uid
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder, DecodeRunner
from pydicom.uid import UID

from helpers.jpeg_frames import frame_of

JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
J2K = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
_WHOLE = (*JPEG, *JPEG_LS, *J2K)  # pixels have headers of their own, and no bits but the picture's
# pylibjpeg-rle is faster, but on damaged data it panics, which is no Exception and ends a run.
_PLUGINS = (
    dict.fromkeys(JPEG, "imagecodecs")
    | dict.fromkeys(JPEG_LS, "pyjpegls")
    | dict.fromkeys(J2K, "pylibjpeg")
    | {uid.RLELossless: "pydicom"}
)

DECODER_DEPENDENCIES = dict.fromkeys(JPEG, ("imagecodecs",))  # the name is pydicom's

_ADDING = Lock()  # pydicom adds plugins to decoders that all threads share
_MOST_TILES = 4096  # of a JPEG 2000 picture; each takes memory before a single pixel is read


class UnreadableDicom(ValueError):
    """A file that gives no grey picture; the message is for the user and names no patient."""


def shown(film: FileDataset, name: str) -> str:
    """Return a number of the header for a message, if it is of 16 bits as the standard has it.

    Careless and damaged files hold text where a number belongs, and text may be anything.
    """
    fit = name in film and film[name].VR == "US" and isinstance(film[name].value, int)
    return str(film[name].value) if fit else "(no number)"


def is_available(syntax: str) -> bool:
    """Tell pydicom that `decode_jpeg` is there for a transfer syntax."""
    return syntax in DECODER_DEPENDENCIES


def decode_jpeg(frame: bytes, runner: DecodeRunner) -> bytearray:
    """Decode one JPEG frame, as pydicom asks its plugins to; pydicom restores the sign."""
    pixels = imagecodecs.jpeg8_decode(frame)
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    return bytearray(pixels.tobytes())


def decoder_of(syntax: UID) -> Decoder:
    """Return pydicom's decoder for a transfer syntax, with the plugin for JPEG added to it.

    Raises
    ------
    NotImplementedError
        If nothing can decode it: a film sequence, or a syntax that DICOM does not know.
    """
    decoder = get_decoder(syntax)
    with _ADDING:
        if syntax in JPEG and "imagecodecs" not in decoder.available_plugins:
            decoder.add_plugin("imagecodecs", (__name__, "decode_jpeg"))
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
    # unused bits are left to `values_of`
    options: dict[str, Any] = {} if syntax in _WHOLE else {"correct_unused_bits": False}
    try:
        if (words := _viewed_words(film)) is not None:
            return words
        if syntax in _WHOLE:
            frame = get_frame(film.PixelData, 0, number_of_frames=1)
            _compare_sizes(film, _size_in_j2k(frame) if syntax in J2K else _size_in_jpeg(frame))
        words, _ = decoder_of(syntax).as_array(
            film, index=0, raw=True, decoding_plugin=_PLUGINS.get(syntax, ""), **options
        )
    except UnreadableDicom:
        raise
    except Exception as error:  # each decoder has its own way to fail on damaged data
        raise UnreadableDicom(
            f"The pixels are damaged, or of a kind of {syntax.name} that no decoder here knows "
            f"({type(error).__name__})."
        ) from error
    return words.astype(words.dtype.newbyteorder("="), copy=False)


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

    Bits below were allowed until 2014. Decoders of compressed pixels leave none.
    """
    if film.file_meta.TransferSyntaxUID in _WHOLE or "PixelData" not in film:
        return 0, 0
    allocated, stored = int(film.BitsAllocated), int(film.BitsStored)
    high = film.get("HighBit")
    below = 0 if high is None else max(0, int(high) + 1 - stored)
    return allocated - stored - below, below


def _compare_sizes(film: FileDataset, found: tuple[int, int, int] | None) -> None:
    """Refuse a frame whose own header claims another size than the file's, or several samples."""
    if found is None:
        raise UnreadableDicom(
            "The compressed pixels are damaged: the header of their own that should give their "
            "size is missing."
        )
    if found != (film.Rows, film.Columns, 1):
        raise UnreadableDicom(
            f"The file's header claims {shown(film, 'Rows')} × {shown(film, 'Columns')} grey "
            f"pixels, the compressed pixels themselves {found[0]} × {found[1]} with {found[2]} "
            "sample(s) a pixel; one of them is damaged."
        )


def _size_in_jpeg(frame: bytes) -> tuple[int, int, int] | None:
    """Return rows, columns and samples from the frame header."""
    header = frame_of(frame)
    return None if header is None else (header.rows, header.columns, header.samples)


def _size_in_j2k(frame: bytes) -> tuple[int, int, int] | None:
    """Return rows, columns and samples from the SIZ segment (ISO 15444-1 A.5.1)."""
    begin = frame.find(b"\xff\x4f\xff\x51", 0, 4096)  # some files put boxes before it
    start = begin + 8  # at Xsiz
    if begin < 0 or len(frame) < start + 34:
        return None
    right, bottom, left, top, tile_width, tile_height = (
        int.from_bytes(frame[i : i + 4], "big") for i in range(start, start + 24, 4)
    )
    columns, rows = right - left, bottom - top
    tiles = -(-columns // max(tile_width, 1)) * -(-rows // max(tile_height, 1))
    if tiles > _MOST_TILES:
        raise UnreadableDicom(
            f"The compressed pixels claim to be cut into {tiles:,} tiles; expected at most "
            f"{_MOST_TILES:,}."
        )
    return rows, columns, int.from_bytes(frame[start + 32 : start + 34], "big")
