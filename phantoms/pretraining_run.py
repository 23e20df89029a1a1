"""A run of pretraining: how it learns, all that changes from step to step, and its checkpoints."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from helpers.radiographs import normalise
from helpers.severity import COLUMNS, SeverityModel
from helpers.starts import resnet18

from .fresh_films import Batch
from .judging import loss, phantoms_version
from .places import Places

WARM_UP, DECAY = 200, 0.3  # steps of rising rate; share of all steps with falling rate
_PARTS = ("network", "average", "optimizer")
_NUMBERS = ("step", "seconds", "history", "versions")


@dataclass(frozen=True)
class PretrainingConfig:
    """How the network learns; a run can be resumed with other `films`, but with nothing else.

    Attributes
    ----------
    films
        Phantoms to learn from, each seen once.
    size
        Side of the films in px.
    batch
        Films a step.
    rate
        Learning rate between the rise at first and the fall at the end.
    weight_decay
        Of AdamW.
    averaging
        Share of the averaged weights that a step leaves as it was.
    seed
        Of the films and of the first weights.
    start
        SHA-256 of the weights of an earlier network that it goes on from; empty for random ones.
    """

    films: int = 90_000
    size: int = 128
    batch: int = 64
    rate: float = 1e-3
    weight_decay: float = 0.02
    averaging: float = 0.995
    seed: int = 0
    start: str = ""

    @property
    def steps(self) -> int:
        """Number of batches."""
        return -(-self.films // self.batch)

    @property
    def plateau_end(self) -> int:
        """Step from which the rate falls; up to there, a longer run is the same run."""
        return self.steps - round(DECAY * self.steps)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: it rises, stays, and falls to zero."""
        fall = (self.steps - step) / max(self.steps - self.plateau_end, 1)
        return self.rate * min(1.0, (step + 1) / WARM_UP, fall)


class Run:
    """All that changes from step to step, and its place on disk."""

    def __init__(
        self,
        config: PretrainingConfig,
        fabric: Fabric,
        checkpoint: Path,
        start: SeverityModel | None,
    ) -> None:
        self.config, self.fabric, self.checkpoint = config, fabric, checkpoint
        self.network = resnet18(len(COLUMNS), seed=config.seed)
        if start is not None:
            self.network.load_state_dict(start.network.state_dict())
        self.network.to(memory_format=torch.channels_last)
        optimizer: Any = torch.optim.AdamW(
            self.network.parameters(), lr=config.rate, weight_decay=config.weight_decay
        )
        self.places, self.optimizer = fabric.setup(Places(self.network), optimizer)
        self.average = AveragedModel(self.network, multi_avg_fn=self._update, use_buffers=True)
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        self.versions = [phantoms_version()]  # of the phantoms that were learned from

    def learn(self, batch: Batch) -> tuple[float, torch.Tensor]:
        """Take one step; return its loss and the outputs."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate_at(self.step)
        films = normalise(self.fabric.to_device(batch.films))
        places = self.places(films.contiguous(memory_format=torch.channels_last))
        truths, placed = self.fabric.to_device((batch.truths, batch.places))
        error = loss(places, truths, placed)
        self.optimizer.zero_grad()
        self.fabric.backward(error)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return error.item(), places.detach().float().mean(dim=(1, 2)).cpu()

    def save(self, path: Path) -> None:
        """Store everything under a temporary name, then rename."""
        partial = path.with_name(f"{path.name}.part")
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        torch.save({"config": asdict(self.config), **numbers, **parts}, partial)
        partial.replace(path)

    def load(self) -> None:
        """Go on where a run was stopped; a run of another length, from before its rate fell."""
        state = _read_checkpoint(self.checkpoint, self.config)
        before = PretrainingConfig(**state["config"])
        if before.films != self.config.films and state["step"] > before.plateau_end:
            state = _read_checkpoint(plateau_file(self.checkpoint), self.config)
        if state["step"] > self.config.steps:
            seen = state["step"] * self.config.batch
            raise ValueError(
                f"The run has seen {seen} films, so it cannot end after {self.config.films}."
            )
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        for name in _NUMBERS:
            setattr(self, name, state[name])
        if phantoms_version() not in self.versions:
            self.versions.append(phantoms_version())

    def _update(self, averaged: Any, current: Any, count: torch.Tensor | int) -> None:
        """Average over few steps at first, or the first weights would stay for long."""
        decay = min(self.config.averaging, (1 + int(count)) / (10 + int(count)))
        get_ema_multi_avg_fn(decay)(averaged, current, count)


def plateau_file(checkpoint: Path) -> Path:
    """Where a run is kept as it was before its rate fell."""
    return checkpoint.with_name(f"{checkpoint.stem}-plateau{checkpoint.suffix}")


def _read_checkpoint(path: Path, config: PretrainingConfig) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path.name} to resume: start without --resume.")
    state = torch.load(path, weights_only=True, map_location="cpu")
    before = PretrainingConfig(**state["config"])
    if replace(before, films=config.films) != config:
        raise ValueError(
            f"{path.name} belongs to a run with {before}, which differs in more than its films "
            f"from {config}. Resume with the same settings."
        )
    return state
