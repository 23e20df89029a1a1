"""Figures about cohorts and films; those about predictions are collected here, too.

They come from :mod:`helpers.curves` and :mod:`helpers.figures_risks`; heat maps have theirs in
:mod:`helpers.figures_saliency`. A function a figure: it takes data and an
axis, draws, and returns the axis.
"""

from collections.abc import Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.curves import (
    PALETTE,
    axis_or_new,
    plot_intervals,
    plot_learning_curves,
    plot_net_benefit,
    plot_precision_recall,
    plot_roc,
)
from helpers.figures_causes import plot_causal_diagram
from helpers.figures_risks import plot_calibration, plot_confusion, plot_risk_by_outcome

__all__ = [
    "PALETTE",
    "plot_calibration",
    "plot_causal_diagram",
    "plot_confusion",
    "plot_films",
    "plot_imputed_rates",
    "plot_intervals",
    "plot_learning_curves",
    "plot_missingness",
    "plot_net_benefit",
    "plot_outcome_by",
    "plot_participant_flow",
    "plot_precision_recall",
    "plot_risk_by_outcome",
    "plot_roc",
]


def plot_missingness(
    cohort: pd.DataFrame, ax: Axes | None = None, *, columns: Sequence[str] | None = None
) -> Axes:
    """Share of rows in which each column is missing, the most complete on top."""
    names = list(columns) if columns is not None else [str(column) for column in cohort]
    missing = cohort[names].isna().mean().sort_values(ascending=False) * 100
    ax = axis_or_new(ax, width=6, height=0.8 + 0.26 * len(names))
    bars = ax.barh(list(missing.index), missing.to_numpy(), color=PALETTE[0])
    ax.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=8)
    ax.set(
        xlabel=f"missing (% of {len(cohort)} rows)", xlim=(0, 112), ylim=(-0.6, len(names) - 0.4)
    )
    ax.set_xticks(range(0, 101, 25))
    return ax


