"""Judging predictions: by patient, on observed labels, with intervals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from helpers.metrics import (
    Calibration,
    accuracy,
    auprc,
    auroc,
    best_possible_share,
    brier,
    calibration,
    logits,
    majority_rate,
    net_benefit,
    net_benefit_at,
    recalibrate,
    sensitivity,
    specificity,
)

__all__ = [
    "Calibration",
    "Interval",
    "PooledDraws",
    "accuracy",
    "auprc",
    "auroc",
    "best_possible_share",
    "bootstrap_interval",
    "brier",
    "calibration",
    "choose_threshold",
    "logits",
    "majority_rate",
    "net_benefit",
    "net_benefit_at",
    "pool_by_patient",
    "pool_draws",
    "recalibrate",
    "report",
    "require_observed",
    "sensitivity",
    "specificity",
]

MOST_UNDEFINED = 0.1  # share of resamples without a value above which no interval is given
_CARRIED = ["age", "sex", "view", "part"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; ``str`` gives ``0.71 (0.60–0.82)``.

    A format specification applies to all three numbers: ``f"{interval:.1%}"``. Bounds are NaN where
    they cannot be had, and `note` says why.
    """

    estimate: float
    low: float
    high: float
    standard_error: float = float("nan")
    note: str = ""

    def __format__(self, specification: str) -> str:
        """Format the three numbers alike."""
        if np.isnan(self.estimate):
            return "not estimable"
        numbers = [
            format(value, specification or ".2f").replace("-", "−")
            for value in (self.estimate, self.low, self.high)
        ]
        if np.isnan(self.low):
            return f"{numbers[0]} (no interval)"
        # "−0.3–−0.1" is hard to read: a dash separates positive bounds only.
        return f"{numbers[0]} ({numbers[1]}{' to ' if self.low < 0 else '–'}{numbers[2]})"

    def __str__(self) -> str:
        """Format with two decimals."""
        return format(self, "")


class PooledDraws(NamedTuple):
    """What multiple imputation makes of an estimate."""

    interval: Interval
    within: float  # mean variance of a single draw's estimate
    between: float  # variance of the estimates over the draws
    missing_information: float  # share of the total variance that comes from not knowing labels


def require_observed(table: pd.DataFrame) -> None:
    """Refuse to judge on outcomes that nobody observed.

    Raises
    ------
    ValueError
        If the table does not say where its labels come from, or any is imputed or unknown.
    """
    if "label_source" not in table or "died" not in table:
        raise ValueError("Judging needs the columns died and label_source (observed, …).")
    sources = table["label_source"].astype("string").fillna("unknown")
    unobserved = (sources != "observed") | table["died"].isna()
    if unobserved.any():
        raise ValueError(
            f"Judging needs observed outcomes, but {int(unobserved.sum())} of {len(table)} rows "
            "are imputed or unknown. Keep table[table['label_source'] == 'observed']."
        )


def pool_by_patient(table: pd.DataFrame) -> pd.DataFrame:
    """Make a row a patient of predictions a film: a patient dies once, on however many films.

    Parameters
    ----------
    table
        The one table with the column ``risk``, all labels observed.

    Returns
    -------
    pandas.DataFrame
        ``site``, ``patient_id``, ``risk`` (mean over the films; other columns whose name starts
        with ``risk`` likewise), ``died``, ``label_source``, ``n_films``, and of ``age``, ``sex``,
        ``view`` and ``part`` the first known value. Sorted by site and patient.

    Raises
    ------
    ValueError
        If a label is not observed, a patient's labels contradict each other, or a risk is missing.
    """
    require_observed(table)
    risks = [column for column in table if str(column).startswith("risk")]
    if "risk" not in risks or table[risks].isna().any(axis=None):
        raise ValueError("Expected a column risk, no value missing. Run predict first.")
    groups = table.groupby(["site", "patient_id"], observed=True, sort=True)
    if groups["died"].nunique().gt(1).any():
        raise ValueError("Some patients are said to have both died and survived. Check the labels.")
    carried = ["died", "label_source", *(column for column in _CARRIED if column in table)]
    pooled = groups[risks].mean().join(groups[carried].first())
    pooled["n_films"] = groups.size()
    return pooled.reset_index()


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
    """Percentile bootstrap interval from resampled patients, each with all rows.

    Patients are drawn with replacement; a patient's films come along together, since films of one
    person are no independent evidence. By default draws are not stratified: another sample of
    patients would have another number of deaths, too, and the interval should reflect it.

    Parameters
    ----------
    statistic
        Takes a table and returns a number, or a mapping of names to numbers, all of which then
        come from the same resamples. NaN where it is undefined.
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
        ``note`` says so. Nor is there one where all resamples agree, as when three deaths happen
        to rank above all survivors: "1.00 (1.00-1.00)" would claim a certainty that few patients
        cannot give.

    Raises
    ------
    ValueError
        If labels are not observed, or the table has fewer than two units.
    """
    if "died" in table:
        require_observed(table)
    keys = [column for column in ("site", cluster) if column in table]
    units = table.groupby(keys, observed=True, sort=True).indices
    rows = [np.asarray(places) for places in units.values()]
    if len(rows) < 2:
        raise ValueError(f"Resampling needs at least two different {cluster}; found {len(rows)}.")
    strata = np.zeros(len(rows), int)
    if stratify is not None:
        strata = pd.factorize(table[stratify].to_numpy()[[unit[0] for unit in rows]])[0]
    generator = np.random.default_rng(seed)
    wrapped = _as_mapping(statistic)
    estimates = wrapped(table)
    values = pd.DataFrame(
        [wrapped(table.take(_resample(rows, strata, generator))) for _ in range(repeats)]
    )
    intervals = {
        name: _percentiles(estimate, values[name].to_numpy(float), level, stratify is not None)
        for name, estimate in estimates.items()
    }
    return intervals[""] if list(intervals) == [""] else intervals


