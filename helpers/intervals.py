"""An estimate with its interval: how it reads, and what widens it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import t as student

NAN = float("nan")
ROUNDING = 1e-12  # differences below it are none


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; ``str`` gives ``0.71 (0.60–0.82)``.

    A format specification applies to all three numbers: ``f"{interval:.1%}"``. Bounds are NaN where
    they cannot be had, and `note` says why.
    """

    estimate: float
    low: float
    high: float
    standard_error: float = NAN
    note: str = ""

    def __format__(self, specification: str) -> str:
        """Format the three numbers alike; what rounds to zero is never a negative zero."""
        if np.isnan(self.estimate):
            return "not estimable"
        sign, rest = specification[:1] == "+", (specification or ".2f").removeprefix("+")
        numbers = [
            format(value, f"{'+' if sign else ''}z{rest}").replace("-", "−")
            for value in (self.estimate, self.low, self.high)
        ]
        if np.isnan(self.low):
            return f"{numbers[0]} (no interval)"
        # "−0.3–−0.1" and "+0.1–+0.3" are hard to read: a dash separates bounds without a sign only.
        signed = numbers[1][0] in "+−"
        return f"{numbers[0]} ({numbers[1]}{' to ' if signed else '–'}{numbers[2]})"

    def __str__(self) -> str:
        """Format with two decimals."""
        return format(self, "")

    def holds(self, value: float) -> bool:
        """Whether the value lies between the bounds; never where there are none."""
        return bool(self.low <= value <= self.high)


UNDEFINED = Interval(NAN, NAN, NAN, note="undefined in these patients")
FEW_RANKED = "a perfect ranking of few patients is no certainty"


def no_interval(estimate: float, why: str) -> Interval:
    """An estimate without bounds, and the reason."""
    return Interval(float(estimate), NAN, NAN, note=f"no interval: {why}")


def on_logit_scale(
    estimate: float, error: float, freedom: float = np.inf, level: float = 0.95
) -> Interval:
    """Put an interval to a number between 0 and 1, as asymmetric as its own uncertainty.

    Estimate ± quantile x standard error on the logit scale, where the error is divided by
    estimate x (1 - estimate) (delta method), and back: bounds never leave 0 to 1.

    Parameters
    ----------
    estimate
        Strictly between 0 and 1.
    error
        Its standard error, not on the logit scale.
    freedom
        Degrees of freedom of Student's t; infinite for the normal distribution.
    level
        Coverage aimed at.
    """
    reach = student.ppf((1 + level) / 2, freedom) * error / (estimate * (1 - estimate))
    low, high = expit(logit(estimate) + np.array([-reach, reach]))
    return Interval(estimate, float(low), float(high), error)


def with_seeds(
    interval: Interval,
    values: Sequence[float],
    *,
    limits: tuple[float, float] = (-np.inf, np.inf),
    level: float = 0.95,
) -> Interval:
    """Add the spread over seeds to the interval of their mean, which resampled patients alone.

    What another draw of patients and another draw of seeds would change are taken as independent:
    the squares of a bound's distance and of Student's t × the standard error of the seeds' mean
    add up (Zou and Donner 2008, doi:10.1002/sim.3095). What a patient and a seed do together is in
    both, so the interval errs on the wide side (`python -m benchmarks.coverage_seeds`).

    Parameters
    ----------
    interval
        Of the mean over the seeds, which were the same in every resample.
    values
        What each seed gave; of two numbers compared, their difference with each seed.
    limits
        Smallest and largest value that the number can have.
    level
        Coverage aimed at.

    Returns
    -------
    Interval
        The same estimate. Without bounds, and a note, if there is one seed only.
    """
    seeds = len(values)
    if np.isnan(interval.low):
        return interval
    if seeds < 2:
        return no_interval(interval.estimate, "one seed says nothing of the spread over seeds")
    error = float(np.std(values, ddof=1)) / np.sqrt(seeds)
    reach = student.ppf((1 + level) / 2, seeds - 1) * error
    below, above = interval.estimate - interval.low, interval.high - interval.estimate
    low = interval.estimate - np.hypot(max(below, 0.0), reach)
    high = interval.estimate + np.hypot(max(above, 0.0), reach)
    both = float(np.hypot(interval.standard_error, error))
    bounds = np.clip([low, high], *limits)
    return replace(interval, low=float(bounds[0]), high=float(bounds[1]), standard_error=both)


def as_columns(interval: Interval, prefix: str = "") -> dict[str, float]:
    """Take the three numbers apart: what :func:`intervals_of` puts together again."""
    return {
        f"{prefix}estimate": interval.estimate,
        f"{prefix}low": interval.low,
        f"{prefix}high": interval.high,
    }


def intervals_of(
    table: pd.DataFrame, columns: Sequence[str] = ("estimate", "low", "high")
) -> list[Interval]:
    """Put the three numbers of each row together, in the order of the rows."""
    numbers = table[list(columns)].to_numpy(float)
    return [Interval(float(estimate), float(low), float(high)) for estimate, low, high in numbers]
