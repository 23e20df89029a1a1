"""Figures of heat: the tints, bars and lines that they say they show."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.figures_saliency import add_heat_bar, plot_deletion, plot_heat
from helpers.tints import tint, tint_signed


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


FILM = np.full((8, 8), 90, np.uint8)
HEAT = np.linspace(-4, 4, 64, dtype=np.float32).reshape(8, 8)


@pytest.mark.parametrize("signed", [False, True])
def test_the_film_is_tinted_and_the_bar_has_the_same_scale(signed):
    ax = plot_heat(FILM, HEAT, 4.0, signed=signed)
    expected = tint_signed(FILM, HEAT, 4.0) if signed else tint(FILM, HEAT, 4.0)
    np.testing.assert_array_equal(ax.images[0].get_array(), expected)
    bar = add_heat_bar([ax], 4.0, "logits", signed=signed)
    assert (bar.vmin, bar.vmax) == ((-4 if signed else 0), 4)
    assert bar.ax.get_ylabel() == "logits"
    strongest = np.rint(255 * np.array(bar.cmap(1.0)[:3]))
    grey = np.full((1, 1), 128, np.uint8)
    paint = tint_signed if signed else tint
    np.testing.assert_array_equal(strongest, paint(grey, np.array([[4.0]]), 4.0)[0, 0])


def test_lesions_are_outlined_where_there_are_any():
    lesion = np.zeros((8, 8), bool)
    assert not plot_heat(FILM, HEAT, 4.0, outline=lesion).collections
    lesion[2:5, 3:6] = True
    drawn = plot_heat(FILM, HEAT, 4.0, outline=lesion).collections[0]
    extents = drawn.get_paths()[0].get_extents()
    assert (extents.x0, extents.x1, extents.y0, extents.y1) == (2.5, 5.5, 1.5, 4.5)


def test_deletion_curves_are_means_over_the_films():
    curves = {"a": np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]), "b": np.ones((2, 3))}
    ax = plot_deletion(curves)
    first, second = ax.lines
    np.testing.assert_allclose(first.get_ydata(), 0.5)
    np.testing.assert_allclose(first.get_xdata(), [0, 0.5, 1])
    assert first.get_linestyle() != second.get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
