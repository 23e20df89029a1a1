"""Training from the command line: one process, or as many as torchrun starts, on any machines."""

import argparse
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import nn

from helpers.finishing import finish_model
from helpers.models import STARTS, RiskModel, build_resnet18
from helpers.paths import is_phantom, profile, work_root
from helpers.readable import SIZES
from helpers.recipes import CAREFUL, CARELESS, TrainingConfig
from helpers.training import fit
from helpers.training_data import load_parts

RECIPES = {"careful": CAREFUL, "careless": CARELESS}
# Weights stay in full precision: the mixed ones compute in half of it where that is safe.
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]

logger = logging.getLogger(__name__)


def launched_fabric(*, accelerator: str = "auto", precision: Precision = "32-true") -> Fabric:
    """Join the processes that torchrun started; without torchrun, take one device.

    Parameters
    ----------
    accelerator
        ``auto`` takes a GPU if there is one; ``cpu``, ``cuda``, ``mps``.
    precision
        ``32-true``, ``bf16-mixed`` or ``16-mixed``.

    Returns
    -------
    lightning_fabric.Fabric
        Launched.

    Raises
    ------
    ValueError
        If machines have different numbers of processes.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes % here:
        raise ValueError(
            f"Every machine needs the same number of processes; found {here} here of {processes} "
            "in all. Start torchrun with the same --nproc-per-node everywhere."
        )
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=processes // here,
        strategy=_shared_gradients() if processes > 1 else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric


def _shared_gradients() -> DDPStrategy:
    """Exchange gradients after every step, and nothing else.

    They lie where they are exchanged, not in a copy. Moving statistics, which a step in training
    mode does not read, are made the same once an epoch (:func:`helpers.training.fit`).
    """
    return DDPStrategy(gradient_as_bucket_view=True, forward_sync_buffers=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on a cohort, calibrate, and store the model.

    A run that was stopped goes on when the same command is given again.
    """
    options = _options(arguments)
    fabric = launched_fabric(accelerator=options.accelerator, precision=options.precision)
    logging.basicConfig(
        level=logging.INFO if fabric.is_global_zero else logging.WARNING, format="%(message)s"
    )
    config = _config(options)
    parts = load_parts(options.cohort, options.size)
    train, validation = parts["train"], parts["validation"]
    out = Path(options.out) if options.out else work_root() / "models" / f"{options.cohort}-trained"
    start, taught_on = _start(options.start, options.seed)
    fitted = fit(
        start,
        train,
        validation,
        config,
        fabric=fabric,
        checkpoint=out.with_name(f"{out.name}.checkpoint"),
    )
    if fabric.is_global_zero:
        logger.info(fitted.history.round(3).to_string(index=False))
        model = finish_model(
            fitted.network,
            train,
            validation,
            config,
            title=f"{options.cohort}, trained on {fabric.world_size} processes",
            start=options.start,
        )
        # The panel says so of a model whose patients nobody was.
        invented = [options.cohort] if is_phantom(options.cohort) else []
        model.card["phantom_cohorts"] = sorted({*taught_on, *invented})
        logger.info("Stored %s", model.save(out))
    fabric.barrier()  # the others wait, or torchrun takes their end for the end


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.training", description="Train on a cohort and store the model."
    )
    parser.add_argument("cohort", choices=["ieee8023", "sbu"])
    parser.add_argument(
        "--start", default="phantom", help=f"{', '.join(STARTS)}, or the file of a stored model"
    )
    parser.add_argument("--recipe", choices=list(RECIPES), default="careful")
    parser.add_argument("--size", type=side, help="px; by default the profile's")
    parser.add_argument(
        "--epochs", type=whole_number, help="of all layers; by default the recipe's"
    )
    parser.add_argument(
        "--batch-size", type=positive_number, help="films a step, of all processes together"
    )
    parser.add_argument("--seed", type=whole_number, default=0)
    parser.add_argument("--no-class-weights", action="store_true")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--precision", choices=get_args(Precision), default="32-true")
    parser.add_argument("--out", help="the model to be stored, without suffix")
    options = parser.parse_args(arguments)
    if options.epochs == 0 and not RECIPES[options.recipe].head_epochs:
        parser.error(f"with --epochs 0 the recipe {options.recipe} teaches nothing; give 1 or more")
    return options


def whole_number(word: str) -> int:
    """Read a number of the command line that is 0 or more."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, got {word}")
    return int(word)


def positive_number(word: str) -> int:
    """Read a number of the command line that is 1 or more."""
    if (number := whole_number(word)) == 0:
        raise argparse.ArgumentTypeError("expected 1 or more, got 0")
    return number


def side(word: str) -> int:
    """Read a side of films that the finer heat map can be drawn for."""
    if (number := positive_number(word)) % 32:
        raise argparse.ArgumentTypeError(f"expected a multiple of 32, got {number}")
    return number


def _config(options: argparse.Namespace) -> TrainingConfig:
    config = replace(
        RECIPES[options.recipe],
        size=options.size or SIZES[profile()],
        seed=options.seed,
        class_weights=not options.no_class_weights,
    )
    if options.epochs is not None:
        config = replace(config, epochs=options.epochs)
    if options.batch_size is not None:
        config = replace(config, batch_size=options.batch_size)
    return config


def _start(name: str, seed: int) -> tuple[nn.Module, list[str]]:
    """Network to begin with, and the phantom cohorts that a stored one has learned from."""
    if name in STARTS:
        return build_resnet18(name, seed=seed), []
    earlier = RiskModel.load(name)
    return earlier.network, earlier.card.get("phantom_cohorts", [])
