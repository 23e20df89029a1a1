"""Rows of frontal COVID films: what the reports state, and what they leave out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from phantoms.labs import measure
from phantoms.publish.ieee8023 import tables
from phantoms.publish.ieee8023.cells import as_first, blank_rows, by_patient, credit, stated


def covid_rows(films: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return a row a frontal COVID film.

    Parameters
    ----------
    films : films of :func:`phantoms.people.draw_films` with ``key`` (patient) and ``shared``
        (whether the film is Hannover's), index 0, 1, 2, …
    rng : numpy Generator

    Returns
    -------
    table : the columns of ``films`` and, as text, the published ones
    """
    n, key = len(films), films["key"]
    table = blank_rows(films, "covid")
    source = by_patient(key, ["report", "teaching"], rng).mask(films["shared"], "hannover")
    table["offset"] = stated(films["day"].astype(int), source.map(tables.OFFSET_STATED), rng)
    age = stated(films["age"].astype(int), source.map(tables.AGE_STATED), rng)
    table["age_text"] = as_first(age, key)
    table["sex_text"] = as_first(stated(films["sex"], source.map(tables.SEX_STATED), rng), key)
    table["finding"] = by_patient(key, ["COVID-19", "COVID-19, ARDS"], rng, [0.985, 0.015])
    _state_outcome(table, source, rng)
    _state_care(table, films, source, rng)
    _state_labs(table, source, rng)
    table["view"] = films["view"].map(tables.VIEWS)
    table["date"] = np.where(films["shared"], "2020", rng.choice(tables.DATES, n))
    teaching = by_patient(key, tables.TEACHING_PLACES, rng)
    report = by_patient(key, tables.REPORT_PLACES, rng)
    table["location"] = teaching.mask(source == "report", report).mask(
        source == "hannover", tables.HANNOVER
    )
    credit(table, source, rng)
    note = [f"Synthetic patient, no real text. Radiograph on day {day}." for day in films["day"]]
    table["clinical_notes"] = stated(pd.Series(note), 0.88, rng)
    _plant_mistakes(table, source, rng)
    return table


def _state_outcome(table: pd.DataFrame, source: pd.Series, rng: np.random.Generator) -> None:
    log_odds = source.map(tables.OUTCOME_STATED)
    log_odds = log_odds + tables.OUTCOME_STATED_BY_SEVERITY * table["severity"]
    known = as_first(pd.Series(rng.random(len(table)) < expit(log_odds)), table["key"])
    table["survival"] = _yes_no(~table["true_died"], known)


def _state_care(
    table: pd.DataFrame, films: pd.DataFrame, source: pd.Series, rng: np.random.Generator
) -> None:
    """Fill the columns on intensive care, intubation and oxygen."""
    key, n = table["key"], len(table)
    care, tube, oxygen = (
        as_first(pd.Series(rng.random(n) < source.map(share)), key)
        for share in (tables.CARE_STATED, tables.TUBE_STATED, tables.OXYGEN_STATED)
    )
    present = care & (rng.random(n) < tables.PRESENT_STATED)
    freed = tube & films["intubated"] & (rng.random(n) < tables.EXTUBATED_STATED)
    table["went_icu"] = _yes_no(films["icu"], care)
    table["in_icu"] = _yes_no(films["state"] != "ward", present)
    table["intubated"] = _yes_no(films["intubated"], tube)
    table["intubation_present"] = _yes_no(films["state"] == "intubated", tube)
    table["needed_supplemental_O2"] = _yes_no(table["severity"] > 0, oxygen)
    table["extubated"] = _yes_no(~table["true_died"], freed)


def _state_labs(table: pd.DataFrame, source: pd.Series, rng: np.random.Generator) -> None:
    severity = table["severity"].to_numpy()
    for column, (name, share) in tables.LABS_STATED.items():
        table[column] = stated(_text(measure(name, severity, rng)), source.map(share), rng)
    # As happened: Hannover's partial pressures in mmHg stand in the column of saturations in %.
    given = (source == "hannover") & (table["pO2_saturation"] != "")
    table.loc[given, "pO2_saturation"] = _text(measure("pO2", severity, rng))[given]


def _plant_mistakes(table: pd.DataFrame, source: pd.Series, rng: np.random.Generator) -> None:
    """Plant answers that are neither yes nor no, an impossible count and a negative day."""
    vague = table.loc[source == "teaching", "key"].unique()
    rows = table["key"].isin(vague[: max(1, len(vague) // 24)])
    table.loc[rows, ["intubated", "intubation_present"]] = "Not visible"
    table.loc[rows, ["went_icu", "in_icu"]] = "Would have been stated"
    counted = table.index[table["lymphocyte_count"] != ""]
    table.loc[counted[:1], "lymphocyte_count"] = "131"  # some other unit
    before = table.index[source == "report"][:1]
    table.loc[before, "offset"] = str(-int(rng.integers(5, 28)))  # before the symptoms


def _yes_no(answer: pd.Series, known: pd.Series) -> pd.Series:
    return answer.map({True: "Y", False: "N"}).where(known, "")


def _text(values: np.ndarray) -> pd.Series:
    return pd.Series([f"{value:g}" for value in values])
