"""Colours say as much as the evidence does: equal steps look equal, both sides alike."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from helpers import tints


def perceived_steps(colours: np.ndarray) -> np.ndarray:
    """CIEDE2000 differences between neighbours of (n, 3) colours in [0, 1]."""
    lab = rgb2lab(colours[None])[0]
    return deltaE_ciede2000(lab[1:], lab[:-1])


def test_equal_steps_of_the_signed_colours_are_equal_steps_of_colour():
    steps = perceived_steps(tints.SIGNED_COLOURS(np.arange(0, 256, 8))[:, :3])
    assert steps.max() / steps.min() < 1.1


@pytest.mark.parametrize("signed", [False, True])
def test_equal_steps_of_evidence_are_equal_steps_of_drawn_colour(signed):
    evidence = np.linspace(-10 if signed else 0, 10, 17 if signed else 9)[None]
    grey = np.full(evidence.shape, tints.MIDDLE_GREY, np.uint8)
    drawn = (tints.tint_signed if signed else tints.tint)(grey, evidence, 10.0)[0]
    steps = perceived_steps(drawn / 255)
    sides = np.split(steps, 2) if signed else [steps]  # what is against and for has its own pace
    for side in sides:
        assert side.max() / side.min() < 1.5


def test_more_heat_is_always_lighter():
    lightness = rgb2lab(tints.HEAT_COLOURS(np.arange(0, 256, 8))[None, :, :3])[0, :, 0]
    assert np.diff(lightness).min() > 1


def test_neither_side_looks_stronger():
    against, middle, for_it = rgb2lab(tints.SIGNED_COLOURS([0.0, 0.5, 1.0])[None, :, :3])[0]
    assert against[0] == pytest.approx(for_it[0], abs=3)
    assert middle[0] < min(against[0], for_it[0]) - 40
    assert against[2] < -10 and for_it[2] > 30  # bluish against, yellowish for


def test_signed_tint_leaves_a_film_without_evidence_and_stops_at_the_limit():
    film = np.array([[0, 100, 255]], np.uint8)
    plain = tints.tint_signed(film, np.zeros(film.shape), 10.0)
    np.testing.assert_array_equal(plain, np.repeat(film[..., None], 3, axis=2))
    strong = tints.tint_signed(film, np.array([[-10.0, -10.0, 10.0]]), 10.0)
    np.testing.assert_array_equal(
        strong, tints.tint_signed(film, np.array([[-1e3, -1e3, 1e3]]), 10.0)
    )
    assert strong[0, 0, 2] > strong[0, 0, 0] and strong[0, 2, 0] > strong[0, 2, 2]


def test_opacity_is_that_of_the_strongest_colour():
    film, evidence = np.full((1, 2), 200, np.uint8), np.array([[-4.0, 4.0]])
    opaque = tints.tint_signed(film, evidence, 4.0, opacity=1.0)
    ends = tints.SIGNED_COLOURS([0.0, 1.0])[:, :3] * 255
    np.testing.assert_allclose(opaque[0], ends, atol=0.5)
    clear = tints.tint_signed(film, evidence, 4.0, opacity=0.0)
    assert np.all(clear == 200)


def test_diverging_ramp_is_a_row_of_a_picture_from_against_to_for():
    ramp = tints.diverging_ramp(5.0)
    assert ramp.shape == (1, 256, 3) and ramp.dtype == np.uint8
    half = tints.tint_signed(np.full((1, 1), tints.MIDDLE_GREY, np.uint8), np.array([[5.0]]), 5.0)
    np.testing.assert_array_equal(ramp[:, -1:], half)
    np.testing.assert_allclose(ramp[0, 127:129], tints.MIDDLE_GREY, atol=1)
