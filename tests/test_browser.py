"""The upload panel in a real browser, in Voilà and in JupyterLab, as a visitor meets it.

A random network stands in for a trained one: the panel's behaviour does not depend on skill.
"""

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import jupytext
import nbformat
import numpy as np
import pytest
import skimage.data
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from helpers.models import RiskModel, build_resnet18
from helpers.paths import PROJECT
from helpers.radiographs import preprocess
from helpers.upload import LARGEST_FILE, UploadPanel
from tests.drawn_chests import dicom, drawn_chest, png
from tests.markers import MARKER, find_markers
from tests.served import (
    LAB,
    PATIENCE,
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

SIZE = 128  # px, of the films that the networks look at
PICTURES = [[512, 512], [512, 512], [SIZE, SIZE]]
RESULT = (".cxr-result h3", ".cxr-ticks span", "figcaption", ".cxr-controls label")
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
    square = preprocess(drawn_chest(512, 512), SIZE)
    mean = cv2.resize(square, (16, 16), interpolation=cv2.INTER_AREA).tolist()
    card = {"mean_film": mean, "training_data": {"sha256": "of the same films"}}
    for seed, name in enumerate(("model", "model-seed1")):
        network = build_resnet18("random", seed=seed).eval()
        model = RiskModel(network, SIZE, threshold=0.2, base_rate=0.132, card=card)
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
        "2 networks, the model and others that learned from other draws"
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
    expect(alert(page)).to_contain_text("huge.dcm has 120.0 MB; at most 104.8 MB")


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


def test_the_bar_rises_while_a_large_file_is_sent(page, tmp_path):
    page.evaluate(
        """() => { const bar = document.querySelector(".cxr-panel progress");
        const status = document.querySelector(".cxr-status"); window.bars = [];
        new MutationObserver(() => window.bars.push(
          [bar.value, bar.checkVisibility(), status.dataset.state]))
          .observe(bar, { attributeFilter: ["value", "hidden"] }) }"""
    )
    expect(page.locator("progress")).to_be_hidden()
    film = dicom(drawn_chest(3872, 3872))  # 30 MB
    assert upload(page, "film.dcm", film, tmp_path) == "done"
    expect(page.locator("progress")).to_be_hidden()
    seen = page.evaluate("window.bars")
    assert all(visible == (state == "sending") for _, visible, state in seen)
    values = [value for value, visible, _ in seen if visible]
    assert values == sorted(values) and values[0] == 0
    assert len(set(values)) > 20  # of some 115 pieces, each with its receipt
    assert max(value for value, *_ in seen) == 1


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


def drop(page: Page, place: str, *paths: Path) -> None:
    """Drop files as a visitor does; unlike events of a script, this can leave the page."""
    box = page.locator(place).bounding_box()
    devices = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devices.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": box["x"] + 20,
                "y": box["y"] + 10,
                "data": {"items": [], "files": [*map(str, paths)], "dragOperationsMask": 1},
            },
        )


@pytest.mark.parametrize("place", [".cxr-choose", ".cxr-notice"])
def test_a_file_dropped_anywhere_on_the_panel_is_read(page, tmp_path, place):
    path = tmp_path / "dropped.png"
    path.write_bytes(png(drawn_chest(512, 512)))
    before = runs(page)
    page.locator(place).scroll_into_view_if_needed()
    drop(page, place, path)
    assert wait_for_end(page, before) == "done"
    expect(status(page)).to_contain_text("dropped.png: ")


def test_clearing_takes_the_files_name_off_the_page(page, tmp_path):
    assert upload(page, "somebody.png", png(drawn_chest(512, 512)), tmp_path) == "done"
    assert chosen_files(page) == 1 and "somebody" in page.locator(".cxr-panel").inner_text()
    page.get_by_role("button", name="Clear the result").click()
    assert chosen_files(page) == 0
    assert "somebody" not in page.locator(".cxr-panel").inner_text()


