"""The two stages of training: what learns, from which inputs, and how fast."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.lr_scheduler import ConstantLR, OneCycleLR

from helpers.augmentation import change, draw_changes
from helpers.models import PREDICTION_BATCH, in_batches
from helpers.radiographs import Radiographs, normalise
from helpers.recipes import TrainingConfig

# From the film to the head: while all layers learn, each block may have its own rate.
BLOCKS = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",), ("fc",))


@dataclass
class Task:
    """What stays the same from stage to stage, and how processes share it.

    Every process draws the same random numbers for the whole batch and works on its share of the
    films, so that a run takes the same steps on one process and on many, up to rounding. Batch norm
    is the one exception: while its statistics move, a process normalises by its own share.
    """

    network: nn.Module
    films: Radiographs
    held_out: Radiographs
    config: TrainingConfig
    fabric: Fabric

    @property
    def steps(self) -> int:
        """Number of batches an epoch."""
        return math.ceil(len(self.films) / self.config.batch_size)

    def batches(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """Yield the places of the training films in random order, in batches of nearly equal size.

        Equal, because batch norm cannot take a last batch of one film, nor is it fair to that film
        that it makes a step of its own.
        """
        yield from torch.randperm(len(self.films), generator=generator).tensor_split(self.steps)

    def share(self, n: int) -> slice:
        """Say which of n films are this process's."""
        rank, processes = self.fabric.global_rank, self.fabric.world_size
        return slice(n * rank // processes, n * (rank + 1) // processes)

    @cached_property
    def death_weight(self) -> torch.Tensor | None:
        """Survivors / deaths of the training films, where the configuration weighs deaths."""
        deaths = self.films.died.sum()
        weight = (len(self.films) - deaths) / deaths
        return self.fabric.to_device(weight) if self.config.class_weights else None

    def loss(self, logits: torch.Tensor, died: torch.Tensor) -> torch.Tensor:
        """Sum the log losses of logits (n, 1)."""
        return functional.binary_cross_entropy_with_logits(
            logits[:, 0].float(),
            self.fabric.to_device(died),
            pos_weight=self.death_weight,
            reduction="sum",
        )

    def outputs(self, films: Radiographs) -> torch.Tensor:
        """Apply the network in evaluation mode to all films: (n, outputs), on the device."""
        places = torch.arange(len(films))[self.share(len(films))]
        mine = [
            batch
            for chunk in places.split(PREDICTION_BATCH)
            for batch in in_batches(self.network, films.batch(chunk))
        ]
        together = torch.zeros(len(films), mine[0].shape[1])
        together[places] = torch.cat(mine)
        # Each film is zero in all processes but one, so that the sum is exact.
        return self.summed(self.fabric.to_device(together))

    def summed(self, mine: torch.Tensor) -> torch.Tensor:
        """Sum a tensor over the processes."""
        return cast(torch.Tensor, self.fabric.all_reduce(mine, reduce_op="sum"))


class Head:
    """The last layer alone, on features that are computed once."""

    name = "head"

    def __init__(self, task: Task) -> None:
        config = task.config
        self.epochs, self.patience = config.head_epochs, math.inf
        self.module = task.network.get_submodule("fc")
        self.optimizer = AdamW(
            self.module.parameters(),
            lr=config.head_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.schedule = ConstantLR(self.optimizer, factor=1)
        task.network.set_submodule("fc", nn.Identity())
        self._features = task.outputs(task.films)
        self._held_out = task.outputs(task.held_out)
        task.network.set_submodule("fc", self.module)

    def train_mode(self) -> None:
        """Get ready for an epoch."""
        self.module.train()

    def inputs(self, batch: torch.Tensor, share: slice, generator: torch.Generator) -> torch.Tensor:
        """Features of this process's share of a batch, float32 (n, 512)."""
        return self._features[batch[share]]

    def judge(self) -> torch.Tensor:
        """Logits of the validation films, float32 (n, 1)."""
        with torch.no_grad():
            return self.module(self._held_out)


class AllLayers:
    """The whole network, on films that are changed a little each time."""

    name = "all layers"

    def __init__(self, task: Task) -> None:
        config = task.config
        self.epochs, self.patience = config.epochs, config.patience
        self.module, self._task = task.network, task
        groups = layer_groups(task.network, config.rate, config.layer_decay)
        self.optimizer = AdamW(groups, weight_decay=config.weight_decay, fused=True)
        rates = [group["lr"] for group in groups]
        self.schedule = OneCycleLR(self.optimizer, rates, total_steps=self.epochs * task.steps)

    def train_mode(self) -> None:
        """Get ready for an epoch; frozen batch norms stay as they are while predicting."""
        self.module.train()
        if self._task.config.freeze_statistics:
            for module in self.module.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def inputs(self, batch: torch.Tensor, share: slice, generator: torch.Generator) -> torch.Tensor:
        """Films of this process's share of a batch, changed, float32 (n, 1, size, size)."""
        changes = draw_changes(len(batch), generator)[share]
        films = self._task.fabric.to_device(self._task.films.batch(batch[share]))
        return change(normalise(films), changes).contiguous(memory_format=torch.channels_last)

    def judge(self) -> torch.Tensor:
        """Logits of the validation films, float32 (n, 1)."""
        return self._task.outputs(self._task.held_out)


Stage = Head | AllLayers


def layer_groups(network: nn.Module, rate: float, decay: float) -> list[dict]:
    """Group a ResNet18's parameters by block; each learns `decay` times as fast as the next one.

    Returns
    -------
    list of dict
        From the film to the head, with ``params`` and ``lr``; the head learns at `rate`.
    """
    groups = []
    for depth, names in enumerate(reversed(BLOCKS)):
        modules = [network.get_submodule(name) for name in names]
        parameters = [value for module in modules for value in module.parameters()]
        groups.append({"params": parameters, "lr": rate * decay**depth})
    return groups[::-1]
