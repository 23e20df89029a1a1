"""Notebooks served by Voilà and JupyterLab, and what a visitor does with the panel on the page."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from helpers.paths import PROJECT

PATIENCE = 120_000  # ms; a cold start imports torch
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-dev-shm-usage"]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
VOILA = ["voila", "--no-browser", "--Voila.ip=127.0.0.1"]
VOILA += ["--VoilaConfiguration.file_allowlist=['$^']"]
LAB = ["jupyter", "lab", "--no-browser", "--ip=127.0.0.1", "--expose-app-in-browser"]
LAB += ["--allow-root", "--IdentityProvider.token=test", "--ServerApp.root_dir=."]


def launch(playwright: Playwright) -> Browser:
    """Start the browser of this machine.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        raise FileNotFoundError(
            f"No browser found: looked for {', '.join(CHROMIUM)}. Install Debian's chromium."
        )
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


def write_notebook(path: Path, *lines: str) -> None:
    """Write a notebook of one cell, in which the project can be imported."""
    code = "\n".join([f"import sys; sys.path.insert(0, {str(PROJECT)!r})", *lines])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


@contextmanager
def served(command: list[str], folder: Path) -> Iterator[str]:
    """Run a Jupyter server in a folder, on a free port; yield its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / f"server-{port}.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", *command, f"--port={port}"], cwd=folder, stdout=log, stderr=log
    )
    try:
        _wait_for(port, server, log.name)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def _wait_for(port: int, server: subprocess.Popen, log: str) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)  # a port tells nobody when it opens
    raise RuntimeError(f"The server did not start:\n{Path(log).read_text()[-3000:]}")


def _new_page(browser: Browser, **options: Any) -> Page:
    page = browser.new_page(**options)
    # A listener from the start: one that comes only for a key press may reach the browser after the
    # key, and the chooser that opens is then nobody's (14 of 150 times on a busy machine).
    page.on("filechooser", lambda chooser: None)
    return page


def open_page(browser: Browser, address: str, **options: Any) -> Page:
    """Open Voilà's page in a new window, and wait for the panel."""
    page = _new_page(browser, **options)
    page.goto(address, wait_until="commit", timeout=PATIENCE)
    expect(status(page)).to_have_attribute("data-state", "idle", timeout=PATIENCE)
    return page


def open_lab(browser: Browser, address: str, notebook: str, **options: Any) -> Page:
    """Open a notebook in JupyterLab, run all of it, and wait for the panel."""
    page = _new_page(browser, **options)
    page.goto(f"{address}/lab/tree/{notebook}?token=test&reset", timeout=PATIENCE)
    page.wait_for_function(
        "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
        " === 'idle'",
        timeout=PATIENCE,
    )
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    expect(status(page)).to_have_attribute("data-state", "idle", timeout=PATIENCE)
    return page


def status(page: Page) -> Locator:
    return page.locator(".cxr-panel [role=status]")


def alert(page: Page) -> Locator:
    return page.locator(".cxr-panel [role=alert]")


def runs(page: Page) -> int:
    return int(status(page).get_attribute("data-run") or 0)


def wait_for_end(page: Page, after: int) -> str | None:
    """Wait until an attempt later than `after` has ended; return its state."""
    page.wait_for_function(
        """after => { const { run, state } = document.querySelector(".cxr-status").dataset;
        return run > after && ["done", "warned", "failed"].includes(state) }""",
        arg=after,
        timeout=PATIENCE,
    )
    return status(page).get_attribute("data-state")


def file_field(page: Page) -> Locator:
    return page.get_by_label("PNG, JPEG or DICOM file")


def upload(page: Page, name: str, data: bytes, folder: Path) -> str | None:
    """Choose a file as a visitor does; return the state in which it ended."""
    path = folder / name
    path.write_bytes(data)
    before = runs(page)
    file_field(page).set_input_files(path)
    state = wait_for_end(page, before)
    path.unlink()
    return state


def shown_pictures(page: Page) -> list[list[int]]:
    """Natural sizes of the pictures of a result: film, film under its map, network's picture."""
    return page.locator(".cxr-film, .cxr-seen").evaluate_all(
        "all => all.map(img => [img.naturalWidth, img.naturalHeight])"
    )
