"""The films of the New York collection: from their headers, or from the manifest of a download."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pydicom

from helpers.csv_files import read_csv
from helpers.dicom_file import plain_source
from helpers.dicom_silence import quiet
from helpers.files import MANIFEST, PIPE, is_pipe, require_text
from helpers.keys import keyed_name, load_key
from helpers.publishers import DAYS
from helpers.table import decode, decode_numbers

SBU_HEADER = {
    "patient_id": "PatientID",
    "study": "StudyInstanceUID",
    "study_date": "StudyDate",
    "study_description": "StudyDescription",
    "modality": "Modality",
    "series_number": "SeriesNumber",
    "view": "ViewPosition",
}
_UNREADABLE = "unreadable DICOM header"
MANIFEST_COLUMNS = (
    *("picture", "patient", "study", "day", "view", "modality", "series_number"),
    *("chest", "companion", "status", "reason"),
)
_REFUSED = {"quarantined": "in quarantine", "refused": "no readable film", "converted": ""}


def read_films(root: Path) -> pd.DataFrame:
    """Return a row a film, from headers or from the manifest, whose patients have keyed names."""
    if not (root / MANIFEST).is_file():
        return _read_headers(root)
    return _read_manifest(root)


def _read_manifest(root: Path) -> pd.DataFrame:
    try:
        films = read_csv(root / MANIFEST, MANIFEST_COLUMNS)
        if odd := sorted({*films["status"]} - {*_REFUSED}):
            raise ValueError(f"{MANIFEST} has the unknown status {odd[0]!r}")
    except ValueError as error:
        raise ValueError(
            f"sbu: {error}, so the one in {root.name}/ is damaged, or of another conversion. Fetch "
            "the cohort with `python -m helpers.downloads sbu`, or keep what else was converted in "
            "another folder."
        ) from error
    number = decode_numbers(films["series_number"], named=False)
    return pd.DataFrame(
        {
            "image_path": str(root / "films") + "/" + films["picture"],
            "patient_id": films["patient"],
            "study": films["study"],
            "days": decode_numbers(films["day"], between=DAYS),
            "study_description": decode(films["chest"], {"True": "CHEST", "False": "OTHER"}),
            "modality": films["modality"],
            "series_number": number.where(number % 1 == 0).astype("Int64").astype("string"),
            "view": films["view"].replace("unknown", ""),
            "companion": films["companion"] == "True",
            "refused": films["status"].map(_REFUSED),
        }
    )


def refusals(refused: pd.Series) -> list[str]:
    """Reasons for which films were refused, that of damaged headers even if there are none."""
    return sorted({_UNREADABLE, *refused[refused != ""]})


def names_of(patients: pd.Series, key: bytes | None) -> pd.Series:
    """Keyed names of patients, as a manifest has them; by the user's own key if None."""
    key = load_key() if key is None else key
    return patients.map(lambda number: keyed_name(key, "patient", number)).astype("string")


def dicom_files(root: Path) -> Iterator[Path]:
    """Yield the DICOM films below a folder, by their ending in any letters."""
    return root.rglob("*.[dD][cC][mM]")


def _read_headers(root: Path) -> pd.DataFrame:
    paths = sorted(dicom_files(root))
    if not paths:
        raise FileNotFoundError(
            f"The sbu cohort needs DICOM films (*.dcm) below {root.name}/, and there are none: "
            "fetch them with `python -m helpers.downloads sbu`, or make the phantoms with "
            "`python -m phantoms`."
        )
    require_text(paths)
    with quiet():
        return pd.DataFrame([_read_header(path) for path in paths])


def _read_header(path: Path) -> dict[str, object]:
    try:
        state = path.stat()
        found = _header(path, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    except Exception:  # pydicom raises a zoo of types on damaged files; a bad file becomes a row
        found = dict.fromkeys(SBU_HEADER, "") | {"companion": False, "refused": _UNREADABLE}
    return {"image_path": str(path), **found}


@lru_cache(maxsize=10_000)
def _header(path: Path, _state: tuple[int, ...]) -> dict[str, object]:
    """Read a header once, while the file is in this state: notebooks load a cohort repeatedly."""
    if is_pipe(path):
        raise ValueError(PIPE)
    tags = [*SBU_HEADER.values(), "ReferencedImageSequence"]
    with path.open("rb") as file:
        header = pydicom.dcmread(
            plain_source(file), stop_before_pixels=True, specific_tags=tags, force=True
        )
    values = {column: str(header.get(tag, "") or "") for column, tag in SBU_HEADER.items()}
    return {**values, "companion": bool(header.get("ReferencedImageSequence")), "refused": ""}