def test_clearing_after_a_failure_without_a_result_leaves_nothing_either(page, tmp_path):
    clear = page.locator(".cxr-clear")
    if clear.is_visible():  # of a test before this one
        clear.click()
    expect(clear).to_be_hidden()
    before = runs(page)
    path = tmp_path / "somebody.dcm"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    file_field(page).set_input_files(path)
    assert wait_for_end(page, before) == "failed"
    assert chosen_files(page) == 1 and "somebody" in alert(page).inner_text()
    page.get_by_role("button", name="Clear the message").click()
    assert chosen_files(page) == 0 and alert(page).inner_text() == ""
    assert "somebody" not in page.locator(".cxr-panel").inner_text()
    expect(file_field(page)).to_be_focused()
    expect(clear).to_be_hidden()


def test_clearing_after_a_failure_takes_the_old_result_too(page, tmp_path):
    assert upload(page, "somebody.png", png(drawn_chest(512, 512)), tmp_path) == "done"
    assert upload(page, "broken.png", b"no film", tmp_path) == "failed"
    page.get_by_role("button", name="Clear the result").click()
    assert shown_pictures(page) == [] and alert(page).inner_text() == ""
    assert "somebody" not in page.locator(".cxr-panel").inner_text()
    expect(page.locator(".cxr-old")).to_be_hidden()


def test_no_field_names_another_film_than_the_one_that_is_shown(page, tmp_path):
    assert upload(page, "somebody.png", png(drawn_chest(512, 512)), tmp_path) == "done"
    before = runs(page)
    page.get_by_role("button", name="A drawn chest").click()
    wait_for_end(page, before)
    assert chosen_files(page) == 0
    assert "somebody" not in page.locator(".cxr-panel").inner_text()


def test_a_name_turns_no_line_of_the_page_round(page):
    film = {"mimeType": "image/png", "buffer": png(drawn_chest(512, 512))}
    before = runs(page)
    file_field(page).set_input_files({"name": "photo\u202egnp.exe", **film})
    assert wait_for_end(page, before) == "done"
    expect(status(page)).to_contain_text("photognp.exe: predicted risk of death")
    assert "\u202e" not in page.locator(".cxr-panel").inner_text()


def test_a_new_result_is_seen_from_its_beginning(voila, tmp_path):
    assert upload(voila, "one.png", png(drawn_chest(512, 512)), tmp_path) == "done"
    voila.locator(".cxr-clear").scroll_into_view_if_needed()
    expect(voila.locator(".cxr-result h3")).not_to_be_in_viewport()
    assert upload(voila, "two.png", png(drawn_chest(512, 512)), tmp_path) == "done"
    expect(voila.locator(".cxr-result h3")).to_be_in_viewport()


def test_a_picture_of_the_result_is_not_taken_for_a_film(page, tmp_path):
    assert upload(page, "film.png", png(drawn_chest(512, 512)), tmp_path) == "done"
    dragged = """picture => { const event = new DragEvent("dragstart",
      { bubbles: true, cancelable: true }); return picture.dispatchEvent(event) }"""
    for number, picture in enumerate(page.locator(".cxr-panel img").all()):
        assert not picture.evaluate(dragged), number  # or it would come back as a file
    assert page.locator(".cxr-notice").evaluate(dragged)  # words may be dragged


