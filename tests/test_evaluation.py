"""The report, and the threshold that the test must not choose."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from helpers.evaluation import auroc, auroc_interval, choose_threshold, report, sensitivity
from tests.simulated import simulate


@pytest.fixture(scope="module")
def patients():
    return simulate(400, np.random.default_rng(0))


def test_the_threshold_reaches_its_sensitivity_and_no_more(patients):
    for wanted in (0.5, 0.8, 1.0):
        threshold = choose_threshold(patients, sensitivity=wanted)
        assert sensitivity(patients["died"], patients["risk"], threshold) >= wanted
        higher = patients.loc[patients["risk"] > threshold, "risk"].min() + 1e-9
        assert sensitivity(patients["died"], patients["risk"], higher) < wanted
    five = patients[patients["died"]].head(5)
    lowest = five["risk"].nsmallest(2)
    assert choose_threshold(five, sensitivity=0.8) == pytest.approx(lowest.mean())
    assert choose_threshold(five, sensitivity=1.0) == pytest.approx(lowest.iloc[0] / 2)


@pytest.mark.parametrize("seed", range(20))
def test_the_threshold_catches_the_same_patients_when_they_are_asked_again(seed):
    """In another order, and so by sums that are rounded otherwise."""
    rng = np.random.default_rng(seed)
    asked = simulate(30, rng)
    asked.loc[:1, "died"] = [True, False]
    asked.loc[2, "risk"] = asked.loc[0, "risk"] * (1 - 1e-9)  # all but the same
    threshold = choose_threshold(asked)
    again = asked["risk"] + rng.uniform(-5e-8, 5e-8, len(asked))
    assert ((again >= threshold) == (asked["risk"] >= threshold)).all()


def test_the_threshold_comes_from_validation_alone(patients):
    table = patients.assign(part=["validation"] * 200 + ["test"] * 200)
    with pytest.raises(ValueError, match="validation patients only"):
        choose_threshold(table)
    with pytest.raises(ValueError, match="No validation patient died"):
        choose_threshold(patients[~patients["died"]])


def test_the_report_holds_accuracy_beside_the_majority(patients):
    table = report(patients, 0.3)
    metrics = list(table["metric"])
    assert metrics.index("accuracy of always the majority") == metrics.index("accuracy") + 1
    assert metrics == [
        "AUROC",
        "AUPRC",
        "Brier score",
        "observed / expected deaths",
        "calibration intercept",
        "calibration slope",
        "sensitivity",
        "specificity",
        "net benefit",
        "net benefit less that of treating all",
        "accuracy",
        "accuracy of always the majority",
    ]
    assert (table["n"] == 400).all()
    assert (table["events"] == patients["died"].sum()).all()
    assert (table["low"] <= table["estimate"]).all() and (table["estimate"] <= table["high"]).all()
    indexed = table.set_index("metric")["estimate"]
    right = (patients["risk"] >= 0.3) == patients["died"]
    assert indexed["accuracy"] == pytest.approx(right.mean())
    assert indexed["AUROC"] == pytest.approx(auroc(patients["died"], patients["risk"]))
    assert indexed["sensitivity"] == pytest.approx(
        sensitivity(patients["died"], patients["risk"], 0.3)
    )


def test_the_report_says_why_a_number_is_missing(patients):
    table = report(patients[~patients["died"]], 0.3).set_index("metric")
    assert np.isnan(table.loc["AUROC", "estimate"])
    assert table.loc["AUROC", "note"] == "undefined in these patients"
    survivors, deaths = patients[~patients["died"]].head(20), patients[patients["died"]].head(1)
    rare = report(pd.concat([survivors, deaths]), 0.3).set_index("metric")
    assert rare.loc["AUROC", "note"] == "no interval: fewer than two deaths or survivors"
    assert np.isfinite(rare.loc["AUROC", "estimate"]) and np.isnan(rare.loc["AUROC", "low"])
    assert rare.loc["AUPRC", "note"] == "no interval: fewer than two deaths"


def test_rounding_of_means_over_films_ranks_nobody():
    """The mean of three tenths is not a tenth to a computer."""
    films = pd.DataFrame(
        {
            "site": "sbu",
            "patient_id": [0, 0, 0, 1, 1, 1, 2, 3],
            "died": [True] * 6 + [False] * 2,
            "label_source": "observed",
            "risk": 0.1,
        }
    )
    table = report(films, 0.1).set_index("metric")
    assert table.loc["AUROC", "estimate"] == 0.5 and np.isnan(table.loc["AUROC", "low"])
    assert table.loc["sensitivity", "estimate"] == 1


def test_the_majority_is_never_less_than_half(patients):
    even = pd.concat([patients[patients["died"]].head(5), patients[~patients["died"]].head(5)])
    row = report(even, 0.3).set_index("metric").loc["accuracy of always the majority"]
    assert row["estimate"] == row["low"] == 0.5 < row["high"]


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(patients, threshold):
    with pytest.raises(ValueError, match="threshold between 0 and 1; got"):
        report(patients, threshold)


def test_each_measure_has_its_own_kind_of_interval(patients):
    table = report(patients, 0.3).set_index("metric")
    area = auroc_interval(patients)
    assert (table.loc["AUROC", "low"], table.loc["AUROC", "high"]) == (area.low, area.high)
    deaths = int(patients["died"].sum())
    caught = round(table.loc["sensitivity", "estimate"] * deaths)
    wilson = proportion_confint(caught, deaths, method="wilson")
    assert tuple(table.loc["sensitivity", ["low", "high"]]) == pytest.approx(wilson)
    gain = table.loc["net benefit less that of treating all", "estimate"]
    rate = deaths / len(patients)
    treat_all = rate - (1 - rate) * 0.3 / 0.7
    assert gain == pytest.approx(table.loc["net benefit", "estimate"] - treat_all)
