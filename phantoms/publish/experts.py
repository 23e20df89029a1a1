"""What others drew and scored on ieee8023 films: severity scores and outlines of structures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from phantoms import film as films
from phantoms.causes import Device, Patient
from phantoms.film import Film
from phantoms.publish.files import Job, Picture

SCORED = 94  # films with severity scores
OUTLINED = 40  # films with outlines
READERS = 3
SCORE_HEADER = (
    "## Phantom pneumonia severity scores (mean of 3 simulated raters),,\n"
    "## geographic_mean: extent of opacity for each lung; the total ranges from 0 to 8.,,\n"
    "## opacity_mean: degree of opacity for each lung; the total ranges from 0 to 6.,,\n"
)
SEGMENTATIONS = "segmentations"
STRUCTURE_COLUMNS = (
    "#", "Taxonomy", "Class", "Template Name", "File Folder", "Filename", "Image", "Tag", "Mask",
    "Resolution", "Top", "Left", "Width", "Height", "Points", "Text Annotation", "Minimal Top",
    "Minimal Left", "Minimal Width", "Minimal Height", "Attributes",
)  # fmt: skip
COLOURS = {
    "Airways": (255, 124, 33),
    "Cardiomediastinum": (255, 134, 134),
    "Left Lung": (255, 0, 0),
    "Right Lung": (187, 73, 73),
    "Ground Glass Opacities": (255, 248, 11),
    "Consolidation": (166, 209, 6),
    "Endotracheal Tube": (30, 160, 90),
    "Central Venous Line": (40, 90, 220),
    "Nosogastric Tube": (140, 60, 200),
    "Tubings": (254, 0, 123),
    "Monitoring Probes": (20, 200, 210),
}
DEVICE_CLASSES: dict[Device, str] = {
    "endotracheal tube": "Endotracheal Tube",
    "central line": "Central Venous Line",
    "nasogastric tube": "Nosogastric Tube",
    "ecg leads": "Monitoring Probes",
}
TUBINGS = 0.3  # share of stomach tubes that the annotators filed under tubings
PROBES_NOT_DRAWN = 0.6  # share of probes that are named but not drawn
LARGEST_ENLARGED = 1000  # pixels
ENLARGED = 0.1  # share of films outlined in a larger resolution than the published picture
DENSE = 0.45  # denser opacities are outlined as consolidation, and as ground-glass around it


def severity_scores(pictures: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the mean scores of three noisy readers for ``n`` of ``pictures``.

    Extent is scored 0 to 4 for each lung (none, under 25 %, 50 %, 75 %, more) and degree 0 to 3
    (none, ground-glass, mixed, consolidation); a reader misjudges the share by an sd of 0.08, and
    calls widespread opacities denser than small ones, as the published scores (correlation 0.94)
    suggest.

    Parameters
    ----------
    pictures : films with filename, opacity, density, laterality
    n : how many to score
    rng : numpy Generator
    """
    chosen = pictures.loc[np.sort(rng.choice(pictures.index, min(n, len(pictures)), replace=False))]
    burden, density = chosen["opacity"].to_numpy(), chosen["density"].to_numpy()
    sides = (
        2
        * burden[:, None]
        * np.clip(np.column_stack([chosen["laterality"], 1 - chosen["laterality"]]), 0, 1)
    )  # share of each lung, since the burden is a share of both
    extent, degree = np.zeros(len(chosen)), np.zeros(len(chosen))
    for _ in range(READERS):
        seen = sides + np.where(sides > 0.02, 0.08, 0.02) * rng.normal(size=sides.shape)
        per_lung = np.where(seen < 0.03, 0, np.clip(np.ceil(4 * seen), 1, 4))
        misjudged = 0.12 * rng.normal(size=sides.shape)
        thick = np.clip(0.4 + 1.6 * density[:, None] + 1.3 * seen + misjudged, 1, 3)
        extent += per_lung.sum(axis=1)
        degree += np.where(per_lung > 0, np.round(thick), 0).sum(axis=1)
    return pd.DataFrame(
        {
            "filename": chosen["filename"],
            "geographic_mean": np.round(extent / READERS, 1),
            "opacity_mean": np.round(degree / READERS, 1),
        }
    )


