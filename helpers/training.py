"""Training ResNet18 on films of known and imputed outcome, and predicting with it.

The loop is plain PyTorch; Lightning Fabric chooses the device and moves things there.
"""

import copy
import hashlib
import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from helpers.augmentation import augment
from helpers.models import RiskModel, build_resnet18, choose_start, in_batches
from helpers.radiographs import Radiographs, normalise
from helpers.recipes import CAREFUL, CARELESS, TrainingConfig
from helpers.severity import predict_severity
from helpers.splits import check_disjoint

__all__ = [
    "CAREFUL",
    "CARELESS",
    "Fit",
    "RiskModel",
    "TrainingConfig",
    "augment",
    "build_resnet18",
    "choose_start",
    "fit",
    "mean_film",
    "predict",
    "predict_severity",
    "training_data_hash",
]

MEAN_FILM_SIDE = 16  # px; enough to tell a chest from a cat, too little to tell a patient


class Fit(NamedTuple):
    """A trained network, as it was at its lowest validation loss, and how it came there.

    ``history`` has a row an epoch: ``stage`` (head, all layers), ``epoch``, ``train_loss``,
    ``validation_loss``, ``validation_auroc``, ``seconds``.
    """

    network: nn.Module
    history: pd.DataFrame


def fit(
    network: nn.Module,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    config: TrainingConfig,
    *,
    fabric: Fabric | None = None,
    progress: bool = True,
) -> Fit:
    """Train a network to predict death, and stop where validation patients say so.

    Parameters
    ----------
    network
        Of :func:`build_resnet18`, or an already trained one; a copy of it is trained.
    train
        Films with ``died`` observed or imputed.
    validation
        Films of other patients with ``died`` observed.
    config
        How to train.
    fabric
        Where to train; one device, a GPU if there is one, by default.
    progress
        Show a progress bar.

    Returns
    -------
    Fit
        With the network of the epoch of lowest validation loss.

    Raises
    ------
    ValueError
        If an outcome is missing, validation outcomes are not observed, only one outcome occurs,
        or a patient is in both parts.
    """
    _check_labels(train, validation)
    fabric = fabric or Fabric(devices=1)
    task = _Task(
        Radiographs(train, config.size),
        Radiographs(validation, config.size),
        config,
        torch.Generator().manual_seed(config.seed),
    )
    network = fabric.to_device(copy.deepcopy(network).to(memory_format=torch.channels_last))
    epochs = _fit_head(network, task) if config.head_epochs else []
    epochs += _fit_all(network, task, fabric, progress)
    return Fit(network.cpu().eval(), pd.DataFrame(epochs))


def predict(model: RiskModel, cohort: pd.DataFrame) -> pd.DataFrame:
    """Predict the risk of death of each film.

    Returns
    -------
    pandas.DataFrame
        The cohort with the columns ``logit`` and ``risk`` (calibrated, in [0, 1]).
    """
    logits = model.logits(Radiographs(cohort, model.size).images)
    return cohort.assign(logit=logits, risk=model.calibrate(logits))


def training_data_hash(cohort: pd.DataFrame, size: int) -> str:
    """SHA-256 of the films, as the network sees them, and their outcomes, in any order."""
    films = Radiographs(cohort, size)
    parts = zip(films.images, films.died.numpy(), strict=True)
    each = sorted(hashlib.sha256(film.tobytes() + died.tobytes()).digest() for film, died in parts)
    return hashlib.sha256(b"".join(each)).hexdigest()


def mean_film(cohort: pd.DataFrame, size: int) -> list[list[int]]:
    """Mean of a cohort's films, 16 × 16 px in 0–255, by which the panel knows a chest film."""
    mean = torch.tensor(Radiographs(cohort, size).images.mean(axis=0))[None, None]
    small = functional.adaptive_avg_pool2d(mean, MEAN_FILM_SIDE)[0, 0]
    return small.round().int().tolist()


