"""The films of the New York collection: from their headers, or from the manifest of a download."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pydicom

from helpers.dicom_file import plain_source
from helpers.dicom_silence import quiet
from helpers.files import MANIFEST, PIPE, is_pipe, require_text
from helpers.keys import keyed_name, load_key

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


def read_films(root: Path) -> pd.DataFrame:
    """Return a row a film, from headers or from the manifest, whose patients have keyed names."""
    if not (root / MANIFEST).is_file():
        return _read_headers(root)
    text = ["picture", "patient", "study", "view", "modality", "status", "reason"]
    types = dict.fromkeys(text, "string") | dict.fromkeys(["chest", "companion"], "boolean")
    films = pd.read_csv(root / MANIFEST, dtype=types)
    lacking = sorted({*types, "day", "series_number"} - {*films})
    if lacking:
        raise ValueError(
            f"sbu: {MANIFEST} in {root.name}/ lacks the columns {', '.join(lacking)}, so it is of "
            "another conversion. Fetch the cohort with `python -m helpers.downloads sbu`, or keep "
            "what else was converted in another folder."
        )
    return pd.DataFrame(
        {
            "image_path": str(root / "films") + "/" + films["picture"].fillna(""),
            "patient_id": films["patient"],
            "study": films["study"],
            "days": films["day"],
            "study_description": films["chest"].map({True: "CHEST", False: "OTHER"}),
            "modality": films["modality"],
            "series_number": films["series_number"].astype("Int64").astype("string"),
            "view": films["view"].replace("unknown", ""),
            "companion": films["companion"].fillna(False).astype(bool),
            "refused": films["status"].map(
                {"quarantined": "in quarantine", "refused": "no readable film", "converted": ""}
            ),
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
