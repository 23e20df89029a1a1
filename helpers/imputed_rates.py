"""How many deaths a treatment of missing labels finds, with the interval that it would claim."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from helpers.analytic_intervals import share_interval
from helpers.draws import pool_draws
from helpers.intervals import ROUNDING, Interval, no_interval


def imputed_rate(labels: pd.DataFrame, *, level: float = 0.95) -> Interval:
    """Death rate of the patients whose outcome was imputed.

    Hard labels are counted as if they were facts (Wilson's interval); of risks the sum and its
    binomial spread are taken; of draws the mean and, by Rubin's rules, their spread, since these
    patients are all there are and nothing but their labels is uncertain.

    Parameters
    ----------
    labels
        Table of :func:`helpers.imputation.impute_survival`, with imputed patients.
    level
        Coverage aimed at.

    Returns
    -------
    Interval
        Without bounds, and with the reason in ``note``, where all draws agree or all risks are 0
        or 1.

    Raises
    ------
    ValueError
        If no label was imputed.
    """
    table = labels[labels["label_source"] == "imputed"]
    if table.empty:
        raise ValueError("No label of this table was imputed, so there is no rate of imputed ones.")
    draws = _draws(table)
    if draws.shape[1]:
        rates = draws.mean()
        return _within(pool_draws(rates, np.zeros(len(rates)), level=level).interval)
    if table["died"].notna().all():
        return counted_rate(table["died"], level=level)
    risk = table["risk"].to_numpy(float)
    error = float(np.sqrt((risk * (1 - risk)).sum()) / len(risk))
    reach = float(norm.ppf((1 + level) / 2)) * error
    mean = float(risk.mean())
    return _within(Interval(mean, mean - reach, mean + reach))


def training_rate(labels: pd.DataFrame, *, level: float = 0.95) -> Interval:
    """Death rate of the population that all training patients come from.

    Draws are pooled by Rubin's rules, each with its binomial variance; otherwise labels, whether
    observed or imputed, are counted, and patients without one are left out.

    Parameters
    ----------
    labels
        Table of :func:`helpers.imputation.impute_survival`.
    level
        Coverage aimed at.

    Returns
    -------
    Interval
        Without bounds, and with the reason in ``note``, where in all draws everybody fares alike.
    """
    table = labels[labels["part"] == "train"]
    draws = _draws(table)
    if draws.shape[1]:
        rates = draws.mean()
        return _within(pool_draws(rates, rates * (1 - rates) / len(table), level=level).interval)
    return counted_rate(table["died"].dropna(), level=level)


def counted_rate(died: pd.Series, *, level: float = 0.95) -> Interval:
    """Share of deaths among labels taken as facts, with Wilson's interval; undefined of none."""
    return share_interval(int(died.sum()), len(died), level=level)


def _within(rate: Interval) -> Interval:
    """Take a symmetric interval of a rate to the logit scale, where it stays within 0 and 1.

    The reach is divided by the slope p (1 - p), which is the delta method. A rate of 0 or 1 has no
    logit; there, as wherever nothing differs, a point would claim that all is known.
    """
    p = rate.estimate
    if not 0 < p < 1 or rate.high - p < ROUNDING:
        return no_interval(p, "the labels leave no doubt, which is no certainty")
    reach = (rate.high - p) / (p * (1 - p))
    low, high = (float(expit(logit(p) + way * reach)) for way in (-1, 1))
    return replace(rate, low=low, high=high)


def _draws(table: pd.DataFrame) -> pd.DataFrame:
    return table[[name for name in table if str(name).startswith("draw_")]].astype(float)
