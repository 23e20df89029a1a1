"""Judging predictions: by patient, on observed labels, with intervals.

:func:`report` puts every measure of the series into one table; the measures themselves, pooling,
intervals and draws come from the modules that this one is made of.
"""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from helpers.calibration import (
    Calibration,
    calibration,
    calibration_intervals,
    logits,
    recalibrate,
)
from helpers.delong import auroc_difference, auroc_interval
from helpers.draws import PooledDraws, pool_draws
from helpers.intervals import NAN, Interval, bootstrap_interval, intervals_of
from helpers.metrics import (
    Confusion,
    accuracy,
    auprc,
    auroc,
    best_possible_share,
    brier,
    confusion,
    majority_rate,
    net_benefit,
    net_benefit_at,
    sensitivity,
    specificity,
)
from helpers.patients import as_endpoint, pool_by_patient, require_observed

__all__ = [
    "Calibration",
    "Confusion",
    "Interval",
    "PooledDraws",
    "accuracy",
    "as_endpoint",
    "auprc",
    "auroc",
    "auroc_difference",
    "auroc_interval",
    "best_possible_share",
    "bootstrap_interval",
    "brier",
    "calibration",
    "choose_threshold",
    "confusion",
    "intervals_of",
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
    """Judge predictions by every measure of the series, with intervals over patients.

    Each measure has an interval of its own kind, and `python -m benchmarks.coverage` measures how
    often it holds the truth: DeLong's for the AUROC, those of
    :func:`helpers.calibration.calibration_intervals`, Wilson's for shares of patients, the
    bootstrap for the rest.

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
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy(float)
    resampled = bootstrap_interval(
        lambda sample: _resampled(sample, threshold), patients, repeats=repeats, seed=seed
    )
    intervals = {
        "AUROC": auroc_interval(patients),
        **{name: resampled[name] for name in ("AUPRC", "Brier score")},
        **calibration_intervals(died, risk),
        **_shares(died, risk, threshold),
        **{name: resampled[name] for name in resampled if name.startswith("net benefit")},
        **_accuracy(died, risk, threshold),
    }
    rows = [
        (name, one.estimate, one.low, one.high, len(patients), int(died.sum()), one.note)
        for name, one in intervals.items()
    ]
    return pd.DataFrame(rows, columns=["metric", "estimate", "low", "high", "n", "events", "note"])


def _resampled(patients: pd.DataFrame, threshold: float) -> dict[str, float]:
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy(float)
    benefit = net_benefit_at(died, risk, threshold)
    treat_all = net_benefit_at(died, np.ones(len(died)), threshold)
    return {
        "AUPRC": auprc(died, risk),
        "Brier score": brier(died, risk),
        "net benefit": benefit,
        "net benefit less that of treating all": benefit - treat_all,
    }


def _shares(died: np.ndarray, risk: np.ndarray, threshold: float) -> dict[str, Interval]:
    counts = confusion(died, risk, threshold)
    caught, spared = counts.true_positive, counts.true_negative
    return {
        "sensitivity": _share(caught, caught + counts.false_negative),
        "specificity": _share(spared, spared + counts.false_positive),
    }


def _accuracy(died: np.ndarray, risk: np.ndarray, threshold: float) -> dict[str, Interval]:
    counts = confusion(died, risk, threshold)
    commoner = int(max(died.sum(), (~died).sum()))
    return {
        "accuracy": _share(counts.true_positive + counts.true_negative, len(died)),
        "accuracy of always the majority": _share(commoner, len(died)),
    }


def _share(hits: int, of: int) -> Interval:
    """A share with Wilson's interval (1927, doi:10.1080/01621459.1927.10502953)."""
    if not of:
        return Interval(NAN, NAN, NAN, note="undefined in these patients")
    low, high = proportion_confint(hits, of, method="wilson")
    return Interval(hits / of, float(low), float(high))
