"""Reading the New York collection (COVID-19-NY-SBU) into the one table.

Films come as published (DICOM files at any depth) or as `helpers.downloads` leaves them (pictures
and a manifest in which keyed hashes stand for patients); the clinical table is the same for both.
"""

from pathlib import Path

import pandas as pd

from helpers.clinical import (
    KNOWN_AT_ADMISSION,
    SBU_AGE_BANDS,
    SBU_CLINICAL_FILE,
    SBU_GENDERS,
    SBU_OUTCOMES,
    SBU_PAGE,
    SBU_REQUIRED,
    check_predictors,
)
from helpers.csv_files import read_table
from helpers.files import MANIFEST
from helpers.publishers import DAYS, numbers_of
from helpers.quarantine import RADIOGRAPHS
from helpers.sbu_films import names_of, read_films, refusals
from helpers.table import decode, decode_dates, decode_numbers, eligible, one_table

SBU_VIEWS = {"AP": "AP", "PA": "PA", "LATERAL": "lateral", "LL": "lateral", "RL": "lateral"}
_SHOWN_OTHERWISE = ("age.splits", "gender_concept_name")  # as age, age_band and sex


def load_sbu(
    root: str | Path, *, predictors: list[str] | None = None, key: bytes | None = None
) -> pd.DataFrame:
    """Read the frontal chest films of COVID-19-NY-SBU and join them to the clinical table.

    Parameters
    ----------
    root
        Folder with the clinical CSV and, at any depth, one ``.dcm`` file per series; or what
        `helpers.downloads.fetch` made of them.
    predictors
        Clinical columns to join, by their published names; None joins all that are known at
        admission. Sex and age come in any case, as ``sex``, ``age`` and ``age_band``.
    key
        The key for names, where the folder holds a manifest; the user's own if None.

    Returns
    -------
    pandas.DataFrame
        The one table; ``day`` is the study's date less the visit's start. ``age`` is the middle of
        ``age_band``. Further columns: ``study``, ``study_description``, ``modality``,
        ``series_number``, ``companion`` (an enhanced copy of another film: it references one),
        ``after_outcome`` (taken after the stay had ended) and the predictors.

    Raises
    ------
    FileNotFoundError
        If the folder, the clinical CSV or the films are missing.
    ValueError
        If the clinical CSV or the manifest lacks columns, or the CSV lists a patient twice.
    NotKnownAtAdmission
        If a predictor is not known at admission; says why.
    """
    root = Path(root).absolute()
    films = read_films(root)
    films["patient_id"] = numbers_of(films["patient_id"])
    clinical = _read_clinical(root, key)
    if predictors is None:
        predictors = [name for name in KNOWN_AT_ADMISSION if name in clinical]
    check_predictors(predictors, clinical.columns)
    joined = films.merge(clinical, left_on="patient_id", right_on="to_patient_id", how="left")
    bands = decode(joined["age.splits"], {band: band for band in SBU_AGE_BANDS})
    stay = decode_numbers(joined["length_of_stay"])
    table = pd.DataFrame(
        {
            "patient_id": joined["patient_id"],
            "image_path": joined["image_path"],
            "view": decode(joined["view"], SBU_VIEWS, named=False).fillna("unknown"),
            "day": _days(joined),
            "sex": decode(joined["gender_concept_name"], SBU_GENDERS, unknown=("", "NA")),
            "age": bands.map(SBU_AGE_BANDS, na_action="ignore").map(_middle, na_action="ignore"),
            "died": decode(joined["last.status"], SBU_OUTCOMES),
            "age_band": bands.astype("string"),
            "study": joined["study"],
            "study_description": joined["study_description"].astype("string"),
            "modality": joined["modality"].astype("string"),
            "series_number": decode_numbers(joined["series_number"], named=False).astype("Int64"),
            "companion": joined["companion"],
            "after_outcome": False,
            **{name: _typed(joined[name]) for name in predictors if name not in _SHOWN_OTHERWISE},
        }
    )
    table["after_outcome"] = (table["day"].astype("Float64") > stay).fillna(False).astype(bool)
    checks = {
        **{reason: joined["refused"] == reason for reason in refusals(joined["refused"])},
        "no radiograph (CR, DX)": ~joined["modality"].isin(RADIOGRAPHS),
        "no patient number": joined["patient_id"].isna(),
        "no row in the clinical table": joined["to_patient_id"].isna(),
        **chest_checks(table),
    }
    return eligible(one_table(table, "sbu"), checks)


def chest_checks(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Say which pictures are no frontal chest films, by reason.

    The study's description decides, not BodyPartExamined, which is unreliable.
    """
    chest = table["study_description"].str.contains("CHEST", case=False, na=False)
    return {
        "not a chest study": ~chest,
        "lateral view": table["view"] == "lateral",
        "view unknown": table["view"] == "unknown",
    }


def written_later(root: str | Path, *, key: bytes | None = None) -> pd.DataFrame:
    """Read what the clinical table says beyond what is known at admission, to show how it leaks.

    Returns
    -------
    pandas.DataFrame
        A row a patient, indexed by ``patient_id``; never to be joined as predictors.
    """
    root = Path(root).absolute()
    clinical = _read_clinical(root, key)
    others = [name for name in clinical if name not in KNOWN_AT_ADMISSION]
    table = clinical[others].set_index("to_patient_id").rename_axis("patient_id")
    return table.apply(_typed)


def _read_clinical(root: Path, key: bytes | None) -> pd.DataFrame:
    """Return a row a patient, named as in the films."""
    by_hand = f"download it from the page {SBU_PAGE} and put it there"
    clinical = read_table(root, SBU_CLINICAL_FILE, "sbu", SBU_REQUIRED, advice=by_hand)
    if clinical["to_patient_id"].duplicated().any():
        raise ValueError(
            f"{SBU_CLINICAL_FILE} must have one row a patient, but to_patient_id repeats. "
            "Put the file there as published."
        )
    if (root / MANIFEST).is_file():
        clinical["to_patient_id"] = names_of(clinical["to_patient_id"], key)
    return clinical


def _days(joined: pd.DataFrame) -> pd.Series:
    if "days" in joined:
        return joined["days"]
    study = decode_dates(joined["study_date"], format="%Y%m%d", named=False)
    apart = (study - decode_dates(joined["visit_start_datetime"], named=False)).dt.days
    return decode_numbers(apart.astype("string").rename("days since the visit"), between=DAYS)


def _typed(published: pd.Series) -> pd.Series:
    """Booleans and numbers where every published value is one; else the strings."""
    known = published.mask(published == "")
    flags = known.str.upper().map({"TRUE": True, "FALSE": False})
    if known.notna().any() and flags.notna().sum() == known.notna().sum():
        return flags.astype("boolean")
    numbers = pd.to_numeric(known, errors="coerce")
    return numbers.astype("Float64") if numbers.notna().sum() == known.notna().sum() else known


def _middle(band: tuple[int, int]) -> float:
    return sum(band) / 2
