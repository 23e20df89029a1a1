"""Generated films, compressed by encoders that nobody here wrote, for tests/dicom_encoded/.

JPEG by DCMTK's dcmcjpeg, JPEG-LS by its dcmcjpls, JPEG 2000 by GDCM's gdcmconv (package
python-gdcm), HTJ2K by OpenJPH (package imagecodecs), which pydicom puts into a DICOM file.

    python -m benchmarks.dicom_encodings
"""

import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    RLELossless,
)

from tests.dicom_films import make_film
from tests.dicom_matrix import ENCODED

SIDE = 48
KINDS = {"u8": ("u1", 8), "u12": ("u2", 12), "u16": ("u2", 16), "i16": ("i2", 16)}
NATIVE = {
    "plain": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "bigendian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}
DCMTK_JPEG = {
    "jpeg-baseline": ("u8", ["+eb", "+q", "95"]),
    "jpeg-extended-8": ("u8", ["+ee", "+q", "95"]),
    "jpeg-extended-12": ("u12", ["+ee", "+q", "95"]),
    **{f"jpeg-lossless-sv{n}-{k}": (k, ["+el", "+sv", str(n)]) for n in (4, 6) for k in KINDS},
    **{f"jpeg-lossless-first-{kind}": (kind, ["+e1"]) for kind in KINDS},
}
DCMTK_JPEG_LS = {
    **{f"jpegls-{kind}": (kind, ["+el"]) for kind in ("u8", "u12", "u16")},
    "jpegls-near-u12": ("u12", ["+en", "+md", "3"]),
}
GDCM = {
    **{f"j2k-{kind}": (kind, ["--j2k"]) for kind in KINDS},
    "j2k-irreversible-u12": ("u12", ["--j2k", "--lossy", "-r", "5", "--irreversible"]),
}


def drawing(kind: str) -> np.ndarray:
    """Draw a smooth hill with noise and an edge, stored values (48, 48) over the whole range."""
    dtype, bits = KINDS[kind]
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    hill = np.exp(-2 * (x**2 + y**2)) * 0.8 + 0.1 * (x > 0.3)
    hill += np.random.default_rng(4).normal(0, 0.005, hill.shape)
    low = -(2 ** (bits - 1)) if dtype.startswith("i") else 0
    return (low + np.clip(hill, 0, 1) * (2**bits - 1)).round().astype(dtype)


def plain(kind: str, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Return the drawing uncompressed, with a window that shows the middle half of its range."""
    dtype, bits = KINDS[kind]
    middle = 0 if dtype.startswith("i") else 2 ** (bits - 1)
    window = {"WindowCenter": middle, "WindowWidth": 2 ** (bits - 1)}
    patient = {"PatientName": "", "PatientID": "", "StudyInstanceUID": "1.2", "SeriesNumber": 1}
    return make_film(drawing(kind), bits=bits, syntax=syntax, **window, **patient)


def htj2k(kind: str) -> bytes:
    """Return the drawing in High-Throughput JPEG 2000, without loss."""
    film = dcmread(BytesIO(plain(kind)))
    film.PixelData = encapsulate([imagecodecs.htj2k_encode(drawing(kind), reversible=True)])
    film["PixelData"].is_undefined_length = True
    film.file_meta.TransferSyntaxUID = HTJ2KLossless
    buffer = BytesIO()
    film.save_as(buffer)
    return buffer.getvalue()


def main() -> None:
    """Write every encoding of the drawings."""
    ENCODED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "plain.dcm")
        for encoder, files in {
            "dcmcjpeg": DCMTK_JPEG,
            "dcmcjpls": DCMTK_JPEG_LS,
            "gdcmconv": GDCM,
        }.items():
            for name, (kind, options) in files.items():
                source.write_bytes(plain(kind))
                target = str(ENCODED / f"{name}.dcm")
                subprocess.run([encoder, *options, str(source), target], check=True)
    for kind in KINDS:
        for name, syntax in NATIVE.items():
            (ENCODED / f"{name}-{kind}.dcm").write_bytes(plain(kind, syntax))
        (ENCODED / f"htj2k-{kind}.dcm").write_bytes(htj2k(kind))
        rle = dcmread(BytesIO(plain(kind)))
        rle.compress(RLELossless, generate_instance_uid=False)
        rle.save_as(ENCODED / f"rle-{kind}.dcm")


if __name__ == "__main__":
    main()
