"""Opacities of COVID-19 pneumonia: bilateral, peripheral, in the lower zones, with soft edges.

A patchy field (multi-scale noise, raised towards the chest wall and the base) is cut at the height
that makes exactly the wanted share of each lung opaque. Around the cut the opacity rises gradually;
within it its density runs from faint ground glass to consolidation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .anatomy import Scene
from .grid import FloatArray, Frame

if TYPE_CHECKING:
    from .causes import Patient

_PATTERN, _CHANGE = 31, 32  # streams: the patient's pattern, and how this film departs from it
_WAVELENGTHS, _WEIGHTS = (84, 46, 24, 12), (1.0, 0.8, 0.4, 0.16)  # mm; patches, lobules, texture
_PERIPHERY, _BASE = 1.1, 2.0  # pull of the chest wall and of the lower zones, in sd of the noise
_EDGE = 0.8  # sd of the noise over which an opacity builds up
_GROUND_GLASS, _CONSOLIDATION = 25.0, 84.0  # added length at density 0 and 1, mm of water
_MOST = 0.97  # a lung never becomes opaque to its last pixel


@dataclass(frozen=True)
class Opacity:
    """What disease adds to a film; every array is (h, w).

    Attributes
    ----------
    attenuation : float32
        Added length, mm of water.
    hiding : float32
        Share of the contrast of vessels that is lost, 0–1.
    mask : bool
        Opaque lung: the known truth.
    """

    attenuation: FloatArray
    hiding: FloatArray
    mask: np.ndarray


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
    if not any(shares):
        zero = np.zeros(frame.shape, dtype=np.float32)
        return Opacity(zero, zero, np.zeros(frame.shape, dtype=bool))
    rng = np.random.default_rng([patient.anatomy_seed, _PATTERN])
    change = np.random.default_rng([patient.film_seed, _CHANGE])
    field = frame.clouds(rng, _WAVELENGTHS, _WEIGHTS) + 0.25 * frame.noise(change, 40)
    field += _PERIPHERY * scene.periphery + _BASE * scene.base
    cuts = [_cut(field[half], share) for half, share in zip(halves, shares, strict=True)]
    above = field - np.where(scene.left, np.float32(cuts[1]), np.float32(cuts[0]))
    mask = (above > 0) & scene.lungs
    return _thicken(patient, above, mask, scene, frame, rng)


def _cut(values: FloatArray, share: float) -> float:
    """Height above which the wanted share of the values lies."""
    if values.size == 0 or share <= 0:
        return 1e6
    rank = int(np.clip(round((1 - share) * values.size), 0, values.size - 1))
    return float(np.partition(values, rank)[rank])


def _thicken(patient, above, mask, scene: Scene, frame: Frame, rng) -> Opacity:
    """Give the field above the cut its density: the mask's edge lies where half is reached."""
    rise = np.clip(0.5 + above / (2 * _EDGE), 0, 1)
    rise = rise * rise * (3 - 2 * rise)
    local = np.clip(patient.density + 0.16 * frame.noise(rng, 40), 0, 1)
    texture = np.clip(1 + 0.16 * frame.clouds(rng, (18, 9, 5), (1, 0.8, 0.6)), 0.3, 1.7)
    length = _GROUND_GLASS + (_CONSOLIDATION - _GROUND_GLASS) * local
    # Thin lung holds less fluid: at the costophrenic angle and behind the heart.
    filled = np.minimum(length * texture, 0.7 * scene.air)
    return Opacity(rise * filled, rise * (0.15 + 0.8 * local), mask)
