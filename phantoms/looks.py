"""How a film is framed, exposed and processed: its `Look`, and how the sites differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .causes import Patient

_PLAN = 51  # stream
# Range of the tube voltage, kV: bedside units work without a grid at less.
_VOLTAGE = {"PA": (105, 125), "lateral": (110, 125), "AP": (75, 110), "AP supine": (70, 100)}


@dataclass(frozen=True)
class Look:
    """How one film is framed, exposed, processed and published.

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
    lean : float
        Rotation of the collimator's blades against the film, degrees.
    outside : float
        Grey of the unexposed border; 0 black, 1 white.
    kilovolts : float
        Tube voltage: the higher, the fainter are bones against soft tissue.
    scatter : float
        Scatter-to-primary ratio behind 200 mm of water; an antiscatter grid lowers it.
    grid : float
        Strength of grid lines in the recorded logarithm; 0 for none.
    photons : float
        Effective quanta per mm² behind the thinnest part of the patient.
    blur : float
        Sharpness of detector and patient, mm.
    motion : float
        Breathing during the exposure, mm; 0 for none.
    flatten : float
        Share of large-scale contrast that multi-scale processing removes.
    detail : float
        Gain that multi-scale processing adds to faint detail.
    contrast, middle, gamma : float
        Steepness of the grey scale, where it is steepest between dark (0) and bright (1) end of
        the patient, and its exponent.
    black, white : float
        Positions, in the same units, that become black and white.
    levels : (float, float)
        Grey of the blackest and the whitest part of the film.
    equalise : float
        Clip limit of adaptive histogram equalisation; 0 for none.
    resolution : float
        Longest side, px, to which a figure was reduced before it was enlarged again.
    quality : int
        Of the JPEG file; 100 for none.
    """

    aspect: float
    lung_share: float
    top: float
    tilt: float
    shift: float
    collimation: tuple[float, ...]
    lean: float
    outside: float
    kilovolts: float
    scatter: float
    grid: float
    photons: float
    blur: float
    motion: float
    flatten: float
    detail: float
    contrast: float
    middle: float
    gamma: float
    black: float
    white: float
    levels: tuple[float, float]
    equalise: float
    resolution: float
    quality: int


def choose_look(patient: Patient) -> Look:
    """Draw the look of a film from its site, its view and its seed.

    Raises
    ------
    ValueError
        If the site is unknown.
    """
    if patient.site not in _PROCESSING:
        raise ValueError(f"site must be ieee8023, sbu or hannover, got {patient.site!r}")
    rng = np.random.default_rng([patient.film_seed, _PLAN])
    choices = {**_framing(patient, rng), **_exposure(patient, rng)}
    return Look(**{**choices, **_PROCESSING[patient.site](patient, rng)})


def _framing(patient: Patient, rng: np.random.Generator) -> dict:
    """Bedside films are laid less exactly: tilted, shifted, often too high or too low."""
    bedside = patient.view in ("AP", "AP supine")
    share = 0.68 if patient.view == "lateral" else (0.83 if bedside else 0.86)
    return {
        "lung_share": float(np.clip(rng.normal(share, 0.06), share - 0.2, share + 0.14)),
        "top": float(np.clip(rng.normal(0.115 if bedside else 0.09, 0.04), 0.01, 0.22)),
        "tilt": float(rng.normal(0, 2.5 if bedside else 1.0)),
        "shift": float(rng.normal(0, 0.025 if bedside else 0.01)),
        "lean": float(rng.normal(0, 1.5 if bedside else 0.5)),
        "outside": 0.0,
    }


def _exposure(patient: Patient, rng: np.random.Generator) -> dict:
    bedside = patient.view in ("AP", "AP supine")
    return {
        "kilovolts": float(rng.uniform(*_VOLTAGE[patient.view])),
        "scatter": float(rng.uniform(1.4, 3.0) if bedside else rng.uniform(0.6, 1.3)),
        "grid": float(rng.uniform(0.001, 0.005)) if rng.random() < 0.12 else 0.0,
        "photons": float(np.exp(rng.normal(10.1 if bedside else 10.6, 0.55))),
        "blur": float(rng.uniform(0.12, 0.5)),
        "motion": float(rng.uniform(2, 5)) if bedside and rng.random() < 0.06 else 0.0,
    }


# A hospital's own file: the whole grey scale, neither scaled nor compressed.
_AS_EXPOSED = {"levels": (0.0, 1.0), "resolution": 4000.0, "quality": 100}


def _sbu(patient: Patient, rng: np.random.Generator) -> dict:
    """Plates of 43 × 35 cm, one vendor's console, DICOM files."""
    portrait = patient.view == "lateral" or rng.random() < 0.15
    return {
        "aspect": 1.2 if portrait else 0.832,
        "collimation": tuple(np.clip(rng.normal(0.005, 0.012, 4), 0, 0.04).tolist()),
        "flatten": float(rng.uniform(0.2, 0.4)),
        "detail": float(rng.uniform(0.8, 1.4)),
        "contrast": float(rng.uniform(0.9, 1.15)),
        "middle": float(rng.uniform(0.33, 0.41)),
        "gamma": float(np.exp(rng.normal(0, 0.07))),
        "black": float(rng.uniform(-0.2, -0.05)),
        "white": float(rng.uniform(1.1, 1.35)),
        "equalise": 0.0,
        **_AS_EXPOSED,
    }


