"""One upload, from bytes to words and pictures; and the messages that carry it."""

import base64
import dataclasses
import json
import re
import time
from threading import Event, Thread

import comm
import cv2
import numpy as np
import pytest
import torch

from helpers import panel, panel_view, panel_words, tints, upload
from helpers.radiographs import UnreadableRadiograph, normalise, preprocess, read_radiograph
from helpers.saliency import class_activation, fine_activation
from helpers.training import RiskModel, build_resnet18
from tests.drawn_chests import dicom, drawn_chest, jpeg, png
from tests.markers import MARKER, find_markers

SIZE = 128


def model_of(seed: int) -> RiskModel:
    mean = cv2.resize(preprocess(drawn_chest(), SIZE), (16, 16), interpolation=cv2.INTER_AREA)
    return RiskModel(
        network=build_resnet18("random", seed=seed).eval(),
        size=SIZE,
        intercept=-2.0,
        slope=0.7,
        threshold=0.2,
        base_rate=0.132,
        card={"mean_film": mean.tolist(), "title": "a model", "training_data": {"sha256": "ab"}},
    )


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return model_of(0)


@pytest.fixture(scope="module")
def others() -> list[RiskModel]:
    return [model_of(seed) for seed in (1, 2)]


@pytest.fixture
def analysis(model) -> panel.Analysis:
    return panel.analyse(png(drawn_chest()), model)


def replaced(analysis: panel.Analysis, **changes) -> panel.Analysis:
    return dataclasses.replace(analysis, **changes)


# --- analyse ---


@pytest.mark.parametrize("write", [png, jpeg, dicom, lambda film: png(film, bits=16)])
def test_analyse_agrees_with_the_model_on_every_format(model, write):
    data = write(drawn_chest())
    result = panel.analyse(data, model)
    square = preprocess(read_radiograph(data), SIZE)
    np.testing.assert_array_equal(result.film, square)
    assert result.risk == pytest.approx(model.risk(square[None])[0], abs=1e-6)
    assert result.heat.shape == (SIZE, SIZE) and result.heat.min() >= 0
    assert result.warnings == ()


