"""Decoders of imagecodecs, in the form in which pydicom asks its plugins for one frame."""

import imagecodecs
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import UID

JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
NAME = "imagecodecs"  # of the plugin, for pydicom

DECODER_DEPENDENCIES = dict.fromkeys([*JPEG, uid.RLELossless], (NAME,))  # so named by pydicom


def is_available(syntax: str) -> bool:
    """Tell pydicom that there is a function here for a transfer syntax."""
    return syntax in DECODER_DEPENDENCIES


def function_for(syntax: UID) -> str:
    """Name the function for a transfer syntax."""
    return "decode_jpeg" if syntax in JPEG else "decode_rle"


def decode_jpeg(frame: bytes, runner: DecodeRunner) -> bytearray:
    """Decode one JPEG frame; pydicom restores the sign."""
    pixels = imagecodecs.jpeg8_decode(frame)
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    return bytearray(pixels.tobytes())


def decode_rle(frame: bytes, runner: DecodeRunner) -> bytearray:
    """Decode one frame of run lengths, into as many bytes as the header claims.

    Some encoders fill up an odd number of bytes before they encode: one word more is left out.

    Raises
    ------
    ValueError, imagecodecs.ImcdError
        If there are fewer or more, or the frame is damaged.
    """
    expected, word = int(runner.frame_length(unit="bytes")), runner.bits_allocated // 8
    pixels = bytearray(expected + word)
    found = len(imagecodecs.dicomrle_decode(frame, f"<u{word}", out=pixels))
    if found not in (expected, expected + word):
        raise ValueError(f"expected {expected} bytes, found {found}")
    return pixels[:expected]
