"""Two processes of one thread, started by torchrun, against one process of two threads."""

import os
import subprocess
import sys
from collections.abc import Mapping
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
FINAL = {"validation_loss": "validation loss", "validation_auroc": "validation AUROC"}
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
    return compare(histories)


def compare(histories: Mapping[tuple[str, int], pd.DataFrame]) -> tuple[pd.DataFrame, str]:
    """Set histories of both ways beside each other, by way and seed: a row a seed, and a verdict.

    Both ways count as ending alike if, with one seed, they are no further apart in any of `FINAL`
    than the seeds are from each other.
    """
    seeds = sorted({seed for _, seed in histories})
    one, two = ([histories[name, seed] for seed in seeds] for name in WAYS)
    # The first epoch warms up.
    slow, fast = (np.array([_speed(history.iloc[1:]) for history in way]) for way in (one, two))
    ratio = float(np.median(fast / slow))
    rows = pd.DataFrame(
        {
            "seed": seeds,
            "films/s, one process": slow.round(1),
            "films/s, two": fast.round(1),
            "ratio": (fast / slow).round(2),
        }
    )
    sentences = [
        f"Median ratio {ratio:.2f}, wanted {WANTED}: {'met' if ratio >= WANTED else '**missed**'}."
    ]
    for column, metric in FINAL.items():
        ends = [np.array([history[column].iloc[-1] for history in way]) for way in (one, two)]
        rows[f"final {metric}, one process"], rows[f"final {metric}, two"] = np.round(ends, 4)
        apart, spread = float(np.abs(ends[1] - ends[0]).max()), float(ends[0].std(ddof=1))
        sentences.append(
            f"With one seed the two ways end at most {apart:.4f} apart in {metric}; seeds differ "
            f"by {spread:.4f} (standard deviation): "
            f"{'within' if apart <= spread else '**outside**'} the seed spread."
        )
    return rows, " ".join(sentences)


def _speed(history: pd.DataFrame) -> float:
    return float(history["films"].sum() / history["seconds"].sum())


def _run(launcher: list[str], threads: str, out: Path, seed: int, asked: list) -> pd.DataFrame:
    child = ["-m", "benchmarks.training", "--child", out, "--seed", seed, *asked]
    command = [sys.executable, *launcher, *child]
    subprocess.run(
        [str(part) for part in command], env={**os.environ, "OMP_NUM_THREADS": threads}, check=True
    )
    return pd.read_csv(out)