def test_map_is_the_finer_one_and_holds_the_one_that_adds_up(model, analysis):
    images = normalise(torch.from_numpy(analysis.film)[None])
    finer = fine_activation(model.network, images, scale=model.slope)[0]
    np.testing.assert_allclose(analysis.evidence, finer, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(analysis.heat, analysis.evidence.clip(min=0))
    logits, coarse = class_activation(
        model.network, images, scale=model.slope, relu=False, upsample=False
    )
    assert analysis.grid.shape == (SIZE // 8 - 3, SIZE // 8 - 3)
    np.testing.assert_allclose(analysis.grid[::4, ::4], coarse[0], rtol=1e-4, atol=1e-4)
    bias = model.network.fc.bias.item()
    total = model.slope * (float(logits) - bias)
    assert analysis.grid[::4, ::4].mean() == pytest.approx(total, abs=1e-4)


def test_the_view_is_the_same_square_with_more_detail(model):
    large = panel.analyse(png(drawn_chest(900, 700)), model)
    assert large.view.shape == (512, 512)
    again = cv2.resize(large.view, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(again.ravel(), large.film.ravel())[0, 1] > 0.99
    assert panel.analyse(png(drawn_chest(90, 80)), model).view.shape == (SIZE, SIZE)


def test_other_seeds_give_the_range_and_leave_the_risk(model, others):
    data = png(drawn_chest())
    alone, together = panel.analyse(data, model), panel.analyse(data, model, others)
    risks = [float(one.risk(alone.film[None])[0]) for one in (model, *others)]
    assert together.risk == alone.risk == pytest.approx(risks[0], abs=1e-6)
    assert together.risk_low == pytest.approx(min(risks), abs=1e-6)
    assert together.risk_high == pytest.approx(max(risks), abs=1e-6)
    assert together.risk_low < together.risk_high and together.networks == 3
    assert (alone.risk_low, alone.risk_high, alone.networks) == (None, None, 1)


def test_networks_that_look_at_other_sizes_are_refused(model, others):
    strange = RiskModel(others[0].network, 224)
    with pytest.raises(ValueError, match=r"one size, .* got \[128, 224\] px"):
        panel.analyse(png(drawn_chest()), model, [strange])
    odd = RiskModel(others[0].network, 144)  # its own grid is no part of the finer one
    with pytest.raises(ValueError, match=r"multiple of 32 px, got \[144\] px"):
        panel.analyse(png(drawn_chest()), odd)


def test_stages_are_told_in_their_order(model):
    told = []
    panel.analyse(png(drawn_chest()), model, on_stage=told.append)
    assert told == ["reading", "checking", "predicting"]


def test_seeds_that_lie_beside_a_model_are_loaded(model, others, tmp_path):
    path = model.save(tmp_path / "iteration2")
    assert panel.load_seeds(path) == []
    for seed, other in enumerate(others, 1):
        other.save(tmp_path / f"iteration2-seed{seed}")
    loaded = panel.load_seeds(tmp_path / "iteration2")
    film = preprocess(drawn_chest(), SIZE)[None]
    for one, other in zip(loaded, others, strict=True):
        np.testing.assert_allclose(one.risk(film), other.risk(film), rtol=1e-5)


def test_seeds_that_learned_from_other_films_are_refused(model, tmp_path):
    path = model.save(tmp_path / "iteration2")
    strange = dataclasses.replace(model, card={"training_data": {"sha256": "cd"}})
    strange.save(tmp_path / "iteration2-seed1")
    with pytest.raises(ValueError, match=r"iteration2-seed1.safetensors did not learn from"):
        panel.load_seeds(path)
    dataclasses.replace(model, card={}).save(tmp_path / "iteration2-seed1")
    with pytest.raises(ValueError, match=r"iteration2-seed1.safetensors does not say from which"):
        panel.load_seeds(path)


def test_a_copy_that_was_put_aside_is_no_seed(model, tmp_path):
    path = model.save(tmp_path / "iteration2")
    model.save(tmp_path / "iteration2-seed1-old")
    assert panel.load_seeds(path) == []


def test_heat_is_in_units_of_the_calibrated_risk(model):
    data = png(drawn_chest())
    steeper = RiskModel(model.network, SIZE, slope=2 * model.slope)
    once, twice = panel.analyse(data, model), panel.analyse(data, steeper)
    assert once.heat.max() > 0
    np.testing.assert_allclose(twice.heat, 2 * once.heat, rtol=1e-5)
    assert twice.heat_limit == once.heat_limit


def test_analyse_refuses_what_is_no_film_with_a_sentence(model):
    whole = png(drawn_chest())
    for data in (b"", b"hello, world", whole[: len(whole) // 2], png(np.full((200, 200), 0.5))):
        with pytest.raises(UnreadableRadiograph, match=r"[.]$"):
            panel.analyse(data, model)


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        (0.0, "fewer than 1 in 100 patients"),
        (0.0049, "fewer than 1 in 100 patients"),
        (0.005, "fewer than 1 in 100 patients"),
        (0.0051, "1 in 100 patients"),
        (0.123, "12 in 100 patients"),
        (0.994, "99 in 100 patients"),
        (0.995, "more than 99 in 100 patients"),
        (0.996, "more than 99 in 100 patients"),
    ],
)
def test_risk_in_words(analysis, risk, words):
    assert replaced(analysis, risk=risk).words == words


# --- what is said and shown ---


def test_summary_names_the_place_and_says_when_there_is_little():
    heat = np.zeros((90, 90), np.float32)
    assert "Little evidence" in panel.describe_heat(heat)
    assert "all of it is below 1.0 logits" in panel.describe_heat(heat + np.float32(0.97))
    heat[70:80, 5:15] = 3.0
    text = panel.describe_heat(heat)
    assert "3.0 logits" in text and "the lower left one" in text and "100%" in text
    assert "evidence against death reaches" in panel.describe_heat(heat, "against")


def test_summary_of_an_even_map_names_no_place():
    rng = np.random.default_rng(0)
    text = panel.describe_heat(rng.uniform(2.9, 3.0, (90, 90)).astype(np.float32))
    assert "reaches 3.0 logits" in text and "spread over the picture" in text
    assert not any(place in text for place in ("upper", "lower", "left", "right", "central"))


def test_the_parts_of_a_map_share_its_places_evenly():
    names = zip(["upper"] * 4 + ["middle"] * 5 + ["lower"] * 4, range(13), strict=True)
    for name, row in names:  # of 13 places, as on a film of 128 px
        places = np.zeros((13, 13), np.float32)
        places[row, 12 - row] = 2.0  # from the upper right to the lower left
        column = {"upper": "right", "middle": "central", "lower": "left"}[name]
        assert f"the {name} {column} one holds the most of this evidence: 100%" in (
            panel.describe_heat(places)
        )


def test_summary_tells_of_both_sides(analysis):
    grid = np.zeros_like(analysis.grid)
    grid[:2, -2:] = -4.0
    text = replaced(analysis, grid=grid).summary
    assert "Little evidence for death" in text
    assert "against death reaches 4.0 logits" in text and "upper right" in text


def test_summary_says_what_both_sides_come_to(analysis, model):
    places = analysis.grid[::4, ::4]
    mean = f"{places.mean():+.1f}".replace("-", "−")
    assert f"over the {places.size} places" in analysis.summary
    assert f"the evidence is {mean} logits" in analysis.summary
    logit = np.log(analysis.risk / (1 - analysis.risk))
    silent = model.intercept + model.slope * float(model.network.fc.bias.detach())
    assert np.isclose(logit, silent + places.mean(), atol=1e-3), "it is what moves the risk"


def test_tint_leaves_the_film_where_there_is_no_heat_and_has_a_fixed_scale():
    film = np.full((4, 4), 100, np.uint8)
    heat = np.zeros((4, 4))
    heat[0, 0], heat[0, 1], heat[0, 2] = 4.0, 9.0, 1.0
    picture = tints.tint(film, heat, limit=4.0)
    assert np.all(picture[1:] == 100)
    np.testing.assert_array_equal(picture[0, 0], picture[0, 1])
    assert np.any(picture[0, 2] != picture[0, 0])
    alone = tints.tint(film, np.where(heat == 1.0, heat, 0), limit=4.0)
    np.testing.assert_array_equal(alone[0, 2], picture[0, 2])  # not scaled to its own maximum


@pytest.mark.parametrize("signed", [False, True])
def test_layer_over_a_film_is_the_tinted_film(signed):
    rng = np.random.default_rng(0)
    film = rng.integers(0, 256, (8, 8)).astype(np.uint8)
    evidence = rng.normal(0, 3, (8, 8))
    tinted = (tints.tint_signed if signed else tints.tint)(film, evidence, 4.0)
    colours = tints.layer(evidence, 4.0, signed=signed).astype(float)
    share = tints.STRONGEST_TINT * colours[..., 3:] / 255  # as a browser does
    over = film[..., None] * (1 - share) + colours[..., :3] * share
    np.testing.assert_allclose(over, tinted, atol=1.5)


def test_range_in_words():
    assert "One network alone" in panel_words.range_words(None, None, 1)
    text = panel_words.range_words(0.001, 0.154, 5)
    assert text.startswith("5 networks")
    assert text.endswith("give a range from fewer than 1 to 15 in 100.")
    alike = panel_words.range_words(0.126, 0.134, 5)
    assert alike.endswith("say all the same, 13 in 100.")


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        (0.112, "The prediction, before it is rounded, is below the model's threshold of 11 in"),
        (0.115, "The prediction is at or above the model's threshold of 11 in 100 patients. The"),
    ],
)
def test_a_risk_that_rounds_to_the_threshold_does_not_contradict_it(analysis, risk, words):
    said = panel_words.sentences(replaced(analysis, risk=risk, threshold=0.1143))
    assert words in said[-1]


def test_networks_on_both_sides_of_the_threshold_are_told(analysis):
    between = replaced(analysis, risk=0.1, threshold=0.11, risk_low=0.06, risk_high=0.23)
    assert "the networks lie on both sides of it" in panel_words.sentences(between)[-1]
    below = replaced(analysis, risk=0.1, threshold=0.3, risk_low=0.06, risk_high=0.23)
    assert "both sides" not in panel_words.sentences(below)[-1]
    assert "nothing follows from it for a patient" in panel_words.sentences(below)[-1]


def test_a_model_of_phantoms_says_that_its_patients_are_invented(analysis):
    told = "drawn films of invented patients"
    assert told not in panel_view.result_html(analysis)
    taught = replaced(analysis, card={**analysis.card, "phantom_cohorts": ["sbu"]})
    assert told in panel_view.result_html(taught)
    assert told in " ".join(panel_view.record(taught)["text"])


def pictures_in(html: str) -> dict[str, np.ndarray]:
    """Pictures of the page by their class, the last of each."""
    found = re.findall(r'<img class="([^"]+)"[^>]*?src="data:image/png;base64,([^"]+)"', html)
    found += [
        (kind, data)
        for kind, data in re.findall(
            r'<img class="([^"]+)" alt="" src="data:image/png;base64,([^"]+)"', html
        )
    ]
    return {
        kind: cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
        for kind, data in found
    }


def test_result_html_has_words_pictures_and_text_alternatives(analysis):
    shown = replaced(analysis, risk=0.12, base_rate=0.132, risk_low=0.08, risk_high=0.2, networks=5)
    html = panel_view.result_html(shown)
    for words in (
        "12 in 100 patients like those that the model was tuned on",
        "from 8 to 20 in 100",
        "Of the patients that the model was taught and tuned on, 13 in 100 died",
        "88 in 100 patients",  # survived
        "87 in 100 patients",  # survived, without a film
        "15 logits or more",
        "−15 or less",
    ):
        assert words in html
    assert "left:8.0%;width:12.0%" in html and "left:80.0%;width:12.0%" in html
    assert html.count(analysis.summary) == 2  # as a text alternative, and for everybody
    pictures = pictures_in(html)
    np.testing.assert_array_equal(pictures["cxr-seen"], analysis.film)
    np.testing.assert_array_equal(pictures["cxr-film"], analysis.view)
    alternatives = re.findall(r'<img class="cxr-(?:film|seen)"[^>]*alt="([^"]+)"', html)
    assert len(alternatives) == 3
    assert "<i style" not in panel_view.result_html(analysis)  # no range, no mark


def test_record_is_json_and_says_what_the_page_says(analysis, model):
    shown = replaced(
        analysis, risk=0.12, risk_low=0.08, risk_high=0.2, networks=5, warnings=("W.",)
    )
    record = json.loads(json.dumps(panel_view.record(shown), allow_nan=False))
    assert record["risk"] == {
        "died": 0.12,
        "survived": 0.88,
        "lowest": 0.08,
        "highest": 0.2,
        "networks": 5,
    }
    assert (record["base_rate"], record["threshold"]) == (0.132, 0.2)
    assert record["warnings"] == ["W."] and "Not for clinical use" in record["notice"]
    assert record["model"]["title"] == "a model" and "mean_film" not in record["model"]
    np.testing.assert_allclose(record["map"]["grid"], analysis.grid, atol=6e-4)
    assert all(sentence in panel_view.result_html(shown) for sentence in record["text"])


def test_nothing_of_a_dicom_header_is_in_what_is_sent_for_downloads(model):
    film = drawn_chest()
    plain, marked = dicom(film), dicom(film, name=MARKER, patient_id=MARKER)
    first, second = (panel_view.record(panel.analyse(data, model)) for data in (plain, marked))
    assert first == second
    assert find_markers(marked) and not find_markers(json.dumps(second).encode())


def test_an_encoder_that_fails_leaves_no_empty_picture_on_the_page(analysis, monkeypatch):
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, np.empty(0, np.uint8)))
    with pytest.raises(RuntimeError, match="PNG encoder failed"):
        panel_view.result_html(analysis)


