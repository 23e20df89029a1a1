"""Agreement of risks with outcomes: a perfect model, known mistakes, intervals."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit
from statsmodels.stats.proportion import proportion_confint

from helpers.calibration import calibration, calibration_intervals, recalibrate
from helpers.metrics import auroc
from tests.simulated import simulate


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


def test_a_constant_risk_is_no_discrimination_and_has_no_slope():
    result = calibration([0, 1, 0, 0], [0.25] * 4)
    assert auroc([0, 1, 0, 0], [0.25] * 4) == 0.5
    assert result.intercept == pytest.approx(0, abs=1e-6) and np.isnan(result.slope)


@pytest.mark.parametrize("spread", [1e-8, 1e-7, 1e-6])
def test_logits_too_nearly_alike_have_no_slope(spread):
    rng = np.random.default_rng(0)
    died = rng.random(60) < 0.3
    risk = expit(-1 + spread * rng.normal(size=60))
    result = calibration(died, risk)
    assert np.isnan(result.slope) and np.isfinite(result.intercept)


def test_perfect_separation_has_no_slope_but_no_crash():
    assert np.isnan(calibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]).slope)
    assert np.isnan(calibration([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1]).slope)
    assert auroc([0, 0, 1, 1], [0, 0.2, 0.8, 1]) == 1  # risks of 0 and 1 are allowed


def test_the_slopes_interval_is_that_of_the_regression():
    patients = simulate(300, np.random.default_rng(4))
    died, logit = (
        patients["died"].to_numpy(float),
        np.log(patients["risk"] / (1 - patients["risk"])),
    )
    found = calibration_intervals(patients["died"], patients["risk"])
    slope = sm.Logit(died, sm.add_constant(logit.to_numpy())).fit(disp=False).conf_int()[1]
    steepness = found["calibration slope"]
    assert (steepness.low, steepness.high) == pytest.approx(tuple(slope), abs=1e-6)


def test_at_the_ends_of_its_interval_the_intercept_is_just_possible():
    patients = simulate(300, np.random.default_rng(4))
    died, logit = patients["died"].to_numpy(bool), np.log(patients["risk"] / (1 - patients["risk"]))
    shift = calibration_intervals(died, patients["risk"])["calibration intercept"]
    for end, errors in ((shift.low, -1.959964), (shift.high, 1.959964)):
        risk = expit(logit + end)
        assert (risk.sum() - died.sum()) / np.sqrt((risk * (1 - risk)).sum()) == pytest.approx(
            errors, abs=1e-4
        )
    family = sm.families.Binomial()
    fit = sm.GLM(died.astype(float), np.ones((300, 1)), offset=logit.to_numpy(), family=family)
    assert shift.standard_error == pytest.approx(fit.fit().bse[0], abs=1e-5)


def test_at_equal_risks_observed_over_expected_has_wilsons_interval():
    died, risk = np.repeat([True, False], [20, 80]), np.full(100, 0.25)
    ratio = calibration_intervals(died, risk)["observed / expected deaths"]
    low, high = proportion_confint(20, 100, method="wilson")
    assert ratio.estimate == pytest.approx(0.8)
    assert (ratio.low, ratio.high) == pytest.approx((low / 0.25, high / 0.25), abs=1e-5)
    # Half are sure to live: the others' deaths vary less than if all were at the same risk.
    sure = np.where(np.arange(100) < 50, 0.4, 1e-6)
    narrower = calibration_intervals(died, sure)["observed / expected deaths"]
    assert narrower.high / narrower.low < 0.95 * ratio.high / ratio.low


def test_one_is_possible_exactly_where_zero_is():
    patients = simulate(80, np.random.default_rng(6))
    logit = np.log(patients["risk"] / (1 - patients["risk"]))
    answers = set()
    for shift in np.linspace(-1.5, 1.5, 13):
        found = calibration_intervals(patients["died"], expit(logit + shift))
        right = found["calibration intercept"].holds(0)
        assert found["observed / expected deaths"].holds(1) == right
        answers.add(right)
    assert answers == {True, False}


def test_where_no_death_was_expected_there_is_no_ratio():
    found = calibration_intervals([True, False, True], [0.0, 0.0, 0.0])
    assert found["observed / expected deaths"].note == "undefined in these patients"
    assert found["calibration intercept"].low > 10  # risks that are far too low


def test_where_nobody_died_the_intervals_say_so():
    found = calibration_intervals([0, 0, 0], [0.1, 0.2, 0.3])
    assert found["observed / expected deaths"].note == "no interval: one outcome only"
    assert found["calibration slope"].note == "undefined in these patients"
