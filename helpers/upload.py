"""Carrying a file from the browser to the kernel, and the answer back, as messages.

Why not `ipywidgets.FileUpload`: it sends a file in one message, above 10 MiB the server closes the
connection without a word, and the bytes stay in the notebook when it is saved. Here `upload.js`
sends pieces of 1 MiB, and each waits for the kernel's receipt of the one before. Custom messages
are not part of a widget's state, so neither file nor result is ever saved with the notebook.

Messages to the kernel: `begin` (name, size), `piece` (start, one buffer), `example` (name).
Messages to the browser: `received` (bytes so far), `state` (state, text, and html with a result).
All carry `run`, which counts attempts: messages of an attempt given up are known by it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from helpers.radiographs import UnreadableRadiograph

LARGEST_FILE = 100_000_000  # bytes; a film of the largest collection has 29 MB
NOTICE = (
    "A teaching model, trained on few films. Not for clinical use: no result here says anything "
    "about a person. A file stays in this kernel's memory while it is read, and is then forgotten."
)
_HERE = Path(__file__).parent
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a film led to: `html` to show, whether it `warned`, `text` for the status line."""

    html: str
    warned: bool
    text: str


class UploadPanel(anywidget.AnyWidget):
    """File chooser, examples, status and result, in one widget.

    Parameters
    ----------
    read : callable
        Bytes of a file to a film; raises `UnreadableRadiograph` with a sentence for the user.
    predict : callable
        Bytes and film to an `Outcome`.
    films : mapping of str to bytes
        Example files by name.
    thumbnails : mapping of str to str
        Data address of a picture for each example.
    """

    _esm = _HERE / "upload.js"
    _css = _HERE / "upload.css"
    thumbnails = traitlets.Dict(help="example name -> picture").tag(sync=True)
    largest_file = traitlets.Int(LARGEST_FILE).tag(sync=True)
    notice = traitlets.Unicode(NOTICE).tag(sync=True)

    def __init__(
        self,
        *,
        read: Callable[[bytes], np.ndarray],
        predict: Callable[[bytes, np.ndarray], Outcome],
        films: Mapping[str, bytes],
        thumbnails: Mapping[str, str],
    ) -> None:
        super().__init__(thumbnails=dict(thumbnails))
        self._read, self._predict, self._films = read, predict, dict(films)
        self._upload: _Upload | None = None
        self.on_msg(self._receive)

    def __repr__(self) -> str:
        """What a saved notebook shows in the panel's place, the same in every run."""
        return "The upload panel: run this cell to use it, or open the page with `make app`."

    def _receive(self, _widget: object, message: dict[str, Any], buffers: list[Any]) -> None:
        run = message["run"]
        try:
            if message["kind"] == "begin":
                self._upload = _Upload(run, message["name"], int(message["size"]))
            elif message["kind"] == "piece":
                if self._upload is None or self._upload.run != run:
                    return  # of an attempt that was given up for a newer one
                self._upload.add(int(message["start"]), buffers[0])
                self.send({"kind": "received", "run": run, "bytes": len(self._upload.data)})
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

    def _show(self, run: int, name: str, data: bytes) -> None:
        self._say(run, "reading", f"Reading {name} …")
        film = self._read(data)
        self._say(run, "predicting", "Predicting …")
        outcome = self._predict(data, film)
        self.send(
            {
                "kind": "state",
                "run": run,
                "state": "warned" if outcome.warned else "done",
                "text": f"{name}: {outcome.text}{', with warnings' if outcome.warned else ''}.",
                "html": f"<p>File: {escape(name)}</p>{outcome.html}",
            }
        )

    def _fail(self, run: int, reason: str) -> None:
        self._upload = None
        self._say(run, "failed", reason)

    def _say(self, run: int, state: str, text: str) -> None:
        self.send({"kind": "state", "run": run, "state": state, "text": text})


class _Upload:
    """A file that is still arriving."""

    def __init__(self, run: int, name: str, size: int) -> None:
        if size > LARGEST_FILE:  # the browser refuses first; this is for other senders
            raise UnreadableRadiograph(
                f"{name} has {size / 1e6:.0f} MB; at most {LARGEST_FILE / 1e6:.0f} MB are accepted."
            )
        self.run, self.name, self.size = run, name, size
        self.data = bytearray()

    def add(self, start: int, piece: bytes | memoryview) -> None:
        if start != len(self.data) or start + len(piece) > self.size:
            raise UnreadableRadiograph("The file did not arrive whole. Please send it again.")
        self.data += piece

    @property
    def complete(self) -> bool:
        return len(self.data) == self.size
