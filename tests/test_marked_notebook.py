"""Notebook 03, whole, on films with a marker wherever an identifier may be: none comes out."""

import base64
import json
import re
import shutil
import sys
import warnings
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from markers import DATE, MARKER, NUMBER, PLANTED, UID, find_markers, text_elements
from nbclient import NotebookClient
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from helpers.clinical import SBU_CLINICAL_FILE
from helpers.dicom_attributes import MEANINGS
from helpers.sbu_films import SBU_HEADER

PROJECT = Path(__file__).resolve().parents[1]
NOTEBOOKS = PROJECT / "notebooks"

sys.path.insert(0, str(NOTEBOOKS))
from build import read_source  # noqa: E402

PATIENTS = 83
SHIFT = date(1987, 1, 1) - date(1900, 9, 1)  # from the phantoms' dates to ones to search for
A_DATE = re.compile(r"1987-?(0[1-9]|1[0-2])-?([0-2]\d|3[01])")
PARTS = 40  # of all text elements; each film has one
# What films are chosen and shown by. Without it the notebook would have nothing to show.
KEPT = {*SBU_HEADER.values(), *MEANINGS, "SOPClassUID", "SOPInstanceUID", "ImageType"}
SET = {
    **dict.fromkeys(["PatientName", "AccessionNumber", "InstitutionName", "OperatorsName"], MARKER),
    **dict.fromkeys(["ReferringPhysicianName", "PatientComments", "StudyID"], MARKER),
    **{"PatientBirthDate": DATE, "WindowCenterWidthExplanation": MARKER},
}
# Some films are odd: markers in elements that are read. The notebook's examples come before them.
ODD = (
    {"ViewPosition": MARKER},
    {"NumberOfFrames": NUMBER},
    {"PhotometricInterpretation": MARKER},
    {"SeriesNumber": NUMBER},
    {"Modality": MARKER},
    {"StudyDate": MARKER},
    {"VOILUTFunction": MARKER, "BurnedInAnnotation": MARKER},
)


def planted_sbu(published: Path, out: Path) -> None:
    """Copy a part of the phantom collection, with markers for patients, dates and all text."""
    clinical = pd.read_csv(published / SBU_CLINICAL_FILE, dtype="string", keep_default_na=False)
    blank_first = clinical.sort_values("gender_concept_name", kind="stable").head(PATIENTS)
    table = blank_first.sort_values("to_patient_id", ignore_index=True)
    names = {old: f"{MARKER}{number:03d}" for number, old in enumerate(table["to_patient_id"])}
    number = 0
    for old, new in names.items():
        for path in sorted((published / "covid_19_ny_sbu" / old).rglob("*.dcm")):
            film = marked(pydicom.dcmread(path), new, number)
            number += 1
            target = out / "covid_19_ny_sbu" / new / f"{number:05d}.dcm"
            target.parent.mkdir(parents=True, exist_ok=True)
            film.save_as(target, enforce_file_format=True)
    table["to_patient_id"] = table["to_patient_id"].map(names)
    starts = [datetime.fromisoformat(each) + SHIFT for each in table["visit_start_datetime"]]
    table["visit_start_datetime"] = [each.isoformat() for each in starts]
    table.to_csv(out / SBU_CLINICAL_FILE, index=False)


def marked(film: Dataset, patient: str, number: int) -> Dataset:
    kept = {tag_for_keyword(name) for name in KEPT}
    for tag in text_elements()[number % PARTS :: PARTS]:
        if tag not in kept:
            film.add_new(tag, dictionary_VR(tag), PLANTED[dictionary_VR(tag)])
    chest = "CHEST" in film.StudyDescription
    day = date(*(int(film.StudyDate[at]) for at in (slice(4), slice(4, 6), slice(6, 8)))) + SHIFT
    values = {
        **SET,
        "PatientID": patient,
        "StudyDescription": f"{'XR CHEST' if chest else 'KUB'} {MARKER}",
        "StudyDate": day.strftime("%Y%m%d"),
        "StudyInstanceUID": f"{UID}.{int(film.StudyInstanceUID[-12:].replace('.', '1'))}",
        "SeriesInstanceUID": f"{UID}.{number}",
        **(ODD[number // 12 % len(ODD)] if number % 12 == 11 and number > 40 else {}),
    }
    for name, value in values.items():
        setattr(film, name, value)
    film.add_new(0x00091010, "LO", MARKER)
    film.add_new(0x00091011, "UN", MARKER.encode())
    item = Dataset()
    item.PatientName = item.PatientID = MARKER
    film.RequestAttributesSequence = [item]
    return film


@pytest.fixture(scope="module")
def clone(phantom_root, tmp_path_factory) -> Path:
    """The project, with phantoms of which one cohort is marked."""
    tree = tmp_path_factory.mktemp("marked")
    shutil.copytree(
        PROJECT / "helpers", tree / "helpers", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tree / "notebooks").mkdir()
    data = tree / "data" / "phantom"
    data.mkdir(parents=True)
    for name in ("ieee8023", "hannover"):
        (data / name).symlink_to(phantom_root / name, target_is_directory=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # markers are not valid everywhere
        planted_sbu(phantom_root / "sbu", data / "sbu")
    return tree


def test_no_marker_comes_out_of_notebook_03(clone, capfd):
    notebook = read_source(NOTEBOOKS / "sources" / "03_transform_dicom.py")
    resources = {"metadata": {"path": str(clone / "notebooks")}}
    NotebookClient(notebook, timeout=1200, resources=resources).execute()
    pictures = [
        base64.b64decode(output.data.pop(kind))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for kind in ("image/png", "image/jpeg")
        if kind in output.get("data", {})
    ]
    assert len(pictures) >= 8
    shown = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    assert "excluded: view unknown" in shown
    said = "".join(capfd.readouterr())
    for text in (shown, said):
        assert not find_markers(text.encode()) and not A_DATE.search(text)
    # The one table that has to name files, so that a killed run goes on, is left out.
    made = [path for path in (clone / "data" / "work").rglob("*") if path.is_file()]
    written = [path for path in made if path.name != "manifest.csv"]
    assert len([path for path in written if path.suffix == ".png"]) > PATIENTS / 2
    for data in (*pictures, *(each.read_bytes() + each.name.encode() for each in written)):
        assert not find_markers(data)


def test_the_tree_is_marked(clone):
    """The search would find what is there."""
    films = sorted((clone / "data" / "phantom" / "sbu").rglob("*.dcm"))
    assert len(films) > 2 * PATIENTS
    found = {mark.split()[0] for path in films[:60] for mark in find_markers(path.read_bytes())}
    assert {MARKER, NUMBER, DATE} <= found
    header = pydicom.dcmread(films[0], stop_before_pixels=True)
    assert A_DATE.search(header.StudyDate) and MARKER in header.PatientID
