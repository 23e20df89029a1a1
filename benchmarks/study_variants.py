"""What `make study` trains on phantoms: ways of fine-tuning, class weights, treatment of labels."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd
from torch import nn

from benchmarks.study_runs import Runs
from helpers.cohorts import cohort_root, load_cohort, work_file
from helpers.files import file_hash
from helpers.finishing import finish_model
from helpers.imputation import impute_survival, label_films
from helpers.models import STARTS, RiskModel, build_resnet18
from helpers.readable import select_readable_index_films
from helpers.recipes import CAREFUL, CARELESS, TrainingConfig
from helpers.splits import PARTS, load_split
from helpers.starts import PHANTOM_START
from helpers.training import fit, predict
from helpers.training_data import load_parts, training_data_hash
from phantoms import truth

# What decides a run beside `helpers.studies.CODE`, for `benchmarks.study_runs.Runs`; what only
# chooses and labels films is in their hashes.
DECIDING = (
    "benchmarks.study_variants",
    *("helpers.calibration", "helpers.imputation", "helpers.imputers", "helpers.metrics"),
    "phantoms.truth",
)


class Films(NamedTuple):
    """Films by cohort and part, a hash of each of these, and otherwise labelled ones.

    Attributes
    ----------
    parts
        By cohort, then by part; of test patients the index films, whether the outcome is known or
        not, with the true risk of each.
    hashes
        By cohort and part.
    labelled
        Training films of ieee8023 by the method that filled in their labels; of draws, by
        ``draws`` and the number of the draw.
    """

    parts: Mapping[str, Mapping[str, pd.DataFrame]]
    hashes: Mapping[str, str]
    labelled: Mapping[str, pd.DataFrame] = MappingProxyType({})


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
    labels
        How unknown outcomes of training patients were filled in, one of `helpers.imputers.METHODS`;
        each seed has a draw of its own. None: as notebook 02 decided.
    """

    name: str
    cohort: str
    start: str
    config: TrainingConfig
    labels: str | None = None


COHORTS = ("sbu", "ieee8023")
WEIGHTED, UNWEIGHTED = CAREFUL, replace(CAREFUL, class_weights=False)
RESULT = [
    *("site", "patient_id", "died", "label_source"),
    *("risk", "risk_calibrated", "risk_true", "seconds"),
]
FIRST, FIRST_UNWEIGHTED = "iteration 1", "iteration 1, no class weights"
SECOND = "head, then all layers"
SCRATCH_FIRST = "iteration 1, from scratch"
LABELS = {
    "complete cases": "complete_case",
    "hard, forest": "forest",
    "hard, balanced forest": "forest_balanced",
    "calibrated risk": "calibrated",
    "a draw a seed": "draws",
}
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
    *(
        Variant(f"{FIRST}, labels: {words}", "ieee8023", "phantom", WEIGHTED, method)
        for words, method in LABELS.items()
    ),
)


def load_films() -> Films:
    """Films of both cohorts, to learn from as in notebooks 04 and 05, and to be judged on."""
    parts = {name: {**load_parts(name), "test": _test_films(name)} for name in COHORTS}
    hashes = {
        f"{name} {part}": training_data_hash(films[part], CAREFUL.size)
        for name, films in parts.items()
        for part in PARTS
    }
    return Films(parts, hashes, _labelled())


def _test_films(name: str) -> pd.DataFrame:
    """Index films of all test patients of a cohort with ``risk_true``, which needs no outcome."""
    split = work_file("split.csv", made_by="01_explore_the_cohorts")
    films = load_split(split, select_readable_index_films(load_cohort(name)))
    known = truth(cohort_root(name).parent, name)[["image_path", "true_image_risk"]]
    known = known.rename(columns={"true_image_risk": "risk_true"})
    return films[films["part"] == "test"].merge(known, on="image_path", validate="one_to_one")


def _labelled() -> dict[str, pd.DataFrame]:
    """Training films of ieee8023, their labels filled in by each method."""
    split = work_file("split.csv", made_by="01_explore_the_cohorts")
    films = load_split(split, load_cohort("ieee8023"))
    train, found = films[films["part"] == "train"], {}
    for method in LABELS.values():
        labels = impute_survival(films, method=method)
        if method == "draws":
            for column in labels.filter(like="draw_"):
                found[column.replace("draw_", "draws ")] = label_films(train, labels, column)
        else:
            soft = method == "calibrated"
            found[method] = label_films(train, labels, "risk" if soft else "died")
    return found


def train_variant(variant: Variant, seed: int, films: Films, runs: Runs) -> pd.DataFrame:
    """Train a variant with a seed, unless that was done before.

    Returns
    -------
    pandas.DataFrame
        A row a test patient of either cohort, judged by the index film: ``died`` and
        ``label_source``, ``risk`` as the network says it, ``risk_calibrated`` on validation
        patients, ``risk_true`` of the phantom, and ``seconds`` of training.

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
    train, validation = _teaching(variant, seed, films), films.parts[variant.cohort]["validation"]
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
    return predicted.assign(risk=raw, seconds=seconds)[RESULT]


def _teaching(variant: Variant, seed: int, films: Films) -> pd.DataFrame:
    """Training films, labelled as the variant wants."""
    if variant.labels is None:
        return films.parts[variant.cohort]["train"]
    return films.labelled[f"draws {seed}" if variant.labels == "draws" else variant.labels]


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
    said = {key: value for key, value in asdict(variant).items() if value is not None}
    hashes = dict(films.hashes)
    if variant.labels:
        hashes["labelled"] = training_data_hash(_teaching(variant, seed, films), CAREFUL.size)
    return {
        "variant": said,
        "seed": seed,
        "start": _recipe(before[0], seed, films) if before else _start_hash(variant.start),
        "films": hashes,
    }


def _start_hash(start: str) -> str:
    """Say which weights a start is: the phantom ones may be made anew."""
    if start != "phantom":
        return start  # torchvision's are hash-checked, random ones come from the seed
    return file_hash(PHANTOM_START)


def labelled_hashes(films: Films) -> dict[str, str]:
    """Hash training films by the way in which their labels were filled in."""
    return {
        f"ieee8023 train, labels: {name}": training_data_hash(table, CAREFUL.size)
        for name, table in films.labelled.items()
    }
