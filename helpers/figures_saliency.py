"""Figures of heat maps, in the tints of :mod:`helpers.tints`: notebook 07."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from helpers.curves import GREY, LINES, PALETTE, axis_or_new
from helpers.tints import diverging_ramp, heat_ramp, tint, tint_signed


def plot_heat(
    film: np.ndarray,
    heat: np.ndarray,
    limit: float,
    ax: Axes | None = None,
    *,
    signed: bool = False,
    outline: np.ndarray | None = None,
) -> Axes:
    """One film under its heat map, on a fixed scale.

    Parameters
    ----------
    film : ndarray, shape (h, w), uint8
    heat : ndarray, shape (h, w)
        In logits.
    limit : float
        Heat at the end of the scale.
    ax : matplotlib Axes, optional
    signed : bool
        Show evidence against as well, from `-limit` on.
    outline : ndarray of bool, shape (h, w), optional
        True lesions, whose edges are drawn in white.
    """
    ax = axis_or_new(ax)
    ax.imshow(tint_signed(film, heat, limit) if signed else tint(film, heat, limit))
    if outline is not None and outline.any():
        ax.contour(outline, levels=[0.5], colors="white", linewidths=0.8)
    ax.set_axis_off()
    return ax


def add_heat_bar(
    axes: Sequence[Axes] | np.ndarray, limit: float, label: str, *, signed: bool = False
) -> Any:
    """One colour bar for all of these axes, as :func:`plot_heat` tints; returns matplotlib's."""
    colours = ListedColormap((diverging_ramp(limit)[0] if signed else heat_ramp(limit)) / 255)
    axes = np.ravel(np.asarray(axes, dtype=object)).tolist()
    bar = axes[0].figure.colorbar(
        ScalarMappable(Normalize(-limit if signed else 0, limit), colours),
        ax=axes,
        extend="both" if signed else "max",
        shrink=0.8,
    )
    bar.set_label(label)
    return bar


def plot_deletion(curves: Mapping[str, np.ndarray], ax: Axes | None = None) -> Axes:
    """Mean curves of :func:`helpers.saliency.deletion_curve`, as risks: a line an order.

    Parameters
    ----------
    curves : mapping of str to ndarray, shape (n, steps + 1)
        By the order in which squares went.
    ax : matplotlib Axes, optional
    """
    ax = axis_or_new(ax, width=4, height=3)
    colours = [*PALETTE[:2], GREY]
    for (name, curve), colour, line in zip(curves.items(), cycle(colours), cycle(LINES)):
        shares = np.linspace(0, 1, curve.shape[1])
        ax.plot(shares, curve.mean(axis=0), color=colour, linestyle=line, label=name)
    ax.set(xlabel="share of the squares that is changed", ylabel="mean risk")
    ax.legend(frameon=False)
    return ax


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
        xlabel="randomised from the output (fc) towards the film, down to",
        ylabel="similarity to the trained map (SSIM)",
        ylim=(min(0.0, float(wide.to_numpy().min())), 1.02),
    )
    ax.legend(frameon=False)
    return ax
