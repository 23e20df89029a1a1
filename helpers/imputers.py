"""What a patient's outcome is guessed from, and the random forests that guess it.

Everything here is a row a patient.
"""

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from helpers.patients import PATIENT
from helpers.publishers import IEEE8023_BOOLEANS, IEEE8023_NUMBERS

FOREST_METHODS = ("forest", "forest_balanced", "calibrated", "draws")
METHODS = ("complete_case", *FOREST_METHODS)
COURSE, LABORATORY = [*IEEE8023_BOOLEANS], [*IEEE8023_NUMBERS]
_TREES = 100
_DRAW_TREES = 20  # a draw's label falls with the mean of its trees; R's mice grows 10 (Doove 2014)


def patient_features(cohort: pd.DataFrame) -> pd.DataFrame:
    """Describe each patient by what a random forest can use to guess the outcome.

    Parameters
    ----------
    cohort
        The one table with ieee8023's clinical columns.

    Returns
    -------
    pandas.DataFrame
        Indexed by (site, patient_id), sorted; float columns, NaN where unknown: ``age`` (years),
        ``male``, ``first_day``, ``n_films``, ``supine`` (any film lying), the course (1 if it was
        ever recorded as true) and the first laboratory values, in the publisher's units.

    Raises
    ------
    ValueError
        If clinical columns are missing.
    """
    missing = sorted({*COURSE, *LABORATORY} - set(cohort))
    if missing:
        raise ValueError(
            f"Imputation needs ieee8023's clinical columns; missing: {', '.join(missing)}. "
            "Pass the table of load_ieee8023."
        )
    films = cohort.astype({"site": str, "patient_id": str}).sort_values(
        [*PATIENT, "day", "image_path"]
    )
    films["male"] = films["sex"].map({"M": 1.0, "F": 0.0}).astype(float)
    films["supine"] = (films["view"] == "AP supine").astype(float)
    groups = films.groupby(PATIENT)
    features = groups[["age", "male", *LABORATORY]].first()
    features["first_day"] = groups["day"].min()
    features["n_films"] = groups.size()
    features = features.join(groups[["supine", *COURSE]].max())
    return features.astype("Float64").astype(float)


def training_patients(cohort: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Describe the training patients, and them only, to an imputer.

    Rows of other parts are dropped before anything is computed, so that nothing about them can
    reach an imputation.

    Parameters
    ----------
    cohort
        The one table with ieee8023's clinical columns and the column ``part``.

    Returns
    -------
    pandas.DataFrame, pandas.Series
        Rows of :func:`patient_features` and the outcomes, boolean, NA where unknown.

    Raises
    ------
    ValueError
        If there is no column ``part``, clinical columns are missing, or some labels were imputed
        before: guesses must not teach how to guess.
    """
    if "part" not in cohort:
        raise ValueError("Split first: imputation needs the column part of split_patients.")
    if "label_source" in cohort and (cohort["label_source"] == "imputed").any():
        raise ValueError(
            "Some labels of this table are imputed already, and an imputer must learn from "
            "observed ones only. Pass the table of load_split."
        )
    train = cohort[cohort["part"].astype(str) == "train"]
    features = patient_features(train)
    died = train.astype({"site": str, "patient_id": str}).groupby(PATIENT)["died"].max()
    return features, died.reindex(features.index)


def fit_imputer(
    features: pd.DataFrame, died: pd.Series, *, method: str, seed: int
) -> Pipeline | CalibratedClassifierCV:
    """Fit the random forest of a method on patients whose outcome is known.

    Missing values become the training median, with an indicator column each, inside the fitted
    pipeline. ``forest`` and ``forest_balanced`` grow trees to leaves of five; ``calibrated`` puts
    a logistic curve through cross-fitted risks (Platt 1999); a forest of ``draws`` is fitted to a
    bootstrap sample of the patients.

    Parameters
    ----------
    features
        Rows of :func:`patient_features`, shape (n, columns).
    died
        Observed outcomes, bool, shape (n,).
    method
        One of `METHODS` except ``complete_case``.
    seed
        Seed of the forest, of the folds, and of the bootstrap.

    Raises
    ------
    ValueError
        If fewer than two patients died or survived, or the method is unknown.
    """
    outcomes = died.to_numpy(dtype=bool)
    fewest = int(min(outcomes.sum(), (~outcomes).sum()))
    if fewest < 2:
        raise ValueError(
            f"Imputation needs at least two deaths and two survivors among the training patients; "
            f"got {int(outcomes.sum())} deaths of {len(outcomes)} patients."
        )
    if method == "calibrated":
        folds = StratifiedKFold(min(5, fewest), shuffle=True, random_state=seed)
        pipeline = _forest(seed, trees=_TREES)
        return CalibratedClassifierCV(pipeline, method="sigmoid", cv=folds).fit(features, outcomes)
    if method == "draws":
        rows = _bootstrap(outcomes, np.random.default_rng(seed))
        pipeline = _forest(seed, trees=_DRAW_TREES)
        return pipeline.fit(features.iloc[rows], outcomes[rows])
    if method in ("forest", "forest_balanced"):
        weight = "balanced" if method == "forest_balanced" else None
        return _forest(seed, weight, trees=_TREES).fit(features, outcomes)
    raise ValueError(f"Unknown method {method!r}: expected one of {', '.join(METHODS)}.")


def shift_odds(risk: np.ndarray, delta: float) -> np.ndarray:
    """Multiply the odds of risks, shape (n,), by `delta`; 0 and 1 stay what they are.

    If an outcome is `delta` times as likely to be missing for those who died (in odds, whatever
    else decides), then exactly this turns the risk of patients with a known outcome into that of
    those with an unknown one (by Bayes' rule; as an analysis of sensitivity, van Buuren 2018,
    Flexible Imputation of Missing Data, chapter 3.8; Carpenter and Kenward 2013, chapter 10).

    Raises
    ------
    ValueError
        If `delta` is not positive.
    """
    if not delta > 0:
        raise ValueError(f"Expected odds to be multiplied by a positive delta; got {delta}.")
    return delta * risk / (1 - risk + delta * risk)


def _forest(seed: int, weight: str | None = None, *, trees: int) -> Pipeline:
    """Median imputation with indicators, then a forest; all of it learned in ``fit``."""
    # A column that is empty in a bootstrap sample is kept (as 0), so that predicting still works.
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    forest = RandomForestClassifier(
        trees, min_samples_leaf=5, class_weight=weight, random_state=seed, n_jobs=1
    )
    return Pipeline([("fill", fill), ("forest", forest)])


def _bootstrap(outcomes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw patients with replacement until there are a death and a survivor among them."""
    while True:
        rows = generator.integers(len(outcomes), size=len(outcomes))
        if 0 < outcomes[rows].sum() < len(rows):
            return rows
