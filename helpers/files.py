"""Files that are there whole or not at all, their hashes, and what is no file but has a name."""

import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

MANIFEST = "manifest.csv"  # beside pictures, of archives and of SBU: what each was made of
# Errors of a disk, or of a user's share of it, that has no room left; not all systems have both.
DISK_FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
PIPE = "This is no file, but a pipe or a device."


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it: nobody ever sees half of it."""
    partial = path.with_name(f".{path.name}.{uuid4().hex}.part")  # two may write at the same time
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)  # as where the disk is full
        raise


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_pipe(path: str | Path) -> bool:
    """Whether opening it might wait for ever: it exists and is neither a file nor a folder."""
    path = Path(path)
    return path.exists() and not path.is_file() and not path.is_dir()


def require_text(paths: Iterable[str | Path]) -> None:
    """Refuse names that are no UTF-8, such as those of an archive from an old Windows computer.

    Raises
    ------
    ValueError
        With their number: tables and stores hold names as text.
    """
    odd = [path for path in paths if os.fsencode(path).decode("utf-8", "replace") != str(path)]
    if odd:
        shown = os.fsencode(odd[0]).decode("utf-8", "replace")
        raise ValueError(
            f"{len(odd)} files or folders have names that are no UTF-8, such as {shown}: tables "
            "cannot hold them. Rename them."
        )
