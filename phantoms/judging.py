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
from torch.nn import functional

from helpers.severity import DEVICES, SHARES, VIEWS, Readings, SeverityModel, split_outputs

from .fresh_films import FreshFilms

SHARE_WEIGHTS = {"opaque_share": 4.0}  # in the loss; 1 for every other share
VIEW_WEIGHT, DEVICE_WEIGHT = 0.25, 1.0


def loss(outputs: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
    """Compare outputs (n, outputs) with the truth (n, targets); what is NaN is left out."""
    readings, truth = split_outputs(outputs.float()), split_truths(truths)
    known = truth.shares.isfinite()
    weights = [SHARE_WEIGHTS.get(target.name, 1.0) for target in SHARES]
    weight = known * torch.tensor(weights, device=known.device)
    errors = functional.smooth_l1_loss(
        readings.shares, truth.shares.where(known, readings.shares.detach()), reduction="none"
    )
    return (
        (errors * weight).sum() / weight.sum().clip(min=1)
        + VIEW_WEIGHT * functional.cross_entropy(readings.view, truth.view)
        + DEVICE_WEIGHT
        * functional.binary_cross_entropy_with_logits(readings.devices, truth.devices)
    )


def split_truths(truths: torch.Tensor) -> Readings:
    """Split the truth (n, targets) into shares scaled as the outputs are, views and devices."""
    shares, view, devices = truths.split([len(SHARES), 1, len(DEVICES)], dim=1)
    centre, scale = (
        torch.tensor([getattr(target, key) for target in SHARES], device=truths.device)
        for key in ("centre", "scale")
    )
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
        ``unseen_films``, ``r_squared`` by share, ``auroc`` by device, ``view_accuracy``; None where
        the films do not allow a figure.
    """
    pairs = [
        (model.predict(batch.numpy()), truth.numpy())
        for batch, truth in films.load(0, batches, workers)
    ]
    truth = np.concatenate([part for _, part in pairs])
    columns = {name: np.concatenate([table[name] for table, _ in pairs]) for name in pairs[0][0]}
    names = [target.name for target in SHARES]
    explained = r_squared(
        np.column_stack([columns[name] for name in names]), truth[:, : len(names)]
    )
    views = np.column_stack([columns[f"view_{view.replace(' ', '_')}"] for view in VIEWS])
    devices = dict(zip(DEVICES, truth[:, len(names) + 1 :].T, strict=True))
    return {
        "unseen_films": len(truth),
        "r_squared": dict(zip(names, map(_rounded, explained), strict=True)),
        "auroc": {
            name: _rounded(roc_auc_score(present, columns[name.replace(" ", "_")]))
            if len(set(present)) == 2
            else None
            for name, present in devices.items()
        },
        "view_accuracy": _rounded((views.argmax(axis=1) == truth[:, len(names)]).mean()),
    }


def machine(device: torch.device, threads: int, workers: int) -> str:
    """Describe what a run is computed on, without naming the computer."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.is_file() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    words = f"{processor}, {os.cpu_count()} cores, {threads} threads, {workers} drawing processes"
    return f"{torch.cuda.get_device_name(device)}; {words}" if device.type == "cuda" else words


def phantoms_version() -> str:
    """First 16 digits of the SHA-256 of the package's code: the phantoms that were learned from."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
