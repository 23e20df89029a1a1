"""Missing survival labels, filled in from the clinical columns by a random forest.

Only the labels of training patients are filled in, only from training patients, and only for
training: an imputed label never judges a model (:func:`helpers.evaluation.require_observed`).
Tables of labels have a row a patient. The forests are in :mod:`helpers.imputers`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.files import write_whole
from helpers.imputers import METHODS, fit_imputer, shift_odds, training_patients
from helpers.patients import PATIENT

HARD_LABEL_FROM = 0.5  # risk from which the forests of hard labels say "died", scikit-learn's rule


def impute_survival(
    cohort: pd.DataFrame, *, method: str, seed: int = 0, draws: int = 20, delta: float = 1.0
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

    That labels are missing at random, given the columns, is assumed and cannot be checked here;
    `delta` says by how much to depart from it.

    Parameters
    ----------
    cohort
        The one table with ieee8023's clinical columns and the column ``part``, labels observed.
    method
        One of `METHODS`.
    seed
        Seed of everything random.
    draws
        Number of draws of the method ``draws``.
    delta
        By what the odds of death of patients with an unknown outcome are multiplied, whatever the
        method (:func:`helpers.imputers.shift_odds`).

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
        If the method is unknown, there is no column ``part``, labels were imputed before, the
        training patients do not suffice, or `delta` is not positive.
    """
    if method not in METHODS:
        raise ValueError(f"Unknown method {method!r}: expected one of {', '.join(METHODS)}.")
    features, died = training_patients(cohort)
    patients = _patients(cohort)
    if method == "complete_case":
        return patients.reset_index()
    known, unknown = died.notna(), features[died.isna()]
    fill = (patients["part"] == "train") & patients["died"].isna()  # in the order of `unknown`
    fit = partial(fit_imputer, features[known], died[known], method=method)
    if method == "draws":
        patients = _draw(patients, unknown, fit, seed=seed, draws=draws, delta=delta)
    elif len(unknown):
        risk = shift_odds(fit(seed=seed).predict_proba(unknown)[:, 1], delta)
        patients.loc[fill, "risk"] = risk
        if method != "calibrated":
            patients.loc[fill, "died"] = risk >= HARD_LABEL_FROM
    patients.loc[fill, "label_source"] = "imputed"
    return patients.reset_index()


def _draw(
    patients: pd.DataFrame,
    unknown: pd.DataFrame,
    fit: Callable,
    *,
    seed: int,
    draws: int,
    delta: float,
) -> pd.DataFrame:
    """Add the mean risk and the drawn labels of patients whose features are in `unknown`."""
    if draws < 2:
        raise ValueError(f"Multiple imputation needs at least 2 draws; got {draws}.")
    labels = pd.concat([patients["died"]] * draws, axis=1, keys=range(draws)).add_prefix("draw_")
    if len(unknown):
        generator = np.random.default_rng([seed, 1])
        risks = []
        for column in labels:
            forest = fit(seed=int(generator.integers(2**31)))
            risk = shift_odds(forest.predict_proba(unknown)[:, 1], delta)
            labels.loc[unknown.index, column] = generator.random(len(risk)) < risk
            risks.append(risk)
        patients.loc[unknown.index, "risk"] = np.mean(risks, axis=0)
    return patients.join(labels)


def _patients(cohort: pd.DataFrame) -> pd.DataFrame:
    films = cohort.astype({"site": str, "patient_id": str, "part": str})
    groups = films.groupby(PATIENT, sort=True)
    patients = pd.DataFrame({"part": groups["part"].first(), "died": groups["died"].max()})
    patients["label_source"] = np.where(patients["died"].notna(), "observed", "unknown")
    patients["risk"] = patients["died"].astype("Float64")
    return patients


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
    write_whole(path, labels.to_csv(index=False).encode())
    return path


def load_labels(path: str | Path) -> pd.DataFrame:
    """Read what :func:`save_labels` stored, in its types."""
    names = {"site": "string", "patient_id": "string"}
    columns = map(str, pd.read_csv(path, nrows=0))
    blanks = {name: [""] for name in columns if name not in names}
    # "NA" may be a patient's number.
    labels = pd.read_csv(path, dtype=names, keep_default_na=False, na_values=blanks)
    booleans = [name for name in labels if name == "died" or str(name).startswith("draw_")]
    return labels.astype({**dict.fromkeys(booleans, "boolean"), "risk": "Float64"})
