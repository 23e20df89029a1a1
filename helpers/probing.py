"""What can be known from a part of the film alone? A new last layer, trained on what is left of it.

Maguolo and Nanni 2021 (doi:10.1016/j.inffus.2021.04.008) blacked out the lungs of chest films, and
networks still told the data sets apart. What can be predicted without lungs was not read off lungs.
"""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from helpers.models import in_batches

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # inverse strengths of the ridge


def black_out_centre(films: np.ndarray, share: float = 0.7) -> np.ndarray:
    """Copies of films, uint8 (n, side, side), without a central square of `share` of the side."""
    kept = films.copy()
    margin = round(films.shape[1] * (1 - share) / 2)
    kept[:, margin:-margin, margin:-margin] = 0
    return kept


def only_border(films: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Copies of films, uint8 (n, side, side), with nothing but a frame of `share` of the side."""
    return black_out_centre(films, 1 - 2 * share)


def features(network: nn.Module, films: np.ndarray) -> np.ndarray:
    """What a ResNet's last layer gets to see of films, uint8 (n, side, side): float32 (n, 512)."""
    trunk = copy.deepcopy(network)
    trunk.set_submodule("fc", nn.Identity())
    return torch.cat(list(in_batches(trunk, films))).numpy()


def probe(network: nn.Module, films: np.ndarray, cohort: pd.DataFrame) -> pd.DataFrame:
    """Train a new last layer on training films, and ask it about the test films.

    Parameters
    ----------
    network : nn.Module
        A ResNet; only its last layer is trained, as a logistic regression with a ridge penalty
        that the validation films choose.
    films : ndarray, uint8, shape (n, side, side)
        What is left of the cohort's films.
    cohort : DataFrame
        With ``part`` (train, validation, test) and observed ``died``.

    Returns
    -------
    DataFrame
        The test part with a column ``risk``.

    Raises
    ------
    ValueError
        If the films are not as many as the rows, or a part is missing.
    """
    if len(films) != len(cohort):
        raise ValueError(f"expected {len(cohort)} films, one a row, got {len(films)}")
    parts = cohort["part"].to_numpy(str)
    for part in ("train", "validation", "test"):
        if part not in parts:
            raise ValueError(f"expected films of the part {part}, got parts {sorted(set(parts))}")
    seen, died = features(network, films), cohort["died"].to_numpy(bool)
    fitted = [
        make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000)).fit(
            seen[parts == "train"], died[parts == "train"]
        )
        for penalty in PENALTIES
    ]
    chosen = min(
        fitted,
        key=lambda head: log_loss(
            died[parts == "validation"], head.predict_proba(seen[parts == "validation"])[:, 1]
        ),
    )
    risk = chosen.predict_proba(seen[parts == "test"])[:, 1]
    return cohort[parts == "test"].assign(risk=risk).reset_index(drop=True)
