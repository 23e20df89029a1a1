"""One commit of a remote git repository, fetched so that a cut loses little.

A git fetch that is cut starts again from nothing. So the list of files comes first, without their
contents (a "blobless" fetch), and the contents follow in batches, each of which is kept once it is
here. Git itself names every object by its hash, and checks it.
"""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

_BATCH = 50  # files fetched at a time, which is what a cut can lose
_OLDEST_GIT = (2, 29)  # the first whose fetch takes names of objects from its input

# What would make git look at another repository than the one that it is told.
_ASTRAY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")

_REASONS = {
    r"No space left|quota": "The disk is full. Make room and start again; it will go on.",
    r"not our ref|unadvertised|remote ref": "The commit is not to be had at {url}.",
    r"does not appear to be|not found|Username|Authentication|does not exist": (
        "There is no repository to be had at {url}; is the address right?"
    ),
    r"resolve host|unable to access|onnect|timed out|EOF|hung up|RPC|remote end|died": (
        "The connection failed or was cut. What arrived is kept: start again to go on."
    ),
}

_log = logging.getLogger(__name__)


class DownloadError(RuntimeError):
    """A cohort could not be fetched; the message says why and what to do."""


def require_git() -> None:
    """Refuse to begin without a git that can do what is asked of it.

    Raises
    ------
    DownloadError
        If git is missing or older than 2.29.
    """
    if shutil.which("git") is None:
        raise DownloadError("The program git was not found; install it (https://git-scm.com).")
    words = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", words)
    if found and tuple(map(int, found.groups())) < _OLDEST_GIT:
        oldest = ".".join(map(str, _OLDEST_GIT))
        raise DownloadError(f"Expected git {oldest} or newer, found {found[0]}; update it.")


