"""Intervals without resampling: known formulas, other software's, and what few patients allow."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import multinomial, norm
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from helpers.analytic_intervals import (
    auprc_interval,
    brier_interval,
    net_benefit_intervals,
    share_interval,
)
from helpers.bootstrap import bootstrap_interval
from helpers.metrics import auprc, brier, net_benefit_at
from tests.simulated import simulate

GAIN = "net benefit less that of treating all"


def drawn(n, seed=0):
    patients = simulate(n, np.random.default_rng(seed))
    return patients["died"].to_numpy(bool), patients["risk"].to_numpy()


def bounds(interval):
    return interval.low, interval.high


def test_a_share_has_wilsons_interval_at_any_level():
    assert bounds(share_interval(3, 20)) == pytest.approx(
        proportion_confint(3, 20, method="wilson")
    )
    assert bounds(share_interval(3, 20, level=0.8)) == pytest.approx(
        proportion_confint(3, 20, alpha=0.2, method="wilson")
    )
    assert share_interval(0, 0).note == "undefined in these patients"


def test_the_brier_score_has_the_t_interval_of_a_mean_on_the_logit_scale():
    died, risk = drawn(60)
    found, squares = brier_interval(died, risk), DescrStatsW((risk - died) ** 2)
    assert found.estimate == pytest.approx(brier(died, risk))
    assert found.standard_error == pytest.approx(squares.std_mean)
    plain = np.array(squares.tconfint_mean()) - found.estimate
    slope = found.estimate * (1 - found.estimate)
    expected = expit(logit(found.estimate) + plain / slope)
    assert bounds(found) == pytest.approx(tuple(expected))


def test_the_auprc_has_the_logit_interval_of_boyd():
    died, risk = drawn(60)
    found, area = auprc_interval(died, risk), auprc(died, risk)
    reach = norm.ppf(0.975) / np.sqrt(died.sum() * area * (1 - area))
    assert bounds(found) == pytest.approx((expit(logit(area) - reach), expit(logit(area) + reach)))


def test_net_benefit_of_one_share_alone_has_the_interval_of_that_share():
    # Nobody else is treated, so that half of the difference is a share of nobody.
    died = np.repeat([True, False], [30, 70])
    risk = np.where(died & (np.arange(100) < 20), 0.9, 0.1)
    found = net_benefit_intervals(died, risk, 0.5)["net benefit"]
    caught, treated_in_vain = share_interval(20, 100), share_interval(0, 100)
    down = np.hypot(0.2 - caught.low, treated_in_vain.high)
    assert found.estimate == pytest.approx(0.2)
    assert bounds(found) == pytest.approx((0.2 - down, caught.high))


@pytest.mark.parametrize("measure", ["net benefit", GAIN])
@pytest.mark.parametrize(("deaths", "survivors"), [(0.1, 0.25), (0.05, 0.4), (0.15, 0.1)])
def test_over_all_cohorts_of_40_it_is_held_as_often_as_promised(measure, deaths, survivors):
    """Three cells: deaths and survivors that count for the measure, and survivors that do not."""
    threshold, patients = 0.13, 40
    odds, counts_if_treated = threshold / (1 - threshold), measure == "net benefit"
    truth = (deaths - odds * survivors) * (1 if counts_if_treated else -1)
    counted, rest = (0.9, 0.0) if counts_if_treated else (0.0, 0.9)
    held = 0.0
    for dead in range(1, patients + 1):  # without a death there is no net benefit
        for alive in range(patients + 1 - dead):
            counts = (dead, alive, patients - dead - alive)
            likelihood = multinomial.pmf(
                counts, patients, (deaths, survivors, 1 - deaths - survivors)
            )
            if likelihood > 1e-6:
                died = np.repeat([True, False, False], counts)
                risk = np.repeat([counted, counted, rest], counts)
                found = net_benefit_intervals(died, risk, threshold)[measure]
                held += likelihood * found.holds(truth)
    some_died = 1 - (1 - deaths) ** patients
    assert 0.93 <= held / some_died <= 0.985


def test_with_many_patients_all_agree_with_the_bootstrap():
    patients = simulate(3000, np.random.default_rng(1))

    def measures(table):
        died, risk = table["died"].to_numpy(bool), table["risk"].to_numpy()
        benefit = net_benefit_at(died, risk, 0.3)
        return {
            "AUPRC": auprc(died, risk),
            "Brier score": brier(died, risk),
            "net benefit": benefit,
            GAIN: benefit - net_benefit_at(died, np.ones(len(died)), 0.3),
        }

    resampled = bootstrap_interval(measures, patients, repeats=400)
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy()
    ours = {
        "AUPRC": auprc_interval(died, risk),
        "Brier score": brier_interval(died, risk),
        **net_benefit_intervals(died, risk, 0.3),
    }
    for name, interval in ours.items():
        width = interval.high - interval.low
        assert interval.estimate == pytest.approx(resampled[name].estimate)
        assert bounds(interval) == pytest.approx(bounds(resampled[name]), abs=0.15 * width)


def test_a_wider_level_is_a_wider_interval():
    died, risk = drawn(80)
    for interval in (
        auprc_interval,
        brier_interval,
        lambda *asked, level: net_benefit_intervals(*asked, 0.3, level=level)[GAIN],
    ):
        narrow, wide = interval(died, risk, level=0.8), interval(died, risk, level=0.99)
        assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


@pytest.mark.parametrize("deaths", range(2, 30))
def test_a_perfect_ranking_is_no_certainty_however_its_precision_is_rounded(deaths):
    risk = [*np.linspace(0.6, 0.9, deaths), *np.linspace(0.1, 0.3, 20)]
    perfect = auprc_interval([True] * deaths + [False] * 20, risk)
    assert perfect.estimate == 1 and "no certainty" in perfect.note and np.isnan(perfect.low)


@pytest.mark.parametrize("of", range(1, 120))
def test_a_share_lies_within_its_interval_at_both_ends(of):
    none, all_of_them = share_interval(0, of), share_interval(of, of)
    assert none.holds(0) and none.high > 0
    assert all_of_them.holds(1) and all_of_them.low < 1


@pytest.mark.parametrize("threshold", [-1, 0, 1, 2, float("nan")])
def test_a_threshold_that_is_none_is_said_to_be_why(threshold):
    found = net_benefit_intervals([True, False], [0.2, 0.1], threshold)
    assert {one.note for one in found.values()} == {
        "undefined: the threshold must lie between 0 and 1"
    }


def test_few_patients_give_no_certainty():
    one = brier_interval([True], [0.3])
    assert (
        one.estimate == pytest.approx(0.49) and one.note == "no interval: fewer than two patients"
    )
    rounded = brier_interval([False] * 3, [0.3, 0.1 + 0.2, 0.3])
    assert np.isnan(rounded.low) and "the same for all" in rounded.note
    constant = auprc_interval([True, True, False], [0.2] * 3)
    assert np.isnan(constant.low) and constant.note == "no interval: the risk is the same for all"
    lonely = auprc_interval([False, True], [0.2, 0.1])
    assert lonely.estimate == 0.5 and lonely.note == "no interval: fewer than two deaths"
    alike = brier_interval([False, True], [0.5, 0.5])
    assert alike.estimate == 0.25 and "the same for all" in alike.note
    assert brier_interval([], []).note == "undefined in these patients"
    nobody = net_benefit_intervals([False, True, False], [0.1, 0.2, 0.3], 0.9)
    assert nobody["net benefit"].estimate == 0
    assert nobody["net benefit"].low < 0 < nobody["net benefit"].high


@pytest.mark.parametrize("died", [[False] * 4, [True] * 4])
def test_one_outcome_alone_has_no_auprc_and_no_net_benefit(died):
    risk = [0.1, 0.2, 0.3, 0.4]
    undefined = [auprc_interval(died, risk), *net_benefit_intervals(died, risk, 0.25).values()]
    assert {one.note for one in undefined} == {"undefined in these patients"}


def test_missing_outcomes_and_logits_are_refused():
    for interval in (auprc_interval, brier_interval):
        with pytest.raises(ValueError, match="some are missing"):
            interval([True, None], [0.1, 0.2])
        with pytest.raises(ValueError, match="between 0 and 1"):
            interval([True, False], [-1.0, 2.0])
