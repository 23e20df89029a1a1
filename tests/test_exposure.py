from dataclasses import replace

import numpy as np
import pytest
from phantom_patient import PATIENT

from phantoms.exposure import add_noise, attenuations, expose, record
from phantoms.film import render
from phantoms.grid import Frame
from phantoms.letters import journal_marks, outline_something
from phantoms.looks import Look, choose_look
from phantoms.processing import compress, develop, enhance, publish, resample

FRAME = Frame((0.0, 100.0), 300.0, 300.0, 0.0, (100, 100))
PATIENT = replace(PATIENT, sex="M")
LOOK = replace(choose_look(PATIENT), scatter=0.0, grid=0.0, motion=0.0, blur=0.2)


def slab(length: float, shape: tuple[int, int] = (100, 100)) -> np.ndarray:
    return np.full(shape, length, dtype=np.float32)


def recorded(length: np.ndarray, look: Look = LOOK, bones: np.ndarray | None = None) -> np.ndarray:
    return record(expose(length, look, FRAME, bones), look, FRAME)


def test_the_beam_of_a_higher_voltage_goes_through_more_easily():
    soft, hard = attenuations(70), attenuations(125)
    assert all(water > harder for (water, _), (harder, _) in zip(soft, hard, strict=True))
    assert soft[0][0] == pytest.approx(0.02683)  # NIST: 0.2683 cm²/g at 40 keV


def test_bones_are_whiter_against_soft_tissue_at_a_lower_voltage():
    def contrast(kilovolts: float) -> float:
        look = replace(LOOK, kilovolts=kilovolts)
        tissue, bone = recorded(slab(150), look), recorded(slab(165), look, slab(15))
        water = recorded(slab(165), look)
        return float((bone - tissue).mean() / (water - tissue).mean())

    assert contrast(70) > contrast(95) > contrast(125)
    assert contrast(70) > 1.15 * contrast(125)


def test_scatter_takes_contrast_away_behind_thick_parts():
    length = slab(120)
    length[:, 50:] = 220
    clean, foggy = recorded(length), recorded(length, replace(LOOK, scatter=2.0))
    assert np.ptp(foggy) < 0.85 * np.ptp(clean)


def test_noise_is_stronger_behind_thick_parts():
    length = slab(100)
    length[:, 50:] = 220
    density = recorded(length)
    noise = add_noise(density, float(density.min()), LOOK, 3.0, np.random.default_rng(0)) - density
    noise -= noise.mean(axis=0)  # the detector's unequal columns
    assert noise[:, 55:].std() > 2 * noise[:, :45].std()


def test_enhancement_lifts_detail_and_flattens_large_scales():
    length = slab(100)
    length[:, 50:] = 200
    length[::8] += 2
    density = recorded(length)
    flat = enhance(density, replace(LOOK, flatten=0.4, detail=1.0), 3.0)
    plain = enhance(density, replace(LOOK, flatten=0.0, detail=0.0), 3.0)
    assert np.allclose(plain, density, atol=1e-4)
    assert flat[:, 80:].mean() - flat[:, :20].mean() < 0.75 * (plain[:, 90].mean() - plain[0, 5])
    assert np.ptp(flat[20:60, 20]) > 1.2 * np.ptp(plain[20:60, 20])


def test_thick_parts_are_white_and_air_is_black():
    length = slab(90)
    length[:, 60:] = 220
    length[:, :15] = 0
    grey = develop(recorded(length), length, LOOK, 3.0)
    assert grey[:, 5].max() < 0.01 < 0.05 < grey[:, 40].mean() < 0.5 < grey[:, 80].mean()


def test_only_large_films_show_how_they_were_published():
    look = replace(LOOK, resolution=100.0, quality=40)
    small, large = (np.random.default_rng(0).random((s, s), dtype=np.float32) for s in (128, 300))
    assert np.array_equal(publish(small, look), small)
    blurred = publish(large, look)
    assert blurred.shape == large.shape
    assert blurred.std() < 0.6 * large.std()
    assert np.abs(compress(large, 95) - large).mean() < 0.05
    assert resample(large, 0.5).shape == large.shape


def test_a_look_can_be_chosen_and_density_is_known_where_lesions_are():
    look = replace(choose_look(PATIENT), aspect=1.2, outside=1.0, collimation=(0.1, 0.1, 0.1, 0.1))
    film = render(PATIENT, size=128, look=look)
    assert film.pixels.shape == (128, 107)
    assert film.pixels[:4].mean() > 0.9
    assert film.density.dtype == np.float32
    assert not film.density[~film.lesions].any()
    assert 0.1 < film.density[film.lesions].mean() < 0.9
    denser = render(replace(PATIENT, density=0.9), size=128, look=look)
    assert denser.density[denser.lesions].mean() > film.density[film.lesions].mean() + 0.1


def test_marks_stay_in_the_range_of_greys():
    for seed in range(60):
        film = np.full((96, 80), 0.5, dtype=np.float32)
        journal_marks(film, np.random.default_rng(seed))
        outline_something(film, np.random.default_rng(seed))
        assert 0 <= film.min() <= film.max() <= 1
        assert np.mean(film != 0.5) < 0.3
