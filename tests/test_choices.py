"""Nothing that is chosen depends on how the test patients fared."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from clinical_cohort import make_cohort
from films import random_film, write_film

from helpers import imputers
from helpers.baselines import baseline_risks, patient_metadata
from helpers.cache import FilmCache
from helpers.cohorts import select_index_films
from helpers.evaluation import auroc_interval, pool_by_patient
from helpers.finishing import finish_model
from helpers.imputation import impute_survival, label_films
from helpers.models import RiskModel, build_resnet18
from helpers.splits import split_patients
from helpers.table import start_flow
from helpers.training import CAREFUL, TrainingConfig, fit, predict

CONFIG = TrainingConfig(size=32, epochs=2, batch_size=32)
FINE_TUNING = replace(CAREFUL, size=32, head_epochs=2, epochs=2, batch_size=32)


@pytest.fixture(autouse=True)
def small_and_own(tmp_path, monkeypatch):
    """Small forests, and a cache of test films apart from the project's."""
    monkeypatch.setattr(imputers, "_TREES", 5)
    monkeypatch.setattr(
        "helpers.radiographs.FilmCache", lambda size: FilmCache(size, tmp_path / "cache")
    )


@pytest.fixture
def cohort(tmp_path):
    films = split_patients(make_cohort(120), seed=0)
    generator = np.random.default_rng(0)
    bright = films["truth"].fillna(False).to_numpy(bool)
    films["image_path"] = [
        str(write_film(tmp_path / name, random_film(generator, bright=lit)))
        for name, lit in zip(films["image_path"], bright, strict=True)
    ]
    return start_flow(films)


def chosen(cohort: pd.DataFrame) -> dict:
    """Go the series' way from labels to a finished model; return all that was chosen on it."""
    labels = impute_survival(cohort, method="draws", seed=0)
    films = label_films(cohort, labels, "risk")
    train = films[films["part"] == "train"]
    validation = films[(films["part"] == "validation") & (films["label_source"] == "observed")]
    first = fit(build_resnet18("random", seed=0), train, validation, CONFIG, progress=False)
    fitted = fit(first.network, train, validation, FINE_TUNING, progress=False)
    model = finish_model(fitted.network, train, validation, CONFIG, title="a test", start="random")
    index = patient_metadata(select_index_films(cohort), cohort)
    known = index[(index["part"] == "train") & (index["label_source"] == "observed")]
    rivals = baseline_risks(known, index)
    return {
        "weights": np.concatenate(
            [value.detach().numpy().ravel() for value in model.network.state_dict().values()]
        ),
        "epochs": pd.concat([first.history, fitted.history]).drop(columns="seconds").to_numpy(),
        "calibration": (model.intercept, model.slope),
        "threshold": model.threshold,
        "base rate": model.base_rate,
        "imputed": labels.loc[labels["part"] == "train", "risk"].to_numpy(float),
        "rivals": rivals.filter(like="risk").to_numpy(),
        "model": model,
    }


def differences(first: dict, second: dict) -> set[str]:
    """Names of what differs in a single bit."""
    same = {name: np.array_equal(first[name], second[name]) for name in set(first) - {"model"}}
    return {name for name, equal in same.items() if not equal}


def with_permuted(cohort: pd.DataFrame, part: str) -> pd.DataFrame:
    """Give the observed outcomes of one part's patients to each other."""
    asked = (cohort["part"] == part) & (cohort["label_source"] == "observed")
    fates = cohort[asked].groupby("patient_id")["died"].first()
    mixed = np.roll(fates.sort_values().to_numpy(bool), len(fates) // 2)
    changed = cohort.copy()
    changed.loc[asked, "died"] = cohort.loc[asked, "patient_id"].map(
        dict(zip(fates.sort_values().index, mixed, strict=True))
    )
    assert (changed.loc[asked, "died"] != cohort.loc[asked, "died"]).any()
    return changed


def judge(model, cohort):
    test = cohort[(cohort["part"] == "test") & (cohort["label_source"] == "observed")]
    return auroc_interval(pool_by_patient(predict(model, test))).estimate


def test_permuted_test_labels_move_nothing_that_is_chosen(cohort):
    permuted = with_permuted(cohort, "test")
    before, after = chosen(cohort), chosen(permuted)
    assert differences(before, after) == set()
    # What is found on the test does move, and what is chosen moves with validation labels.
    assert judge(before["model"], cohort) != judge(before["model"], permuted)
    other = chosen(with_permuted(cohort, "validation"))
    assert {"threshold", "epochs"} <= differences(before, other)


def test_the_model_sees_the_film_alone(cohort):
    model = RiskModel(build_resnet18("random", seed=0), 32)
    strange = cohort.assign(
        died=True, age=99.0, sex="M", view="PA", day=300, site="hannover", went_icu=True
    )
    reversed_rows = strange.iloc[::-1]
    risk = predict(model, cohort)["risk"].to_numpy()
    np.testing.assert_allclose(predict(model, reversed_rows)["risk"].to_numpy()[::-1], risk, 1e-4)
