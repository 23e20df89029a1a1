"""Keyed hashes for names that must lead nobody back to a patient, and where their key is kept.

Whoever has a file or knows a patient's number can compute a plain hash, and so find the patient
in a table of hashes: there are only a million numbers of six digits. With a secret key (HMAC,
RFC 2104) that takes the key. It is made once and lives outside the repository.
"""

import hmac
import os
import secrets
import stat
from pathlib import Path

from platformdirs import user_config_path

from helpers.paths import PROJECT

__all__ = ["NoKey", "key_id", "key_path", "keyed_name", "load_key"]

VARIABLE = "CXR_KEY_FILE"
_BYTES = 32


class NoKey(RuntimeError):
    """The key is missing, unfit, or kept where others can read it."""


def key_path() -> Path:
    """Return where the key is: the file named by ``CXR_KEY_FILE``, else in the user's settings."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_config_path("covid-cxr-mortality") / "name.key"


def load_key(*, create: bool = False) -> bytes:
    """Read the key for names.

    Parameters
    ----------
    create : bool
        Make it if there is none, readable by this user only.

    Returns
    -------
    bytes
        32 random bytes.

    Raises
    ------
    NoKey
        If there is none, it lies inside the repository, others may read it, or it is no key.
    """
    path = key_path().absolute()
    if path.resolve().is_relative_to(PROJECT):
        raise NoKey(
            "The key for names lies inside the repository, from where it may be published with the "
            f"films. Move it elsewhere and name it by {VARIABLE}."
        )
    if not path.exists() and create:
        _make(path)
    if not path.is_file():
        raise NoKey(
            "Expected the key that the names in this folder were made with, found none. Put it "
            f"back, or name it by {VARIABLE}."
        )
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise NoKey(f"Others may read the key for names: set its mode to 600 ({path.name}).")
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise NoKey(f"{path.name} holds no key: expected {2 * _BYTES} hexadecimal digits.")
    return key


def keyed_name(key: bytes, kind: str, value: str | bytes) -> str:
    """Return 32 hexadecimal digits that stand for a value and cannot be led back without the key.

    Parameters
    ----------
    key : bytes
        From `load_key`.
    kind : str
        What the value is ("patient", "study", "film"), so that equal values of two kinds differ.
    value : str or bytes
    """
    data = value if isinstance(value, bytes) else value.encode(errors="surrogateescape")
    return hmac.new(key, kind.encode() + b"\0" + data, "sha256").hexdigest()[:32]


def key_id(key: bytes) -> str:
    """Return eight digits that tell whether two runs had the same key, and nothing of the key."""
    return keyed_name(key, "key", b"")[:8]


def _make(path: Path) -> None:
    """Write a new key, never over one that is there, readable by its owner from the beginning."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "w") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
        try:
            os.link(temporary, path)  # fails if another process was first; then its key counts
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            if not path.exists():
                temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
