"""Getting the real cohorts: each at one pinned commit, checked by git's own hashes, resumable.

python -m helpers.downloads ieee8023 hannover segmentations
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

from helpers.repositories import DownloadError, Repository, remove, require_git

__all__ = ["SOURCES", "DownloadError", "Source", "fetch"]

REAL = Path(__file__).resolve().parents[1] / "data" / "real"

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
    megabytes : int
        What its files take on disk, roughly; twice that while they are fetched.
    """

    url: str
    commit: str
    megabytes: int


SOURCES = {
    "ieee8023": Source(
        "https://github.com/ieee8023/covid-chestxray-dataset.git",
        "6a4242344473ccb5ed0d2148d8c7bfb1691e4ed8",
        megabytes=600,
    ),
    "hannover": Source(
        "https://github.com/ml-workgroup/covid-19-image-repository.git",
        "ad7ab09",
        megabytes=100,
    ),
    "segmentations": Source(
        "https://github.com/GeneralBlockchain/covid-19-chest-xray-segmentations-dataset.git",
        "377a49490e910a66a7f7aee1b92cdc3d5ac4bddf",
        megabytes=50,
    ),
}

_SBU = """The Stony Brook collection (COVID-19-NY-SBU) is not fetched by this release. By hand:
  films: collection covid_19_ny_sbu of the NCI Imaging Data Commons, as DICOM, into {folder}
  clinical table: deidentified_overlap_tcia.csv.cleaned.csv_20210806.csv from the page
  https://doi.org/10.7937/TCIA.BBAG-2923 of The Cancer Imaging Archive, into the same folder
data/README.md says more. Until then every notebook runs on phantoms."""


def fetch(
    name: str, root: str | Path | None = None, *, url: str | None = None, progress: bool = True
) -> Path:
    """Fetch a real cohort at its pinned commit, or return it if it is there.

    Files arrive in a hidden folder beside the target, are checked against git's hashes, and appear
    under the target's name all at once. A fetch that was cut or killed goes on where it was.

    Parameters
    ----------
    name : str
        "ieee8023", "hannover" or "segmentations".
    root : str or pathlib.Path, optional
        Folder for the cohort's folder; `data/real` if None.
    url : str, optional
        A mirror of the repository. It must hold the same commit, so it need not be trusted.
    progress : bool
        Show a bar.

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
        disk, damaged data, another fetch at work; and for "sbu", which has to be brought by hand.
    """
    if name not in (*SOURCES, "sbu"):
        raise ValueError(f"expected one of {', '.join(SOURCES)}, sbu; got {name!r}")
    target = (REAL if root is None else Path(root)).absolute() / name
    if target.is_dir() and any(target.iterdir()):
        if (left := target.with_name(f".{name}.partial")).is_dir():
            remove(left)  # of a run that was killed at the very end
        return target
    if name == "sbu":
        raise DownloadError(_SBU.format(folder=target))
    require_git()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(target.with_name(f".{name}.lock"), timeout=0):
            _fetch_to(target, SOURCES[name], url, progress)
    except Timeout:
        raise DownloadError(f"Another download of {name} is at work there; wait for it.") from None
    return target


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
    here = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file()) / 1e6
    needed = 2 * megabytes + _MARGIN - here
    free = shutil.disk_usage(partial.parent).free / 1e6
    if free < needed:
        raise DownloadError(
            f"Expected {needed:,.0f} MB of free disk, found {free:,.0f} MB at {partial.parent}. "
            "Make room, or choose another folder with --root and point CXR_DATA there."
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Fetch the cohorts named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.downloads",
        description="Fetch real cohorts at pinned commits. One that was cut goes on where it was.",
    )
    parser.add_argument("names", nargs="+", choices=[*SOURCES, "sbu"], metavar="NAME")
    parser.add_argument("--url", help="a mirror of the repository, for a single NAME")
    parser.add_argument("--root", type=Path, help="folder for the cohorts (default: data/real)")
    chosen = parser.parse_args(arguments)
    if chosen.url and len(chosen.names) > 1:
        parser.error("--url goes with a single NAME")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    failed = False
    for name in chosen.names:
        try:
            _log.info("%s is in %s", name, fetch(name, chosen.root, url=chosen.url))
        except DownloadError as error:
            _log.error("%s: %s", name, error)
            failed = True
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
