"""Set real films' measures beside phantoms', and say how far apart they are."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

from helpers.evaluation import bootstrap_interval

REPEATS = 300  # resamples behind an interval
HALVES = 20  # random halvings of the real patients


def compare(real: pd.DataFrame, phantom: pd.DataFrame) -> pd.DataFrame:
    """Set real films' measures beside phantoms'.

    Parameters
    ----------
    real, phantom
        A row a film: ``patient_id`` and a column a measure; NaN where it cannot be had.

    Returns
    -------
    pandas.DataFrame
        A row a measure: median with its interval and middle half of each, and the Wasserstein
        distance of the two distributions over the real films' interquartile range. What the same
        distance is between random halves of the real patients says what counts as near.
    """
    measures = [name for name in real if name != "patient_id"]
    medians = {"real": _medians(real, measures), "phantom": _medians(phantom, measures)}
    rows = []
    for name in measures:
        ours, theirs = real[name].dropna(), phantom[name].dropna()
        rows.append(
            {
                "measure": name,
                "real": f"{medians['real'][name]:{_digits(ours)}}",
                "real, middle half": _middle_half(ours),
                "phantom": f"{medians['phantom'][name]:{_digits(ours)}}",
                "phantom, middle half": _middle_half(theirs, _digits(ours)),
                "distance": f"{distance(ours, theirs):.2f}",
                "of real halves": f"{_between_halves(real, name):.2f}",
            }
        )
    return pd.DataFrame(rows)


def halves_distance(patients: np.ndarray, between: Callable[[np.ndarray], float]) -> float:
    """Mean distance between two random halves of the patients.

    `patients` says whose each film is; `between` takes a bool a film, which half it is in.
    """
    generator = np.random.default_rng(0)
    distances = []
    for _ in range(HALVES):
        drawn = generator.permutation(np.unique(patients))
        distances.append(between(np.isin(patients, drawn[: len(drawn) // 2])))
    return float(np.mean(distances))


def distance(real: pd.Series, phantom: pd.Series) -> float:
    """Wasserstein distance in interquartile ranges of the real values."""
    return wasserstein_distance(real, phantom) / _spread(real)


def histogram_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Wasserstein distance of two histograms of 256 grey values, in grey values."""
    grey = np.arange(256)
    return float(wasserstein_distance(grey, grey, first, second))


def _medians(table: pd.DataFrame, measures: list[str]) -> dict:
    def medians(films: pd.DataFrame) -> dict[str, float]:
        values = np.nanmedian(films[measures].to_numpy(), axis=0)
        return dict(zip(measures, values.tolist(), strict=True))

    return bootstrap_interval(medians, table, repeats=REPEATS)


def _between_halves(table: pd.DataFrame, name: str) -> float:
    known = table.dropna(subset=[name])
    values = known[name]
    return halves_distance(
        known["patient_id"].to_numpy(),
        lambda half: wasserstein_distance(values[half], values[~half]),
    ) / _spread(values)


def _spread(values: pd.Series) -> float:
    low, high = np.percentile(values, [25, 75])
    return max(float(high - low), 1e-9)


def _digits(values: pd.Series) -> str:
    return ".0f" if values.abs().median() >= 10 else ".2f"


def _middle_half(values: pd.Series, digits: str | None = None) -> str:
    low, high = np.percentile(values, [25, 75])
    digits = digits or _digits(values)
    return f"{low:{digits}} to {high:{digits}}".replace("-", "−")
