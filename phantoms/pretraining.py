"""Teaches a network to read phantom radiographs: ``python -m phantoms.pretraining [--resume]``.

Every film is drawn once and never seen again, so there is nothing to learn by heart. A film
depends only on the seed and its number: batches are the same with any number of workers, and a run
that was stopped goes on with the films that it would have seen. Nothing else is random.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from tqdm.auto import tqdm

from helpers.paths import PROJECT
from helpers.severity import SHARES, SeverityModel, split_outputs
from helpers.starts import PHANTOM_START

from .fresh_films import TRAINING, UNSEEN, Draw, FreshFilms
from .judging import judge, machine, r_squared, split_truths
from .pretraining_run import PretrainingConfig, Run, plateau_file

WINDOW = 50  # steps summed up in a line of history
CHECKPOINT_EVERY = 120.0  # seconds
CHECKPOINTS = PROJECT / "data" / "work" / "pretraining"


class Pretrained(NamedTuple):
    """The averaged network, what it took, and what it learned from.

    ``history`` has a line every ``WINDOW`` steps, ``versions`` the code of the phantoms in use: one
    unless a run was resumed with other phantoms.
    """

    network: nn.Module
    seconds: float
    history: list[dict[str, float]]
    versions: list[str]


def pretrain(
    config: PretrainingConfig,
    checkpoint: Path,
    *,
    start: SeverityModel | None = None,
    fabric: Fabric | None = None,
    workers: int = 0,
    resume: bool = False,
    progress: bool = True,
    draw: Draw | None = None,
) -> Pretrained:
    """Teach a network to read phantoms.

    Parameters
    ----------
    config
        How it learns.
    checkpoint
        File in which the run is kept, every two minutes.
    start
        Earlier network to go on from, with a rate that rises anew; by default random weights.
    fabric
        Where to train; one device, a GPU if there is one, by default.
    workers
        Processes that draw films; 0 draws them in this one.
    resume
        Go on from the checkpoint.
    progress
        Show a progress bar.
    draw
        What draws the films, as :class:`phantoms.fresh_films.FreshFilms` takes it.

    Raises
    ------
    FileExistsError
        If there is a checkpoint, and it is not to be resumed.
    FileNotFoundError, ValueError
        If there is none to resume, or it belongs to another configuration or has seen more films,
        or if `start` learned from films of the same seed.
    """
    if checkpoint.exists() and not resume:
        raise FileExistsError(
            f"{checkpoint.name} holds an earlier run. Go on from it with --resume, or remove it."
        )
    if start is not None and start.card["config"]["seed"] == config.seed:
        raise ValueError(
            f"The earlier network learned from the films of seed {config.seed}. It would see them "
            "again: choose another --seed."
        )
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    run = Run(config, fabric or Fabric(devices=1), checkpoint, start)
    if resume:
        run.load()
    _learn_all(run, workers, progress, draw)
    return Pretrained(run.average.module.cpu().eval(), run.seconds, run.history, run.versions)


def _learn_all(run: Run, workers: int, progress: bool, draw: Draw | None) -> None:
    config = run.config
    batches = FreshFilms(config.size, config.batch, config.seed, TRAINING, draw)
    run.places.train()
    seen, since, saved = [], time.perf_counter(), time.perf_counter()
    bar = tqdm(
        total=config.steps * config.batch,
        initial=run.step * config.batch,
        unit="film",
        mininterval=5,
        disable=not progress,
    )
    for batch in batches.load(run.step, config.steps, workers):
        error, outputs = run.learn(batch)
        seen.append((error, outputs, batch.truths))
        bar.update(config.batch)
        if run.step == config.plateau_end:
            run.save(plateau_file(run.checkpoint))
        if run.step % WINDOW == 0 or run.step == config.steps:
            now = time.perf_counter()
            run.seconds, since = run.seconds + now - since, now
            run.history.append({"films": run.step * config.batch, **_summary(seen)})
            bar.set_postfix(run.history[-1], refresh=False)
            seen = []
            if now - saved >= CHECKPOINT_EVERY or run.step == config.steps:
                run.save(run.checkpoint)
                saved = now
    bar.close()


def _summary(seen: list[tuple[float, torch.Tensor, torch.Tensor]]) -> dict[str, float]:
    """Mean loss and R² of a window of steps, each before the network learned from it."""
    predicted = torch.cat([split_outputs(outputs).shares for _, outputs, _ in seen])
    truth = torch.cat([split_truths(truths).shares for _, _, truths in seen])
    explained = r_squared(predicted.float().numpy(), truth.numpy())
    total = [target.name for target in SHARES].index("opaque_share")
    return {
        "loss": round(float(np.mean([error for error, _, _ in seen])), 4),
        "r2_opaque_share": round(float(explained[total]), 4),
        "r2_mean": round(float(np.nanmean(explained)), 4),
    }


def make_start(
    trained: Pretrained, config: PretrainingConfig, *, unseen: int, workers: int, **card: Any
) -> SeverityModel:
    """Round the weights to half precision, let them read unseen phantoms, and write the card."""
    for value in trained.network.state_dict().values():
        if value.is_floating_point():
            value.copy_(value.half().float())
    model = SeverityModel(trained.network, config.size)
    films = FreshFilms(config.size, config.batch, config.seed, UNSEEN)
    model.card = {
        **card,
        "films": config.steps * config.batch,
        "seconds": round(trained.seconds),
        "config": asdict(config),
        "phantoms_versions": trained.versions,
        **judge(model, films, -(-unseen // config.batch), workers),
        "real_films": None,  # zero-shot figures: benchmarks add them
        "history": trained.history,
    }
    return model


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, teach, judge, store."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parse(arguments)
    start = SeverityModel.load(options.start) if options.start else None
    config = PretrainingConfig(
        options.films,
        options.size,
        options.batch,
        options.rate,
        seed=options.seed,
        start=start.card["weights_sha256"] if start else "",
    )
    torch.set_num_threads(options.threads)
    fabric = Fabric(devices=1, precision=options.precision)
    checkpoint = CHECKPOINTS / f"{options.out.stem}.pt"
    trained = pretrain(
        config,
        checkpoint,
        start=start,
        fabric=fabric,
        workers=options.workers,
        resume=options.resume,
    )
    model = make_start(
        trained,
        config,
        unseen=options.unseen,
        workers=options.workers,
        command=_command(arguments),
        machine=machine(fabric.device, options.threads, options.workers),
        precision=options.precision,
        earlier=_earlier(start) if start else None,
    )
    path = model.save(options.out)
    total = model.card["r_squared"]["opaque_share"]
    print(f"{path.name}: R² of the opaque share {total} on {model.card['unseen_films']} films")


def _earlier(start: SeverityModel) -> dict[str, Any]:
    """Keep from the card of an earlier network what says how it was made."""
    kept = ("weights_sha256", "command", "films", "seconds", "config", "phantoms_versions")
    return {name: start.card[name] for name in kept} | {"earlier": start.card.get("earlier")}


def _command(arguments: list[str]) -> str:
    """Say what makes the same weights in one go, however often the run was resumed."""
    words = [word for word in arguments if word != "--resume"]
    return shlex.join(["python", "-m", "phantoms.pretraining", *words])


def _parse(arguments: list[str]) -> argparse.Namespace:
    cores, default = os.cpu_count() or 1, PretrainingConfig()
    parser = argparse.ArgumentParser(prog="python -m phantoms.pretraining", description=__doc__)
    parser.add_argument("--films", type=int, default=default.films, help="to learn from")
    parser.add_argument("--unseen", type=int, default=2_000, help="films to judge by")
    parser.add_argument("--size", type=int, default=default.size, help="side of the films, px")
    parser.add_argument("--batch", type=int, default=default.batch, help="films a step")
    parser.add_argument("--rate", type=float, default=default.rate, help="learning rate")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    parser.add_argument("--workers", type=int, default=max(cores - 1, 1), help="that draw films")
    parser.add_argument("--threads", type=int, default=1, help="that train on a processor")
    parser.add_argument("--start", type=Path, help="weights of an earlier network to go on from")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--out", type=Path, default=PHANTOM_START, help="safetensors file to make")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
