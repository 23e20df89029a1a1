"""The upload panel in a real browser, in Voilà and in JupyterLab, as a visitor meets it.

A random network stands in for a trained one: the panel's behaviour does not depend on skill.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import jupytext
import nbformat
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from helpers.models import RiskModel, build_resnet18
from helpers.paths import PROJECT
from helpers.radiographs import preprocess
from tests.drawn_chests import dicom, drawn_chest, png

PATIENCE = 120_000  # ms; a cold start imports torch
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-dev-shm-usage"]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
VOILA = ["voila", "--no-browser", "--Voila.ip=127.0.0.1"]
VOILA += ["--VoilaConfiguration.file_allowlist=['$^']"]
LAB = ["jupyter", "lab", "--no-browser", "--ip=127.0.0.1", "--expose-app-in-browser"]
LAB += ["--allow-root", "--IdentityProvider.token=test"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        reason = f"No browser found: looked for {', '.join(CHROMIUM)}. Install Debian's chromium."
        if os.environ.get("CI") == "true":
            raise FileNotFoundError(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the servers run: a random model, an example and a notebook that shows the panel."""
    folder = tmp_path_factory.mktemp("panel")
    square = preprocess(drawn_chest(), 128)
    mean = cv2.resize(square, (16, 16), interpolation=cv2.INTER_AREA).tolist()
    network = build_resnet18("random", seed=0).eval()
    model = RiskModel(network, 128, threshold=0.2, base_rate=0.132, card={"mean_film": mean})
    model.save(folder / "model")
    (folder / "example.png").write_bytes(png(drawn_chest(seed=1)))
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n"
        "from helpers.panel import upload_panel\n"
        "from helpers.training import RiskModel\n"
        "upload_panel(RiskModel.load('model'), {'A drawn chest': 'example.png'})"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "panel.ipynb")
    return folder


@pytest.fixture(scope="module")
def voila(browser, folder) -> Iterator[Page]:
    with served([*VOILA, "panel.ipynb"], folder) as address:
        page = browser.new_page()
        page.goto(address, wait_until="commit", timeout=PATIENCE)
        expect(status(page)).to_have_attribute("data-state", "idle", timeout=PATIENCE)
        yield page


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


def status(page: Page):
    return page.locator(".cxr-status")


def runs(page: Page) -> int:
    return int(status(page).get_attribute("data-run"))


def wait_for_end(page: Page, after: int) -> str:
    """Wait until an attempt later than `after` has ended; return its state."""
    page.wait_for_function(
        """after => { const { run, state } = document.querySelector(".cxr-status").dataset;
        return run > after && ["done", "warned", "failed"].includes(state) }""",
        arg=after,
        timeout=PATIENCE,
    )
    return status(page).get_attribute("data-state")


def upload(page: Page, name: str, data: bytes, folder: Path) -> str:
    path = folder / name
    path.write_bytes(data)
    before = runs(page)
    page.get_by_label("PNG, JPEG or DICOM file").set_input_files(path)
    state = wait_for_end(page, before)
    path.unlink()
    return state


def shown_pictures(page: Page) -> list[list[int]]:
    return page.locator(".cxr-result figure > img").evaluate_all(
        "all => all.map(img => [img.naturalWidth, img.naturalHeight])"
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("grey.png", png(drawn_chest(1024, 1100))),
        ("deep.png", png(drawn_chest(), bits=16)),
        ("film.dcm", dicom(drawn_chest())),
        ("IM00001", dicom(drawn_chest(3900, 3900))),  # 30 MB, without ending, as archives have it
    ],
)
def test_upload_shows_risk_and_pictures(voila, tmp_path, name, data):
    assert upload(voila, name, data, tmp_path) == "done"
    assert shown_pictures(voila) == [[128, 128], [128, 128]]
    expect(voila.get_by_role("status")).to_contain_text(
        re.compile(rf"{re.escape(name)}: .*in 100 patients")
    )
    assert voila.locator(".cxr-old").is_hidden()


