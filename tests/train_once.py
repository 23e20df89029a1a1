"""Trains on an easy cohort in a process of its own, for tests that kill it or start two.

    python tests/train_once.py FOLDER [--kill-step N | --kill-write N]
                                      [--move-statistics | --plain-steps]

It kills itself by SIGKILL, which no handler can catch, as it is about to prepare batch N, or with
checkpoint N written but not yet renamed.
"""

import argparse
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from films import easy_cohort

from helpers import radiographs, stages
from helpers.cache import FilmCache
from helpers.launch import launched_fabric
from helpers.models import build_resnet18
from helpers.recipes import TrainingConfig
from helpers.runs import weights_hash
from helpers.training import Fit, fit

# 3 batches of 6 or 7 films an epoch, which two processes cannot halve evenly.
CONFIG = TrainingConfig(
    size=32,
    head_epochs=2,
    epochs=3,
    batch_size=7,
    rate=1e-3,
    layer_decay=0.5,
    freeze_statistics=True,
)
PLAIN = replace(CONFIG, rate=0.03)


def prepare(folder: Path) -> Path:
    """Draw the films, before any process trains."""
    for seed, (part, patients) in enumerate({"train": 19, "validation": 9}.items()):
        easy_cohort(folder / part, patients, seed=seed).to_pickle(folder / f"{part}.pkl")
    return folder


def train(folder: Path, config: TrainingConfig = CONFIG) -> Fit:
    """Train with a checkpoint in the folder; on all processes that torchrun started."""
    radiographs.FilmCache = partial(FilmCache, folder=folder / "cache")
    return fit(
        build_resnet18("random"),
        pd.read_pickle(folder / "train.pkl"),
        pd.read_pickle(folder / "validation.pkl"),
        config,
        fabric=launched_fabric(accelerator="cpu"),
        checkpoint=folder / "run.checkpoint",
        progress=False,
    )


def take_plain_steps() -> TrainingConfig:
    """Let steps be as long as gradients are, which AdamW's are not; return how to train so."""
    stages.AdamW = lambda weights, **_: torch.optim.SGD(weights, lr=PLAIN.rate, momentum=0.9)
    return PLAIN


def describe(fitted: Fit) -> dict:
    """Hash of the weights, and all of the history but how long it took."""
    history = fitted.history.drop(columns="seconds").to_dict("list")
    return {"weights": weights_hash(fitted.network), "history": history}


def kill_at(number: int, function: Callable) -> Callable:
    """Wrap a function so that the process kills itself just before its call of this number."""
    calls = iter(range(1, number + 1))

    def wrapped(*arguments):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    return wrapped


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kill-step", type=int)
    parser.add_argument("--kill-write", type=int)
    parser.add_argument("--move-statistics", action="store_true", help="of batch norm")
    parser.add_argument("--plain-steps", action="store_true", help="of gradient descent")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.kill_step:
        stages.change = kill_at(options.kill_step, stages.change)
    if options.kill_write:
        Path.replace = kill_at(options.kill_write, Path.replace)
    # Without a head alone, whose statistics stand still and whose network may be the best.
    config = CONFIG
    if options.move_statistics:
        config = replace(CONFIG, freeze_statistics=False, head_epochs=0)
    if options.plain_steps:
        config = take_plain_steps()
    fitted = train(options.folder, config)
    rank = os.environ.get("RANK", "0")
    (options.folder / f"weights-{rank}.txt").write_text(weights_hash(fitted.network))
    if rank == "0":
        (options.folder / "result.json").write_text(json.dumps(describe(fitted)))


if __name__ == "__main__":
    main()
