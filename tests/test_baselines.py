"""Baselines: what they may see, on whom they are fitted, and how the model is set beside them."""

import numpy as np
import pandas as pd
import pytest

from helpers.baselines import BASELINES, baseline_risks, compare_baselines, patient_metadata
from helpers.delong import auroc_difference, auroc_interval
from helpers.metrics import auroc
from tests.simulated import simulate


@pytest.fixture(scope="module")
def patients():
    """Older patients, patients in bed and patients with many films die more often."""
    generator = np.random.default_rng(0)
    table = simulate(600, generator)
    died = table["died"].to_numpy(bool)
    age = np.where(died, 75, 55) + 12 * generator.normal(size=600)
    view = np.where(generator.random(600) < np.where(died, 0.8, 0.3), "AP supine", "PA")
    return table.assign(
        age=pd.array(np.clip(age, 18, 95), dtype="Float64"),
        sex=pd.Categorical(np.where(generator.random(600) < 0.5, "F", "M"), ["F", "M"]),
        view=pd.Categorical(view, ["PA", "AP", "AP supine"]),
        day=pd.array(generator.integers(0, 5, 600), dtype="Float64"),
        n_films=1 + generator.poisson(np.where(died, 4, 1)),
        part=np.where(np.arange(600) < 300, "train", "test"),
    )


@pytest.fixture(scope="module")
def parts(patients):
    return [patients[patients["part"] == part] for part in ("train", "test")]


def test_each_baseline_finds_what_it_may_see(parts):
    train, test = parts
    asked = test.merge(baseline_risks(train, test), on=["site", "patient_id"])
    areas = {name: auroc(asked["died"], asked[f"risk {name}"]) for name in BASELINES}
    assert areas["majority"] == 0.5
    assert all(areas[name] > 0.7 for name in ("age band", "age and sex", "view"))
    assert areas["number of films"] > 0.8
    assert areas["metadata"] > max(areas["view"], areas["age and sex"])
    mean = asked["risk majority"].unique()
    assert mean == pytest.approx([train["died"].mean()])


def test_baselines_see_no_outcome_and_no_metadata_of_those_they_are_asked_about(parts):
    train, test = parts
    risks = baseline_risks(train, test)
    flipped = test.assign(died=~test["died"])
    pd.testing.assert_frame_equal(baseline_risks(train, flipped), risks)
    alone = baseline_risks(train, test.head(1))
    pd.testing.assert_frame_equal(alone, risks.head(1))
    unlabelled = test.assign(died=pd.NA, label_source="unknown")
    pd.testing.assert_frame_equal(baseline_risks(train, unlabelled), risks)


def test_a_hidden_sex_is_no_category_of_its_own(parts):
    train, test = parts
    secret = train.assign(sex=train["sex"].where(~train["died"].astype(bool)))
    hidden, shown = (
        baseline_risks(secret, test.head(1).assign(sex=pd.Categorical([sex], ["F", "M"])))
        for sex in (None, secret["sex"].mode()[0])
    )
    pd.testing.assert_frame_equal(hidden, shown)


def test_unknown_ages_and_new_views_get_an_answer(parts):
    train, test = parts
    strange = test.head(2).assign(
        age=pd.array([pd.NA, pd.NA], dtype="Float64"), view=["lateral", None], site="hannover"
    )
    risks = baseline_risks(train, strange).filter(like="risk")
    assert ((risks > 0) & (risks < 1)).all(axis=None)
    never = baseline_risks(train.assign(age=pd.array([pd.NA] * 300, dtype="Float64")), test)
    assert never["risk age band"].nunique() == 1


def test_only_training_patients_teach(parts, patients):
    train, test = parts
    with pytest.raises(ValueError, match="training patients only"):
        baseline_risks(patients, test)
    with pytest.raises(ValueError, match="imputed or unknown"):
        baseline_risks(train.assign(label_source="imputed"), test)
    with pytest.raises(ValueError, match="row a patient"):
        baseline_risks(pd.concat([train, train.head(1)]), test)


def test_the_comparison_is_paired(parts):
    train, test = parts
    asked = test.merge(baseline_risks(train, test), on=["site", "patient_id"])
    found = compare_baselines(asked).set_index("rival")
    assert list(found.index) == list(BASELINES)
    gain = auroc_difference(asked, "risk", "risk view")
    area = auroc_interval(asked, risk="risk view")
    assert tuple(found.loc["view", ["estimate", "low", "high"]]) == pytest.approx(
        (area.estimate, area.low, area.high)
    )
    assert tuple(found.loc["view", ["gain", "gain_low", "gain_high"]]) == pytest.approx(
        (gain.estimate, gain.low, gain.high)
    )
    majority = found.loc["majority"]
    assert majority["gain"] == pytest.approx(auroc(asked["died"], asked["risk"]) - 0.5)
    assert majority["gain_low"] < majority["gain"] < majority["gain_high"]


def test_only_the_leak_shown_as_a_leak_comes_from_afterwards():
    known_with_the_film = {"age", "age band", "sex", "view", "day", "site"}
    late = {name for name, one in BASELINES.items() if set(one.columns) - known_with_the_film}
    assert late == {"number of films"}
    assert "leak" in BASELINES["number of films"].why


def test_films_are_counted_over_the_whole_cohort(patients):
    cohort = pd.concat([patients.head(3), patients.head(1)])
    counted = patient_metadata(patients.head(3).drop(columns="n_films"), cohort)
    assert counted["n_films"].tolist() == [2, 1, 1]
    with pytest.raises(ValueError, match="no film in the cohort"):
        patient_metadata(patients.tail(1), cohort)
