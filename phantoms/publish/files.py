"""One exposure, and the files in which publishers keep it.

A :class:`Job` is self-contained and picklable, and its files depend on nothing but the job, so any
number of processes writes the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from PIL import Image

from phantoms import film as films
from phantoms.causes import Patient
from phantoms.film import Film

JPEG_QUALITY = 90
PNG_LEVEL = 6
# Palette of the truth masks: bit 1 lungs, bit 2 lesions, bit 4 devices, so 8 colours in all.
LUNGS, LESIONS, DEVICES = 1, 2, 4
_PALETTE = [
    0, 0, 0, 86, 180, 233, 213, 94, 0, 213, 94, 0,
    240, 228, 66, 240, 228, 66, 240, 228, 66, 240, 228, 66,
]  # fmt: skip


class Output(Protocol):
    """A file made from a rendered film."""

    def write(self, film: Film, root: Path) -> list[dict[str, Any]]:
        """Write the file below ``root``; return records for a table that needs the pixels."""
        ...


@dataclass(frozen=True)
class Job:
    """One exposure to be rendered and every file that holds it.

    Attributes
    ----------
    kind : "chest" (needs ``patient``), "abdomen" or "ct" (need ``seed``)
    size : longest side of the rendered picture, pixels
    outputs : files to write
    """

    kind: Literal["chest", "abdomen", "ct"]
    size: int
    outputs: tuple[Output, ...]
    patient: Patient | None = None
    seed: int = 0


def run_job(job: Job, root: str) -> list[dict[str, Any]]:
    """Render one exposure and write its files below ``root``; return their records."""
    film = _render(job)
    return [record for output in job.outputs for record in output.write(film, Path(root))]


def _render(job: Job) -> Film:
    if job.kind == "chest":
        if job.patient is None:
            raise ValueError("a chest film needs a patient, found None")
        return films.render(job.patient, size=job.size)
    draw = films.render_abdomen if job.kind == "abdomen" else films.render_ct
    pixels = draw(job.seed, job.size)
    nothing = np.zeros(pixels.shape, dtype=bool)
    return Film(pixels, nothing, nothing, nothing, nothing.astype(np.float32))


@dataclass(frozen=True)
class Picture:
    """A JPEG or PNG as a publisher stores it.

    Attributes
    ----------
    path : relative to the root of the cohorts
    format : "JPEG" or "PNG", whatever the suffix of the name says
    mode : "RGB", "L", "RGBA" or "P"
    width : pixels; the rendered film is enlarged or reduced to it
    square : cut the central square first
    """

    path: str
    format: Literal["JPEG", "PNG"]
    mode: Literal["RGB", "L", "RGBA", "P"]
    width: int
    square: bool = False

    def write(self, film: Film, root: Path) -> list[dict[str, Any]]:
        """Write the picture."""
        grey = _resize(_cut(film.pixels, self.square), self.width)
        picture = Image.fromarray(np.round(255 * grey).astype(np.uint8))
        path = _parent_made(root / self.path)
        if self.format == "JPEG":
            picture.convert(self.mode).save(path, "JPEG", quality=JPEG_QUALITY)
        else:
            picture.convert(self.mode).save(path, "PNG", compress_level=PNG_LEVEL)
        return []


@dataclass(frozen=True)
class LungMask:
    """The lungs in white on black, in the pixels of the published picture (ieee8023)."""

    path: str
    width: int
    square: bool = False

    def write(self, film: Film, root: Path) -> list[dict[str, Any]]:
        """Write the mask."""
        lungs = _resize(_cut(film.lungs, self.square).astype(np.float32), self.width) > 0.5
        Image.fromarray(np.where(lungs, 255, 0).astype(np.uint8)).save(
            _parent_made(root / self.path), "PNG"
        )
        return []


@dataclass(frozen=True)
class TruthMask:
    """Lungs, lesions and devices of the film as rendered, a palette PNG of a few kilobytes."""

    path: str
    square: bool = False

    def write(self, film: Film, root: Path) -> list[dict[str, Any]]:
        """Write the mask; return the share of the lungs that is opaque, which it measures."""
        index = (
            LUNGS * film.lungs.astype(np.uint8)
            + LESIONS * film.lesions.astype(np.uint8)
            + DEVICES * film.devices.astype(np.uint8)
        )
        picture = Image.fromarray(_cut(index, self.square), mode="P")
        picture.putpalette(_PALETTE)
        picture.save(_parent_made(root / self.path), "PNG", bits=4)
        lungs = np.count_nonzero(film.lungs)
        share = np.count_nonzero(film.lungs & film.lesions) / lungs if lungs else np.nan
        return [{"mask_path": self.path, "opaque_share": round(share, 4)}]


def _cut(picture: np.ndarray, square: bool) -> np.ndarray:
    """Return the central square of ``picture``, or all of it."""
    if not square:
        return picture
    h, w = picture.shape
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return picture[top : top + side, left : left + side]


def _resize(picture: np.ndarray, width: int) -> np.ndarray:
    h, w = picture.shape
    if width == w:
        return picture
    method = cv2.INTER_AREA if width < w else cv2.INTER_CUBIC
    height = max(1, round(h * width / w))
    return np.clip(cv2.resize(picture, (width, height), interpolation=method), 0.0, 1.0)


def _parent_made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
