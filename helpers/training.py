"""Training ResNet18 on films of known and imputed outcome, and predicting with it.

The loop is plain PyTorch. Device, precision and number of processes are Lightning Fabric's: the
same `fit` runs in a notebook and, started by torchrun, on many GPUs and machines:

    torchrun --standalone --nproc-per-node=2 -m helpers.training ieee8023

(docs/many-devices.md has more machines).
"""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.optim import Optimizer
from tqdm.auto import tqdm

from helpers.augmentation import augment
from helpers.models import RiskModel, build_resnet18, choose_start
from helpers.radiographs import Radiographs
from helpers.recipes import CAREFUL, CARELESS, TrainingConfig
from helpers.runs import Run, weights_hash
from helpers.severity import predict_severity
from helpers.stages import AllLayers, Head, Stage, Task
from helpers.training_data import check_labels

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
    "predict",
    "predict_severity",
]


class Fit(NamedTuple):
    """A trained network, as it was at its lowest validation loss, and how it came there.

    ``history`` has a row an epoch: ``stage`` (head, all layers), ``epoch``, ``train_loss``,
    ``validation_loss`` (both a film), ``validation_auroc``, ``seconds``.
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
    checkpoint: str | Path | None = None,
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
        Where to train, launched if it has several processes; by default one device, a GPU if
        there is one. Every process returns the same.
    checkpoint
        File in which every epoch leaves all that is needed to go on. If it is there already, the
        run goes on from it, and ends with the very weights of a run that was never stopped.
    progress
        Show a progress bar.

    Returns
    -------
    Fit
        With the network of the epoch of lowest validation loss.

    Raises
    ------
    ValueError
        If an outcome is missing, validation outcomes are not observed, only one outcome occurs, a
        patient is in both parts, there are more processes than films to share, or the checkpoint
        belongs to another run.
    """
    check_labels(train, validation)
    fabric = fabric or Fabric(devices=1)
    with fabric.rank_zero_first(local=True):  # one process fills the cache, the others find it full
        films, held_out = Radiographs(train, config.size), Radiographs(validation, config.size)
    start = weights_hash(network) if checkpoint else ""
    network = fabric.to_device(copy.deepcopy(network).to(memory_format=torch.channels_last))
    task = Task(network, films, held_out, config, fabric)
    _check_shares(task)
    identity = _identity(task, start) if checkpoint else {}
    run = Run(fabric, config.seed, Path(checkpoint) if checkpoint else None, identity)
    stages: list[tuple[type[Stage], int]] = [(Head, config.head_epochs), (AllLayers, config.epochs)]
    for number, (stage, epochs) in enumerate(stages):
        if epochs and number >= run.stage:
            _learn(number, stage(task), task, run, progress=progress)
    return Fit(network.cpu().eval(), pd.DataFrame(run.history))


def _learn(number: int, stage: Stage, task: Task, run: Run, *, progress: bool) -> None:
    """Train one stage; leave its module as it was at its lowest validation loss."""
    fabric = task.fabric
    module, optimizer = fabric.setup(stage.module, stage.optimizer)
    # After a stage of the head alone, its network is a candidate, too.
    run.begin(number, stage, lambda: _validation(stage, task)[0] if run.history else math.inf)
    total, done = stage.epochs * task.steps, run.epoch * task.steps
    show = progress and fabric.is_global_zero and isinstance(stage, AllLayers)
    with tqdm(total=total, initial=done, desc="Training", unit="step", disable=not show) as bar:
        while run.epoch < stage.epochs and run.waited < stage.patience:
            start, losses = time.perf_counter(), []
            for loss in one_pass(stage, task, module, optimizer, run.generator):
                losses.append(loss)
                bar.update()
            row = _describe(stage, task, torch.stack(losses).sum(), start)
            run.end_epoch(stage, {"stage": stage.name, "epoch": run.epoch + 1, **row})
    run.restore_best(stage.module)


def one_pass(
    stage: Stage, task: Task, module: nn.Module, optimizer: Optimizer, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """Pass once over the training films; yield each step's loss, summed over this process's share.

    Parameters
    ----------
    stage, task
        What learns, from what.
    module, optimizer
        The stage's, as Fabric has set them up.
    generator
        Source of chance, in the same state in all processes.
    """
    fabric = task.fabric
    stage.train_mode()
    for batch in task.batches(generator):
        share = task.share(len(batch))
        logits = module(stage.inputs(batch, share, generator))
        loss = task.loss(logits, task.films.died[batch[share]])
        optimizer.zero_grad()
        # Fabric averages the processes' gradients: this makes them the mean over the whole batch.
        fabric.backward(loss * fabric.world_size / len(batch))
        optimizer.step()
        stage.schedule.step()
        yield loss.detach()


def _describe(stage: Stage, task: Task, lost: torch.Tensor, start: float) -> dict[str, float]:
    """Describe an epoch by what it lost and by what it made of the validation films."""
    fabric = task.fabric
    if fabric.world_size > 1 and not task.config.freeze_statistics:
        for buffer in stage.module.buffers():  # moving statistics are the first process's
            torch.distributed.broadcast(buffer, src=0)
    loss, auroc = _validation(stage, task)
    return {
        "train_loss": task.summed(lost).item() / len(task.films),
        "validation_loss": loss,
        "validation_auroc": auroc,
        "seconds": time.perf_counter() - start,
    }


def _validation(stage: Stage, task: Task) -> tuple[float, float]:
    """Mean loss and AUROC of the validation films."""
    logits, died = stage.judge(), task.held_out.died
    loss = task.loss(logits, died).item() / len(died)
    return loss, float(roc_auc_score(died, logits[:, 0].cpu()))


def _identity(task: Task, start: str) -> dict[str, Any]:
    """Say all that decides what a run ends with, up to rounding."""
    moving = not task.config.freeze_statistics  # then each process normalises by its own share
    return {
        "settings": asdict(task.config),
        "starting weights": start,
        "training films": task.films.sha256(),
        "validation films": task.held_out.sha256(),
        "precision": task.fabric.strategy.precision.precision,
        "number of processes": task.fabric.world_size if moving else None,
    }


def _check_shares(task: Task) -> None:
    """Refuse more processes than there are films in a batch, or validation films."""
    fewest = min(len(task.films) // task.steps, len(task.held_out))
    if fewest < task.fabric.world_size:
        raise ValueError(
            f"{task.fabric.world_size} processes cannot share {fewest} films, the fewest of a "
            "batch or of validation. Use fewer processes, or larger batches."
        )


def predict(model: RiskModel, cohort: pd.DataFrame) -> pd.DataFrame:
    """Predict the risk of death of each film.

    Returns
    -------
    pandas.DataFrame
        The cohort with the columns ``logit`` and ``risk`` (calibrated, in [0, 1]).
    """
    films = Radiographs(cohort, model.size)
    logits = np.concatenate([model.logits(chunk) for chunk in films.chunks()])
    return cohort.assign(logit=logits, risk=model.calibrate(logits))


if __name__ == "__main__":
    from helpers.launch import main

    main()
