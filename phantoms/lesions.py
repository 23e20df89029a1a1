"""Opacities of COVID-19 pneumonia: ground glass, consolidation, and their truth.

The patient's pattern (:mod:`phantoms.patterns`) is a field that is cut at the height that makes
exactly the wanted share of each lung opaque. Margins are ill-defined: an opacity thins out over
some centimetres. Fluid takes the place of air, so that an opacity can never be longer than the lung
is deep, and the outline of heart and diaphragm goes where the air beside them is gone (silhouette
sign; Felson 1950).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .anatomy import Scene
from .body import draw_body, pose_body
from .effusion import add_effusion
from .grid import FloatArray, Frame
from .patterns import (
    Pattern,
    air_bronchograms,
    coarse_frame,
    draw_pattern,
    likelihood,
    resample,
    texture,
)

if TYPE_CHECKING:
    from .causes import Patient

_MISSING = 0.74  # what healthy lung lacks to the density of water
# Share of the air replaced in the middle of an opacity at density 0 and 1.
_GROUND_GLASS, _CONSOLIDATION = 0.27, 0.82
_AIRLESS = 0.95  # nowhere is all air gone
_MOST = 0.97  # a lung never becomes opaque to its last pixel
_VARIATION = 72  # stream: density from place to place


@dataclass(frozen=True)
class Opacity:
    """What disease adds to a film; every array is (h, w).

    Attributes
    ----------
    attenuation : float32
        Added length, mm of water, effusion included.
    hiding : float32
        Share of the contrast of vessels that is lost, 0–1.
    mask : bool
        Opaque lung: the known truth. An effusion alone is not counted.
    density : float32
        Density of the opacity within the mask, 0 (ground glass) to 1 (consolidation); 0 elsewhere.
    effusion : bool
        Fluid between lung and chest wall.
    """

    attenuation: FloatArray
    hiding: FloatArray
    mask: np.ndarray
    density: FloatArray
    effusion: np.ndarray


def lung_shares(opacity: float, laterality: float, areas: tuple[int, int]) -> tuple[float, float]:
    """Opaque share of the right and of the left lung.

    Parameters
    ----------
    opacity : float
        Opaque share of both lungs together, 0–1.
    laterality : float
        Share of the opaque area that lies on the left, 0–1.
    areas : (int, int)
        Visible area of the right and the left lung.

    Returns
    -------
    (float, float)
        What does not fit into one lung spills over into the other.
    """
    if not 0 <= opacity <= 1 or not 0 <= laterality <= 1:
        raise ValueError(
            "opacity and laterality must lie between 0 and 1, "
            f"got opacity={opacity!r} and laterality={laterality!r}"
        )
    right, left = (max(area, 1) for area in areas)
    wanted = opacity * (areas[0] + areas[1])
    on_left = min(wanted * laterality, _MOST * left)
    on_right = min(wanted - on_left, _MOST * right)
    on_left = min(wanted - on_right, _MOST * left)
    return on_right / right, on_left / left


def add_lesions(patient: Patient, scene: Scene, frame: Frame) -> Opacity:
    """Opacities of a patient on one film.

    The pattern belongs to the patient (`anatomy_seed`) and varies a little from film to film
    (`film_seed`).

    Raises
    ------
    ValueError
        If the opacity or the laterality lies outside 0–1.
    """
    halves = (scene.lungs & ~scene.left, scene.lungs & scene.left)
    areas = (int(halves[0].sum()), int(halves[1].sum()))
    shares = lung_shares(patient.opacity, patient.laterality, areas)
    if max(shares) * max(areas) < 1:
        zero, nowhere = np.zeros(frame.shape, np.float32), np.zeros(frame.shape, dtype=bool)
        return Opacity(zero, zero, nowhere, zero, nowhere)
    body = draw_body(patient)
    pose = pose_body(patient, body)
    pattern = draw_pattern(patient)
    field = likelihood(patient, pattern, scene, frame, body, pose)
    cuts = [_cut(field[half], share) for half, share in zip(halves, shares, strict=True)]
    mask = (field > np.where(scene.left, np.float32(cuts[1]), np.float32(cuts[0]))) & scene.lungs
    rise, density = _thicken(patient, pattern, mask, scene, frame)
    y = 0.47 * body.height
    sides = (10.0,) if patient.view == "lateral" else (-34.0, 34.0)
    hila = np.array([(side + pose.shifted(30), y) for side in sides])
    filled = rise * (_GROUND_GLASS + (_CONSOLIDATION - _GROUND_GLASS) * density)
    filled = np.minimum(filled * texture(patient, pattern, density, frame, hila), _AIRLESS)
    fluid = add_effusion(patient, scene, frame, body, pose)
    length = _MISSING * scene.air * (filled + (1 - filled) * fluid)
    dense = rise * np.clip((density - 0.4) / 0.35, 0, 1) * (1 - fluid)
    if patient.view != "lateral" and dense.max() > 0.05:
        length -= np.minimum(dense * air_bronchograms(patient, frame, hila), 0.3 * length)
    hiding = np.maximum(rise * (0.1 + 0.85 * density), 0.9 * fluid)
    return Opacity(length, hiding, mask, density * mask, fluid > 0.2)


def _cut(values: FloatArray, share: float) -> float:
    """Height above which the wanted share of the values lies."""
    if values.size == 0 or share <= 0:
        return 1e6
    rank = int(np.clip(round((1 - share) * values.size), 0, values.size - 1))
    return float(np.partition(values, rank)[rank])


def _thicken(
    patient: Patient, pattern: Pattern, mask: np.ndarray, scene: Scene, frame: Frame
) -> tuple[FloatArray, FloatArray]:
    """How far an opacity is built up (half at the mask's edge) and its local density, both 0–1.

    Blurring is confined to the lungs, so that an opacity at the chest wall stays full; it reaches
    on behind heart and diaphragm, where there is lung, too.
    """
    coarse = coarse_frame(frame)
    opaque = resample(mask.astype(np.float32), coarse)
    lungs = resample(scene.lungs.astype(np.float32), coarse) + np.float32(1e-3)
    margin = pattern.margin - 2 * patient.density
    wide = [coarse.blur(picture, 2.5 * margin) for picture in (opaque, lungs)]
    narrow = [coarse.blur(picture, margin) for picture in (opaque, lungs)]
    deep = wide[0] / wide[1]
    near = (narrow[0] + 0.05 * wide[0]) / (narrow[1] + 0.05 * wide[1])
    rng = np.random.default_rng([patient.anatomy_seed, _VARIATION])
    varied = 0.16 * coarse.noise(rng, 55) + 0.5 * deep  # denser towards the middle
    varied -= np.average(varied, weights=opaque + 1e-6)
    room = min(4 * patient.density * (1 - patient.density) + 0.25, 1)
    # Small patches stay as readable as large ones, which blurring thins out less.
    full = 0.88 / max(float(np.average(near, weights=opaque + 1e-6)), 0.59)
    rise = np.clip(resample(full * near, frame), 0, 1)
    density = np.clip(resample(patient.density + room * varied, frame), 0, 1)
    return rise, density
