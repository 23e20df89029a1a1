"""Filling in survival labels: who is looked at, what each method gives, what is refused."""

import numpy as np
import pandas as pd
import pytest
from clinical_cohort import make_cohort

from helpers import imputation, imputers
from helpers.evaluation import require_observed
from helpers.imputation import impute_survival, label_films, load_labels, save_labels
from helpers.imputers import COURSE, LABORATORY, METHODS, patient_features, shift_odds
from helpers.splits import split_patients


@pytest.fixture(scope="module")
def cohort():
    return split_patients(make_cohort(), seed=0)


@pytest.fixture
def few_trees(monkeypatch):
    """Small forests, where only what they are fitted to is asked."""
    monkeypatch.setattr(imputers, "_TREES", 10)
    monkeypatch.setattr(imputers, "_DRAW_TREES", 5)


def with_other_test_patients(cohort):
    """Change every feature and every outcome of those who are not trained on."""
    changed = cohort.copy()
    others = changed["part"] != "train"
    changed.loc[others, [*LABORATORY, "age", "day"]] = 1000.0
    changed.loc[others, list(COURSE)] = True
    changed.loc[others, ["sex", "view"]] = ["M", "AP supine"]
    changed.loc[others, "died"] = ~changed.loc[others, "died"].fillna(False)
    return changed


def anatomy(imputer):
    """All that an imputer has learned: medians, splits, leaves, calibration curves."""
    calibrated = getattr(imputer, "calibrated_classifiers_", None)
    pipelines = [imputer] if calibrated is None else [fold.estimator for fold in calibrated]
    numbers = [[curve.a_, curve.b_] for fold in calibrated or [] for curve in fold.calibrators]
    for pipeline in pipelines:
        numbers.append(pipeline["fill"].statistics_)
        for tree in (one.tree_ for one in pipeline["forest"].estimators_):
            numbers += [tree.feature, tree.threshold, tree.value.ravel()]
    return np.concatenate(numbers)


def imputed_and_fitted(cohort, method, monkeypatch):
    """Labels of the training patients, and what every imputer fitted on the way has learned."""
    fitted = []

    def spy(*arguments, **settings):
        fitted.append(imputers.fit_imputer(*arguments, **settings))
        return fitted[-1]

    monkeypatch.setattr(imputation, "fit_imputer", spy)
    labels = impute_survival(cohort, method=method, seed=1, draws=3)
    train = labels[labels["part"] == "train"].reset_index(drop=True)
    return train, [anatomy(imputer) for imputer in fitted]


