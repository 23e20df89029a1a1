"""The Hannover repository: ``data.csv`` and ``png/<image_id>.png``."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phantoms.labs import measure
from phantoms.people import to_patient
from phantoms.publish.files import Job, Output, Picture, TruthMask

FOLDER = "hannover"
WIDTH = 400  # pixels; the publisher's are 640
# Column in data.csv, measure, share of films for which it is given (from the publisher's table).
LABS = (
    ("crp", "CRP", 0.76),
    ("d-dimer", "D-dimer", 0.47),
    ("factor_xii", "factor XIII", 0.35),
    ("ldh", "LDH", 0.69),
    ("lymphocytes", "lymphocytes", 0.52),
    ("neutrophils", "neutrophils", 0.52),
    ("pco2", "pCO2", 0.74),
    ("po2", "pO2", 0.74),
)
GIVEN_TOGETHER = {"neutrophils": "lymphocytes", "po2": "pco2"}  # one blood sample, both or none


def name_films(people: pd.DataFrame, films: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return ``films`` with the publisher's random ``patient_id`` and ``image_id`` (8 hex)."""
    patients = pd.Series(_hex_ids(len(people), rng), index=people.index)
    return films.assign(
        patient_id=films["person"].map(patients), image_id=_hex_ids(len(films), rng)
    )


def data_table(films: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return ``data.csv`` for named films of :func:`name_films`.

    Offsets are days relative to the film: admission before it is negative, death after it
    positive. A blank ``death_offset`` means survived or unknown.
    """
    n = len(films)
    day = films["day"].astype(int)
    last_day = day.groupby(films["person"]).transform("max")
    first = ~films["person"].duplicated()
    # Per patient: days from last film to death, from admission to intensive care, and its length.
    to_end, to_icu, icu_days = (
        pd.Series(np.where(first, rng.integers(low, high, n), 0), index=films.index)
        .groupby(films["person"]).transform("max")
        for low, high in ((0, 6), (0, 4), (3, 30))
    )  # fmt: skip
    icu = films["icu"].to_numpy(bool)
    table = pd.DataFrame(
        {
            "patient_id": films["patient_id"],
            "image_id": films["image_id"],
            "sex": films["sex"].map({"F": "f", "M": "m"}),
            "age": "",
            "size": "",
            "weight": "",
            "admission_offset": -day,
            "icu_admission_offset": (to_icu - day).astype(float).where(icu),
            "icu_release_offset": (to_icu + icu_days - day).astype(float).where(icu),
            "death_offset": (last_day + to_end - day).astype(float).where(films["true_died"]),
            "modality": np.where(rng.random(n) < 0.88, "CR", "DX"),
            "projection": np.where(films["view"] == "PA", "pa", "ap"),
        }
    )
    # The publisher notes that admission dates can be those of the COVID case, after admission.
    late = rng.random(n) < 0.04
    table.loc[late, "admission_offset"] += rng.integers(1, 20, int(late.sum()))
    given: dict[str, np.ndarray] = {}
    for column, name, share in LABS:
        given[column] = given.get(GIVEN_TOGETHER.get(column, ""), rng.random(n) < share)
        value = measure(name, films["severity"].to_numpy(), rng)
        offset = rng.choice([0.0, -1.0, 1.0, -2.0], n, p=[0.76, 0.16, 0.04, 0.04])
        table[f"{column}_offset"] = pd.Series(offset, index=films.index).where(given[column])
        table[f"{column}_val"] = pd.Series(value, index=films.index).where(given[column])
    beyond = table["d-dimer_val"] >= 15  # the publisher writes inf above the detection limit
    table.loc[beyond, "d-dimer_val"] = np.inf
    return table


def film_outputs(image_id: str) -> tuple[Output, ...]:
    """Return the files of one film, its truth mask last."""
    return (
        Picture(f"{FOLDER}/png/{image_id}.png", "PNG", "L", WIDTH),
        TruthMask(f"truth/masks/hannover/{image_id}.png"),
    )


def chest_job(film: pd.Series, outputs: tuple[Output, ...]) -> Job:
    """Return the job that renders ``film`` into ``outputs``."""
    return Job("chest", WIDTH, outputs, to_patient(film, "hannover"))


def _hex_ids(n: int, rng: np.random.Generator) -> list[str]:
    """Return ``n`` different identifiers of eight hexadecimal digits."""
    ids: list[str] = []
    while len(ids) < n:
        candidate = f"{int(rng.integers(16**8)):08x}"
        if candidate not in ids:
            ids.append(candidate)
    return ids
