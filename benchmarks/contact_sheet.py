"""The contact sheet of `benchmarks.phantoms`: real films on the left, phantoms on the right."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from benchmarks.film_statistics import OCTAVES
from helpers.curves import PALETTE

ROWS = {"ieee8023": 4, "hannover": 2}
COLUMNS = 6  # of each kind
STYLES = {"real": (PALETTE[0], "-"), "phantom": (PALETTE[1], "--")}


class Drawn(NamedTuple):
    """Real films or phantoms of one cohort."""

    films: list[np.ndarray]  # uint8, (256, 256) each
    squares: np.ndarray  # their central squares, float32 in [0, 1], (films, side, side)
    features: pd.DataFrame  # a row a film, with the columns of `spectrum_measures`


def draw_sheet(path: Path, cohorts: dict[str, dict[str, Drawn]]) -> None:
    """Draw films side by side, mean films with their difference, grey values and spectra.

    Parameters
    ----------
    path
        Picture file to write.
    cohorts
        Of each cohort, by name, what to draw of ``real`` and ``phantom``.
    """
    rows = sum(ROWS[name] + 2 for name in cohorts)
    figure = Figure(figsize=(4 * COLUMNS, 2.1 * rows), dpi=110, layout="constrained")
    grid = figure.add_gridspec(rows, 2 * COLUMNS)
    row = 0
    for name, kinds in cohorts.items():
        for side, (kind, drawn) in enumerate(kinds.items()):
            for i, film in enumerate(_choose(drawn.films, ROWS[name] * COLUMNS)):
                place = grid[row + i // COLUMNS, side * COLUMNS + i % COLUMNS]
                _show(figure.add_subplot(place), film, f"{name}, {kind}" if i == 0 else "")
        row += ROWS[name]
        _draw_means(figure, grid[row : row + 2, :], kinds)
        row += 2
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _choose(films: list[np.ndarray], count: int) -> list[np.ndarray]:
    places = np.random.default_rng(0).permutation(len(films))[:count]
    return [films[place] for place in places]


def _show(ax: Axes, film: np.ndarray, title: str) -> None:
    ax.imshow(film, cmap="gray", vmin=0, vmax=255)
    ax.set_title(title, fontsize=9, loc="left")
    ax.set_axis_off()


def _draw_means(figure: Figure, place: SubplotSpec, kinds: dict[str, Drawn]) -> None:
    """Mean films, their difference, that of the films' standard deviations, and two curves."""
    panels = [figure.add_subplot(panel) for panel in place.subgridspec(1, 6)]
    real, phantom = (255 * kinds[kind].squares for kind in ("real", "phantom"))
    _show(panels[0], real.mean(axis=0), "mean real film")
    _show(panels[1], phantom.mean(axis=0), "mean phantom")
    for ax, title, difference in (
        (panels[2], "means: phantom − real", phantom.mean(axis=0) - real.mean(axis=0)),
        (panels[3], "standard deviations: phantom − real", phantom.std(axis=0) - real.std(axis=0)),
    ):
        shown = ax.imshow(difference, cmap="RdBu_r", vmin=-60, vmax=60)
        ax.set_title(title, fontsize=9, loc="left")
        ax.set_axis_off()
        figure.colorbar(shown, ax=ax, shrink=0.7, label="grey values")
    _draw_greys(panels[4], kinds)
    _draw_spectra(panels[5], kinds)


def _draw_greys(ax: Axes, kinds: dict[str, Drawn]) -> None:
    for kind, drawn in kinds.items():
        colour, line = STYLES[kind]
        shares, edges = np.histogram(255 * drawn.squares, bins=64, range=(0, 255), density=True)
        ax.plot((edges[1:] + edges[:-1]) / 2, shares, line, color=colour, label=kind)
    ax.set(xlabel="grey value of the central square", ylabel="density", ylim=(0, 0.012))
    ax.legend(frameon=False)


def _draw_spectra(ax: Axes, kinds: dict[str, Drawn]) -> None:
    """Median power of each octave, the middle half of the films shaded."""
    centres = [np.sqrt(low * high) for low, high in pairwise(OCTAVES)]
    for kind, drawn in kinds.items():
        colour, line = STYLES[kind]
        power = drawn.features.filter(like="power, ").to_numpy()
        low, median, high = np.percentile(power, [25, 50, 75], axis=0)
        ax.plot(centres, median, line, color=colour, label=kind)
        ax.fill_between(centres, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.set(xscale="log", xlabel="cycles a film", ylabel="power (dB)")
    ax.set_xticks(OCTAVES[:-1], OCTAVES[:-1])
    ax.minorticks_off()
    ax.legend(frameon=False)
