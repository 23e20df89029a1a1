"""What the treatment of missing labels does to a model that is trained on them.

A light model stands for the network, so that the comparison takes seconds: a logistic regression
on what the phantom start sees on a patient's index film, its backbone frozen. It is cross-fitted:
every patient is predicted by a model that knew neither the film nor anything else about him, from
labels that were imputed without him.
"""

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from helpers.imputation import impute_survival
from helpers.models import build_resnet18, in_batches
from helpers.patient_groups import group_patients
from helpers.patients import PATIENT
from helpers.radiographs import Radiographs

COMPONENTS = 10  # of the features: as few as a few dozen deaths can carry
PENALTY = 0.1  # scikit-learn's C, small: strong shrinkage; fixed beforehand, not chosen on results
FOLDS = 5


def film_features(cohort: pd.DataFrame, *, size: int = 128) -> np.ndarray:
    """Compute what the phantom start's last layer sees on each film: float32 (n, 512).

    Parameters
    ----------
    cohort
        The one table.
    size
        Side of the films in px; the start learned at 128.

    Raises
    ------
    FileNotFoundError
        If the phantom start is missing.
    ValueError
        If it is damaged, or a film cannot be read.
    """
    network = build_resnet18("phantom")
    network.fc = nn.Identity()
    films = Radiographs(cohort, size)
    outputs = [output for chunk in films.chunks() for output in in_batches(network, chunk)]
    return torch.cat([torch.zeros(0, 512), *outputs]).numpy()


def fit_soft_targets(features: np.ndarray, targets: np.ndarray) -> LogisticRegression:
    """Fit a logistic regression to labels, or to risks as soft targets.

    A patient with risk p counts as p of a death and 1 - p of a survivor, which is what
    cross-entropy with a soft target is.

    Parameters
    ----------
    features
        Shape (n, components).
    targets
        Numbers in [0, 1], shape (n,).

    Raises
    ------
    ValueError
        If a target is missing or outside [0, 1], or there are no deaths or no survivors.
    """
    targets = np.asarray(targets, float)
    if not ((targets >= 0) & (targets <= 1)).all():
        raise ValueError("Expected targets between 0 and 1, none missing.")
    if targets.sum() == 0 or targets.sum() == len(targets):
        raise ValueError("A head needs both deaths and survivors among its targets; got one.")
    twice = np.concatenate([features, features])
    outcomes = np.repeat([True, False], len(targets))
    weights = np.concatenate([targets, 1 - targets])
    counted = weights > 0
    model = LogisticRegression(C=PENALTY, max_iter=1000)
    return model.fit(twice[counted], outcomes[counted], sample_weight=weights[counted])


def crossfit(
    films: pd.DataFrame,
    index_films: pd.DataFrame,
    features: np.ndarray,
    *,
    method: str,
    seed: int = 0,
    draws: int = 20,
    delta: float = 1.0,
    duplicates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Predict every patient by a head whose training labels were completed without him.

    In each of five folds the other four are the training patients: their unknown outcomes are
    imputed from their known ones, the features are scaled and reduced on them, and a head is
    trained, with ``draws`` one head a draw.

    Parameters
    ----------
    films
        The one table with all films and clinical columns, labels as observed.
    index_films
        A film a patient, of :func:`helpers.cohorts.select_index_films`.
    features
        Of :func:`film_features` for `index_films`, shape (n, 512).
    method, draws, delta
        Of :func:`helpers.imputation.impute_survival`.
    seed
        Of the folds and the imputation.
    duplicates
        Table of :func:`helpers.duplicates.find_duplicates`: who shares a film shares a fold.

    Returns
    -------
    pandas.DataFrame
        In the order of `index_films`: ``site``, ``patient_id``, ``died`` and ``label_source`` as
        observed, ``fold``, and a column ``risk_0``, ``risk_1``, … for each head.

    Raises
    ------
    ValueError
        If there are too few deaths or survivors for the folds, or as the imputation does.
    """
    patients = index_films[[*PATIENT, "died", "label_source"]].reset_index(drop=True)
    keys = pd.MultiIndex.from_frame(patients[PATIENT].astype(str))
    film_of = pd.MultiIndex.from_frame(films[PATIENT].astype(str))
    films, places = films[film_of.isin(keys)], keys.get_indexer(film_of[film_of.isin(keys)])
    group_of = group_patients(films, duplicates).attrs["group_of"].loc[keys].to_numpy()
    patients["fold"] = (
        pd.Series(_folds(patients["died"], seed)).groupby(group_of).transform("first")
    )
    risks = np.full((len(patients), draws if method == "draws" else 1), np.nan)
    for fold in range(FOLDS):
        held_out = (patients["fold"] == fold).to_numpy()
        part = np.where(held_out, "test", "train")
        labels = impute_survival(
            films.assign(part=part[places]), method=method, seed=seed, draws=draws, delta=delta
        )
        labels = labels.set_index(PATIENT).loc[keys[~held_out]]
        squeeze = make_pipeline(
            StandardScaler(), PCA(COMPONENTS, whiten=True, random_state=seed)
        ).fit(features[~held_out])
        known, unseen = (squeeze.transform(features[who]) for who in (~held_out, held_out))
        for column, targets in enumerate(_targets(labels, method)):
            usable = ~np.isnan(targets)
            head = fit_soft_targets(known[usable], targets[usable])
            risks[held_out, column] = head.predict_proba(unseen)[:, 1]
    columns = [f"risk_{number}" for number in range(risks.shape[1])]
    return patients.join(pd.DataFrame(risks, columns=columns))


def _folds(died: pd.Series, seed: int) -> np.ndarray:
    """Give each patient a fold, deaths, survivors and unknown ones spread evenly."""
    strata = died.astype("Int8").fillna(2).to_numpy(int)
    fewest = min((strata == outcome).sum() for outcome in (0, 1))
    if fewest < FOLDS:
        raise ValueError(
            f"{FOLDS} folds need as many deaths and survivors; one of them is {fewest}."
        )
    folds = np.zeros(len(died), int)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (_, members) in enumerate(splitter.split(strata, strata)):
        folds[members] = number
    return folds


def _targets(labels: pd.DataFrame, method: str) -> list[np.ndarray]:
    """What the heads of a method are trained on: one array, or one a draw; NaN stays out."""
    if method == "draws":
        columns = [str(name) for name in labels if str(name).startswith("draw_")]
    else:
        columns = ["risk" if method == "calibrated" else "died"]
    return [labels[name].astype("Float64").to_numpy(float, na_value=np.nan) for name in columns]
