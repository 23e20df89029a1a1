"""A whole archive from the command line; docs/large-archives.md has examples.

python -m helpers.convert_archive ARCHIVE PICTURES --processes 8
python -m helpers.convert_archive ARCHIVE PICTURES --scheduler tcp://ADDRESS:8786
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from helpers.dicom import convert
from helpers.executors import ProcessPool, WorkersLost
from helpers.ledger import FolderInUse

__all__ = ["films_below"]

_log = logging.getLogger(__name__)


def films_below(root: str | Path, *, leave_out: str | Path | None = None) -> Iterator[str]:
    """Yield every file below a folder, in the same order each time, one folder in memory a time.

    Films of an archive often have no ending, so none is asked for; DICOMDIR files are no films. A
    folder that cannot be opened, or that is a link and not followed, is yielded by itself: whoever
    opens it for a film says why it is none.

    Parameters
    ----------
    root : str or pathlib.Path
    leave_out : str or pathlib.Path, optional
        Folder to pass over, as the one that the pictures are written to.

    Raises
    ------
    NotADirectoryError
        If there is no such folder.
    """
    if not Path(root).is_dir():
        raise NotADirectoryError(f"expected a folder of DICOM files, found none at {root}")
    passed = None if leave_out is None else Path(leave_out).resolve()
    closed: list[str] = []
    for folder, folders, files in os.walk(
        root, onerror=lambda error: closed.append(error.filename)
    ):
        yield from closed
        closed.clear()
        folders[:] = sorted(one for one in folders if Path(folder, one).resolve() != passed)
        yield from (str(Path(folder, one)) for one in folders if Path(folder, one).is_symlink())
        yield from (str(Path(folder, name)) for name in sorted(files) if name != "DICOMDIR")
    yield from closed


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert what is below a folder; repeated after a kill, go on."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.convert_archive",
        description="Convert every DICOM film below a folder to an 8-bit PNG. A run that was "
        "stopped goes on where it was when the command is repeated.",
    )
    parser.add_argument("archive", type=Path, help="folder of DICOM files, at any depth")
    parser.add_argument("pictures", type=Path, help="folder for the pictures and manifest.csv")
    parser.add_argument("--size", type=int, default=1024, help="pixels of the longer side")
    workers = parser.add_mutually_exclusive_group()
    workers.add_argument("--processes", type=int, help="of this machine (default: a core each)")
    workers.add_argument("--scheduler", help="address of a Dask scheduler: its workers convert")
    chosen = parser.parse_args(arguments)
    if chosen.size < 1 or (chosen.processes is not None and chosen.processes < 1):
        parser.error("--size and --processes are at least 1")
    if chosen.archive.resolve() == chosen.pictures.resolve():
        parser.error("the pictures need a folder of their own, beside or below the archive")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with _executor(chosen.scheduler, chosen.processes) as executor:
            films = tqdm(films_below(chosen.archive, leave_out=chosen.pictures), unit=" films")
            table = convert(films, chosen.pictures, size=chosen.size, executor=executor)
    except (FolderInUse, OSError, ValueError, WorkersLost) as error:
        _log.error("%s", error)
        sys.exit(1)
    refused = table["reason"].value_counts()
    _log.info("%s converted, %s refused", f"{table['png_path'].notna().sum():,}", refused.sum())
    for reason, films in refused.items():
        _log.info("%s × %s", f"{films:,}", reason)


def _executor(scheduler: str | None, processes: int | None) -> Any:
    if scheduler:
        from distributed import Client  # only here is Dask needed

        return Client(scheduler)
    return nullcontext() if processes == 1 else ProcessPool(processes)


if __name__ == "__main__":
    main()