def test_a_failure_is_seen_wherever_the_page_was_scrolled_to(voila, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    assert upload(voila, "film.png", png(drawn_chest(512, 512)), tmp_path) == "done"
    before = runs(voila)
    voila.locator(".cxr-clear").scroll_into_view_if_needed()
    expect(voila.locator(".cxr-choose")).not_to_be_in_viewport()
    drop(voila, ".cxr-clear", path)
    assert wait_for_end(voila, before) == "failed"
    expect(alert(voila)).to_be_in_viewport()


def chosen_files(page: Page | Locator) -> int:
    return file_field(page).evaluate("field => field.files.length")


def test_of_several_dropped_files_none_is_taken_for_the_only_one(page, tmp_path):
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    for path in paths:
        path.write_bytes(png(drawn_chest(512, 512)))
    before = runs(page)
    page.locator(".cxr-choose").scroll_into_view_if_needed()
    drop(page, ".cxr-choose", *paths)
    assert wait_for_end(page, before) == "failed"
    expect(alert(page)).to_contain_text("2 files were dropped; drop one film")
    assert upload(page, "one.png", paths[0].read_bytes(), tmp_path) == "done"


def test_a_dropped_folder_is_called_one(page, tmp_path):
    (tmp_path / "STUDY").mkdir()
    (tmp_path / "STUDY" / "IM1").write_bytes(dicom(drawn_chest()))
    before = runs(page)
    page.locator(".cxr-choose").scroll_into_view_if_needed()
    drop(page, ".cxr-choose", tmp_path / "STUDY")
    assert wait_for_end(page, before) == "failed"
    expect(alert(page)).to_contain_text("STUDY is a folder; drop one film of it.")


def test_a_file_dropped_beside_the_panel_does_not_leave_the_web_page(voila, tmp_path):
    path = tmp_path / "beside.dcm"
    path.write_bytes(dicom(drawn_chest(1500, 1500)))
    voila.evaluate("document.body.insertAdjacentHTML('afterbegin', '<h1 id=beside>Beside</h1>')")
    voila.locator("#beside").scroll_into_view_if_needed()
    before = runs(voila)
    drop(voila, "#beside", path)
    drop(voila, "#beside", path)  # while the panel is busy
    expect(status(voila)).to_contain_text("What was dropped meanwhile was not read")
    assert wait_for_end(voila, before) == "done"
    expect(status(voila)).to_contain_text("beside.dcm: ")
    assert runs(voila) == before + 1 and len(voila.context.pages) == 1
    voila.evaluate("document.querySelector('#beside').remove()")


def test_everything_works_from_the_keyboard(page, tmp_path):
    field, path = file_field(page), tmp_path / "chosen.png"
    path.write_bytes(png(drawn_chest(512, 512)))
    field.focus()
    expect(field).to_be_focused()
    before = runs(page)
    with page.expect_file_chooser() as opened:
        page.keyboard.press("Enter")
    opened.value.set_files(path)
    assert wait_for_end(page, before) == "done"
    expect(status(page)).to_contain_text("chosen.png: predicted risk of death")
    assert shown_pictures(page) == PICTURES
    expect(field).to_be_focused()  # disabled while busy, and then given back
    example = page.get_by_role("button", name="A drawn chest")
    while not example.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('.cxr-choose') !== null")
    before = runs(page)
    page.keyboard.press("Enter")
    assert wait_for_end(page, before) == "done"
    expect(example).to_be_focused()
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
    assert result["risk"]["networks"] == 2
    places = SIZE // 8 - 3  # of squares of 32 px, 8 px apart
    assert [len(row) for row in result["map"]["grid"]] == [places] * places
    assert result["text"][0] in page.locator(".cxr-result").inner_text()
    name, saved = found[0]["PNG"]
    assert name == "prediction.png" and not find_markers(saved) and chunks(saved) <= CHUNK_NAMES
    picture = cv2.imdecode(np.frombuffer(saved, np.uint8), cv2.IMREAD_COLOR)
    shown = cv2.resize(picture[32 : 32 + 432, 32 : 32 + 432, 0], (64, 64))  # the film, upper left
    expected = cv2.resize(preprocess(film, 512), (64, 64))
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.98


def test_page_says_at_all_times_that_it_is_no_medical_device(voila, tmp_path):
    notice = voila.locator(".cxr-notice")
    expect(notice).to_contain_text("Not for clinical use")
    photograph, film = png(skimage.data.coffee() / 255), png(drawn_chest(512, 512))
    files = {"broken.png": b"no film", "photo.png": photograph, "film.png": film}
    ends = []
    for name, data in files.items():
        ends.append(upload(voila, name, data, tmp_path))
        expect(notice).to_be_visible()
        expect(notice).to_contain_text("Not for clinical use")
    assert ends == ["failed", "warned", "done"]


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
    assert_readable_in_every_state(voila, f"{scheme}-{width}", tmp_path)
    voila.emulate_media(color_scheme="light")
    voila.set_viewport_size({"width": 1280, "height": 720})


def test_bars_are_seen_where_a_reader_sets_all_colours(voila, tmp_path):
    assert upload(voila, "film.png", png(drawn_chest(512, 512)), tmp_path) == "done"
    fills = """[...document.querySelectorAll(".cxr-bar-track b")].map(
      (bar) => getComputedStyle(bar).backgroundColor)"""
    voila.emulate_media(forced_colors="active")
    found = set(voila.evaluate(fills))
    behind = voila.evaluate("getComputedStyle(document.body).backgroundColor")
    voila.emulate_media(forced_colors="none")
    assert len(found) == 2 and behind not in found  # with the film, and without one


def test_panel_is_readable_in_jupyterlabs_dark_theme(lab, tmp_path):
    change = "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })"
    lab.evaluate(change, "JupyterLab Dark")
    expect(lab.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    assert_readable_in_every_state(lab, "jupyterlab-dark", tmp_path)
    lab.evaluate(change, "JupyterLab Light")
    expect(lab.locator("body")).to_have_attribute("data-jp-theme-light", "true")


def keep_picture(page: Page, name: str) -> None:
    """For people to look at, where CXR_SCREENSHOTS names a folder for them."""
    if folder := os.environ.get("CXR_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def assert_readable_in_every_state(page: Page, name: str, folder: Path) -> None:
    """After a good film, a broken one (the good one's result is old then), and a photograph."""
    photograph, film = png(skimage.data.coffee() / 255), png(drawn_chest(512, 512))
    assert upload(page, "film.png", film, folder) == "done"
    assert_readable(page, *RESULT)
    keep_picture(page, name)
    assert upload(page, "broken.png", b"no film", folder) == "failed"
    assert_readable(page, *RESULT, ".cxr-alert", ".cxr-old")
    keep_picture(page, f"{name}-failed")
    assert upload(page, "photo.png", photograph, folder) == "warned"
    assert_readable(page, *RESULT, ".cxr-warnings strong", ".cxr-warnings li")
    keep_picture(page, f"{name}-warned")


def assert_readable(page: Page, *places: str) -> None:
    """Every text that the panel shows, among them at least one in each of the places."""
    for place in (".cxr-status", ".cxr-notice", "button", "legend", *places):
        assert page.locator(f".cxr-panel {place} >> visible=true").count(), place
    texts = page.locator(".cxr-panel").evaluate(COLOURS)
    assert len(texts) > len(places)
    for text, ink, paper in texts:
        assert contrast(ink, paper) >= 4.5, (text, ink, paper)  # WCAG 2.2, 1.4.3


# Of every text that is seen: what it says, its colour, and the colour behind it. Both are laid over
# what is behind them, element by element, for a colour or a part of the page may let it through.
COLOURS = """panel => {
  const parse = (text) => {
    const [red, green, blue, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
    return [red, green, blue, alpha];
  };
  const over = (upper, lower) => {
    const left = lower[3] * (1 - upper[3]), alpha = upper[3] + left;
    const mixed = [0, 1, 2].map((at) => (upper[at] * upper[3] + lower[at] * left) / (alpha || 1));
    return [...mixed, alpha];
  };
  const behind = (pixel, element) => {
    for (let at = element; at; at = at.parentElement) {
      const { backgroundColor, opacity } = getComputedStyle(at);
      pixel = over(pixel, parse(backgroundColor));
      pixel[3] *= opacity;
    }
    return over(pixel, [255, 255, 255, 1]);
  };
  const written = (element) => [...element.childNodes]
    .filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("").trim();
  return [...panel.querySelectorAll("*")]
    .filter((element) => written(element) && element.checkVisibility())
    .map((element) => [written(element),
      behind(parse(getComputedStyle(element).color), element), behind([0, 0, 0, 0], element)]);
}"""


def contrast(*colours: list[float]) -> float:
    """Contrast ratio of a text to what is behind it, as WCAG 2.2 defines it."""
    light, dark = sorted((_luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: list[float]) -> float:
    parts = np.array(colour[:3]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_panel_of_a_kernel_that_was_restarted_says_what_to_do(lab, tmp_path):
    lab.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    lab.wait_for_function("document.querySelector('.cxr-panel')")
    assert upload(lab, "film.png", png(drawn_chest(512, 512)), tmp_path) == "failed"
    expect(alert(lab)).to_contain_text("restarted or stopped")
    expect(alert(lab)).to_contain_text("run the panel's cell again.")
    before = runs(lab)
    lab.get_by_role("button", name="A drawn chest").click()
    assert wait_for_end(lab, before) == "failed"
    expect(alert(lab)).to_contain_text("run the panel's cell again.")
    lab.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    expect(status(lab)).to_have_attribute("data-run", "0", timeout=PATIENCE)
    assert upload(lab, "film.png", png(drawn_chest(512, 512)), tmp_path) == "done"


# --- the browser's side alone, with a kernel that does what a test wants ---

VIEW = """async ({ code, traits, voila }) => {
  if (voila) document.body.dataset.voila = "voila";
  const listeners = new Set();
  window.sent = [];
  window.say = (message) => listeners.forEach((listen) => listen(message));
  const model = {
    get: (name) => traits[name],
    on: (_, listen) => listeners.add(listen),
    off: (_, listen) => listeners.delete(listen),
    send(message) {
      if (window.cut) throw new Error("Cannot send");
      window.sent.push(message);
    },
  };
  const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: panel } = await import(address);
  window.show = () => {
    const el = document.body.appendChild(document.createElement("div"));
    return panel.render({ model, el });
  };
  window.leave = window.show();
}"""
CURES = {False: "run the panel's cell again.", True: "reload this page."}


@pytest.fixture
def alone(browser) -> Iterator[Callable[..., Page]]:
    """Show the panel without a kernel: `sent` has what it sent, and `say` answers it."""
    pages, code = [], str(UploadPanel._esm)

    def show(*, voila: bool = False, **traits: object) -> Page:
        page = browser.new_page()
        pages.append(page)
        known = {
            "notice": "",
            "thumbnails": {"An example": ""},
            "path_box": True,
            "largest_file": LARGEST_FILE,
            "first_patience": 20,
            "patience": 60,
        }
        page.evaluate(VIEW, {"code": code, "traits": {**known, **traits}, "voila": voila})
        return page

    yield show
    for page in pages:
        page.close()


def choose(page: Page, folder: Path, megabytes: float = 0.1, view: int = 0) -> None:
    path = folder / "film.png"
    with path.open("wb") as file:
        file.truncate(int(megabytes * 2**20))
    page.locator("[type=file]").nth(view).set_input_files(path)


def ask(page: Page, way: str, folder: Path) -> None:
    """Begin an attempt: choose a file, or ask for an example or a path."""
    if way == "file":
        choose(page, folder)
    elif way == "example":
        page.get_by_role("button", name="An example").click()
    else:
        page.get_by_label("or a path").fill("film.png")
        page.get_by_role("button", name="Read it").click()


def sent(page: Page, kind: str) -> list[dict]:
    return [message for message in page.evaluate("sent") if message["kind"] == kind]


def say(page: Page, kind: str, **message: object) -> None:
    """Answer as the kernel does: to the view that began the attempt, of several to the last."""
    views = [one["view"] for one in page.evaluate("sent") if one["run"] == message["run"]]
    page.evaluate("say", {"kind": kind, "view": [*["of old"], *views][-1], **message})


@pytest.mark.parametrize("voila", [False, True])
@pytest.mark.parametrize("way", ["file", "example", "path"])
def test_a_closed_connection_is_no_fault_of_the_file(alone, tmp_path, way, voila):
    page = alone(voila=voila)
    page.evaluate("window.cut = true")
    ask(page, way, tmp_path)
    expect(alert(page)).to_contain_text("The kernel was restarted or stopped")
    expect(alert(page)).to_contain_text(CURES[voila])
    expect(page.locator(".cxr-choose")).to_be_enabled()


@pytest.mark.parametrize("voila", [False, True])
def test_silence_ends_an_attempt_and_says_what_to_do(alone, tmp_path, voila):
    page = alone(voila=voila, first_patience=0.3)
    choose(page, tmp_path)
    expect(alert(page)).to_contain_text("No answer from the kernel for 0.3 s.")
    expect(alert(page)).to_contain_text(CURES[voila])
    (begun,) = sent(page, "begin")
    assert [message["run"] for message in sent(page, "cancel")] == [begun["run"]]
    say(page, "received", run=begun["run"], bytes=0)
    say(page, "state", run=begun["run"], state="done", text="too late")
    expect(status(page)).to_have_attribute("data-state", "failed")


def test_an_acknowledged_attempt_may_take_longer(alone, tmp_path):
    page = alone(first_patience=0.5, patience=2)
    choose(page, tmp_path)
    say(page, "received", run=1, bytes=0)
    page.wait_for_timeout(1000)
    expect(status(page)).to_have_attribute("data-state", "sending")
    say(page, "state", run=1, state="reading", text="Reading film.png …")
    page.wait_for_timeout(1000)
    expect(status(page)).to_have_attribute("data-state", "reading")
    expect(alert(page)).to_contain_text("No answer from the kernel for 2 s.")


def test_an_unreadable_file_keeps_its_message_whatever_comes_later(alone, tmp_path):
    page = alone(patience=0.3)
    page.evaluate("void (Blob.prototype.arrayBuffer = () => Promise.reject(new Error()))")
    choose(page, tmp_path)
    expect(alert(page)).to_contain_text("The browser could not read film.png.")
    assert [message["run"] for message in sent(page, "cancel")] == [1]
    say(page, "received", run=1, bytes=0)
    page.wait_for_timeout(600)
    expect(alert(page)).to_contain_text("The browser could not read film.png.")


def test_a_slow_disk_is_not_taken_for_a_silent_kernel(alone, tmp_path):
    page = alone(first_patience=20, patience=0.3)
    page.evaluate("void (Blob.prototype.arrayBuffer = () => new Promise(() => {}))")
    choose(page, tmp_path)
    say(page, "received", run=1, bytes=0)
    expect(alert(page)).to_contain_text("The browser got nothing of the file from the disk")
    assert [message["run"] for message in sent(page, "cancel")] == [1]


def test_a_late_rejection_is_not_the_next_attempts(alone, tmp_path):
    page = alone(first_patience=0.3)
    page.evaluate(
        """() => { const read = Blob.prototype.arrayBuffer;
        Blob.prototype.arrayBuffer = () => new Promise((_, reject) => {
          window.reject = reject; Blob.prototype.arrayBuffer = read }) }"""
    )
    choose(page, tmp_path)
    expect(alert(page)).to_contain_text("No answer")
    page.get_by_role("button", name="An example").click()
    (example,) = sent(page, "example")
    say(page, "state", run=example["run"], state="reading", text="Reading")
    page.evaluate("reject(new Error('NotReadable'))")
    expect(status(page)).to_have_attribute("data-state", "reading")
    assert len(sent(page, "cancel")) == 1


def test_a_second_view_waits_for_no_upload_of_the_first(alone, tmp_path):
    page = alone(patience=0.3)
    page.evaluate("void show()")
    choose(page, tmp_path)
    say(page, "received", run=1, bytes=1000)
    first, second = (page.locator(".cxr-panel").nth(number) for number in (0, 1))
    expect(first.get_by_role("alert")).to_contain_text("No answer")
    expect(second.get_by_role("status")).to_have_attribute("data-state", "idle")
    assert second.locator("progress").get_attribute("value") == "0"


def test_the_newer_upload_of_two_views_is_the_one_that_goes_on(alone, tmp_path):
    page = alone()
    page.evaluate("void show()")
    choose(page, tmp_path, megabytes=9)  # waits for receipts
    say(page, "received", run=1, bytes=0)
    page.wait_for_function("sent.filter((message) => message.kind === 'piece').length === 16")
    page.get_by_role("button", name="An example").nth(1).click()
    say(page, "received", run=2, bytes=0)
    first, second = (page.locator(".cxr-panel").nth(number) for number in (0, 1))
    expect(first.get_by_role("alert")).to_contain_text("from another view")
    expect(second.get_by_role("status")).to_have_attribute("data-state", "sending")
    say(page, "state", run=2, state="done", text="An example: fine")
    for view in (first, second):
        expect(view.get_by_role("status")).to_contain_text("An example: fine")
        assert chosen_files(view) == 0  # the film that is shown is not the one chosen here
    assert len(sent(page, "piece")) == 16


def test_two_views_that_count_alike_are_told_apart(alone, tmp_path):
    """Both begin their first attempt before the kernel, busy with something else, has answered."""
    page = alone()
    page.evaluate("void show()")
    for number in (0, 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        choose(page, folder, megabytes=9, view=number)
    ours, theirs = (begun["view"] for begun in sent(page, "begin"))
    assert ours != theirs and [begun["run"] for begun in sent(page, "begin")] == [1, 1]
    first, second = (page.locator(".cxr-panel").nth(number) for number in (0, 1))
    say(page, "received", run=1, view=ours, bytes=0)
    expect(second.get_by_role("status")).to_have_attribute("data-state", "sending")
    say(page, "received", run=1, view=theirs, bytes=0)
    expect(first.get_by_role("alert")).to_contain_text("from another view")
    before = len(sent(page, "piece"))
    say(page, "received", run=1, view=theirs, bytes=2**20)
    expect(second.locator("progress")).to_have_attribute("value", str(2**20 / (9 * 2**20)))
    page.wait_for_timeout(200)
    assert {piece["view"] for piece in sent(page, "piece")[before:]} == {theirs}


def test_a_slow_line_is_not_taken_for_a_dead_kernel(alone, tmp_path):
    page = alone(patience=0.3)
    choose(page, tmp_path, megabytes=9)
    say(page, "received", run=1, bytes=2**18)
    expect(alert(page)).to_contain_text("The line may be too slow for this file.")


@pytest.mark.parametrize("way", ["example", "path"])
@pytest.mark.parametrize("state", [None, "reading"])
def test_a_line_is_not_blamed_where_no_file_is_sent(alone, tmp_path, way, state):
    page = alone(patience=0.3)
    ask(page, way, tmp_path)
    say(page, "received", run=1, bytes=0)
    if state:
        say(page, "state", run=1, state=state, text="Reading film.png …")
    expect(alert(page)).to_contain_text("No answer from the kernel for 0.3 s.")
    expect(alert(page)).not_to_contain_text("The line may be too slow")


@pytest.mark.parametrize("way", ["file", "example", "path"])
def test_the_bar_is_shown_while_a_file_is_sent_and_at_no_other_time(alone, tmp_path, way):
    page = alone()
    bar = page.locator("progress")
    expect(bar).to_be_hidden()
    ask(page, way, tmp_path)
    sends_a_file = way == "file"
    assert bar.is_visible() == sends_a_file
    say(page, "received", run=1, bytes=0)
    assert bar.is_visible() == sends_a_file
    say(page, "state", run=1, state="reading", text="Reading film.png …")
    expect(bar).to_be_hidden()
    say(page, "state", run=1, state="done", text="film.png: fine")
    expect(bar).to_be_hidden()


@pytest.mark.parametrize("place", [".cxr-choose", "[type=file]", ".cxr-status"])
def test_a_film_dropped_while_the_panel_is_busy_does_not_vanish_without_a_word(
    alone, tmp_path, place
):
    page, other = alone(), tmp_path / "other.png"
    other.write_bytes(b"another film")
    choose(page, tmp_path)
    say(page, "state", run=1, state="reading", text="Reading film.png …")
    drop(page, place, other)
    told = " What was dropped meanwhile was not read:"
    wait = f"{told} wait until this film is done, then drop it again."
    expect(status(page)).to_have_text(f"Reading film.png …{wait}")
    say(page, "state", run=1, state="predicting", text="Predicting film.png …")
    expect(status(page)).to_have_text(f"Predicting film.png …{wait}")
    say(page, "state", run=1, state="done", text="film.png: fine.")
    expect(status(page)).to_have_text(f"film.png: fine.{told} drop it again.")
    assert len(sent(page, "begin")) == 1
    drop(page, place, other)
    expect(status(page)).to_have_text("Sending other.png …")
    assert [begun["name"] for begun in sent(page, "begin")] == ["film.png", "other.png"]


def test_a_dropped_picture_of_another_page_is_no_file(alone):
    page = alone()
    dropping = """kind => {
      const items = new DataTransfer();
      items.setData(kind, "https://example.org/film.png");
      const options = { dataTransfer: items, bubbles: true, cancelable: true };
      document.querySelector(".cxr-choose").dispatchEvent(new DragEvent("drop", options));
    }"""
    page.evaluate(dropping, "text/plain")  # marked words: perhaps by accident
    expect(status(page)).to_have_attribute("data-state", "idle")
    page.evaluate(dropping, "text/uri-list")
    expect(alert(page)).to_contain_text("What was dropped is no file.")


def test_enter_that_ends_a_word_sends_no_path(alone):
    page = alone()
    page.get_by_label("or a path").fill("film.png")
    for composing in ("true", "false"):
        assert not sent(page, "path")
        page.evaluate(
            f"""document.querySelector(".cxr-path input").dispatchEvent(
            new KeyboardEvent("keydown", {{ key: "Enter", isComposing: {composing} }}))"""
        )
    assert len(sent(page, "path")) == 1


@pytest.mark.parametrize("state", ["failed", "done"])
def test_a_result_of_another_view_does_not_scroll_this_one(alone, state):
    page = alone()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<div style=height:6000px>')")
    page.evaluate("scrollTo(0, 2500)")
    page.evaluate("say", {"kind": "received", "view": "another", "run": 5, "bytes": 0})
    parts = ("opacity", "against", "save-json", "save-png")
    html = "".join(f"<input class=cxr-{part}>" for part in parts) if state == "done" else ""
    record = {"view": "another", "run": 5, "state": state, "text": "It ended.", "html": html}
    page.evaluate("say", {"kind": "state", **record})
    expect(status(page)).to_have_attribute("data-state", state)
    assert page.evaluate("scrollY") > 2000


def test_a_path_that_failed_can_be_cleared(alone):
    page = alone()
    ask(page, "path", Path())
    say(page, "state", run=1, state="failed", text="There is no file film.png.")
    page.get_by_role("button", name="Clear the message").click()
    expect(page.get_by_label("or a path")).to_have_value("")
    expect(alert(page)).to_be_empty()
    expect(status(page)).to_have_text("No film chosen yet.")


def test_the_focus_stays_in_the_view_that_asked(alone):
    page = alone()
    page.evaluate("void show()")
    for number in (0, 1):
        page.get_by_role("button", name="An example").nth(number).click()
        say(page, "state", run=number + 1, state="done", text="An example: fine")
        expect(page.get_by_role("button", name="An example").nth(number)).to_be_focused()


def test_a_view_that_is_closed_gives_its_upload_up(alone, tmp_path):
    page = alone()
    choose(page, tmp_path, megabytes=9)
    page.evaluate("leave()")
    assert [message["run"] for message in sent(page, "cancel")] == [1]


def test_a_page_that_is_left_gives_its_upload_up(alone, tmp_path):
    page = alone()
    choose(page, tmp_path, megabytes=9)
    page.evaluate("void dispatchEvent(new Event('pagehide'))")
    assert [message["run"] for message in sent(page, "cancel")] == [1]


def test_a_view_that_is_opened_later_goes_on_counting(alone):
    page = alone(runs=5)  # the fifth is still being read
    page.get_by_role("button", name="An example").click()
    say(page, "state", run=5, state="done", text="The fifth: fine")
    expect(status(page)).to_have_attribute("data-state", "sending")
    say(page, "state", run=6, state="done", text="An example: fine")
    expect(status(page)).to_contain_text("An example: fine")


def test_without_examples_there_is_no_group_of_them(alone):
    page = alone(thumbnails={})
    page.add_style_tag(path=PROJECT / "helpers" / "upload.css")
    expect(page.locator(".cxr-examples")).to_have_css("display", "none")


def test_one_byte_above_the_limit_is_more_than_the_limit(alone, tmp_path):
    page = alone()
    path = tmp_path / "a.dcm"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    page.locator("[type=file]").set_input_files(path)
    expect(alert(page)).to_contain_text("a.dcm has 104.9 MB; at most 104.8 MB are accepted.")


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
