"""The measures by which phantoms are compared with real films, on pictures with known answers."""

import sys
from argparse import Namespace

import cv2
import numpy as np
import pandas as pd
import pytest

from benchmarks import phantoms as benchmark
from benchmarks.compared_films import fresh
from benchmarks.comparison import compare, halves_distance, histogram_distance
from benchmarks.film_statistics import (
    histogram,
    lesion_measures,
    lung_measures,
    mediastinum,
    power_spectrum,
    regions,
    spectrum_measures,
    split_lungs,
)
from benchmarks.telling_apart import SIDE, tell_apart

SIZE = 256


@pytest.fixture
def lungs():
    """Two boxes: the patient's right lung is 60 px wide, the left one 50, both 120 high."""
    mask = np.zeros((SIZE, SIZE), bool)
    mask[60:180, 50:110] = True
    mask[60:180, 150:200] = True
    return mask


@pytest.fixture
def shown():
    """A film of 256 × 200 px, letterboxed."""
    mask = np.zeros((SIZE, SIZE), bool)
    mask[28:228] = True
    return mask


def noise_of_slope(slope: float) -> np.ndarray:
    """Noise whose power falls with this power of the frequency."""
    rng = np.random.default_rng(0)
    fy, fx = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]
    frequency = np.maximum(np.hypot(fy, fx), 1 / SIZE)
    white = np.fft.rfft2(rng.normal(size=(SIZE, SIZE)))
    noise = np.fft.irfft2(white * frequency ** (slope / 2))
    return np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [256, 200])
def test_a_wave_has_its_frequency_whatever_is_cut_out(side):
    wave = np.sin(2 * np.pi * 20 * np.arange(SIZE) / SIZE)
    film = np.tile(128 + 100 * wave, (SIZE, 1)).astype(np.uint8)
    frequency, power = power_spectrum(film[:side, :side], SIZE)
    assert frequency[power.argmax()] == pytest.approx(20, abs=SIZE / side / 2)


@pytest.mark.parametrize("slope", [-2, -3])
def test_slopes_of_noise(slope):
    measures = spectrum_measures(noise_of_slope(slope), np.ones((SIZE, SIZE), bool))
    assert measures["slope, 2–32 cycles a film"] == pytest.approx(slope, abs=0.3)
    assert measures["slope, 32–100 cycles a film"] == pytest.approx(slope, abs=0.3)


def test_padding_is_no_part_of_the_spectrum(shown):
    film = noise_of_slope(-2)
    padded = np.where(shown, film, 0)
    low = "power, 2–4 cycles (dB)"
    assert spectrum_measures(padded, shown)[low] == spectrum_measures(film, shown)[low]


def test_mediastinum_lies_between_the_lungs(lungs, shown):
    expected = np.zeros_like(lungs)
    expected[60:180, 110:150] = True
    assert (mediastinum(lungs) == expected).all()
    areas = regions(shown, lungs)
    assert (sum(mask.astype(int) for mask in areas.values()) == shown).all()


def test_one_lung_cannot_be_split(lungs):
    right, left = split_lungs(lungs)
    assert right.sum() == 60 * 120
    assert left.sum() == 50 * 120
    assert split_lungs(right) is None
    assert not mediastinum(right).any()


def test_lungs_are_measured_against_the_picture_not_the_padding(lungs, shown):
    measures = lung_measures(lungs, shown)
    assert measures["film: width over height"] == pytest.approx(256 / 200)
    assert measures["lungs: share of the film's area"] == pytest.approx(110 * 120 / (256 * 200))
    assert measures["lungs: height over the film's height"] == pytest.approx(120 / 200)
    assert measures["right lung over left, area"] == pytest.approx(60 / 50)
    assert measures["mediastinum: mean width over the lungs' span"] == pytest.approx(40 / 150)


def test_a_lesion_at_the_base_of_the_outer_right_lung(lungs):
    lesions = np.zeros_like(lungs)
    lesions[120:200, 40:60] = True  # partly outside of the lung, which does not count
    film = np.where(lesions, 150, 100).astype(np.uint8)
    measures = lesion_measures(film, lungs, lesions)
    assert measures["lesions over lungs, area"] == pytest.approx(60 * 10 / (110 * 120))
    assert measures["height of the centre (0 apex, 1 base)"] == pytest.approx(0.75, abs=0.01)
    assert measures["share in the outer third of the lung"] == 1
    assert measures["share in the less affected lung"] == 0
    assert measures["grey step across their border"] == 50
    assert measures["parts"] == 1


def test_the_hilum_is_on_the_inner_side_of_both_lungs(lungs):
    lesions = np.zeros_like(lungs)
    lesions[100:140, 100:160] = True  # across the mediastinum: the inner 10 px of each lung
    measures = lesion_measures(np.zeros((SIZE, SIZE), np.uint8), lungs, lesions)
    assert measures["share in the outer third of the lung"] == 0
    assert measures["share in the less affected lung"] == 0.5
    assert measures["parts"] == 2


