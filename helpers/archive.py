"""A collection in an archive into a folder of pictures, without ever holding the collection.

In batches of some hundred megabytes: download → convert without identifiers → check → delete. The
next batch is downloaded while one is converted. What is done is written down batch by batch, so a
run that was killed loses one batch at most and ends with the same files as an undisturbed one.
"""

import json
import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
from tqdm.auto import tqdm

from helpers.batches import BATCH, downloaded
from helpers.deidentify import MANIFEST_TYPES, deidentify_film, film_lost, manifest
from helpers.dicom_picture import CONVERSION
from helpers.executors import in_order
from helpers.files import MANIFEST, write_whole
from helpers.keys import key_id, keyed_name
from helpers.object_store import ObjectStore
from helpers.picture_files import picture_at

__all__ = ["ArchiveError", "Conversion", "picture_bytes", "working_bytes"]

_PICTURE = 800_000  # bytes of a PNG of 1,024 pixels; films are noisy
_LARGEST_FILM = 30_000_000  # bytes; the collection's films have 10 to 29 MB


class ArchiveError(RuntimeError):
    """The run cannot go on; the message says why and what to do. What is done is kept."""


def picture_bytes(films: int, size: int = 1024) -> int:
    """Estimate what the pictures of a run take in the end (bytes): they stay, they are its product.

    On the high side: a real film of 1,955 × 1,841 pixels gives half of that at 1,024 pixels.
    """
    return round(films * _PICTURE * (size / 1024) ** 2)


def working_bytes(batch: int = BATCH) -> int:
    """Return what a run needs beside its pictures: two batches, each longer by a film (bytes)."""
    return 2 * (batch + _LARGEST_FILM)


