"""AUROC pooled over draws: by the rules written out, as one model's where draws agree, covering."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from helpers.delong import auroc_difference, auroc_interval
from helpers.draws import pool_draws
from helpers.metrics import auroc
from helpers.pooling import pooled_auroc, pooled_difference


def patients(n=120, draws=1, seed=0, own=0.5):
    """Patients with the risks of several models that partly agree; `own` is what each adds."""
    generator = np.random.default_rng(seed)
    died = generator.random(n) < 0.3
    shared = generator.normal(size=n) + died
    scores = shared + own * generator.normal(size=(draws, n))
    table = pd.DataFrame({"site": "sbu", "patient_id": np.arange(n).astype(str), "died": died})
    risks = {f"risk_{draw}": norm.cdf(score) for draw, score in enumerate(scores)}
    return table.assign(label_source="observed", **risks)


def areas_and_errors(table):
    each = [auroc_interval(table, risk=name) for name in table if name.startswith("risk_")]
    return np.array([(one.estimate, one.standard_error) for one in each]).T


def bounds(interval):
    return interval.estimate, interval.low, interval.high


def test_one_model_gets_the_interval_of_one_model():
    table = patients(draws=2)
    one = table.drop(columns="risk_1")
    assert bounds(pooled_auroc(one)) == pytest.approx(bounds(auroc_interval(one, risk="risk_0")))
    renamed = one.assign(other=table["risk_1"])
    expected = auroc_difference(renamed, "risk_0", "other")
    assert bounds(pooled_difference(renamed, "other")) == pytest.approx(bounds(expected))


def test_draws_that_agree_are_nearly_as_certain_as_one_model():
    """But for Barnard and Rubin's (freedom + 1) / (freedom + 3), a hair wider."""
    one = patients()
    three = one.assign(risk_1=one["risk_0"], risk_2=one["risk_0"])
    alone, pooled = bounds(pooled_auroc(one)), bounds(pooled_auroc(three))
    assert pooled == pytest.approx(alone, abs=0.002)
    assert pooled[1] <= alone[1] and pooled[2] >= alone[2]


def test_rubins_rules_on_the_logit_scale_written_out():
    table = patients(draws=5, own=1.5)
    areas, errors = areas_and_errors(table)
    logits, variances = np.log(areas / (1 - areas)), (errors / (areas * (1 - areas))) ** 2
    found = pooled_auroc(table)
    assert found.estimate == pytest.approx(1 / (1 + np.exp(-logits.mean())))
    total = variances.mean() + (1 + 1 / 5) * logits.var(ddof=1)
    slope = found.estimate * (1 - found.estimate)
    assert found.standard_error == pytest.approx(np.sqrt(total) * slope)
    # Barnard and Rubin never allow more freedom than Rubin did, so never a narrower interval.
    rubin = pool_draws(logits, variances).interval
    assert found.low < 1 / (1 + np.exp(-rubin.low)) and found.high > 1 / (1 + np.exp(-rubin.high))
    assert 0 < found.low < found.high < 1


def test_draws_that_disagree_are_less_certain():
    table = patients(draws=2, own=0.1)
    turned = table.assign(risk_1=1 - table["risk_1"])
    assert pooled_auroc(turned).standard_error > 3 * pooled_auroc(table).standard_error


def test_intervals_cover_what_the_models_of_draws_are_worth():
    """Five models that differ a little; each alone has the same true area, which has a formula."""
    own = 0.2
    truth = norm.cdf(1 / np.sqrt(2 * (1 + own**2)))
    held = [pooled_auroc(patients(draws=5, own=own, seed=seed)) for seed in range(500)]
    assert 0.93 <= np.mean([one.low <= truth <= one.high for one in held]) <= 0.98


