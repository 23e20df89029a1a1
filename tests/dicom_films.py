"""Small DICOM films for tests: any stored values, any elements, any encoding."""

import warnings
from io import BytesIO

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)


def make_film(
    stored: np.ndarray, *, bits: int = 12, syntax: str = ExplicitVRLittleEndian, **elements: object
) -> bytes:
    """Write a small film with the given stored values; elements set to None are left out."""
    film = Dataset()
    film.SOPClassUID = DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID = generate_uid(entropy_srcs=["film"])
    film.Modality = "DX"
    film.Rows, film.Columns = stored.shape[:2]
    film.SamplesPerPixel = 1
    film.PhotometricInterpretation = "MONOCHROME2"
    film.BitsAllocated = 8 * stored.dtype.itemsize
    film.BitsStored, film.HighBit = bits, bits - 1
    film.PixelRepresentation = int(stored.dtype.kind == "i")
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    film.PixelData = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    film["PixelData"].VR = "OB" if stored.dtype.itemsize == 1 else "OW"
    for name, value in elements.items():
        if value is None:
            delattr(film, name)
        else:
            setattr(film, name, value)
    film.file_meta = FileMetaDataset()
    native = syntax in (
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    )
    film.file_meta.TransferSyntaxUID = syntax if native else ExplicitVRLittleEndian
    if syntax in (JPEG2000Lossless, JPEGLSLossless, RLELossless):
        film.compress(syntax, generate_instance_uid=False)
    elif not native:  # only the claim is needed
        film.file_meta.TransferSyntaxUID = syntax
        film.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x04\x00\x00\x00abcd"
        film["PixelData"].is_undefined_length = True
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of these films are wrong on purpose
        dcmwrite(buffer, film, enforce_file_format=True)
    return buffer.getvalue()


def make_table(values: list[int], first: int, bits: int) -> list[Dataset]:
    """Make the one item of a lookup table sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(values), first, bits])
    item.add_new("LUTData", "US", values)
    return [item]


def ramp(dtype: str, bits: int) -> np.ndarray:
    """Spread 16 × 16 values over the range of `bits`, both ends included."""
    low = -(2 ** (bits - 1)) if dtype.startswith("i") else 0
    return np.linspace(low, low + 2**bits - 1, 256).round().astype(dtype).reshape(16, 16)
