"""Ways to predict a patient's death that are compared on real films: networks and cheap rivals.

Each way learns from the patients of the other folds and is asked about the index films of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from helpers.baselines import baseline_risks, patient_metadata
from helpers.cohorts import select_index_films
from helpers.imputation import impute_survival, label_films
from helpers.imputers import fit_imputer, patient_features
from helpers.models import RiskModel, build_resnet18
from helpers.patients import PATIENT, pool_by_patient
from helpers.recipes import CAREFUL, CARELESS, TrainingConfig
from helpers.severity import predict_severity
from helpers.training import fit, predict

AT_THE_FILM = ["age", "male", "first_day", "supine"]  # of a forest that knows nothing of the course


class Fold(NamedTuple):
    """What may teach, and who is judged.

    Attributes
    ----------
    teaching
        All films of the other patients, ``part`` train or validation; patients without an observed
        outcome are in train.
    judged
        Index films of the fold's patients.
    seed
        Of whatever is random.
    checkpoint
        Where a network's training is kept meanwhile.
    """

    teaching: pd.DataFrame
    judged: pd.DataFrame
    seed: int
    checkpoint: Path


Way = Callable[[Fold], pd.DataFrame]


def network(fold: Fold, *, start: str, config: TrainingConfig) -> pd.DataFrame:
    """Train on films with an observed outcome; validation patients choose the epoch."""
    return _train(fold, fold.teaching[fold.teaching["label_source"] == "observed"], start, config)


def predecessor(fold: Fold) -> pd.DataFrame:
    """The recipe that this series replaces, but for its framework.

    Random weights, six passes, unknown outcomes filled in by a balanced forest as if they were
    observed. (Its fastai loop kept the last pass; this one keeps the best on validation.)
    """
    labels = impute_survival(fold.teaching, method="forest_balanced", seed=fold.seed)
    config = TrainingConfig(epochs=6, patience=6, class_weights=False)
    return _train(fold, label_films(fold.teaching, labels), "random", config)


def untrained(fold: Fold) -> pd.DataFrame:
    """What the phantom start reads before any outcome taught it: the opaque share."""
    read = predict_severity(fold.judged)
    return pool_by_patient(read.assign(risk=read["opaque_share"].clip(0, 1)))


def baseline(fold: Fold, *, name: str) -> pd.DataFrame:
    """Ask one of :data:`helpers.baselines.BASELINES`."""
    known = _known(fold)
    asked = patient_metadata(fold.judged, fold.judged)
    risks = baseline_risks(patient_metadata(known, fold.teaching), asked)
    return pool_by_patient(
        fold.judged.merge(risks[[*PATIENT, f"risk {name}"]]).assign(
            risk=lambda t: t[f"risk {name}"]
        )
    )


def forest(fold: Fold) -> pd.DataFrame:
    """Ask a random forest that knows age, sex, day and position."""
    known = _known(fold)
    features = patient_features(known)[AT_THE_FILM]
    died = known.set_index(list(PATIENT))["died"].reindex(features.index)
    fitted = fit_imputer(features, died, method="forest", seed=fold.seed)
    asked = patient_features(fold.judged)[AT_THE_FILM]
    risks = asked.assign(risk=fitted.predict_proba(asked)[:, 1])["risk"].reset_index()
    return pool_by_patient(fold.judged.merge(risks, on=list(PATIENT), validate="one_to_one"))


PHANTOM, RANDOM = "ResNet18, phantom start", "ResNet18, random start"
# The recipes exchanged, so that a start can be told from the recipe that suits it.
PHANTOM_CARELESS, RANDOM_CAREFUL = f"{PHANTOM}, careless recipe", f"{RANDOM}, careful recipe"
UNTRAINED = "phantom start, untrained: opaque share"
PREDECESSOR = "predecessor's recipe"
WAYS: Mapping[str, Way] = {
    PHANTOM: partial(network, start="phantom", config=CAREFUL),
    RANDOM: partial(network, start="random", config=CARELESS),
    PHANTOM_CARELESS: partial(network, start="phantom", config=CARELESS),
    RANDOM_CAREFUL: partial(network, start="random", config=CAREFUL),
    "ResNet18, ImageNet start": partial(network, start="imagenet", config=CAREFUL),
    UNTRAINED: untrained,
    PREDECESSOR: predecessor,
    "random forest: age, sex, day, position": forest,
    "age and sex": partial(baseline, name="age and sex"),
    "view": partial(baseline, name="view"),
}


def _known(fold: Fold) -> pd.DataFrame:
    """Index films of all teaching patients with an observed outcome, a row a patient."""
    films = fold.teaching[fold.teaching["label_source"] == "observed"]
    return select_index_films(films).assign(part="train")


def _train(fold: Fold, films: pd.DataFrame, start: str, config: TrainingConfig) -> pd.DataFrame:
    config = replace(config, seed=fold.seed)
    fitted = fit(
        build_resnet18(start, seed=fold.seed),
        films[films["part"] == "train"],
        films[films["part"] == "validation"],
        config,
        checkpoint=fold.checkpoint,
        progress=False,
    )
    fold.checkpoint.unlink()
    return pool_by_patient(predict(RiskModel(fitted.network, config.size), fold.judged))
