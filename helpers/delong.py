"""The AUROC's interval without resampling: DeLong's variance, logit scale, Student's t.

Chosen by simulation (`python -m benchmarks.coverage`): with few deaths the plain DeLong interval
holds the true value too rarely. On the logit scale the interval is as asymmetric as the estimate's
own uncertainty and ends before 1; and a variance that few deaths estimate is itself uncertain,
which Student's t pays for, as in Brunner and Munzel's test of the same statistic.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from scipy.stats import t as student

from helpers.intervals import (
    FEW_RANKED,
    NAN,
    ROUNDING,
    UNDEFINED,
    Interval,
    no_interval,
    on_logit_scale,
)
from helpers.patients import require_patients

CONSTANT = "the score is the same for all"


class MeanPlacement(NamedTuple):
    """An AUROC, or a difference of two: its variance, and the variance's degrees of freedom."""

    value: float
    variance: float
    freedom: float


def auroc_interval(patients: pd.DataFrame, *, risk: str = "risk", level: float = 0.95) -> Interval:
    """AUROC of a score with its interval, for patients who are independent of each other.

    DeLong's variance, interval on the logit scale (Pepe 2003, The Statistical Evaluation of Medical
    Tests, section 5.2.5), quantile of Student's t with Satterthwaite's degrees of freedom (Brunner
    and Munzel 2000, Biometrical Journal 42:17).

    Parameters
    ----------
    patients
        A row a patient with ``died`` and the score; labels observed.
    risk
        Name of the score's column; any number that rises with the risk.
    level
        Coverage aimed at.

    Returns
    -------
    Interval
        ``standard_error`` is that of the AUROC itself. Without bounds, and with the reason in
        ``note``, where there are fewer than two deaths or survivors, where the score ranks them
        perfectly (few patients give no certainty), or where it is the same for all.

    Raises
    ------
    ValueError
        If a label is not observed, a patient has several rows, or a score is missing.
    """
    require_patients(patients)
    died, score = patients["died"].to_numpy(bool), patients[risk].to_numpy(float)
    if np.isnan(score).any():
        raise ValueError(f"Expected a number in {risk} for every patient; some are missing.")
    deaths, survivors = int(died.sum()), int((~died).sum())
    if not deaths or not survivors:
        return UNDEFINED
    above, below = placements(died, score)
    if min(deaths, survivors) < 2:
        return no_interval(above.mean(), "fewer than two deaths or survivors")
    return _interval(mean_placement(above, below), level)


def auroc_difference(
    patients: pd.DataFrame, first: str, second: str, *, level: float = 0.95
) -> Interval:
    """AUROC of the first score less that of the second, asked about the same patients.

    Paired: luck with the patients cancels (DeLong 1988, doi:10.2307/2531595), with quantiles of
    Student's t as in :func:`auroc_interval`.

    Parameters
    ----------
    patients
        A row a patient with ``died`` and both scores; labels observed.
    first, second
        Names of the scores' columns; any numbers that rise with the risk.
    level
        Coverage aimed at.

    Returns
    -------
    Interval
        Without bounds, and with the reason in ``note``, where there are fewer than two deaths or
        survivors, or where all patients tell the same difference, such as none.

    Raises
    ------
    ValueError
        As :func:`auroc_interval`.
    """
    one, other = (auroc_interval(patients, risk=name) for name in (first, second))
    difference = one.estimate - other.estimate
    died = patients["died"].to_numpy(bool)
    if np.isnan(difference) or min(died.sum(), (~died).sum()) < 2:
        return Interval(difference, NAN, NAN, note=one.note)
    mine, theirs = (placements(died, patients[name].to_numpy(float)) for name in (first, second))
    _, variance, freedom = mean_placement(mine[0] - theirs[0], mine[1] - theirs[1])
    if variance == 0:
        return no_spread(difference)
    error = float(np.sqrt(variance))
    reach = student.ppf((1 + level) / 2, freedom) * error
    low, high = np.clip([difference - reach, difference + reach], -1, 1)
    return Interval(difference, float(low), float(high), error)


def placements(died: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of survivors below each death and of deaths above each survivor, ties counting half.

    Both average to the AUROC (Sun and Xu 2014, doi:10.1109/LSP.2014.2337313, by ranks); `died` is
    bool and `score` float, shape (n,), with at least one death and one survivor.
    """
    deaths, survivors = int(died.sum()), int((~died).sum())
    ranks = rankdata(score)
    above = (ranks[died] - rankdata(score[died])) / survivors
    below = 1 - (ranks[~died] - rankdata(score[~died])) / deaths
    return above, below


def mean_placement(above: np.ndarray, below: np.ndarray) -> MeanPlacement:
    """Mean placement, its variance by DeLong, and Satterthwaite's degrees of freedom.

    Parameters
    ----------
    above, below
        Of :func:`placements`, or the differences of two scores' ones: float, shapes (deaths,) and
        (survivors,), at least two of each.

    Returns
    -------
    MeanPlacement
        Where the variance is 0, the freedom is the fewest that there can be: that of the smaller
        group.
    """
    parts = np.array([above.var(ddof=1) / len(above), below.var(ddof=1) / len(below)])
    counts = np.array([len(above), len(below)])
    total = float(parts.sum())
    freedom = total**2 / (parts**2 / (counts - 1)).sum() if total > 0 else counts.min() - 1
    return MeanPlacement(float(above.mean()), total, float(freedom))


def no_spread(difference: float) -> Interval:
    """A difference that all patients tell alike: it has no interval, which its note says."""
    alike = (
        "both rank alike" if abs(difference) < ROUNDING else "all patients tell the same difference"
    )
    return no_interval(difference, alike)


def _interval(area: MeanPlacement, level: float) -> Interval:
    if area.value in (0, 1):
        return no_interval(area.value, FEW_RANKED)
    if area.variance == 0:
        return no_interval(area.value, CONSTANT)
    return on_logit_scale(area.value, float(np.sqrt(area.variance)), area.freedom, level)
