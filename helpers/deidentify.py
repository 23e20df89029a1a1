"""Films into pictures that lead nobody back to a patient.

Of a file come out: a picture without metadata, named by a keyed hash, and one row of a manifest
whose columns are listed here. Each value in it is a number, a keyed hash, or a word of a list;
text of the header never is. Films that may show a name are held back, with the reason.

What headers cannot tell: `BurnedInAnnotation` is what somebody or some machine believed, and CR
films need not have it. Letters in a film that says NO, or says nothing, are found by eyes only: see
`helpers.review`.
"""

import shutil
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pandas as pd
from pydicom import Dataset

from helpers.dicom import ENDED_PROCESS, convert_film
from helpers.dicom_silence import quiet
from helpers.executors import in_order
from helpers.files import PIPE, is_pipe
from helpers.keys import keyed_name, load_key
from helpers.quarantine import (
    RADIOGRAPHS,
    patient_of,
    quarantine_reason,
    read_header,
    study_date,
    whose_and_when,
    word,
)
from helpers.sbu import SBU_VIEWS

__all__ = ["MANIFEST_TYPES", "deidentify", "deidentify_film", "quarantine_reason"]

MANIFEST_TYPES = {
    "film": "string",  # keyed hash of the file
    "picture": "string",  # its PNG, if it has one
    "patient": "string",  # keyed hashes of the numbers that the header gives
    "study": "string",
    "series": "string",
    "day": "Int64",  # of the study since the patient's day 0; no date
    "modality": "string",
    "view": "string",
    "series_number": "Int64",
    "chest": "boolean",  # whether the study's description says so
    "companion": "boolean",  # whether it references another picture
    "rows": "Int64",
    "columns": "Int64",
    "bits_stored": "Int64",
    "photometric": "string",
    "contrast": "string",
    "status": "string",  # converted, quarantined or refused
    "reason": "string",
}

_LARGEST_NUMBER = 999  # of a series; larger ones may be a hospital's numbers for something else