@pytest.mark.parametrize("method", METHODS)
def test_test_patients_influence_neither_imputer_nor_imputations(
    cohort, method, few_trees, monkeypatch
):
    before, fitted = imputed_and_fitted(cohort, method, monkeypatch)
    alone = cohort[cohort["part"] == "train"]
    for table in (with_other_test_patients(cohort), alone):
        after, refitted = imputed_and_fitted(table, method, monkeypatch)
        pd.testing.assert_frame_equal(before, after)
        assert len(refitted) == len(fitted) == {"complete_case": 0, "draws": 3}.get(method, 1)
        for one, other in zip(fitted, refitted, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", ["forest", "forest_balanced", "calibrated", "draws"])
def test_a_training_patient_does_influence_them(cohort, method, few_trees, monkeypatch):
    """Or else the test above would pass whatever the imputer looked at."""
    before, fitted = imputed_and_fitted(cohort, method, monkeypatch)
    changed = cohort.copy()
    known = changed.index[(changed["part"] == "train") & changed["died"].notna()][:40]
    changed.loc[known, "age"] = 1000.0
    after, refitted = imputed_and_fitted(changed, method, monkeypatch)
    assert not before["risk"].equals(after["risk"])
    assert any(
        one.shape != other.shape or (one != other).any()
        for one, other in zip(fitted, refitted, strict=True)
    )


def test_imputed_labels_cannot_teach_the_imputer(cohort, few_trees):
    filled = label_films(cohort, impute_survival(cohort, method="forest"))
    with pytest.raises(ValueError, match="imputed already"):
        impute_survival(filled, method="draws")


def test_odds_are_multiplied_by_delta():
    risk = np.array([0.0, 0.2, 0.5, 1.0])
    np.testing.assert_allclose(shift_odds(risk, 4), [0, 0.5, 0.8, 1])
    np.testing.assert_allclose(shift_odds(shift_odds(risk, 4), 0.25), risk)
    with pytest.raises(ValueError, match="positive delta; got 0"):
        shift_odds(risk, 0)


def test_delta_undoes_labels_missing_because_of_death():
    """Deaths four times as likely to be unknown, in odds: the deaths are found again at delta 4."""
    generator = np.random.default_rng(5)
    films = make_cohort(1500).drop_duplicates("patient_id").assign(part="train")
    odds = np.where(films["truth"], 4.0, 1.0)
    hidden = generator.random(len(films)) < odds / (1 + odds)
    films["died"] = films["truth"].mask(hidden)
    rates = {}
    for delta in (1, 4):
        labels = impute_survival(films, method="draws", draws=5, delta=delta)
        filled = labels[labels["label_source"] == "imputed"]
        rates[delta] = filled.filter(like="draw_").astype(float).mean(axis=None)
        assert abs(rates[delta] - filled["risk"].mean()) < 0.03
    truth = films.loc[hidden, "truth"].mean()
    assert rates[1] < truth - 0.1
    assert abs(rates[4] - truth) < 0.05


@pytest.mark.parametrize("method", METHODS)
def test_row_order_does_not_matter(cohort, method, few_trees):
    shuffled = cohort.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        impute_survival(cohort, method=method, seed=1, draws=3),
        impute_survival(shuffled, method=method, seed=1, draws=3),
    )


@pytest.mark.parametrize("method", METHODS)
def test_observed_labels_are_kept_and_only_training_patients_are_filled_in(
    cohort, method, few_trees
):
    labels = impute_survival(cohort, method=method, draws=3)
    patients = cohort.drop_duplicates("patient_id").sort_values("patient_id")
    known = patients["died"].notna().to_numpy()
    assert list(labels["patient_id"]) == list(patients["patient_id"])
    assert (labels.loc[known, "label_source"] == "observed").all()
    assert (labels.loc[known, "died"] == patients.loc[known, "died"].to_numpy()).all()
    others = labels[~known & (labels["part"] != "train")]
    assert (others["label_source"] == "unknown").all()
    assert others[["died", "risk"]].isna().all(axis=None)
    filled = labels[~known & (labels["part"] == "train")]
    expected = "unknown" if method == "complete_case" else "imputed"
    assert (filled["label_source"] == expected).all()
    assert filled["risk"].notna().all() == (method != "complete_case")
    assert filled["died"].notna().all() == method.startswith("forest")


def test_hard_labels_begin_at_the_documented_risk(cohort):
    labels = [impute_survival(cohort, method=name) for name in ("forest", "forest_balanced")]
    filled = pd.concat(labels).query("label_source == 'imputed'")
    assert ((filled["risk"] >= 0.5) == filled["died"]).all()
    assert filled["died"].any() and not filled["died"].all()


def test_balanced_weights_invent_deaths_and_calibrated_risks_do_not():
    cohort = split_patients(make_cohort(1000), seed=0)
    truth = cohort.drop_duplicates("patient_id").set_index("patient_id")["truth"]
    rates = {}
    for method in ("forest", "forest_balanced", "calibrated", "draws"):
        labels = impute_survival(cohort, method=method)
        filled = labels[labels["label_source"] == "imputed"]
        column = "died" if method.startswith("forest") else "risk"
        rates[method] = filled[column].astype(float).mean()
    true_rate = truth.loc[filled["patient_id"]].mean()
    assert rates["forest_balanced"] > true_rate + 0.08
    assert rates["forest"] < true_rate
    assert abs(rates["calibrated"] - true_rate) < 0.05
    assert abs(rates["draws"] - true_rate) < 0.05


