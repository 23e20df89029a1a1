"""The benchmark of filled-in labels: drawn cohorts are what they claim, and sums are right."""

import numpy as np
import pandas as pd
import pytest
from clinical_cohort import make_cohort

from benchmarks import drawn_labels, labels
from helpers import imputers


@pytest.fixture(scope="module")
def drawn():
    return drawn_labels.draw_cohort(1, scale=0.6)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(imputers, "_TREES", 10)
    monkeypatch.setattr(imputers, "_DRAW_TREES", 5)


def test_a_drawn_cohort_is_published_and_known_through_and_through(drawn):
    patients = drawn.films.drop_duplicates("patient_id").set_index("patient_id")
    known = patients["died"].dropna()
    assert known.astype(bool).eq(drawn.truth.loc[known.index]).all()
    assert 0.5 < patients["died"].isna().mean() < 0.85
    assert set(patients["part"]) == {"train", "validation", "test"}
    assert drawn.features.shape == (len(drawn.index_films), 13)
    assert np.isfinite(drawn.features).all()
    again = drawn_labels.draw_cohort(1, scale=0.6)
    pd.testing.assert_series_equal(again.truth, drawn.truth)
    np.testing.assert_array_equal(again.features, drawn.features)


def test_every_claim_is_asked_of_a_cohort(drawn):
    rows = pd.DataFrame(drawn_labels.rates(drawn)).set_index("method")
    assert list(rows.index) == list(imputers.METHODS)
    assert rows.loc["forest_balanced", "error"] > rows.loc["forest", "error"]
    claimed = drawn_labels.claims(drawn, seed=1)
    assert claimed["impute, then split: claimed"] > claimed["impute, then split: true"]
    effects = pd.DataFrame(drawn_labels.effects(drawn)).set_index("method")
    assert list(effects.index) == [*imputers.METHODS, "mean of draws"]
    assert effects.loc["complete_case", "gain"] == 0
    assert effects.loc["mean of draws", "true"] > effects.loc["draws", "true"]
    hidden = drawn_labels.hidden_by_death(drawn, seed=1)
    assert hidden["complete cases"] < 0
    assert hidden["draws, delta 1"] < hidden["draws, delta 4"]


def test_tables_sum_up_cohorts():
    found = [
        [{"method": "a", "error": error, "holds": holds, "holds all": None}]
        for error, holds in [(0.1, True), (0.2, False), (0.3, True), (0.4, True)]
    ]
    table = labels.rates_table(found)
    assert table["error"].tolist() == ["+0.250 (+0.045 to +0.455)"]
    assert table.iloc[0, 2:].tolist() == ["75%", ""]
    assert labels.means([{"x": 1.0}, {"x": 3.0}], ".1f")["mean"].tolist() == ["2.0 (−10.7 to 14.7)"]


def test_invented_deaths_are_counted_by_patient_and_by_film(monkeypatch):
    monkeypatch.setattr(labels, "SEEDS", 2)
    films = make_cohort(120)
    text = labels.invented_deaths(films, "made-up")
    known = films.drop_duplicates("patient_id")["died"].dropna()
    assert f"{len(known)} patients, of whom {int(known.sum())} died" in text
    counts = pd.DataFrame(
        {"patient_id": ["a", "b"], "label_source": "imputed", "died": [True, False], "risk": 0.5}
    )
    unknown = pd.DataFrame({"patient_id": ["a", "a", "b"]})
    assert labels._called_dead(counts, unknown) == pytest.approx(
        {
            "patients called dead": 1,
            "share": 0.5,
            "films called dead": 2,
            "share of films": 2 / 3,
        }
    )


def test_seeds_are_averaged_and_complete_cases_do_not_differ_from_themselves(drawn, monkeypatch):
    monkeypatch.setattr(labels, "CROSSFITS", 2)
    monkeypatch.setattr(labels, "METHODS", ("complete_case", "forest_balanced", "draws"))
    text = labels.effects_here(drawn.films, drawn.index_films, drawn.features, "phantom")
    known = drawn.index_films["died"].dropna()
    assert f"{len(known)} patients, {int(known.sum())} deaths" in text
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert "+0.00 (no interval) | +0.00 to +0.00" in rows["complete_case"]
    assert {"forest_balanced", "mean of draws"} <= set(rows)
