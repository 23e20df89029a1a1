"""Reading each publisher's files into the one table."""

from pathlib import Path

import pandas as pd
import pydicom

from helpers.table import (
    agree_within_patients,
    decode,
    decode_dates,
    decode_numbers,
    exclude,
    one_table,
    start_flow,
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

SBU_CLINICAL_FILE = "deidentified_overlap_tcia.csv.cleaned.csv_20210806.csv"
SBU_REQUIRED = [
    *["to_patient_id", "last.status", "age.splits", "gender_concept_name"],
    *["visit_start_datetime", "is_icu", "was_ventilated", "length_of_stay"],
]
# Only bands are published: lower end, upper end. Their middle stands for the age.
SBU_AGE_BANDS = {"[18,59]": (18, 59), "(59,74]": (59, 74), "(74,90]": (74, 90)}
SBU_VIEWS = {"AP": "AP", "PA": "PA", "LATERAL": "lateral", "LL": "lateral", "RL": "lateral"}
SBU_HEADER = {
    "patient_id": "PatientID",
    "study": "StudyInstanceUID",
    "study_date": "StudyDate",
    "study_description": "StudyDescription",
    "modality": "Modality",
    "series_number": "SeriesNumber",
    "view": "ViewPosition",
}

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
        If the folder or the table is missing.
    ValueError
        If the table lacks columns.
    """
    root = Path(root).absolute()
    raw = _read_table(root, "metadata.csv", "ieee8023", IEEE8023_REQUIRED)
    raw = raw.apply(lambda column: column.str.strip())
    numbers = {name: decode_numbers(raw[name]) for name in IEEE8023_NUMBERS}
    booleans = {
        name: decode(raw[name], YES_NO, unknown=NOT_STATED).astype("boolean")
        for name in IEEE8023_BOOLEANS
    }
    table = pd.DataFrame(
        {
            "patient_id": raw["patientid"],
            "image_path": [str(root / "images" / name) for name in raw["filename"]],
            "view": decode(raw["view"], IEEE8023_VIEWS, unknown=("", "?")).fillna("unknown"),
            "day": decode_numbers(raw["offset"]),
            "sex": decode(raw["sex"], {"F": "F", "M": "M"}, unknown=("", "?")),
            "age": decode_numbers(raw["age"]),
            "died": decode(raw["survival"], {"Y": False, "N": True}, unknown=NOT_STATED),
            **booleans,
            **numbers,
            **{name: raw[name].astype("string") for name in ("location", "license", "finding")},
        }
    )
    table["died"] = agree_within_patients(table, "died")
    present = table["image_path"].map(lambda path: Path(path).is_file())
    covid = (
        table["finding"].str.split(r"[/,]\s*", regex=True).map(lambda names: "COVID-19" in names)
    )
    checks = {
        "no X-ray (CT)": raw["modality"] != "X-ray",
        "not in images/ (volumes)": raw["folder"] != "images",
        "finding not yet recorded (todo)": table["finding"] == "todo",
        "finding is not COVID-19": ~covid,
        "lateral view": table["view"] == "lateral",
        "view unknown": table["view"] == "unknown",
        "picture file absent": ~present,
        "same file listed twice": table["image_path"].duplicated(),
    }
    return _eligible(one_table(table, "ieee8023"), checks)


def load_sbu(root: str | Path) -> pd.DataFrame:
    """Read the frontal chest films of COVID-19-NY-SBU and join them to the clinical table.

    Parameters
    ----------
    root
        Folder with the clinical CSV and, at any depth, one ``.dcm`` file per series.

    Returns
    -------
    pandas.DataFrame
        The one table; ``day`` is the study's date less the visit's start. ``age`` is the middle of
        ``age_band``. Further columns: ``study_description``, ``modality``, ``series_number``,
        ``companion`` (an enhanced copy of another film: it references one) and the clinical columns
        under their published names. Many of those are known only after the outcome.

    Raises
    ------
    FileNotFoundError
        If the folder, the clinical CSV or the films are missing.
    ValueError
        If the clinical CSV lacks columns or lists a patient twice.
    """
    root = Path(root).absolute()
    clinical = _read_table(root, SBU_CLINICAL_FILE, "sbu", SBU_REQUIRED)
    if clinical["to_patient_id"].duplicated().any():
        raise ValueError(
            f"{SBU_CLINICAL_FILE} must have one row a patient, but to_patient_id repeats. "
            "Put the file there as published."
        )
    headers = _read_headers(root)
    joined = headers.merge(clinical, left_on="patient_id", right_on="to_patient_id", how="left")
    known = joined["to_patient_id"].notna()
    study_day = decode_dates(joined["study_date"], format="%Y%m%d")
    visit_day = decode_dates(joined["visit_start_datetime"])
    bands = decode(joined["age.splits"], {band: band for band in SBU_AGE_BANDS})
    genders = {"MALE": "M", "FEMALE": "F"}
    outcomes = {"discharged": False, "deceased": True}
    table = pd.DataFrame(
        {
            "patient_id": joined["patient_id"],
            "image_path": joined["image_path"],
            "view": decode(joined["view"], SBU_VIEWS).fillna("unknown"),
            "day": (study_day - visit_day).dt.days,
            "sex": decode(joined["gender_concept_name"], genders),
            "age": bands.map(SBU_AGE_BANDS, na_action="ignore").map(_middle, na_action="ignore"),
            "died": decode(joined["last.status"], outcomes),
            "age_band": bands.astype("string"),
            "study": joined["study"],
            "study_description": joined["study_description"].astype("string"),
            "modality": joined["modality"].astype("string"),
            "series_number": decode_numbers(joined["series_number"]).astype("Int64"),
            "companion": joined["companion"],
            **{name: _typed(joined[name]) for name in clinical.columns.drop("to_patient_id")},
        }
    )
    checks = {
        "unreadable DICOM header": joined["unreadable"],
        "no radiograph (CR, DX)": ~joined["modality"].isin(["CR", "DX"]),
        "no row in the clinical table": ~known,
        "not a chest study": ~table["study_description"].str.contains(
            "CHEST", case=False, na=False
        ),
        "lateral view": table["view"] == "lateral",
        "view unknown": table["view"] == "unknown",
    }
    return _eligible(one_table(table, "sbu"), checks)


def load_hannover(root: str | Path) -> pd.DataFrame:
    """Read the frontal chest films of ml-workgroup/covid-19-image-repository.

    The publisher gives days until death, blank where none was recorded; this is read as survival,
    which may miss deaths after discharge. ``day`` counts from admission, ``went_icu`` is an
    intensive care admission at any time. Age is redacted.

    Raises
    ------
    FileNotFoundError
        If the folder or the table is missing.
    ValueError
        If the table lacks columns.
    """
    root = Path(root).absolute()
    raw = _read_table(root, "data.csv", "hannover", HANNOVER_REQUIRED)
    raw = raw.apply(lambda column: column.str.strip())
    died_after = decode_numbers(raw["death_offset"])
    died = raw.assign(died=died_after.notna()).groupby("patient_id")["died"]
    table = pd.DataFrame(
        {
            "patient_id": raw["patient_id"],
            "image_path": [str(root / "png" / f"{name}.png") for name in raw["image_id"]],
            "view": decode(raw["projection"].str.upper(), {"PA": "PA", "AP": "AP"}),
            "day": -decode_numbers(raw["admission_offset"]),
            "sex": decode(raw["sex"].str.upper(), {"M": "M", "F": "F", "W": "F"}),
            "age": decode_numbers(raw["age"]),
            "died": died.transform("any"),
            "went_icu": decode_numbers(raw["icu_admission_offset"]).notna(),
        }
    )
    table["view"] = table["view"].fillna("unknown")
    laboratory = [name for name in raw.columns if name.endswith("_val")]
    table = table.join(raw[laboratory].apply(decode_numbers))
    present = table["image_path"].map(lambda path: Path(path).is_file())
    checks = {
        "no chest X-ray (CR, DX)": ~raw["modality"].isin(["CR", "DX"]),
        "view unknown": table["view"] == "unknown",
        "picture file absent": ~present,
        "same film listed twice": table["image_path"].duplicated(),
    }
    return _eligible(one_table(table, "hannover"), checks)


def _eligible(table: pd.DataFrame, checks: dict[str, pd.Series]) -> pd.DataFrame:
    table = start_flow(table)
    for reason, unwanted in checks.items():
        table = exclude(table, unwanted.loc[table.index], reason)
    return table.reset_index(drop=True)


def _read_table(root: Path, name: str, cohort: str, required: list[str]) -> pd.DataFrame:
    path = root / name
    advice = (
        "download it from the page of DOI 10.7937/TCIA.BBAG-2923 and put it there"
        if cohort == "sbu"
        else f"fetch it with `python -m helpers.downloads {cohort}`"
    )
    if not path.is_file():
        raise FileNotFoundError(
            f"The {cohort} cohort needs {name} in {root.name}/, and it is not there: {advice}, "
            "or make the phantoms with `python -m phantoms`."
        )
    try:
        raw = pd.read_csv(path, dtype="string", keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{cohort}: {name} is no UTF-8 CSV table ({error}); {advice}.") from error
    missing = [column for column in required if column not in raw]
    if missing:
        raise ValueError(
            f"{cohort}: {name} lacks the columns {', '.join(missing)}; found "
            f"{', '.join(raw.columns[:8])} …. Put the file there as published: {advice}."
        )
    return raw


def _read_headers(root: Path) -> pd.DataFrame:
    paths = sorted(root.rglob("*.dcm"))
    if not paths:
        raise FileNotFoundError(
            f"The sbu cohort needs DICOM films (*.dcm) below {root.name}/, and there are none: "
            "see data/README.md for where they come from, or make the phantoms with "
            "`python -m phantoms`."
        )
    return pd.DataFrame([_read_header(path) for path in paths])


def _read_header(path: Path) -> dict[str, object]:
    tags = [*SBU_HEADER.values(), "ReferencedImageSequence"]
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
        values = {column: str(header.get(tag, "") or "") for column, tag in SBU_HEADER.items()}
        companion = bool(header.get("ReferencedImageSequence"))
    except Exception:  # pydicom raises a zoo of types on damaged files; a bad file becomes a row
        empty = dict.fromkeys(SBU_HEADER, "")
        return {"image_path": str(path), **empty, "companion": False, "unreadable": True}
    return {"image_path": str(path), **values, "companion": companion, "unreadable": False}


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