def test_result_html_escapes_warnings(analysis):
    html = panel_view.result_html(replaced(analysis, warnings=("<script>alert(1)</script>",)))
    assert "<script>" not in html and "&lt;script&gt;" in html


# --- the messages ---


@pytest.fixture
def page(model, monkeypatch):
    """A panel whose messages to the browser are kept in `page.sent`."""
    sent: list[dict] = []
    monkeypatch.setattr(upload.UploadPanel, "send", lambda self, content: sent.append(content))
    widget = panel.upload_panel(model, {"drawn": png(drawn_chest())})
    widget.sent = sent
    return widget


def send(page, run: int, data: bytes, name: str = "film.png", piece: int = 10_000) -> list[str]:
    """Send as upload.js does; return the states that came back."""
    before = len(page.sent)
    page._receive(page, {"kind": "begin", "run": run, "name": name, "size": len(data)}, [])
    for start in range(0, len(data), piece):
        message = {"kind": "piece", "run": run, "start": start}
        page._receive(page, message, [memoryview(data[start : start + piece])])
    return [message["state"] for message in page.sent[before:] if message["kind"] == "state"]


def test_an_interrupted_kernel_says_so_and_the_next_film_works(page, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(page, "_explain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            send(page, 1, png(drawn_chest()))
    assert page.sent[-1]["state"] == "failed" and "interrupted" in page.sent[-1]["text"]
    assert send(page, 2, png(drawn_chest()))[-1] == "done"


def test_states_of_a_good_a_doubtful_and_a_broken_upload(page):
    good = png(drawn_chest())
    assert send(page, 1, good) == ["reading", "checking", "predicting", "done"]
    assert page.sent[-1]["run"] == 1 and "<img" in page.sent[-1]["html"]
    assert send(page, 2, png(1 - drawn_chest())) == ["reading", "checking", "predicting", "warned"]
    assert send(page, 3, good[:5000]) == ["reading", "failed"]
    assert "html" not in page.sent[-1] and "damaged" in page.sent[-1]["text"]
    assert send(page, 4, b"") == ["reading", "failed"]
    assert send(page, 5, good) == ["reading", "checking", "predicting", "done"]


def test_every_piece_is_acknowledged_with_the_bytes_so_far(page):
    data = dicom(drawn_chest())
    send(page, 1, data, piece=50_000)
    received = [message["bytes"] for message in page.sent if message["kind"] == "received"]
    assert received[:2] == [0, 50_000] and received[-1] == len(data)
    assert len(received) == 1 + -(-len(data) // 50_000)


def test_example_is_read_like_an_upload(page):
    page._receive(page, {"kind": "example", "run": 7, "name": "drawn"}, [])
    assert page.sent[0] == {"kind": "received", "run": 7, "bytes": 0}  # before any work
    assert [message["state"] for message in page.sent[1:]] == [
        "reading",
        "checking",
        "predicting",
        "done",
    ]
    assert page.thumbnails["drawn"].startswith("data:image/png;base64,")


def test_pieces_of_an_abandoned_upload_are_ignored(page):
    good = png(drawn_chest())
    page._receive(page, {"kind": "begin", "run": 1, "name": "a", "size": 9_000_000}, [])
    page._receive(page, {"kind": "piece", "run": 1, "start": 0}, [good[:1000]])
    assert send(page, 2, good)[-1] == "done"
    count = len(page.sent)
    page._receive(page, {"kind": "piece", "run": 1, "start": 1000}, [good[1000:2000]])
    assert len(page.sent) == count


def test_pieces_of_two_views_are_never_mixed(page):
    """Both count their first attempt as 1; the second has replaced the first."""
    ours, theirs = ({"run": 1, "view": view} for view in ("ours", "theirs"))
    good = png(drawn_chest())
    for view in (ours, theirs):
        page._receive(page, {"kind": "begin", **view, "name": "a", "size": len(good)}, [])
    page._receive(page, {"kind": "piece", **theirs, "start": 0}, [good[:1000]])
    page._receive(page, {"kind": "piece", **ours, "start": 1000}, [b"x" * (len(good) - 1000)])
    assert page._upload.data == good[:1000]
    page._receive(page, {"kind": "piece", **theirs, "start": 1000}, [good[1000:]])
    assert page.sent[-1]["state"] == "done"
    assert {message["view"] for message in page.sent[2:]} == {"theirs"}


def test_messages_of_two_pages_are_obeyed_one_after_the_other(page, monkeypatch):
    """JupyterLab may hand them to two threads."""
    explain, begun, go_on = page._explain, Event(), Event()

    def slow(data, tell):
        begun.set()
        assert go_on.wait(60)
        return explain(data, tell)

    monkeypatch.setattr(page, "_explain", slow)
    first = Thread(target=send, args=(page, 1, png(drawn_chest())))
    first.start()
    assert begun.wait(60)
    begin = {"kind": "begin", "run": 2, "name": "a", "size": 9_000_000}
    second = Thread(target=page._receive, args=(page, begin, []))
    second.start()
    second.join(0.2)
    assert second.is_alive() and {message["run"] for message in page.sent} == {1}
    go_on.set()
    first.join(60)
    second.join(60)
    states = [(message["run"], message.get("state")) for message in page.sent]
    assert states[-2:] == [(1, "done"), (2, None)]
    assert page._upload.attempt == {"run": 2}


def test_a_film_whose_sender_fell_silent_is_forgotten(page, monkeypatch):
    monkeypatch.setattr(upload, "KEPT", 0.3)
    page._receive(page, {"kind": "begin", "run": 1, "name": "a", "size": 9_000_000}, [])
    for start in (0, 1000):
        time.sleep(0.2)
        page._receive(page, {"kind": "piece", "run": 1, "start": start}, [b"x" * 1000])
    assert len(page._upload.data) == 2000  # it took longer in all, but never fell silent
    deadline = time.monotonic() + 30
    while page._upload.data and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not page._upload.data
    page._receive(page, {"kind": "piece", "run": 1, "start": 2000}, [b"x" * 1000])
    assert "did not arrive whole" in page.sent[-1]["text"]
    assert send(page, 2, png(drawn_chest()))[-1] == "done"


def test_a_page_for_visitors_takes_no_new_widgets(model, monkeypatch):
    targets = {upload.WIDGETS: print, "jupyter.widget.control": print}
    monkeypatch.setattr(comm.get_comm_manager(), "targets", targets)
    panel.upload_panel(model)
    assert upload.WIDGETS in targets  # in a notebook other widgets may be wanted
    monkeypatch.setenv("VOILA_BASE_URL", "/")
    for _ in range(2):
        panel.upload_panel(model)
        assert list(targets) == ["jupyter.widget.control"]


def test_bytes_of_an_upload_that_was_given_up_are_freed(page):
    page._receive(page, {"kind": "begin", "run": 3, "name": "a", "size": 9_000_000}, [])
    page._receive(page, {"kind": "piece", "run": 3, "start": 0}, [b"x" * 1000])
    page._receive(page, {"kind": "cancel", "run": 2}, [])  # another attempt's
    assert len(page._upload.data) == 1000
    count = len(page.sent)
    page._receive(page, {"kind": "cancel", "run": 3}, [])
    page._receive(page, {"kind": "piece", "run": 3, "start": 1000}, [b"x" * 1000])
    assert page._upload is None and len(page.sent) == count
    assert send(page, 4, png(drawn_chest()))[-1] == "done"


def test_a_whole_upload_is_in_memory_once(page, monkeypatch):
    data, kept = png(drawn_chest()), []
    page._receive(page, {"kind": "begin", "run": 1, "name": "a", "size": len(data)}, [])
    arriving, explain = page._upload, page._explain

    def watched(whole, tell):
        kept.append((len(whole), len(arriving.data)))
        return explain(whole, tell)

    monkeypatch.setattr(page, "_explain", watched)
    page._receive(page, {"kind": "piece", "run": 1, "start": 0}, [data])
    assert kept == [(len(data), 0)] and page._upload is None
    assert page.sent[-1]["state"] == "done"


def test_lost_piece_and_too_large_a_file_are_refused(page):
    page._receive(page, {"kind": "begin", "run": 1, "name": "a", "size": 3000}, [])
    page._receive(page, {"kind": "piece", "run": 1, "start": 1000}, [b"x" * 1000])
    assert "did not arrive whole" in page.sent[-1]["text"]
    page._receive(page, {"kind": "begin", "run": 2, "name": "b.dcm", "size": 10**9}, [])
    assert page.sent[-1]["state"] == "failed"
    assert "b.dcm has 1000.0 MB; at most 104.8 MB" in page.sent[-1]["text"]


def test_largest_file_is_accepted_and_one_byte_more_has_more_than_the_limit(page):
    begin = {"kind": "begin", "run": 1, "name": "a.dcm", "size": upload.LARGEST_FILE}
    page._receive(page, begin, [])
    assert page.sent == [{"kind": "received", "run": 1, "bytes": 0}]
    page._receive(page, {**begin, "run": 2, "size": upload.LARGEST_FILE + 1}, [])
    assert "a.dcm has 104.9 MB; at most 104.8 MB" in page.sent[-1]["text"]


def test_unexpected_error_becomes_a_state_and_the_panel_lives_on(page, monkeypatch, caplog):
    def explode(data, on_stage):
        raise RuntimeError("secret path")

    explain = page._explain
    monkeypatch.setattr(page, "_explain", explode)
    assert send(page, 1, png(drawn_chest())) == ["failed"]
    assert "RuntimeError" in page.sent[-1]["text"] and "secret" not in page.sent[-1]["text"]
    assert "does not know" in caplog.text
    monkeypatch.setattr(page, "_explain", explain)
    assert send(page, 2, png(drawn_chest()))[-1] == "done"


def test_file_name_is_escaped_and_no_identifier_of_a_dicom_file_is_shown(page):
    send(page, 1, dicom(drawn_chest()), name="<b>x</b>.dcm")
    # Isolated, so that a name written from right to left turns nothing round but itself.
    assert "<bdi>&lt;b&gt;x&lt;/b&gt;.dcm</bdi>" in page.sent[-1]["html"]
    assert "b>x" not in str(page.sent[-1]["record"])
    assert "Marker" not in str(page.sent) and "PLANTED" not in str(page.sent)


def test_marks_that_turn_a_line_round_are_no_part_of_a_shown_name(page):
    send(page, 1, png(drawn_chest()), name="photo\u202egnp.exe\u2066")
    said = [message.get("text", "") + message.get("html", "") for message in page.sent]
    assert "photognp.exe: predicted risk of death" in said[-1]
    assert not any(mark in text for text in said for mark in "\u202e\u2066")


def test_bytes_of_an_upload_that_an_example_replaces_are_freed(page):
    page._receive(page, {"kind": "begin", "run": 1, "name": "a.dcm", "size": 9}, [])
    page._receive(page, {"kind": "piece", "run": 1, "start": 0}, [b"abc"])
    page._receive(page, {"kind": "example", "run": 2, "name": next(iter(page._films))}, [])
    assert page._upload is None and page.sent[-1]["state"] in ("done", "warned")


def test_nothing_of_an_upload_enters_the_saved_state(page):
    before = page.get_state()
    send(page, 1, png(drawn_chest(seed=5)), name="somebody.png")
    after = page.get_state()
    assert after == before | {"runs": 1}  # how many there were, and nothing of what they held
    assert "somebody" not in str(after)


def test_upload_panel_warms_up_once_with_all_networks(model, others, monkeypatch):
    calls = []
    original = panel.analyse
    monkeypatch.setattr(
        panel, "analyse", lambda *args, **kw: calls.append(args[1:]) or original(*args, **kw)
    )
    panel.upload_panel(model, others=others)
    assert calls == [(model, others)]


# --- paths on the kernel's machine ---


@pytest.fixture
def film_on_disk(tmp_path):
    path = tmp_path / "on disk.png"
    path.write_bytes(png(drawn_chest()))
    return path


def ask_for(widget, name: str) -> dict:
    widget._receive(widget, {"kind": "path", "run": 1, "name": name}, [])
    return widget.sent[-1]


def test_no_path_is_read_unless_it_was_asked_for(page, film_on_disk):
    assert not page.path_box
    page.set_state({"path_box": True})  # as anybody may who opens the page
    answer = ask_for(page, str(film_on_disk))
    assert answer["state"] == "failed" and "reads no files by path" in answer["text"]


def test_path_box_reads_films_and_explains_what_is_none(page, film_on_disk, tmp_path, model):
    asked = panel.upload_panel(model, paths=True)
    asked.sent = page.sent
    assert asked.path_box
    assert ask_for(asked, f' "{film_on_disk}" ')["state"] == "done"
    assert str(tmp_path) not in str(page.sent)  # neither the page nor a download shows the folder
    for name in (str(tmp_path / "none.png"), "/dev/zero", "\0"):
        assert "there is no file" in ask_for(asked, name)["text"]
    for name in (str(tmp_path), "", "/"):
        assert "is a folder on the kernel's machine" in ask_for(asked, name)["text"]
    assert "cannot be read" in ask_for(asked, "~nobody of this name/film.png")["text"]
    text = tmp_path / "notes.txt"
    text.write_text("secret")
    answer = ask_for(asked, str(text))
    assert answer["state"] == "failed" and "secret" not in answer["text"]


def test_a_path_is_read_as_file_managers_and_people_write_it(
    page, film_on_disk, model, monkeypatch
):
    asked = panel.upload_panel(model, paths=True)
    asked.sent = page.sent
    monkeypatch.setenv("FILMS", str(film_on_disk.parent))
    monkeypatch.setenv("HOME", str(film_on_disk.parent))
    monkeypatch.setenv("USERPROFILE", str(film_on_disk.parent))
    for name in (film_on_disk.as_uri(), "$FILMS/on disk.png", "~/on disk.png", f"'{film_on_disk}'"):
        assert ask_for(asked, name)["state"] == "done", name


def test_a_name_with_half_a_character_is_shown_all_the_same(page, model):
    assert send(page, 1, png(drawn_chest()), name="\ud800.png")[-1] == "done"
    assert page.sent[-1]["text"].startswith("?.png: ")
    asked = panel.upload_panel(model, paths=True)
    asked.sent = page.sent
    assert "there is no file ?.png" in ask_for(asked, "\udfff.png")["text"]
    json.dumps(page.sent, ensure_ascii=False).encode()  # as messages are packed


def test_path_that_may_not_be_read_shows_no_folder(page, film_on_disk, model, monkeypatch):
    def deny(path):
        raise PermissionError(13, "Permission denied", str(path))

    asked = panel.upload_panel(model, paths=True)
    asked.sent = page.sent
    monkeypatch.setattr("pathlib.Path.read_bytes", deny)
    text = ask_for(asked, str(film_on_disk))["text"]
    assert text.startswith("on disk.png cannot be read: Permission denied. Expected a file that")
    assert str(film_on_disk.parent) not in text


def test_path_of_too_large_a_file_is_refused_before_it_is_read(page, tmp_path, model):
    asked = panel.upload_panel(model, paths=True)
    asked.sent = page.sent
    with (tmp_path / "huge.dcm").open("wb") as file:
        file.truncate(2 * upload.LARGEST_FILE)
    assert "huge.dcm has 209.8 MB; at most 104.8 MB" in ask_for(asked, str(file.name))["text"]


def test_visitors_of_a_web_page_never_read_the_servers_files(
    page, film_on_disk, model, monkeypatch
):
    monkeypatch.setenv("VOILA_BASE_URL", "/")
    asked = panel.upload_panel(model, paths=True)
    asked.sent = page.sent
    assert not asked.path_box
    assert "reads no files by path" in ask_for(asked, str(film_on_disk))["text"]