class _Task(NamedTuple):
    """What stays the same from stage to stage."""

    films: Radiographs
    held_out: Radiographs
    config: TrainingConfig
    generator: torch.Generator

    def loss(self, logits: torch.Tensor, died: torch.Tensor) -> torch.Tensor:
        """Log loss of logits (n, 1); deaths weigh more where the configuration says so."""
        deaths = self.films.died.sum()
        weight = (len(self.films) - deaths) / deaths if self.config.class_weights else None
        return functional.binary_cross_entropy_with_logits(
            logits[:, 0],
            died.to(logits.device),
            pos_weight=None if weight is None else weight.to(logits.device),
        )

    def batches(self) -> Iterator[torch.Tensor]:
        """Yield the places of the training films in random order.

        A last batch of one film, which batch norm cannot take, joins the one before it.
        """
        order = torch.randperm(len(self.films), generator=self.generator)
        batches = list(order.split(self.config.batch_size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        yield from batches

    def validation_loss(self, network: nn.Module) -> float:
        """Loss of the validation films."""
        logits = torch.cat(list(in_batches(network, self.held_out.images)))
        return self.loss(logits, self.held_out.died).item()

    def summary(
        self, stage: str, epoch: int, losses: list[float], logits: torch.Tensor, start: float
    ) -> dict:
        """Describe an epoch by what it made of the validation films."""
        return {
            "stage": stage,
            "epoch": epoch + 1,
            "train_loss": float(np.mean(losses)),
            "validation_loss": self.loss(logits, self.held_out.died).item(),
            "validation_auroc": float(roc_auc_score(self.held_out.died, logits[:, 0].cpu())),
            "seconds": time.perf_counter() - start,
        }


def _fit_head(network: nn.Module, task: _Task) -> list[dict]:
    """Train the last layer alone, on features that are computed once."""
    head = cast(nn.Linear, network.fc)
    network.fc = nn.Identity()
    features, held_out_features = (
        torch.cat(list(in_batches(network, films.images))).clone().to(head.weight.device)
        for films in (task.films, task.held_out)
    )
    network.fc = head
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=task.config.head_rate, weight_decay=task.config.weight_decay
    )
    epochs: list[dict] = []
    best = _Best(head, math.inf)
    for epoch in range(task.config.head_epochs):
        start, losses = time.perf_counter(), []
        for batch in task.batches():
            loss = task.loss(head(features[batch]), task.films.died[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.inference_mode():
            logits = head(held_out_features)
        epochs.append(task.summary("head", epoch, losses, logits, start))
        best.update(epochs[-1]["validation_loss"])
    best.restore()
    return epochs


def _fit_all(network: nn.Module, task: _Task, fabric: Fabric, progress: bool) -> list[dict]:
    """Train all layers; leave the network as it was at its lowest validation loss.

    After a stage of the head alone, its network is a candidate, too.
    """
    config = task.config
    optimizer: Any = torch.optim.AdamW(
        network.parameters(), lr=config.rate, weight_decay=config.weight_decay
    )
    steps = config.epochs * math.ceil(len(task.films) / config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.rate, total_steps=max(steps, 1)
    )
    wrapped, optimizer = fabric.setup(network, optimizer)
    epochs: list[dict] = []
    best = _Best(network, task.validation_loss(network) if config.head_epochs else math.inf)
    show = progress and steps > 0
    with tqdm(total=steps, desc="Training", unit="step", disable=not show) as bar:
        for epoch in range(config.epochs):
            start, losses = time.perf_counter(), []
            _train_mode(network, config.freeze_statistics)
            for batch in task.batches():
                films = augment(normalise(task.films.batch(batch)), task.generator)
                films = fabric.to_device(films.contiguous(memory_format=torch.channels_last))
                loss = task.loss(wrapped(films), task.films.died[batch])
                optimizer.zero_grad()
                fabric.backward(loss)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
                bar.update()
            logits = torch.cat(list(in_batches(network, task.held_out.images)))
            epochs.append(task.summary("all layers", epoch, losses, logits, start))
            best.update(epochs[-1]["validation_loss"])
            if best.waited >= config.patience:
                break
    best.restore()
    return epochs


class _Best:
    """Keeps a module's weights at its lowest validation loss."""

    def __init__(self, module: nn.Module, loss: float) -> None:
        self._module, self._lowest = module, loss
        self._weights = copy.deepcopy(module.state_dict())
        self.waited = 0

    def update(self, loss: float) -> None:
        """Compare an epoch with the best before it."""
        self.waited += 1
        if loss < self._lowest:
            self._lowest, self.waited = loss, 0
            self._weights = copy.deepcopy(self._module.state_dict())

    def restore(self) -> None:
        """Put the best weights back."""
        self._module.load_state_dict(self._weights)


def _train_mode(network: nn.Module, freeze_statistics: bool) -> None:
    network.train()
    if freeze_statistics:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def _check_labels(train: pd.DataFrame, validation: pd.DataFrame) -> None:
    for name, part in (("training", train), ("validation", validation)):
        counts = part["died"].value_counts(dropna=False)
        if part["died"].isna().any() or part["died"].nunique() < 2:
            raise ValueError(
                f"The {name} films need both outcomes and no missing one; found {counts.to_dict()}."
            )
    if (validation["label_source"] != "observed").any():
        raise ValueError(
            "Validation outcomes must be observed: an imputed label may teach, but never judge."
        )
    parts = [train.assign(part="train"), validation.assign(part="validation")]
    check_disjoint(pd.concat(parts, ignore_index=True))
