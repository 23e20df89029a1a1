"""The one table of how far pretraining films vary: ranges, chances and how to draw from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .causes import View

# Uniform ranges: patients, looks, then disturbances (in px of a film of 128 px where it says px).
RANGES: dict[str, tuple[float, float]] = {
    "age": (18, 95),  # years
    "laterality": (0.25, 0.75),
    "one-sided": (0.0, 0.1),  # share of the burden in the healthier lung
    "inspiration": (-2.2, 1.6),  # sd
    "opacity": (0.0, 0.95),
    "heart": (0.38, 0.70),
    "bones": (0.0, 1.4),
    "vessels": (0.0, 1.7),
    "log roughness": (-0.7, 1.6),
    "aspect": (0.68, 1.22),
    "lung_share": (0.54, 1.06),  # above 1 the ribs are cut off
    "top": (-0.1, 0.8),  # of the film's height that the lungs leave free
    "shift": (-0.06, 0.06),
    "tilt": (-4, 4),  # degrees
    "lean": (-4, 4),
    "collimation": (-0.06, 0.12),
    "kilovolts": (70, 125),
    "scatter": (0.3, 3.6),
    "grid": (0.001, 0.008),
    "log photons": (9.2, 12.5),
    "blur": (0.2, 1.6),  # mm
    "motion": (1.5, 6),
    "flatten": (0.0, 0.5),
    "detail": (0.0, 1.8),
    "contrast": (0.3, 2.1),
    "middle": (0.2, 0.65),
    "log gamma": (-0.55, 0.55),
    "black": (-0.4, 0.12),
    "white": (0.85, 1.4),
    "black level": (0.0, 0.25),
    "white level": (0.65, 1.0),
    "equalise": (1.0, 5.0),
    "resolution": (70, 400),
    "quality": (30, 100),
    "stretch": (0.88, 1.12),
    "turn": (-8, 8),  # degrees
    "shear": (-0.08, 0.08),
    "trim": (0.0, 0.05),  # of a side, at any edge
    "cut side": (0.15, 0.45),  # a partial film
    "cut apices": (0.06, 0.28),
    "cut bases": (0.08, 0.35),
    "disturbed log gamma": (-0.5, 0.5),
    "bend": (2.0, 12.0),  # Dirichlet's concentration: the lower, the more the curve bends
    "clip low": (0.0, 0.18),
    "clip high": (0.78, 1.0),
    "even out": (0.2, 0.7),  # of the broad contrast
    "even out over": (10, 30),  # px
    "gradient": (-0.3, 0.3),
    "veil": (0.01, 0.07),
    "filter": (0.1, 0.6),
    "soften": (0.3, 1.1),  # px
    "reduce": (0.4, 0.9),
    "sharpen": (0.3, 1.5),
    "jpeg": (20, 95),
    "noise": (0.004, 0.045),
    "grain": (0.0, 1.0),  # px
    "equalise after": (1.0, 4.0),
    "cutout": (0.06, 0.3),  # of a side
}
CHANCES: dict[str, float] = {
    "no opacity": 0.25,
    "one-sided": 1 / 6,
    "no devices": 0.4,
    "device": 0.45,
    "portable": 0.25,
    "collimated": 0.35,
    "white outside": 0.06,
    "grid": 0.2,
    "motion": 0.08,
    "equalised": 0.3,
    "reduced": 0.25,
    "cut side": 0.07,
    "cut apices": 0.08,
    "cut bases": 0.08,
    "cutout": 0.06,
    "gamma": 0.5,
    "bend": 0.3,
    "clip": 0.3,
    "even out": 0.2,
    "light": 0.35,
    "veil": 0.25,
    "filter": 0.2,
    "soften": 0.25,
    "sharpen": 0.15,
    "noise": 0.35,
    "equalise after": 0.15,
    "marks": 0.5,
    "jpeg": 0.3,
}
VIEWS: dict[View, float] = {"PA": 0.30, "AP": 0.35, "AP supine": 0.25, "lateral": 0.10}


def uniform(name: str, rng: np.random.Generator) -> float:
    """Draw a value from a range of `RANGES`."""
    low, high = RANGES[name]
    return low + (high - low) * rng.random()


def happens(name: str, rng: np.random.Generator) -> bool:
    """Whether something that has a chance in `CHANCES` happens."""
    return bool(rng.random() < CHANCES[name])
