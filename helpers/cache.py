"""A store of preprocessed films, so that an epoch of training reads no picture file.

Films are kept one behind the other in one flat file of uint8; an SQLite table says which film, by
the SHA-256 of its file's content, is where. A film's row is committed only after its pixels are on
disk, so that a process killed at any moment leaves a store that is right, and the next one goes on.
"""

import errno
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers.paths import PROJECT
from helpers.pixels import (
    PREPROCESSING,
    READING,
    UnreadableRadiograph,
    preprocess,
    read_radiograph,
)

BATCH = 64  # films between two commits

SCHEMA = """
CREATE TABLE IF NOT EXISTS film (key TEXT PRIMARY KEY, row INTEGER, reason TEXT);
CREATE TABLE IF NOT EXISTS file (path TEXT PRIMARY KEY, bytes INTEGER, mtime INTEGER, key TEXT);
"""


class CacheError(RuntimeError):
    """The store cannot be used as it is, for example because the disk is full."""


class _Prepared(NamedTuple):
    path: str
    bytes: int
    mtime: int
    key: str
    pixels: np.ndarray | None
    reason: str | None


class FilmCache:
    """Preprocessed films of one size, keyed by content.

    Parameters
    ----------
    size
        Side of the square films in px.
    folder
        Where the store lives; ``data/work/cache`` by default.

    Raises
    ------
    CacheError
        If the disk is full, or the store damaged; so do the methods.
    """

    def __init__(self, size: int, folder: str | Path | None = None) -> None:
        self.size = size
        folder = Path(folder or PROJECT / "data" / "work" / "cache")
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{PREPROCESSING}-reading{READING}-{size}"
        self._pixels = folder / f"{name}.u8"
        self._index = folder / f"{name}.sqlite"
        self._pixels.touch()
        with self._open() as index:
            index.executescript(SCHEMA)
            self._forget_lost_films(index)

    def add(self, paths: Sequence[str], *, progress: bool = True) -> pd.DataFrame:
        """Make sure that films are in the store; only new or changed files are read.

        And those that could not be read the last time: the series may have learned how since.

        Parameters
        ----------
        paths
            Files of any format that :func:`helpers.pixels.read_radiograph` reads.
        progress
            Show a progress bar while films are added.

        Returns
        -------
        pandas.DataFrame
            A row per path, in the same order: ``image_path``, ``row`` in :meth:`films` (NA if the
            film could not be read, or not be opened) and the ``reason`` why not.

        Raises
        ------
        FileNotFoundError
            If a file does not exist.
        """
        with self._open() as index:
            new = [path for path in dict.fromkeys(paths) if not self._is_current(index, path)]
            show = progress and bool(new)
            bar = tqdm(total=len(new), desc="Preparing films", unit="film", disable=not show)
            with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
                for start in range(0, len(new), BATCH):
                    prepared = list(pool.map(self._prepare, new[start : start + BATCH]))
                    self._store(index, prepared)
                    bar.update(len(prepared))
            rows = pd.DataFrame(self._rows(index, paths), columns=["image_path", "row", "reason"])
            return rows.astype({"row": "Int64", "reason": "string"})

    def films(self) -> np.ndarray:
        """Return all stored films as a read-only memory map: uint8, shape (rows, size, size)."""
        rows = self._pixels.stat().st_size // self.size**2
        if rows == 0:
            return np.zeros((0, self.size, self.size), np.uint8)
        return np.memmap(self._pixels, np.uint8, "r", shape=(rows, self.size, self.size))

    def _forget_lost_films(self, index: sqlite3.Connection) -> None:
        """Start again if somebody removed the pixels, or part of them, but not the index."""
        index.execute("BEGIN IMMEDIATE")
        (rows,) = index.execute("SELECT COUNT(row) FROM film").fetchone()
        if self._pixels.stat().st_size < rows * self.size**2:
            index.execute("DELETE FROM film")
            index.execute("DELETE FROM file")
        index.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            # Two processes may fill the same store: each waits for the other's transaction.
            index = sqlite3.connect(self._index, timeout=60, isolation_level=None)
            with closing(index):
                yield index
        except (sqlite3.DatabaseError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            folder = f"{self._index.parent.parent.name}/{self._index.parent.name}"
            raise CacheError(
                f"The prepared films in {folder} cannot be used ({error}). If the disk is full, "
                "make room; if it is locked, wait for the other program; otherwise delete that "
                "folder: it is made anew."
            ) from error

    def _is_current(self, index: sqlite3.Connection, path: str) -> bool:
        status = Path(path).stat()
        query = "SELECT bytes, mtime FROM file JOIN film USING (key) WHERE path = ? AND row NOTNULL"
        known = index.execute(query, (path,)).fetchone()
        return known == (status.st_size, status.st_mtime_ns)

    def _prepare(self, path: str) -> _Prepared:
        status, key, pixels, reason = Path(path).stat(), path, None, None
        try:
            data = Path(path).read_bytes()
            key = hashlib.sha256(data).hexdigest()
            pixels = preprocess(read_radiograph(data), self.size)
        except PermissionError:
            reason = "The file may not be opened: its permissions forbid it."
        except UnreadableRadiograph as error:
            reason = str(error)
        return _Prepared(path, status.st_size, status.st_mtime_ns, key, pixels, reason)

    def _store(self, index: sqlite3.Connection, batch: list[_Prepared]) -> None:
        index.execute("BEGIN IMMEDIATE")
        try:
            with self._pixels.open("r+b") as file:
                for film in batch:
                    self._store_one(index, film, file)
                file.flush()
                os.fsync(file.fileno())
            index.execute("COMMIT")
        except BaseException:
            if index.in_transaction:  # SQLite ends one itself that a full disk has no room for
                index.execute("ROLLBACK")
            raise

    def _store_one(self, index: sqlite3.Connection, film: _Prepared, file) -> None:
        readable = "SELECT 1 FROM film WHERE key = ? AND row NOTNULL"
        if not index.execute(readable, (film.key,)).fetchone():
            row = None
            if film.pixels is not None:
                (row,) = index.execute("SELECT COUNT(row) FROM film").fetchone()
                file.seek(row * self.size**2)
                file.write(film.pixels.tobytes())
            entry = (film.key, row, film.reason)
            index.execute("INSERT OR REPLACE INTO film VALUES (?, ?, ?)", entry)
        index.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)", film[:4])

    def _rows(self, index: sqlite3.Connection, paths: Sequence[str]) -> Iterator[dict]:
        query = "SELECT row, reason FROM file JOIN film USING (key) WHERE path = ?"
        for path in paths:
            row, reason = index.execute(query, (path,)).fetchone()
            yield {"image_path": path, "row": row, "reason": reason}
