"""Filling the cells of ``metadata.csv``: by film, by patient, with gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phantoms.publish.ieee8023.tables import COLUMNS, REPORT_LICENCES, TEACHING_LICENCES


def blank_rows(films: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return a row a film of :func:`phantoms.people.draw_films`, every published cell blank.

    What rendering needs keeps its columns: the true ``sex`` and ``age`` stay, the published ones
    are ``sex_text`` and ``age_text``; the view as taken becomes ``film_view``. ``kind`` is covid,
    lateral, other, todo or ct.
    """
    table = films.rename(columns={"view": "film_view"}).reset_index(drop=True)
    blanks = [column for column in COLUMNS if column not in ("sex", "age", "")]
    for column in [*blanks, "sex_text", "age_text"]:
        table[column] = pd.Series([""] * len(table), dtype=object)
    if "shared" not in table:
        table["shared"] = False
    return table.assign(kind=kind, modality="X-ray", folder="images")


def stated(values: pd.Series, chance: pd.Series | float, rng: np.random.Generator) -> pd.Series:
    """Return ``values`` as text, each kept with probability ``chance`` and blank otherwise."""
    return values.astype(str).where(rng.random(len(values)) < chance, "")


def as_first(values: pd.Series, key: pd.Series) -> pd.Series:
    """Give every film of a patient (``key``) the value of the patient's first."""
    return values.groupby(key).transform("first")


def by_patient(
    key: pd.Series,
    values: Sequence[object],
    rng: np.random.Generator,
    p: Sequence[float] | None = None,
) -> pd.Series:
    """Draw one of ``values`` for each patient (``key``), with probabilities ``p``."""
    code, patients = pd.factorize(key)
    drawn = rng.choice(len(values), len(patients), p=p)[code]
    return pd.Series([values[i] for i in drawn], index=key.index)


def credit(table: pd.DataFrame, source: pd.Series, rng: np.random.Generator) -> None:
    """Fill doi, url, licence and credit line by source (report, teaching, hannover)."""
    key, number = table["key"], pd.factorize(table["key"])[0]
    report = by_patient(key, list(REPORT_LICENCES), rng, list(REPORT_LICENCES.values()))
    teaching = by_patient(key, list(TEACHING_LICENCES), rng, list(TEACHING_LICENCES.values()))
    table["license"] = teaching.mask(source == "report", report).mask(
        source == "hannover", "CC BY 3.0"
    )
    doi = pd.Series([f"10.0000/phantom.{i}" for i in number], index=table.index)
    table["doi"] = doi.mask(source == "teaching", "")
    table["url"] = [f"https://example.org/phantom/{i}" for i in number]
    table["other_notes"] = np.where(source == "teaching", "Synthetic credit line", "")
