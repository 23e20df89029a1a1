"""Films into pictures that lead nobody back to a patient.

Of a file come out: a picture without metadata, named by a keyed hash, and one row of a manifest
whose columns are listed here. Each value in it is a number, a keyed hash, or a word of a list;
text of the header never is. Films that may show a name are held back, with the reason.

What headers cannot tell: `BurnedInAnnotation` is what somebody or some machine believed, and most
films lack it. Letters in a film that says NO, or says nothing, are found by eyes only: see
`helpers.review`.
"""

import re
import shutil
import warnings
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, Future
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from pydicom import Dataset, dcmread

from helpers.dicom import convert
from helpers.keys import keyed_name, load_key
from helpers.sbu import SBU_VIEWS

__all__ = ["MANIFEST_TYPES", "deidentify", "deidentify_film", "quarantine_reason"]

MANIFEST_TYPES = {
    "film": "string",  # name of the picture: a keyed hash of the file
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
STATUSES = ("converted", "quarantined", "refused")

_RADIOGRAPHS = ("CR", "DX")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and its kinds .1 to .4 (PS3.4 B.5)
_LARGEST_NUMBER = 999  # of a series; larger ones may be a hospital's numbers for something else
_IN_FLIGHT = 64
_HEADER = [
    *["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "StudyDate", "StudyDescription"],
    *["Modality", "ViewPosition", "SeriesNumber", "ReferencedImageSequence"],
    *["BurnedInAnnotation", "RecognizableVisualFeatures", "SOPClassUID", "ConversionType"],
    "ImageType",
]


def deidentify(
    paths: Iterable[str | Path],
    out: str | Path,
    *,
    key: bytes | None = None,
    origins: Mapping[str, date] | None = None,
    size: int = 1024,
    derived_primary: bool = False,
    executor: Executor | None = None,
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
        Day 0 of each patient, by the number in the header. If None the paths are read twice, and
        the date of a patient's first study among them is day 0.
    size : int
        Pixels of the longer side.
    derived_primary : bool
        Accept films whose ImageType says DERIVED, PRIMARY: computed by the machine from its own
        raw data, as some makers' plain films are.
    executor : concurrent.futures.Executor, optional
        As for `helpers.dicom.convert`.

    Returns
    -------
    pandas.DataFrame
        The manifest: a row a path, in their order, in the columns of `MANIFEST_TYPES`.
    """
    paths = [str(path) for path in paths]
    key = load_key(create=True) if key is None else key
    if origins is None:
        origins = _first_studies(paths)
    folder = Path(out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    pending: deque[Future[dict[str, Any]]] = deque()
    try:
        for path in paths:
            arguments = (path, folder, key, origins, size, derived_primary)
            if executor is None:
                rows.append(deidentify_film(*arguments))
                continue
            pending.append(executor.submit(deidentify_film, *arguments))
            if len(pending) >= _IN_FLIGHT:
                rows.append(pending.popleft().result())
        rows.extend(future.result() for future in pending)
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
    origins: Mapping[str, date] | date | None = None,
    size: int = 1024,
    derived_primary: bool = False,
) -> dict[str, Any]:
    """Convert one film into `folder`; top-level and never raising, for any executor's process.

    Returns
    -------
    dict
        A row of the manifest.
    """
    row: dict[str, Any] = {"status": "refused"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote the values that they are about
        try:
            data = Path(path).read_bytes()
            row["film"] = keyed_name(key, "film", data)
            header = _read_header(data)
            row |= _described(header, key, origins)
            if reason := quarantine_reason(header, derived_primary=derived_primary):
                return row | {"film": pd.NA, "status": "quarantined", "reason": reason}
            return row | _picture(path, folder, row["film"], size)
        except OSError as error:
            reason = f"The file cannot be read or written: {error.strerror}."
        except Exception as error:  # one bad film must not end the run; messages may quote values
            reason = f"The file has no header that can be read ({type(error).__name__})."
    return row | {"film": pd.NA, "reason": reason}


def quarantine_reason(header: Dataset, *, derived_primary: bool = False) -> str | None:
    """Say why a film must be looked at before it may leave, by its header; None if nothing says so.

    Sources: Burned In Annotation and Image Type, PS3.3 C.7.6.1.1; Recognizable Visual Features,
    C.7.6.1; Secondary Capture, PS3.4 B.5 and Conversion Type, PS3.3 C.8.6.1.
    """
    if _word(header, "BurnedInAnnotation") == "YES":
        return "BurnedInAnnotation says YES: letters in the picture may name the patient."
    if _word(header, "RecognizableVisualFeatures") == "YES":
        return "RecognizableVisualFeatures says YES: the patient may be known by the picture."
    if str(header.get("SOPClassUID", "")).startswith(_SECONDARY_CAPTURE):
        return "Secondary capture: a screen shot or a scan, which often shows names."
    if header.get("ConversionType"):
        return "Secondary capture (ConversionType): a scan or a photograph of a film."
    if _word(header, "Modality") not in _RADIOGRAPHS:
        return "The modality is neither CR nor DX: no plain radiograph."
    kind = [str(word).strip().upper() for word in _list(header.get("ImageType"))]
    if "SECONDARY" in kind[1:2]:
        return "Derived image (ImageType SECONDARY): made from another picture, perhaps with text."
    if "DERIVED" in kind[:1] and not derived_primary:
        return "Derived image (ImageType DERIVED): computed, perhaps with text."
    return None


def _picture(path: str, folder: Path, name: str, size: int) -> dict[str, Any]:
    """Convert a film in a folder of its own, then give the picture its keyed name."""
    png = folder / f"{name}-{size}.png"
    # Two paths may hold the same film at the same time, so the folder is named by the path.
    parts = folder / ".parts" / keyed_name(b"", "path", path)
    try:
        made = convert([path], parts, size=size).loc[0]
        if pd.notna(made["reason"]):
            # A header's number of frames is text that anybody may have typed.
            return {"film": pd.NA, "reason": re.sub(r"\d{5,}", "many", made["reason"])}
        Path(made["png_path"]).replace(png)
        kept = ("rows", "columns", "bits_stored", "photometric", "contrast")
        return {"film": png.name, "status": "converted"} | {name: made[name] for name in kept}
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def _described(
    header: Dataset, key: bytes, origins: Mapping[str, date] | date | None
) -> dict[str, Any]:
    """Return what the manifest tells of a header."""
    patient = _identity(header)
    origin = origins.get(patient) if isinstance(origins, Mapping) else origins
    studied = _date(header)
    number = _number(header.get("SeriesNumber"))
    modality, view = _word(header, "Modality"), _word(header, "ViewPosition")
    return {
        "patient": keyed_name(key, "patient", patient),
        "study": keyed_name(key, "study", str(header.get("StudyInstanceUID", ""))),
        "series": keyed_name(key, "series", str(header.get("SeriesInstanceUID", ""))),
        "day": (studied - origin).days if studied and origin else pd.NA,
        "modality": modality if modality in _RADIOGRAPHS else "other",
        "view": view if view in SBU_VIEWS else "unknown",
        "series_number": number if number is not None else pd.NA,
        "chest": "CHEST" in str(header.get("StudyDescription", "")).upper(),
        "companion": bool(header.get("ReferencedImageSequence")),
    }


def _first_studies(paths: list[str]) -> dict[str, date]:
    """Return the date of each patient's first study among some files."""
    first: dict[str, date] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in paths:
            try:
                tags = ["PatientID", "StudyDate"]
                header = dcmread(path, stop_before_pixels=True, specific_tags=tags)
                patient, studied = _identity(header), _date(header)
            except Exception:  # deidentify_film says what is wrong with it
                continue
            if studied:
                first[patient] = min(studied, first.get(patient, studied))
    return first


def _read_header(data: bytes) -> Dataset:
    if data[128:132] != b"DICM":
        raise ValueError("no DICOM file")
    return dcmread(BytesIO(data), stop_before_pixels=True, specific_tags=_HEADER)


def _identity(header: Dataset) -> str:
    return str(header.get("PatientID", "") or "").strip()


def _date(header: Dataset) -> date | None:
    text = str(header.get("StudyDate", "") or "").strip()
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None


def _number(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number <= _LARGEST_NUMBER else None


def _word(header: Dataset, name: str) -> str:
    return str(header.get(name, "") or "").strip().upper()


def _list(value: Any) -> list[Any]:
    if value is None or isinstance(value, str):
        return [] if not value else [value]
    return list(value)