def test_a_film_without_lesions_has_no_place_for_them(lungs):
    empty = np.zeros_like(lungs)
    measures = lesion_measures(np.zeros((SIZE, SIZE), np.uint8), lungs, empty)
    assert measures == {"lesions over lungs, area": 0}


def test_histograms_are_as_far_apart_as_their_greys():
    mask = np.ones((4, 4), bool)
    dark, bright = (histogram(np.full((4, 4), grey, np.uint8), mask) for grey in (20, 50))
    assert histogram_distance(dark, bright) == pytest.approx(30)


def test_a_shift_by_the_interquartile_range_is_a_distance_of_one():
    values = np.random.default_rng(0).normal(size=400)
    spread = np.subtract(*np.percentile(values, [75, 25]))
    real = pd.DataFrame({"patient_id": np.arange(400).astype(str), "height": values})
    moved = compare(real, real.assign(height=values + spread)).iloc[0]
    assert float(moved["distance"]) == pytest.approx(1)
    assert float(moved["of real halves"]) < 0.2


def test_halves_part_patients_not_films():
    patients = np.repeat([str(i) for i in range(10)], 3)

    def split_patients(half: np.ndarray) -> float:
        return float(len(set(patients[half]) & set(patients[~half])))

    assert halves_distance(patients, split_patients) == 0


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.3, 0.7), (2.0, 0.97, 1.0)])
def test_classifiers_find_a_difference_only_where_there_is_one(shift, low, high):
    rng = np.random.default_rng(0)
    phantom = np.repeat([False, True], 100)
    features = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
    features["b"] += 2 * shift * phantom
    squares = rng.normal(size=(200, SIDE, SIDE)) + shift * phantom[:, None, None]
    verdict = tell_apart(features, squares, phantom, np.arange(200).astype(str))
    assert len(verdict.auroc) == 3
    for interval in verdict.auroc.values():
        assert low <= interval.estimate <= high
    if shift:
        assert verdict.coefficients.index[0] == "b"
        assert verdict.coefficients.iloc[0] > 0


@pytest.mark.parametrize("randomised", [False, True])
def test_fresh_phantoms_are_measured_like_published_ones(randomised):
    drawn = fresh(["ieee8023"], 3, randomised)
    films = drawn.films["ieee8023"]
    assert len(films) == len(drawn.with_lungs) == 3
    for film in films:
        assert film.film.shape == film.lungs.shape == film.lesions.shape == (SIZE, SIZE)
        assert not (film.lungs & ~film.shown).any()
    again = fresh(["ieee8023"], 3, randomised).films["ieee8023"]
    assert all((a.film == b.film).all() for a, b in zip(films, again, strict=True))
    text = benchmark.section("Lungs", benchmark.lung_row, films, films)
    assert "real: 3 films" in text.lower()


def test_the_page_begins_as_the_benchmark_prints_it():
    of_page = Namespace(fresh=0, randomised=False)
    text = benchmark.opening(["ieee8023", "hannover"], of_page)
    assert (benchmark.PROJECT / "docs" / "phantoms.md").read_text("utf-8").startswith(text)
    fresh_ones = benchmark.opening(["ieee8023"], Namespace(fresh=200, randomised=True))
    assert "benchmarks.phantoms --fresh 200 --randomised`" in fresh_ones


def run(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["phantoms", *arguments])
    benchmark.main()


def test_says_that_real_films_are_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, "is_phantom", lambda name: True)
    with pytest.raises(SystemExit, match="none of ieee8023: set CXR_DATA"):
        run(monkeypatch, "--fresh", "2", "--sheet", str(tmp_path / "sheet.png"))


def test_says_that_the_folder_of_real_films_is_missing(monkeypatch):
    monkeypatch.setenv("CXR_DATA", "nowhere")
    with pytest.raises(SystemExit, match="a folder that does not exist: nowhere"):
        run(monkeypatch, "--fresh", "2")


def test_says_that_phantoms_are_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, "MADE_COHORTS", tmp_path)
    with pytest.raises(SystemExit, match="python -m phantoms"):
        run(monkeypatch)


@pytest.mark.parametrize("place", ["docs/sheet.png", "sheet.png", "data/weights/sheet.png"])
def test_no_picture_of_a_real_film_goes_where_git_tracks_it(monkeypatch, capsys, place):
    with pytest.raises(SystemExit):
        run(monkeypatch, "--sheet", str(benchmark.PROJECT / place))
    assert "keep it outside the repository" in capsys.readouterr().err


def test_the_sheet_is_drawn(tmp_path):
    films = fresh(["hannover"], 3, False).films["hannover"]
    drawn = benchmark.describe(films)
    path = tmp_path / "new folder" / "sheet.png"
    benchmark.draw_sheet(path, {"hannover": {"real": drawn, "phantom": drawn}})
    assert cv2.imread(str(path)).std() > 10
