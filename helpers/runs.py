"""A training run: all that changes from epoch to epoch, and its checkpoint.

The checkpoint is written under a temporary name and renamed, so that a run that is killed at any
moment finds either the last epoch's or the one before it, whole. It holds the random state too:
what a resumed run ends with is, on the same CPU, bit for bit what it would have ended with. (Of a
GPU some sums are not repeatable, with or without a stop.)
"""

import copy
import hashlib
import math
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from lightning_fabric import Fabric
from torch import nn

from helpers.stages import Stage


class Run:
    """How far a run has come.

    Parameters
    ----------
    fabric
        Where it runs; its first process reads and writes the checkpoint for all.
    seed
        Of the order of films and of the augmentation.
    checkpoint
        File of the checkpoint; None keeps none.
    identity
        What the run is made of: a checkpoint of another run is refused.

    Attributes
    ----------
    stage, epoch : int
        Number of the stage, and epochs of it that are done.
    waited : int
        Epochs since the lowest validation loss.
    history : list of dict
        A row an epoch.
    generator : torch.Generator
        Source of all chance.

    Raises
    ------
    ValueError
        If the checkpoint belongs to another run, or is no checkpoint.
    """

    def __init__(
        self, fabric: Fabric, seed: int, checkpoint: Path | None, identity: Mapping[str, Any]
    ) -> None:
        self.stage = self.epoch = self.waited = 0
        self.history: list[dict[str, Any]] = []
        self.generator = torch.Generator().manual_seed(seed)
        self._lowest, self._best = math.inf, dict[str, torch.Tensor]()
        self._fabric, self._path, self._identity = fabric, checkpoint, dict(identity)
        read = self._read() if fabric.is_global_zero else None
        self._saved: dict[str, Any] | None = fabric.broadcast(read)
        if self._saved is not None:
            self.stage = self._saved["stage"]

    def begin(self, number: int, stage: Stage, loss: Callable[[], float]) -> None:
        """Start a stage, or go on in it if the checkpoint was written there.

        Parameters
        ----------
        number
            The stage's.
        stage
            With the module, optimizer and schedule that are to be restored.
        loss
            Gives the validation loss below which an epoch is better than the stage's start.
        """
        if self._saved is not None and self._saved["stage"] == number:
            self._restore(stage, self._saved)
        else:
            self.stage, self.epoch, self.waited = number, 0, 0
            self._lowest = loss()
            self._best = copy.deepcopy(stage.module.state_dict())
        self._saved = None

    def end_epoch(self, stage: Stage, row: dict[str, Any]) -> None:
        """Note an epoch, keep its weights if they are the best yet, and write the checkpoint."""
        self.epoch += 1
        self.waited += 1
        self.history.append(row)
        if row["validation_loss"] < self._lowest:
            self._lowest, self.waited = row["validation_loss"], 0
            self._best = copy.deepcopy(stage.module.state_dict())
        if self._path is not None and self._fabric.is_global_zero:
            self._write(stage, self._path)

    def restore_best(self, module: nn.Module) -> None:
        """Put the weights of the lowest validation loss back."""
        module.load_state_dict(self._best)

    def _write(self, stage: Stage, path: Path) -> None:
        state = {
            "identity": self._identity,
            "stage": self.stage,
            "epoch": self.epoch,
            "waited": self.waited,
            "history": self.history,
            "lowest": self._lowest,
            "best": self._best,
            "generator": self.generator.get_state(),
            "module": stage.module.state_dict(),
            "optimizer": stage.optimizer.state_dict(),
            "schedule": stage.schedule.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.part")
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def _restore(self, stage: Stage, saved: Mapping[str, Any]) -> None:
        self.epoch, self.waited = saved["epoch"], saved["waited"]
        self.history = saved["history"]
        self._lowest, self._best = saved["lowest"], saved["best"]
        self.generator.set_state(saved["generator"])
        stage.module.load_state_dict(saved["module"])
        stage.optimizer.load_state_dict(saved["optimizer"])
        stage.schedule.load_state_dict(saved["schedule"])
        self._fabric.strategy.precision.load_state_dict(saved["precision"])

    def _read(self) -> dict[str, Any] | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            saved = torch.load(self._path, map_location="cpu", weights_only=True)
            identity = saved["identity"]
        except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"{self._path.name} is no checkpoint of training ({error}). Delete it, or name "
                "another file."
            ) from error
        other = [name for name in self._identity if identity.get(name) != self._identity[name]]
        if other:
            raise ValueError(
                f"{self._path.name} belongs to another run, with other {' and '.join(other)}. "
                "Delete it to start anew, or name another file."
            )
        return saved


def weights_hash(module: nn.Module) -> str:
    """SHA-256 of a module's weights and buffers, as safetensors stores them."""
    state = {name: value.contiguous() for name, value in module.state_dict().items()}
    return hashlib.sha256(safetensors.torch.save(state)).hexdigest()
