"""What `make study` trains on phantoms: ways of fine-tuning, with and without class weights."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from torch import nn

from benchmarks.study_runs import Runs
from helpers.cohorts import cohort_root
from helpers.evaluation import pool_by_patient
from helpers.finishing import finish_model
from helpers.models import STARTS, RiskModel, build_resnet18
from helpers.recipes import CAREFUL, CARELESS, TrainingConfig
from helpers.starts import PHANTOM_START
from helpers.studies import file_hash
from helpers.training import fit, predict
from helpers.training_data import load_parts, training_data_hash
from phantoms import truth


class Films(NamedTuple):
    """Films by cohort and part, and a hash of those that teach and choose."""

    parts: Mapping[str, Mapping[str, pd.DataFrame]]
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class Variant:
    """A way to a model.

    Attributes
    ----------
    name
        As the tables show it.
    cohort
        Whose films teach.
    start
        Of the weights: one of ``STARTS``, or the name of a variant before it.
    config
        How it is trained.
    """

    name: str
    cohort: str
    start: str
    config: TrainingConfig


WEIGHTED, UNWEIGHTED = CAREFUL, replace(CAREFUL, class_weights=False)
FIRST, FIRST_UNWEIGHTED = "iteration 1", "iteration 1, no class weights"
SECOND = "head, then all layers"
SCRATCH_FIRST = "iteration 1, from scratch"
VARIANTS = (
    Variant(FIRST, "ieee8023", "phantom", WEIGHTED),
    Variant(FIRST_UNWEIGHTED, "ieee8023", "phantom", UNWEIGHTED),
    Variant("head only", "sbu", FIRST, replace(CAREFUL, epochs=0)),
    Variant(SECOND, "sbu", FIRST, WEIGHTED),
    Variant(f"{SECOND} at one rate", "sbu", FIRST, replace(CAREFUL, rate=1e-4, layer_decay=1.0)),
    Variant(f"{SECOND}, no class weights", "sbu", FIRST_UNWEIGHTED, UNWEIGHTED),
    Variant("all layers at one high rate", "sbu", FIRST, CARELESS),
    Variant("phantom start, no iteration 1", "sbu", "phantom", WEIGHTED),
    Variant("ImageNet start, no iteration 1", "sbu", "imagenet", WEIGHTED),
    Variant("from scratch", "sbu", "random", CARELESS),
    Variant(SCRATCH_FIRST, "ieee8023", "random", CARELESS),
    Variant("from scratch, both iterations", "sbu", SCRATCH_FIRST, CARELESS),
)


def load_films() -> Films:
    """Films of both cohorts as notebooks 04 and 05 use them; test films with their true risk."""
    parts = {}
    for name in ("ieee8023", "sbu"):
        films = load_parts(name)
        known = truth(cohort_root(name).parent, name)[["image_path", "true_image_risk"]]
        known = known.rename(columns={"true_image_risk": "risk_true"})
        test = films["test"][films["test"]["label_source"] == "observed"]
        parts[name] = {**films, "test": test.merge(known, on="image_path")}
    hashes = {
        f"{name} {part}": training_data_hash(films[part], CAREFUL.size)
        for name, films in parts.items()
        for part in ("train", "validation")
    }
    return Films(parts, hashes)


def train_variant(variant: Variant, seed: int, films: Films, runs: Runs) -> pd.DataFrame:
    """Train a variant with a seed, unless that was done before.

    Returns
    -------
    pandas.DataFrame
        A row a test patient of either cohort: ``risk`` as the network says it, ``risk_calibrated``
        on validation patients, ``risk_true`` of the phantom, and ``seconds`` of training.

    Raises
    ------
    ConnectionError
        If it starts from ImageNet weights, which cannot be had.
    """
    return runs.table(
        f"{variant.name} {seed}",
        _recipe(variant, seed, films),
        lambda path: _train(variant, seed, films, runs, path),
    )


def _train(variant: Variant, seed: int, films: Films, runs: Runs, path: Path) -> pd.DataFrame:
    train, validation = (films.parts[variant.cohort][part] for part in ("train", "validation"))
    config = replace(variant.config, seed=seed)
    checkpoint = path.with_name(f"{path.name}.checkpoint")
    start, network = time.perf_counter(), _start(variant, seed, films, runs)
    fitted = fit(network, train, validation, config, checkpoint=checkpoint, progress=False)
    seconds = time.perf_counter() - start
    model = finish_model(
        fitted.network, train, validation, config, title=variant.name, start=variant.start
    )
    model.save(path)
    test = pd.concat([parts["test"] for parts in films.parts.values()], ignore_index=True)
    predicted = predict(model, test).rename(columns={"risk": "risk_calibrated"})
    raw = RiskModel(model.network, model.size).calibrate(predicted["logit"])
    checkpoint.unlink()
    return pool_by_patient(predicted.assign(risk=raw)).assign(seconds=seconds)


def _start(variant: Variant, seed: int, films: Films, runs: Runs) -> nn.Module:
    if variant.start in STARTS:
        return build_resnet18(variant.start, seed=seed)
    before = next(other for other in VARIANTS if other.name == variant.start)
    train_variant(before, seed, films, runs)
    recipe = _recipe(before, seed, films)
    return RiskModel.load(runs.path(f"{before.name} {seed}", recipe)).network


def _recipe(variant: Variant, seed: int, films: Films) -> dict:
    """All that decides what comes out, the variants that it goes on from included."""
    before = [other for other in VARIANTS if other.name == variant.start]
    return {
        "variant": asdict(variant),
        "seed": seed,
        "start": _recipe(before[0], seed, films) if before else _start_hash(variant.start),
        "films": dict(films.hashes),
    }


def _start_hash(start: str) -> str:
    """Say which weights a start is: the phantom ones may be made anew."""
    if start != "phantom":
        return start  # torchvision's are hash-checked, random ones come from the seed
    return file_hash(PHANTOM_START)