def choose_threshold(validation: pd.DataFrame, *, sensitivity: float = 0.8) -> float:
    """Choose the highest threshold at which validation patients reach a sensitivity.

    Parameters
    ----------
    validation
        Predictions for validation patients, a row a film or a patient.
    sensitivity
        Share of the deaths that the threshold must catch, in (0, 1].

    Raises
    ------
    ValueError
        If there are patients of another part among them, labels not observed, or no deaths.
    """
    if not 0 < sensitivity <= 1:
        raise ValueError(f"Expected a sensitivity above 0 and up to 1; got {sensitivity}.")
    if "part" in validation and not validation["part"].eq("validation").all():
        raise ValueError(
            "A threshold is chosen on validation patients only; this table has others. "
            "Pass table[table['part'] == 'validation']."
        )
    patients = pool_by_patient(validation)
    risks = np.sort(patients.loc[patients["died"].astype(bool), "risk"].to_numpy(float))[::-1]
    if not len(risks):
        raise ValueError("No validation patient died, so no threshold can be chosen.")
    # The small number keeps 0.8 of 5 deaths from becoming 4.000000001, hence 5.
    return float(risks[int(np.ceil(sensitivity * len(risks) - 1e-9)) - 1])


def report(
    table: pd.DataFrame, threshold: float, *, repeats: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Judge predictions by every measure of the series, with patient-clustered intervals.

    Parameters
    ----------
    table
        Predictions with observed labels, a row a film or a patient; pooled by patient first.
    threshold
        Risk from which a patient counts as predicted to die; from validation patients.
    repeats, seed
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        A row a metric: ``metric``, ``estimate``, ``low``, ``high``, ``n`` (patients), ``events``
        (deaths), ``note`` (why a number is missing). Accuracy stands beside the majority rate.
    """
    patients = pool_by_patient(table)
    intervals = bootstrap_interval(
        lambda sample: _measures(sample, threshold), patients, repeats=repeats, seed=seed
    )
    events = int(patients["died"].sum())
    rows = [
        (name, one.estimate, one.low, one.high, len(patients), events, one.note)
        for name, one in intervals.items()
    ]
    return pd.DataFrame(rows, columns=["metric", "estimate", "low", "high", "n", "events", "note"])


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
    estimates, variances = np.asarray(estimates, float), np.asarray(variances, float)
    m = len(estimates)
    if m < 2 or estimates.shape != variances.shape:
        raise ValueError(
            "Expected at least two estimates and as many variances; got "
            f"{estimates.shape} and {variances.shape}."
        )
    if not (
        np.isfinite(estimates).all() and np.isfinite(variances).all() and (variances >= 0).all()
    ):
        raise ValueError("Estimates and variances must be finite, and no variance negative.")
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


def _measures(patients: pd.DataFrame, threshold: float) -> dict[str, float]:
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy(float)
    agreement = calibration(died, risk)
    return {
        "AUROC": auroc(died, risk),
        "AUPRC": auprc(died, risk),
        "Brier score": brier(died, risk),
        "observed / expected deaths": agreement.observed_expected,
        "calibration intercept": agreement.intercept,
        "calibration slope": agreement.slope,
        "sensitivity": sensitivity(died, risk, threshold),
        "specificity": specificity(died, risk, threshold),
        "net benefit": net_benefit_at(died, risk, threshold),
        "accuracy": accuracy(died, risk, threshold),
        "accuracy of always the majority": majority_rate(died),
    }


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


def _percentiles(estimate: float, values: np.ndarray, level: float, may_agree: bool) -> Interval:
    estimate = float(estimate)
    defined = values[np.isfinite(values)]
    if np.isnan(estimate):
        return Interval(estimate, float("nan"), float("nan"), note="undefined in these patients")
    undefined = 1 - len(defined) / len(values)
    if undefined > MOST_UNDEFINED:
        note = f"no interval: undefined in {undefined:.0%} of the resamples"
        return Interval(estimate, float("nan"), float("nan"), note=note)
    if np.ptp(defined) == 0 and not may_agree:
        nan, note = float("nan"), "no interval: all resamples agree, which is no certainty"
        return Interval(estimate, nan, nan, nan, note=note)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), float(defined.std(ddof=1)))
