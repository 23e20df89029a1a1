"""Getting the real cohorts, resumable: repositories at one pinned commit, checked by git's own
hashes; the films of SBU from a public archive, checked by size and MD5, streamed into pictures.

python -m helpers.downloads ieee8023 hannover segmentations
python -m helpers.downloads sbu          one film a patient: 21 GB pass through, about 1 GB stays
python -m helpers.downloads sbu --all    all radiographs: 216 GB pass through, about 12 GB stay
"""

import argparse
import logging
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from helpers.paths import PROJECT
from helpers.repositories import (
    DownloadError,
    Repository,
    megabytes_in,
    remove,
    require_git,
    require_room,
)

__all__ = ["SOURCES", "DownloadError", "Source", "fetch"]

REAL = PROJECT / "data" / "real"

_MARGIN = 100  # MB to leave free on the disk

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where a cohort is published.

    Attributes
    ----------
    url : str
        The publisher's repository.
    commit : str
        The commit whose files are meant; may be abbreviated, if no other commit begins alike.
    table : str
        The file without which a folder is not this cohort.
    megabytes : int
        What its files take on disk, roughly; twice that while they are fetched.
    """

    url: str
    commit: str
    table: str
    megabytes: int


SOURCES = {
    "ieee8023": Source(
        "https://github.com/ieee8023/covid-chestxray-dataset.git",
        "6a4242344473ccb5ed0d2148d8c7bfb1691e4ed8",
        table="metadata.csv",
        megabytes=600,
    ),
    "hannover": Source(
        "https://github.com/ml-workgroup/covid-19-image-repository.git",
        "ad7ab09",
        table="data.csv",
        megabytes=100,
    ),
    "segmentations": Source(
        "https://github.com/GeneralBlockchain/covid-19-chest-xray-segmentations-dataset.git",
        "377a49490e910a66a7f7aee1b92cdc3d5ac4bddf",
        table="structure.csv",
        megabytes=50,
    ),
}


def fetch(
    name: str,
    root: str | Path | None = None,
    *,
    url: str | None = None,
    progress: bool = True,
    every: bool = False,
    size: int = 1024,
    processes: int = 1,
) -> Path:
    """Fetch a real cohort at its pinned commit, or return it if it is there.

    Files arrive in a hidden folder beside the target, are checked against git's hashes, and appear
    under the target's name all at once. A fetch that was cut or killed goes on where it was. SBU is
    another matter: see `helpers.sbu_download.fetch_sbu`.

    Parameters
    ----------
    name : str
        "ieee8023", "hannover", "segmentations" or "sbu".
    root : str or pathlib.Path, optional
        Folder for the cohort's folder; `data/real` if None.
    url : str, optional
        A mirror of the repository. It must hold the same commit, so it need not be trusted. For
        "sbu" the address of an object store.
    progress : bool
        Show a bar.
    every, size, processes
        For "sbu": all radiographs instead of one a patient; pixels of a picture's longer side;
        processes that convert.

    Returns
    -------
    pathlib.Path
        The cohort's folder.

    Raises
    ------
    ValueError
        If there is no such cohort.
    DownloadError
        If it cannot be fetched: git missing or too old, no network, no such commit, too little
        disk, damaged data, another fetch at work; for "sbu" also if the clinical table is missing,
        which has to be brought by hand, or fails a check.
    """
    if name not in (*SOURCES, "sbu"):
        raise ValueError(f"expected one of {', '.join(SOURCES)}, sbu; got {name!r}")
    target = (REAL if root is None else Path(root)).absolute() / name
    if name == "sbu":
        return _fetch_sbu(target, url, every, size, processes, progress)
    if target.is_dir() and any(target.iterdir()):
        if not (target / SOURCES[name].table).is_file():
            raise DownloadError(
                f"{target.parent.name}/{name} holds files, but not {SOURCES[name].table}. They may "
                "be somebody's, so nothing was fetched: move them away and repeat the command."
            )
        if (left := target.with_name(f".{name}.partial")).is_dir():
            remove(left)  # of a run that was killed at the very end
        return target
    require_git()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(target.with_name(f".{name}.lock"), timeout=0):
            _fetch_to(target, SOURCES[name], url, progress)
    except Timeout:
        raise DownloadError(f"Another download of {name} is at work there; wait for it.") from None
    return target


def _fetch_sbu(
    target: Path, url: str | None, every: bool, size: int, processes: int, progress: bool
) -> Path:
    from helpers.sbu_download import fetch_sbu  # only here are the archive's packages needed

    target.parent.mkdir(parents=True, exist_ok=True)  # not the target: it would hide the phantoms
    try:
        with FileLock(target.with_name(".sbu.lock"), timeout=0):
            return fetch_sbu(
                target,
                every=every,
                size=size,
                endpoint=url,
                processes=processes,
                progress=progress,
            )
    except Timeout:
        raise DownloadError("Another download of sbu is at work there; wait for it.") from None


def _fetch_to(target: Path, source: Source, url: str | None, progress: bool) -> None:
    """Fetch, check, write the files in a hidden folder, and rename that to the target."""
    partial = target.with_name(f".{target.name}.partial")
    url = url or source.url
    _require_disk(partial, source.megabytes)
    with tqdm(desc=target.name, unit=" files", disable=not progress) as bar:
        commit = source.commit
        if len(commit) < 40:
            commit = Repository(partial / "history", url, bar).find(commit)
        repository = Repository(partial / "contents", url, bar)
        repository.fetch(commit)
    repository.check_out(commit, partial / "files")
    if target.exists():  # an empty folder, or `fetch` would have returned it
        target.rmdir()
    (partial / "files").replace(target)
    remove(partial)


def _require_disk(partial: Path, megabytes: int) -> None:
    """Refuse to begin without room for the repository and its files, less what is there already."""
    needed = 2 * megabytes + _MARGIN - megabytes_in(partial)
    require_room(needed, shutil.disk_usage(partial.parent).free / 1e6, partial.parent)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fetch the cohorts named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.downloads",
        description="Fetch real cohorts at pinned commits. One that was cut goes on where it was.",
    )
    parser.add_argument("names", nargs="+", choices=[*SOURCES, "sbu"], metavar="NAME")
    parser.add_argument("--url", help="a mirror of the repository or store, for a single NAME")
    parser.add_argument("--all", action="store_true", help="every radiograph of sbu, not one each")
    parser.add_argument("--size", type=int, default=1024, help="longer side of sbu's pictures")
    parser.add_argument("--processes", type=int, default=1, help="that convert films of sbu")
    parser.add_argument("--root", type=Path, help="folder for the cohorts (default: data/real)")
    chosen = parser.parse_args(arguments)
    if chosen.url and len(chosen.names) > 1:
        parser.error("--url goes with a single NAME")
    if chosen.size < 64 or chosen.processes < 1:
        parser.error("--size is at least 64 pixels, --processes at least 1")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    failed = False
    for name in chosen.names:
        try:
            folder = fetch(
                name,
                chosen.root,
                url=chosen.url,
                every=chosen.all,
                size=chosen.size,
                processes=chosen.processes,
            )
            _log.info("%s is in %s", name, folder)
        except DownloadError as error:
            _log.error("%s: %s", name, error)
            failed = True
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
