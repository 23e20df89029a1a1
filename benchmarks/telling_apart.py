"""A classifier asked to tell phantom films from real ones, and what it goes by."""

from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.comparison import REPEATS
from benchmarks.film_statistics import central_square, histogram, spectrum_measures
from helpers.evaluation import Interval, bootstrap_interval

SIDE = 64  # px of the films whose principal components are taken
COMPONENTS = 50
FOLDS = 5
GREY_BINS = 8


class Verdict(NamedTuple):
    """How well phantoms are told from real films, and the largest coefficients by name."""

    auroc: dict[str, Interval]
    coefficients: pd.Series


def tell_apart(
    features: pd.DataFrame, squares: np.ndarray, phantom: np.ndarray, patients: np.ndarray
) -> Verdict:
    """Cross-validate three classifiers, no patient on both sides of a split.

    Parameters
    ----------
    features
        :func:`grey_and_spectrum` of each film, shape (films, features).
    squares
        :func:`small_square` of each film, shape (films, side, side).
    phantom
        Bool, shape (films,): what is to be told.
    patients
        Whose film it is, shape (films,).
    """
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    judged = {
        "greys and spectrum, logistic regression": (linear, features),
        "greys and spectrum, boosted trees": (
            HistGradientBoostingClassifier(max_iter=60, random_state=0),
            features,
        ),
        f"{COMPONENTS} principal components of {SIDE} px, logistic regression": (
            _eigenfilms(),
            squares.reshape(len(squares), -1),
        ),
    }
    auroc = {
        name: _auroc(model, inputs, phantom, patients) for name, (model, inputs) in judged.items()
    }
    fitted = linear.fit(features, phantom)
    coefficients = pd.Series(fitted[-1].coef_[0], index=features.columns)
    return Verdict(auroc, coefficients.sort_values(key=abs, ascending=False))


def grey_and_spectrum(film: np.ndarray, shown: np.ndarray) -> dict[str, float]:
    """Grey histogram, quantiles and power spectrum of a film, by name."""
    quantiles = np.percentile(film[shown], [5, 25, 50, 75, 95])
    shares = histogram(film, shown).reshape(GREY_BINS, -1).sum(axis=1)
    step = 256 // GREY_BINS
    return {
        **{f"grey, {q} % quantile": g for q, g in zip((5, 25, 50, 75, 95), quantiles, strict=True)},
        **{f"greys {i * step}–{(i + 1) * step - 1}": share for i, share in enumerate(shares)},
        **spectrum_measures(film, shown),
    }


def small_square(film: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Scale the central square to 64 px: its shape then says nothing of the film's."""
    square = central_square(film, shown).astype(np.float32) / 255
    return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def _eigenfilms() -> Pipeline:
    return make_pipeline(
        PCA(COMPONENTS, whiten=True, svd_solver="randomized", random_state=0),
        LogisticRegression(C=0.1, max_iter=2000),
    )


def _auroc(
    model: BaseEstimator,
    inputs: pd.DataFrame | np.ndarray,
    phantom: np.ndarray,
    patients: np.ndarray,
) -> Interval:
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    score = cross_val_predict(
        model, inputs, phantom, groups=patients, cv=folds, method="predict_proba"
    )[:, 1]
    table = pd.DataFrame({"patient_id": patients, "phantom": phantom, "score": score})
    return bootstrap_interval(
        lambda films: roc_auc_score(films["phantom"], films["score"]), table, repeats=REPEATS
    )
