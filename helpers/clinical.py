"""The clinical table of COVID-19-NY-SBU: whether it is the published one, and what may be used.

A column is a predictor only if its value is known when the patient arrives. Everything else in the
table was written down later, much of it because of the outcome.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.csv_files import read_csv
from helpers.table import decode_dates

SBU_CLINICAL_FILE = "deidentified_overlap_tcia.csv.cleaned.csv_20210806.csv"
SBU_PAGE = "https://doi.org/10.7937/TCIA.BBAG-2923"
SBU_REQUIRED = [
    *["to_patient_id", "last.status", "age.splits", "gender_concept_name"],
    *["visit_start_datetime", "is_icu", "was_ventilated", "length_of_stay"],
]
# Only bands are published: lower end, upper end. Their middle stands for the age.
SBU_AGE_BANDS = {"[18,59]": (18, 59), "(59,74]": (59, 74), "(74,90]": (74, 90)}
SBU_OUTCOMES = {"discharged": False, "deceased": True}
SBU_GENDERS = {"MALE": "M", "FEMALE": "F"}

# As published: rows, columns, and how often each value occurs ("" is blank).
_SHAPE = (1384, 131)
_COUNTS = {
    "last.status": {"discharged": 1201, "deceased": 183},
    "age.splits": {"[18,59]": 765, "(59,74]": 350, "(74,90]": 269},
    "gender_concept_name": {"MALE": 760, "FEMALE": 592, "": 32},
}

# Known on arrival: age band and sex; history, home medicines and symptoms as told; vital signs.
KNOWN_AT_ADMISSION = (
    *("age.splits", "gender_concept_name", "smoking_status_v", "days_prior_sx"),
    *("htn_v", "dm_v", "cad_v", "hf_ef_v", "ckd_v", "malignancies_v", "copd_v"),
    *("other_lung_disease_v", "kidney_transplant", "acei_v", "arb_v"),
    *("cough_v", "dyspnea_admission_v", "nausea_v", "vomiting_v", "diarrhea_v"),
    *("abdominal_pain_v", "fever_v"),
    "8331-1_Oral temperature",
    "59408-5_Oxygen saturation in Arterial blood by Pulse oximetry",
    "9279-1_Respiratory rate",
    "76282-3_Heart rate.beat-to-beat by EKG",
    "8480-6_Systolic blood pressure",
    "76536-2_Mean blood pressure by Noninvasive",
    "39156-5_Body mass index (BMI) [Ratio]",
)

_ORGANS = "an organ injury *during* the stay, often on the way to the outcome"
_TREATED = "a treatment given because the patient was getting worse"
KNOWN_LATER = {
    "last.status": "this is the outcome itself",
    "is_icu": "intensive care comes after admission, and because the patient got worse",
    "was_ventilated": "ventilation comes after admission, and because the patient got worse",
    "invasive_vent_days": "it is counted when ventilation is over",
    "length_of_stay": "it is complete only when the patient has left or died",
    "visit_concept_name": "whether an emergency becomes a stay is decided from how ill someone is",
    "Acute.Hepatic.Injury..during.hospitalization.": _ORGANS,
    "Acute.Kidney.Injury..during.hospitalization.": _ORGANS,
    "kidney_replacement_therapy": _TREATED,
    "therapeutic.exnox.Boolean": _TREATED,
    "therapeutic.heparin.Boolean": _TREATED,
    "Other.anticoagulation.therapy": _TREATED,
    "antibiotics_use_v": "the table does not say whether it was at home or in hospital",
    "nsaid_use_v": "the table does not say whether it was at home or in hospital",
}
_NO_PREDICTOR = {
    "to_patient_id": "it names the patient; it joins tables and tells nothing about disease",
    "covid19_statuses": "it is the same for every patient",
    "visit_start_datetime": "a date tells the wave, not the patient; films carry days since it",
}


class NotKnownAtAdmission(ValueError):
    """Someone asks to predict from what is written down after admission."""


class ClinicalTableError(ValueError):
    """A clinical table that is not the published one; the message names the check that failed."""


def check_predictors(names: list[str], columns: pd.Index) -> None:
    """Refuse predictors that are not known at admission.

    Parameters
    ----------
    names : list of str
        Published names of columns that someone wants to predict from.
    columns : pandas.Index
        What the table has.

    Raises
    ------
    NotKnownAtAdmission
        With the reason for the first of them that is not on the list.
    """
    for name in names:
        if name in KNOWN_AT_ADMISSION:
            if name not in columns:
                raise NotKnownAtAdmission(
                    f"{name!r} is known at admission, but this table does not have it."
                )
            continue
        reason = KNOWN_LATER.get(name) or _NO_PREDICTOR.get(name)
        if reason is None and name not in columns:
            reason = "the table has no such column"
        if reason is None:
            reason = "the table does not say when it was measured, so it may be from after the film"
        raise NotKnownAtAdmission(
            f"{name!r} is no predictor: {reason}. The list of those that are is "
            "helpers.clinical.KNOWN_AT_ADMISSION."
        )


def check_published(path: Path) -> pd.DataFrame:
    """Read the clinical table that a user has put there, and make sure that it is as published.

    Parameters
    ----------
    path : pathlib.Path
        The CSV file.

    Returns
    -------
    pandas.DataFrame
        All columns as strings, blanks as "".

    Raises
    ------
    ClinicalTableError
        Naming the check that failed: file, format, columns, rows, patients, a column's values or
        the number of times they occur, or dates.
    """
    if not path.is_file():
        raise ClinicalTableError(_failed("file", f"{path.name} in {path.parent}", "no such file"))
    try:
        table = read_csv(path, ())  # columns are checked below, without a word of what was found
    except ValueError as error:
        raise ClinicalTableError(_refused("format", str(error))) from None
    missing = [name for name in SBU_REQUIRED if name not in table]
    if missing:
        raise ClinicalTableError(_failed("columns", ", ".join(SBU_REQUIRED), f"no {missing[0]}"))
    rows, columns = _SHAPE
    if table.shape[1] != columns:
        raise ClinicalTableError(_failed("columns", f"{columns} of them", str(table.shape[1])))
    if len(table) != rows:
        raise ClinicalTableError(_failed("rows", f"{rows:,}", f"{len(table):,}"))
    _check_patients(table["to_patient_id"])
    for name, counts in _COUNTS.items():
        _check_values(table[name].str.strip().replace("NA", ""), counts)
    _check_dates(table["visit_start_datetime"])
    _check_stays(table["length_of_stay"])
    return table


def _check_patients(patients: pd.Series) -> None:
    odd = (~patients.str.fullmatch(r"A\d{6}")).sum()
    if odd:
        raise ClinicalTableError(
            _failed("patients", "A and six digits in to_patient_id", f"{odd} others")
        )
    if patients.duplicated().any():
        raise ClinicalTableError(_failed("patients", "a row for each", "one more than once"))


def _check_values(values: pd.Series, counts: dict[str, int]) -> None:
    found = values.value_counts().to_dict()
    shown = {value or "blank": number for value, number in counts.items()}
    if unknown := set(found) - set(counts):
        raise ClinicalTableError(
            _failed(f"values of {values.name}", ", ".join(shown), f"{len(unknown)} other value(s)")
        )
    if found != counts:
        raise ClinicalTableError(
            _failed(
                f"counts of {values.name}",
                ", ".join(f"{value} {number:,}" for value, number in shown.items()),
                ", ".join(f"{value or 'blank'} {number:,}" for value, number in found.items()),
            )
        )


def _check_dates(values: pd.Series) -> None:
    if wrong := decode_dates(values, named=False).isna().sum():
        raise ClinicalTableError(
            _failed("dates", "a date in every visit_start_datetime", f"{wrong} without")
        )


def _check_stays(values: pd.Series) -> None:
    days = pd.to_numeric(values, errors="coerce")
    if days.isna().any() or (days < 0).any():
        raise ClinicalTableError(
            _failed("stays", "a number of days in every length_of_stay", "others as well")
        )


def _failed(check: str, expected: str, found: str) -> str:
    return _refused(check, f"expected {expected}; found {found}")


def _refused(check: str, reason: str) -> str:
    return (
        f"The clinical table fails the check of its {check}: {reason}. "
        f"Download {SBU_CLINICAL_FILE} from the page {SBU_PAGE} and put it there unchanged."
    )


def predictors(cohort: pd.DataFrame, names: list[str], *, seed: int = 0) -> pd.DataFrame:
    """Return what may be predicted from, numbers where they can be, nothing that tells by a blank.

    Sex is blank for nearly all who died young, so neither "is blank" nor any value that stands for
    it may be told apart: a blank becomes F or M by chance, in the shares of those known.

    Parameters
    ----------
    cohort : pandas.DataFrame
        From `helpers.cohorts.load_sbu`.
    names : list of str
        Published names, each in `KNOWN_AT_ADMISSION`.
    seed : int
        Of the draws for blank sex.

    Returns
    -------
    pandas.DataFrame
        The rows of `cohort`, all of them. ``age.splits`` becomes ``age`` in years (the middle of
        the band), ``gender_concept_name`` becomes ``male``, 0 or 1; others keep their names.

    Raises
    ------
    NotKnownAtAdmission
        If a name is not on the list; says why.
    """
    derived = {"age.splits": "age", "gender_concept_name": "male"}
    check_predictors(names, cohort.columns.union(list(derived)))
    table = cohort.assign(male=_drawn_sex(cohort, seed))
    return table[[derived.get(name, name) for name in names]]


def _drawn_sex(cohort: pd.DataFrame, seed: int) -> pd.Series:
    """Return 1 for men and 0 for women, the same for all films of a patient, without blanks."""
    sex = cohort.groupby("patient_id")["sex"].first().sort_index()
    male = (sex == "M").astype(float)
    known = sex.notna()
    share = male[known].mean() if known.any() else 0.5
    draws = np.random.default_rng(seed).random(len(male)) < share
    drawn = male.where(known, pd.Series(draws, male.index).astype(float))
    return cohort["patient_id"].map(drawn).astype(float)
