"""Two processes of one thread, started by torchrun, against one process of two threads."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.launch import launched_fabric
from helpers.models import build_resnet18
from helpers.recipes import TrainingConfig
from helpers.splits import split_patients
from helpers.training import fit

ROUNDS = 3  # each with a seed of its own
WANTED = 0.85
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
WAYS = {"one process, two threads": ([], "2"), "two processes, one thread": (TORCHRUN, "1")}
CONFIG = TrainingConfig(epochs=4, rate=1e-4, freeze_statistics=True, patience=99)


def train_in_child(films: pd.DataFrame, out: Path, seed: int, size: int) -> None:
    """Train as one of the processes that torchrun started; the first stores the history."""
    fabric = launched_fabric(accelerator="cpu")
    films = split_patients(films, sizes={"train": 0.75, "validation": 0.25})
    train, validation = (films[films["part"] == part] for part in ("train", "validation"))
    config = replace(CONFIG, seed=seed, size=size)
    network = build_resnet18("phantom", seed=seed)
    history = fit(network, train, validation, config, fabric=fabric, progress=False).history
    if fabric.is_global_zero:
        history.assign(films=len(train)).to_csv(out, index=False)


def compare_processes(folder: Path, films: int, size: int) -> tuple[pd.DataFrame, str]:
    """Run both ways in turn with a few seeds; compare throughput and what they end with."""
    asked = ["--films", films, "--sizes", size]
    histories = {
        (name, seed): _run(launcher, threads, folder / f"{threads}-{seed}.csv", seed, asked)
        for seed in range(ROUNDS)
        for name, (launcher, threads) in WAYS.items()
    }
    # The first epoch warms up.
    speeds = {key: _speed(history.iloc[1:]) for key, history in histories.items()}
    ends = {key: history["validation_loss"].iloc[-1] for key, history in histories.items()}
    one, two = (np.array([[speeds[n, s], ends[n, s]] for s in range(ROUNDS)]) for n in WAYS)
    rows = pd.DataFrame(
        {
            "seed": range(ROUNDS),
            "films/s, one process": one[:, 0].round(1),
            "films/s, two": two[:, 0].round(1),
            "ratio": (two[:, 0] / one[:, 0]).round(2),
            "final validation loss, one process": one[:, 1].round(4),
            "final validation loss, two": two[:, 1].round(4),
        }
    )
    ratio = float(np.median(two[:, 0] / one[:, 0]))
    apart, spread = float(np.abs(two[:, 1] - one[:, 1]).max()), float(one[:, 1].std(ddof=1))
    return rows, (
        f"Median ratio {ratio:.2f}, wanted {WANTED}: {'met' if ratio >= WANTED else '**missed**'}. "
        f"With one seed the two ways end at most {apart:.4f} apart; seeds differ by {spread:.4f} "
        f"(standard deviation): {'within' if apart <= spread else '**outside**'} the seed spread."
    )


def _speed(history: pd.DataFrame) -> float:
    return float(history["films"].sum() / history["seconds"].sum())


def _run(launcher: list[str], threads: str, out: Path, seed: int, asked: list) -> pd.DataFrame:
    child = ["-m", "benchmarks.training", "--child", out, "--seed", seed, *asked]
    command = [sys.executable, *launcher, *child]
    subprocess.run(
        [str(part) for part in command], env={**os.environ, "OMP_NUM_THREADS": threads}, check=True
    )
    return pd.read_csv(out)
