"""The checks of an uploaded picture: what is warned of, in which words, and what is left alone."""

import json
import shutil
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread

from helpers import film_kinds, input_checks
from helpers.film_kinds import KINDS, NAMES, STATISTICS, FilmKinds, features
from helpers.pixels import preprocess, read_radiograph
from phantoms.odd_films import draw_kind
from phantoms.recognition import draw_films, fit
from tests.drawn_chests import dicom, drawn_chest, png
from tests.markers import MARKER

SIZE = 128
SEED = 4711  # of no phantom that the checks have learned from
EACH = 12  # pictures of a kind
OTHERS = [kind for kind in NAMES if kind != "frontal"]


def named(data: bytes) -> dict[str, str]:
    film = read_radiograph(data)
    return input_checks.named_warnings(data, film, preprocess(film, SIZE))


def warned(data: bytes) -> str:
    film = read_radiograph(data)
    return " ".join(input_checks.check_input(data, film, preprocess(film, SIZE)))


def drawn(kind: str, number: int) -> bytes:
    """A picture's file without the black beside it, which no upload has."""
    square = draw_kind(kind, 240, [SEED, number])
    rows, columns = (square.any(axis=axis) for axis in (1, 0))
    return png(square[np.ix_(rows, columns)] / np.float32(255))


# --- the file ---


def test_a_drawn_chest_is_left_alone():
    assert warned(png(drawn_chest())) == ""


def test_warns_of_colour():
    colourful = np.repeat(drawn_chest()[..., None], 3, axis=2) * [1.0, 0.6, 0.2]
    assert "colours" in warned(png(colourful))
    grey = np.repeat(drawn_chest()[..., None], 3, axis=2)
    assert warned(png(grey)) == ""  # RGB, but without colour


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({}, ""),
        ({"Modality": "DX", "ViewPosition": "PA", "PatientOrientation": ["L", "F"]}, ""),
        ({"Modality": ""}, ""),
        ({"Modality": "CT"}, "no plain radiograph (Modality is CT)"),
        ({"Modality": MARKER[:16]}, "no plain radiograph (Modality is another)"),
        ({"ViewPosition": "LL"}, "from the side"),
        ({"ViewPosition": "LATERAL"}, "from the side"),
        ({"PatientOrientation": ["A", "F"]}, "from the side"),
        ({"PatientOrientation": ["P", "FR"]}, "from the side"),
        ({"BodyPartExamined": "CHEST", "PatientOrientation": ["LH", "FL"]}, ""),
        ({"BodyPartExamined": "Knee"}, "another part of the body was taken (Body Part Examined"),
        ({"BodyPartExamined": MARKER[:16]}, ""),
        ({"PatientOrientation": ["R", "F"]}, "mirrored"),
        ({"PatientOrientation": ["L", "H"]}, "upside down"),
        ({"PatientOrientation": ["F", "R"]}, "turned"),
        ({"PatientOrientation": "L"}, ""),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_warns_of_what_a_dicom_header_says(header, sentence):
    film = dcmread(BytesIO(dicom(drawn_chest())))
    for name, value in header.items():
        setattr(film, name, value)
    file = BytesIO()
    film.save_as(file)
    found = warned(file.getvalue())
    assert sentence in found and bool(found) == bool(sentence)
    assert MARKER[:16] not in found


def test_a_damaged_word_in_a_header_says_nothing_and_stops_nothing():
    data = dicom(drawn_chest())
    place = data.index(b"\x08\x00\x60\x00CS")  # Modality, explicit VR
    assert warned(data[: place + 4] + b"DS" + data[place + 6 :]) == ""  # "CR" is no decimal string


def test_warns_of_few_pixels_and_odd_shapes():
    assert "90 × 80 pixels, fewer than" in warned(png(drawn_chest(80, 90)))
    assert "unusually wide" in warned(png(drawn_chest(300, 600)))
    assert "unusually tall" in warned(png(drawn_chest(600, 300)))


def test_warns_of_one_grey():
    film = drawn_chest()
    film[:, :150] = 0.9
    assert "one single grey" in warned(png(film))


# --- the kind of picture ---


def test_most_frontal_films_of_other_seeds_are_left_alone():
    warnings = [list(named(drawn("frontal", number))) for number in range(3 * EACH)]
    # Some are drawn wider or with more black than any cassette, which has checks of its own.
    strange = [names for names in warnings if set(names) - {"odd shape", "one grey"}]
    assert len(strange) <= 2, strange


@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds_are_noticed_and_named(kind):
    warnings = [warned(drawn(kind, number)) for number in range(EACH)]
    missed = sum(text == "" for text in warnings)
    assert missed <= (6 if kind == "part" else 1)
    said = sum(KINDS[kind] in text for text in warnings)
    assert said >= EACH / 3
    assert all(text.endswith((".", "?")) for text in warnings if text)


