"""Filling in survival labels: who is looked at, what each method gives, what is refused."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation import require_observed
from helpers.imputation import (
    COURSE,
    LABORATORY,
    METHODS,
    fit_imputer,
    impute_survival,
    label_films,
    load_labels,
    patient_features,
    save_labels,
)
from helpers.splits import split_patients


def make_cohort(patients=300, seed=0):
    """Films of patients whose risk depends on age and intensive care; 60 % of outcomes unknown."""
    generator = np.random.default_rng(seed)
    age = generator.uniform(20, 90, patients)
    icu = generator.random(patients) < 0.3
    risk = 1 / (1 + np.exp(-(-4 + 0.03 * age + 2 * icu)))
    died = pd.array(generator.random(patients) < risk, dtype="boolean")
    truth = died.copy()
    died[generator.random(patients) < 0.6] = pd.NA
    table = pd.DataFrame(
        {
            "site": "ieee8023",
            "patient_id": [f"P{i:03d}" for i in range(patients)],
            "image_path": [f"{i}.png" for i in range(patients)],
            "view": generator.choice(["PA", "AP", "AP supine"], patients),
            "day": pd.array(generator.integers(0, 20, patients), dtype="Float64"),
            "sex": generator.choice(["F", "M"], patients),
            "age": pd.array(age, dtype="Float64"),
            "died": died,
            "truth": truth,
        }
    )
    for name in COURSE:
        table[name] = pd.array([pd.NA] * patients, dtype="boolean")
    for name in LABORATORY:
        table[name] = pd.array(generator.normal(size=patients), dtype="Float64")
        table.loc[generator.random(patients) < 0.7, name] = pd.NA
    table["went_icu"] = pd.array(icu, dtype="boolean")
    table.loc[generator.random(patients) < 0.3, "went_icu"] = pd.NA
    films = pd.concat([table, table[::3].assign(image_path=lambda t: "b" + t["image_path"])])
    sources = films["died"].notna().map({True: "observed", False: "unknown"})
    return films.assign(label_source=sources).reset_index(drop=True)


@pytest.fixture(scope="module")
def cohort():
    return split_patients(make_cohort(), seed=0)


@pytest.mark.parametrize("method", METHODS)
def test_test_patients_cannot_influence_the_imputation(cohort, method):
    changed = cohort.copy()
    others = changed["part"] != "train"
    changed.loc[others, "age"] = 99.0
    changed.loc[others, "went_icu"] = True
    changed.loc[others, "died"] = ~changed.loc[others, "died"]
    before = impute_survival(cohort, method=method, seed=1, draws=3)
    after = impute_survival(changed, method=method, seed=1, draws=3)
    train = before["part"] == "train"
    pd.testing.assert_frame_equal(before[train], after[train])
    without = impute_survival(cohort[~others], method=method, seed=1, draws=3)
    pd.testing.assert_frame_equal(before[train].reset_index(drop=True), without)


@pytest.mark.parametrize("method", ["forest", "calibrated", "draws"])
def test_the_fitted_imputer_is_the_same_whatever_the_test_rows_hold(cohort, method):
    def fitted(table):
        patients = table.drop_duplicates("patient_id").set_index(["site", "patient_id"])
        known = patients.index[(patients["part"] == "train") & patients["died"].notna()]
        features = patient_features(table).loc[known]
        imputer = fit_imputer(features, patients.loc[known, "died"], method=method, seed=3)
        grid = features.sample(50, replace=True, random_state=0).fillna(0.5)
        return imputer.predict_proba(grid)

    changed = cohort.copy()
    changed.loc[changed["part"] == "test", [*LABORATORY, "age"]] = 1000.0
    np.testing.assert_array_equal(fitted(cohort), fitted(changed))


@pytest.mark.parametrize("method", METHODS)
def test_row_order_does_not_matter(cohort, method):
    shuffled = cohort.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        impute_survival(cohort, method=method, seed=1, draws=3),
        impute_survival(shuffled, method=method, seed=1, draws=3),
    )


@pytest.mark.parametrize("method", METHODS)
def test_observed_labels_are_kept_and_only_training_patients_are_filled_in(cohort, method):
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
    labels = impute_survival(cohort, method="forest")
    filled = labels[labels["label_source"] == "imputed"]
    assert ((filled["risk"] >= 0.5) == filled["died"]).all()


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


def test_nothing_unknown_means_nothing_imputed(cohort):
    complete = cohort.assign(died=cohort["truth"])
    for method in METHODS:
        labels = impute_survival(complete, method=method, draws=2)
        assert (labels["label_source"] == "observed").all()


def test_features_take_the_first_film_and_any_event():
    films = (
        make_cohort(2)
        .iloc[[0, 0]]
        .assign(image_path=["late", "early"], day=[9.0, 2.0], temperature=[39.0, 37.5])
    )
    films["intubated"] = pd.array([True, pd.NA], dtype="boolean")
    features = patient_features(films)
    assert features["temperature"].tolist() == [37.5]
    assert features["intubated"].tolist() == [1.0]
    assert features["n_films"].tolist() == [2.0]
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
