"""Measures of a risk prediction: functions of outcomes and risks, without patients or intervals.

All take `died` (bool or 0/1, shape (n,)) and `risk` (probability of death, float, shape (n,)).
Where a measure is undefined (nobody died, everybody died, one constant risk) they return NaN: that
is an answer, and :func:`helpers.evaluation.report` says why. Input that cannot be meant, such as
a missing outcome or a risk above 1, raises ValueError.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm
from dcurves import dca
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score

# Risks of exactly 0 and 1 have no logit; closer than this to them, they are taken as this far.
SMALLEST_RISK = 1e-6


class Calibration(NamedTuple):
    """How well risks agree with outcomes; a perfect model has 1, 0 and 1."""

    observed_expected: float  # deaths observed / deaths expected
    intercept: float  # logits; below 0 the risks are too high on average
    slope: float  # below 1 the risks are too extreme


def auroc(died, risk) -> float:
    """Probability that a random patient who died had a higher risk than a random survivor.

    From ranks (Mann-Whitney), ties counting half. NaN unless there are deaths and survivors.
    """
    died, risk = _check(died, risk)
    deaths = int(died.sum())
    survivors = len(died) - deaths
    if not deaths or not survivors:
        return float("nan")
    ranks = rankdata(risk)[died].sum()
    return float((ranks - deaths * (deaths + 1) / 2) / (deaths * survivors))


def auprc(died, risk) -> float:
    """Average precision, the area under the precision-recall curve; chance is the death rate.

    NaN unless there are deaths and survivors.
    """
    died, risk = _check(died, risk)
    if died.all() or not died.any():
        return float("nan")
    return float(average_precision_score(died, risk))


def brier(died, risk) -> float:
    """Mean squared difference between risk and outcome; NaN without patients."""
    died, risk = _check(died, risk)
    return float(np.mean((risk - died) ** 2)) if len(died) else float("nan")


def sensitivity(died, risk, threshold: float) -> float:
    """Share of those who died whose risk reached the threshold; NaN without deaths."""
    died, risk = _check(died, risk)
    return float(np.mean(risk[died] >= threshold)) if died.any() else float("nan")


def specificity(died, risk, threshold: float) -> float:
    """Share of the survivors whose risk stayed below the threshold; NaN without survivors."""
    died, risk = _check(died, risk)
    return float(np.mean(risk[~died] < threshold)) if not died.all() else float("nan")


def accuracy(died, risk, threshold: float) -> float:
    """Share of right answers. Never show it without :func:`majority_rate`."""
    died, risk = _check(died, risk)
    return float(np.mean((risk >= threshold) == died)) if len(died) else float("nan")


def majority_rate(died) -> float:
    """Accuracy of always giving the commoner answer, without looking at anything."""
    died = np.asarray(died, dtype=bool)
    return float(max(died.mean(), 1 - died.mean())) if len(died) else float("nan")


def calibration(died, risk) -> Calibration:
    """Compare risks with outcomes: observed/expected deaths, calibration intercept and slope.

    The intercept is that of a logistic regression of the outcome with the risk's logit as offset
    (calibration in the large); the slope is the coefficient of that logit (Cox 1958; Van Calster
    2016, doi:10.1016/j.jclinepi.2015.12.005). Intercept and slope are NaN
    where no finite estimate exists: one outcome only, or, for the slope, a constant risk or one
    that separates deaths from survivors perfectly.
    """
    died, risk = _check(died, risk)
    expected = risk.sum()
    ratio = float(died.sum() / expected) if expected > 0 else float("nan")
    if died.all() or not died.any():
        return Calibration(ratio, float("nan"), float("nan"))
    logit = logits(risk)
    # The score equation of that regression: iterated fits diverge where risks are extreme.
    intercept = brentq(lambda shift: expit(shift + logit).sum() - died.sum(), -60, 60)
    return Calibration(ratio, float(intercept), _logistic(died, logit)[1])


def recalibrate(died, logit) -> tuple[float, float]:
    """Fit the intercept and slope that turn a model's logits into calibrated ones (Platt scaling).

    To be fitted on validation patients; ``sigmoid(intercept + slope * logit)`` is the new risk.

    Raises
    ------
    ValueError
        If no finite fit exists (one outcome only, constant or perfectly separating logits).
    """
    died, logit = np.asarray(died, dtype=bool), np.asarray(logit, dtype=float)
    intercept, slope = _logistic(died, logit)
    if np.isnan(slope):
        raise ValueError(
            f"Cannot recalibrate on {len(died)} patients of whom {int(died.sum())} died: there "
            "must be deaths and survivors whose logits vary and overlap. Use more patients."
        )
    return intercept, slope


def net_benefit(died, risk, thresholds: Sequence[float]) -> pd.DataFrame:
    """Net benefit of treating by the model, of treating all and of treating none.

    True positives less false positives weighted by the odds of the threshold, per patient
    (Vickers and Elkin 2006, doi:10.1177/0272989X06295361), by the package dcurves.

    Returns
    -------
    pandas.DataFrame
        Columns ``threshold``, ``model``, ``treat_all``, ``treat_none``.

    Raises
    ------
    ValueError
        If a threshold is not strictly between 0 and 1, or nobody died or survived.
    """
    died, risk = _check(died, risk)
    grid = np.unique(np.asarray(thresholds, dtype=float))
    if not len(grid) or grid[0] <= 0 or grid[-1] >= 1:
        raise ValueError(f"Expected thresholds between 0 and 1, both excluded; got {thresholds}.")
    if died.all() or not died.any():
        raise ValueError("Net benefit needs patients who died and patients who survived.")
    data = pd.DataFrame({"died": died.astype(int), "model": risk})
    curves = dca(data=data, outcome="died", modelnames=["model"], thresholds=grid)
    wide = curves.pivot(index="threshold", columns="model", values="net_benefit")
    wide = wide.rename(columns={"all": "treat_all", "none": "treat_none"}).reset_index()
    wide.columns.name = None
    return wide[["threshold", "model", "treat_all", "treat_none"]]


def net_benefit_at(died, risk, threshold: float) -> float:
    """Net benefit of treating by the model at one threshold, as in :func:`net_benefit`.

    NaN unless there are deaths and survivors and the threshold lies between 0 and 1.
    """
    died, risk = _check(died, risk)
    if died.all() or not died.any() or not 0 < threshold < 1:
        return float("nan")
    treated = risk >= threshold
    odds = threshold / (1 - threshold)
    return float(np.mean(treated & died) - np.mean(treated & ~died) * odds)


def best_possible_share(auroc: float, best: float) -> float:
    """Share of the achievable discrimination: (AUROC - 0.5) / (best possible AUROC - 0.5).

    The best possible is known for phantoms only. NaN where it is no better than chance.
    """
    return (auroc - 0.5) / (best - 0.5) if best > 0.5 else float("nan")


def logits(risk) -> np.ndarray:
    """Turn probabilities into logits; those nearer to 0 or 1 than `SMALLEST_RISK` stop there."""
    risk = np.clip(np.asarray(risk, dtype=float), SMALLEST_RISK, 1 - SMALLEST_RISK)
    return np.log(risk / (1 - risk))


def _logistic(died: np.ndarray, logit: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of a logistic regression on one variable; NaN where there are none."""
    dead, alive = logit[died], logit[~died]
    if not len(dead) or not len(alive) or np.ptp(logit) < 1e-9:
        return float("nan"), float("nan")
    if dead.min() >= alive.max() or dead.max() <= alive.min():  # separated: the slope is infinite
        return float("nan"), float("nan")
    fit = sm.Logit(died.astype(float), sm.add_constant(logit)).fit(disp=False)
    return float(fit.params[0]), float(fit.params[1])


def _check(died, risk) -> tuple[np.ndarray, np.ndarray]:
    if pd.isna(died).any():
        raise ValueError("Expected an outcome for every patient; some are missing. Leave them out.")
    died = np.asarray(died, dtype=bool)
    risk = np.asarray(risk, dtype=float)
    if died.shape != risk.shape or died.ndim != 1:
        raise ValueError(
            f"Expected one outcome and one risk a patient; got shapes {died.shape}, {risk.shape}."
        )
    if not ((risk >= 0) & (risk <= 1)).all():
        raise ValueError("Expected risks between 0 and 1, none missing. Are these logits?")
    return died, risk
