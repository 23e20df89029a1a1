"""Figures about filled-in labels."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from helpers.curves import GREY, PALETTE, axis_or_new


def plot_delta(curve: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Death rate against the factor by which the odds of unknown outcomes are multiplied.

    Parameters
    ----------
    curve
        A row a factor: ``delta``, and ``rate``, ``low``, ``high`` (0 to 1); with
        ``attrs["reference"]``, a mapping of names to rates, drawn as horizontal lines.
    """
    ax = axis_or_new(ax, width=6, height=3.5)
    ax.fill_between(
        curve["delta"], curve["low"] * 100, curve["high"] * 100, color=PALETTE[0], alpha=0.15
    )
    ax.plot(curve["delta"], curve["rate"] * 100, "o-", color=PALETTE[0], label="draws")
    looks = zip(["--", ":"], [PALETTE[1], "black"], strict=True)
    references = curve.attrs.get("reference", {}).items()
    for (name, rate), (line, colour) in zip(references, looks, strict=False):
        ax.axhline(rate * 100, linestyle=line, color=colour, label=f"{name} ({rate:.0%})")
    ax.axvline(1, color=GREY, linewidth=0.8)
    ax.set_xscale("log", base=2)
    ax.set_xticks(curve["delta"])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda delta, _: f"{delta:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="odds of death of the unknown, multiplied by", ylabel="death rate (%)")
    ax.legend(frameon=False)
    return ax
