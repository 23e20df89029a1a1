"""Intervals: how they read, what is resampled, and that they hold the truth."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student
from statsmodels.stats.weightstats import DescrStatsW

from helpers.bootstrap import bootstrap_interval, percentile_tail
from helpers.delong import auroc_difference, auroc_interval
from helpers.intervals import Interval, as_columns, intervals_of, with_seeds
from helpers.metrics import auroc
from tests.simulated import NAN, simulate


@pytest.fixture(scope="module")
def patients():
    return simulate(400, np.random.default_rng(0))


def films_of(patients, counts, generator):
    films = patients.loc[patients.index.repeat(counts)].reset_index(drop=True)
    noisy = films["risk"].to_numpy() + generator.normal(0, 0.02, len(films))
    return films.assign(risk=np.clip(noisy, 0, 1))


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


def test_with_few_units_the_interval_of_a_mean_is_as_wide_as_students():
    few = pd.DataFrame({"patient_id": list("abcdefgh"), "value": np.linspace(0, 1, 8)})
    interval = bootstrap_interval(lambda t: t["value"].mean(), few, repeats=4000)
    low, high = DescrStatsW(few["value"]).tconfint_mean()
    assert interval.high - interval.low == pytest.approx(high - low, rel=0.06)
    percentiles = interval.estimate + norm.ppf([0.025, 0.975]) * interval.standard_error
    assert interval.high - interval.low > 1.2 * np.ptp(percentiles)


def test_the_rarer_outcome_counts_whichever_it_is(patients):
    """A patient with several films is one unit; outcomes that nobody or one had are no limit."""
    tails = {}
    for name, deaths in {"few": 5, "most": 35, "one": 1, "none": 0}.items():
        table = patients.head(40).assign(died=np.arange(40) < deaths)
        table = table.loc[table.index.repeat(3)]
        found = bootstrap_interval(lambda t: t["risk"].mean(), table, repeats=400)
        tails[name] = (found.low, found.high)
    assert tails["few"] == tails["most"] and tails["one"] == tails["none"]
    assert tails["few"][0] < tails["none"][0] and tails["few"][1] > tails["none"][1]


def test_as_many_resamples_are_left_out_as_hesterberg_says():
    assert percentile_tail(10**6) == pytest.approx(0.025, abs=1e-5)
    assert percentile_tail(10) == pytest.approx(norm.cdf(-2.262157 * np.sqrt(10 / 9)), abs=1e-6)
    assert percentile_tail(10, level=0.8) == pytest.approx(
        norm.cdf(-1.383029 * np.sqrt(10 / 9)), abs=1e-6
    )


def test_one_patient_cannot_be_resampled(patients):
    with pytest.raises(ValueError, match="at least two different patient_id; found 1"):
        bootstrap_interval(lambda table: 0.0, patients.head(1))


def test_intervals_read_well():
    assert str(Interval(0.712, 0.598, 0.823)) == "0.71 (0.60–0.82)"
    assert f"{Interval(0.712, 0.598, 0.823):.0%}" == "71% (60%–82%)"
    assert str(Interval(-0.2, -0.31, 0.1)) == "−0.20 (−0.31 to 0.10)"
    assert str(Interval(-0.001, -0.004, -0.002)) == "0.00 (0.00–0.00)", "no negative zero"
    assert f"{Interval(-0.001, -0.3, 0.001):+.2f}" == "+0.00 (−0.30 to +0.00)"
    assert str(Interval(NAN, NAN, NAN)) == "not estimable"
    assert str(Interval(0.5, NAN, NAN)) == "0.50 (no interval)"


def test_resamples_of_a_perfect_ranking_of_few_claim_no_certainty():
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


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e9])
def test_resamples_that_differ_by_rounding_agree(patients, scale):
    table = patients.drop(columns="died")

    def constant(t):  # the same sum in two orders
        sums = (risks.cumsum().iloc[-1] for risks in (t["risk"], t["risk"].sort_values()))
        return scale * next(sums) / next(sums)

    values = {constant(table.sample(frac=1, replace=True, random_state=seed)) for seed in range(9)}
    assert len(values) > 1
    interval = bootstrap_interval(constant, table, repeats=50)
    assert interval.estimate == pytest.approx(scale) and np.isnan(interval.low)
    assert "all resamples agree" in interval.note
    differing = bootstrap_interval(lambda t: scale * t["risk"].mean(), table, repeats=50)
    assert differing.low < differing.estimate < differing.high


def test_rows_become_intervals():
    table = pd.DataFrame({"low": [0.1, NAN], "estimate": [0.2, 0.5], "high": [0.3, NAN]})
    assert list(map(str, intervals_of(table))) == ["0.20 (0.10–0.30)", "0.50 (no interval)"]
    apart = pd.DataFrame(as_columns(one) for one in intervals_of(table))
    pd.testing.assert_frame_equal(apart, table[["estimate", "low", "high"]])
    gain = as_columns(Interval(0.2, 0.1, 0.3), "gain_")
    assert gain == {"gain_estimate": 0.2, "gain_low": 0.1, "gain_high": 0.3}
    gains = intervals_of(table.rename(columns={"estimate": "gain"}), ("gain", "low", "high"))
    assert (gains[0].estimate, gains[0].low, gains[0].high) == (0.2, 0.1, 0.3)


def test_an_interval_knows_what_it_holds():
    assert Interval(0.7, 0.6, 0.8).holds(0.6) and not Interval(0.7, 0.6, 0.8).holds(0.5)
    assert not Interval(0.7, NAN, NAN).holds(0.7)


# --- DeLong --------------------------------------------------------------------------------------


def few():
    """Two deaths and three survivors, of whom one ranks between the deaths."""
    return pd.DataFrame(
        {
            "site": "sbu",
            "patient_id": list("abcde"),
            "died": [True, True, False, False, False],
            "label_source": "observed",
            "risk": [0.9, 0.4, 0.5, 0.2, 0.1],
            "other": [0.9, 0.3, 0.6, 0.7, 0.1],
        }
    )


def test_delong_by_hand():
    # Shares of survivors below each death: 1 and 2/3; of deaths above each survivor: 1/2, 1, 1.
    interval = auroc_interval(few())
    parts = np.var([1, 2 / 3], ddof=1) / 2, np.var([0.5, 1, 1], ddof=1) / 3
    assert interval.estimate == pytest.approx(5 / 6)
    assert interval.standard_error == pytest.approx(np.sqrt(sum(parts)))
    assert 0 < interval.low < interval.estimate < interval.high < 1


def test_a_difference_is_that_of_the_pairs_by_hand():
    # The other score: 1 and 1/3; 1/2, 1/2, 1. Differences: 0 and 1/3; 0, 1/2, 0.
    gain = auroc_difference(few(), "risk", "other")
    parts = np.var([0, 1 / 3], ddof=1) / 2, np.var([0, 0.5, 0], ddof=1) / 3
    assert gain.estimate == pytest.approx(5 / 6 - 4 / 6)
    assert gain.standard_error == pytest.approx(np.sqrt(sum(parts)))
    back = auroc_difference(few(), "other", "risk")
    assert (back.low, back.high) == pytest.approx((-gain.high, -gain.low))


def test_delong_agrees_with_the_bootstrap_over_patients(patients):
    noisy = patients["risk"] * np.random.default_rng(1).uniform(0.3, 1, len(patients))
    both = patients.assign(noisy=noisy)

    def areas(table):
        first, second = auroc(table["died"], table["risk"]), auroc(table["died"], table["noisy"])
        return {"area": first, "gain": first - second}

    resampled = bootstrap_interval(areas, both, repeats=300)
    direct = {"area": auroc_interval(both), "gain": auroc_difference(both, "risk", "noisy")}
    for name, interval in direct.items():
        assert interval.estimate == pytest.approx(resampled[name].estimate)
        assert interval.standard_error == pytest.approx(resampled[name].standard_error, rel=0.15)


def test_pairing_takes_out_the_luck_with_the_patients(patients):
    near = patients.assign(near=patients["risk"] + 0.001 * np.sin(np.arange(len(patients))))
    gain, area = auroc_difference(near, "risk", "near"), auroc_interval(near)
    assert gain.standard_error < 0.2 * area.standard_error


def test_ties_count_half(patients):
    same = auroc_interval(patients.assign(risk=0.2))
    assert same.estimate == 0.5 and np.isnan(same.low) and "same for all" in same.note
    rounded = patients.assign(risk=patients["risk"].round(1))
    expected = auroc(rounded["died"], rounded["risk"])
    assert auroc_interval(rounded).estimate == pytest.approx(expected, abs=1e-12)


def test_delong_claims_no_certainty_from_few():
    sure = few().assign(risk=[0.9, 0.8, 0.3, 0.2, 0.1])
    assert auroc_interval(sure).estimate == 1 and np.isnan(auroc_interval(sure).low)
    one_death = few().drop(index=0)
    assert "fewer than two" in auroc_interval(one_death).note
    assert auroc_interval(one_death).estimate == pytest.approx(2 / 3)
    assert np.isnan(auroc_interval(few()[~few()["died"]]).estimate)
    alike = auroc_difference(few(), "risk", "risk")
    assert alike.estimate == 0 and np.isnan(alike.low) and "rank alike" in alike.note
    apart = few().assign(risk=[0.9, 0.8, 0.3, 0.2, 0.1], other=0.5)
    half = auroc_difference(apart, "risk", "other")
    assert (
        half.estimate == 0.5 and half.note == "no interval: all patients tell the same difference"
    )
    for table in (few(), few()[~few()["died"]]):
        with pytest.raises(ValueError, match="number in risk for every patient"):
            auroc_interval(table.assign(risk=NAN))


def test_attributes_of_the_table_stay_its_own(patients):
    table = patients.copy()
    table.attrs["flow"] = {"published": 3}
    seen = []
    bootstrap_interval(lambda t: seen.append(dict(t.attrs)) or t["risk"].mean(), table, repeats=5)
    assert not any(seen)  # copied with every resample, they took most of the time
    assert table.attrs == {"flow": {"published": 3}}


def test_the_spread_over_seeds_adds_in_squares():
    of_patients = Interval(0.7, 0.6, 0.8, 0.05)
    alike = with_seeds(of_patients, [0.7, 0.7, 0.7])
    assert (alike.low, alike.high) == pytest.approx((0.6, 0.8))
    spread = with_seeds(of_patients, [0.5, 0.9], limits=(0, 1))
    assert spread.low == 0 and spread.high == 1  # t with one degree of freedom reaches far
    half = 0.1  # of a seed's range: with five seeds the error of the mean is known by hand
    seeds = [0.7 - half, 0.7 + half, 0.7 - half, 0.7 + half, 0.7]
    reach = student.ppf(0.975, 4) * half / np.sqrt(5)
    wide = with_seeds(of_patients, seeds)
    assert wide.estimate == 0.7
    assert wide.low == pytest.approx(0.7 - np.sqrt(0.1**2 + reach**2))
    assert wide.high == pytest.approx(0.7 + np.sqrt(0.1**2 + reach**2))
    assert wide.standard_error == pytest.approx(np.sqrt(0.05**2 + half**2 / 5))
    lonely = with_seeds(of_patients, [0.7])
    assert np.isnan(lonely.low) and "one seed" in lonely.note
    none = Interval(0.7, NAN, NAN, note="too few")
    assert with_seeds(none, [0.6, 0.8]) is none


def test_intervals_of_a_mean_over_seeds_hold_the_truth_of_patients_and_seeds():
    generator, patients, seeds, cohorts = np.random.default_rng(7), 60, 5, 2000
    held = {"patients alone": 0, "with seeds": 0}
    for _ in range(cohorts):  # truth 0: a patient's part, a seed's part, and what they do together
        values = generator.normal(0, 1, (patients, 1)) + generator.normal(0, 0.2, seeds)
        values = values + generator.normal(0, 0.5, (patients, seeds))
        own = values.mean(axis=1)
        error = own.std(ddof=1) / np.sqrt(patients)
        reach = student.ppf(0.975, patients - 1) * error
        alone = Interval(own.mean(), own.mean() - reach, own.mean() + reach, error)
        held["patients alone"] += alone.holds(0)
        held["with seeds"] += with_seeds(alone, values.mean(axis=0)).holds(0)
    assert held["patients alone"] / cohorts < 0.92
    assert 0.945 < held["with seeds"] / cohorts < 0.98
