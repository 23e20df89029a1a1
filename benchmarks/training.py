"""How fast training goes: against its own limit, against fastai and Pillow, and in two processes.

    .venv/bin/python -m benchmarks.training [--films 160] [--rounds 5] [--sizes 128 224]

Films are those of ieee8023 as published (PNG and JPEG of any size). In each round every contender
passes once over the same films in batches of 32, one after the other and in turn the other way
round, so that a slow minute of the machine hits all. The ratio is that of a round's two times; its
median over the rounds is judged, with the lowest and the highest beside it. Takes about twenty
minutes on two cores that do nothing else.

fastai is no part of the environment, because it would bring many packages that nothing else here
uses. Put it beside the environment and name the place; otherwise its rows say that it is missing:

    .venv/bin/uv pip install --no-deps --target data/work/fastai fastai fastcore fastdownload \
        "fastprogress<1.1" fasttransform "plum-dispatch<2.10" beartype rich
    PYTHONPATH=data/work/fastai .venv/bin/python -m benchmarks.training
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd
import torch

from benchmarks.processes import compare_processes, train_in_child
from benchmarks.training_peers import FASTAI_MISSING, contenders
from helpers.cohorts import load_cohort
from helpers.reporting import markdown_table

CACHE, MEMORY = "the cache (this series)", "tensors in memory"
WANTED_OF_MEMORY = 0.95
WANTED_OF_PEERS = {128: 1.5, 224: 1.0}  # px: times the throughput


def main() -> None:
    """Time, and print three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 224])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    films = load_films(options.films)
    if options.child:
        train_in_child(films, options.child, options.seed, *options.sizes)
        return
    print(f"{len(films)} films, {options.rounds} rounds, {torch.get_num_threads()} threads.")
    if FASTAI_MISSING:
        print(f"fastai is left out: {FASTAI_MISSING}")
    for size in options.sizes:
        seconds = interleave(films, size, options.rounds)
        shown = markdown_table(throughput(seconds, len(films)))
        print(f"\n## {size} px\n\n{shown}\n\n{verdict(seconds, size)}")
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows, sentence = compare_processes(Path(folder), options.films, size)
        print(f"\n## Two processes of one thread, one of two, {size} px\n")
        print(f"{markdown_table(rows)}\n\n{sentence}")


def load_films(number: int) -> pd.DataFrame:
    """Films of ieee8023 with an observed outcome, filled up with others called survivors."""
    cohort = load_cohort("ieee8023")
    order = cohort["label_source"].ne("observed").sort_values(kind="stable").index
    films = cohort.loc[order].head(number).reset_index(drop=True)
    if len(films) < number:
        raise SystemExit(f"There are only {len(films)} films; ask for fewer with --films.")
    return films.assign(died=films["died"].fillna(False), label_source="observed")


def interleave(films: pd.DataFrame, size: int, rounds: int) -> pd.DataFrame:
    """Seconds of a pass over the films: a row a round, a column a contender."""
    passes = contenders(films, size)
    for one_pass in passes.values():  # not counted: the cache is filled, files are in memory
        one_pass()
    rows = []
    for number in range(rounds):
        order = list(passes)[:: -1 if number % 2 else 1]
        rows.append({name: passes[name]() for name in order})
    return pd.DataFrame(rows)[list(passes)]


def throughput(seconds: pd.DataFrame, films: int) -> pd.DataFrame:
    """Films a second of each contender, and the cache's speed over theirs."""
    ratios = seconds.div(seconds[CACHE], axis=0)
    return pd.DataFrame(
        {
            "films from": seconds.columns,
            "films a second": [f"{films / value:.1f}" for value in seconds.median()],
            "the cache is faster by": [spread(ratios[name]) for name in ratios],
        }
    )


def spread(ratios: pd.Series) -> str:
    """Median of the rounds' ratios, and their range."""
    return f"{ratios.median():.2f} × ({ratios.min():.2f}–{ratios.max():.2f})"


def verdict(seconds: pd.DataFrame, size: int) -> str:
    """Hold the medians against what is wanted."""
    ratios = seconds.div(seconds[CACHE], axis=0).median()
    of_memory = ratios[MEMORY]
    peers = ratios.drop([CACHE, MEMORY])
    wanted = WANTED_OF_PEERS.get(size, 1.0)
    return "\n".join(
        [
            f"* of the throughput from memory: {of_memory:.2f}, wanted {WANTED_OF_MEMORY}: "
            f"{met(of_memory >= WANTED_OF_MEMORY)}",
            *(
                f"* against {name}: {ratio:.2f} ×, wanted {wanted} ×: {met(ratio >= wanted)}"
                for name, ratio in peers.items()
            ),
        ]
    )


def met(good: bool) -> str:
    """Say it in words."""
    return "met" if good else "**missed**"


if __name__ == "__main__":
    main()
