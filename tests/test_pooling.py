"""AUROC with its variance, pooled over draws: against written-out formulas and in simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from helpers.evaluation import pool_draws
from helpers.metrics import auroc
from helpers.pooling import delong, pooled_auroc, pooled_difference


def patients(n=120, models=1, seed=0, apart=1.0):
    """Outcomes and the risks of several models that partly agree, in [0, 1]."""
    generator = np.random.default_rng(seed)
    died = generator.random(n) < 0.3
    shared = generator.normal(size=n) + apart * died
    scores = shared + 0.5 * generator.normal(size=(models, n))
    return died, 1 / (1 + np.exp(-scores))


def written_out(died, risks):
    """DeLong's covariance as the paper has it, pair by pair."""
    dead, alive = risks[:, died], risks[:, ~died]
    wins = (dead[:, :, None] > alive[:, None, :]) + 0.5 * (dead[:, :, None] == alive[:, None, :])
    of_deaths, of_survivors = wins.mean(axis=2), wins.mean(axis=1)
    return np.cov(of_deaths) / dead.shape[1] + np.cov(of_survivors) / alive.shape[1]


def test_areas_and_covariance_are_those_of_the_paper_ties_included():
    died, risks = patients(models=3)
    risks = risks.round(1)
    areas, covariance = delong(died, risks)
    np.testing.assert_allclose(areas, [auroc(died, risk) for risk in risks])
    np.testing.assert_allclose(covariance, written_out(died, risks))


def test_intervals_of_one_model_cover_the_true_area():
    """Normal scores of variance 1.25, one unit apart: the true area has a formula."""
    truth = norm.cdf(1 / np.sqrt(2 * 1.25))
    held = []
    for seed in range(1000):
        interval = pooled_auroc(*patients(seed=seed))
        held.append(interval.low <= truth <= interval.high)
    assert 0.93 <= np.mean(held) <= 0.97


def test_draws_are_pooled_on_the_logit_scale_by_rubins_rules():
    died, risks = patients(models=5)
    areas, covariance = delong(died, risks)
    expected = pool_draws(
        np.log(areas / (1 - areas)), np.diag(covariance) / (areas * (1 - areas)) ** 2
    ).interval
    found = pooled_auroc(died, risks)
    back = [1 / (1 + np.exp(-x)) for x in (expected.estimate, expected.low, expected.high)]
    assert (found.estimate, found.low, found.high) == pytest.approx(tuple(back))
    assert found.high - found.low > np.ptp(areas)


def test_draws_that_agree_are_as_certain_as_one_model_and_others_are_less():
    died, risks = patients(models=2)
    alone = pooled_auroc(died, risks[:1])
    agreeing = pooled_auroc(died, risks[[0, 0, 0]])
    assert (agreeing.low, agreeing.high) == pytest.approx((alone.low, alone.high), abs=1e-6)
    apart = pooled_auroc(died, np.vstack([risks[:1], 1 - risks[1:]]))
    assert apart.high - apart.low > 2 * (alone.high - alone.low)
    assert 0 < apart.low < apart.high < 1


def test_differences_are_paired():
    died, risks = patients(models=2)
    same = pooled_difference(died, risks[:1], risks[0])
    assert (same.low, same.estimate, same.high) == pytest.approx((0, 0, 0), abs=1e-6)
    difference = pooled_difference(died, risks[1:], risks[0])
    areas, covariance = delong(died, risks)
    assert difference.estimate == pytest.approx(areas[1] - areas[0])
    assert difference.standard_error < np.sqrt(np.trace(covariance)) * 0.8
    drawn = pooled_difference(died, risks, np.full(len(died), 0.5))
    assert drawn.estimate == pytest.approx(areas.mean() - 0.5)


def test_perfect_ranks_get_no_interval():
    died = np.array([True, True, False, False, False])
    interval = pooled_auroc(died, np.array([[0.9, 0.8, 0.1, 0.2, 0.3]]))
    assert interval.estimate == 1 and np.isnan(interval.low)
    assert "all deaths rank above" in interval.note


def test_refusals_say_what_was_expected():
    died, risks = patients()
    with pytest.raises(ValueError, match="got float64"):
        delong(died.astype(float), risks)
    with pytest.raises(ValueError, match="a risk a patient"):
        delong(died, risks[:, 1:])
    with pytest.raises(ValueError, match="two deaths and two survivors; got 0 and 120"):
        delong(np.zeros(120, bool), risks)
