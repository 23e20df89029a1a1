"""Figures about predictions: a function a figure; takes data and an axis, returns the axis.

Predictions come as a table with a row a patient and the columns ``died`` and ``risk``, or as a
mapping of names to such tables. Every curve has its own colour *and* its own line style, so that
none is told apart by colour alone.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import precision_recall_curve, roc_curve

from helpers.analytic_intervals import net_benefit_intervals
from helpers.bootstrap import percentile_tail
from helpers.patients import require_patients

# Okabe and Ito's palette, told apart with every kind of colour blindness.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
GREY = "#767676"
LINES = ["-", "--", "-.", ":"]
BAND_REPEATS = 400  # resamples of the patients behind a shaded band
Predictions = pd.DataFrame | Mapping[str, pd.DataFrame]


def axis_or_new(ax: Axes | None, *, width: float = 5, height: float = 4) -> Axes:
    """Return the axis, or that of a new figure of this size in inches."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def plot_roc(predictions: Predictions, ax: Axes | None = None) -> Axes:
    """Receiver operating characteristic, with pointwise 95 % bands from resampled patients."""
    ax = axis_or_new(ax, width=4.5, height=4.5)
    grid = np.linspace(0, 1, 101)

    def curve(died: np.ndarray, risk: np.ndarray) -> np.ndarray:
        false_positive, true_positive, _ = roc_curve(died, risk)
        return np.interp(grid, false_positive, true_positive)

    for name, died, risk, style in each_prediction(predictions):
        false_positive, true_positive, _ = roc_curve(died, risk)
        ax.plot(false_positive, true_positive, label=name, **style)
        ax.fill_between(grid, *band(curve, died, risk), color=style["color"], alpha=0.12)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="chance")
    ax.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.set_aspect("equal")
    ax.legend(loc="lower right", frameon=False)
    return ax


def plot_precision_recall(predictions: Predictions, ax: Axes | None = None) -> Axes:
    """Precision against recall with 95 % bands; the grey line is the death rate: chance."""
    ax = axis_or_new(ax, width=4.5, height=4.5)
    grid = np.linspace(0, 1, 101)

    def curve(died: np.ndarray, risk: np.ndarray) -> np.ndarray:
        precision, recall, _ = precision_recall_curve(died, risk)
        # A step, as it is drawn: between two thresholds no recall is reached.
        return precision[::-1][np.searchsorted(recall[::-1], grid)]

    for name, died, risk, style in each_prediction(predictions):
        precision, recall, _ = precision_recall_curve(died, risk)
        ax.step(recall, precision, where="post", label=name, **style)
        ax.fill_between(grid, *band(curve, died, risk), color=style["color"], alpha=0.12)
        rate = ax.axhline(died.mean(), color=GREY, linewidth=1)
    rate.set_label("chance: the death rate")
    ax.set(
        xlabel="recall (sensitivity)",
        ylabel="precision (positive predictive value)",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
    )
    ax.legend(loc="upper right", frameon=False)
    return ax


def plot_net_benefit(
    curve: pd.DataFrame, ax: Axes | None = None, *, patients: pd.DataFrame | None = None
) -> Axes:
    """Net benefit against threshold: the table of ``net_benefit``, a column a strategy.

    With `patients`, a row each, the model has a pointwise 95 % band: at each threshold the interval
    of :func:`helpers.analytic_intervals.net_benefit_intervals`.
    """
    ax = axis_or_new(ax)
    highest = curve["treat_all"].max()
    if patients is not None:
        died, risk = outcomes_and_risks(patients)
        thresholds = curve["threshold"].to_numpy(float)
        found = [net_benefit_intervals(died, risk, one)["net benefit"] for one in thresholds]
        low, high = np.array([(interval.low, interval.high) for interval in found]).T
        ax.fill_between(thresholds, low, high, color=PALETTE[0], alpha=0.12)
        highest = max(highest, high.max())
    names = {"model": "treat by the model", "treat_all": "treat all", "treat_none": "treat none"}
    columns = [str(column) for column in curve if column != "threshold"]
    for column, colour, line in zip(columns, cycle(PALETTE), cycle(LINES), strict=False):
        label = names.get(column, column)
        ax.plot(curve["threshold"], curve[column], line, color=colour, linewidth=2, label=label)
    others = curve[[column for column in columns if column != "treat_all"]].to_numpy()
    top = max(others.max(), highest)
    ax.set(
        xlabel="threshold risk from which one would treat",
        ylabel="net benefit (true positives a patient)",
        ylim=(-0.25 * top, 1.1 * top),
    )
    ax.legend(frameon=False)
    return ax


