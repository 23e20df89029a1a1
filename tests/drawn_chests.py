"""Chests in every accepted format: files for the panel's tests, which need no cohort."""

import io
from functools import cache

import cv2
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from phantoms.examples import example_films


def drawn_chest(height: int = 300, width: int = 340, seed: int = 0) -> np.ndarray:
    """Two dark lungs in a bright chest: float32 (height, width) in [0, 1]."""
    rng = np.random.default_rng(seed)
    brighter = np.linspace(0.65, 0.85, height, dtype=np.float32)  # no film has a single grey
    film = np.repeat(brighter[:, None], width, axis=1)
    for centre in (0.3, 0.7):
        axes = (round(width * 0.14), round(height * 0.32))
        cv2.ellipse(film, (round(width * centre), height // 2), axes, 0, 0, 360, 0.2, -1)
    film = cv2.GaussianBlur(film, (0, 0), height / 40)
    return np.clip(film + rng.normal(0, 0.02, film.shape), 0, 1).astype(np.float32)


def phantom_chest(height: int = 512, width: int = 512) -> np.ndarray:
    """A phantom's film, where a drawn chest is not like enough: float32 in [0, 1]."""
    film = cv2.imdecode(np.frombuffer(_phantom(), np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(film, (width, height)).astype(np.float32) / 255


@cache
def _phantom() -> bytes:
    return example_films()["Some haze"]


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
