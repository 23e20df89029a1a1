"""Agreement of risks with outcomes: in number, on average, and in spread.

The smooth curve along the whole range is a figure (:func:`helpers.figures.plot_calibration`). There
is no Hosmer-Lemeshow test: its answer depends on how patients are grouped, and it says yes or no
where the question is how much.
"""

import warnings
from typing import NamedTuple

import numpy as np
import statsmodels.api as sm
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from helpers.intervals import NAN, UNDEFINED, Interval, no_interval
from helpers.metrics import check_predictions, require_outcomes

# Risks of exactly 0 and 1 have no logit; closer than this to them, they are taken as this far.
SMALLEST_RISK = 1e-6


class Calibration(NamedTuple):
    """How well risks agree with outcomes; a perfect model has 1, 0 and 1."""

    observed_expected: float  # deaths observed / deaths expected
    intercept: float  # logits; below 0 the risks are too high on average
    slope: float  # below 1 the risks are too extreme


def calibration(died, risk) -> Calibration:
    """Compare risks with outcomes: observed/expected deaths, calibration intercept and slope.

    The intercept is that of a logistic regression of the outcome with the risk's logit as offset
    (calibration in the large); the slope is the coefficient of that logit (Cox 1958; Van Calster
    2016, doi:10.1016/j.jclinepi.2015.12.005). Intercept and slope are NaN
    where no finite estimate exists: one outcome only, or, for the slope, a constant risk or one
    that separates deaths from survivors perfectly.
    """
    intervals = calibration_intervals(died, risk)
    return Calibration(*(interval.estimate for interval in intervals.values()))


def calibration_intervals(died, risk, *, level: float = 0.95) -> dict[str, Interval]:
    """Put an interval to each of the three numbers of :func:`calibration`.

    The intercept has Rao's score interval: all shifts of the logits under which the number of
    deaths is no further from what is expected than chance allows (where all risks are equal, that
    is Wilson's interval for a share). Observed / expected follows from the same shifts, so that it
    holds 1 exactly where the intercept's holds 0. The slope has Wald's.

    Parameters
    ----------
    died, risk
        A value a patient, shape (n,).
    level
        Coverage aimed at.

    Returns
    -------
    dict of str to Interval
        ``observed / expected deaths``, ``calibration intercept``, ``calibration slope``; without
        bounds where there are none.
    """
    died, risk = check_predictions(died, risk)
    reach = float(norm.ppf((1 + level) / 2))
    names = ["observed / expected deaths", "calibration intercept", "calibration slope"]
    deaths, expected = int(died.sum()), float(risk.sum())
    ratio = deaths / expected if expected > 0 else NAN
    if not 0 < deaths < len(died):
        alone = no_interval(ratio, "one outcome only")
        return dict(zip(names, (alone, UNDEFINED, UNDEFINED), strict=True))
    logit = logits(risk)
    intercept = _intercept(died, logit, reach)
    number = steepness = UNDEFINED
    if expected > 0:
        low, high = (expit(logit + shift).sum() for shift in (intercept.low, intercept.high))
        number = Interval(ratio, float(low) / expected, float(high) / expected)
    _, slope, error = _logistic(died, logit)
    if not np.isnan(slope):
        steepness = Interval(slope, slope - reach * error, slope + reach * error, error)
    return dict(zip(names, (number, intercept, steepness), strict=True))


def recalibrate(died, logit) -> tuple[float, float]:
    """Fit the intercept and slope that turn a model's logits into calibrated ones (Platt scaling).

    To be fitted on validation patients; ``sigmoid(intercept + slope * logit)`` is the new risk.

    Raises
    ------
    ValueError
        If no finite fit exists (one outcome only, constant or perfectly separating logits), or an
        outcome or a logit is missing.
    """
    died, logit = require_outcomes(died), np.asarray(logit, dtype=float)
    if np.isnan(logit).any():
        raise ValueError("Expected a logit for every patient; some are missing. Leave them out.")
    intercept, slope, _ = _logistic(died, logit)
    if np.isnan(slope):
        raise ValueError(
            f"Cannot recalibrate on {len(died)} patients of whom {int(died.sum())} died: there "
            "must be deaths and survivors whose logits vary and overlap. Use more patients."
        )
    return intercept, slope


def logits(risk) -> np.ndarray:
    """Turn probabilities into logits; those nearer to 0 or 1 than `SMALLEST_RISK` stop there."""
    risk = np.clip(np.asarray(risk, dtype=float), SMALLEST_RISK, 1 - SMALLEST_RISK)
    return np.log(risk / (1 - risk))


def _intercept(died: np.ndarray, logit: np.ndarray, reach: float) -> Interval:
    """Shift of the logits at which as many die as did, with its score interval."""

    def information(shift: float) -> float:
        return float((expit(logit + shift) * expit(-logit - shift)).sum())

    def surplus(shift: float, errors: float) -> float:
        expected = float(expit(logit + shift).sum()) - died.sum()
        return expected / np.sqrt(information(shift)) - errors

    # Roots of the score: iterated fits diverge where risks are extreme.
    shift, low, high = (
        float(brentq(surplus, -60, 60, args=(errors,))) for errors in (0, -reach, reach)
    )
    return Interval(shift, low, high, 1 / np.sqrt(information(shift)))


def _logistic(died: np.ndarray, logit: np.ndarray) -> tuple[float, float, float]:
    """Intercept, slope and the slope's standard error of a logistic regression; NaN if none."""
    dead, alive = logit[died], logit[~died]
    if not len(dead) or not len(alive) or np.ptp(logit) < 1e-9:
        return NAN, NAN, NAN
    if dead.min() >= alive.max() or dead.max() <= alive.min():  # separated: the slope is infinite
        return NAN, NAN, NAN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            fit = sm.Logit(died.astype(float), sm.add_constant(logit)).fit(disp=False)
        except np.linalg.LinAlgError:  # logits too nearly alike for any slope
            return NAN, NAN, NAN
    if not fit.mle_retvals["converged"]:
        return NAN, NAN, NAN
    return float(fit.params[0]), float(fit.params[1]), float(fit.bse[1])
