"""Reading each publisher's files into the one table."""

import math
from functools import partial
from os.path import basename, isfile
from pathlib import Path

import pandas as pd

from helpers.csv_files import read_table
from helpers.quarantine import RADIOGRAPHS
from helpers.table import (
    agree_within_patients,
    decode,
    decode_numbers,
    eligible,
    one_table,
)

YES_NO = {"Y": True, "N": False}
# What ieee8023 writes where a report says nothing; "Not visible" is no "no".
NOT_STATED = ("", "?", "Not visible", "Would have been stated")
IEEE8023_VIEWS = {
    "PA": "PA",
    "AP": "AP",
    "AP Supine": "AP supine",
    "L": "lateral",
    "Axial": pd.NA,  # CT planes
    "Coronal": pd.NA,
}
IEEE8023_BOOLEANS = [
    "intubated",
    "intubation_present",
    "went_icu",
    "in_icu",
    "needed_supplemental_O2",
    "extubated",
]
IEEE8023_NUMBERS = [
    "temperature",
    "pO2_saturation",
    "leukocyte_count",
    "neutrophil_count",
    "lymphocyte_count",
]
IEEE8023_REQUIRED = [
    *["patientid", "offset", "sex", "age", "finding", "survival", "view", "modality"],
    *["folder", "filename", "location", "license"],
    *IEEE8023_BOOLEANS,
    *IEEE8023_NUMBERS,
]

AGES, DAYS = (0, 120), (-36_500, 36_500)  # years and days; what lies beyond is a slip of the pen

HANNOVER_REQUIRED = [
    *["patient_id", "image_id", "sex", "age", "admission_offset", "icu_admission_offset"],
    *["death_offset", "modality", "projection"],
]


def load_ieee8023(root: str | Path) -> pd.DataFrame:
    """Read the frontal COVID-19 chest films of ieee8023/covid-chestxray-dataset.

    Both published column sets are understood: ``finding`` as ``COVID-19`` (June 2020) and as a path
    such as ``Pneumonia/Viral/COVID-19``. ``survival`` N means died in hospital, Y survived.

    Parameters
    ----------
    root
        Folder with ``metadata.csv`` and ``images/``.

    Returns
    -------
    pandas.DataFrame
        The one table, followed by clinical columns under their published names.

    Raises
    ------
    FileNotFoundError
        If the folder, the table or all of its pictures are missing.
    ValueError
        If the table lacks columns.
    """
    root = Path(root).absolute()
    raw = read_table(root, "metadata.csv", "ieee8023", IEEE8023_REQUIRED)
    raw = raw.apply(lambda column: column.str.strip())
    numbers = {name: decode_numbers(raw[name]) for name in IEEE8023_NUMBERS}
    booleans = {
        name: decode(raw[name], YES_NO, unknown=NOT_STATED).astype("boolean")
        for name in IEEE8023_BOOLEANS
    }
    table = pd.DataFrame(
        {
            "patient_id": numbers_of(raw["patientid"]),
            "image_path": [str(root / "images" / name) for name in raw["filename"]],
            "view": decode(raw["view"], IEEE8023_VIEWS, unknown=("", "?")).fillna("unknown"),
            "day": decode_numbers(raw["offset"], between=DAYS),
            "sex": decode(raw["sex"], {"F": "F", "M": "M"}, unknown=("", "?")),
            "age": _ages(raw["age"]),
            "died": decode(raw["survival"], {"Y": False, "N": True}, unknown=NOT_STATED),
            **booleans,
            **numbers,
            **{name: raw[name].astype("string") for name in ("location", "license", "finding")},
        }
    )
    table["died"] = agree_within_patients(table, "died")
    # Names are names and no paths, so that none leads out of the folder, or to a picture twice.
    present = table["image_path"].map(isfile) & (raw["filename"].map(basename) == raw["filename"])
    covid = (
        table["finding"].str.split(r"[/,]\s*", regex=True).map(lambda names: "COVID-19" in names)
    )
    _require_pictures(root / "images", present, "ieee8023")
    checks = {
        "no patient number": table["patient_id"].isna(),
        "no X-ray (CT)": raw["modality"] != "X-ray",
        "not in images/ (volumes)": raw["folder"] != "images",
        "finding not yet recorded (todo)": table["finding"] == "todo",
        "finding is not COVID-19": ~covid,
        "lateral view": table["view"] == "lateral",
        "view unknown": table["view"] == "unknown",
        "picture file absent": ~present,
    }
    checks["same file listed twice"] = _listed_before(table["image_path"], checks)
    return eligible(one_table(table, "ieee8023"), checks)