def deidentify(
    paths: Iterable[str | Path],
    out: str | Path,
    *,
    key: bytes | None = None,
    origins: Mapping[str, date] | None = None,
    size: int = 1024,
    derived_primary: bool = False,
    executor: Any = None,
) -> pd.DataFrame:
    """Convert films without their identifiers.

    Parameters
    ----------
    paths : iterable of str or pathlib.Path
        DICOM files.
    out : str or pathlib.Path
        Folder for the pictures, which are there when this returns; nothing else is written.
    key : bytes, optional
        For names; the user's own from `helpers.keys.load_key`, made at the first call, if None.
    origins : mapping of str to datetime.date, optional
        Day 0 of each patient, by the number in the header; if None, the date of the patient's first
        study among these films.
    size : int
        Pixels of the longer side.
    derived_primary : bool
        Accept films whose ImageType says DERIVED, PRIMARY: computed by the machine from its own
        raw data, as some makers' plain films are.
    executor : optional
        As for `helpers.dicom.convert`.

    Returns
    -------
    pandas.DataFrame
        The manifest: a row a path, in their order, in the columns of `MANIFEST_TYPES`.
    """
    names = [str(path) for path in paths]
    key = load_key(create=True) if key is None else key
    folder = Path(out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    tasks = (
        (path, folder, key, origin, size, derived_primary)
        for path, origin in zip(names, _day_zeros(names, origins), strict=True)
    )
    try:
        rows = list(in_order(deidentify_film, tasks, executor, lost=film_lost))
    finally:
        shutil.rmtree(folder / ".parts", ignore_errors=True)
    return manifest(rows)


def manifest(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Make the manifest of rows of :func:`deidentify_film`: the listed columns and no others."""
    return pd.DataFrame(rows, columns=list(MANIFEST_TYPES)).astype(MANIFEST_TYPES)


def deidentify_film(
    path: str,
    folder: Path,
    key: bytes,
    origin: date | None = None,
    size: int = 1024,
    derived_primary: bool = False,
) -> dict[str, Any]:
    """Convert one film into `folder`; top-level and never raising, for any executor's process.

    Parameters
    ----------
    path, folder, key, size, derived_primary
        As for :func:`deidentify`.
    origin : datetime.date, optional
        Day 0 of the film's patient.

    Returns
    -------
    dict
        A row of the manifest; ``disk`` if it was refused because of a full or failing disk.
    """
    row: dict[str, Any] = {"status": "refused"}
    with quiet():
        try:
            if is_pipe(path):
                return row | {"reason": PIPE}
            data = Path(path).read_bytes()
            row["film"] = keyed_name(key, "film", data)
            header = read_header(data)
            row |= _described(header, key, origin)
            if reason := quarantine_reason(header, derived_primary=derived_primary):
                return row | {"status": "quarantined", "reason": reason}
            return row | _picture(path, folder, row["film"], size)
        except OSError as error:
            row["disk"] = True
            reason = f"The file cannot be read or written: {error.strerror}."
        except Exception as error:  # one bad film must not end the run; messages may quote values
            reason = f"The file has no header that can be read ({type(error).__name__})."
    return row | {"reason": reason}


def film_lost(*_: Any) -> dict[str, Any]:
    """Return the row of a film that ends each process that converts it."""
    return {"status": "refused", "reason": ENDED_PROCESS}


def _picture(path: str, folder: Path, name: str, size: int) -> dict[str, Any]:
    """Convert a film in a folder of its own, then give the picture its keyed name."""
    png = folder / f"{name}-{size}.png"
    # Two workers may have the same film at the same time, so each has a folder of its own.
    (folder / ".parts").mkdir(exist_ok=True)
    parts = Path(mkdtemp(dir=folder / ".parts"))
    try:
        made = convert_film(path, parts, parts, size)
        if "reason" in made:
            return {name: made[name] for name in ("reason", "disk") if name in made}
        (parts / made["picture"]).replace(png)
        kept = ("rows", "columns", "bits_stored", "photometric", "contrast")
        return {"picture": png.name, "status": "converted"} | {name: made[name] for name in kept}
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def _described(header: Dataset, key: bytes, origin: date | None) -> dict[str, Any]:
    """Return what the manifest tells of a header."""
    patient = patient_of(header)
    studied = study_date(header)
    number = _number(header.get("SeriesNumber"))
    modality, view = word(header, "Modality"), word(header, "ViewPosition")
    return {
        "patient": keyed_name(key, "patient", patient) if patient else pd.NA,
        "study": keyed_name(key, "study", str(header.get("StudyInstanceUID", ""))),
        "series": keyed_name(key, "series", str(header.get("SeriesInstanceUID", ""))),
        "day": (studied - origin).days if studied and origin else pd.NA,
        "modality": modality if modality in RADIOGRAPHS else "other",
        "view": view if view in SBU_VIEWS else "unknown",
        "series_number": number if number is not None else pd.NA,
        "chest": "CHEST" in str(header.get("StudyDescription", "")).upper(),
        "companion": bool(header.get("ReferencedImageSequence")),
    }


def _day_zeros(paths: list[str], given: Mapping[str, date] | None) -> list[date | None]:
    """Return day 0 of each film's patient: as given, or the date of the first study among these."""
    seen = [_whose_and_when(path) for path in paths]
    if given is not None:
        return [given.get(patient) for patient, _ in seen]
    first: dict[str, date] = {}
    for patient, studied in seen:
        if studied and patient:  # those without a number need not be one person
            first[patient] = min(studied, first.get(patient, studied))
    return [first.get(patient) for patient, _ in seen]


def _whose_and_when(path: str) -> tuple[str, date | None]:
    with quiet():
        try:
            if is_pipe(path):
                return "", None
            with Path(path).open("rb") as file:
                return whose_and_when(file)
        except Exception:  # deidentify_film says what is wrong with it
            return "", None


def _number(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number <= _LARGEST_NUMBER else None
