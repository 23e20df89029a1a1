"""Draws the ieee8023 cohort and lays out its files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from phantoms.people import draw_films, draw_people, to_patient
from phantoms.publish.files import Job, LungMask, Output, Picture, TruthMask
from phantoms.publish.ieee8023 import finish, others
from phantoms.publish.ieee8023.covid import covid_rows
from phantoms.publish.ieee8023.tables import FORMATS

FOLDER = "ieee8023"
RENDERED = 384  # pixels, longest side
OWN_PATIENTS = 245  # with frontal COVID films, besides those shared with Hannover
OTHER_PATIENTS = 55  # with other diseases or none
TODO_ROWS, TODO_PATIENTS = 55, 22
CT_ROWS, CT_PATIENTS = 60, 20  # patients who have no film
VOLUME_ROWS = 14  # folder=volumes, no picture
ABSENT = 11  # X-ray rows whose picture is not in the folder
LATERALS = 16  # second view of a COVID patient
LUNG_MASKS = 120
SHARED_WIDTH = 512  # the copies of Hannover films: square JPEGs (1,024 pixels at the publisher's)
NARROWEST, WIDEST = 157, 4280  # pixels
PNG_WIDEST, JPEG_WIDEST = 800, 2000  # of all others; PNGs stay small to save room


@dataclass(frozen=True)
class Plan:
    """What is to be written.

    Attributes
    ----------
    jobs : exposures; those of films shared with Hannover are the caller's, since one exposure
        serves both collections (:func:`shared_outputs`)
    metadata : ``metadata.csv``
    truth : a row a frontal COVID film whose picture is in the folder
    pictures : of these, the ones not shared, with what annotators need: filename, width, job
        (its index in ``jobs``), opacity, density, laterality
    """

    jobs: list[Job]
    metadata: pd.DataFrame
    truth: pd.DataFrame
    pictures: pd.DataFrame


def plan(scale: float, shared: pd.DataFrame, rng: np.random.Generator) -> Plan:
    """Draw the cohort and lay out its files.

    Parameters
    ----------
    scale : share of the default size
    shared : Hannover films with ``image_id`` that are published here as well
    rng : numpy Generator
    """
    table = _rows(scale, shared, rng)
    table = _choose_pictures(table, rng)
    table["absent"] = _absent(table, _scaled(ABSENT, scale, 1), rng)
    table = finish.number_patients(table, rng)
    metadata = finish.with_repeated_file(finish.metadata_columns(table))

    present = table[~table["absent"]]
    films = present.index[(present["modality"] == "X-ray") & (present["film_view"] != "lateral")]
    masked = rng.choice(films, min(_scaled(LUNG_MASKS, scale, 4), len(films)), replace=False)
    own = present[~present["shared"]]
    jobs = [_job(row, i in set(masked), rng) for i, row in own.iterrows()]
    pictures = own.assign(job=range(len(own)))[own["kind"] == "covid"]
    return Plan(jobs, metadata, _truth(present[present["kind"] == "covid"]), pictures)


def shared_outputs(image_id: str) -> tuple[Output, ...]:
    """Return the files here of a film that is in the Hannover collection as well.

    The copies are the central square of the film, as a JPEG of another size.
    """
    name = f"{image_id}.jpg"
    return (
        Picture(f"{FOLDER}/images/{name}", "JPEG", "L", SHARED_WIDTH, square=True),
        TruthMask(_mask_path(name), square=True),
    )


def _rows(scale: float, shared: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return every row of the collection but for the pictures' names."""
    people = draw_people("ieee8023", _scaled(OWN_PATIENTS, scale, 12), rng)
    own = draw_films("ieee8023", people, rng).assign(look="ieee8023", shared=False)
    films = pd.concat([own, shared.assign(look="hannover", shared=True)], ignore_index=True)
    films["key"] = films["look"] + " " + films["person"].astype(str)
    covid = covid_rows(films, rng)
    unshared = covid[~covid["shared"]]
    return pd.concat(
        [
            covid,
            others.lateral_rows(unshared, _scaled(LATERALS, scale, 2), rng),
            others.other_rows(_scaled(OTHER_PATIENTS, scale, 8), rng),
            others.todo_rows(_scaled(TODO_ROWS, scale, 8), _scaled(TODO_PATIENTS, scale, 3), rng),
            others.ct_rows(
                unshared, _scaled(CT_ROWS, scale, 4), _scaled(CT_PATIENTS, scale, 1), rng
            ),
            others.volume_rows(unshared, _scaled(VOLUME_ROWS, scale, 2), rng),
        ],
        ignore_index=True,
    )


