"""The bootstrap over patients, which gives an interval to any number."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from helpers.intervals import ROUNDING, UNDEFINED, Interval, no_interval
from helpers.patients import require_observed

MOST_UNDEFINED = 0.1  # share of resamples without a value above which no interval is given


def percentile_tail(units: int, level: float = 0.95) -> float:
    """Share of resamples to leave out at either end, for an interval of so many units.

    The expanded percentile interval (Hesterberg 2015, doi:10.1080/00031305.2015.1089789): as far
    out as Student's t with ``units - 1`` degrees of freedom reaches, in standard errors whose
    variance divides by ``units``, as resampling does. With many units 2.5 % for 95 %.
    """
    reach = student.ppf((1 + level) / 2, units - 1) * np.sqrt(units / (units - 1))
    return float(norm.cdf(-reach))


def bootstrap_interval(
    statistic: Callable[[pd.DataFrame], Any],
    table: pd.DataFrame,
    *,
    cluster: str = "patient_id",
    stratify: str | None = None,
    repeats: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Any:
    """Bootstrap interval from resampled patients, each with all rows, by expanded percentiles.

    Patients are drawn with replacement; a patient's films come along together, since films of one
    person are no independent evidence. By default draws are not stratified: another sample of
    patients would have another number of deaths, too, and the interval should reflect it.

    Percentiles of resamples are too narrow where there are few units, as if a t interval took the
    normal quantile: hence further ones, :func:`percentile_tail`. What counts are the units of the
    rarer outcome, if the table has outcomes and two or more units have it.

    Parameters
    ----------
    statistic
        Takes a table and returns a number, or a mapping of names to numbers, all of which then
        come from the same resamples, so that their differences are paired. NaN where undefined.
    table
        A row a film or a patient. If it has outcomes, they must be observed.
    cluster
        Column that names the unit to be drawn, unique within ``site`` if there is such a column.
    stratify
        Column (constant within a unit) within whose values to draw; ``"died"`` keeps the number of
        deaths, for measures that take it as given.
    repeats
        Number of resamples.
    seed
        Seed of the draws; the same seed and units give paired resamples.
    level
        Coverage aimed at.

    Returns
    -------
    Interval or dict of str to Interval
        Undefined resamples are left out; with more than a tenth of them there is no interval, and
        ``note`` says so. Nor is there one where all resamples agree but for rounding, as when three
        deaths happen to rank above all survivors: "1.00 (1.00-1.00)" would claim a certainty that
        few patients cannot give.

    Raises
    ------
    ValueError
        If labels are not observed, a row belongs to no unit, there are fewer than two units, or no
        resamples are asked for.
    """
    if repeats < 1:
        raise ValueError(f"Expected at least one resample; got repeats={repeats}.")
    if "died" in table:
        require_observed(table)
    rows, strata = _units(table, cluster, stratify)
    generator = np.random.default_rng(seed)
    wrapped = _as_mapping(statistic)
    table = table.copy(deep=False)
    table.attrs = {}  # pandas copies them with every column that is looked at
    estimates = wrapped(table)
    tail = percentile_tail(_fewest(table, rows), level)
    values = pd.DataFrame(
        [wrapped(table.take(_resample(rows, strata, generator))) for _ in range(repeats)]
    )
    intervals = {
        name: _percentiles(estimate, values[name].to_numpy(float), tail, stratify is not None)
        for name, estimate in estimates.items()
    }
    return intervals[""] if list(intervals) == [""] else intervals


def _units(
    table: pd.DataFrame, cluster: str, stratify: str | None
) -> tuple[list[np.ndarray], np.ndarray]:
    """Rows of each unit, and the stratum that each unit belongs to."""
    keys = [column for column in ("site", cluster) if column in table]
    if table[keys].isna().any(axis=None):
        raise ValueError(f"Some rows have no {' or no '.join(keys)}: nobody knows whose they are.")
    units = table.groupby(keys, observed=True, sort=True).indices
    rows = [np.asarray(places) for places in units.values()]
    if len(rows) < 2:
        raise ValueError(f"Resampling needs at least two different {cluster}; found {len(rows)}.")
    if stratify is None:
        return rows, np.zeros(len(rows), int)
    first = [unit[0] for unit in rows]
    return rows, pd.factorize(table[stratify].to_numpy()[first])[0]


def _fewest(table: pd.DataFrame, rows: list[np.ndarray]) -> int:
    """Units of the rarer outcome; all units where fewer than two have it, or none is known."""
    if "died" not in table:
        return len(rows)
    died = table["died"].to_numpy(bool)
    deaths = sum(bool(died[unit].any()) for unit in rows)
    rarer = min(deaths, len(rows) - deaths)
    return rarer if rarer > 1 else len(rows)


def _as_mapping(statistic: Callable) -> Callable[[pd.DataFrame], Mapping[str, float]]:
    def wrapped(table: pd.DataFrame) -> Mapping[str, float]:
        value = statistic(table)
        return value if isinstance(value, Mapping) else {"": float(value)}

    return wrapped


def _resample(
    rows: list[np.ndarray], strata: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Rows of as many units as there are, drawn with replacement within each stratum."""
    drawn = []
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        drawn.append(generator.choice(members, size=len(members)))
    return np.concatenate([rows[unit] for unit in np.concatenate(drawn)])


def _percentiles(estimate: float, values: np.ndarray, tail: float, may_agree: bool) -> Interval:
    estimate = float(estimate)
    defined = values[np.isfinite(values)]
    if np.isnan(estimate):
        return UNDEFINED
    undefined = 1 - len(defined) / len(values)
    if undefined > MOST_UNDEFINED:
        return no_interval(estimate, f"undefined in {undefined:.0%} of the resamples")
    # Sums of other patients in other orders differ by rounding even where nothing else differs.
    apart = np.ptp(defined) > ROUNDING * max(1.0, float(np.abs(defined).max()))
    if not apart and not may_agree:
        return no_interval(estimate, "all resamples agree, which is no certainty")
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high), float(defined.std(ddof=1)))
