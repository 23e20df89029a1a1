"""Carrying a file from the browser to the kernel, and the answer back, as messages.

Why not `ipywidgets.FileUpload`: it sends a file in one message, above 10 MiB the server closes the
connection without a word, and the bytes stay in the notebook when it is saved. Here `upload.js`
sends pieces, a few ahead of the kernel's receipts. Custom messages are not part of a widget's
state, so neither file nor result is ever saved with the notebook.

Messages to the kernel: `begin` (name, size), `piece` (start, one buffer), `example` (name), `path`
(name). Messages to the browser: `received` (bytes so far), `state` (state, text, and with a result
its html and its record for downloads). All carry `run`, which counts attempts: messages of an
attempt given up are known by it.

Whoever opens the page can send any message and set any synchronised trait. So nothing that
protects the machine is decided by either: the limit on size and the leave to read paths are kept
where no message reaches them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from helpers.radiographs import UnreadableRadiograph

LARGEST_FILE = 100 * 2**20  # bytes: 100 MB, whichever way they are counted
NOTICE = (
    "A teaching model, trained on few films. Not for clinical use: no result here says anything "
    "about a person. A file stays in this kernel's memory while it is read, and is then forgotten."
)
_HERE = Path(__file__).parent
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a film led to: `html` to show, a `record` to download, words for the status line."""

    html: str
    record: Mapping[str, Any]
    warned: bool
    text: str


class UploadPanel(anywidget.AnyWidget):
    """File chooser, examples, status and result, in one widget.

    Parameters
    ----------
    explain : callable
        Bytes of a file, and a function that is told each stage as it begins, to an `Outcome`;
        raises `UnreadableRadiograph` with a sentence for the user.
    films : mapping of str to bytes
        Example files by name.
    thumbnails : mapping of str to str
        Data address of a picture for each example.
    paths : bool
        Offer a box for a path on the kernel's machine. Never under Voilà.
    """

    _esm = "\n".join((_HERE / name).read_text("utf-8") for name in ("result.js", "upload.js"))
    _css = _HERE / "upload.css"
    thumbnails = traitlets.Dict(help="example name -> picture").tag(sync=True)
    largest_file = traitlets.Int(LARGEST_FILE).tag(sync=True)
    notice = traitlets.Unicode(NOTICE).tag(sync=True)
    path_box = traitlets.Bool(False, help="whether it is shown; no leave to use it").tag(sync=True)

    def __init__(
        self,
        *,
        explain: Callable[[bytes, Callable[[str], object]], Outcome],
        films: Mapping[str, bytes],
        thumbnails: Mapping[str, str],
        paths: bool = False,
    ) -> None:
        self._may_read_paths = paths and not serves_visitors()
        super().__init__(thumbnails=dict(thumbnails), path_box=self._may_read_paths)
        self._explain, self._films = explain, dict(films)
        self._upload: _Upload | None = None
        self.on_msg(self._receive)

    def __repr__(self) -> str:
        """What a saved notebook shows in the panel's place, the same in every run."""
        return "The upload panel: run this cell to use it, or open the page with `make app`."

    def _receive(self, _widget: object, message: dict[str, Any], buffers: list[Any]) -> None:
        run = message.get("run")
        try:
            if message["kind"] == "begin":
                self._upload = _Upload(run, message["name"], int(message["size"]))
            elif message["kind"] == "piece":
                if self._upload is None or self._upload.run != run:
                    return  # of an attempt that was given up for a newer one
                self._upload.add(int(message["start"]), buffers[0])
                self.send({"kind": "received", "run": run, "bytes": len(self._upload.data)})
            elif message["kind"] == "path":
                self._show(run, *self._read_path(message["name"]))
                return
            else:
                self._show(run, message["name"], self._films[message["name"]])
                return
            if self._upload.complete:
                upload, self._upload = self._upload, None
                self._show(run, upload.name, bytes(upload.data))
        except UnreadableRadiograph as error:
            self._fail(run, str(error))
        except Exception as error:  # whatever a file does, the panel must work for the next one
            _log.exception("The upload panel met an error that it does not know.")
            self._fail(run, f"This file led to an unexpected error ({type(error).__name__}).")

    def _read_path(self, written: str) -> tuple[str, bytes]:
        """Name and bytes of a file on the kernel's machine."""
        if not self._may_read_paths:
            raise UnreadableRadiograph("This page reads no files by path. Choose a file instead.")
        try:
            path = Path(written.strip().strip("\"'")).expanduser()  # Windows copies with quotes
            if not path.is_file():
                raise UnreadableRadiograph(
                    f"On the kernel's machine there is no file {path.name}. Expected the full path "
                    "of a PNG, JPEG or DICOM file."
                )
            _check_size(path.name, path.stat().st_size)
            return path.name, path.read_bytes()
        except (OSError, RuntimeError) as error:  # no permission; no such user's home folder
            raise UnreadableRadiograph(f"The file cannot be read: {error}.") from error

    def _show(self, run: object, name: str, data: bytes) -> None:
        def tell(stage: str) -> None:
            self._say(run, stage, f"{stage.capitalize()} {name} …")

        outcome = self._explain(data, tell)
        self.send(
            {
                "kind": "state",
                "run": run,
                "state": "warned" if outcome.warned else "done",
                "text": f"{name}: {outcome.text}{', with warnings' if outcome.warned else ''}.",
                "html": f"<p>File: {escape(name)}</p>{outcome.html}",
                "record": outcome.record,
            }
        )

    def _fail(self, run: object, reason: str) -> None:
        self._upload = None
        self._say(run, "failed", reason)

    def _say(self, run: object, state: str, text: str) -> None:
        self.send({"kind": "state", "run": run, "state": state, "text": text})


def serves_visitors() -> bool:
    """Whether Voilà started this kernel, so that strangers may be sending the messages."""
    return any(name.startswith("VOILA_") for name in os.environ)


def _check_size(name: str, size: int) -> None:
    if not 0 <= size <= LARGEST_FILE:
        raise UnreadableRadiograph(
            f"{name} has {size / 1e6:.0f} MB; at most {LARGEST_FILE / 1e6:.0f} MB are accepted."
        )


class _Upload:
    """A file that is still arriving."""

    def __init__(self, run: object, name: str, size: int) -> None:
        _check_size(name, size)  # the browser refuses first; this is for other senders
        self.run, self.name, self.size = run, name, size
        self.data = bytearray()

    def add(self, start: int, piece: bytes | memoryview) -> None:
        if start != len(self.data) or start + len(piece) > self.size:
            raise UnreadableRadiograph("The file did not arrive whole. Please send it again.")
        self.data += piece

    @property
    def complete(self) -> bool:
        return len(self.data) == self.size
