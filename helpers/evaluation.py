"""Judging predictions: by patient, on observed labels, with intervals.

:func:`report` puts every measure of the series into one table; the measures themselves, pooling,
intervals and draws come from the modules that this one is made of.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.analytic_intervals import (
    auprc_interval,
    brier_interval,
    net_benefit_intervals,
    share_interval,
)
from helpers.bootstrap import bootstrap_interval
from helpers.calibration import (
    calibration,
    calibration_intervals,
    logits,
    recalibrate,
)
from helpers.delong import auroc_difference, auroc_interval
from helpers.intervals import Interval, intervals_of, with_seeds
from helpers.metrics import (
    Confusion,
    auroc,
    best_possible_share,
    check_predictions,
    confusion,
    majority_rate,
    net_benefit,
    sensitivity,
)
from helpers.patients import as_endpoint, pool_by_patient, require_observed

__all__ = [
    "Interval",
    "as_endpoint",
    "auroc",
    "auroc_difference",
    "auroc_interval",
    "best_possible_share",
    "bootstrap_interval",
    "calibration",
    "choose_threshold",
    "confusion",
    "intervals_of",
    "logits",
    "majority_rate",
    "net_benefit",
    "net_benefit_intervals",
    "pool_by_patient",
    "recalibrate",
    "report",
    "require_observed",
    "sensitivity",
    "with_seeds",
]


_ROUNDING = 1e-6  # risks of one film differ by less from batch to batch


def choose_threshold(validation: pd.DataFrame, *, sensitivity: float = 0.8) -> float:
    """Choose a threshold at which validation patients reach a sensitivity, and none higher would.

    It lies halfway between the risk of the last patient whom it has to catch and the next lower
    one: at that risk itself, the patient would be caught or not by how a processor adds up, which
    is another way in another batch.

    Parameters
    ----------
    validation
        Predictions for validation patients, a row a film or a patient.
    sensitivity
        Share of the deaths that the threshold must catch, in (0, 1].

    Raises
    ------
    ValueError
        If there are patients of another part among them, labels not observed, risks that are none,
        or no deaths.
    """
    if not 0 < sensitivity <= 1:
        raise ValueError(f"Expected a sensitivity above 0 and up to 1; got {sensitivity}.")
    if "part" in validation and not validation["part"].eq("validation").all():
        raise ValueError(
            "A threshold is chosen on validation patients only; this table has others. "
            "Pass table[table['part'] == 'validation']."
        )
    patients = pool_by_patient(validation)
    died, risk = check_predictions(patients["died"], patients["risk"])
    risks = np.sort(risk[died])[::-1]
    if not len(risks):
        raise ValueError("No validation patient died, so no threshold can be chosen.")
    # The small number keeps 0.8 of 5 deaths from becoming 4.000000001, hence 5.
    caught = risks[int(np.ceil(sensitivity * len(risks) - 1e-9)) - 1]
    below = risk[risk < caught - _ROUNDING]
    return float((caught + below.max(initial=0.0)) / 2)


def report(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Judge predictions by every measure of the series, with 95 % intervals over patients.

    Each measure has an interval of its own kind: DeLong's for the AUROC, those of
    :func:`helpers.calibration.calibration_intervals`, and those of
    :mod:`helpers.analytic_intervals` for the rest. `python -m benchmarks.coverage` measures how
    often they hold the truth, but for the accuracies, shares like sensitivity and specificity.

    Parameters
    ----------
    table
        Predictions with observed labels, a row a film or a patient; pooled by patient first.
    threshold
        Risk from which a patient counts as predicted to die; from validation patients.

    Returns
    -------
    pandas.DataFrame
        A row a metric: ``metric``, ``estimate``, ``low``, ``high``, ``n`` (patients), ``events``
        (deaths), ``note`` (why a number is missing). Accuracy stands beside the majority rate.

    Raises
    ------
    ValueError
        If a label is not observed, a risk is missing, or the threshold is no probability.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"Expected a threshold between 0 and 1; got {threshold}.")
    patients = pool_by_patient(table)
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy(float)
    counts = confusion(died, risk, threshold)
    intervals = {
        "AUROC": auroc_interval(patients),
        "AUPRC": auprc_interval(died, risk),
        "Brier score": brier_interval(died, risk),
        **calibration_intervals(died, risk),
        **_shares(counts),
        **net_benefit_intervals(died, risk, threshold),
        **_accuracy(counts),
    }
    rows = [
        (name, one.estimate, one.low, one.high, len(patients), int(died.sum()), one.note)
        for name, one in intervals.items()
    ]
    return pd.DataFrame(rows, columns=["metric", "estimate", "low", "high", "n", "events", "note"])


def _shares(counts: Confusion) -> dict[str, Interval]:
    caught, spared = counts.true_positive, counts.true_negative
    return {
        "sensitivity": share_interval(caught, caught + counts.false_negative),
        "specificity": share_interval(spared, spared + counts.false_positive),
    }


def _accuracy(counts: Confusion) -> dict[str, Interval]:
    patients, deaths = sum(counts), counts.true_positive + counts.false_negative
    right = counts.true_positive + counts.true_negative
    majority = share_interval(max(deaths, patients - deaths), patients)
    at_least_half = replace(majority, low=max(majority.low, 0.5))  # whichever outcome is commoner
    return {
        "accuracy": share_interval(right, patients),
        "accuracy of always the majority": at_least_half,
    }
