"""A network's weights and the JSON card beside them: written whole, read only if they fit."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from helpers.files import write_whole
from helpers.pixels import PREPROCESSING

PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"}


def write_model(
    path: str | Path, state: Mapping[str, torch.Tensor], card: Mapping[str, Any]
) -> Path:
    """Store weights as ``path.safetensors`` and what they are as ``path.json`` beside it.

    The card gains the weights' hash, so that two files which do not belong together are noticed
    on reading, the preprocessing that the weights expect, and the versions of torch.

    Returns
    -------
    pathlib.Path
        Of the weights.
    """
    weights_path, card_path = model_files(path)
    weights_path.parent.mkdir(parents=True, exist_ok=True)
    weights = safetensors.torch.save({name: value.contiguous() for name, value in state.items()})
    description = {
        **card,
        "preprocessing": PREPROCESSING,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "versions": {name: version(name) for name in ("torch", "torchvision")},
    }
    write_whole(weights_path, weights)
    write_whole(card_path, json.dumps(description, indent=2).encode())
    return weights_path


def read_model(
    path: str | Path, *, wanted: Sequence[str], made_by: str
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what :func:`write_model` stored.

    Parameters
    ----------
    path
        Of the weights or the card, or both without their suffix.
    wanted
        What the card must hold besides the hash and the preprocessing.
    made_by
        What makes such a model; it ends the messages of errors.

    Returns
    -------
    dict of torch.Tensor, dict
        The weights and the card.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If it is a pickle, damaged, made for another preprocessing, or if the two files do not
        belong together.
    """
    if Path(path).suffix.lower() in PICKLES:
        raise ValueError(
            f"{Path(path).name} is a pickle, and opening a pickle runs whatever code is in it. "
            "Only safetensors models are loaded."
        )
    weights_path, card_path = model_files(path)
    for file in (weights_path, card_path):
        if not file.is_file():
            raise FileNotFoundError(f"The model {file.name} is missing: {made_by}.")
    weights = weights_path.read_bytes()
    card = _read_card(card_path, [*wanted, "weights_sha256", "preprocessing"], made_by)
    if card["weights_sha256"] != hashlib.sha256(weights).hexdigest():
        raise ValueError(
            f"{weights_path.name} and {card_path.name} do not belong together, or one is "
            f"damaged: {made_by}."
        )
    if card["preprocessing"] != PREPROCESSING:
        raise ValueError(
            f"{weights_path.name} expects films prepared as {card['preprocessing']}, but this "
            f"version prepares them as {PREPROCESSING}: {made_by}."
        )
    try:
        return safetensors.torch.load(weights), card
    except SafetensorError as error:
        raise ValueError(f"{weights_path.name} is no safetensors file: {error}") from error


def model_files(path: str | Path) -> tuple[Path, Path]:
    """Paths of the weights and of the card, from either of them or from their common stem."""
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    return stem.with_name(f"{stem.name}.safetensors"), stem.with_name(f"{stem.name}.json")


def _read_card(path: Path, wanted: Sequence[str], made_by: str) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is no JSON ({error}): {made_by}.") from error
    missing = [key for key in wanted if key not in card]
    if missing:
        raise ValueError(f"{path.name} lacks {', '.join(missing)}: {made_by}.")
    return card
