"""Files that a visitor chose: names as they may be shown, sizes, and those named by a path."""

import math
import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from helpers.pixels import UnreadableRadiograph

LARGEST_FILE = 100 * 2**20  # bytes: 100 MB, whichever way they are counted
_TURNS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_EXPECTED = "Expected the full path of a PNG, JPEG or DICOM file."


def plain_name(name: str) -> str:
    """Return a name as it may stand in a line of text.

    Without marks that would turn the line round (Unicode bidi controls), and with "?" for halves of
    characters, which names of files may hold but no message.
    """
    return name.translate(_TURNS).encode("utf-8", "replace").decode()


def check_size(name: str, size: int) -> None:
    """Refuse a file that is too large.

    Raises
    ------
    UnreadableRadiograph
        With both sizes.
    """
    if 0 <= size <= LARGEST_FILE:
        return
    # Rounded apart, or a file just above the limit would seem to be within it.
    found, most = math.ceil(size / 1e5) / 10, math.floor(LARGEST_FILE / 1e5) / 10
    raise UnreadableRadiograph(f"{name} has {found:.1f} MB; at most {most:.1f} MB are accepted.")


def read_by_path(written: str) -> tuple[str, bytes]:
    """Read a file of this machine.

    Parameters
    ----------
    written : str
        A path as people write and file managers copy it: in quotes, as an address that begins with
        ``file:``, from the home folder (``~``), with variables of the environment.

    Returns
    -------
    tuple
        The file's name, and its bytes.

    Raises
    ------
    UnreadableRadiograph
        With the reason, and no folder of the machine in it.
    """
    path = _path_of(written.strip().strip("\"'"))
    try:
        return plain_name(path.name), _read(path)
    except OSError as error:  # its own words would show the folders of the machine
        raise UnreadableRadiograph(
            f"{plain_name(path.name)} cannot be read: {error.strerror or type(error).__name__}. "
            "Expected a file that the kernel's user may open."
        ) from error


def _path_of(written: str) -> Path:
    if written.lower().startswith("file:"):
        written = url2pathname(urlsplit(written).path)
    try:
        return Path(os.path.expandvars(written)).expanduser()
    except RuntimeError as error:
        raise UnreadableRadiograph(
            "The file cannot be read: its path begins with the home folder of a user whom the "
            "kernel's machine does not know. Write the full path."
        ) from error


def _read(path: Path) -> bytes:
    name = plain_name(path.name)
    if path.is_dir():
        raise UnreadableRadiograph(
            f"{name or 'This'} is a folder on the kernel's machine. {_EXPECTED}"
        )
    if not path.is_file():
        raise UnreadableRadiograph(f"On the kernel's machine there is no file {name}. {_EXPECTED}")
    check_size(name, path.stat().st_size)
    return path.read_bytes()
