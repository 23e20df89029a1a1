"""Series of an archive onto the disk, a batch at a time, the next one on its way meanwhile."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from helpers.object_store import ObjectMissing, ObjectStore, StoreError

__all__ = ["BATCH", "downloaded"]

BATCH = 400_000_000  # bytes of DICOM files; two batches are on disk at a time
_CONNECTIONS = 4


def downloaded(
    todo: pd.DataFrame, folder: Path, store: ObjectStore, size: int = BATCH
) -> Iterator[tuple[pd.DataFrame, list[Path | None]]]:
    """Yield batches with their files, which are deleted when the next batch is asked for.

    Parameters
    ----------
    todo : pandas.DataFrame
        Series of one film, with the columns ``url`` and ``megabytes`` of `helpers.idc.read_index`.
    folder : pathlib.Path
        For the files; removed at the end, and on any failure.
    store : ObjectStore
        Where they come from.
    size : int
        Bytes of a batch; one film more at most.

    Yields
    ------
    batch : pandas.DataFrame
        Rows of `todo`.
    files : list of pathlib.Path or None
        The file of each row; None where the store does not have it.

    Raises
    ------
    StoreError
        If the store cannot be reached, or has a file of another size than the index says.
    """
    before = todo["megabytes"].cumsum() - todo["megabytes"]
    numbers = (before * 1e6 // size).astype(int).to_numpy()
    batches = [batch for _, batch in todo.groupby(numbers, sort=True)]
    stop = threading.Event()
    with ThreadPoolExecutor(1) as background:

        def start(number: int) -> Future[list[Path | None]]:
            return background.submit(_fetch, batches[number], folder / str(number), store, stop)

        try:
            pending = start(0) if batches else None
            for number, batch in enumerate(batches):
                assert pending is not None
                files = pending.result()
                pending = start(number + 1) if number + 1 < len(batches) else None
                yield batch, files
                shutil.rmtree(folder / str(number))
        finally:
            stop.set()  # a download under way ends with the file that it is at
            background.shutdown(wait=True)
            shutil.rmtree(folder, ignore_errors=True)


def _fetch(
    batch: pd.DataFrame, folder: Path, store: ObjectStore, stop: threading.Event
) -> list[Path | None]:
    """Download one batch over several connections, under names that say nothing."""
    folder.mkdir(parents=True, exist_ok=True)

    def fetch_one(position: int) -> Path | None:
        if stop.is_set():
            return None
        row = batch.iloc[position]
        path = folder / f"{position:05d}"  # no .dcm: it is no film that a user brought
        return path if _fetch_one(row["url"], round(row["megabytes"] * 1e6), path, store) else None

    with ThreadPoolExecutor(_CONNECTIONS) as connections:
        return list(connections.map(fetch_one, range(len(batch))))


def _fetch_one(url: str, expected: int, path: Path, store: ObjectStore) -> bool:
    """Download the one file of a series; return whether the store has it."""
    try:
        file, *others = store.find(url)
        if others:
            raise StoreError(f"Expected a series of one film, found {1 + len(others)} files.")
        if file.size != expected:
            raise StoreError(
                f"The index says {expected:,} bytes for a film, the store {file.size:,}. The "
                "archive may have moved on: update the package idc-index-data."
            )
        store.download(file, path)
    except ObjectMissing:
        return False
    return True
