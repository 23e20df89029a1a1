"""Rubin's rules, by hand."""

import numpy as np
import pytest
from scipy.stats import t as student

from helpers.draws import pool_draws
from tests.simulated import NAN


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
