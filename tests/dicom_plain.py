"""The plain path from a film to grey: pydicom reads all, and each pixel is mapped by itself.

`helpers.dicom_picture` views pixels where they lie and looks greys up; tests hold it to this.
"""

from io import BytesIO

import numpy as np
from pydicom import dcmread

from helpers.dicom_decoders import J2K, JPEG, JPEG_LS, decoder_of
from helpers.dicom_grey import grey_of
from helpers.dicom_header import open_film
from helpers.dicom_picture import render

_DECODERS = dict.fromkeys(J2K, "pylibjpeg") | dict.fromkeys(JPEG, "imagecodecs")


def plain_grey(data: bytes, **choice: int | bool) -> np.ndarray:
    """Return float64 (rows, columns) in [0, 1] of a film that `open_film` accepts."""
    film = dcmread(BytesIO(data))
    syntax = film.file_meta.TransferSyntaxUID
    options = {"decoding_plugin": _DECODERS.get(syntax, "")}
    below = 0
    if "PixelData" in film and syntax not in (*JPEG, *JPEG_LS, *J2K):
        below = max(0, film.get("HighBit", film.BitsStored - 1) + 1 - film.BitsStored)
        options["bits_stored"] = film.BitsStored + below
    stored, _ = decoder_of(syntax).as_array(film, index=0, raw=True, **options)
    stored = stored.astype(stored.dtype.newbyteorder("="))
    if "PixelData" in film and syntax in (*JPEG, *JPEG_LS, *J2K):  # no bits but the pixel's
        stored = stored.astype(np.int64) & (2**film.BitsStored - 1)
        if film.PixelRepresentation:
            stored -= (stored >> (film.BitsStored - 1)) << film.BitsStored
    return grey_of(stored >> below if below else stored, film, **choice)


def unlike(data: bytes, **choice: int | bool) -> list[str]:
    """Name the kinds of picture, float32 and uint8, that differ from the plain path's."""
    plain = plain_grey(data, **choice)
    expected = {np.float32: plain.astype(np.float32), np.uint8: np.rint(255 * plain).astype("u1")}
    pictures = {kind: render(open_film(data), kind, **choice) for kind in expected}
    return [
        kind.__name__
        for kind, grey in expected.items()
        if pictures[kind].dtype != kind or not np.array_equal(pictures[kind], grey)
    ]