def test_differences_are_paired():
    table = patients(draws=2)
    paired = pooled_difference(table.drop(columns="risk_1").assign(other=table["risk_1"]), "other")
    areas, errors = areas_and_errors(table)
    assert paired.estimate == pytest.approx(areas[0] - areas[1])
    assert paired.standard_error < 0.8 * np.hypot(*errors)
    against_chance = pooled_difference(table.assign(other=0.5), "other")
    assert against_chance.estimate == pytest.approx(areas.mean() - 0.5)
    died = table["died"].to_numpy()
    assert areas[0] == pytest.approx(auroc(died, table["risk_0"].to_numpy()))


def test_no_difference_at_all_and_perfect_ranks_get_no_interval():
    table = patients()
    same = pooled_difference(table.assign(other=table["risk_0"]), "other")
    assert same.estimate == 0 and np.isnan(same.low) and "rank alike" in same.note
    certain = table.assign(risk_0=0.2 + 0.5 * table["died"], other=0.5)
    half = pooled_difference(certain, "other")
    assert half.estimate == 0.5 and half.note == auroc_difference(certain, "risk_0", "other").note
    assert np.isnan(half.low) and "same difference" in half.note
    several = pooled_difference(certain.assign(risk_1=0.9 * table["died"]), "other")
    assert several.estimate == 0.5 and np.isnan(several.low) and "same difference" in several.note
    perfect = pooled_auroc(table.assign(risk_0=0.2 + 0.5 * table["died"]))
    assert perfect.estimate == 1 and np.isnan(perfect.low) and "perfect" in perfect.note


def test_models_that_tell_nothing_get_no_interval_whether_one_or_several():
    table = patients().assign(risk_0=0.3)
    alone = auroc_interval(table, risk="risk_0")
    for one in (pooled_auroc(table), pooled_auroc(table.assign(risk_1=0.4))):
        assert one.estimate == alone.estimate == 0.5 and np.isnan([one.low, alone.low]).all()
        assert "the same for all" in one.note and "the same for all" in alone.note


def test_risks_that_are_the_same_for_all_get_no_interval():
    table = patients(draws=3)
    for constants in ([0.3, 0.3, 0.3], [0.1, 0.2, 0.7]):
        same = table.assign(**{f"risk_{draw}": risk for draw, risk in enumerate(constants)})
        found = pooled_auroc(same)
        assert found.estimate == 0.5 and np.isnan([found.low, found.high]).all()
        assert found.note == "no interval: in every draw, the score is the same for all"
    one_varies = pooled_auroc(table.assign(risk_1=0.3))
    assert one_varies.low < one_varies.estimate < one_varies.high


def test_no_difference_is_larger_than_one():
    few = patients(5).assign(
        died=[True, True, False, False, False],
        risk_0=[0.9, 0.4, 0.5, 0.2, 0.1],
        other=[0.1, 0.3, 0.6, 0.7, 0.9],
    )
    found = pooled_difference(few, "other")
    reach = 2 * (found.high - found.estimate)
    assert found.high == 1 and found.low > 0 and found.estimate + reach > 1
    back = pooled_difference(
        few.rename(columns={"risk_0": "other", "other": "risk_0"}), other="other"
    )
    assert bounds(back) == pytest.approx((-found.estimate, -found.high, -found.low))


def test_refusals_say_what_was_expected():
    table = patients()
    with pytest.raises(ValueError, match="1 of 120 rows are imputed or unknown"):
        pooled_auroc(table.assign(label_source=["imputed"] + ["observed"] * 119))
    with pytest.raises(ValueError, match="Expected columns risk_0"):
        pooled_auroc(table.drop(columns="risk_0"))
    with pytest.raises(ValueError, match="Expected columns risk_0"):
        pooled_difference(table.assign(risk_1=np.nan), "risk_0")
    with pytest.raises(ValueError, match="two survivors; got 0 deaths of 120"):
        pooled_auroc(table.assign(died=False))
    with pytest.raises(ValueError, match="a row a patient"):
        pooled_auroc(pd.concat([table, table.head(1)]))
