"""Analyses uploads in a process of its own that notes every attempt to change or to start anything.

    TMPDIR=EMPTY_FOLDER python …/tests/watched_analysis.py    # in another empty folder

Prints a JSON list of what was attempted, and of files that appeared. Python tells its audit hook
of files that are opened and of folders that are changed. Of what libraries do in C it knows
nothing: so the system ends this process if it writes a byte to any file, whoever does it.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.models import RiskModel, build_resnet18
from helpers.panel import analyse, upload_panel
from helpers.pixels import UnreadableRadiograph
from tests.drawn_chests import dicom, drawn_chest, jpeg, png

ENCODED = Path(__file__).parent / "dicom_encoded"  # one small film for every decoder
CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
TOLD = {f"os.{name}" for name in ("mkdir", "rename", "remove", "rmdir", "link", "symlink")}
TOLD |= {f"os.{name}" for name in ("truncate", "chmod", "chown", "utime", "setxattr")}
TOLD |= {"os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen"}
TOLD |= {"socket.connect", "socket.bind", "socket.sendto", "sqlite3.connect"}
FOLDERS = ("shutil.", "tempfile.")


def main() -> None:
    """Warm up as the panel does, then watch."""
    networks = [build_resnet18("random", seed=seed).eval() for seed in (0, 1)]
    model, other = (RiskModel(network, 128, threshold=0.2) for network in networks)
    good = [png(drawn_chest()), png(drawn_chest(), bits=16), jpeg(drawn_chest())]
    good += [dicom(drawn_chest()), png(drawn_chest(1800, 1500))]
    odd = [path.read_bytes() for path in sorted(ENCODED.glob("*.dcm"))]
    odd += [data[: len(data) // 2] for data in good]
    upload_panel(model, others=[other])
    before, attempts = files(), watch()
    with nothing_written():
        for data in good:
            analyse(data, model, [other])
        for data in odd:
            with suppress(UnreadableRadiograph):
                analyse(data, model, [other])
    found = [*attempts, *(f"appeared: {path}" for path in files() - before)]
    prove(attempts)
    print(json.dumps(found))


def files() -> set[str]:
    """What is in this folder and in that for temporary files, which libraries may have used."""
    return {str(path) for place in (".", tempfile.gettempdir()) for path in Path(place).rglob("*")}


@contextmanager
def nothing_written() -> Iterator[None]:
    """End this process if anybody, C included, writes a byte to a file."""
    if sys.platform == "win32":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python would go on after it
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def watch() -> list[str]:
    """Note from now on, in the list returned, what Python is asked to change or to start."""
    attempts: list[str] = []

    def note(event: str, arguments: tuple) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & CHANGES
        if opened or event in TOLD or event.startswith(FOLDERS):
            attempts.append(f"{event} {arguments}")

    sys.addaudithook(note)
    return attempts


def prove(attempts: list[str]) -> None:
    """Fail unless an attempt to write is noted."""
    before = len(attempts)
    with tempfile.TemporaryFile():
        pass
    if len(attempts) == before:
        raise AssertionError("A temporary file was opened, and nothing was noted.")


if __name__ == "__main__":
    main()