def test_broken_file_keeps_the_last_result_as_old_and_breaks_nothing(voila, tmp_path):
    good = png(drawn_chest())
    assert upload(voila, "good.png", good, tmp_path) == "done"
    assert upload(voila, "broken.png", good[: len(good) // 2], tmp_path) == "failed"
    expect(voila.get_by_role("alert")).to_contain_text("damaged or cut off")
    expect(voila.locator(".cxr-old")).to_be_visible()
    assert len(shown_pictures(voila)) == 2
    assert upload(voila, "empty.png", b"", tmp_path) == "failed"
    assert upload(voila, "good.png", good, tmp_path) == "done"
    expect(voila.locator(".cxr-old")).to_be_hidden()
    assert voila.get_by_role("alert").inner_text() == ""


def test_photograph_is_warned_of(voila, tmp_path):
    photograph = np.random.default_rng(0).random((200, 600, 3)) * [1, 0.6, 0.2]
    assert upload(voila, "photo.png", png(photograph), tmp_path) == "warned"
    expect(voila.locator(".cxr-warnings")).to_contain_text("colours")
    assert shown_pictures(voila)


def test_too_large_a_file_is_refused_by_the_browser(voila, tmp_path):
    path = tmp_path / "huge.dcm"
    with path.open("wb") as file:
        file.truncate(120_000_000)
    before = runs(voila)
    voila.get_by_label("PNG, JPEG or DICOM file").set_input_files(path)
    assert wait_for_end(voila, before) == "failed"
    expect(voila.get_by_role("alert")).to_contain_text("huge.dcm has 120 MB; at most 100 MB")


def test_everything_works_from_the_keyboard(voila, tmp_path):
    field = voila.get_by_label("PNG, JPEG or DICOM file")
    field.focus()
    voila.keyboard.press("Tab")
    example = voila.get_by_role("button", name="A drawn chest")
    expect(example).to_be_focused()
    before = runs(voila)
    voila.keyboard.press("Enter")
    assert wait_for_end(voila, before) == "done"
    expect(example).to_be_focused()  # disabled while busy, and then given back
    voila.keyboard.press("Tab")
    expect(voila.get_by_role("button", name="Clear the result")).to_be_focused()
    voila.keyboard.press("Enter")
    assert shown_pictures(voila) == []
    expect(field).to_be_focused()


def test_page_says_at_all_times_that_it_is_no_medical_device(voila):
    expect(voila.locator(".cxr-notice")).to_contain_text("Not for clinical use")


def test_server_gives_out_no_files(voila):
    for name in ("example.png", "model.safetensors", "panel.ipynb"):
        answer = voila.request.get(f"{voila.url}voila/files/{name}")
        assert answer.status in (403, 404)


def test_panel_in_jupyterlab(browser, folder, tmp_path):
    with served([*LAB, "--ServerApp.root_dir=."], folder) as address:
        page = browser.new_page()
        page.goto(f"{address}/lab/tree/panel.ipynb?token=test&reset", timeout=PATIENCE)
        page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
            " === 'idle'",
            timeout=PATIENCE,
        )
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        expect(status(page)).to_have_attribute("data-state", "idle", timeout=PATIENCE)
        assert upload(page, "secret.dcm", dicom(drawn_chest(3900, 3900)), tmp_path) == "done"
        assert len(shown_pictures(page)) == 2
        assert upload(page, "broken.dcm", dicom(drawn_chest())[:9000], tmp_path) == "failed"
        assert upload(page, "film.png", png(drawn_chest()), tmp_path) == "done"
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        expect(page.locator(".jp-mod-dirty")).to_have_count(0)
        saved = (folder / "panel.ipynb").read_text(encoding="utf-8")
        assert "The upload panel" in saved  # the output itself was saved
        assert "secret" not in saved and "film.png" not in saved and "in 100 patients" not in saved


@pytest.fixture
def clone(folder, phantom_root, tmp_path) -> Path:
    """The project with phantoms, and the random model where notebook 05 would put its own."""
    for name in ("helpers", "phantoms"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    (tmp_path / "notebooks").mkdir()
    models = tmp_path / "data" / "work" / "quick-phantom" / "models"
    models.mkdir(parents=True)
    for suffix in (".safetensors", ".json"):
        shutil.copy(folder / f"model{suffix}", models / f"iteration2{suffix}")
    (tmp_path / "data" / "phantom").symlink_to(phantom_root, target_is_directory=True)
    return tmp_path


def test_notebook_08_as_a_web_page(browser, clone, tmp_path):
    notebook = jupytext.read(PROJECT / "notebooks" / "sources" / "08_explore_predictions.py")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, clone / "notebooks" / "page.ipynb")
    with served([*VOILA, "page.ipynb"], clone / "notebooks") as address:
        page = browser.new_page()
        page.goto(address, wait_until="commit", timeout=PATIENCE)
        expect(status(page)).to_have_attribute("data-state", "idle", timeout=PATIENCE)
        assert upload(page, "film.png", png(drawn_chest()), tmp_path) in ("done", "warned")
        page.locator(".cxr-examples button").first.click()
        assert wait_for_end(page, after=1) in ("done", "warned")
        assert len(shown_pictures(page)) == 2
