"""The upload panel in a real browser, in Voilà and in JupyterLab, as a visitor meets it.

A random network stands in for a trained one: the panel's behaviour does not depend on skill.
"""

import base64
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import jupytext
import nbformat
import numpy as np
import pytest
import skimage.data
from playwright.sync_api import Browser, Page, expect, sync_playwright

from helpers.models import RiskModel, build_resnet18
from helpers.paths import PROJECT
from helpers.radiographs import preprocess
from tests.drawn_chests import dicom, drawn_chest, png
from tests.markers import MARKER, find_markers
from tests.served import (
    LAB,
    VOILA,
    alert,
    file_field,
    launch,
    open_lab,
    open_page,
    runs,
    served,
    shown_pictures,
    status,
    upload,
    wait_for_end,
    write_notebook,
)

PICTURES = [[512, 512], [512, 512], [128, 128]]
CHUNK_NAMES = {b"IHDR", b"IDAT", b"IEND", b"sRGB", b"sBIT", b"gAMA", b"pHYs"}  # none holds text


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except FileNotFoundError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the servers run: random models, an example and a notebook that shows the panel."""
    folder = tmp_path_factory.mktemp("panel")
    square = preprocess(drawn_chest(512, 512), 128)
    mean = cv2.resize(square, (16, 16), interpolation=cv2.INTER_AREA).tolist()
    for seed, name in enumerate(("model", "model-seed1")):
        network = build_resnet18("random", seed=seed).eval()
        model = RiskModel(network, 128, threshold=0.2, base_rate=0.132, card={"mean_film": mean})
        model.save(folder / name)
    (folder / "example.png").write_bytes(png(drawn_chest(512, 512)))
    write_notebook(
        folder / "panel.ipynb",
        "from helpers.panel import load_seeds, upload_panel",
        "from helpers.training import RiskModel",
        "upload_panel(RiskModel.load('model'), {'A drawn chest': 'example.png'},",
        "             others=load_seeds('model'), paths=True)",
    )
    return folder


@pytest.fixture(scope="module")
def open_pages(browser, folder) -> Iterator[dict[str, Page]]:
    """One page of each server, opened when a test first asks for it."""
    with ExitStack() as stack:
        yield _Pages(browser, folder, stack)


class _Pages(dict):
    def __init__(self, browser: Browser, folder: Path, stack: ExitStack) -> None:
        self.browser, self.folder, self.stack = browser, folder, stack

    def __missing__(self, server: str) -> Page:
        if server == "voila":
            address = self.stack.enter_context(served([*VOILA, "panel.ipynb"], self.folder))
            self[server] = open_page(self.browser, address)
        else:
            address = self.stack.enter_context(served(LAB, self.folder))
            self[server] = open_lab(self.browser, address, "panel.ipynb")
        return self[server]


@pytest.fixture(scope="module")
def voila(open_pages) -> Page:
    return open_pages["voila"]


@pytest.fixture(scope="module")
def lab(open_pages) -> Page:
    return open_pages["lab"]


@pytest.fixture(scope="module", params=["voila", "lab"])
def page(request, open_pages) -> Page:
    return open_pages[request.param]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("grey.png", lambda: png(drawn_chest(1024, 1100))),
        ("deep.png", lambda: png(drawn_chest(600, 512), bits=16)),
        ("film.dcm", lambda: dicom(drawn_chest(700, 600))),
        (
            "IM00001",
            lambda: dicom(drawn_chest(3872, 3872)),
        ),  # 30 MB, without ending, as archives have it
        ("large.dcm", lambda: dicom(drawn_chest(7232, 7232))),  # 105 MB, close below the limit
    ],
)
def test_upload_shows_risk_and_pictures(page, tmp_path, name, write):
    assert upload(page, name, write(), tmp_path) == "done"
    assert shown_pictures(page) == PICTURES
    expect(status(page)).to_contain_text(re.compile(rf"{re.escape(name)}: .*in 100 patients"))
    expect(page.locator(".cxr-result")).to_contain_text(
        "2 networks that learned from different draws"
    )
    assert page.locator(".cxr-old").is_hidden()


def test_broken_file_keeps_the_last_result_as_old_and_breaks_nothing(page, tmp_path):
    good = png(drawn_chest(512, 512))
    assert upload(page, "good.png", good, tmp_path) == "done"
    assert upload(page, "broken.png", good[: len(good) // 2], tmp_path) == "failed"
    expect(alert(page)).to_contain_text("damaged or cut off")
    expect(page.locator(".cxr-old")).to_be_visible()
    expect(status(page)).to_contain_text("The result below is of an earlier film.")
    assert shown_pictures(page) == PICTURES
    assert upload(page, "broken.dcm", dicom(drawn_chest(512, 512))[:9000], tmp_path) == "failed"
    assert upload(page, "empty.png", b"", tmp_path) == "failed"
    assert upload(page, "good.png", good, tmp_path) == "done"
    expect(page.locator(".cxr-old")).to_be_hidden()
    assert alert(page).inner_text() == ""


def test_photograph_is_warned_of(page, tmp_path):
    photograph = png(skimage.data.coffee() / 255)
    assert upload(page, "photo.png", photograph, tmp_path) == "warned"
    expect(page.locator(".cxr-warnings")).to_contain_text("colours")
    expect(status(page)).to_contain_text("Warning: This picture has colours")  # for who listens
    assert shown_pictures(page)


def test_too_large_a_file_is_refused_by_the_browser(page, tmp_path):
    path = tmp_path / "huge.dcm"
    with path.open("wb") as file:
        file.truncate(120_000_000)
    before = runs(page)
    file_field(page).set_input_files(path)
    assert wait_for_end(page, before) == "failed"
    expect(alert(page)).to_contain_text("huge.dcm has 120 MB; at most 105 MB")


def test_states_follow_each_other_and_nothing_can_be_chosen_meanwhile(page, tmp_path):
    page.evaluate(
        """() => { window.seen = []; const status = document.querySelector(".cxr-status");
        new MutationObserver(() => window.seen.push([status.dataset.state,
          document.querySelector(".cxr-choose").disabled]))
          .observe(status, { attributeFilter: ["data-state"] }) }"""
    )
    assert upload(page, "film.dcm", dicom(drawn_chest(1500, 1500)), tmp_path) == "done"
    states = [state for state, _ in page.evaluate("window.seen")]
    # Several changes within one task are seen together, but the order stays.
    assert list(dict.fromkeys(states)) == ["sending", "reading", "checking", "predicting", "done"]
    assert all(disabled == (state != "done") for state, disabled in page.evaluate("window.seen"))


def test_a_dropped_file_is_read_like_a_chosen_one(page):
    drop = """async data => {
      const files = new DataTransfer();
      files.items.add(new File([await (await fetch(data)).blob()], "dropped.png"));
      const place = document.querySelector(".cxr-choose");
      for (const kind of ["dragover", "drop"]) {
        const event = new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true });
        place.dispatchEvent(event);
        if (!event.defaultPrevented) throw new Error(`${kind}: the browser would leave the page`);
      }
    }"""
    before = runs(page)
    data = base64.b64encode(png(drawn_chest(512, 512))).decode()
    page.evaluate(drop, f"data:image/png;base64,{data}")
    assert wait_for_end(page, before) == "done"
    expect(status(page)).to_contain_text("dropped.png: ")


def test_everything_works_from_the_keyboard(page):
    field = file_field(page)
    field.focus()
    expect(field).to_be_focused()
    with page.expect_file_chooser():
        page.keyboard.press("Enter")
    example = page.get_by_role("button", name="A drawn chest")
    while not example.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('.cxr-choose') !== null")
    before = runs(page)
    page.keyboard.press("Enter")
    assert wait_for_end(page, before) == "done"
    expect(example).to_be_focused()  # disabled while busy, and then given back
    page.keyboard.press("Tab")
    slider = page.get_by_label("Opacity of the map")
    expect(slider).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert slider.input_value() == "60"
    layers = page.locator(".cxr-stack .cxr-layer")
    assert layers.first.evaluate("img => getComputedStyle(img).opacity") == "0.6"
    page.keyboard.press("Tab")
    expect(page.get_by_label("Show evidence against death, too")).to_be_focused()
    assert [one.is_visible() for one in layers.all()] == [True, False]
    page.keyboard.press("Space")
    assert [one.is_visible() for one in layers.all()] == [False, True]
    page.keyboard.press("Space")
    for name in ("Download as PNG", "Download as JSON", "Clear the result"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    assert shown_pictures(page) == []
    expect(field).to_be_focused()


def download(page: Page, kind: str) -> tuple[str, bytes]:
    with page.expect_download() as started:
        page.get_by_role("button", name=f"Download as {kind}").click()
    return started.value.suggested_filename, Path(started.value.path()).read_bytes()


def chunks(data: bytes) -> set[bytes]:
    """Names of a PNG's chunks."""
    names, at = set(), 8
    while at < len(data):
        names.add(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return names


def test_downloads_hold_the_result_and_nothing_of_whose_it_is(page, tmp_path):
    film = drawn_chest(512, 512)
    found = []
    for name, patient in ((f"{MARKER}.dcm", MARKER), ("film.dcm", "Somebody")):
        data = dicom(film, name=patient, patient_id=patient)
        assert upload(page, name, data, tmp_path) == "done"
        found.append({kind: download(page, kind) for kind in ("PNG", "JSON")})
    # Other patients, other file names: the same bytes. So neither is written into the picture.
    assert found[0] == found[1]
    name, saved = found[0]["JSON"]
    result = json.loads(saved)
    assert name == "prediction.json" and not find_markers(saved)
    assert result["risk"]["networks"] == 2 and len(result["map"]["grid"]) == 4
    assert result["text"][0] in page.locator(".cxr-result").inner_text()
    name, saved = found[0]["PNG"]
    assert name == "prediction.png" and not find_markers(saved) and chunks(saved) <= CHUNK_NAMES
    picture = cv2.imdecode(np.frombuffer(saved, np.uint8), cv2.IMREAD_COLOR)
    shown = cv2.resize(picture[32 : 32 + 432, 32 : 32 + 432, 0], (64, 64))  # the film, upper left
    expected = cv2.resize(preprocess(film, 512), (64, 64))
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.98


def test_page_says_at_all_times_that_it_is_no_medical_device(voila):
    expect(voila.locator(".cxr-notice")).to_contain_text("Not for clinical use")


def test_server_gives_out_no_files(voila):
    for name in ("example.png", "model.safetensors", "panel.ipynb"):
        answer = voila.request.get(f"{voila.url}voila/files/{name}")
        assert answer.status in (403, 404)


def test_web_page_has_no_path_box_and_a_forged_message_reads_no_file(voila, folder):
    expect(voila.locator(".cxr-path")).to_be_hidden()  # though the notebook asks for it
    before = runs(voila)
    voila.evaluate(
        """name => { const box = document.querySelector(".cxr-path"); box.hidden = false;
        box.querySelector("input").value = name; box.querySelector("button").click() }""",
        str(folder / "example.png"),
    )
    assert wait_for_end(voila, before) == "failed"
    expect(alert(voila)).to_contain_text("reads no files by path")
    voila.evaluate("document.querySelector('.cxr-path').hidden = true")


def test_path_box_reads_a_film_of_the_kernels_machine(lab, folder):
    box = lab.get_by_label("or a path on the kernel's machine")
    before = runs(lab)
    box.fill(str(folder / "example.png"))
    box.press("Enter")
    assert wait_for_end(lab, before) == "done"
    expect(status(lab)).to_contain_text("example.png")
    box.fill(str(folder / "none.png"))
    box.press("Enter")
    assert wait_for_end(lab, before + 1) == "failed"
    expect(alert(lab)).to_contain_text("no file none.png")


def test_nothing_of_an_upload_is_saved_with_the_notebook(lab, folder, tmp_path):
    data = dicom(drawn_chest(512, 512), name=MARKER, patient_id=MARKER)
    assert upload(lab, "secret.dcm", data, tmp_path) == "done"
    lab.evaluate("jupyterapp.commands.execute('docmanager:save')")
    expect(lab.locator(".jp-mod-dirty")).to_have_count(0)
    saved = (folder / "panel.ipynb").read_text(encoding="utf-8")
    assert "The upload panel" in saved  # the output itself was saved
    assert "secret" not in saved and MARKER not in saved and "in 100 patients" not in saved


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_is_readable_in_both_themes_and_on_a_phone(voila, tmp_path, scheme, width):
    voila.emulate_media(color_scheme=scheme)
    voila.set_viewport_size({"width": width, "height": 800})
    long_name = f"{'1.2.826.0.1.' * 6}png"
    assert upload(voila, long_name, png(drawn_chest(512, 512)), tmp_path) == "done"
    expect(voila.locator(".cxr-result h3")).to_be_in_viewport()
    assert voila.evaluate("document.documentElement.scrollWidth") <= width
    for part in voila.locator(".cxr-panel > *").all():
        assert part.evaluate("part => part.scrollWidth <= part.clientWidth + 1")
    assert_readable(voila)
    voila.emulate_media(color_scheme="light")
    voila.set_viewport_size({"width": 1280, "height": 720})


def test_panel_is_readable_in_jupyterlabs_dark_theme(lab, tmp_path):
    change = "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })"
    lab.evaluate(change, "JupyterLab Dark")
    expect(lab.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    assert upload(lab, "film.png", png(drawn_chest(512, 512)), tmp_path) == "done"
    assert_readable(lab)
    lab.evaluate(change, "JupyterLab Light")
    expect(lab.locator("body")).to_have_attribute("data-jp-theme-light", "true")


def assert_readable(page: Page) -> None:
    for place in (".cxr-status", ".cxr-result h3", ".cxr-ticks span", ".cxr-notice", "button"):
        assert contrast(page, place) >= 4.5, place  # WCAG 2.2, 1.4.3


def contrast(page: Page, place: str) -> float:
    """Contrast ratio of a text to what is behind it, as WCAG 2.2 defines it."""
    colours = page.locator(f".cxr-panel {place}").first.evaluate(
        """element => { const parse = (text) => text.match(/[\\d.]+/g).map(Number);
        const ink = parse(getComputedStyle(element).color);
        for (let at = element; at; at = at.parentElement) {
          const paper = parse(getComputedStyle(at).backgroundColor);
          if ((paper[3] ?? 1) === 1) return [ink, paper];
        }
        return [ink, [255, 255, 255]] }"""
    )
    light, dark = sorted((_luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: list[float]) -> float:
    parts = np.array(colour[:3]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


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
    (tmp_path / "data" / "weights").symlink_to(PROJECT / "data" / "weights")
    return tmp_path


def test_notebook_08_as_a_web_page(browser, clone, tmp_path):
    notebook = jupytext.read(PROJECT / "notebooks" / "sources" / "08_explore_predictions.py")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, clone / "notebooks" / "page.ipynb")
    with served([*VOILA, "page.ipynb"], clone / "notebooks") as address:
        page = open_page(browser, address)
        assert upload(page, "film.png", png(drawn_chest(512, 512)), tmp_path) in ("done", "warned")
        page.locator(".cxr-examples button").first.click()
        assert wait_for_end(page, after=1) in ("done", "warned")
        assert len(shown_pictures(page)) == 3
        expect(page.locator(".cxr-path")).to_be_hidden()
        expect(page.locator(".cxr-result")).to_contain_text("One network alone")
