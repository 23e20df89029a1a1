"""Fetching the New York collection: films from the Imaging Data Commons, streamed into pictures."""

import logging
import shutil
from concurrent.futures import Executor
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import pandas as pd

from helpers.archive import ArchiveError, Conversion, picture_bytes, working_bytes
from helpers.clinical import SBU_CLINICAL_FILE, SBU_PAGE, ClinicalTableError, check_published
from helpers.cohorts import select_index_films
from helpers.executors import ProcessPool
from helpers.files import MANIFEST
from helpers.idc import agrees, load_index, read_index, read_stays, within_stay
from helpers.keys import NoKey, load_key
from helpers.object_store import ENDPOINT, ObjectStore, StoreError
from helpers.repositories import DownloadError, megabytes_in, require_room
from helpers.sbu_films import dicom_files

__all__ = ["candidates", "fetch_sbu"]

_ASK = """The clinical table of Stony Brook (COVID-19-NY-SBU) is not there, and has to be fetched by
hand, because it lies behind a page and not at a stable address:
  1. open {page}
  2. download {name}
  3. put it, unchanged, into {folder}
Then repeat this command; it fetches the films."""

_log = logging.getLogger(__name__)


def fetch_sbu(
    target: Path,
    *,
    every: bool = False,
    size: int = 1024,
    endpoint: str | None = None,
    processes: int = 1,
    progress: bool = True,
) -> Path:
    """Fetch the films that are predicted from, or all, and keep pictures of them.

    Parameters
    ----------
    target : pathlib.Path
        Folder of the collection, with the clinical table in it.
    every : bool
        All 14,132 radiographs (216 GB pass through) instead of one a patient (about 21 GB).
    size : int
        Pixels of a picture's longer side.
    endpoint : str, optional
        Address of the object store.
    processes : int
        That convert; 1 converts in this one.
    progress : bool
        Show films, GB, rate and time left.

    Returns
    -------
    pathlib.Path
        `target`, with ``films/`` and ``manifest.csv``.

    Raises
    ------
    DownloadError
        If the clinical table is missing or not the published one, the disk is too small, the store
        cannot be reached or lacks films. What is done is kept; the same call goes on from there.
    """
    if not (target / SBU_CLINICAL_FILE).is_file():
        raise DownloadError(_ASK.format(page=SBU_PAGE, name=SBU_CLINICAL_FILE, folder=target))
    try:
        clinical = check_published(target / SBU_CLINICAL_FILE)
        if not (target / MANIFEST).is_file() and next(dicom_files(target), None):
            return target  # films that the user has brought, as DICOM
        series, origins = _chosen(read_index(), clinical, every)
        films = len(series) if every else series["patient_id"].nunique()
        _require_disk(target, films, size)
        pool: nullcontext[None] | Executor = (
            ProcessPool(processes) if processes > 1 else nullcontext()
        )
        with pool as executor:
            conversion = Conversion(
                target,
                ObjectStore(endpoint or ENDPOINT),
                load_key(create=True),
                origins,
                size=size,
                executor=executor,
                progress=progress,
            )
            table = conversion.every(series) if every else conversion.first_eligible(series)
    except (ArchiveError, ClinicalTableError, NoKey, StoreError) as error:
        raise DownloadError(str(error)) from error
    except OSError as error:
        raise DownloadError(f"Writing the films failed: {error.strerror}.") from error
    _log.info(
        "%s", ", ".join(f"{n:,} {name}" for name, n in table["status"].value_counts().items())
    )
    return target


def candidates(index: pd.DataFrame, stays: pd.DataFrame | None) -> pd.DataFrame:
    """Return the series to try for each patient, the likeliest index film first.

    That is the one that `select_index_films` chooses; after it, because only headers know
    companions, the patient's other films of the stay, by day and series number.
    """
    table = load_index(index, stays)
    first = select_index_films(table)["series"]
    others = table[within_stay(table)].sort_values(["patient_id", "day", "study", "series_number"])
    ranked = others.assign(rank=~others["series"].isin(first))
    return ranked.sort_values(["patient_id", "rank"], kind="stable", ignore_index=True)


def _chosen(
    index: pd.DataFrame, clinical: pd.DataFrame, every: bool
) -> tuple[pd.DataFrame, dict[str, date]]:
    """Return the series to fetch, and each patient's day 0."""
    stays: pd.DataFrame | None = read_stays(clinical)
    if stays is not None and not agrees(index, stays):
        _log.warning(
            "The dates of films and stays do not go together for most patients; they seem to be "
            "shifted apart. Days count from each patient's first study instead of admission."
        )
        stays = None
    first = index.groupby("patient_id")["study_date"].min()
    start = first if stays is None else first.index.to_series().map(stays["start"])
    origins = {str(patient): day.date() for patient, day in start.dropna().items()}
    return index if every else candidates(index, stays), origins


def _require_disk(target: Path, films: int, size: int) -> None:
    """Say what the run will take, and refuse it without room for that."""
    pictures, beside = picture_bytes(films, size) / 1e6, working_bytes() / 1e6
    here = megabytes_in(target)
    free = shutil.disk_usage(target).free / 1e6
    _log.info(
        "%s pictures of up to %s pixels will take about %s MB and stay, %s MB of it there already; "
        "DICOM files pass through, at most %s MB at a time. Free disk: %s MB.",
        *(f"{number:,.0f}" for number in (films, size, pictures, here, beside, free)),
    )
    require_room(pictures + beside - here, free, target, "choose smaller pictures with --size")
