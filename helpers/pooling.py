"""AUROC of a model, and of models trained on several imputed data sets, with its uncertainty.

Variances are DeLong's; over draws they are combined by Rubin's rules. As everywhere, outcomes must
be observed, or a phantom's truth.
"""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from helpers.evaluation import Interval, pool_draws

NO_INTERVAL = "no interval: all deaths rank above all survivors, or all below, in some draw"


def delong(died: np.ndarray, risks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC of several models on the same patients, with the covariance of the estimates.

    DeLong, DeLong and Clarke-Pearson 1988 (doi:10.2307/2531595), from ranks as in Sun and Xu 2014
    (doi:10.1109/LSP.2014.2337313). The covariance is that of the test patients; that other training
    patients would have given other models is not in it.

    Parameters
    ----------
    died
        Outcomes, bool, shape (n,).
    risks
        Predicted risks, shape (models, n).

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        AUROC, shape (models,), and covariance, shape (models, models).

    Raises
    ------
    ValueError
        If an outcome is missing, shapes differ, or fewer than two patients died or survived.
    """
    died, risks = np.asarray(died), np.atleast_2d(np.asarray(risks, float))
    if died.dtype != bool or risks.shape[1:] != died.shape or np.isnan(risks).any():
        raise ValueError(
            "Expected outcomes as bool, none missing, and a risk a patient from each model; got "
            f"{died.dtype} {died.shape} and risks {risks.shape}."
        )
    deaths, survivors = int(died.sum()), int((~died).sum())
    if min(deaths, survivors) < 2:
        raise ValueError(
            f"A variance needs two deaths and two survivors; got {deaths} and {survivors}."
        )
    ranks = rankdata(risks, axis=1)
    above = (ranks[:, died] - rankdata(risks[:, died], axis=1)) / survivors
    below = 1 - (ranks[:, ~died] - rankdata(risks[:, ~died], axis=1)) / deaths
    covariance = np.cov(above, ddof=1) / deaths + np.cov(below, ddof=1) / survivors
    return above.mean(axis=1), np.atleast_2d(covariance)


def pooled_auroc(died: np.ndarray, risks: np.ndarray, *, level: float = 0.95) -> Interval:
    """AUROC of the models of several draws, pooled by Rubin's rules on the logit scale.

    On that scale an AUROC is nearer to normal and its interval stays within 0 and 1 (Snell 2018,
    doi:10.1177/0962280217705678). What is pooled is the performance of the draws' models, each
    alone, not that of their mean prediction (Wood 2015, doi:10.1002/bimj.201400004). One draw is
    an ordinary model with an ordinary interval.

    Parameters
    ----------
    died
        Outcomes of the test patients, bool, shape (n,), the same for all draws.
    risks
        Predicted risks, shape (draws, n).
    level
        Coverage aimed at.

    Raises
    ------
    ValueError
        As :func:`delong` does.
    """
    aurocs, covariance = delong(died, risks)
    if not ((aurocs > 0) & (aurocs < 1)).all():
        return Interval(float(aurocs.mean()), float("nan"), float("nan"), note=NO_INTERVAL)
    variances = np.diag(covariance) / (aurocs * (1 - aurocs)) ** 2  # delta method
    pooled = _pool(logit(aurocs), variances, level)
    numbers = expit([pooled.estimate, pooled.low, pooled.high])
    slope = numbers[0] * (1 - numbers[0])
    return Interval(*map(float, numbers), standard_error=float(pooled.standard_error * slope))


def pooled_difference(
    died: np.ndarray, risks: np.ndarray, baseline: np.ndarray, *, level: float = 0.95
) -> Interval:
    """AUROC of the models of several draws less that of another model on the same patients.

    Paired: what makes a test patient easy for both cancels. Pooled by Rubin's rules.

    Parameters
    ----------
    died
        Outcomes of the test patients, bool, shape (n,).
    risks
        Predicted risks, shape (draws, n).
    baseline
        Predicted risks of the other model, shape (n,).
    level
        Coverage aimed at.
    """
    aurocs, covariance = delong(died, np.vstack([baseline, np.atleast_2d(risks)]))
    spread = np.diag(covariance)
    # A difference from itself has no variance; rounding may leave it just below 0.
    variances = np.maximum(spread[1:] + spread[0] - 2 * covariance[0, 1:], 0)
    return _pool(aurocs[1:] - aurocs[0], variances, level)


def _pool(estimates: np.ndarray, variances: np.ndarray, level: float) -> Interval:
    """Rubin's rules, or the normal interval of a single estimate."""
    if len(estimates) > 1:
        return pool_draws(estimates, variances, level=level).interval
    estimate, error = float(estimates[0]), float(np.sqrt(variances[0]))
    reach = float(norm.ppf((1 + level) / 2)) * error
    return Interval(estimate, estimate - reach, estimate + reach, error)
