"""Networks of other seeds, which lie beside a stored model."""

from __future__ import annotations

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
        If one learned from other films than the stored model did.
    """
    weights, _ = model_files(path)
    wanted = _learned_from(RiskModel.load(weights))
    others = []
    for file in sorted(weights.parent.glob(f"{weights.stem}-seed[0-9]*.safetensors")):
        other = RiskModel.load(file)
        if _learned_from(other) != wanted:
            raise ValueError(
                f"{file.name} did not learn from the films that {weights.name} learned from: make "
                "both anew with the notebook that made them, or delete it."
            )
        others.append(other)
    return others


def _learned_from(model: RiskModel) -> tuple[int, str | None]:
    """Side of the films, and the hash of films and outcomes (`helpers.finishing`)."""
    return model.size, model.card.get("training_data", {}).get("sha256")
