"""Measures of a risk: known answers, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from helpers.calibration import calibration, recalibrate
from helpers.metrics import (
    Confusion,
    auprc,
    auroc,
    best_possible_share,
    brier,
    confusion,
    majority_rate,
    net_benefit,
    net_benefit_at,
    sensitivity,
    specificity,
)
from tests.simulated import NAN, simulate


@pytest.fixture(scope="module")
def patients():
    return simulate(400, np.random.default_rng(0))


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
    assert majority_rate(died) == pytest.approx(3 / 5)
    assert auprc(died, risk) == pytest.approx((1 + 2 / 3) / 2)
    assert best_possible_share(0.7, 0.9) == pytest.approx(0.5)
    assert np.isnan(best_possible_share(0.7, 0.5))


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


def test_confusion_counts_every_patient_once():
    died, risk = [1, 1, 0, 0, 0], [0.9, 0.3, 0.6, 0.2, 0.1]
    counts = confusion(died, risk, 0.3)
    assert counts == Confusion(2, 1, 0, 2)
    assert sensitivity(died, risk, 0.3) == counts.true_positive / 2
    assert confusion(died, risk, 0.95) == Confusion(0, 0, 2, 3)


def test_rivals_have_their_own_net_benefit(patients):
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy()
    curve = net_benefit(died, risk, [0.1, 0.3], rivals={"view": np.sqrt(risk)})
    assert list(curve) == ["threshold", "model", "view", "treat_all", "treat_none"]
    by_formula = [net_benefit_at(died, np.sqrt(risk), threshold) for threshold in (0.1, 0.3)]
    np.testing.assert_allclose(curve["view"], by_formula, atol=1e-12)
    with pytest.raises(ValueError, match="Are these logits"):
        net_benefit(died, risk, [0.1], rivals={"view": risk + 1})


@pytest.mark.parametrize(
    "odd", [["N", "Y"], ["False", "True"], [0, 2], [0.0, 0.3], [False, None], [0, NAN]]
)
def test_outcomes_that_are_none_are_refused(odd):
    for judge in (auroc, brier, lambda died, _: majority_rate(died), recalibrate):
        with pytest.raises(ValueError, match=r"Expected (outcomes as bool|an outcome for every)"):
            judge(odd, [0.2, 0.4])


def test_outcomes_are_understood_in_every_form_they_come_in():
    for died in ([0, 1], [0.0, 1.0], [False, True], pd.array([False, True], "boolean")):
        assert auroc(died, [0.2, 0.4]) == 1 and majority_rate(died) == 0.5


def test_rivals_and_thresholds_that_cannot_be_meant_are_refused():
    with pytest.raises(ValueError, match="Rename the rivals model"):
        net_benefit([0, 1], [0.2, 0.4], [0.1], rivals={"model": [0.1, 0.1]})
    with pytest.raises(ValueError, match="Expected thresholds between 0 and 1"):
        net_benefit([0, 1], [0.2, 0.4], [0.1, NAN])
    with pytest.raises(ValueError, match="a logit for every patient"):
        recalibrate([0, 1, 0, 1], [0.1, 0.2, 0.4, NAN])
