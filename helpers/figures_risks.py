"""Figures of the predicted risks themselves: agreement with outcomes, distribution, errors."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from statsmodels.nonparametric.smoothers_lowess import lowess

from helpers.curves import (
    GREY,
    PALETTE,
    Predictions,
    axis_or_new,
    band,
    each_prediction,
    outcomes_and_risks,
)

SMOOTHED_SHARE = 0.75  # of the patients, behind each point of the smooth curve


def plot_calibration(predictions: Predictions, ax: Axes | None = None) -> Axes:
    """Observed death rate against predicted risk: a smooth curve, and the patients as ticks.

    The curve is a lowess smoother (Austin and Steyerberg 2014, doi:10.1002/sim.5941), drawn
    between the 2nd and 98th percentile of the risks, with a pointwise 95 % band from resampled
    patients. Ticks at the top died, at the bottom survived.
    """
    ax = axis_or_new(ax, width=4.5, height=4.5)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="ideal")
    for name, outcomes, risks, style in each_prediction(predictions):
        low, high = np.quantile(risks, [0.02, 0.98])
        if high > low:
            grid = np.linspace(low, high, 100)
            reach = band(
                lambda died, risk, grid=grid: smooth(died, risk, grid),
                outcomes, risks, keep_deaths=False,
            )  # fmt: skip
            ax.plot(grid, smooth(outcomes, risks, grid), label=name, **style)
            ax.fill_between(grid, *reach, color=style["color"], alpha=0.12)
        for value, edge in ((True, 1.0), (False, 0.0)):
            at = risks[outcomes == value]
            ax.plot(at, np.full(len(at), edge), "|", color=style["color"], alpha=0.5, markersize=9)
    ax.set(
        xlabel="predicted risk of death",
        ylabel="observed share of deaths",
        xlim=(-0.02, 1.02),
        ylim=(-0.04, 1.04),
    )
    ax.set_aspect("equal")
    ax.legend(loc="upper left", frameon=False, bbox_to_anchor=(0, 0.95))
    return ax


def smooth(died: np.ndarray, risk: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Observed share of deaths along the predicted risk, at the risks of `grid`, by lowess.

    NaN where all risks are the same.
    """
    if np.ptp(risk) == 0:
        return np.full(len(grid), np.nan)
    fitted = lowess(died.astype(float), risk, frac=SMOOTHED_SHARE, it=0, xvals=grid)
    return np.clip(fitted, 0, 1)


def plot_risk_by_outcome(
    patients: pd.DataFrame, ax: Axes | None = None, *, threshold: float | None = None
) -> Axes:
    """Distribution of predicted risks among those who died and those who survived."""
    ax = axis_or_new(ax)
    outcomes, risks = outcomes_and_risks(patients)
    bins = np.linspace(0, max(risks.max(), 1e-6), 26).tolist()
    groups = [
        (outcomes, "died", PALETTE[1], "//"),
        (~outcomes, "survived", PALETTE[0], ""),
    ]
    for members, name, colour, hatch in groups:
        if members.any():
            weights = np.full(members.sum(), 100 / members.sum())
            label = f"{name} (n = {members.sum()})"
            ax.hist(
                risks[members], bins, weights=weights, label=label, histtype="stepfilled",
                facecolor=(colour, 0.35), edgecolor=colour, hatch=hatch,
            )  # fmt: skip
    if threshold is not None:
        ax.axvline(threshold, color="black", linestyle=":", label=f"threshold {threshold:.2f}")
    ax.set(xlabel="predicted risk of death", ylabel="patients of the group (%)")
    ax.legend(frameon=False)
    return ax


def plot_confusion(patients: pd.DataFrame, threshold: float, ax: Axes | None = None) -> Axes:
    """Confusion matrix at a threshold: a row an outcome, with counts and the shares of the row."""
    ax = axis_or_new(ax, width=4, height=3.5)
    outcomes, risks = outcomes_and_risks(patients)
    said = risks >= threshold
    counts = pd.DataFrame(
        [[np.sum(said[row]), np.sum(~said[row])] for row in (outcomes, ~outcomes)],
        index=["died", "survived"],
        columns=[f"{threshold:.2f} or more", "less"],
    )
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    words = counts.astype(str) + shares.map("\n{:.0%}".format)
    look = {"cmap": "Blues", "vmin": 0, "vmax": 1, "cbar": False, "square": True}
    seaborn.heatmap(shares, annot=words, fmt="", ax=ax, **look)
    ax.tick_params(rotation=0)
    ax.set(xlabel="predicted risk of death", ylabel="outcome")
    return ax