def load_hannover(root: str | Path) -> pd.DataFrame:
    """Read the frontal chest films of ml-workgroup/covid-19-image-repository.

    The publisher gives days until death, blank where none was recorded; this is read as survival,
    which may miss deaths after discharge. What is neither a number nor blank is missing. ``day``
    counts from admission, ``went_icu`` is an intensive care admission at any time. Age is redacted.

    Raises
    ------
    FileNotFoundError
        If the folder, the table or all of its pictures are missing.
    ValueError
        If the table lacks columns.
    """
    root = Path(root).absolute()
    raw = read_table(root, "data.csv", "hannover", HANNOVER_REQUIRED)
    raw = raw.apply(lambda column: column.str.strip())
    patients = numbers_of(raw["patient_id"])
    died = _happened(raw["death_offset"]).groupby(patients)
    table = pd.DataFrame(
        {
            "patient_id": patients,
            "image_path": [str(root / "png" / f"{name}.png") for name in raw["image_id"]],
            "view": decode(raw["projection"].str.upper(), {"PA": "PA", "AP": "AP"}),
            "day": 0 - decode_numbers(raw["admission_offset"], between=DAYS),  # -0 would be shown
            "sex": decode(raw["sex"].str.upper(), {"M": "M", "F": "F", "W": "F"}),
            "age": _ages(raw["age"]),
            "died": died.transform(lambda days: days.any(skipna=False)).astype("boolean"),
            "went_icu": _happened(raw["icu_admission_offset"]),
        }
    )
    table["view"] = table["view"].fillna("unknown")
    laboratory = [name for name in raw.columns if name.endswith("_val")]
    # The publisher writes inf for what lies beyond the range of the measurement.
    beyond = partial(decode_numbers, between=(-math.inf, math.inf))
    table = table.join(raw[laboratory].apply(beyond))
    present = table["image_path"].map(isfile) & (raw["image_id"].map(basename) == raw["image_id"])
    _require_pictures(root / "png", present, "hannover")
    checks = {
        "no patient number": table["patient_id"].isna(),
        "no chest X-ray (CR, DX)": ~raw["modality"].isin(RADIOGRAPHS),
        "view unknown": table["view"] == "unknown",
        "picture file absent": ~present,
    }
    checks["same film listed twice"] = _listed_before(table["image_path"], checks)
    return eligible(one_table(table, "hannover"), checks)


def _listed_before(paths: pd.Series, checks: dict[str, pd.Series]) -> pd.Series:
    """Whether an earlier row that no check leaves out has the same file."""
    unwanted = pd.concat(checks.values(), axis=1).any(axis=1)
    return paths.mask(unwanted).duplicated()


def numbers_of(patients: pd.Series) -> pd.Series:
    """Numbers of patients; a blank is nobody's, or all who lack one would be one person."""
    return patients.astype("string").mask(patients == "")


def _happened(days: pd.Series) -> pd.Series:
    """Whether an event has a day; NA where something stands there that is none."""
    known = decode_numbers(days, between=DAYS)
    return known.notna().astype("boolean").mask(known.isna() & ~days.isin(["", "?"]))


def _ages(published: pd.Series) -> pd.Series:
    return decode_numbers(published, between=AGES)


def _require_pictures(folder: Path, present: pd.Series, cohort: str) -> None:
    """Refuse a table none of whose pictures is there: an empty cohort would say nothing of it."""
    if len(present) and not present.any():
        raise FileNotFoundError(
            f"The {cohort} cohort has its table, but none of the {len(present):,} pictures that it "
            f"lists is in {folder.name}/: move the cohort's folder away, and fetch it with "
            f"`python -m helpers.downloads {cohort}`."
        )
