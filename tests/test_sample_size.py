"""Sample sizes, against published examples and against what intervals turn out to be."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from helpers.delong import auroc_interval
from helpers.sample_size import (
    sample_size_for_auroc,
    sample_size_for_observed_expected,
    sample_size_for_slope,
)
from tests.simulated import simulate

Z = 1.959964


def test_auroc_as_published():
    # Riley 2021 (doi:10.1002/sim.9025), mechanical heart valves: 4252 participants, 77 events.
    valves = sample_size_for_auroc(0.8, 0.018)
    assert (valves.patients, valves.deaths) == (4252, 77)
    # Gehringer 2024 (doi:10.1016/j.jclinepi.2024.111481), rounded to the nearest: 400 and 1025.
    low_activity = sample_size_for_auroc(0.72, 0.45, half_width=0.0255 * Z).patients
    adverse = sample_size_for_auroc(0.53, 0.10, half_width=0.03 * Z).patients
    assert low_activity == pytest.approx(400, abs=1) and adverse == pytest.approx(1025, abs=1)


def risks_around(mean_logit, sd_logit, count=2001):
    """Risks whose logits are normally distributed, at evenly spaced quantiles."""
    return expit(norm.ppf((np.arange(count) + 0.5) / count, mean_logit, sd_logit))


@pytest.mark.parametrize("auroc", [0.64, 0.85])
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_auroc_in_the_published_range(auroc, rate):
    # Pavlou 2021 (doi:10.1177/09622802211007522): 60 to 170 events for a standard error of 0.025.
    assert 57 <= sample_size_for_auroc(auroc, rate, half_width=0.025 * Z).deaths <= 175


@pytest.mark.parametrize(("mean", "published"), [(0.02, 1518), (-0.33, 1542)])
def test_slope_as_published(mean, published):
    # Gehringer 2024, by simulating a million patients: hence the tolerance.
    risks = risks_around(mean, 0.9)
    assert sample_size_for_slope(risks, half_width=0.072 * Z).patients == pytest.approx(
        published, rel=0.005
    )


def test_slope_agrees_with_a_published_simulation():
    # Snell 2021 (doi:10.1016/j.jclinepi.2021.02.011), deep vein thrombosis: 2430 (531 events).
    needed = sample_size_for_slope(risks_around(-1.75, 1.47), half_width=0.1)
    assert needed.patients == pytest.approx(2430, rel=0.02)
    assert needed.deaths == pytest.approx(531, rel=0.02)


def test_observed_over_expected_as_published():
    # Riley 2021: 905 participants for an interval as wide as 1 at an event rate of 0.018.
    assert sample_size_for_observed_expected(0.018, width=1).patients == pytest.approx(905, abs=1)


def test_that_many_patients_give_that_interval():
    big = simulate(60_000, np.random.default_rng(0))
    area, rate = auroc_interval(big).estimate, float(big["died"].mean())
    needed = sample_size_for_auroc(area, rate).patients
    widths = []
    for start in range(0, 20 * needed, needed):
        interval = auroc_interval(big.iloc[start : start + needed])
        widths.append((interval.high - interval.low) / 2)
    assert np.mean(widths) == pytest.approx(0.05, rel=0.1)


def test_narrower_intervals_need_more():
    wide, narrow = (sample_size_for_auroc(0.75, 0.13, half_width=w).patients for w in (0.1, 0.05))
    assert narrow == pytest.approx(4 * wide, rel=0.05)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: sample_size_for_auroc(0.5, 0.1),
        lambda: sample_size_for_auroc(0.8, 0.0),
        lambda: sample_size_for_auroc(0.8, 0.1, half_width=0),
        lambda: sample_size_for_slope(np.full(10, 0.2)),
        lambda: sample_size_for_slope(np.array([0.0, 0.5])),
        lambda: sample_size_for_observed_expected(1.0),
    ],
)
def test_what_cannot_be_meant_is_refused(ask):
    with pytest.raises(ValueError, match="Expected"):
        ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: sample_size_for_auroc(0.8, 1e-6, half_width=0.01),
        lambda: sample_size_for_auroc(0.8, 0.1, half_width=1e-6),
        lambda: sample_size_for_slope(np.array([0.1] * 50 + [0.1 + 1e-9])),
        lambda: sample_size_for_slope(np.array([0.1, 0.1 + 1e-17, 0.1 + 1e-16])),
        lambda: sample_size_for_observed_expected(1e-300, width=1e-9),
        lambda: sample_size_for_observed_expected(0.1, width=1e-200),
    ],
)
def test_more_patients_than_there_are_are_refused_in_words(ask):
    with pytest.raises(ValueError, match=r"at most 1,000,000,000 patients.* Ask for a wider"):
        ask()


def test_an_interval_that_two_patients_would_give_is_refused_in_words():
    with pytest.raises(ValueError, match=r"± 3 is wider than theirs. Ask for a narrower"):
        sample_size_for_auroc(0.8, 0.5, half_width=3)
    rare = sample_size_for_auroc(0.8, 1e-5, half_width=0.05)  # many, but no more than there are
    assert 1e6 < rare.patients < 1e9 and rare.deaths == np.ceil(rare.patients * 1e-5)
