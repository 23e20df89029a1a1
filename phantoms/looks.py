"""What a site does to a film after the exposure: processing, letters, markers, arrows, borders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .grid import FloatArray

if TYPE_CHECKING:
    from .causes import Patient

_PLAN, _LETTERS = 51, 52
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
_PANELS = ("A", "B", "C", "a", "b", "c", "D", "1", "2")


@dataclass(frozen=True)
class Look:
    """How one film is framed, exposed and processed.

    Attributes
    ----------
    aspect : float
        Height over width of the film.
    lung_share : float
        Width of the thorax over the width of the film.
    top : float
        Film above the tips of the lungs, share of the height.
    tilt : float
        Degrees.
    shift : float
        Sideways, share of the width.
    collimation : (float, float, float, float)
        Unexposed border: left, top, right, bottom, share of the side.
    scatter : float
        Scatter-to-primary ratio behind 200 mm of water.
    photons : float
        Quanta that reach a pixel behind air.
    blur : float
        Sharpness of detector and patient, mm.
    detail : float
        Strength of the detail enhancement.
    contrast, gamma : float
        Steepness and exponent of the grey scale.
    levels : (float, float)
        Grey of the blackest and the whitest part of the film.
    equalise : float
        Clip limit of adaptive histogram equalisation; 0 for none.
    """

    aspect: float
    lung_share: float
    top: float
    tilt: float
    shift: float
    collimation: tuple[float, float, float, float]
    scatter: float
    photons: float
    blur: float
    detail: float
    contrast: float
    gamma: float
    levels: tuple[float, float]
    equalise: float


def choose_look(patient: Patient) -> Look:
    """Draw the look of a film from its site, its view and its seed.

    Raises
    ------
    ValueError
        If the site is unknown.
    """
    rng = np.random.default_rng([patient.film_seed, _PLAN])
    bedside = patient.view != "PA" and patient.view != "lateral"
    lateral = patient.view == "lateral"
    share = 0.70 if lateral else 0.89
    common = {
        "lung_share": float(np.clip(rng.normal(share, 0.05), share - 0.2, share + 0.08)),
        "top": float(np.clip(rng.normal(0.10 if bedside else 0.08, 0.03), 0.01, 0.2)),
        "tilt": float(rng.normal(0, 2.2 if bedside else 1.0)),
        "shift": float(rng.normal(0, 0.02 if bedside else 0.01)),
        "scatter": float(rng.uniform(0.9, 1.7) if bedside else rng.uniform(0.35, 0.8)),
        "photons": float(np.exp(rng.normal(11.6 if bedside else 12.2, 0.5))),
        "blur": float(rng.uniform(0.3, 1.1)),
    }
    upright = 1.22 if lateral else 1.0
    if patient.site == "sbu":
        portrait = lateral or rng.random() < 0.15
        return Look(
            aspect=1.2 if portrait else 0.832,  # 43 × 35 cm plates
            collimation=tuple(np.clip(rng.normal(0.005, 0.012, 4), 0, 0.04)),
            detail=rng.uniform(0.7, 1.0),
            contrast=rng.uniform(0.95, 1.15),
            gamma=float(np.exp(rng.normal(0, 0.07))),
            levels=(0.0, 1.0),
            equalise=0.0,
            **common,
        )
    if patient.site == "hannover":
        return Look(
            aspect=float(np.clip(rng.normal(0.95 * upright, 0.1), 0.78, 1.35)),
            collimation=tuple(np.clip(rng.normal(0, 0.02, 4), 0, 0.06)),
            detail=rng.uniform(0.5, 0.9),
            contrast=rng.uniform(0.85, 1.1),
            gamma=float(np.exp(rng.normal(0, 0.1))),
            levels=(0.0, 1.0),
            equalise=rng.uniform(1.5, 3.0),
            **common,
        )
    if patient.site == "ieee8023":
        bordered = rng.random() < 0.3
        return Look(
            aspect=float(np.clip(rng.normal(0.92 * upright, 0.11), 0.74, 1.4)),
            collimation=tuple(np.clip(rng.normal(0.01, 0.035, 4), 0, 0.1) * bordered),
            detail=rng.uniform(0.2, 1.3),
            contrast=rng.uniform(0.7, 1.45),
            gamma=float(np.exp(rng.normal(0, 0.24))),
            levels=(rng.uniform(0.0, 0.16), rng.uniform(0.7, 1.0)),
            equalise=rng.uniform(1.0, 2.5) if rng.random() < 0.12 else 0.0,
            **common,
        )
    raise ValueError(f"site must be ieee8023, sbu or hannover, got {patient.site!r}")


def equalise(pixels: FloatArray, clip_limit: float) -> FloatArray:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) of a [0, 1] film."""
    method = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=(8, 8))
    return method.apply(np.round(pixels * 255).astype(np.uint8)).astype(np.float32) / 255


