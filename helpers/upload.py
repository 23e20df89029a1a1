"""Carrying a file from the browser to the kernel, and the answer back, as messages.

Why not `ipywidgets.FileUpload`: it sends a file in one message, above 10 MiB the server closes the
connection without a word, and the bytes stay in the notebook when it is saved. Here `upload.js`
sends pieces, a few ahead of the kernel's receipts. Custom messages are not part of a widget's
state, so neither file nor result is ever saved with the notebook.

Messages to the kernel: `begin` (name, size), `piece` (start, one buffer), `example` (name), `path`
(name), `cancel`. Messages to the browser: `received` (bytes so far, 0 as soon as an attempt has
begun), `state` (state, text, and with a result its html and its record for downloads). All carry
`run`, which counts attempts, and `view`, which no two views of a panel share: messages of an
attempt given up, and those of another view, are known by them.

Whoever opens the page can send any message and set any synchronised trait. So nothing that
protects the machine is decided by either: the limit on size and the leave to read paths are kept
where no message reaches them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from threading import RLock, Timer
from typing import Any

import anywidget
import comm
import traitlets

from helpers.chosen_files import LARGEST_FILE, check_size, plain_name, read_by_path
from helpers.pixels import UnreadableRadiograph

# Seconds without a word before the browser gives up. A living kernel acknowledges an attempt before
# it looks at the film: within 1 s on two cores that analyse the films of four visitors. 20 s leave
# room for slower computers and lines. An attempt that was acknowledged may take its time.
FIRST_PATIENCE = 20.0
PATIENCE = 60.0
# Seconds without a piece after which the kernel forgets what arrived: the browser may have crashed.
KEPT = 2 * PATIENCE
NOTICE = (
    "A teaching model, trained on few films. Not for clinical use: no result here says anything "
    "about a person. A file stays in this kernel's memory while it is read, and is then forgotten."
)
Attempt = dict[str, Any]  # its number, as `run`, and the view that it was begun in
WIDGETS = "jupyter.widget"  # under this name a page may ask for one (ipywidgets, messages.md)
SCRIPTS = ("result.js", "upload_page.js", "upload.js")  # one module, in this order
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

    _esm = "\n".join((_HERE / name).read_text("utf-8") for name in SCRIPTS)
    _css = _HERE / "upload.css"
    thumbnails = traitlets.Dict(help="example name -> picture").tag(sync=True)
    largest_file = traitlets.Int(LARGEST_FILE).tag(sync=True)
    first_patience = traitlets.Float(FIRST_PATIENCE).tag(sync=True)
    patience = traitlets.Float(PATIENCE).tag(sync=True)
    notice = traitlets.Unicode(NOTICE).tag(sync=True)
    runs = traitlets.Int(0, help="attempts so far, for a view that is opened later").tag(sync=True)
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
        self._turn = RLock()  # JupyterLab may send messages of two pages to two threads
        self.on_msg(self._receive)

    def __repr__(self) -> str:
        """What a saved notebook shows in the panel's place, the same in every run."""
        return "The upload panel: run this cell to use it, or open the page with `make app`."

    def _receive(self, _widget: object, message: dict[str, Any], buffers: list[Any]) -> None:
        attempt = {name: value for name, value in message.items() if name in ("run", "view")}
        with self._turn:
            self._try_to_obey(attempt, message, buffers)

    def _try_to_obey(self, attempt: Attempt, message: dict[str, Any], buffers: list[Any]) -> None:
        try:
            self._obey(attempt, message, buffers)
        except UnreadableRadiograph as error:
            self._fail(attempt, str(error))
        except KeyboardInterrupt:
            self._fail(attempt, "The kernel was interrupted. Choose the film again.")
            raise
        except Exception as error:  # whatever a file does, the panel must work for the next one
            _log.exception("The upload panel met an error that it does not know.")
            self._fail(attempt, f"This file led to an unexpected error ({type(error).__name__}).")

    def _obey(self, attempt: Attempt, message: dict[str, Any], buffers: list[Any]) -> None:
        if isinstance(attempt.get("run"), int):
            self.runs = max(self.runs, attempt["run"])
        upload = self._upload
        known = upload if upload is not None and upload.attempt == attempt else None
        match message["kind"]:
            case "begin":
                upload = _Upload(attempt, plain_name(message["name"]), int(message["size"]))
                self._go_on(upload)
                self._watch(upload)
            case "piece" if known is not None:
                known.add(int(message["start"]), buffers[0])
                self._go_on(known)
            case "cancel" if known is not None:
                self._upload = None
            case "piece" | "cancel":
                pass  # of an attempt that was given up, or that a newer one has replaced
            case _:
                self._upload = None  # whatever was still arriving is no longer wanted
                self._acknowledge(attempt, 0)
                self._show(attempt, *self._find(message["kind"], message["name"]))

    def _go_on(self, upload: _Upload) -> None:
        """Say what has arrived; show the result if that is all."""
        self._upload = None if upload.complete else upload
        self._acknowledge(upload.attempt, len(upload.data))
        if upload.complete:
            data, upload.data = bytes(upload.data), bytearray()  # it may be large: never twice
            self._show(upload.attempt, upload.name, data)

    def _watch(self, upload: _Upload) -> None:
        """Forget a film whose sender fell silent; a piece that comes later is told so."""
        with self._turn:
            if self._upload is not upload:
                return
            left = upload.heard + KEPT - time.monotonic()
            if left <= 0:
                upload.data = bytearray()
                return
        timer = Timer(left, self._watch, [upload])
        timer.daemon = True
        timer.start()

    def _acknowledge(self, attempt: Attempt, received: int) -> None:
        self.send({"kind": "received", **attempt, "bytes": received})

    def _find(self, kind: str, name: str) -> tuple[str, bytes]:
        """Name and bytes of an example, or of a file on the kernel's machine."""
        return self._read_path(name) if kind == "path" else (plain_name(name), self._films[name])

    def _read_path(self, written: str) -> tuple[str, bytes]:
        """Name and bytes of a file on the kernel's machine."""
        if not self._may_read_paths:
            raise UnreadableRadiograph("This page reads no files by path. Choose a file instead.")
        return read_by_path(written)

    def _show(self, attempt: Attempt, name: str, data: bytes) -> None:
        def tell(stage: str) -> None:
            self._say(attempt, stage, f"{stage.capitalize()} {name} …")

        outcome = self._explain(data, tell)
        self.send(
            {
                "kind": "state",
                **attempt,
                "state": "warned" if outcome.warned else "done",
                "text": f"{name}: {outcome.text}{', with warnings' if outcome.warned else ''}.",
                "html": f"<p>File: <bdi>{escape(name)}</bdi></p>{outcome.html}",
                "record": outcome.record,
            }
        )

    def _fail(self, attempt: Attempt, reason: str) -> None:
        self._upload = None
        self._say(attempt, "failed", reason)

    def _say(self, attempt: Attempt, state: str, text: str) -> None:
        self.send({"kind": "state", **attempt, "state": state, "text": text})


def serves_visitors() -> bool:
    """Whether Voilà started this kernel, so that strangers may be sending the messages."""
    return any(name.startswith("VOILA_") for name in os.environ)


def refuse_new_widgets() -> None:
    """Take no more widgets from the page: each would stay in memory, and none is needed of it."""
    comms = comm.get_comm_manager()
    if WIDGETS in comms.targets:
        comms.unregister_target(WIDGETS, comms.targets[WIDGETS])


class _Upload:
    """A file that is still arriving."""

    def __init__(self, attempt: Attempt, name: str, size: int) -> None:
        check_size(name, size)  # the browser refuses first; this is for other senders
        self.attempt, self.name, self.size = attempt, name, size
        self.data = bytearray()
        self.heard = time.monotonic()  # s, of the last piece

    def add(self, start: int, piece: bytes | memoryview) -> None:
        if start != len(self.data) or start + len(piece) > self.size:
            raise UnreadableRadiograph("The file did not arrive whole. Please send it again.")
        self.data += piece
        self.heard = time.monotonic()

    @property
    def complete(self) -> bool:
        return len(self.data) == self.size
