"""Figures of heat maps, in the tints of :mod:`helpers.tints`: notebook 07."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from helpers.curves import PALETTE, axis_or_new
from helpers.tints import heat_ramp, tint


def plot_heat(film: np.ndarray, heat: np.ndarray, limit: float, ax: Axes | None = None) -> Axes:
    """One film, uint8 (h, w), under its heat map, (h, w) in logits, on the scale 0 to `limit`."""
    ax = axis_or_new(ax)
    ax.imshow(tint(film, heat, limit))
    ax.set_axis_off()
    return ax


def add_heat_bar(axes: Sequence[Axes] | np.ndarray, limit: float, label: str) -> Any:
    """One colour bar, 0 to `limit`, for all of these axes; returns matplotlib's colour bar."""
    colours = ListedColormap(heat_ramp(limit) / 255)
    axes = np.ravel(np.asarray(axes, dtype=object)).tolist()
    bar = axes[0].figure.colorbar(
        ScalarMappable(Normalize(0, limit), colours), ax=axes, extend="max", shrink=0.8
    )
    bar.set_label(label)
    return bar


def plot_similarity(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Similarity of maps as a network is destroyed stage by stage.

    Parameters
    ----------
    table : DataFrame
        Of `helpers.saliency.randomization_similarity`.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes
        A thin line a film, a thick line with dots for the median.
    """
    ax = axis_or_new(ax, width=6.5, height=3.2)
    wide = table.pivot(index="stage", columns="image", values="similarity").sort_index()
    stages = list(wide.index.astype(str))
    ax.plot(stages, wide.to_numpy(), color="0.75", linewidth=0.7)
    ax.plot(
        stages, wide.median(axis=1), color=PALETTE[0], linewidth=2, marker="o", label="median film"
    )
    ax.set(
        xlabel="randomised from the output down to",
        ylabel="similarity to the trained map (SSIM)",
        ylim=(min(0.0, float(wide.to_numpy().min())), 1.02),
    )
    ax.legend(frameon=False)
    return ax
