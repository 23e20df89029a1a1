"""What a run over many films has done, on disk: rows in batches while it runs, then one table.

A run that was killed finds out by names alone what is left: no film is read twice for it, and of
each no more than a few bytes are held in memory.
"""

import csv
import os
import shutil
import sys
import time
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import pandas as pd

from helpers.dicom_picture import CONVERSION
from helpers.files import MANIFEST

__all__ = ["FolderInUse", "Ledger"]

# A picture's size (pixels) and how it was made of a film; of the film's file, in bytes and ns.
_HOW = "conversion"
_KNOWN_BY = ["size", _HOW, "bytes", "modified"]
_BATCH = 200  # rows
_SECONDS = 5.0  # that rows wait at most
_PIECE = 10_000  # rows


class FolderInUse(RuntimeError):
    """Another run writes into this folder."""


class Ledger:
    """The rows of one folder of pictures, one for each film and size.

    While a run is in it, the hidden folder ``.rows`` holds batches of rows and the temporary files
    of pictures; at the end ``manifest.csv`` has all rows, in the order in which they came first.
    A film is done if its row is there, its file has the size and time of then, its picture exists,
    and films still give the pictures that they gave. Rows that say ``"again": True`` are written
    but never count as done.

    Parameters
    ----------
    folder : pathlib.Path
        Of the pictures; made if missing.
    columns : list of str
        Of the rows: ``image_path``, ``picture`` (a name in `folder`, or None) and others.
    size : int
        Pixels of a picture's longer side.

    Raises
    ------
    FolderInUse
        On entering, if another run is in the folder.
    """

    def __init__(self, folder: Path, columns: list[str], size: int) -> None:
        self.manifest = folder / MANIFEST
        self.parts = folder / ".rows" / "parts"
        self._folder, self._rows, self._size = folder, folder / ".rows", size
        self._columns = [*columns, *_KNOWN_BY]
        self._path, self._picture = columns.index("image_path"), columns.index("picture")
        self._asked = array("Q")  # keys in the order of this run
        self._under_way: deque[list[Any]] = deque()
        self._fresh: list[list[Any]] = []
        self._saved = time.monotonic()

    def __enter__(self) -> "Ledger":
        self._rows.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._rows / "lock")
        shutil.rmtree(self.parts, ignore_errors=True)  # of a run that was killed
        self.parts.mkdir()
        self._batches = sorted(self._rows.glob("*.csv"))
        self._keys, self._stamps = self._done()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            self._save()
            if kind is None:
                self._finish()
        finally:
            self._lock.close()
        if kind is None:
            shutil.rmtree(self._rows)

    def undone(self, paths: Iterable[str | Path]) -> Iterator[str]:
        """Yield the paths whose films are left to do; all are remembered, in their order."""
        for path in map(str, paths):
            key = _key(path, self._size)
            known = [self._size, CONVERSION, *_file_of(path)]
            self._asked.append(key)
            at = bisect_left(self._keys, key)
            if at < len(self._keys) and self._keys[at] == key and self._stamps[at] == _hash(known):
                continue
            self._under_way.append(known)
            yield path

    def add(self, row: dict[str, Any]) -> None:
        """Keep the row of the oldest film that `undone` gave out and that has none yet."""
        known = self._under_way.popleft()
        if row.get("again"):
            known = [self._size, CONVERSION, "", ""]
        self._fresh.append([*(row.get(name) for name in self._columns[: -len(known)]), *known])
        if len(self._fresh) >= _BATCH or time.monotonic() - self._saved > _SECONDS:
            self._save()

    def read(self, types: dict[str, Any]) -> pd.DataFrame:
        """Return the rows of this run's films in their order, after it; columns as in `types`."""
        if not self._asked:
            return pd.DataFrame(columns=list(types)).astype(types)
        pieces = pd.read_csv(
            self.manifest,
            dtype=types,
            usecols=list(types),
            keep_default_na=False,
            na_values=[""],
            encoding_errors="surrogateescape",
            chunksize=_PIECE,  # all at once, they would be held as text
        )
        table = pd.concat(pieces, ignore_index=True)
        return table.iloc[self._positions()].reset_index(drop=True)

    def _positions(self) -> np.ndarray:
        """Return int64 (films of this run,): where in the manifest the row of each is."""
        keys = np.fromiter((key for key, _ in self._all()), np.uint64)
        order = np.argsort(keys)
        return order[np.searchsorted(keys, np.asarray(self._asked, np.uint64), sorter=order)]

    def _save(self) -> None:
        """Write the rows that are new, so that a killed run finds them."""
        self._saved = time.monotonic()
        if self._fresh:
            path = self._rows / f"{len(self._batches):06d}.csv"
            self._write(path, self._fresh)
            self._batches.append(path)
            self._fresh = []

    def _finish(self) -> None:
        """Make one table of all batches; of films with several rows the last one stays."""
        if self._batches:
            keys, times = np.unique(
                np.fromiter((key for key, _ in self._all()), np.uint64), return_counts=True
            )
            several = set(keys[times > 1].tolist())
            last = {key: row for key, row in self._all() if key in several} if several else {}
            self._write(self.manifest, self._once(several, last))
            self._batches = []

    def _once(self, several: set[int], last: dict[int, list[str]]) -> Iterator[list[str]]:
        for key, row in self._all():
            if key not in several:
                yield row
            elif key in last:
                yield last.pop(key)

    def _done(self) -> tuple[array, array]:
        """Return the keys of all rows, sorted, and what their films were known by."""
        there = np.fromiter((_hash([entry.name]) for entry in os.scandir(self._folder)), np.uint64)
        rows = np.fromiter(
            (
                (key, _hash(row[-len(_KNOWN_BY) :]), _hash([row[self._picture]]))
                for key, row in self._all()
            ),
            [("key", "u8"), ("stamp", "u8"), ("picture", "u8")],
        )
        gone = ~np.isin(rows["picture"], np.append(there, np.uint64(_hash([""]))))
        rows["stamp"][gone] = 0
        keys, last = np.unique(rows["key"][::-1], return_index=True)
        return array("Q", keys.tobytes()), array("Q", rows["stamp"][::-1][last].tobytes())

    def _all(self) -> Iterator[tuple[int, list[str]]]:
        """Yield every row that is on disk with its key."""
        for path in [self.manifest, *self._batches]:
            if not path.exists():
                continue
            with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
                rows = csv.reader(file)
                columns = next(rows, None)
                if columns == [name for name in self._columns if name != _HOW]:
                    continue  # of a version that did not say how: nothing there is done
                if columns != self._columns:
                    raise ValueError(
                        f"expected in {path.name} the columns {', '.join(self._columns)}; this one "
                        "was made by another version or by hand. Move it away, or use a new folder."
                    )
                for row in rows:
                    yield _key(row[self._path], row[-len(_KNOWN_BY)]), row

    def _write(self, path: Path, rows: Iterable[list[Any]]) -> None:
        part = self.parts / path.name
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            # "\r\n" lets it quote either of the two in the name of a film, as in macOS's "Icon\r"
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(self._columns)
            writer.writerows(rows)
        part.replace(path)


def _hash(values: Iterable[Any]) -> int:
    """Return 64 bits that stand for values; of a million, two are equal once in 10⁷ archives."""
    text = "\0".join(map(str, values)).encode(errors="surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def _key(path: str, size: int | str) -> int:
    return _hash([path, size])


def _file_of(path: str) -> tuple[int, int]:
    """Return a file's size (bytes) and time of change (ns), -1 if there is none."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):  # no such file; no such name
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _lock(path: Path) -> IO[str]:
    """Keep other runs out as long as the file returned is open."""
    file = path.open("w")
    try:
        # Not flock, which processes forked by a run that was killed would hold for ever.
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise FolderInUse(
            f"Another run writes into {path.parents[1].name}/: let it end, or stop it first."
        ) from error
    return file
