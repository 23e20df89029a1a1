"""One upload, from bytes to words and pictures; and the messages that carry it."""

import base64
import dataclasses
import re

import cv2
import numpy as np
import pytest

from helpers import panel, panel_view, tints, upload
from helpers.radiographs import UnreadableRadiograph, preprocess, read_radiograph
from helpers.training import RiskModel, build_resnet18
from tests.drawn_chests import dicom, drawn_chest, jpeg, png

SIZE = 128


@pytest.fixture(scope="module")
def model() -> RiskModel:
    mean = cv2.resize(preprocess(drawn_chest(), SIZE), (16, 16), interpolation=cv2.INTER_AREA)
    return RiskModel(
        network=build_resnet18("random", seed=0).eval(),
        size=SIZE,
        intercept=-2.0,
        slope=0.7,
        threshold=0.2,
        base_rate=0.132,
        card={"mean_film": mean.tolist()},
    )


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
        (0.123, "12 in 100 patients"),
        (0.994, "99 in 100 patients"),
        (0.996, "more than 99 in 100 patients"),
    ],
)
def test_risk_in_words(analysis, risk, words):
    assert replaced(analysis, risk=risk).words == words


# --- what is said and shown ---


def test_summary_names_the_place_and_says_when_there_is_little():
    heat = np.zeros((90, 90), np.float32)
    assert "Little evidence" in panel.describe_heat(heat)
    heat[70:80, 5:15] = 3.0
    text = panel.describe_heat(heat)
    assert "3.0 logits" in text and "the lower left one" in text and "100%" in text


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


def test_result_html_has_words_pictures_and_text_alternatives(analysis):
    html = panel_view.result_html(replaced(analysis, risk=0.12, base_rate=0.132))
    assert "12 in 100 patients" in html and "13 in 100 patients" in html
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', html)
    assert len(pictures) == 2 and all(len(alt) > 20 for _, alt in pictures)
    film = cv2.imdecode(np.frombuffer(base64.b64decode(pictures[0][0]), np.uint8), -1)
    np.testing.assert_array_equal(film, analysis.film)
    assert analysis.summary in html
    assert "10 logits or more" in html


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


def test_states_of_a_good_a_doubtful_and_a_broken_upload(page):
    good = png(drawn_chest())
    assert send(page, 1, good) == ["reading", "predicting", "done"]
    assert page.sent[-1]["run"] == 1 and "<img" in page.sent[-1]["html"]
    assert send(page, 2, png(1 - drawn_chest())) == ["reading", "predicting", "warned"]
    assert send(page, 3, good[:5000]) == ["reading", "failed"]
    assert "html" not in page.sent[-1] and "damaged" in page.sent[-1]["text"]
    assert send(page, 4, b"") == ["reading", "failed"]
    assert send(page, 5, good) == ["reading", "predicting", "done"]


def test_every_piece_is_acknowledged_with_the_bytes_so_far(page):
    data = dicom(drawn_chest())
    send(page, 1, data, piece=50_000)
    received = [message["bytes"] for message in page.sent if message["kind"] == "received"]
    assert received[0] == 50_000 and received[-1] == len(data)
    assert len(received) == -(-len(data) // 50_000)


def test_example_is_read_like_an_upload(page):
    page._receive(page, {"kind": "example", "run": 7, "name": "drawn"}, [])
    assert [message["state"] for message in page.sent] == ["reading", "predicting", "done"]
    assert page.thumbnails["drawn"].startswith("data:image/png;base64,")


def test_pieces_of_an_abandoned_upload_are_ignored(page):
    good = png(drawn_chest())
    page._receive(page, {"kind": "begin", "run": 1, "name": "a", "size": 9_000_000}, [])
    page._receive(page, {"kind": "piece", "run": 1, "start": 0}, [good[:1000]])
    assert send(page, 2, good)[-1] == "done"
    count = len(page.sent)
    page._receive(page, {"kind": "piece", "run": 1, "start": 1000}, [good[1000:2000]])
    assert len(page.sent) == count


def test_lost_piece_and_too_large_a_file_are_refused(page):
    page._receive(page, {"kind": "begin", "run": 1, "name": "a", "size": 3000}, [])
    page._receive(page, {"kind": "piece", "run": 1, "start": 1000}, [b"x" * 1000])
    assert "did not arrive whole" in page.sent[-1]["text"]
    page._receive(page, {"kind": "begin", "run": 2, "name": "b.dcm", "size": 10**9}, [])
    assert page.sent[-1]["state"] == "failed"
    assert "b.dcm has 1000 MB; at most 100 MB" in page.sent[-1]["text"]


def test_unexpected_error_becomes_a_state_and_the_panel_lives_on(page, monkeypatch, caplog):
    def explode(data):
        raise RuntimeError("secret path")

    read = page._read
    monkeypatch.setattr(page, "_read", explode)
    assert send(page, 1, png(drawn_chest())) == ["reading", "failed"]
    assert "RuntimeError" in page.sent[-1]["text"] and "secret" not in page.sent[-1]["text"]
    assert "does not know" in caplog.text
    monkeypatch.setattr(page, "_read", read)
    assert send(page, 2, png(drawn_chest()))[-1] == "done"


def test_file_name_is_escaped_and_no_identifier_of_a_dicom_file_is_shown(page):
    send(page, 1, dicom(drawn_chest()), name="<b>x</b>.dcm")
    assert "<b>x" not in page.sent[-1]["html"]
    assert "Marker" not in str(page.sent) and "PLANTED" not in str(page.sent)


def test_nothing_of_an_upload_enters_the_saved_state(page):
    before = page.get_state()
    send(page, 1, png(drawn_chest(seed=5)), name="somebody.png")
    after = page.get_state()
    assert before == after
    assert "somebody" not in str(after)


def test_upload_panel_computes_once_to_warm_up(model, monkeypatch):
    calls = []
    original = panel.class_activation
    monkeypatch.setattr(
        panel, "class_activation", lambda *args, **kw: calls.append(1) or original(*args, **kw)
    )
    panel.upload_panel(model)
    assert calls == [1]
