"""Rows of ``metadata.csv`` that are no frontal COVID films: a loader must leave them out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phantoms.people import SEED_LIMIT, draw_films, draw_people
from phantoms.publish.ieee8023 import tables
from phantoms.publish.ieee8023.cells import as_first, blank_rows, by_patient, credit, stated


def lateral_rows(covid: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return lateral views of ``n`` PA films of ``covid``."""
    upright = covid.index[covid["view"] == "PA"]
    chosen = covid.loc[rng.choice(upright, min(n, len(upright)), replace=False)]
    return _turned(chosen, rng)


def other_rows(patients: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return films of patients with other diseases or none, some with a lateral view."""
    films = draw_films("ieee8023", draw_people("ieee8023", patients, rng), rng)
    films = films[films["rank"] < 2].reset_index(drop=True)
    films["key"], films["look"] = "other " + films["person"].astype(str), "ieee8023"
    weights = np.array(list(tables.OTHER_FINDINGS.values()), dtype=float)
    finding = by_patient(films["key"], list(tables.OTHER_FINDINGS), rng, weights / weights.sum())
    films.loc[finding == "No Finding", "opacity"] = 0.0
    table = blank_rows(films, "other")
    table["finding"] = finding
    table["offset"] = stated(films["day"].astype(int), 0.6, rng)
    table["age_text"] = as_first(stated(films["age"].astype(int), 0.9, rng), films["key"])
    table["sex_text"] = films["sex"]
    outcome = (~films["true_died"]).map({True: "Y", False: "N"})
    table["survival"] = as_first(stated(outcome, 0.3, rng), films["key"])
    table["view"] = films["view"].map(tables.VIEWS)
    table["date"] = rng.choice(tables.OTHER_DATES, len(films))
    table["location"] = by_patient(films["key"], tables.TEACHING_PLACES, rng)
    credit(table, pd.Series("teaching", index=table.index), rng)
    table["clinical_notes"] = "Synthetic patient with another disease, no real text."
    upright = table[table["view"] == "PA"]
    side = _turned(upright[rng.random(len(upright)) < 0.3], rng)
    return pd.concat([table, side], ignore_index=True)


def todo_rows(n: int, patients: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return ``n`` rows not yet described by the publisher, four of them with `?` everywhere."""
    people = draw_people("ieee8023", n, rng).assign(n_films=1)
    films = draw_films("ieee8023", people, rng)
    films["key"] = [f"todo {i % patients}" for i in range(n)]
    films["look"] = "ieee8023"
    table = blank_rows(films, "todo")
    table["finding"], table["license"] = "todo", "CC BY-NC-SA"
    table["view"] = stated(films["view"].map(tables.VIEWS), 0.5, rng)
    table["url"] = [f"https://example.org/phantom/todo/{i}" for i in range(n)]
    unknown = table.index[:4]
    table.loc[unknown, ["offset", *tables.CLINICAL_COLUMNS, "view", "date", "location"]] = "?"
    table.loc[unknown, ["key", "sex_text", "age_text"]] = ["todo ?", "F", "45"]
    return table


def ct_rows(
    covid: pd.DataFrame, n: int, patients: int, rng: np.random.Generator, kind: str = "slice"
) -> pd.DataFrame:
    """Return ``n`` CT slices, a third of them of ``patients`` who have no film."""
    # Each of those patients has one sex, age and outcome: borrowed from one row, on all slices.
    lent, number = rng.choice(covid.index, patients), np.arange(n) % patients
    stranger = rng.random(n) < 1 / 3
    rows = covid.loc[np.where(stranger, lent[number], rng.choice(covid.index, n))].copy()
    rows["key"] = np.where(stranger, [f"ct {kind} {i}" for i in number], rows["key"])
    rows["modality"], rows["kind"] = "CT", "ct"
    rows["view"] = np.where(rng.random(n) < 0.82, "Axial", "Coronal")
    return rows


def volume_rows(covid: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return ``n`` CT volumes, which are rows without a picture."""
    rows = ct_rows(covid, n, 1, rng, kind="volume")
    rows["folder"], rows["view"] = "volumes", "Axial"
    rows["filename"] = [f"phantomcases_{i + 1:03d}.nii.gz" for i in range(n)]
    return rows


def _turned(frontal: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the lateral view taken together with each of ``frontal``."""
    return frontal.assign(
        kind="lateral",
        view="L",
        film_view="lateral",
        devices=pd.Series([frozenset()] * len(frontal), index=frontal.index, dtype=object),
        film_seed=rng.integers(SEED_LIMIT, size=len(frontal)),
    )
