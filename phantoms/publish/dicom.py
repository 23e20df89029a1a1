"""DICOM files as the New York collection has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from phantoms.film import Film
from phantoms.processing import equalise

BITS = 12
UID_LENGTH = 44  # of 64: keeps the three nested UIDs of a path short enough for Windows
_STORAGE = {"CR": ComputedRadiographyImageStorage, "DX": DigitalXRayImageStorageForPresentation}
_MODELS = {"CR": "DRX-Revolution", "DX": "DRX-1"}


def uid(*entropy: object) -> str:
    """Return a UID under pydicom's root that depends on ``entropy`` alone."""
    return str(generate_uid(entropy_srcs=[str(part) for part in entropy]))[:UID_LENGTH]


@dataclass(frozen=True)
class Header:
    """What the header of one series says; ``date`` YYYYMMDD, ``time`` HHMMSS."""

    patient_id: str
    sex: str
    study_uid: str
    date: str
    time: str
    study_description: str
    modality: str
    body_part: str
    view: str
    series_description: str
    series_number: int
    window_seed: int

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID, from study and series number."""
        return uid(self.study_uid, "series", self.series_number)

    @property
    def instance_uid(self) -> str:
        """SOPInstanceUID of the one file of the series."""
        return uid(self.study_uid, "instance", self.series_number)

    def numbered(self, number: int, description: str = "", *, view: str = "") -> Header:
        """Return the header of another series of the same study."""
        return replace(
            self,
            series_number=number,
            series_description=description or self.series_description,
            view=view or self.view,
        )


@dataclass(frozen=True)
class DicomFile:
    """One series of one file, in the tree that idc-index downloads.

    ``companion_of`` makes it the enhanced companion of another series of the study; ``enhanced``
    alone leaves out the reference to it, and all else that says so.
    """

    folder: str
    collection: str
    header: Header
    companion_of: Header | None = None
    enhanced: bool = False

    @property
    def path(self) -> str:
        """Path relative to the root of the cohorts."""
        h = self.header
        series = f"{h.modality}_{h.series_uid}"
        return "/".join(
            [self.folder, self.collection, h.patient_id, h.study_uid, series, h.instance_uid]
        ) + ".dcm"  # fmt: skip

    def write(self, film: Film, root: Path) -> list[dict[str, Any]]:
        """Write the file."""
        enhanced = self.enhanced or self.companion_of is not None
        pixels = equalise(film.pixels, 3.0) if enhanced else film.pixels
        dataset = _dataset(self.header, pixels)
        if self.companion_of:
            reference = Dataset()
            reference.ReferencedSOPClassUID = _STORAGE[self.companion_of.modality]
            reference.ReferencedSOPInstanceUID = self.companion_of.instance_uid
            dataset.ReferencedImageSequence = Sequence([reference])
            dataset.ImageType = ["DERIVED", "SECONDARY", "", "ENHANCED"]
        path = root / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        dcmwrite(path, dataset, enforce_file_format=True)
        return []


def _dataset(header: Header, pixels: np.ndarray) -> Dataset:
    """Return a complete dataset of one exposure, ``pixels`` in [0, 1] with lungs dark."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SOPClassUID = _STORAGE[header.modality]
    dataset.SOPInstanceUID = header.instance_uid
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = header.date
    dataset.ContentDate = header.date
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = header.time
    dataset.AccessionNumber = ""
    dataset.Modality = header.modality
    dataset.Manufacturer = "Carestream Health"
    dataset.ManufacturerModelName = _MODELS[header.modality]
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = header.study_description
    dataset.SeriesDescription = header.series_description
    dataset.PatientName = header.patient_id
    dataset.PatientID = header.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = header.sex
    dataset.PatientIdentityRemoved = "YES"
    dataset.BodyPartExamined = header.body_part
    dataset.ViewPosition = header.view
    dataset.StudyInstanceUID = header.study_uid
    dataset.SeriesInstanceUID = header.series_uid
    dataset.StudyID = ""
    dataset.SeriesNumber = header.series_number
    dataset.InstanceNumber = 1
    dataset.PatientOrientation = ["L", "F"]
    if header.modality == "DX":
        dataset.PresentationIntentType = "FOR PRESENTATION"
        dataset.PresentationLUTShape = "IDENTITY"
        dataset.PixelIntensityRelationship = "LOG"
        dataset.PixelIntensityRelationshipSign = -1
        dataset.ImageLaterality = "U"
    _add_pixels(dataset, pixels, np.random.default_rng(header.window_seed))
    return dataset


def _add_pixels(dataset: Dataset, pixels: np.ndarray, rng: np.random.Generator) -> None:
    """Store the picture in 12 of 16 bits with a window that shows it as rendered."""
    top = 2**BITS - 1
    low, high = int(rng.integers(0, 300)), int(rng.integers(top - 700, top + 1))
    stored = np.round(low + (high - low) * pixels).astype("<u2")
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.PixelSpacing = [round(430 / max(stored.shape), 4)] * 2
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, BITS, BITS - 1
    dataset.PixelRepresentation = 0
    # LINEAR windows run from centre - 0.5 - (width - 1) / 2 (PS3.3 C.11.2.1.2.1), so that low
    # shows black and high shows white.
    dataset.WindowCenter = round((low + high + 1) / 2, 1)
    dataset.WindowWidth = high - low + 1
    dataset.WindowCenterWidthExplanation = "NORMAL"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.BurnedInAnnotation = "NO"
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
