"""From films to patients: pooling, other endpoints, and what is refused."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from helpers.baselines import compare_baselines
from helpers.bootstrap import bootstrap_interval
from helpers.delong import auroc_difference, auroc_interval
from helpers.evaluation import choose_threshold, net_benefit, report
from helpers.figures import (
    plot_calibration,
    plot_confusion,
    plot_net_benefit,
    plot_precision_recall,
    plot_risk_by_outcome,
    plot_roc,
)
from helpers.finishing import fit_calibration
from helpers.patients import as_endpoint, pool_by_patient, require_observed, require_patients
from helpers.pooling import pooled_auroc, pooled_difference
from helpers.probing import fit_head
from helpers.subgroups import judge_subgroups
from tests.simulated import simulate

PLOTS = (
    plot_roc,
    plot_precision_recall,
    plot_calibration,
    plot_risk_by_outcome,
    partial(plot_confusion, threshold=0.5),
)


@pytest.fixture(scope="module")
def patients():
    return simulate(400, np.random.default_rng(0))


def test_pooling_takes_the_mean_risk_of_a_patient():
    table = pd.DataFrame(
        {
            "site": ["a", "a", "b"],
            "patient_id": ["1", "1", "1"],
            "risk": [0.2, 0.4, 0.9],
            "risk_baseline": [0.1, 0.3, 0.5],
            "died": pd.array([False, False, True], dtype="boolean"),
            "label_source": "observed",
            "age": pd.array([pd.NA, 60, 70], dtype="Float64"),
        }
    )
    pooled = pool_by_patient(table)
    assert pooled["risk"].tolist() == pytest.approx([0.3, 0.9])
    assert pooled["risk_baseline"].tolist() == pytest.approx([0.2, 0.5])
    assert pooled["n_films"].tolist() == [2, 1] and pooled["age"].tolist() == [60, 70]
    pd.testing.assert_frame_equal(pool_by_patient(pooled)[["risk"]], pooled[["risk"]])


def test_contradicting_labels_and_missing_risks_are_refused(patients):
    twice = pd.concat([patients, patients.assign(died=~patients["died"])])
    with pytest.raises(ValueError, match="both died and survived"):
        pool_by_patient(twice)
    with pytest.raises(ValueError, match="Run predict first"):
        pool_by_patient(patients.drop(columns="risk"))


@pytest.mark.parametrize("source", ["imputed", "unknown", pd.NA])
def test_every_judge_of_a_table_refuses_labels_that_are_not_observed(patients, source):
    table = patients.assign(age=60.0, risk_0=patients["risk"], other=patients["risk"])
    table["risk a rival"] = table["risk"]
    table.loc[3, "label_source"] = source
    curve = net_benefit(patients["died"], patients["risk"], [0.1, 0.3])
    taught = pd.concat([patients.assign(part="train"), table.assign(part="validation")])
    judges = [
        lambda: require_observed(table),
        lambda: require_patients(table),
        lambda: pool_by_patient(table),
        lambda: report(table, 0.5),
        lambda: choose_threshold(table),
        lambda: auroc_interval(table),
        lambda: auroc_difference(table, "risk", "risk"),
        lambda: pooled_auroc(table),
        lambda: pooled_difference(table, "other"),
        lambda: compare_baselines(table),
        lambda: judge_subgroups(table, groupings=("site",)),
        lambda: fit_calibration(table),
        lambda: fit_head(np.zeros((800, 4), np.float32), taught),
        *(lambda plot=plot: plot(table) for plot in PLOTS),
        lambda: plot_net_benefit(curve, patients=table),
        lambda: bootstrap_interval(lambda sample: sample["risk"].mean(), table),
    ]
    for judge in judges:
        with pytest.raises(ValueError, match="1 of 400 rows are imputed or unknown"):
            judge()
    with pytest.raises(ValueError, match="label_source"):
        require_observed(patients.drop(columns="label_source"))


def test_films_are_refused_where_patients_are_meant(patients):
    films = pd.concat([patients, patients.head(3)])
    with pytest.raises(ValueError, match=r"3 of 403 rows .* pool_by_patient"):
        auroc_interval(films)
    other_site = pd.concat([patients, patients.head(3).assign(site="hannover")])
    require_patients(other_site)  # the same number at another hospital is another patient


def test_another_event_takes_the_place_of_death():
    films = pd.DataFrame(
        {
            "site": ["a", "a", "a", "a", "b"],
            "patient_id": ["1", "1", "2", "3", "1"],
            "died": pd.array([pd.NA, pd.NA, True, False, False], dtype="boolean"),
            "label_source": ["unknown", "unknown", "observed", "observed", "observed"],
            "went_icu": pd.array([False, True, False, pd.NA, False], dtype="boolean"),
        }
    )
    asked = as_endpoint(films, "went_icu")
    assert asked["patient_id"].tolist() == ["1", "1", "2", "1"]  # patient 3 is not known
    assert asked["died"].tolist() == [True, True, False, False]  # on any film, within the site
    assert asked["label_source"].eq("observed").all()
    assert films["died"].isna().sum() == 2  # the table passed in is as it was
    with pytest.raises(ValueError, match="column is_icu"):
        as_endpoint(films, "is_icu")


def test_death_cannot_be_asked_as_another_endpoint(patients):
    # Its imputed labels would come out as observed.
    with pytest.raises(ValueError, match="another event than died"):
        as_endpoint(patients.assign(label_source="imputed"), "died")


def test_rows_of_nobody_are_refused_and_not_left_out(patients):
    table = patients.assign(event=True)
    table.loc[table.index[:2], "patient_id"] = None
    for judge in (
        partial(report, threshold=0.5),
        pool_by_patient,
        require_patients,
        partial(as_endpoint, event="event"),
        partial(bootstrap_interval, lambda t: t["risk"].mean()),
    ):
        with pytest.raises(ValueError, match=r"knows whose they are"):
            judge(table)


@pytest.mark.parametrize("words", [["N", "Y"], ["False", "True"], [0.2, 0.9]])
def test_outcomes_that_are_none_are_refused(patients, words):
    """As bools, all of them would be deaths."""
    odd = patients.assign(died=patients["died"].map({False: words[0], True: words[1]}))
    for judge in (partial(report, threshold=0.5), pool_by_patient, auroc_interval):
        with pytest.raises(ValueError, match="Expected outcomes as bool or 0 and 1"):
            judge(odd)


def test_imputed_risks_are_refused_as_what_they_are(patients):
    """Not as outcomes to be translated, which would be rounding them."""
    soft = patients.assign(died=0.37, label_source="imputed")
    with pytest.raises(ValueError, match="imputed or unknown"):
        pool_by_patient(soft)
