"""The light model by which treatments of missing labels are compared: what it is fitted to."""

import numpy as np
import pandas as pd
import pytest
from clinical_cohort import make_cohort
from films import easy_cohort
from sklearn.linear_model import LogisticRegression

from helpers import imputers, label_effects
from helpers.cache import FilmCache
from helpers.label_effects import FOLDS, PENALTY, crossfit, film_features, fit_soft_targets
from helpers.models import build_resnet18, in_batches
from helpers.radiographs import Radiographs

METHODS = {"complete_case": 1, "forest_balanced": 1, "calibrated": 1, "draws": 2}


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(imputers, "_TREES", 10)
    monkeypatch.setattr(imputers, "_DRAW_TREES", 5)


@pytest.fixture(scope="module")
def films():
    return make_cohort(150)


@pytest.fixture(scope="module")
def index_films(films):
    return films.drop_duplicates("patient_id").reset_index(drop=True)


@pytest.fixture(scope="module")
def features(index_films):
    """Noise, but for one number that tells who died."""
    numbers = np.random.default_rng(0).normal(size=(len(index_films), 10))
    numbers[:, 0] += 3 * index_films["truth"].to_numpy(float)
    return numbers


def fixed_folds(monkeypatch):
    """Folds that do not depend on outcomes, so that outcomes can be changed."""
    monkeypatch.setattr(label_effects, "_folds", lambda died, seed: np.arange(len(died)) % FOLDS)


def risks(table):
    return table.filter(like="risk_").to_numpy()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_about_a_patient_is_known_to_the_model_that_predicts_him(
    films, index_films, features, method, monkeypatch
):
    fixed_folds(monkeypatch)
    before = crossfit(films, index_films, features, method=method, draws=2)
    assert risks(before).shape == (len(index_films), METHODS[method])
    first = np.arange(len(index_films)) % FOLDS == 0
    held_out = films["patient_id"].isin(index_films.loc[first, "patient_id"])
    changed = films.copy()
    changed.loc[held_out, "died"] = ~changed.loc[held_out, "died"].fillna(False)
    changed.loc[held_out, ["age", "temperature"]] = 1000.0
    after = crossfit(changed, index_films, features, method=method, draws=2)
    np.testing.assert_array_equal(risks(before)[first], risks(after)[first])
    assert not np.array_equal(risks(before)[~first], risks(after)[~first])
    one = int(np.flatnonzero(first)[0])
    strange = features.copy()
    strange[one] += 50  # what others of the fold are scaled and turned by must not know it
    after = crossfit(films, index_films, strange, method=method, draws=2)
    others = first & (np.arange(len(first)) != one)
    np.testing.assert_array_equal(risks(before)[others], risks(after)[others])


def test_who_shares_a_film_shares_a_fold(films, index_films, features):
    first = films.drop_duplicates("patient_id")["image_path"]
    alone = crossfit(films, index_films, features, method="complete_case")
    fold = alone.set_index("patient_id")["fold"]
    a = first.iloc[0]
    owner = films.set_index("image_path")["patient_id"]
    b = next(path for path in first if fold[owner[path]] != fold[owner[a]])
    copies = pd.DataFrame({"path_a": [b], "path_b": [a]})
    linked = crossfit(films, index_films, features, method="complete_case", duplicates=copies)
    folds = linked.set_index("patient_id")["fold"]
    assert folds[owner[a]] == folds[owner[b]]
    assert (folds != fold).sum() == 1


def test_each_method_predicts_every_patient_once(films, index_films, features):
    for method in METHODS:
        table = crossfit(films, index_films, features, method=method, draws=2)
        assert list(table["patient_id"]) == list(index_films["patient_id"])
        assert set(table["label_source"]) == {"observed", "unknown"}
        assert np.isfinite(risks(table)).all()
        dead = index_films["truth"].to_numpy(bool)
        assert risks(table)[dead].mean() > risks(table)[~dead].mean()


def test_delta_raises_what_the_model_predicts(films, index_films, features):
    settings = {"method": "draws", "draws": 2}
    low, high = (
        risks(crossfit(films, index_films, features, delta=delta, **settings)).mean()
        for delta in (0.1, 10)
    )
    assert high > low + 0.1


def test_a_soft_target_is_a_share_of_a_death():
    generator = np.random.default_rng(1)
    features, targets = generator.normal(size=(80, 3)), generator.random(80)
    head = fit_soft_targets(features, targets)
    # A logistic regression with an intercept expects as many deaths as it was told.
    assert head.predict_proba(features)[:, 1].sum() == pytest.approx(targets.sum(), abs=0.05)
    hard = (targets > 0.5).astype(float)
    plain = LogisticRegression(C=PENALTY).fit(features, hard)
    np.testing.assert_allclose(fit_soft_targets(features, hard).coef_, plain.coef_, atol=1e-3)


@pytest.mark.parametrize("targets", [[0.2, np.nan], [0.2, 1.2]])
def test_targets_that_are_no_risks_are_refused(targets):
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_soft_targets(np.zeros((2, 1)), np.array(targets))


def test_too_few_deaths_are_refused(films, index_films, features):
    few = index_films.assign(died=index_films["died"].where(index_films["died"].ne(True), pd.NA))
    with pytest.raises(ValueError, match="5 folds need as many deaths and survivors"):
        crossfit(films, few, features, method="complete_case")
    with pytest.raises(ValueError, match="both deaths and survivors"):
        fit_soft_targets(np.zeros((3, 1)), np.zeros(3))


def test_features_are_what_the_last_layer_of_the_start_sees(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "helpers.radiographs.FilmCache", lambda size: FilmCache(size, tmp_path / "cache")
    )
    cohort = easy_cohort(tmp_path, 3)
    network = build_resnet18("phantom")
    features = film_features(cohort, size=64)
    logits = next(in_batches(network, Radiographs(cohort, 64).images)).numpy()
    weight, bias = (value.detach().numpy() for value in network.fc.parameters())
    assert features.shape == (3, 512)
    np.testing.assert_allclose(features @ weight.T + bias, logits, atol=1e-4)