def megabytes_in(folder: Path) -> float:
    """Size of the files in a folder, at any depth; 0 if there is no such folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def require_room(needed: float, free: float, where: Path, otherwise: str = "") -> None:
    """Refuse to begin what the disk has no room for.

    Parameters
    ----------
    needed, free
        MB.
    where
        Folder on that disk.
    otherwise
        What else can be done than to make room or to choose another folder.

    Raises
    ------
    DownloadError
        With both numbers, if more is needed than free.
    """
    if free < needed:
        raise DownloadError(
            f"Expected {needed:,.0f} MB of free disk, found {free:,.0f} MB at {where}. Make room, "
            "or choose another folder with --root and point CXR_DATA there"
            f"{f', or {otherwise}' if otherwise else ''}."
        )


class Repository:
    """A bare git repository that fills with one commit of a remote one.

    Parameters
    ----------
    folder : pathlib.Path
        Made if missing; what an earlier, interrupted run left there is checked and used.
    url : str
        The remote repository.
    bar : tqdm.tqdm
        Shows the files that have arrived, out of all.

    Raises
    ------
    DownloadError
        From every method, if git fails, with the reason and what to do.
    """

    def __init__(self, folder: Path, url: str, bar: tqdm) -> None:
        self.folder, self.url, self.bar = folder, url, bar
        for leftover in (*folder.rglob("*.lock"), *folder.rglob("tmp_*")):
            leftover.unlink()  # a git that was killed leaves these, and the next one stops at them
        if folder.exists() and not self._is_sound():
            _log.warning("What an earlier download left is damaged; starting again from nothing.")
            remove(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare", "--template=")
        self._git("config", "core.repositoryFormatVersion", "1")
        self._git("config", "extensions.partialClone", "origin")
        self._git("config", "remote.origin.promisor", "true")
        self._git("config", "remote.origin.url", url)

    def find(self, abbreviation: str) -> str:
        """Complete an abbreviated commit from the history of all branches, without their files."""
        self._fetch("--filter=tree:0", "origin", "+refs/heads/*:refs/heads/*")
        names = self._git("rev-list", "--all").split()
        found = [name for name in names if name.startswith(abbreviation)]
        if len(found) != 1:
            raise DownloadError(
                f"Expected one commit that begins with {abbreviation}, found {len(found)} at "
                f"{self.url}."
            )
        return found[0]

    def fetch(self, commit: str) -> None:
        """Fetch a commit: its list of files, then in batches the contents that are not here yet."""
        # A server that knows no filters sends everything at once, and then no batch remains.
        self._fetch("--depth=1", "--filter=blob:none", "origin", commit)
        entries = [line.split()[2] for line in self._git("ls-tree", "-r", commit).splitlines()]
        missing = self._missing(commit)
        self.bar.reset(total=len(set(entries)))
        self.bar.update(len(set(entries)) - len(missing))
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            self._fetch("--filter=blob:none", "--stdin", "origin", names=batch)
            self.bar.update(len(batch))

    def check_out(self, commit: str, files: Path) -> None:
        """Compare every object with its hash and write the commit's files exactly as published."""
        if self._missing(commit) or not self._is_sound():
            remove(self.folder)
            raise DownloadError(
                f"What arrived from {self.url} does not match git's hashes and was removed; start "
                "again, or try another address (--url)."
            )
        if files.exists():
            remove(files)
        files.mkdir()
        (self.folder / "index").unlink(missing_ok=True)
        tree = ("-c", "core.autocrlf=false", f"--work-tree={files}")
        self._git(*tree, "checkout", "--quiet", "--force", "--detach", commit)
        if changed := self._git(*tree, "status", "--porcelain").splitlines():
            raise DownloadError(
                f"{len(changed)} files could not be written as published, among them "
                f"{changed[0][3:]}; does this disk tell upper from lower case?"
            )

    def _missing(self, commit: str) -> list[str]:
        """Name the objects of a commit that are not here."""
        listed = self._git("rev-list", "--objects", "--missing=print", commit).splitlines()
        return [line[1:] for line in listed if line.startswith("?")]

    def _is_sound(self) -> bool:
        """Compute the hash of every object that is here and compare it with the object's name."""
        command = self._command("fsck", "--full", "--no-dangling", "--no-progress")
        return subprocess.run(command, capture_output=True, env=_environment()).returncode == 0

    def _fetch(self, *arguments: str, names: Sequence[str] = ()) -> None:
        """Run git fetch, showing what it reports beside the bar."""
        # Packs of any size stay packs: they are checked while they come, and appear whole or not.
        keep = ("-c", "fetch.unpackLimit=1", "-c", "gc.auto=0", "-c", "maintenance.auto=false")
        options = ("--progress", "--no-tags", "--no-write-fetch-head")
        process = subprocess.Popen(
            self._command(*keep, "fetch", *options, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_environment(),
            text=True,
            errors="replace",
        )
        assert process.stdin is not None
        assert process.stderr is not None
        said = []
        try:
            process.stdin.write("".join(f"{name}\n" for name in names))
            process.stdin.close()
            for line in process.stderr:  # each report ends in a carriage return, read as a line
                if report := re.match(r"Receiving objects: .*?\), (.*?)(, done\.)?$", line):
                    self.bar.set_postfix_str(report[1])
                elif not line.startswith(("remote: ", "Receiving", "Resolving")):
                    said.append(line.strip())
        finally:
            process.kill()  # no harm to one that has ended; an interrupted one must not stay
            process.wait()
        if process.returncode:
            raise DownloadError(self._explain(" ".join(said)))

    def _git(self, *arguments: str) -> str:
        """Run git and return what it prints."""
        done = subprocess.run(
            self._command(*arguments),
            capture_output=True,
            text=True,
            errors="replace",
            env=_environment(),
        )
        if done.returncode:
            raise DownloadError(self._explain(done.stderr.strip()))
        return done.stdout

    def _command(self, *arguments: str) -> list[str]:
        return ["git", f"--git-dir={self.folder}", *arguments]

    def _explain(self, said: str) -> str:
        """Turn git's message into what happened and what to do."""
        fitting = (reason for sign, reason in _REASONS.items() if re.search(sign, said))
        return f"{next(fitting, 'Git failed.').format(url=self.url)} (Git says: {said[-300:]})"


def remove(folder: Path) -> None:
    """Remove a folder with packs, which git write-protects and Windows would then not remove."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
    shutil.rmtree(folder)


def _environment() -> dict[str, str]:
    """Return an environment in which git speaks English, asks nothing and is not led astray."""
    kept = {name: value for name, value in os.environ.items() if name not in _ASTRAY}
    return kept | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
