"""Chests in every accepted format: files for the panel's tests, which need no cohort."""

import io
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from phantoms.examples import example_films


def drawn_chest(height: int = 300, width: int = 340, seed: int = 0) -> np.ndarray:
    """A phantom patient's chest with a little noise: float32 (height, width) in [0, 1]."""
    rng = np.random.default_rng(seed)
    film = cv2.resize(_rendered(), (width, height), interpolation=cv2.INTER_AREA)
    return np.clip(film + rng.normal(0, 0.02, film.shape), 0, 1).astype(np.float32)


@lru_cache
def _rendered() -> np.ndarray:
    data = example_films()["Some haze"]
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) / np.float32(255)


def png(film: np.ndarray, bits: int = 8) -> bytes:
    """PNG file of a film, grey (h, w) or colour (h, w, 3), in [0, 1]."""
    kind = np.uint8 if bits == 8 else np.uint16
    stored = np.rint(film * (2**bits - 1)).astype(kind)
    return cv2.imencode(".png", stored)[1].tobytes()


def jpeg(film: np.ndarray) -> bytes:
    """JPEG file of a grey film in [0, 1]."""
    file = io.BytesIO()
    Image.fromarray(np.rint(film * 255).astype(np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


def dicom(
    film: np.ndarray, *, name: str = "Marker^Planted", patient_id: str = "PLANTED-ID"
) -> bytes:
    """DICOM file of a film in [0, 1]: 12 bits, MONOCHROME2, with a patient who must not be seen."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID = ComputedRadiographyImageStorage
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.Modality = "CR"
    data.PatientName, data.PatientID = name, patient_id
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = film.shape
    data.SamplesPerPixel = 1
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelRepresentation = 0
    data.PixelData = np.rint(film * 4095).astype(np.uint16).tobytes()
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()
