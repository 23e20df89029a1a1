"""Files that are there whole or not at all, and what is no file though it has a name."""

from pathlib import Path
from uuid import uuid4

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


def is_pipe(path: str | Path) -> bool:
    """Whether opening it might wait for ever: it exists and is neither a file nor a folder."""
    path = Path(path)
    return path.exists() and not path.is_file() and not path.is_dir()