def plot_participant_flow(flow: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many pictures of one cohort remain after each exclusion, from top to bottom.

    `flow` is the table of ``participant_flow`` for one cohort; steps that exclude nothing are left
    out.

    Raises
    ------
    ValueError
        If the table holds several cohorts.
    """
    if flow["cohort"].nunique() != 1:
        raise ValueError(
            f"Expected the flow of one cohort; got {flow['cohort'].nunique()}. "
            "Pass flow[flow['cohort'] == name]."
        )
    inner = flow.iloc[1:-1]
    steps = pd.concat([flow.iloc[:1], inner[inner["radiographs"] > 0], flow.iloc[-1:]])
    ax = axis_or_new(ax, width=7, height=0.8 + 0.4 * len(steps))
    start = int(steps["radiographs"].iloc[0])
    removed = np.r_[0, steps["radiographs"].iloc[1:-1].to_numpy(), 0]
    after = start - np.cumsum(removed)
    places = np.arange(len(steps))[::-1]
    ax.barh(places, after, color=PALETTE[0], label="remain")
    ax.barh(places, removed, left=after, color=PALETTE[4], hatch="//", label="excluded here")
    for place, left, films, patients in zip(
        places, after + removed, steps["radiographs"], steps["patients"], strict=True
    ):
        sign = "" if place in (places[0], places[-1]) else "−"
        text = f" {sign}{films} pictures, {sign if patients else ''}{patients} patients"
        ax.text(left, place, text, va="center", fontsize=8)
    ax.set_yticks(places, [fill(step.removeprefix("excluded: "), 32) for step in steps["step"]])
    ax.set(xlabel="pictures", xlim=(0, start * 1.75))
    ax.set_xticks([tick for tick in ax.get_xticks() if tick <= start])
    ax.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return ax


def plot_outcome_by(cohort: pd.DataFrame, column: str, ax: Axes | None = None) -> Axes:
    """Share of patients who died, survived, or of whom it is unknown, by a column's values.

    Patients are counted once under the value of their first row.
    """
    patients = cohort.drop_duplicates(["site", "patient_id"])
    outcome = patients["died"].map({True: "died", False: "survived"}).fillna("unknown")
    values = patients[column].astype("string").fillna("unknown")
    counts = pd.crosstab(values, outcome).reindex(
        columns=["died", "survived", "unknown"], fill_value=0
    )
    shares = counts.div(counts.sum(axis=1), axis=0) * 100
    ax = axis_or_new(ax, width=6, height=0.9 + 0.45 * len(counts))
    labels = [f"{value} (n = {total})" for value, total in counts.sum(axis=1).items()]
    left = np.zeros(len(counts))
    looks = {"died": (PALETTE[1], "//"), "survived": (PALETTE[5], ""), "unknown": ("#DDDDDD", "..")}
    for name, (colour, hatch) in looks.items():
        bars = ax.barh(
            labels,
            shares[name],
            left=left,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=name,
        )
        texts = [
            str(count) if share > 4 else ""
            for count, share in zip(counts[name], shares[name], strict=True)
        ]
        ax.bar_label(
            bars, texts, label_type="center", fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )  # fmt: skip
        left += shares[name].to_numpy()
    ax.invert_yaxis()
    ax.set(xlabel="patients (%)", xlim=(0, 100))
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return ax


def plot_films(films: Sequence[np.ndarray], titles: Sequence[str], *, columns: int = 4) -> Figure:
    """Show films, each (height, width) in [0, 1] or uint8, in a grid with a title each."""
    rows = -(-len(films) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.9 * columns, 2.2 * rows), layout="constrained", squeeze=False
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, film, title in zip(axes.flat, films, titles, strict=False):
        top = 255 if film.dtype == np.uint8 else 1
        ax.imshow(film, cmap="gray", vmin=0, vmax=top)
        ax.set_title(title, fontsize=8)
    return figure


def plot_masks(film: np.ndarray, lungs: np.ndarray, lesions: np.ndarray) -> Figure:
    """Show a film, (height, width) in [0, 1], beside itself with lungs and lesions outlined.

    The masks show the same field at any size; both are outlined in a line style of their own.
    """
    height, width = film.shape
    figure, axes = plt.subplots(
        1, 2, figsize=(6.4, 0.2 + 3.2 * height / width), layout="constrained"
    )
    for ax in axes:
        ax.imshow(film, cmap="gray", vmin=0, vmax=1)
        ax.set_axis_off()
    for mask, colour, line in ((lungs, PALETTE[5], "--"), (lesions, PALETTE[4], "-")):
        rows, columns = (
            (np.arange(side) + 0.5) * length / side - 0.5
            for side, length in zip(mask.shape, (height, width), strict=True)
        )
        if mask.any():
            axes[1].contour(
                columns, rows, mask, levels=[0.5], colors=colour, linestyles=line, linewidths=1.2
            )
    return figure


def plot_imputed_rates(rates: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Death rate that each method gives to patients with unknown outcome.

    `rates` has a row a method: ``name``, ``rate`` (0 to 1), and ``low``, ``high`` where there is a
    spread (NaN otherwise); ``attrs["reference"]``, a mapping of names to rates, is drawn as lines.
    """
    ax = axis_or_new(ax, width=6.5, height=1 + 0.42 * len(rates))
    places = np.arange(len(rates))[::-1]
    ax.barh(places, rates["rate"] * 100, color=PALETTE[5], height=0.6)
    ax.hlines(places, rates["low"] * 100, rates["high"] * 100, color="black", linewidth=1.5)
    for (name, rate), line, colour in zip(
        rates.attrs.get("reference", {}).items(), ["--", ":"], [PALETTE[1], "black"], strict=False
    ):
        ax.axvline(rate * 100, linestyle=line, color=colour, label=f"{name} ({rate:.0%})")
    ax.set_yticks(places, rates["name"])
    ax.set(xlabel="deaths among the unknown patients, by each method (%)", xlim=(0, None))
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return ax
