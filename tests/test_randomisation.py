from dataclasses import fields

import numpy as np
import pytest

from helpers.pixels import preprocess
from phantoms.film import Film, render
from phantoms.looks import Look
from phantoms.randomisation import disturb, draw_look, draw_patient
from phantoms.ranges import CHANCES, RANGES, VIEWS


def draw(seed: int, size: int = 96) -> tuple[Film, np.random.Generator]:
    rng = np.random.default_rng(seed)
    patient = draw_patient(rng)
    return render(patient, size=size, look=draw_look(patient, rng)), rng


def equal(a: Film, b: Film) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def films() -> list[tuple[Film, Film]]:
    """Thirty films, each before and after it is disturbed."""
    drawn = (draw(seed) for seed in range(30))
    return [(film, disturb(film, rng)) for film, rng in drawn]


@pytest.fixture
def plain(monkeypatch):
    """Only what moves pixels is left of `disturb`, and no cutout."""
    monkeypatch.setattr("phantoms.spoiling._CHANGES", {})
    monkeypatch.setitem(CHANCES, "cutout", 0.0)


def test_equal_seeds_give_equal_films():
    (first, rng), (second, again) = draw(3), draw(3)
    assert equal(first, second)
    assert equal(disturb(first, rng), disturb(second, again))
    assert not np.array_equal(first.pixels, draw(4)[0].pixels)


def test_a_film_is_not_changed_in_place():
    for seed in range(8):
        film, rng = draw(seed, 64)
        kept = Film(*(layer.copy() for layer in film))
        disturb(film, rng)
        assert equal(film, kept)


def test_masks_keep_the_shape_of_the_pixels_and_lesions_lie_in_lungs(films):
    for _, film in films:
        assert len({layer.shape for layer in film}) == 1
        assert max(film.pixels.shape) == 96
        assert [layer.dtype for layer in film] == [np.float32, bool, bool, bool, np.float32]
        assert 0 <= film.pixels.min() <= film.pixels.max() <= 1
        assert not (film.lesions & ~film.lungs).any()
        assert not film.density[~film.lesions].any()
        assert 0 <= film.density.min() <= film.density.max() <= 1
        assert preprocess(film.pixels, 96).shape == (96, 96)


def test_films_differ_in_shape_and_grey(films):
    assert len({film.pixels.shape for _, film in films}) > 15
    assert np.std([film.pixels.mean() for _, film in films]) > 0.05


def test_most_of_the_lungs_stay_on_most_films(films):
    shares = [film.lungs.mean() for _, film in films]
    assert min(shares) > 0.02
    assert np.median(shares) > 0.15


@pytest.mark.usefixtures("plain")
def test_masks_move_as_the_pixels_do():
    for seed in range(12):
        film, rng = draw(seed, 128)
        moved = disturb(film._replace(pixels=film.lungs.astype(np.float32)), rng)
        assert np.mean((moved.pixels > 0.5) != moved.lungs) < 0.02


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("cut", ["cut side", "cut apices", "cut bases"])
def test_truth_is_of_what_is_visible(cut, monkeypatch):
    for name in ("cut side", "cut apices", "cut bases"):
        monkeypatch.setitem(CHANCES, name, float(name == cut))
    for name, value in {"turn": 0, "shear": 0, "stretch": 1, "trim": 0}.items():
        monkeypatch.setitem(RANGES, name, (value, value))
    monkeypatch.setitem(RANGES, cut, (0.25, 0.25))
    rows, columns = np.mgrid[:120, :100].astype(np.float32)
    halves = Film(
        rows / 120, columns < 50, columns < 20, rows < 60, (columns < 20).astype(np.float32)
    )
    result = disturb(halves, np.random.default_rng(1))
    share, upper = result.lungs.mean(), result.devices.mean()
    if cut == "cut side":
        assert min(abs(share - 1 / 3), abs(share - 2 / 3)) < 0.02
        assert upper == pytest.approx(0.5, abs=0.02)
    else:
        assert share == pytest.approx(0.5, abs=0.02)
        assert upper == pytest.approx(1 / 3 if cut == "cut apices" else 2 / 3, abs=0.02)


def test_what_a_black_box_hides_is_not_truth(monkeypatch):
    monkeypatch.setattr("phantoms.spoiling._CHANGES", {})
    monkeypatch.setitem(CHANCES, "cutout", 1.0)
    monkeypatch.setitem(RANGES, "cutout", (0.4, 0.4))
    ones = np.ones((90, 80), dtype=np.float32)
    result = disturb(Film(ones, ones > 0, ones > 0, ones > 0, ones), np.random.default_rng(2))
    box = result.pixels == 0
    assert box.mean() > 0.15
    assert not result.lungs[box].any()
    assert result.lungs[~box].mean() > 0.95


def test_patients_are_drawn_widely_and_devices_say_nothing_about_the_lungs():
    rng = np.random.default_rng(0)
    patients = [draw_patient(rng) for _ in range(4000)]
    opacity = np.array([patient.opacity for patient in patients])
    assert np.mean(opacity == 0) == pytest.approx(0.25, abs=0.03)
    assert opacity.max() > 0.9
    for view, chance in VIEWS.items():
        assert np.mean([p.view == view for p in patients]) == pytest.approx(chance, abs=0.03)
    sides = np.array([patient.laterality for patient in patients])
    assert np.mean(abs(sides - 0.5) > 0.38) == pytest.approx(1 / 6, abs=0.03)
    hearts = np.array([patient.heart for patient in patients])
    assert 0.38 <= hearts.min() < 0.42
    assert 0.62 < hearts.max() <= 0.70
    for known in (
        [len(p.devices) for p in patients],
        hearts,
        [p.view == "PA" for p in patients],
        [p.site == "sbu" for p in patients],
        [p.portable for p in patients],
        [p.age for p in patients],
    ):
        assert abs(np.corrcoef(opacity, known)[0, 1]) < 0.06


def test_looks_stay_in_their_ranges_and_vary():
    rng = np.random.default_rng(1)
    patients = [draw_patient(rng) for _ in range(200)]
    looks = [draw_look(patient, rng) for patient in patients]
    assert {field.name for field in fields(Look)} == set(vars(looks[0]))
    for name in ("kilovolts", "scatter", "detail", "contrast", "middle", "flatten"):
        values = [getattr(look, name) for look in looks]
        low, high = RANGES[name]
        assert low <= min(values) < max(values) <= high
        assert max(values) - min(values) > 0.8 * (high - low)
    assert np.mean([look.equalise > 0 for look in looks]) == pytest.approx(0.3, abs=0.1)