def test_a_film_turned_and_inverted_gets_each_its_sentence():
    film = drawn_chest(320, 320)
    for quarters, kind in ((1, "turned left"), (2, "upside down"), (3, "turned right")):
        text = warned(png(np.ascontiguousarray(np.rot90(film, quarters))))
        assert KINDS[kind] in text and "may mean nothing" in text
    assert KINDS["negative"] in warned(png(1 - film))


def test_the_mean_film_of_the_model_is_used_where_it_has_one():
    data = png(drawn_chest())
    film = read_radiograph(data)
    square = preprocess(film, SIZE)
    opposite = (255 - np.asarray(film_kinds.film_kinds().card["mean_film"])).tolist()
    assert "mean film" in input_checks.named_warnings(data, film, square, opposite)


def test_the_size_of_the_network_does_not_matter():
    data = drawn("upside down", 0)
    film = read_radiograph(data)
    small, large = (
        input_checks.named_warnings(data, film, preprocess(film, size)) for size in (SIZE, 150)
    )
    assert "upside down" in small and "upside down" in large


def test_resemblance_ignores_padding():
    wide = preprocess(drawn_chest(200, 320), SIZE)
    mean = wide.reshape(16, 8, 16, 8).mean(axis=(1, 3))
    assert input_checks.resemblance(wide, mean.tolist()) == pytest.approx(1, abs=0.01)
    assert input_checks.resemblance(np.zeros((SIZE, SIZE), np.uint8), mean.tolist()) == 0


# --- what was learned ---


def test_distances_differ_as_those_in_the_space_of_all_features():
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.arange(4), 200)
    mixed = np.eye(12) + 0.1 * rng.normal(size=(12, 12))
    found = (rng.normal(size=(800, 12)) + rng.normal(size=(4, 12))[kinds]) @ mixed
    projection, centres = fit(found, kinds)
    assert projection.shape == (12, 3)
    means = np.stack([found[kinds == kind].mean(axis=0) for kind in range(4)])
    inverse = np.linalg.inv(np.cov((found - means[kinds]).T))
    away = found[:20, None] - means
    whole = np.einsum("nki,ij,nkj->nk", away, inverse, away)
    part = ((found[:20, None] @ projection - centres) ** 2).sum(axis=2)
    expected = whole - whole[:, :1]
    assert np.abs(part - part[:, :1] - expected).max() < 0.1 * np.abs(expected).max()


def test_the_statistics_are_small_and_say_how_they_were_made():
    assert STATISTICS.stat().st_size + STATISTICS.with_suffix(".json").stat().st_size < 1_000_000
    card = FilmKinds.load().card
    assert card["command"].startswith("python -m phantoms.recognition")
    assert set(card["unseen"]) == set(NAMES)
    assert card["unseen"]["frontal"]["strange"] < 0.02


def test_statistics_of_another_start_or_other_kinds_are_refused(tmp_path):
    for name, value in (("start_sha256", "0" * 64), ("kinds", ["frontal"])):
        for suffix in (".safetensors", ".json"):
            shutil.copy(STATISTICS.with_suffix(suffix), tmp_path / f"kinds{suffix}")
        card = json.loads((tmp_path / "kinds.json").read_text("utf-8"))
        (tmp_path / "kinds.json").write_text(json.dumps(card | {name: value}), "utf-8")
        with pytest.raises(ValueError, match="another phantom start"):
            FilmKinds.load(tmp_path / "kinds")
    with pytest.raises(FileNotFoundError, match="recognition"):
        FilmKinds.load(tmp_path / "nowhere")


def test_what_is_stored_is_what_was_made(tmp_path):
    made = FilmKinds.load()
    made.save(tmp_path / "again")
    films = np.stack([draw_kind(kind, SIZE, [SEED]) for kind in ("frontal", "lateral")])
    again = FilmKinds.load(tmp_path / "again")
    np.testing.assert_array_equal(again.distances(films), made.distances(films))
    assert features(made.network, films).shape == (2, 256 + 512)


def test_pictures_follow_from_their_seed_with_any_number_of_workers():
    counts = {"frontal": 2, "page": 2}
    one, two = (draw_films(counts, 64, [SEED], workers) for workers in (1, 2))
    np.testing.assert_array_equal(one.films, two.films)
    assert one.films.shape == (4, 64, 64) and one.films.dtype == np.uint8
    assert list(one.kinds) == [0, 0, NAMES.index("page"), NAMES.index("page")]
    with pytest.raises(ValueError, match="expected a kind of"):
        draw_kind("cat", 64, [0])
