"""How many deaths a test needs before its intervals are narrow enough to say anything."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

MOST_PATIENTS = 1e9


@dataclass(frozen=True)
class SampleSize:
    """Patients, and how many of them are expected to die."""

    patients: int
    deaths: int


def sample_size_for_auroc(
    auroc: float, death_rate: float, *, half_width: float = 0.05, level: float = 0.95
) -> SampleSize:
    """Patients for an interval of the AUROC of ± `half_width`.

    The standard error is Hanley and McNeil's with Newcombe's mean of both group sizes (Newcombe
    2006, doi:10.1002/sim.2324), solved for the number of patients as in Riley 2021
    (doi:10.1002/sim.9025, section 3.3).

    Parameters
    ----------
    auroc
        Expected AUROC, above 0.5 and below 1.
    death_rate
        Share of the patients who die, between 0 and 1.
    half_width
        Half of the interval's width.
    level
        Coverage aimed at.

    Raises
    ------
    ValueError
        If a number is outside of its limits, or no number of patients from 2 to `MOST_PATIENTS`
        gives an interval of this width.
    """
    _check(death_rate, half_width)
    if not 0.5 < auroc < 1:
        raise ValueError(f"Expected an AUROC above 0.5 and below 1; got {auroc}.")
    wanted = half_width / norm.ppf((1 + level) / 2)
    excess = (1 - auroc) / (2 - auroc) + auroc / (1 + auroc)

    def too_wide(patients: float) -> float:
        variance = auroc * (1 - auroc) * (1 + (patients / 2 - 1) * excess)
        return float(variance / (patients**2 * death_rate * (1 - death_rate)) - wanted**2)

    if too_wide(2) <= 0:
        raise ValueError(
            f"Expected an interval that needs more than 2 patients; found that ± {half_width:g} is "
            "wider than theirs. Ask for a narrower one."
        )
    enough = too_wide(MOST_PATIENTS) <= 0
    return _enough(brentq(too_wide, 2, MOST_PATIENTS) if enough else np.inf, death_rate)


def sample_size_for_slope(
    risks: np.ndarray, *, half_width: float = 0.2, level: float = 0.95
) -> SampleSize:
    """Patients for an interval of the calibration slope of ± `half_width`.

    From the information that a logistic regression of the outcome on the model's logit gathers from
    each patient, for a model that is calibrated (Riley 2021, doi:10.1002/sim.9025, section 3.2).

    Parameters
    ----------
    risks
        Predicted risks of patients like those who will be asked, between 0 and 1, shape (n,); their
        mean is the expected death rate.
    half_width
        Half of the interval's width.
    level
        Coverage aimed at.

    Raises
    ------
    ValueError
        If the risks do not vary or lie outside of their limits, or more than `MOST_PATIENTS`
        would be needed.
    """
    risks = np.asarray(risks, dtype=float)
    _check(float(risks.mean()), half_width)
    if not ((risks > 0) & (risks < 1)).all() or np.ptp(risks) == 0:
        raise ValueError("Expected risks between 0 and 1, both excluded, that are not all alike.")
    logit, weight = np.log(risks / (1 - risks)), risks * (1 - risks)
    level_info, cross, slope_info = (float((weight * logit**k).mean()) for k in range(3))
    wanted = half_width / norm.ppf((1 + level) / 2)
    per_patient = slope_info - cross**2 / level_info
    # Of risks that hardly vary, rounding can leave less than nothing.
    needed = 1 / (wanted**2 * per_patient) if per_patient > 0 else np.inf
    return _enough(needed, float(risks.mean()))


def sample_size_for_observed_expected(
    death_rate: float, *, width: float = 0.4, level: float = 0.95
) -> SampleSize:
    """Patients for an interval of observed / expected deaths of this whole width around 1.

    The interval is symmetric on the log scale, with standard error sqrt((1 - death rate) / deaths)
    (Riley 2021, doi:10.1002/sim.9025, section 3.1).

    Raises
    ------
    ValueError
        If the death rate is not between 0 and 1 or the width not above 0, or more than
        `MOST_PATIENTS` would be needed.
    """
    _check(death_rate, width)
    wanted = np.arcsinh(width / 2) / norm.ppf((1 + level) / 2)
    asked = death_rate * wanted**2
    return _enough((1 - death_rate) / asked if asked > 0 else np.inf, death_rate)


def _check(death_rate: float, width: float) -> None:
    if not 0 < death_rate < 1 or not width > 0:
        raise ValueError(
            "Expected a death rate between 0 and 1 and a width above 0; got "
            f"{death_rate} and {width}."
        )


def _enough(patients: float, death_rate: float) -> SampleSize:
    if not patients <= MOST_PATIENTS:
        raise ValueError(
            f"Expected to need at most {MOST_PATIENTS:,.0f} patients; found that so many do not "
            f"suffice at a death rate of {death_rate:g}. Ask for a wider interval."
        )
    # The small number keeps a computed 400.0000001 from becoming 401.
    whole = ceil(patients - 1e-6)
    return SampleSize(whole, ceil(whole * death_rate - 1e-6))