def _hannover(patient: Patient, rng: np.random.Generator) -> dict:
    """Mostly bedside films of a mobile unit, equalised before publication."""
    upright = 1.22 if patient.view == "lateral" else 1.0
    bordered = rng.random() < 0.6
    borders = np.clip(rng.normal(0.005, 0.025, 4), 0, 0.08) * bordered
    return {
        "aspect": float(np.clip(rng.normal(0.86 * upright, 0.07), 0.78, 1.35)),
        "collimation": tuple(borders.tolist()),
        "outside": float(rng.random() < 0.06),
        "flatten": float(rng.uniform(0.2, 0.45)),
        "detail": float(rng.uniform(0.8, 1.6)),
        "contrast": float(rng.uniform(0.85, 1.1)),
        "middle": float(rng.uniform(0.32, 0.44)),
        "gamma": float(np.exp(rng.normal(0, 0.1))),
        "black": float(rng.uniform(-0.2, -0.05)),
        "white": float(rng.uniform(1.08, 1.3)),
        "equalise": float(rng.uniform(1.8, 3.5)),
        **_AS_EXPOSED,
    }


def _ieee8023(patient: Patient, rng: np.random.Generator) -> dict:
    """Figures from journals and web sites all over the world: no two alike."""
    upright = 1.22 if patient.view == "lateral" else 1.0
    borders = np.clip(rng.normal(0.01, 0.035, 4), 0, 0.1) * (rng.random() < 0.3)
    soft = rng.random() < 0.35  # a figure enlarged from a small one
    return {
        "aspect": float(np.clip(rng.normal(0.92 * upright, 0.12), 0.68, 1.4)),
        "collimation": tuple(borders.tolist()),
        "outside": float(rng.random() < 0.03),
        "flatten": float(np.clip(rng.normal(0.22, 0.15), 0, 0.5)),
        "detail": float(rng.uniform(0.1, 1.8)),
        "contrast": float(rng.uniform(0.6, 1.4)),
        "middle": float(rng.uniform(0.25, 0.47)),
        "gamma": float(np.exp(rng.normal(0, 0.2))),
        "black": float(rng.uniform(-0.3, 0.0)),
        "white": float(rng.uniform(0.98, 1.35)),
        "levels": (float(rng.uniform(0.0, 0.12)), float(rng.uniform(0.75, 1.0))),
        "equalise": float(rng.uniform(1.0, 3.0)) if rng.random() < 0.2 else 0.0,
        "resolution": float(rng.uniform(180, 500)) if soft else 4000.0,
        "quality": int(rng.integers(45, 96)),
    }


_PROCESSING: dict[str, Callable[[Patient, np.random.Generator], dict]] = {
    "sbu": _sbu,
    "hannover": _hannover,
    "ieee8023": _ieee8023,
}
