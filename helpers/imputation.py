"""Missing survival labels, filled in from the clinical columns by a random forest.

Only the labels of training patients are filled in, only from training patients, and only for
training: an imputed label never judges a model (:func:`helpers.evaluation.require_observed`).
Everything here is a row a patient.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from helpers.publishers import IEEE8023_BOOLEANS, IEEE8023_NUMBERS

METHODS = ("complete_case", "forest", "forest_balanced", "calibrated", "draws")
HARD_LABEL_FROM = 0.5  # risk from which the forests of hard labels say "died", scikit-learn's rule

COURSE, LABORATORY = IEEE8023_BOOLEANS, IEEE8023_NUMBERS
_TREES = 200
_DRAW_TREES = 50  # a draw: the bootstrap around it adds the variety that more trees would average


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
        ["site", "patient_id", "day", "image_path"]
    )
    films["male"] = films["sex"].map({"M": 1.0, "F": 0.0}).astype(float)
    films["supine"] = (films["view"] == "AP supine").astype(float)
    groups = films.groupby(["site", "patient_id"])
    features = groups[["age", "male", *LABORATORY]].first()
    features["first_day"] = groups["day"].min()
    features["n_films"] = groups.size()
    features = features.join(groups[["supine", *COURSE]].max())
    return features.astype("Float64").astype(float)


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
        pipeline = _forest(seed)
        return CalibratedClassifierCV(pipeline, method="sigmoid", cv=folds).fit(features, outcomes)
    if method == "draws":
        rows = _bootstrap(outcomes, np.random.default_rng(seed))
        pipeline = _forest(seed, trees=_DRAW_TREES)
        return pipeline.fit(features.iloc[rows], outcomes[rows])
    if method in ("forest", "forest_balanced"):
        weight = "balanced" if method == "forest_balanced" else None
        return _forest(seed, weight).fit(features, outcomes)
    raise ValueError(f"Unknown method {method!r}: expected one of {', '.join(METHODS)}.")


def impute_survival(
    cohort: pd.DataFrame, *, method: str, seed: int = 0, draws: int = 20
) -> pd.DataFrame:
    """Fill in the unknown outcomes of training patients, each method in its own way.

    ========================  =====================================================================
    ``complete_case``         nothing is filled in
    ``forest``                a hard label: died from a risk of 0.5
    ``forest_balanced``       the same with ``class_weight="balanced"``, which moves that line
    ``calibrated``            no hard label: a calibrated risk as soft target
    ``draws``                 no hard label: in each draw the label falls with the risk of a forest
                              fitted to a new bootstrap sample, so the draws differ by as much as
                              the outcome and the forest are uncertain (proper in the sense of
                              Rubin 1987; Doove 2014, doi:10.1016/j.csda.2013.10.025)
    ========================  =====================================================================

    That labels are missing at random, given the columns, is assumed and cannot be checked here.

    Parameters
    ----------
    cohort
        The one table with ieee8023's clinical columns and the column ``part``.
    method
        One of `METHODS`.
    seed
        Seed of everything random.
    draws
        Number of draws of the method ``draws``.

    Returns
    -------
    pandas.DataFrame
        A row a patient, sorted: ``site``, ``patient_id``, ``part``, ``died`` (observed, or the hard
        label where the method gives one), ``label_source``, ``risk`` (0 or 1 where observed), and
        with ``draws`` the boolean columns ``draw_0``, ``draw_1``, … (the observed outcome where
        there is one). Patients of other parts keep what is known of them and nothing more.

    Raises
    ------
    ValueError
        If the method is unknown, there is no column ``part``, or the training patients do not
        suffice.
    """
    if method not in METHODS:
        raise ValueError(f"Unknown method {method!r}: expected one of {', '.join(METHODS)}.")
    if "part" not in cohort:
        raise ValueError("Split first: imputation needs the column part of split_patients.")
    patients = _patients(cohort)
    if method == "complete_case":
        return patients.reset_index()
    features = patient_features(cohort).loc[patients.index]
    train = patients["part"] == "train"
    known = train & patients["died"].notna()
    unknown = train & patients["died"].isna()
    fit = partial(fit_imputer, features[known], patients.loc[known, "died"], method=method)
    if method == "draws":
        patients = _draw(patients, features[unknown], fit, seed=seed, draws=draws)
    elif unknown.any():
        imputer = fit(seed=seed)
        patients.loc[unknown, "risk"] = imputer.predict_proba(features[unknown])[:, 1]
        if method != "calibrated":
            patients.loc[unknown, "died"] = patients.loc[unknown, "risk"] >= HARD_LABEL_FROM
    patients.loc[unknown, "label_source"] = "imputed"
    return patients.reset_index()


def _draw(
    patients: pd.DataFrame, unknown: pd.DataFrame, fit: Callable, *, seed: int, draws: int
) -> pd.DataFrame:
    """Add the mean risk and the drawn labels of patients whose features are in `unknown`."""
    if draws < 2:
        raise ValueError(f"Multiple imputation needs at least 2 draws; got {draws}.")
    labels = pd.concat([patients["died"]] * draws, axis=1, keys=range(draws)).add_prefix("draw_")
    if len(unknown):
        generator = np.random.default_rng([seed, 1])
        risks = []
        for column in labels:
            risk = fit(seed=int(generator.integers(2**31))).predict_proba(unknown)[:, 1]
            labels.loc[unknown.index, column] = generator.random(len(risk)) < risk
            risks.append(risk)
        patients.loc[unknown.index, "risk"] = np.mean(risks, axis=0)
    return patients.join(labels)


def _patients(cohort: pd.DataFrame) -> pd.DataFrame:
    films = cohort.astype({"site": str, "patient_id": str, "part": str})
    groups = films.groupby(["site", "patient_id"], sort=True)
    patients = pd.DataFrame({"part": groups["part"].first(), "died": groups["died"].max()})
    patients["label_source"] = np.where(patients["died"].notna(), "observed", "unknown")
    patients["risk"] = patients["died"].astype("Float64")
    return patients


def _forest(seed: int, weight: str | None = None, *, trees: int = _TREES) -> Pipeline:
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


def label_films(cohort: pd.DataFrame, labels: pd.DataFrame, column: str = "died") -> pd.DataFrame:
    """Give the films of imputed patients their label, and drop films that stay without one.

    Parameters
    ----------
    cohort
        The one table.
    labels
        Table of :func:`impute_survival`.
    column
        Which label to take: ``"died"``, a draw such as ``"draw_0"``, or ``"risk"`` as a soft
        target (``died`` is then a number between 0 and 1).

    Raises
    ------
    ValueError
        If the column is missing, or a patient of the cohort is not among the labels.
    """
    if column not in labels:
        raise ValueError(f"There are no labels {column!r}; found {', '.join(map(str, labels))}.")
    keys = pd.MultiIndex.from_frame(cohort[["site", "patient_id"]].astype(str))
    table = labels.astype({"site": str, "patient_id": str}).set_index(["site", "patient_id"])
    strangers = keys[~keys.isin(table.index)].nunique()
    if strangers:
        raise ValueError(f"{strangers} patients of the cohort have no row among the labels.")
    found = table.loc[keys]
    if "part" in cohort and (found["part"].to_numpy() != cohort["part"].astype(str)).any():
        raise ValueError(
            "The labels were imputed under another split, so they may know these patients' "
            "outcomes. Run notebook 02 again."
        )
    sources = pd.Categorical(found["label_source"], categories=["observed", "imputed", "unknown"])
    labelled = cohort.assign(died=found[column].to_numpy(), label_source=sources)
    kind = "Float64" if column == "risk" else "boolean"
    labelled = labelled.astype({"died": kind})
    return labelled[labelled["died"].notna()].reset_index(drop=True)


def save_labels(labels: pd.DataFrame, path: str | Path) -> Path:
    """Store labels as CSV for the notebooks that train."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    labels.to_csv(temporary, index=False)
    temporary.replace(path)
    return path


def load_labels(path: str | Path) -> pd.DataFrame:
    """Read what :func:`save_labels` stored, in its types."""
    labels = pd.read_csv(path, dtype={"site": "string", "patient_id": "string"})
    booleans = [name for name in labels if name == "died" or str(name).startswith("draw_")]
    return labels.astype({**dict.fromkeys(booleans, "boolean"), "risk": "Float64"})
