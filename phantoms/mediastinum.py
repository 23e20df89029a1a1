"""Heart, great vessels and trachea on a frontal film: a silhouette with a depth.

The two borders of the mediastinum are drawn through the landmarks that a radiologist names: on the
right the superior vena cava and the right atrium, on the left the subclavian artery, the aortic
knob, the pulmonary trunk, the appendage of the left atrium and the left ventricle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .body import Body, Pose, heart_width
from .grid import FloatArray, Profile, smooth_line

if TYPE_CHECKING:
    from .causes import Patient

CARINA = 0.33  # of the lungs' height below their tips: fifth thoracic vertebra
_SPINE = 42.0  # front-to-back length of the vertebrae and what lies beside them, mm


@dataclass(frozen=True)
class Borders:
    """Edges of the mediastinum at the heights of a profile; arrays (n,) in mm."""

    right: FloatArray
    left: FloatArray


def mediastinal_borders(patient: Patient, body: Body, pose: Pose, levels: FloatArray) -> Borders:
    """Right and left edge of the mediastinum (mm) at heights `levels` (mm)."""
    height, size = body.height, body.half_width / 143
    wide = (
        0.9 * size * (1 + 0.16 * pose.supine + 0.05 * body.fat)
    )  # lying and fat widen the vessels
    width = heart_width(patient, body)
    left = body.heart_left * width
    right = width - left
    shift, back = pose.shifted(50), pose.shifted(15)
    apex = pose.dome[1] + body.apex_drop
    arch = body.arch * height
    knob = (16 + 1.45 * body.aorta) * (1 + 0.05 * pose.supine) + back
    waist = body.waist * left
    left_points = [
        (52 * wide, -90.0),
        (40 * wide, -30.0),
        (28 * wide + back, 0.04 * height),
        (25 * wide + back, arch - 2.0 * body.aorta),
        (knob - 0.25 * body.aorta, arch - 0.9 * body.aorta),
        (knob, arch),
        (knob - 0.5 * body.aorta, arch + 1.2 * body.aorta),
        (waist + shift, 0.42 * height),
        (0.38 * waist + 0.62 * left + shift, 0.42 * height + 0.42 * (apex - 0.42 * height)),
        (0.97 * left + shift, 0.42 * height + 0.80 * (apex - 0.42 * height)),
        (left + shift, apex - 4),
        (0.86 * left + shift, apex + 24),
        (0.5 * left + shift, apex + 46),
        (0.4 * left + shift, apex + 400),
    ]
    floor = pose.dome[0] + 14
    right_points = [
        (-52 * wide, -90.0),
        (-40 * wide, -30.0),
        (-27 * wide + shift, 0.05 * height),
        (-27 * wide + shift, 0.17 * height),
        (-26 * wide + shift, 0.34 * height),
        (-max(0.70 * right, 26 * wide) + shift, 0.46 * height),
        (-right + shift, 0.46 * height + 0.62 * (floor - 0.46 * height)),
        (-0.90 * right + shift, floor),
        (-0.62 * right + shift, floor + 26),
        (-0.5 * right + shift, floor + 400),
    ]
    return Borders(_at(right_points, levels), _at(left_points, levels))


def mediastinal_depth(
    borders: Borders, x: FloatArray, profile: Profile, body: Body, pose: Pose
) -> FloatArray:
    """Front-to-back length (h, w) that mediastinum and spine take from the lungs, mm."""
    middle = profile.spread((borders.right + borders.left) / 2)
    half = profile.spread((borders.left - borders.right) / 2)
    q = np.minimum(np.abs(x - middle) / half, 1)
    t = profile.levels / body.height
    deep = np.interp(t, [0.0, 0.2, 0.4, 0.62, 0.9], [0.34, 0.36, 0.42, 0.60, 0.62]) * body.depth
    front = profile.spread(deep) * np.sqrt(1 - q * q * np.sqrt(q))
    spine = _across(x - np.float32(pose.shifted(-20)), 31.0) ** 2 * np.float32(_SPINE)
    aorta = _across(x - np.float32(24 + 0.2 * body.aorta), 0.95 * body.aorta)
    behind = profile.spread(np.clip((t - body.arch) * 12, 0, 1) * 1.7 * body.aorta)
    return front + np.maximum(spine, aorta * behind)


def airways(x: FloatArray, y: FloatArray, profile: Profile, body: Body, pose: Pose) -> FloatArray:
    """Air in the trachea and the main bronchi (h, w), mm."""
    carina = CARINA * body.height
    lean = 4.0 * np.clip(profile.levels / carina, 0, 1) * (body.aorta / 15)
    trachea = _across(x - profile.spread(pose.shifted(25) - lean), body.trachea)
    above = np.clip((carina - profile.levels) / 8, 0, 1) * 1.7 * body.trachea
    drop = np.maximum(y - np.float32(carina - 5), 0)
    start = np.float32(pose.shifted(25) - 4)
    along = np.where(x > start, 1.05, 0.62) * drop  # the left main bronchus is the flatter one
    beside = (np.abs(x - start) - along) / np.float32(0.75 * body.trachea)
    bronchi = np.sqrt(np.maximum(1 - beside * beside, 0)) * np.clip(1 - drop / 42, 0, 1)
    return profile.spread(above) * trachea + np.float32(1.1 * body.trachea) * bronchi * (drop > 0)


def _across(distance: FloatArray, half_width: float) -> FloatArray:
    """Relative thickness of a round rod at a distance from its axis: 1 to 0."""
    q = distance / np.float32(half_width)
    return np.sqrt(np.maximum(1 - q * q, 0))


def _at(points: list[tuple[float, float]], levels: FloatArray) -> FloatArray:
    line = smooth_line(points, 90)
    rising = np.maximum.accumulate(line[:, 1])
    return np.interp(levels, rising, line[:, 0]).astype(np.float32)
