"""Death rates of filled-in labels: what is counted, and what each interval is made of."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from helpers.imputed_rates import counted_rate, imputed_rate, training_rate


def labels(**columns):
    """Two observed and four imputed training patients, and one test patient without a label."""
    table = pd.DataFrame(
        {
            "part": ["train"] * 6 + ["test"],
            "label_source": ["observed"] * 2 + ["imputed"] * 4 + ["unknown"],
            "died": pd.array([True, False] + [pd.NA] * 5, dtype="boolean"),
            "risk": pd.array([1, 0, 0.2, 0.2, 0.6, 0.6, pd.NA], dtype="Float64"),
        }
    )
    return table.assign(**columns)


def test_hard_labels_are_counted_as_facts():
    died = pd.array([True, False, True, False, False, False, pd.NA], dtype="boolean")
    table = labels(died=died)
    assert imputed_rate(table).estimate == 0.25
    assert training_rate(table).estimate == pytest.approx(2 / 6)
    # Wilson's interval for 1 of 4, as statisticians' tables have it.
    assert (imputed_rate(table).low, imputed_rate(table).high) == pytest.approx(
        (0.0456, 0.6994), abs=1e-4
    )


def test_risks_are_as_uncertain_as_the_coins_they_stand_for():
    rate = imputed_rate(labels())
    assert rate.estimate == pytest.approx(0.4)
    spread = np.sqrt(2 * 0.2 * 0.8 + 2 * 0.6 * 0.4) / 4
    reach = 1.96 * spread / (0.4 * 0.6)  # on the logit scale, by the delta method
    assert logit(rate.high) - logit(0.4) == pytest.approx(reach, abs=1e-4)
    assert logit(0.4) - logit(rate.low) == pytest.approx(reach, abs=1e-4)


def test_draws_are_as_uncertain_as_they_differ():
    drawn = {
        "draw_0": pd.array([True, False, True, False, False, False, pd.NA], dtype="boolean"),
        "draw_1": pd.array([True, False, True, True, True, False, pd.NA], dtype="boolean"),
    }
    rate = imputed_rate(labels(**drawn))
    assert rate.estimate == pytest.approx(0.5)
    assert rate.standard_error == pytest.approx(np.sqrt(1.5 * np.var([0.25, 0.75], ddof=1)))
    whole = training_rate(labels(**drawn))
    rates = np.array([2 / 6, 4 / 6])
    within, between = (rates * (1 - rates) / 6).mean(), rates.var(ddof=1)
    assert whole.estimate == pytest.approx(0.5)
    assert whole.standard_error == pytest.approx(np.sqrt(within + 1.5 * between))


def test_no_interval_of_a_rate_leaves_0_and_1():
    answers = [True, False, False, False]
    drawn = {
        f"draw_{number}": pd.array([True, False, *([answer] + [False] * 3), pd.NA], dtype="boolean")
        for number, answer in enumerate(answers)
    }
    rate = imputed_rate(labels(**drawn))
    assert rate.estimate == pytest.approx(1 / 16)
    assert 0 < rate.low < rate.estimate < rate.high < 1
    never = {name: pd.array([True] + [False] * 5 + [pd.NA], dtype="boolean") for name in drawn}
    nobody = imputed_rate(labels(**never))
    assert nobody.estimate == 0 and np.isnan([nobody.low, nobody.high]).all()


def test_labels_that_leave_no_doubt_get_no_interval():
    """A point would claim that four patients tell a rate for certain."""
    agreeing = pd.array([True, False, True, False, False, False, pd.NA], dtype="boolean")
    nobody = pd.array([False] * 6 + [pd.NA], dtype="boolean")
    certain = pd.array([1, 0, 1, 0, 0, 0, pd.NA], dtype="Float64")
    found = {
        "draws": (imputed_rate(labels(draw_0=agreeing, draw_1=agreeing, draw_2=agreeing)), 0.25),
        "risks": (imputed_rate(labels(risk=certain)), 0.25),
        "nobody": (training_rate(labels(draw_0=nobody, draw_1=nobody)), 0),
    }
    for rate, expected in found.values():
        assert rate.estimate == pytest.approx(expected)
        assert np.isnan([rate.low, rate.high]).all()
        assert rate.note == "no interval: the labels leave no doubt, which is no certainty"
    # A sample of patients is uncertain even where their labels are not.
    whole = training_rate(labels(draw_0=agreeing, draw_1=agreeing))
    assert whole.low < whole.estimate < whole.high


def test_complete_cases_leave_the_others_out():
    assert training_rate(labels()).estimate == counted_rate(pd.Series([True, False])).estimate
    nobody = labels().assign(died=pd.array([pd.NA] * 7, dtype="boolean"))
    assert str(training_rate(nobody)) == str(counted_rate(pd.Series([], dtype=bool)))
    assert str(training_rate(nobody)) == "not estimable"
    with pytest.raises(ValueError, match="No label of this table was imputed"):
        imputed_rate(labels(label_source="observed"))