def annotate(pixels: FloatArray, patient: Patient) -> FloatArray:
    """Side markers, stamps, panel letters and arrows, as the site leaves them on a film."""
    rng = np.random.default_rng([patient.film_seed, _LETTERS])
    if patient.site == "sbu":
        pixels = _side_marker(pixels, rng)
        if patient.view in ("AP", "AP supine"):
            pixels = _write(pixels, "AP", (0.86, 0.06), 0.04, rng)
        if patient.portable:
            pixels = _write(pixels, "PORTABLE", (0.03, 0.06), 0.034, rng)
        return pixels
    if rng.random() < 0.75:
        pixels = _side_marker(pixels, rng)
    if patient.portable:
        word = "PORTABLE" if rng.random() < 0.7 else "MOBILE"
        pixels = _write(pixels, word, (0.03, rng.uniform(0.04, 0.1)), 0.035, rng)
    if patient.site == "ieee8023":
        pixels = _journal_marks(pixels, rng)
    return pixels


def _journal_marks(pixels, rng) -> FloatArray:
    """Letters, dates and arrows that journals burn into their figures."""
    if rng.random() < 0.3:
        letter = _PANELS[rng.integers(len(_PANELS))]
        corner = (0.02, 0.10) if rng.random() < 0.5 else (0.02, 0.97)
        if rng.random() < 0.4:
            pixels = _box(pixels, corner, 0.09)
        pixels = _write(pixels, letter, corner, rng.uniform(0.05, 0.08), rng, grey=1.0)
    if rng.random() < 0.12:
        text = f"day {rng.integers(1, 21)}"
        pixels = _write(pixels, text, (0.3, 0.96), 0.05, rng, grey=float(rng.random() < 0.5))
    if rng.random() < 0.12:
        for _ in range(rng.integers(1, 4)):
            pixels = _arrow(pixels, rng)
    return pixels


def _side_marker(pixels, rng) -> FloatArray:
    """A lead letter by the patient's shoulder: R in the left of the picture, L in the right."""
    right = rng.random() < 0.5
    x = rng.uniform(0.04, 0.12) if right else rng.uniform(0.86, 0.93)
    return _write(pixels, "R" if right else "L", (x, rng.uniform(0.1, 0.24)), 0.045, rng)


def _write(pixels, text: str, at, height: float, rng, grey: float | None = None) -> FloatArray:
    """Write at a place given in shares of the film; letters `height` of the longest side tall."""
    rows, columns = pixels.shape
    font = _FONTS[rng.integers(len(_FONTS))]
    tall = max(height * max(rows, columns), 6)
    scale = tall / cv2.getTextSize(text, font, 1.0, 1)[0][1]
    thick = max(1, round(tall / 9))
    canvas = np.zeros(pixels.shape, dtype=np.uint8)
    place = (round(at[0] * columns), round(at[1] * rows))
    cv2.putText(canvas, text, place, font, scale, 255, thick, cv2.LINE_AA)
    cover = canvas.astype(np.float32) / 255
    value = rng.uniform(0.85, 1.0) if grey is None else grey
    return pixels + cover * (np.float32(value) - pixels)


def _box(pixels, corner, side: float) -> FloatArray:
    rows, columns = pixels.shape
    edge = round(side * max(rows, columns))
    left, bottom = max(round(corner[0] * columns) - 3, 0), round(corner[1] * rows) + 4
    pixels = pixels.copy()
    pixels[max(bottom - edge, 0) : bottom, left : left + edge] = 0
    return pixels


def _arrow(pixels, rng) -> FloatArray:
    """A filled white arrow with a dark rim."""
    rows, columns = pixels.shape
    shape = np.array([(0, 0), (4, 3), (4, 1), (9, 1), (9, -1), (4, -1), (4, -3)], dtype=float)
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    tip = (rng.uniform(0.15, 0.85) * columns, rng.uniform(0.3, 0.75) * rows)
    outline = shape @ turn * (rng.uniform(0.006, 0.009) * columns) + tip
    corners = [np.round(outline * 16).astype(np.int32)]
    canvas = np.zeros(pixels.shape, dtype=np.uint8)
    cv2.polylines(canvas, corners, True, 255, 2, cv2.LINE_AA, 4)
    pixels = pixels * (1 - canvas.astype(np.float32) / 255)
    canvas[:] = 0
    cv2.fillPoly(canvas, corners, 255, cv2.LINE_AA, 4)
    cover = canvas.astype(np.float32) / 255
    return pixels + cover * (1 - pixels)
