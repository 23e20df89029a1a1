"""Intervals of a report's measures without resampling: shares, Brier score, AUPRC, net benefit.

Chosen by simulation, as DeLong's in :mod:`helpers.delong`: where few die, the percentiles of a
bootstrap hold the true value too rarely (`python -m benchmarks.coverage` shows both).

All take `died` and `risk` as the measures of :mod:`helpers.metrics` do, of patients who are
independent of each other, and as `level` the coverage aimed at.
"""

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from helpers.intervals import (
    FEW_RANKED,
    NAN,
    ROUNDING,
    UNDEFINED,
    Interval,
    no_interval,
    on_logit_scale,
)
from helpers.metrics import auprc, brier, check_predictions, confusion, net_benefit_at


def share_interval(hits: int, of: int, *, level: float = 0.95) -> Interval:
    """A share with Wilson's interval (1927, doi:10.1080/01621459.1927.10502953)."""
    if not of:
        return UNDEFINED
    low, high = proportion_confint(hits, of, alpha=1 - level, method="wilson")
    share = hits / of
    return Interval(share, min(float(low), share), max(float(high), share))  # but for rounding


def brier_interval(died, risk, *, level: float = 0.95) -> Interval:
    """Brier score with the t interval of a mean, on the logit scale, since it lies in 0 to 1.

    Returns
    -------
    Interval
        Without bounds where there are fewer than two patients, or all are equally far off.
    """
    died, risk = check_predictions(died, risk)
    if not len(died):
        return UNDEFINED
    squares = (risk - died) ** 2
    if len(squares) < 2:
        return no_interval(brier(died, risk), "fewer than two patients")
    if np.ptp(squares) < ROUNDING:
        return no_interval(brier(died, risk), "the squared error is the same for all")
    error = float(squares.std(ddof=1)) / np.sqrt(len(squares))
    return on_logit_scale(float(squares.mean()), error, len(squares) - 1, level)


def auprc_interval(died, risk, *, level: float = 0.95) -> Interval:
    """Average precision with the logit interval, whose error follows from the number of deaths.

    Boyd, Eng and Page 2013, doi:10.1007/978-3-642-40994-3_29: on the logit scale the variance is
    1 / (deaths x estimate x (1 - estimate)). It takes the estimate for a share of the deaths, so it
    leaves out what survivors add, and is wider than it need be near 0 and 1.

    Returns
    -------
    Interval
        Without bounds, and with the reason in ``note``, where fewer than two died, all deaths rank
        above all survivors, or the risk is the same for all.
    """
    died, risk = check_predictions(died, risk)
    area, deaths = auprc(died, risk), int(died.sum())
    if np.isnan(area):
        return UNDEFINED
    if deaths < 2:
        return no_interval(area, "fewer than two deaths")
    if np.ptp(risk) == 0:
        return no_interval(area, "the risk is the same for all")
    if area == 1:
        return no_interval(area, FEW_RANKED)
    return on_logit_scale(area, float(np.sqrt(area * (1 - area) / deaths)), np.inf, level)


def net_benefit_intervals(
    died, risk, threshold: float, *, level: float = 0.95
) -> dict[str, Interval]:
    """Net benefit of treating by the model, and how much that is above treating all.

    Both are differences of two shares of the same patients: true less false positives, and spared
    survivors less missed deaths, survivors weighted by the odds of the threshold. Their intervals
    come from Wilson's of each share by the method of variance estimates recovery (Zou and Donner
    2008, doi:10.1002/sim.3095), the correlation being that of two cells of a multinomial.

    Parameters
    ----------
    threshold
        Risk from which one would treat.

    Returns
    -------
    dict of str to Interval
        ``net benefit`` and ``net benefit less that of treating all``; undefined, with the reason
        in ``note``, as :func:`helpers.metrics.net_benefit_at`.
    """
    names = ("net benefit", "net benefit less that of treating all")
    if not 0 < threshold < 1:
        note = "undefined: the threshold must lie between 0 and 1"
        return dict.fromkeys(names, Interval(NAN, NAN, NAN, note=note))
    if np.isnan(net_benefit_at(died, risk, threshold)):
        return dict.fromkeys(names, UNDEFINED)
    cells, odds = confusion(died, risk, threshold), threshold / (1 - threshold)
    patients = sum(cells)
    treated = (1, cells.true_positive, odds, cells.false_positive)
    spared = (odds, cells.true_negative, 1, cells.false_negative)
    return {
        name: _weighted_difference(*counts, patients, level)
        for name, counts in zip(names, (treated, spared), strict=True)
    }


def _weighted_difference(
    weight: float, hits: int, cost: float, misses: int, of: int, level: float
) -> Interval:
    """Interval of weight x (share of hits) - cost x (share of misses), nobody being both."""
    gained, lost = share_interval(hits, of, level=level), share_interval(misses, of, level=level)
    one, other = gained.estimate, lost.estimate
    # Two shares of the same patients: the more are in one cell, the fewer are left for the other.
    apart = (1 - one) * (1 - other)
    correlation = -np.sqrt(one * other / apart) if apart else 0.0

    def reach(mine: float, theirs: float) -> float:
        return float(np.sqrt(mine**2 - 2 * correlation * mine * theirs + theirs**2))

    estimate = weight * one - cost * other
    down = reach(weight * (one - gained.low), cost * (lost.high - other))
    up = reach(weight * (gained.high - one), cost * (other - lost.low))
    return Interval(estimate, estimate - down, estimate + up)
