"""How well the network reads phantoms: its loss, and figures for the card that goes with it."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional

from helpers.radiographs import normalise
from helpers.severity import DEVICES, SHARES, VIEWS, Readings, SeverityModel, split_outputs

from .fresh_films import Batch, FreshFilms
from .places import PLACED, Places

SHARE_WEIGHTS = {"opaque_share": 4.0}  # in the loss; 1 for every other share
VIEW_WEIGHT, DEVICE_WEIGHT = 0.25, 1.0
PLACE_WEIGHT = 1.0
_NUMBERS = {target.name: number for number, target in enumerate(SHARES)}  # of the outputs
PLACE_SCALES = {"opaque_share": 0.7, "lung_area": 0.27}  # about their standard deviations


def loss(places: torch.Tensor, truths: torch.Tensor, placed: torch.Tensor) -> torch.Tensor:
    """Compare outputs at each place with the truth; what is NaN is left out.

    Parameters
    ----------
    places : (n, h, w, outputs)
        A film's outputs are their mean over the places.
    truths : (n, targets)
    placed : (n, shares, h, w)
        What each place adds to the shares of ``PLACED``.
    """
    places = places.float()
    readings, truth = split_outputs(places.mean(dim=(1, 2))), split_truths(truths)
    weights = [SHARE_WEIGHTS.get(target.name, 1.0) for target in SHARES]
    return (
        _mean_error(readings.shares, truth.shares, truths.new_tensor(weights))
        + PLACE_WEIGHT * _place_error(places, placed)
        + VIEW_WEIGHT * functional.cross_entropy(readings.view, truth.view)
        + DEVICE_WEIGHT
        * functional.binary_cross_entropy_with_logits(readings.devices, truth.devices)
    )


def _place_error(places: torch.Tensor, placed: torch.Tensor) -> torch.Tensor:
    """Error of the class activation maps of the shares of ``PLACED``."""
    found = _unscaled(places)
    errors = [
        _mean_error(
            found[..., _NUMBERS[name]] / PLACE_SCALES[name],
            truth / PLACE_SCALES[name],
            truth.new_ones(()),
        )
        for name, truth in zip(PLACED, placed.unbind(1), strict=True)
    ]
    return torch.stack(errors).sum()


def _unscaled(outputs: torch.Tensor) -> torch.Tensor:
    """Shares (…, shares) from outputs (…, outputs) as they are, not clipped."""
    centre, scale = _centre_and_scale(outputs)
    return outputs[..., : len(SHARES)] * scale + centre


def _centre_and_scale(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    centre, scale = (
        torch.tensor([getattr(target, key) for target in SHARES], device=like.device)
        for key in ("centre", "scale")
    )
    return centre, scale


def _mean_error(found: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean error where the truth is known."""
    known = truth.isfinite()
    errors = functional.smooth_l1_loss(found, truth.where(known, found.detach()), reduction="none")
    weight = known * weights
    return (errors * weight).sum() / weight.sum().clip(min=1)


def split_truths(truths: torch.Tensor) -> Readings:
    """Split the truth (n, targets) into shares scaled as the outputs are, views and devices."""
    shares, view, devices = truths.split([len(SHARES), 1, len(DEVICES)], dim=1)
    centre, scale = _centre_and_scale(truths)
    return Readings((shares - centre) / scale, view[:, 0].long(), devices)


def r_squared(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Share of each column's variance that is explained: (n, columns) twice, gives (columns,).

    NaN in the truth is left out; a column without variance has no R² (NaN).
    """
    known = np.isfinite(truth)
    count = known.sum(axis=0)
    total = np.where(known, truth, 0).sum(axis=0)
    spread = np.where(known, truth - total / np.maximum(count, 1), 0)
    error = np.where(known, predicted - truth, 0)
    variance = (spread**2).sum(axis=0)
    explained = 1 - (error**2).sum(axis=0) / np.where(variance > 0, variance, 1)
    return np.where(variance > 0, explained, np.nan)


def judge(model: SeverityModel, films: FreshFilms, batches: int, workers: int) -> dict[str, Any]:
    """Let a model read films that it has never seen.

    Returns
    -------
    dict
        ``unseen_films``, ``r_squared`` by share, ``r_squared_of_places`` by share, ``auroc`` by
        device, ``view_accuracy``; None where the films do not allow a figure.
    """
    read = list(films.load(0, batches, workers))
    truth = torch.cat([batch.truths for batch in read]).numpy()
    columns = model.predict(torch.cat([batch.films for batch in read]).numpy())
    names = [target.name for target in SHARES]
    explained = r_squared(
        np.column_stack([columns[name] for name in names]), truth[:, : len(names)]
    )
    views = np.column_stack([columns[f"view_{view.replace(' ', '_')}"] for view in VIEWS])
    devices = dict(zip(DEVICES, truth[:, len(names) + 1 :].T, strict=True))
    return {
        "unseen_films": len(truth),
        "r_squared": dict(zip(names, map(_rounded, explained), strict=True)),
        "r_squared_of_places": _judge_places(model.network, read),
        "auroc": {
            name: _rounded(roc_auc_score(present, columns[name.replace(" ", "_")]))
            if len(set(present)) == 2
            else None
            for name, present in devices.items()
        },
        "view_accuracy": _rounded((views.argmax(axis=1) == truth[:, len(names)]).mean()),
    }


def _judge_places(network: nn.Module, read: list[Batch]) -> dict[str, float | None]:
    """R² of the class activation maps over all places of all films."""
    places = Places(network)
    with torch.inference_mode():
        outputs = torch.cat([places(normalise(batch.films)) for batch in read])
    truth = torch.cat([batch.places for batch in read]).movedim(1, -1).flatten(0, 2)
    numbers = [_NUMBERS[name] for name in PLACED]
    found = _unscaled(outputs)[..., numbers].flatten(0, 2)
    explained = r_squared(found.numpy(), truth.numpy())
    return dict(zip(PLACED, map(_rounded, explained), strict=True))


def machine(device: torch.device, threads: int, workers: int) -> str:
    """Describe what a run is computed on, without naming the computer."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.is_file() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    counts = {"core": os.cpu_count(), "thread": threads, "drawing process": workers}
    words = ", ".join([processor, *(_counted(count, name) for name, count in counts.items())])
    return f"{torch.cuda.get_device_name(device)}; {words}" if device.type == "cuda" else words


def phantoms_version() -> str:
    """First 16 digits of the SHA-256 of the package's code: the phantoms that were learned from."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _counted(count: int | None, name: str) -> str:
    plural = f"{name}es" if name.endswith("s") else f"{name}s"
    return f"{count} {name if count == 1 else plural}"


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
