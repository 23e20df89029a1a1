"""Rubin's rules: one estimate from many imputed data sets."""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from helpers.intervals import Interval


class PooledDraws(NamedTuple):
    """What multiple imputation makes of an estimate."""

    interval: Interval
    within: float  # mean variance of a single draw's estimate
    between: float  # variance of the estimates over the draws
    missing_information: float  # share of the total variance that comes from not knowing labels


def pool_draws(estimates, variances, *, level: float = 0.95) -> PooledDraws:
    """Combine one estimate per imputed data set by Rubin's rules.

    Total variance = within + (1 + 1/m) between; t distribution with Rubin's degrees of freedom
    (Rubin 1987, Multiple Imputation for Nonresponse in Surveys, section 3.3).

    Parameters
    ----------
    estimates, variances
        The estimate and its squared standard error in each of the m draws, shape (m,). Measures
        with limits, such as AUROC, are better pooled as logits.
    level
        Coverage aimed at.

    Raises
    ------
    ValueError
        If there are fewer than two draws, or the numbers are not finite.
    """
    estimates, variances = _check(estimates, variances)
    m = len(estimates)
    within, between = variances.mean(), estimates.var(ddof=1)
    extra = (1 + 1 / m) * between
    total = within + extra
    missing = extra / total if total > 0 else 0.0
    freedom = (m - 1) / missing**2 if missing > 0 else np.inf
    error = np.sqrt(total)
    reach = student.ppf((1 + level) / 2, freedom) * error
    centre = float(estimates.mean())
    interval = Interval(centre, float(centre - reach), float(centre + reach), float(error))
    return PooledDraws(interval, float(within), float(between), float(missing))


def _check(estimates, variances) -> tuple[np.ndarray, np.ndarray]:
    estimates, variances = np.asarray(estimates, float), np.asarray(variances, float)
    if len(estimates) < 2 or estimates.shape != variances.shape:
        raise ValueError(
            "Expected at least two estimates and as many variances; got "
            f"{estimates.shape} and {variances.shape}."
        )
    finite = np.isfinite(estimates).all() and np.isfinite(variances).all()
    if not finite or (variances < 0).any():
        raise ValueError("Estimates and variances must be finite, and no variance negative.")
    return estimates, variances
