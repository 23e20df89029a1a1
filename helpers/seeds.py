"""Networks of other seeds, which lie beside a stored model."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.models import RiskModel
from helpers.stored import model_files


def load_seeds(path: str | Path) -> list[RiskModel]:
    """Load the networks that learned from the same films as a stored model, but with other seeds.

    What a seed decides is said where they are trained: notebook 05.

    Parameters
    ----------
    path : str or pathlib.Path
        Of the stored model, such as ``models/iteration2``; the others lie beside it as
        ``iteration2-seed1`` and so on.

    Returns
    -------
    list of RiskModel
        Empty if there are none.

    Raises
    ------
    FileNotFoundError, ValueError
        As `RiskModel.load` does, of the stored model, too.
    ValueError
        If one learned from other films than the stored model did, or does not say from which.
    """
    weights, _ = model_files(path)
    model = RiskModel.load(weights)
    named = re.compile(rf"{re.escape(weights.stem)}-seed\d+")
    others = []
    for file in sorted(weights.parent.glob("*.safetensors")):
        if not named.fullmatch(file.stem):
            continue
        other = RiskModel.load(file)
        if _learned_from(other, file.name) != _learned_from(model, weights.name):
            raise ValueError(
                f"{file.name} did not learn from the films that {weights.name} learned from: make "
                "both anew with the notebook that made them, or delete it."
            )
        others.append(other)
    return others


def _learned_from(model: RiskModel, name: str) -> tuple[int, str]:
    """Side of the films, and the hash of films and outcomes (`helpers.finishing`)."""
    films = model.card.get("training_data", {}).get("sha256")
    if not films:
        raise ValueError(
            f"{name} does not say from which films it learned: make it anew with the notebook that "
            "made it."
        )
    return model.size, films
