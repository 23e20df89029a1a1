"""Tiny folders in the three publishers' layouts, for tests that change one thing in them."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from helpers.clinical import SBU_CLINICAL_FILE

IEEE8023_COLUMNS = (
    "patientid,offset,sex,age,finding,survival,intubated,intubation_present,went_icu,in_icu,"
    "needed_supplemental_O2,extubated,temperature,pO2_saturation,leukocyte_count,"
    "neutrophil_count,lymphocyte_count,view,modality,date,location,folder,filename,doi,url,"
    "license,clinical_notes,other_notes,Unnamed: 28"
).split(",")


def ramp(side: int = 96) -> np.ndarray:
    """A film: dark to bright."""
    return np.tile(np.linspace(0, 255, side), (side, 1)).astype(np.uint8)


def write_ieee8023(root: Path, rows: list[dict], *, pictures: bool = True) -> Path:
    """Write metadata.csv and images/; a row gives only what differs from an eligible film."""
    (root / "images").mkdir(parents=True)
    table = []
    for number, row in enumerate(rows):
        default = {
            "patientid": str(number),
            "finding": "COVID-19",
            "view": "AP",
            "modality": "X-ray",
            "folder": "images",
            "filename": f"{number}.png",
        }
        table.append({**dict.fromkeys(IEEE8023_COLUMNS, ""), **default, **row})
        if pictures:
            cv2.imwrite(str(root / "images" / f"{number}.png"), ramp())
    pd.DataFrame(table).to_csv(root / "metadata.csv", index=False)
    return root


def write_hannover(root: Path, rows: list[dict]) -> Path:
    """Write data.csv and png/."""
    (root / "png").mkdir(parents=True)
    columns = (
        "patient_id,image_id,sex,age,size,weight,admission_offset,icu_admission_offset,"
        "icu_release_offset,death_offset,modality,projection,crp_val,ldh_val"
    ).split(",")
    table = []
    for number, row in enumerate(rows):
        default = {
            "patient_id": f"p{number}",
            "image_id": f"{number:08x}",
            "sex": "m",
            "admission_offset": "0",
            "modality": "CR",
            "projection": "ap",
        }
        table.append({**dict.fromkeys(columns, ""), **default, **row})
        cv2.imwrite(str(root / "png" / f"{table[-1]['image_id']}.png"), ramp())
    pd.DataFrame(table).to_csv(root / "data.csv", index=False)
    return root


def write_dicom(path: Path, **elements) -> Path:
    """Write a small readable CR film; keyword arguments set or, when None, remove elements."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": ComputedRadiographyImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "CR",
        "PatientID": "A000001",
        "StudyInstanceUID": "1.2.3",
        "StudyDate": "19000910",
        "StudyDescription": "XR CHEST AP PORTABLE",
        "SeriesNumber": 1,
        "ViewPosition": "AP",
        "Rows": 96,
        "Columns": 96,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "WindowCenter": 2048,
        "WindowWidth": 4096,
        "PixelData": (ramp().astype(np.uint16) * 16).tobytes(),
        **elements,
    }
    for name, value in values.items():
        if value is not None:
            setattr(film, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    film.save_as(path, enforce_file_format=True)
    return path


def reference() -> pydicom.Sequence:
    """What marks a companion: a reference to the film it was made from."""
    item = pydicom.Dataset()
    item.ReferencedSOPInstanceUID = generate_uid()
    return pydicom.Sequence([item])


def write_clinical(root: Path, rows: list[dict]) -> Path:
    """Write the clinical CSV of SBU."""
    root.mkdir(parents=True, exist_ok=True)
    default = {
        "to_patient_id": "A000001",
        "covid19_statuses": "positive",
        "last.status": "discharged",
        "age.splits": "(59,74]",
        "gender_concept_name": "MALE",
        "visit_start_datetime": "1900-09-10 08:00:00",
        "visit_concept_name": "Inpatient Visit",
        "is_icu": "FALSE",
        "was_ventilated": "",
        "length_of_stay": "7",
    }
    pd.DataFrame([{**default, **row} for row in rows]).to_csv(root / SBU_CLINICAL_FILE, index=False)
    return root


def write_sbu(root: Path) -> Path:
    """One patient with one film."""
    write_dicom(root / "A000001" / "film.dcm")
    return write_clinical(root, [{}])