def plot_learning_curves(
    history: pd.DataFrame, ax: Axes | None = None, *, ylabel: str = "log loss"
) -> Axes:
    """Training and validation loss by epoch, with validation AUROC if the table has it.

    `history` has a row an epoch in order, with ``train_loss`` and ``validation_loss`` and perhaps
    ``validation_auroc`` and ``stage``; a vertical line is drawn where the stage changes. `ylabel`
    says which loss it is.
    """
    ax = axis_or_new(ax, width=6)
    epochs = np.arange(1, len(history) + 1)
    curves = [("train_loss", "training", "-"), ("validation_loss", "validation", "--")]
    for (column, name, line), colour in zip(curves, PALETTE, strict=False):
        ax.plot(epochs, history[column], line, marker="o", markersize=3, color=colour, label=name)
    best = int(np.argmin(history["validation_loss"]))
    ax.plot(
        epochs[best], history["validation_loss"].iloc[best], "D", color=PALETTE[1],
        fillstyle="none", markersize=10, label="lowest validation loss",
    )  # fmt: skip
    handles, labels = ax.get_legend_handles_labels()
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "validation_auroc" in history:
        right = ax.twinx()
        right.plot(epochs, history["validation_auroc"], ":", color=PALETTE[2])
        right.set(ylim=(0, 1.02), ylabel="validation AUROC (dotted)")
    if "stage" in history:
        changes = np.flatnonzero(
            history["stage"].to_numpy()[1:] != history["stage"].to_numpy()[:-1]
        )
        for change in changes:
            ax.axvline(change + 1.5, color=GREY, linewidth=1)
    # Above the axes: inside, it would lie on the curves sooner or later.
    ax.legend(handles, labels, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return ax


def plot_intervals(
    table: pd.DataFrame, ax: Axes | None = None, *, reference: float | None = None, xlabel: str = ""
) -> Axes:
    """Estimates with their intervals, a line each, the first on top.

    Parameters
    ----------
    table
        Columns ``name``, ``estimate``, ``low``, ``high``.
    reference
        Value to mark by a vertical line, such as 0.5 for AUROC.
    xlabel
        Name and unit of the estimate.
    """
    ax = axis_or_new(ax, width=6, height=0.6 + 0.4 * len(table))
    places = np.arange(len(table))[::-1]
    ax.hlines(places, table["low"], table["high"], color=PALETTE[0], linewidth=2)
    ax.plot(table["estimate"], places, "o", color=PALETTE[0])
    if reference is not None:
        ax.axvline(reference, color=GREY, linewidth=1)
    ax.set_yticks(places, table["name"])
    ax.set(xlabel=xlabel, ylim=(-0.6, len(table) - 0.4))
    return ax


def each_prediction(predictions: Predictions) -> Iterator[tuple[str, np.ndarray, np.ndarray, dict]]:
    """Yield name, outcomes, risks and line style of each prediction."""
    tables = {"model": predictions} if isinstance(predictions, pd.DataFrame) else predictions
    looks = zip(cycle(PALETTE), cycle(LINES), strict=False)
    for (name, table), (colour, line) in zip(tables.items(), looks, strict=False):
        yield name, *outcomes_and_risks(table), {"color": colour, "linestyle": line, "linewidth": 2}


def band(
    curve: Callable, died: np.ndarray, risk: np.ndarray, *, keep_deaths: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Pointwise 95 % band of a curve over resampled patients, shape (points,) each.

    By the percentiles of :func:`helpers.bootstrap.bootstrap_interval`, few deaths reaching further.

    `keep_deaths` draws those who died and those who survived separately, for curves that take the
    number of deaths as given.
    """
    generator = np.random.default_rng(0)
    everyone = np.arange(len(died))
    groups = [everyone[died], everyone[~died]] if keep_deaths else [everyone]
    curves = []
    for _ in range(BAND_REPEATS):
        rows = np.concatenate([generator.choice(group, len(group)) for group in groups])
        curves.append(curve(died[rows], risk[rows]))
    tail = percentile_tail(max(min(died.sum(), (~died).sum()), 2))
    low, high = np.nanquantile(curves, [tail, 1 - tail], axis=0)
    return low, high


def outcomes_and_risks(patients: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return ``died``, which must be observed, as bool and ``risk`` as float, shape (n,) each."""
    require_patients(patients)
    return patients["died"].to_numpy(dtype=bool), patients["risk"].to_numpy(dtype=float)
