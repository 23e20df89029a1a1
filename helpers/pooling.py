"""AUROC of models that were trained on several imputed data sets, by Rubin's rules.

A table holds a row a patient with ``died`` observed and a column ``risk_0``, ``risk_1``, … for the
model of each draw, as :func:`helpers.label_effects.crossfit` returns it. One column is a model like
any other, and gets the interval of :mod:`helpers.delong`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import t as student

from helpers.delong import CONSTANT, MeanPlacement, mean_placement, no_spread, placements
from helpers.draws import pool_draws
from helpers.intervals import FEW_RANKED, ROUNDING, Interval, no_interval
from helpers.patients import require_patients


def pooled_auroc(patients: pd.DataFrame, *, level: float = 0.95) -> Interval:
    """AUROC of the models of several draws, pooled on the logit scale.

    On that scale an AUROC is nearer to normal and its interval stays within 0 and 1 (Snell 2018,
    doi:10.1177/0962280217705678); each draw's variance is DeLong's. What is pooled is the
    performance of the draws' models, each alone, not that of their mean prediction (Wood 2015,
    doi:10.1002/bimj.201400004). That other training patients would have given other models is in
    the interval only as far as the draws differ by it.

    Parameters
    ----------
    patients
        A row a patient: ``died`` and ``label_source``, all observed, and the risks.
    level
        Coverage aimed at.

    Returns
    -------
    Interval
        Without bounds, and with the reason in ``note``, where some draw's model ranks perfectly,
        or each gives one risk to all.

    Raises
    ------
    ValueError
        If a label is not observed, a patient has several rows, there are no risks or missing ones,
        or fewer than two patients died or survived.
    """
    died, risks = _outcomes_and_risks(patients)
    draws = [mean_placement(*placements(died, risk)) for risk in risks]
    areas = np.array([draw.value for draw in draws])
    if not ((areas > 0) & (areas < 1)).all():
        return no_interval(areas.mean(), f"in some draw, {FEW_RANKED}")
    # The delta method: the variance of a logit is that of the area over (area (1 - area)) squared.
    scaled = [MeanPlacement(logit(a), v / (a * (1 - a)) ** 2, free) for a, v, free in draws]
    pooled = _combine(scaled, level)
    if pooled.standard_error < ROUNDING:
        return no_interval(areas.mean(), f"in every draw, {CONSTANT}")
    area, low, high = expit([pooled.estimate, pooled.low, pooled.high])
    error = pooled.standard_error * area * (1 - area)
    return Interval(float(area), float(low), float(high), float(error))


def pooled_difference(patients: pd.DataFrame, other: str, *, level: float = 0.95) -> Interval:
    """AUROC of the models of several draws less that of another model on the same patients.

    Paired: luck with the patients cancels (DeLong 1988, doi:10.2307/2531595).

    Parameters
    ----------
    patients
        As for :func:`pooled_auroc`.
    other
        Column with the risks of the other model; its name must not begin with ``risk_``.
    level
        Coverage aimed at.

    Returns
    -------
    Interval
        Within -1 and 1. Without bounds, and with the reason in ``note``, where all rank as the
        other model does, or all patients tell the same difference.

    Raises
    ------
    ValueError
        As :func:`pooled_auroc` does.
    """
    died, risks = _outcomes_and_risks(patients)
    above, below = placements(died, patients[other].to_numpy(float))
    each = [placements(died, risk) for risk in risks]
    draws = [mean_placement(mine[0] - above, mine[1] - below) for mine in each]
    pooled = _combine(draws, level)
    if pooled.standard_error < ROUNDING:
        return no_spread(pooled.estimate)
    low, high = np.clip([pooled.low, pooled.high], -1, 1)
    return replace(pooled, low=float(low), high=float(high))


def _combine(draws: Sequence[MeanPlacement], level: float) -> Interval:
    """Rubin's rules with the degrees of freedom of Barnard and Rubin; one draw is as it is.

    Barnard and Rubin 1999, doi:10.1093/biomet/86.4.948: few test patients stay few, however well
    the draws agree.
    """
    values, variances, freedoms = (np.array(numbers) for numbers in zip(*draws, strict=True))
    estimate, error, freedom = float(values[0]), float(np.sqrt(variances[0])), float(freedoms[0])
    if len(draws) > 1:
        pooled = pool_draws(values, variances)
        estimate, error = pooled.interval.estimate, pooled.interval.standard_error
        complete, missing = freedoms.mean(), pooled.missing_information
        seen = (complete + 1) / (complete + 3) * complete * (1 - missing)
        freedom = float(1 / (missing**2 / (len(draws) - 1) + 1 / seen)) if seen > 0 else 1.0
    reach = float(student.ppf((1 + level) / 2, freedom)) * error
    return Interval(estimate, estimate - reach, estimate + reach, error)


def _outcomes_and_risks(patients: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes, bool (n,), and risks, (draws, n)."""
    require_patients(patients)
    died = patients["died"].to_numpy(bool)
    risks = patients[[name for name in patients if str(name).startswith("risk_")]].to_numpy(float).T
    if not len(risks) or np.isnan(risks).any():
        raise ValueError("Expected columns risk_0, risk_1, …, no value missing. Run crossfit.")
    if min(died.sum(), (~died).sum()) < 2:
        raise ValueError(
            "An AUROC with its interval needs two deaths and two survivors; got "
            f"{int(died.sum())} deaths of {len(died)} patients."
        )
    return died, risks
