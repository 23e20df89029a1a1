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
from sklearn.preprocessing import StandardScaler
from torch import nn

from helpers.metrics import require_outcomes
from helpers.models import in_batches
from helpers.patients import require_observed

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # inverse strengths of the ridge


def black_out_centre(films: np.ndarray, share: float = 0.7) -> np.ndarray:
    """Copies of films, uint8 (n, side, side), without a central square of `share` of the side."""
    kept = films.copy()
    side = films.shape[1]
    margin = round(side * (1 - share) / 2)
    kept[:, margin : side - margin, margin : side - margin] = 0
    return kept


def only_border(films: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Copies of films, uint8 (n, side, side), with nothing but a frame of `share` of the side."""
    return black_out_centre(films, 1 - 2 * share)


def features(network: nn.Module, films: np.ndarray) -> np.ndarray:
    """What a ResNet's last layer gets to see of films, uint8 (n, side, side): float32 (n, 512)."""
    trunk = copy.deepcopy(network)
    trunk.set_submodule("fc", nn.Identity())
    return torch.cat(list(in_batches(trunk, films))).numpy()


def fit_head(seen: np.ndarray, cohort: pd.DataFrame) -> nn.Linear:
    """Train a last layer: a logistic regression with a ridge penalty that validation films choose.

    Parameters
    ----------
    seen : ndarray, shape (n, 512)
        What the last layer gets to see: :func:`features`.
    cohort : DataFrame
        A row a film, with ``part`` (train, validation, test), ``died`` and ``label_source``.
        Training labels may be imputed, as outcomes and not as risks; the others are observed. The
        test part teaches and chooses nothing.

    Returns
    -------
    nn.Linear
        From 512 features to one logit.

    Raises
    ------
    ValueError
        If the films are not as many as the rows, a part is missing, a validation or test label is
        not observed, or a training label is no outcome (a bool, 0 or 1).
    """
    if len(seen) != len(cohort):
        raise ValueError(f"expected {len(cohort)} films, one a row, got {len(seen)}")
    parts = cohort["part"].to_numpy(str)
    require_observed(cohort[parts != "train"])
    died = require_outcomes(cohort["died"])
    for part in ("train", "validation"):
        if part not in parts:
            raise ValueError(f"expected films of the part {part}, got parts {sorted(set(parts))}")
    train, validation = parts == "train", parts == "validation"
    scaler = StandardScaler().fit(seen[train])
    scaled = scaler.transform(seen)
    heads = [
        LogisticRegression(C=penalty, max_iter=1000).fit(scaled[train], died[train])
        for penalty in PENALTIES
    ]
    best = min(
        heads,
        key=lambda head: log_loss(
            died[validation], head.predict_proba(scaled[validation]), labels=[False, True]
        ),
    )
    weights = best.coef_[0] / scaler.scale_
    head = nn.Linear(seen.shape[1], 1)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weights)[None])
        head.bias.fill_(float(best.intercept_[0] - weights @ scaler.mean_))
    return head


def with_head(network: nn.Module, head: nn.Linear) -> nn.Module:
    """Copy of a ResNet, in eval mode, with another last layer."""
    changed = copy.deepcopy(network).eval()
    changed.set_submodule("fc", head)
    return changed


def probe(seen: np.ndarray, cohort: pd.DataFrame) -> pd.DataFrame:
    """Train a new last layer on training films, and ask it about the test films.

    Parameters
    ----------
    seen : ndarray, shape (n, 512)
        What a last layer gets to see of the cohort's films, or of what is left of them:
        :func:`features`.
    cohort : DataFrame
        As for :func:`fit_head`.

    Returns
    -------
    DataFrame
        The test part with a column ``risk``.
    """
    head, test = fit_head(seen, cohort), cohort["part"].to_numpy(str) == "test"
    risk = risks_of(head, seen[test])
    return cohort[test].assign(risk=risk).reset_index(drop=True)


def risks_of(head: nn.Linear, seen: np.ndarray) -> np.ndarray:
    """Risks, float64 (n,), that a last layer gives to what it sees, (n, 512)."""
    with torch.inference_mode():
        return head(torch.from_numpy(seen))[:, 0].sigmoid().numpy().astype(float)