@dataclass(frozen=True)
class Outlines:
    """Outlines of one film: RGBA crops, coloured on opaque black, and their rows.

    Attributes
    ----------
    filename : the film's name in ieee8023
    patient : who is on it
    width : of the published picture, pixels
    enlargement : the outlines are in a resolution this many times the picture's
    digest : 40 hexadecimal digits that name the film in this data set
    drawn : class of each device that is outlined
    """

    filename: str
    patient: Patient
    width: int
    enlargement: int
    digest: str
    drawn: dict[Device, str]

    def write(self, film: Film, root: Path) -> list[dict[str, Any]]:
        """Write a crop for each object; return the rows of ``structure.csv``."""
        height = round(film.pixels.shape[0] * self.width / film.pixels.shape[1])
        shape = (height * self.enlargement, self.width * self.enlargement)
        folder = root / SEGMENTATIONS / "masks"
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for name, mask in self._objects(film).items():
            large = cv2.resize(mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST)
            rows.append(self._row(name, large > 0, folder))
        if "ecg leads" in self.patient.devices - set(self.drawn):
            rows.append(self._unmasked_row("Monitoring Probes", shape))
        return rows

    def _objects(self, film: Film) -> dict[str, np.ndarray]:
        right, left = split_lungs(film.lungs)
        objects = {
            "Cardiomediastinum": _between(film.lungs),
            "Left Lung": left,
            "Right Lung": right,
        }
        if film.lesions.any():
            objects["Ground Glass Opacities"] = film.lesions
        if self.patient.density > DENSE and film.lesions.any():
            rim = np.ones((film.lesions.shape[1] // 40,) * 2, np.uint8)
            core = cv2.erode(film.lesions.astype(np.uint8), rim) > 0
            objects["Consolidation"] = core
            objects["Ground Glass Opacities"] = film.lesions & ~core
        size = max(film.pixels.shape)
        for device, name in self.drawn.items():  # a film with this device alone has its outline
            alone = replace(self.patient, devices=frozenset([device]))
            objects[name] = films.render(alone, size=size).devices
        return {name: mask for name, mask in objects.items() if mask.any()}

    def _row(self, name: str, mask: np.ndarray, folder: Path) -> dict[str, Any]:
        rows, columns = np.nonzero(mask)
        top, left = int(rows.min()), int(columns.min())
        crop = mask[top : rows.max() + 1, left : columns.max() + 1]
        picture = np.zeros((*crop.shape, 4), dtype=np.uint8)
        picture[..., 3] = 255
        picture[crop, :3] = COLOURS[name]
        stem = f"{self.digest}_{name.replace(' ', '')}"
        Image.fromarray(picture).save(folder / f"{stem}.png", "PNG")
        box = {"Top": top, "Left": left, "Width": crop.shape[1], "Height": crop.shape[0]}
        row = self._common(name, mask.shape) | box
        row |= {f"Minimal {side}": value for side, value in box.items()}
        return row | {"Mask": f"masks/{stem}.png", "Tag": f"tags/{stem}.png"}

    def _unmasked_row(self, name: str, shape: tuple[int, int]) -> dict[str, Any]:
        return self._common(name, shape) | {
            "Top": 0, "Left": 0, "Width": shape[1], "Height": shape[0],
        }  # fmt: skip

    def _common(self, name: str, shape: tuple[int, ...]) -> dict[str, Any]:
        return {
            "Taxonomy": "Class:Left Lung" if name == "Left Lung" else "",
            "Class": f"COVID-19 {name}",
            "Template Name": name,
            "Filename": self.filename,
            "Image": f"images/{self.digest}.jpg",
            "Resolution": f"{shape[1]}x{shape[0]}",
            "Text Annotation": "undefined",
        }


def outlines(job: Job, rng: np.random.Generator) -> Outlines:
    """Return the outlines of the ieee8023 picture that ``job`` renders first."""
    picture = job.outputs[0]
    if job.patient is None or not isinstance(picture, Picture):
        raise ValueError(f"expected the job of a chest picture, found {job}")
    undrawn, tubings = rng.random() < PROBES_NOT_DRAWN, rng.random() < TUBINGS
    enlarged = rng.random() < ENLARGED and picture.width <= LARGEST_ENLARGED
    drawn = {
        device: DEVICE_CLASSES[device]
        for device in sorted(job.patient.devices)
        if not (device == "ecg leads" and undrawn)
    }
    if "nasogastric tube" in drawn and tubings:
        drawn["nasogastric tube"] = "Tubings"
    return Outlines(
        filename=picture.path.rsplit("/", 1)[1],
        patient=job.patient,
        width=picture.width,
        enlargement=2 if enlarged else 1,
        digest=rng.bytes(20).hex(),
        drawn=drawn,
    )


def structure_table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return ``structure.csv`` from what jobs recorded, in order of film, numbered with gaps."""
    rows = [record for record in records if "Class" in record]
    rows.sort(key=lambda row: (row["Filename"], row["Class"]))
    table = pd.DataFrame(rows).reindex(columns=list(STRUCTURE_COLUMNS))
    film = pd.factorize(table["Filename"])[0]
    table["#"] = np.arange(1, len(table) + 1) + 3 * film
    return table


def split_lungs(lungs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the patient's right and left lung (left and right half of the picture)."""
    columns = np.flatnonzero(lungs.any(axis=0))
    if columns.size == 0:
        return lungs, lungs
    low, high = columns[0], columns[-1]
    third = max(1, (high - low) // 3)
    profile = lungs[:, low + third : high - third + 1].sum(axis=0)
    middle = low + third + int(np.median(np.flatnonzero(profile == profile.min())))
    right = lungs.copy()
    right[:, middle:] = False
    return right, lungs & ~right


def _between(lungs: np.ndarray) -> np.ndarray:
    """Return what lies between the outermost lung pixels of each row: the mediastinum."""
    right, left = split_lungs(lungs)
    width = lungs.shape[1]
    columns = np.arange(width)
    start = np.where(right, columns, -1).max(axis=1)
    stop = np.where(left, columns, width).min(axis=1)
    rows = (start >= 0) & (stop < width)
    return rows[:, None] & (columns > start[:, None]) & (columns < stop[:, None])