def _choose_pictures(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Choose format, width and file name of every picture."""
    n = len(table)
    own = ((table["kind"] == "covid") & ~table["shared"]).to_numpy()
    # Deal the formats as from a deck, and the rare ones to COVID films first, so that every
    # format occurs at every scale.
    weights = np.array([count for *_, count in FORMATS], dtype=float)
    dealt = rng.choice(len(FORMATS), n, p=weights / weights.sum())
    first = rng.permutation(np.flatnonzero(own))[: len(FORMATS)]
    dealt[first] = np.arange(len(first))
    image_format, mode, suffix, _ = zip(*(FORMATS[i] for i in dealt), strict=True)
    limit = np.where(np.array(image_format) == "PNG", PNG_WIDEST, JPEG_WIDEST)
    # Median and spread as at the publisher's, but for the scale of 0.85.
    width = np.clip(np.exp(rng.normal(np.log(850), 0.45, n)), NARROWEST, limit).round()
    width[first[0]], width[first[1]] = WIDEST, NARROWEST  # loaders and panels must cope with both
    names = finish.file_names(table, suffix, rng)
    names = np.where(table["shared"], table["image_id"].astype(str) + ".jpg", names)
    return table.assign(
        format=image_format,
        mode=mode,
        width=width.astype(int),
        filename=np.where(table["folder"] == "volumes", table["filename"], names),
    )


def _absent(table: pd.DataFrame, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return which rows have no picture: volumes, and ``n`` films that were never added."""
    usual = (table["width"] > NARROWEST) & (table["width"] < WIDEST)
    candidates = table.index[(table["modality"] == "X-ray") & ~table["shared"] & usual]
    lost = rng.choice(candidates, n, replace=False)
    return table.index.isin(lost) | (table["folder"] == "volumes").to_numpy()


def _job(row: pd.Series, with_lung_mask: bool, rng: np.random.Generator) -> Job:
    width = int(row["width"])
    picture = Picture(f"{FOLDER}/images/{row['filename']}", row["format"], row["mode"], width)
    size = min(RENDERED, max(NARROWEST, width))
    if row["modality"] == "CT":
        return Job("ct", size, (picture,), seed=int(rng.integers(2**31 - 1)))
    outputs: list[Output] = [picture]
    if row["kind"] == "covid":
        outputs.append(TruthMask(_mask_path(row["filename"])))
    if with_lung_mask:
        stem = row["filename"].rsplit(".", 1)[0]
        outputs.append(LungMask(f"{FOLDER}/annotations/lungVAE-masks/{stem}_mask.png", width))
    return Job("chest", size, tuple(outputs), to_patient(_film(row), "ieee8023"))


def _film(row: pd.Series) -> pd.Series:
    """Return ``row`` with the view as taken in place of the view as published."""
    film = row.copy()
    film["view"] = row["film_view"]
    return film


def _truth(covid: pd.DataFrame) -> pd.DataFrame:
    return covid.assign(
        patient_id=covid["patientid"],
        image_path=f"{FOLDER}/images/" + covid["filename"],
        mask_path=[_mask_path(name) for name in covid["filename"]],
        view=covid["film_view"],
    )


def _scaled(count: int, scale: float, least: int) -> int:
    return max(least, round(count * scale))


def _mask_path(filename: str) -> str:
    return f"truth/masks/ieee8023/{filename}.png"
