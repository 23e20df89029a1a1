"""Judging: known answers, intervals that cover, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit
from scipy.stats import t as student
from sklearn.metrics import brier_score_loss, roc_auc_score

from helpers.evaluation import (
    Interval,
    accuracy,
    auprc,
    auroc,
    best_possible_share,
    bootstrap_interval,
    brier,
    calibration,
    choose_threshold,
    majority_rate,
    net_benefit,
    net_benefit_at,
    pool_by_patient,
    pool_draws,
    recalibrate,
    report,
    require_observed,
    sensitivity,
    specificity,
)

NAN = float("nan")


def simulate(n, generator, *, intercept=-1.5, slope=1.2):
    """Patients whose risk is exactly right: the logit is normal, the outcome follows it."""
    logit = intercept + slope * generator.normal(size=n)
    risk = expit(logit)
    return pd.DataFrame(
        {
            "site": "sbu",
            "patient_id": [f"P{i:05d}" for i in range(n)],
            "risk": risk,
            "died": pd.array(generator.random(n) < risk, dtype="boolean"),
            "label_source": "observed",
        }
    )


@pytest.fixture(scope="module")
def patients():
    return simulate(400, np.random.default_rng(0))


# --- metrics -----------------------------------------------------------------------------------


def test_auroc_and_brier_agree_with_scikit_learn_ties_included(patients):
    died = patients["died"].to_numpy(bool)
    risk = patients["risk"].round(1).to_numpy()
    assert auroc(died, risk) == pytest.approx(roc_auc_score(died, risk), abs=1e-12)
    assert brier(died, risk) == pytest.approx(brier_score_loss(died, risk), abs=1e-12)


def test_metrics_by_hand():
    died, risk = [1, 1, 0, 0, 0], [0.9, 0.3, 0.6, 0.2, 0.1]
    assert auroc(died, risk) == pytest.approx(5 / 6)
    assert sensitivity(died, risk, 0.3) == 1 and sensitivity(died, risk, 0.31) == 0.5
    assert specificity(died, risk, 0.3) == pytest.approx(2 / 3)
    assert accuracy(died, risk, 0.5) == pytest.approx(3 / 5)
    assert majority_rate(died) == pytest.approx(3 / 5)
    assert auprc(died, risk) == pytest.approx((1 + 2 / 3) / 2)
    assert best_possible_share(0.7, 0.9) == pytest.approx(0.5)
    assert np.isnan(best_possible_share(0.7, 0.5))


def test_a_perfect_model_is_calibrated():
    perfect = simulate(40_000, np.random.default_rng(1))
    ratio, intercept, slope = calibration(perfect["died"], perfect["risk"])
    assert ratio == pytest.approx(1, abs=0.03)
    assert intercept == pytest.approx(0, abs=0.04)
    assert slope == pytest.approx(1, abs=0.04)


def test_calibration_intercept_is_that_of_a_regression_with_offset_and_never_diverges():
    rng = np.random.default_rng(0)
    logit = rng.normal(-1, 1, 300)
    died = rng.random(300) < 1 / (1 + np.exp(-0.6 * logit - 0.4))
    family = sm.families.Binomial()
    fit = sm.GLM(died.astype(float), np.ones((300, 1)), offset=logit, family=family).fit()
    shift = calibration(died, 1 / (1 + np.exp(-logit))).intercept
    assert shift == pytest.approx(fit.params[0], abs=1e-6)
    extreme = np.array([0.0, 0.0, 1.0, 1.0, 1e-9])
    assert abs(calibration([True, False, False, False, False], extreme).intercept) < 30


def test_calibration_finds_what_is_wrong_and_recalibration_mends_it():
    truth = simulate(40_000, np.random.default_rng(2))
    logit = 0.7 + 2 * np.log(truth["risk"] / (1 - truth["risk"]))
    wrong = calibration(truth["died"], expit(logit))
    assert wrong.slope == pytest.approx(0.5, abs=0.03)
    assert wrong.observed_expected == pytest.approx(
        truth["died"].sum() / expit(logit).sum(), rel=1e-9
    )
    intercept, slope = recalibrate(truth["died"], logit)
    mended = calibration(truth["died"], expit(intercept + slope * logit))
    assert mended == pytest.approx((1, 0, 1), abs=1e-4)


def test_a_shift_shows_in_the_intercept_alone():
    truth = simulate(40_000, np.random.default_rng(3))
    logit = np.log(truth["risk"] / (1 - truth["risk"])) + 0.6
    shifted = calibration(truth["died"], expit(logit))
    assert shifted.intercept == pytest.approx(-0.6, abs=0.05)
    assert shifted.slope == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("died", "risk"),
    [([0, 0, 0], [0.1, 0.2, 0.3]), ([1, 1, 1], [0.1, 0.2, 0.3])],
    ids=["nobody died", "everybody died"],
)
def test_one_outcome_leaves_discrimination_undefined(died, risk):
    assert np.isnan(auroc(died, risk)) and np.isnan(auprc(died, risk))
    assert np.isnan(calibration(died, risk).intercept) and np.isnan(calibration(died, risk).slope)
    assert np.isnan(net_benefit_at(died, risk, 0.2))
    assert np.isnan(sensitivity(died, risk, 0.5)) or np.isnan(specificity(died, risk, 0.5))
    with pytest.raises(ValueError, match="Net benefit needs"):
        net_benefit(died, risk, [0.2])
    with pytest.raises(ValueError, match="Cannot recalibrate on 3 patients"):
        recalibrate(died, risk)


def test_a_constant_risk_is_no_discrimination_and_has_no_slope():
    result = calibration([0, 1, 0, 0], [0.25] * 4)
    assert auroc([0, 1, 0, 0], [0.25] * 4) == 0.5
    assert result.intercept == pytest.approx(0, abs=1e-6) and np.isnan(result.slope)


def test_perfect_separation_has_no_slope_but_no_crash():
    assert np.isnan(calibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]).slope)
    assert np.isnan(calibration([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1]).slope)
    assert auroc([0, 0, 1, 1], [0, 0.2, 0.8, 1]) == 1  # risks of 0 and 1 are allowed


@pytest.mark.parametrize(
    ("died", "risk", "message"),
    [
        ([0, pd.NA], [0.1, 0.2], "some are missing"),
        ([0, 1], [0.1, 1.2], "Are these logits"),
        ([0, 1], [0.1, NAN], "none missing"),
        ([0, 1], [0.1], "one risk a patient"),
    ],
)
def test_input_that_cannot_be_meant_is_refused(died, risk, message):
    with pytest.raises(ValueError, match=message):
        auroc(died, risk)


def test_net_benefit_at_its_ends_and_against_the_formula(patients):
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy()
    curve = net_benefit(died, risk, np.linspace(0.001, 0.999, 50))
    assert (curve["treat_none"] == 0).all()
    assert curve["treat_all"].iloc[0] == pytest.approx(died.mean(), abs=0.002)
    assert curve["model"].iloc[0] == pytest.approx(curve["treat_all"].iloc[0], abs=1e-9)
    assert curve["model"].iloc[-1] == pytest.approx(0, abs=1e-9)
    by_formula = [net_benefit_at(died, risk, threshold) for threshold in curve["threshold"]]
    np.testing.assert_allclose(curve["model"], by_formula, atol=1e-12)
    with pytest.raises(ValueError, match="between 0 and 1"):
        net_benefit(died, risk, [0, 0.5])


# --- patients ----------------------------------------------------------------------------------


def films_of(patients, counts, generator):
    films = patients.loc[patients.index.repeat(counts)].reset_index(drop=True)
    noisy = films["risk"].to_numpy() + generator.normal(0, 0.02, len(films))
    return films.assign(risk=np.clip(noisy, 0, 1))


def test_pooling_takes_the_mean_risk_of_a_patient():
    table = pd.DataFrame(
        {
            "site": ["a", "a", "b"],
            "patient_id": ["1", "1", "1"],
            "risk": [0.2, 0.4, 0.9],
            "risk_baseline": [0.1, 0.3, 0.5],
            "died": pd.array([False, False, True], dtype="boolean"),
            "label_source": "observed",
            "age": pd.array([pd.NA, 60, 70], dtype="Float64"),
        }
    )
    pooled = pool_by_patient(table)
    assert pooled["risk"].tolist() == pytest.approx([0.3, 0.9])
    assert pooled["risk_baseline"].tolist() == pytest.approx([0.2, 0.5])
    assert pooled["n_films"].tolist() == [2, 1] and pooled["age"].tolist() == [60, 70]
    pd.testing.assert_frame_equal(pool_by_patient(pooled)[["risk"]], pooled[["risk"]])


def test_contradicting_labels_and_missing_risks_are_refused(patients):
    twice = pd.concat([patients, patients.assign(died=~patients["died"])])
    with pytest.raises(ValueError, match="both died and survived"):
        pool_by_patient(twice)
    with pytest.raises(ValueError, match="Run predict first"):
        pool_by_patient(patients.drop(columns="risk"))


@pytest.mark.parametrize("source", ["imputed", "unknown", pd.NA])
def test_every_judging_function_refuses_labels_that_are_not_observed(patients, source):
    table = patients.copy()
    table.loc[3, "label_source"] = source
    judges = [
        lambda: require_observed(table),
        lambda: pool_by_patient(table),
        lambda: report(table, 0.5),
        lambda: choose_threshold(table),
        lambda: bootstrap_interval(lambda sample: sample["risk"].mean(), table),
    ]
    for judge in judges:
        with pytest.raises(ValueError, match="1 of 400 rows are imputed or unknown"):
            judge()
    with pytest.raises(ValueError, match="label_source"):
        require_observed(patients.drop(columns="label_source"))


def test_the_threshold_reaches_its_sensitivity_and_no_more(patients):
    for wanted in (0.5, 0.8, 1.0):
        threshold = choose_threshold(patients, sensitivity=wanted)
        assert sensitivity(patients["died"], patients["risk"], threshold) >= wanted
        assert sensitivity(patients["died"], patients["risk"], threshold + 1e-9) < wanted
    five = patients[patients["died"]].head(5)
    assert choose_threshold(five, sensitivity=0.8) == five["risk"].nsmallest(2).iloc[1]


def test_the_threshold_comes_from_validation_alone(patients):
    table = patients.assign(part=["validation"] * 200 + ["test"] * 200)
    with pytest.raises(ValueError, match="validation patients only"):
        choose_threshold(table)
    with pytest.raises(ValueError, match="No validation patient died"):
        choose_threshold(patients[~patients["died"]])


def test_the_report_holds_accuracy_beside_the_majority(patients):
    table = report(patients, 0.3, repeats=100)
    metrics = list(table["metric"])
    assert metrics.index("accuracy of always the majority") == metrics.index("accuracy") + 1
    assert (table["n"] == 400).all()
    assert (table["events"] == patients["died"].sum()).all()
    assert (table["low"] <= table["estimate"]).all() and (table["estimate"] <= table["high"]).all()
    indexed = table.set_index("metric")["estimate"]
    assert indexed["AUROC"] == pytest.approx(auroc(patients["died"], patients["risk"]))
    assert indexed["sensitivity"] == pytest.approx(
        sensitivity(patients["died"], patients["risk"], 0.3)
    )


def test_the_report_says_why_a_number_is_missing(patients):
    table = report(patients[~patients["died"]], 0.3, repeats=50).set_index("metric")
    assert np.isnan(table.loc["AUROC", "estimate"])
    assert table.loc["AUROC", "note"] == "undefined in these patients"
    one_death = pd.concat(
        [patients[~patients["died"]].head(20), patients[patients["died"]].head(1)]
    )
    rare = report(one_death, 0.3, repeats=200).set_index("metric")
    assert rare.loc["AUROC", "note"].startswith("no interval: undefined in")
    assert np.isfinite(rare.loc["AUROC", "estimate"]) and np.isnan(rare.loc["AUROC", "low"])


# --- intervals ---------------------------------------------------------------------------------


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    truth = simulate(400_000, np.random.default_rng(10))
    true_auroc = auroc(truth["died"], truth["risk"])
    hits = 0
    for number in range(100):
        sample = simulate(200, np.random.default_rng(100 + number))
        interval = bootstrap_interval(
            lambda table: auroc(table["died"], table["risk"]), sample, repeats=200, seed=number
        )
        hits += interval.low <= true_auroc <= interval.high
    # 89 to 99 are what 100 intervals of 95 % give with probability 0.99.
    assert 89 <= hits <= 99


def test_films_are_no_independent_evidence(patients):
    generator = np.random.default_rng(5)
    films = films_of(patients, np.full(len(patients), 6), generator)
    films["film"] = np.arange(len(films)).astype(str)

    def statistic(table):
        return auroc(table["died"], table["risk"])

    by_patient = bootstrap_interval(statistic, films, repeats=200)
    by_film = bootstrap_interval(statistic, films, cluster="film", repeats=200)
    once = bootstrap_interval(statistic, patients, repeats=200)
    assert by_film.standard_error < 0.6 * by_patient.standard_error
    assert by_patient.standard_error == pytest.approx(once.standard_error, rel=0.25)


def test_several_numbers_share_their_resamples(patients):
    both = bootstrap_interval(
        lambda table: {"risk": table["risk"].mean(), "twice": 2 * table["risk"].mean()},
        patients,
        repeats=50,
    )
    assert both["twice"].low == pytest.approx(2 * both["risk"].low)
    alone = bootstrap_interval(lambda table: table["risk"].mean(), patients, repeats=50)
    assert alone == both["risk"]


def test_stratified_draws_keep_the_number_of_deaths(patients):
    deaths = bootstrap_interval(
        lambda table: table["died"].sum(), patients, stratify="died", repeats=50
    )
    assert deaths.low == deaths.high == patients["died"].sum()
    free = bootstrap_interval(lambda table: table["died"].sum(), patients, repeats=50)
    assert free.low < free.high


def test_patients_of_two_sites_with_one_number_are_two(patients):
    other = patients.assign(site="ieee8023")
    units = []
    bootstrap_interval(
        lambda table: units.append(len(table)) or 0.0,
        pd.concat([patients.head(3), other.head(4)]),
        repeats=20,
    )
    assert set(units) == {7}


def test_one_patient_cannot_be_resampled(patients):
    with pytest.raises(ValueError, match="at least two different patient_id; found 1"):
        bootstrap_interval(lambda table: 0.0, patients.head(1))


def test_intervals_read_well():
    assert str(Interval(0.712, 0.598, 0.823)) == "0.71 (0.60–0.82)"
    assert f"{Interval(0.712, 0.598, 0.823):.0%}" == "71% (60%–82%)"
    assert str(Interval(-0.2, -0.31, 0.1)) == "−0.20 (−0.31 to 0.10)"
    assert str(Interval(NAN, NAN, NAN)) == "not estimable"
    assert str(Interval(0.5, NAN, NAN)) == "0.50 (no interval)"


# --- multiple imputation -----------------------------------------------------------------------


def test_rubins_rules_by_hand():
    pooled = pool_draws([1.0, 2.0, 3.0], [0.5, 0.5, 0.5])
    assert pooled.interval.estimate == 2
    assert (pooled.within, pooled.between) == (0.5, 1.0)
    total = 0.5 + 4 / 3
    assert pooled.interval.standard_error == pytest.approx(np.sqrt(total))
    assert pooled.missing_information == pytest.approx((4 / 3) / total)
    freedom = 2 * (1 + 0.5 / (4 / 3)) ** 2
    reach = student.ppf(0.975, freedom) * np.sqrt(total)
    assert pooled.interval.high == pytest.approx(2 + reach)


def test_draws_that_agree_add_nothing():
    pooled = pool_draws([0.7] * 5, [0.01] * 5)
    assert pooled.missing_information == 0
    assert pooled.interval.high == pytest.approx(0.7 + 1.959964 * 0.1)


@pytest.mark.parametrize(
    ("estimates", "variances"), [([0.7], [0.1]), ([0.7, 0.8], [0.1]), ([0.7, NAN], [0.1, 0.1])]
)
def test_draws_that_cannot_be_pooled_are_refused(estimates, variances):
    with pytest.raises(ValueError, match=r"[Ee]xpected|finite"):
        pool_draws(estimates, variances)


def test_perfect_ranking_of_few_claims_no_certainty():
    few = pd.DataFrame(
        {
            "site": "sbu",
            "patient_id": [str(i) for i in range(16)],
            "died": [True] * 3 + [False] * 13,
            "label_source": "observed",
            "risk": np.linspace(0.9, 0.1, 16),
        }
    )
    interval = bootstrap_interval(lambda t: auroc(t["died"], t["risk"]), few, repeats=200)
    assert interval.estimate == 1 and np.isnan(interval.low)
    assert "no certainty" in interval.note