def test_draws_differ_as_much_as_the_risk_says(cohort):
    labels = impute_survival(cohort, method="draws", seed=0, draws=25)
    filled = labels[labels["label_source"] == "imputed"]
    draws = filled.filter(like="draw_").astype(float)
    assert draws.shape[1] == 25
    assert abs(draws.mean(axis=None) - filled["risk"].mean()) < 0.03
    assert np.corrcoef(draws.mean(axis=1), filled["risk"].astype(float))[0, 1] > 0.5
    known = labels[labels["label_source"] == "observed"]
    assert (known.filter(like="draw_").nunique(axis=1) == 1).all()
    again = impute_survival(cohort, method="draws", seed=1, draws=25)
    assert not again.filter(like="draw_").equals(labels.filter(like="draw_"))


def test_nothing_unknown_means_nothing_imputed(cohort, few_trees):
    complete = cohort.assign(died=cohort["truth"])
    for method in METHODS:
        labels = impute_survival(complete, method=method, draws=2)
        assert (labels["label_source"] == "observed").all()


def test_features_take_the_first_film_and_any_event():
    films = (
        make_cohort(2)
        .iloc[[0, 0, 0]]
        .assign(image_path=["l", "e", "m"], day=[9.0, 2.0, 5.0], temperature=[39.0, 37.5, 38.0])
    )
    films["intubated"] = pd.array([True, pd.NA, False], dtype="boolean")
    features = patient_features(films)
    assert features["temperature"].tolist() == [37.5]
    assert features["intubated"].tolist() == [1.0]
    assert features["n_films"].tolist() == [3.0]
    assert features["extubated"].isna().all()
    assert all(dtype.kind == "f" for dtype in features.dtypes)


def test_films_take_the_labels_of_their_patients(cohort):
    labels = impute_survival(cohort, method="draws", draws=2)
    films = label_films(cohort, labels, "draw_1")
    wanted = labels.set_index("patient_id")["draw_1"]
    assert (films["died"] == wanted.loc[films["patient_id"]].to_numpy()).all()
    assert set(cohort["image_path"]) - set(films["image_path"]) == set(
        cohort.loc[cohort["died"].isna() & (cohort["part"] != "train"), "image_path"]
    )
    assert label_films(cohort, labels, "risk")["died"].between(0, 1).all()
    assert len(label_films(cohort, labels)) == cohort["died"].notna().sum()


def test_imputed_labels_cannot_judge(cohort):
    films = label_films(cohort, impute_survival(cohort, method="forest"))
    with pytest.raises(ValueError, match="imputed or unknown"):
        require_observed(films)


def test_labels_come_back_from_disk(cohort, tmp_path):
    labels = impute_survival(cohort, method="draws", draws=2)
    again = load_labels(save_labels(labels, tmp_path / "labels.csv"))
    pd.testing.assert_frame_equal(again, labels, check_dtype=False)
    assert again["died"].dtype == "boolean"
    assert [entry.name for entry in tmp_path.iterdir()] == ["labels.csv"]


def test_refusals_say_what_to_do(cohort):
    with pytest.raises(ValueError, match="Unknown method 'magic': expected one of complete_case"):
        impute_survival(cohort, method="magic")
    with pytest.raises(ValueError, match="Split first"):
        impute_survival(cohort.drop(columns="part"), method="forest")
    with pytest.raises(ValueError, match="missing: went_icu"):
        impute_survival(cohort.drop(columns="went_icu"), method="forest")
    with pytest.raises(ValueError, match="got 0 deaths"):
        nobody = cohort.assign(died=cohort["died"].where(cohort["died"].ne(True), pd.NA))
        impute_survival(nobody, method="forest")
    with pytest.raises(ValueError, match="at least 2 draws; got 1"):
        impute_survival(cohort, method="draws", draws=1)
    with pytest.raises(ValueError, match="There are no labels 'draw_7'"):
        label_films(cohort, impute_survival(cohort, method="forest"), "draw_7")