@dataclass
class Conversion:
    """One run over series of an archive, and all that it remembers.

    Attributes
    ----------
    folder : pathlib.Path
        Gets ``films/``, ``manifest.csv`` and, while it runs, hidden folders.
    store : ObjectStore
        Where the files are.
    key : bytes
        For names, from `helpers.keys.load_key`.
    origins : dict of str to datetime.date
        Day 0 of each patient.
    size : int
        Pixels of a picture's longer side.
    executor : optional
        Converts, as for `helpers.dicom.convert`; None converts here, one film after the other.
    progress : bool
        Show films, GB, rate and time left.
    batch : int
        Bytes of a batch.
    """

    folder: Path
    store: ObjectStore
    key: bytes
    origins: dict[str, date]
    size: int = 1024
    executor: Any = None
    progress: bool = True
    batch: int = BATCH
    _absent: list[str] = field(default_factory=list, init=False)  # series, not in the store

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_settings()
        (self.folder / "films").mkdir(exist_ok=True)
        self._rows = self.folder / ".rows"
        self._rows.mkdir(exist_ok=True)
        for left in (self.folder / ".incoming", self.folder / "films" / ".parts"):
            shutil.rmtree(left, ignore_errors=True)  # of a run that was killed

    def every(self, series: pd.DataFrame) -> pd.DataFrame:
        """Convert all these series (columns of `helpers.idc.read_index`); return the manifest."""
        self._run(series, f"{len(series):,} films")
        return self._finish()

    def first_eligible(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Convert of each patient the first candidate that its header confirms.

        An index knows neither views nor references. Where a film turns out a companion, a lateral,
        or unreadable, the patient's next candidate is fetched. Returns the manifest.
        """
        names = candidates["series"].map(self._name)
        while True:
            done = self.done().set_index("series")
            settled = names.isin(done.index[_eligible(done)]) | candidates["series"].isin(
                self._absent
            )
            patients = candidates.loc[settled, "patient_id"]
            left = candidates[
                ~names.isin(done.index) & ~candidates["patient_id"].isin(patients)
            ].drop_duplicates("patient_id")
            if left.empty:
                break
            self._run(left, f"{len(left):,} patients")
        return self._finish()

    def done(self) -> pd.DataFrame:
        """Return the manifest so far."""
        files = [self.folder / MANIFEST, *sorted(self._rows.glob("*.csv"))]
        tables = [pd.read_csv(path, dtype=MANIFEST_TYPES) for path in files if path.is_file()]
        if not tables:
            return manifest([])
        return pd.concat(tables, ignore_index=True).drop_duplicates("series", keep="last")

    def _run(self, series: pd.DataFrame, what: str) -> None:
        """Convert the series that are not done yet, batch by batch."""
        total = round(series["megabytes"].sum() * 1e6)
        finished = series["series"].map(self._name).isin(self.done()["series"])
        todo = series[~finished]
        with tqdm(
            desc=f"SBU, {what}",
            total=total,
            initial=total - round(todo["megabytes"].sum() * 1e6),
            unit="B",
            unit_scale=True,
            disable=not self.progress,
        ) as bar:
            films = int(finished.sum())
            for batch, files in downloaded(todo, self.folder / ".incoming", self.store, self.batch):
                made = self._convert(files, batch)
                failed = [row for row in made if row.get("disk")]
                rows = manifest([row for row in made if not row.get("disk")])
                self._write_rows(rows, batch)
                if failed:  # no other film may take the place of one that only the disk refused
                    raise ArchiveError(
                        f"{len(failed):,} films could not be read or written. "
                        f"{failed[0]['reason']} What is done is kept: mend that, then repeat the "
                        "command."
                    )
                films += len(batch)
                self._check_room(rows, len(series) - films)
                bar.set_postfix_str(f"{films:,} of {len(series):,} films", refresh=False)
                bar.update(round(batch["megabytes"].sum() * 1e6))

    def _convert(self, files: list[Path | None], batch: pd.DataFrame) -> list[dict[str, Any]]:
        """Convert one batch and check every picture that came of it; return its rows."""
        out = self.folder / "films"
        patients = batch["patient_id"]
        tasks = [
            (str(path), out, self.key, self.origins.get(patient), self.size, True)
            for path, patient in zip(files, patients, strict=True)
            if path is not None
        ]
        rows = list(in_order(deidentify_film, tasks, self.executor, lost=film_lost))
        shutil.rmtree(out / ".parts", ignore_errors=True)
        self._absent += list(batch["series"][[path is None for path in files]])
        # A file whose header cannot be read does not say which series it is; the index does.
        named = [
            (self._name(series), keyed_name(self.key, "patient", patient))
            for path, series, patient in zip(files, batch["series"], patients, strict=True)
            if path is not None
        ]
        rows = [
            row | {"series": series, "patient": patient}
            for row, (series, patient) in zip(rows, named, strict=True)
        ]
        for row in rows:
            if row["status"] == "converted":
                _check_picture(out / row["picture"], self.size)
        return rows

    def _check_room(self, rows: pd.DataFrame, films_left: int) -> None:
        """Stop before pictures that are larger than estimated fill the disk."""
        pictures = rows["picture"].dropna()
        sizes = [(self.folder / "films" / name).stat().st_size for name in pictures]
        needed = films_left * sum(sizes) / max(1, len(sizes))
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise ArchiveError(
                f"Expected {needed / 1e6:,.0f} MB of free disk for the pictures of the "
                f"{films_left:,} films left, found {free / 1e6:,.0f} MB. What is done is kept: "
                "make room, then repeat the command."
            )

    def _write_rows(self, rows: pd.DataFrame, batch: pd.DataFrame) -> None:
        name = keyed_name(self.key, "batch", "".join(batch["series"]))
        write_whole(self._rows / f"{name}.csv", rows.to_csv(index=False).encode())

    def _finish(self) -> pd.DataFrame:
        """Write the manifest, in an order that tells nothing, and forget the batches."""
        table = self.done().sort_values("series", ignore_index=True)
        write_whole(self.folder / MANIFEST, table.to_csv(index=False).encode())
        shutil.rmtree(self._rows)
        self._rows.mkdir()
        if self._absent:
            raise ArchiveError(
                f"The store lacks {len(self._absent):,} series that the index lists; all others "
                "are there. Update the package idc-index-data, then repeat the command."
            )
        return table

    def _check_settings(self) -> None:
        """Refuse to mix pictures of two sizes or two versions, or names of two keys."""
        path = self.folder / ".settings.json"
        ours = {"size": self.size, "key": key_id(self.key), "conversion": CONVERSION}
        if not path.is_file():
            write_whole(path, json.dumps(ours).encode())
            return
        theirs = json.loads(path.read_text())
        if theirs != ours:
            what = next(name for name in ours if theirs.get(name) != ours[name])
            raise ArchiveError(
                f"The films in {self.folder.name}/ were made with another {what}: expected "
                f"{theirs}, got {ours}. Use the same, or remove films/ and manifest.csv there."
            )

    def _name(self, series: str) -> str:
        return keyed_name(self.key, "series", series)


def _eligible(rows: pd.DataFrame) -> pd.Series:
    """Say which rows of a manifest are films to predict from, as their headers have it."""
    frontal = rows["view"].isin(["AP", "PA"])
    plain = rows["chest"].fillna(False) & ~rows["companion"].fillna(False)
    return (rows["status"] == "converted") & frontal & plain


def _check_picture(path: Path, size: int) -> None:
    """Make sure that a picture that was written can be read before its source is deleted."""
    picture = picture_at(path, cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 2 or not 0 < max(picture.shape) <= size:
        path.unlink(missing_ok=True)
        raise ArchiveError(
            "A picture that was just written cannot be read again: the disk may be full or "
            "failing. Check it, then repeat the command to go on."
        )
