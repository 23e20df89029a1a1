"""The films that `benchmarks.phantoms` compares: published ones, real or phantom, or fresh ones."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from helpers.annotations import load_annotations, outline_mask
from helpers.pixels import preprocess, preprocess_mask, read_radiograph
from helpers.publishers import load_hannover, load_ieee8023
from phantoms.film import render
from phantoms.randomisation import disturb, draw_look, draw_patient

SIZE = 256  # px
LOADERS = {"ieee8023": load_ieee8023, "hannover": load_hannover}
FRONTAL = {"PA", "AP", "AP Supine"}  # as ieee8023 writes it
LUNGS = ["Left Lung", "Right Lung"]
OPACITIES = ["Ground Glass Opacities", "Consolidation"]


class Example(NamedTuple):
    """A preprocessed film: grey uint8, and bool masks, all (256, 256)."""

    patient_id: str
    film: np.ndarray
    shown: np.ndarray  # what is picture and no padding
    lungs: np.ndarray | None = None
    lesions: np.ndarray | None = None


class Collection(NamedTuple):
    """Films of one kind: every frontal film by cohort, those with lung masks, those outlined."""

    films: dict[str, list[Example]]
    with_lungs: list[Example]
    outlined: list[Example]


def published(roots: dict[str, Path]) -> Collection:
    """Read the cohorts at these folders, real or phantom: both have the publishers' layout."""
    cohorts = {name: LOADERS[name](root) for name, root in roots.items()}
    films = {
        name: _read([partial(_plain, *row) for row in _keys(cohort)])
        for name, cohort in cohorts.items()
    }
    root = roots["ieee8023"]
    return Collection(films, _read(_masked(root)), _read(_outlined(root)))


def _keys(cohort: pd.DataFrame) -> Iterable[tuple[str, str]]:
    return zip(cohort["patient_id"], cohort["image_path"], strict=True)


def _read(readers: Iterable[Callable[[], Example]]) -> list[Example]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda reader: reader(), readers))


def _plain(patient_id: str, path: str) -> Example:
    return _example(patient_id, read_radiograph(path))


def _example(patient_id: str, film: np.ndarray, **masks: np.ndarray) -> Example:
    shown = preprocess_mask(np.ones(film.shape, bool), SIZE)
    squares = {name: preprocess_mask(mask, SIZE) & shown for name, mask in masks.items()}
    return Example(patient_id, preprocess(film, SIZE), shown, **squares)


def _masked(root: Path) -> Iterable[Callable[[], Example]]:
    """Readers of the frontal films, of any illness, that have a lung mask."""
    metadata = pd.read_csv(root / "metadata.csv", dtype="string")
    metadata = metadata[metadata["view"].isin(FRONTAL) & (metadata["modality"] == "X-ray")]
    for row in metadata.drop_duplicates("filename").itertuples():
        film = root / "images" / row.filename
        mask = root / "annotations" / "lungVAE-masks" / f"{film.stem}_mask.png"
        if mask.is_file() and film.is_file():
            yield partial(_with_lungs, row.patientid, film, mask)


def _with_lungs(patient_id: str, path: Path, mask_path: Path) -> Example:
    film = read_radiograph(path)
    mask = cv2.imread(str(mask_path), cv2.IMREAD_GRAYSCALE)  # often finer than the film
    mask = cv2.resize(mask, film.shape[::-1], interpolation=cv2.INTER_AREA) > 127
    return _example(patient_id, film, lungs=mask)


def _outlined(root: Path) -> Iterable[Callable[[], Example]]:
    """Readers of the films whose lungs and opacities radiologists outlined."""
    outlines = load_annotations(root).outlines
    metadata = pd.read_csv(root / "metadata.csv", dtype="string").drop_duplicates("filename")
    patients = metadata.set_index("filename")["patientid"]
    for path in outlines["image_path"].unique():
        if Path(path).is_file():
            patient_id = patients.get(Path(path).name, Path(path).name)
            yield partial(_with_outlines, patient_id, path, outlines)


def _with_outlines(patient_id: str, path: str, outlines: pd.DataFrame) -> Example:
    film = read_radiograph(path)
    lungs = outline_mask(outlines, path, LUNGS, film.shape)
    lesions = outline_mask(outlines, path, OPACITIES, film.shape)
    return _example(patient_id, film, lungs=lungs, lesions=lesions)


def fresh(cohorts: list[str], count: int, randomised: bool) -> Collection:
    """Draw patients and films now, with each cohort's look or with every look there may be."""
    films = {name: _draw(name, count, randomised) for name in cohorts}
    drawn = films[cohorts[0]]
    return Collection(films, drawn, [film for film in drawn if film.lesions.any()])


def _draw(site: str, count: int, randomised: bool) -> list[Example]:
    rng = np.random.default_rng(list(LOADERS).index(site))
    return [_draw_one(str(i), site, rng, randomised) for i in range(count)]


def _draw_one(patient_id: str, site: str, rng: np.random.Generator, randomised: bool) -> Example:
    patient = draw_patient(rng)
    while patient.view == "lateral":
        patient = draw_patient(rng)
    patient = replace(patient, site=site)
    if randomised:
        film = disturb(render(patient, size=SIZE, look=draw_look(patient, rng)), rng)
    else:
        film = render(patient, size=SIZE)
    return _example(patient_id, film.pixels, lungs=film.lungs, lesions=film.lesions)
