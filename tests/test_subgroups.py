"""Subgroups: who is in which, and what is hidden."""

import numpy as np
import pandas as pd
import pytest

from helpers.calibration import calibration_intervals
from helpers.delong import auroc_interval
from helpers.subgroups import age_bands, judge_subgroups, told_events, told_patients
from tests.simulated import simulate


@pytest.fixture(scope="module")
def patients():
    table = simulate(600, np.random.default_rng(0))
    sex = np.where(np.arange(600) % 3, "F", "M")
    return table.assign(
        sex=pd.Categorical(np.where(np.arange(600) < 20, None, sex), ["F", "M"]),
        age=pd.array(np.linspace(20, 95, 600), dtype="Float64"),
        view=pd.Categorical(["AP"] * 600, ["PA", "AP"]),
    )


def test_bands_are_those_that_sbu_publishes():
    ages = pd.Series([0, 18, 38.5, 59, 59.5, 66.5, 74, 74.5, 82, 95, pd.NA], dtype="Float64")
    young, middle, old = "up to 59", "60 to 74", "75 and over"
    expected = [young] * 4 + [middle] * 3 + [old] * 3 + ["not recorded"]
    assert age_bands(ages).tolist() == expected


def test_every_patient_is_in_one_group_of_each_kind(patients):
    found = judge_subgroups(patients)
    sums = found[found["metric"] == "AUROC"].groupby("grouping")[["n", "events"]].sum()
    assert set(sums.index) == {"sex", "age band", "view", "site"}
    assert (sums["n"] == 600).all()
    hidden = set(found.loc[found["events"].isna(), "grouping"])
    assert (sums["events"].drop(list(hidden)) == patients["died"].sum()).all()
    assert hidden == {"sex"}
    assert "PA" not in set(found["group"])  # no group without patients


def test_a_group_is_judged_by_its_own_patients(patients):
    found = judge_subgroups(patients).set_index(["grouping", "group", "metric"])
    women = patients[patients["sex"] == "F"]
    area = auroc_interval(women)
    row = found.loc[("sex", "F", "AUROC")]
    assert (row["estimate"], row["low"], row["high"]) == (area.estimate, area.low, area.high)
    name = "observed / expected deaths"
    ratio = calibration_intervals(women["died"], women["risk"])[name]
    assert found.loc[("sex", "F", name), "low"] == ratio.low
    assert found.loc[("view", "AP", name), "n"] == 600


def test_few_events_and_few_survivors_are_hidden(patients):
    found = judge_subgroups(patients).set_index(["grouping", "group", "metric"])
    missing = found.loc[("sex", "not recorded", "AUROC")]
    assert pd.isna(missing["events"]) and np.isnan(missing["estimate"])
    assert told_events(found)["sex", "not recorded", "AUROC"] == "hidden"
    deaths = patients.loc[patients["sex"] == "F", "died"].sum()
    assert told_events(found)["sex", "F", "AUROC"] == str(deaths)
    few = judge_subgroups(patients.groupby("sex", dropna=False).head(9), groupings=("sex",))
    assert set(told_patients(few)) == {"fewer than 10"}
    assert told_patients(judge_subgroups(patients, groupings=("view",))).iloc[0] == "600"
    assert missing["note"] == "hidden: fewer than 10 deaths or survivors"
    # At SBU a sex that is not recorded means death: few survivors hide a group as well.
    doomed = patients.assign(died=patients["died"] | patients["sex"].isna())
    hidden = judge_subgroups(doomed).set_index(["grouping", "group", "metric"])
    assert np.isnan(hidden.loc[("sex", "not recorded", "AUROC"), "estimate"])


def test_exactly_ten_events_are_shown():
    table = simulate(400, np.random.default_rng(1)).sort_values("died", ascending=False)
    for deaths, shown in ((9, False), (10, True)):
        few = pd.concat([table.head(deaths), table.tail(100)]).assign(age=60.0)
        found = judge_subgroups(few, groupings=("site",))
        assert found["estimate"].notna().all() == shown


def test_a_missing_column_is_named(patients):
    with pytest.raises(ValueError, match="columns hospital to group by"):
        judge_subgroups(patients, groupings=("hospital",))
