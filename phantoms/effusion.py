"""Pleural effusion: a meniscus in the costophrenic angle upright, a veil over the lung supine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .body import Body, Pose
from .grid import FloatArray, Frame

if TYPE_CHECKING:
    from .anatomy import Scene
    from .causes import Patient

_EFFUSION = 35  # stream of random numbers
_RARE, _DENSE = 0.03, 0.28  # chance in a lung with ground glass, and what consolidation adds


def add_effusion(
    patient: Patient, scene: Scene, frame: Frame, body: Body, pose: Pose
) -> FloatArray:
    """Share (h, w) of the lung's air, 0–1, whose place fluid takes.

    Fluid follows gravity: upright it blunts the costophrenic angle and climbs up the chest wall
    (meniscus); lying down it spreads behind the lung, densest below. It stands before the dome of
    the diaphragm, whose outline goes with the air.
    """
    rng = np.random.default_rng([patient.anatomy_seed, _EFFUSION])
    chances, heights = rng.random(2), rng.gamma(3.0, 13.0, 2)
    ill = chances < _RARE + _DENSE * patient.density**2
    if not ill.any() or patient.opacity <= 0:
        return np.zeros(frame.shape, dtype=np.float32)
    level = np.where(ill, np.clip(heights, 18, 95), 0)
    height = np.where(scene.left, np.float32(level[1]), np.float32(level[0]))
    _, y = frame.coordinates()
    rim = np.square(scene.periphery) ** 2
    climb = height * (0.45 + 0.35 * scene.periphery + 0.9 * rim * rim)
    upright = 1 - 0.55 * pose.supine
    depth = y - (np.float32(pose.base - 4) - np.float32(upright) * climb)
    pool = np.clip(depth / (7 + 0.2 * height), 0, 1)
    pool = pool * pool * (3 - 2 * pool) * (height > 0)
    veil = np.float32(0.006 * pose.supine) * height * scene.base * np.sqrt(scene.base)
    return frame.blur(np.maximum(pool, np.minimum(veil, 0.5)).astype(np.float32), 1.5)
