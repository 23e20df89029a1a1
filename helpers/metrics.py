"""Measures of a risk prediction: functions of outcomes and risks, without patients or intervals.

All take `died` (bool or 0/1, shape (n,)) and `risk` (probability of death, float, shape (n,)).
Where a measure is undefined (nobody died, everybody died, one constant risk) they return NaN: that
is an answer, and :func:`helpers.evaluation.report` says why. Input that cannot be meant, such as
a missing outcome or a risk above 1, raises ValueError.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from dcurves import dca
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score


class Confusion(NamedTuple):
    """Patients by what was said of them and what came."""

    true_positive: int  # said to die, died
    false_positive: int  # said to die, survived
    false_negative: int  # said to survive, died
    true_negative: int  # said to survive, survived


def auroc(died, risk) -> float:
    """Probability that a random patient who died had a higher risk than a random survivor.

    From ranks (Mann-Whitney), ties counting half. NaN unless there are deaths and survivors.
    """
    died, risk = check_predictions(died, risk)
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
    died, risk = check_predictions(died, risk)
    if died.all() or not died.any():
        return float("nan")
    if risk[died].min() > risk[~died].max():
        return 1.0  # which a sum of shares may miss by its rounding
    return float(average_precision_score(died, risk))


def brier(died, risk) -> float:
    """Mean squared difference between risk and outcome; NaN without patients."""
    died, risk = check_predictions(died, risk)
    return float(np.mean((risk - died) ** 2)) if len(died) else float("nan")


def sensitivity(died, risk, threshold: float) -> float:
    """Share of those who died whose risk reached the threshold; NaN without deaths."""
    died, risk = check_predictions(died, risk)
    return float(np.mean(risk[died] >= threshold)) if died.any() else float("nan")


def specificity(died, risk, threshold: float) -> float:
    """Share of the survivors whose risk stayed below the threshold; NaN without survivors."""
    died, risk = check_predictions(died, risk)
    return float(np.mean(risk[~died] < threshold)) if not died.all() else float("nan")


def majority_rate(died) -> float:
    """Share of right answers of always giving the commoner one, without looking at anything."""
    died = require_outcomes(died)
    return float(max(died.mean(), 1 - died.mean())) if len(died) else float("nan")


def confusion(died, risk, threshold: float) -> Confusion:
    """Count right and wrong answers of either kind; a risk at the threshold counts as "dies"."""
    died, risk = check_predictions(died, risk)
    said = risk >= threshold
    cells = (said & died, said & ~died, ~said & died, ~said & ~died)
    return Confusion(*(int(cell.sum()) for cell in cells))


def net_benefit(
    died, risk, thresholds: Sequence[float], *, rivals: Mapping[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """Net benefit of treating by the model, of treating all and of treating none.

    True positives less false positives weighted by the odds of the threshold, per patient
    (Vickers and Elkin 2006, doi:10.1177/0272989X06295361), by the package dcurves.

    Parameters
    ----------
    died, risk
        A value a patient, shape (n,).
    thresholds
        Risks from which one would treat, between 0 and 1.
    rivals
        Risks of other models by name, shape (n,) each.

    Returns
    -------
    pandas.DataFrame
        Columns ``threshold``, ``model``, the rivals, ``treat_all``, ``treat_none``.

    Raises
    ------
    ValueError
        If a threshold is not strictly between 0 and 1, a rival has the name of another column, or
        nobody died or survived.
    """
    died, risk = check_predictions(died, risk)
    grid = np.unique(np.asarray(thresholds, dtype=float))
    if not len(grid) or not ((grid > 0) & (grid < 1)).all():
        raise ValueError(f"Expected thresholds between 0 and 1, both excluded; got {thresholds}.")
    if died.all() or not died.any():
        raise ValueError("Net benefit needs patients who died and patients who survived.")
    columns = {"threshold", "model", "all", "none", "treat_all", "treat_none", "died"}
    taken = columns & set(rivals or {})
    if taken:
        raise ValueError(f"Rename the rivals {', '.join(sorted(taken))}: columns are called so.")
    risks = {"model": risk} | {
        name: check_predictions(died, other)[1] for name, other in (rivals or {}).items()
    }
    data = pd.DataFrame({"died": died.astype(int), **risks})
    curves = dca(data=data, outcome="died", modelnames=list(risks), thresholds=grid)
    wide = curves.pivot(index="threshold", columns="model", values="net_benefit")
    wide = wide.rename(columns={"all": "treat_all", "none": "treat_none"}).reset_index()
    wide.columns.name = None
    return wide[["threshold", *risks, "treat_all", "treat_none"]]


def net_benefit_at(died, risk, threshold: float) -> float:
    """Net benefit of treating by the model at one threshold, as in :func:`net_benefit`.

    NaN unless there are deaths and survivors and the threshold lies between 0 and 1.
    """
    died, risk = check_predictions(died, risk)
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


def check_predictions(died, risk) -> tuple[np.ndarray, np.ndarray]:
    """Return outcomes as bool and risks as float, both shape (n,).

    Raises
    ------
    ValueError
        If an outcome or a risk is missing, an outcome is none, shapes differ, or a risk lies
        outside of 0 to 1.
    """
    died = require_outcomes(died)
    risk = np.asarray(risk, dtype=float)
    if died.shape != risk.shape or died.ndim != 1:
        raise ValueError(
            f"Expected one outcome and one risk a patient; got shapes {died.shape}, {risk.shape}."
        )
    if not ((risk >= 0) & (risk <= 1)).all():
        raise ValueError("Expected risks between 0 and 1, none missing. Are these logits?")
    return died, risk


def require_outcomes(died) -> np.ndarray:
    """Return outcomes, bool or 0 and 1, as bool of the same shape.

    Raises
    ------
    ValueError
        If one is missing or anything else: as a bool, even the word "False" would be a death.
    """
    values = np.asarray(died)
    if values.dtype != bool:
        if pd.isna(died).any():
            raise ValueError(
                "Expected an outcome for every patient; some are missing. Leave them out."
            )
        odd = ~pd.Series(values.ravel()).isin([0, 1]).to_numpy()
        if odd.any():
            raise ValueError(
                f"Expected outcomes as bool or 0 and 1; found {values.ravel()[odd].tolist()[0]!r}. "
                "Translate them first."
            )
    return values.astype(bool)
