"""The thorax seen from the front: lungs and diaphragm, put together with everything else.

A film is built from lengths along the ray, in mm of water. The body is a solid of water; the lungs
are cavities of a quarter of its density, out of which heart, mediastinum and diaphragm take their
share; bones, breasts and vessels add to the length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .body import Body, Pose, draw_body, pose_body, wall_profile
from .bones import frontal_bones
from .grid import FloatArray, Frame, Profile
from .mediastinum import airways, mediastinal_borders, mediastinal_depth
from .soft_tissue import ellipse, soft_tissue
from .vessels import pulmonary_vessels

if TYPE_CHECKING:
    from .causes import Patient

_BOWEL = 13  # stream of random numbers


@dataclass(frozen=True)
class Scene:
    """The undiseased patient on a film's grid; every array is (h, w).

    Attributes
    ----------
    attenuation : float32
        Everything but the vessels of the lungs, mm of water; the bones included.
    bones : float32
        The bones' part of it.
    vessels : float32
        Vessels and fine structure of the lungs, mm of water; consolidation hides them.
    air : float32
        Length of the ray through lung, mm.
    lungs : bool
        Lung not covered by heart, mediastinum or diaphragm.
    left : bool
        The patient's left half.
    periphery, base : float32
        0 at the hilum to 1 at the chest wall; 0 at the tip to 1 at the bottom of the lung.
    """

    attenuation: FloatArray
    bones: FloatArray
    vessels: FloatArray
    air: FloatArray
    lungs: np.ndarray
    left: np.ndarray
    periphery: FloatArray
    base: FloatArray


def frontal(patient: Patient, frame: Frame) -> Scene:
    """The undiseased thorax of a patient on the grid of a frontal film."""
    body = draw_body(patient)
    pose = pose_body(patient, body)
    x, y = frame.coordinates()
    profile = Profile(y)
    wall = profile.spread(wall_profile(profile.levels, body, pose))
    borders = mediastinal_borders(patient, body, pose, profile.levels)
    right, left = profile.spread(borders.right), profile.spread(borders.left)
    beside = np.maximum(x - left, right - x)  # distance from the mediastinum
    diaphragm = _diaphragm(x, body, pose)
    below = np.sqrt(np.clip((y - diaphragm) / 46, 0, 1))
    taken = mediastinal_depth(borders, x, profile, body, pose)
    air = np.maximum(_cavity(x, y, wall, profile, body, pose) - taken, 0) * (1 - below)
    lungs = (beside > 0) & (np.abs(x) < wall) & (y > 0) & (y < diaphragm) & (air > 8)
    attenuation = soft_tissue(x, y, wall, profile, body, pose)
    attenuation -= (1 - body.lung_density) * air
    attenuation -= airways(x, y, profile, body, pose)
    attenuation = np.maximum(frame.blur(attenuation, 1.0), 0)
    bones = np.float32(patient.bones) * frontal_bones(body, pose, frame)
    attenuation += bones - _gas(patient, x, y, diaphragm, frame, body, pose)
    vessels = np.float32(patient.vessels) * pulmonary_vessels(patient, frame, body, pose)
    return Scene(
        attenuation=np.maximum(attenuation, 0),
        bones=bones,
        vessels=vessels * np.minimum(air / 100, 1),
        air=air,
        lungs=lungs,
        left=x > (left + right) / 2,
        periphery=np.clip((np.abs(x) - 25) / (wall - 25), 0, 1),
        base=np.clip(y / pose.base, 0, 1),
    )


def _cavity(x, y, wall, profile, body: Body, pose: Pose) -> FloatArray:
    """Front-to-back length of the inner thorax, mediastinum included, mm."""
    t = np.clip(profile.levels / body.height, 0, 1)
    deep = 0.36 + 0.64 * (1 - (1 - np.minimum(t / 0.55, 1)) ** 2)
    tip = np.sqrt(1 - (1 - np.minimum(t / 0.12, 1)) ** 2)
    q = np.minimum(np.abs(x) / wall, 1)
    q2 = q * q
    across = np.sqrt(1 - q2 * q2 * q2)  # a rounded rectangle
    turned = 1 + 0.9 * pose.turn * x / np.float32(body.half_width)
    return profile.spread(body.depth * deep * tip) * across * turned


def _diaphragm(x, body: Body, pose: Pose) -> FloatArray:
    """Height (y, mm) of the upper border of the diaphragm over every pixel."""
    u = np.abs(x) / np.float32(body.half_width) - 0.44
    u = np.minimum(np.where(u > 0, u / 0.57, -0.55 * u), 1)  # shallow towards the heart
    arch = np.sqrt(1 - u * u * np.sqrt(u))
    top = np.where(x < 0, np.float32(pose.dome[0]), np.float32(pose.dome[1]))
    return pose.base - (pose.base - top) * arch


def _gas(patient: Patient, x, y, diaphragm, frame, body: Body, pose: Pose) -> FloatArray:
    """Gas in the stomach's fundus and in the bowel below the diaphragm, mm."""
    rng = np.random.default_rng([patient.film_seed, _BOWEL])
    size = rng.uniform(12, 36)
    centre = (rng.uniform(0.36, 0.52) * body.half_width, pose.dome[1] + 12 + 0.75 * size)
    bubble = rng.uniform(15, 60) * ellipse(x, y, centre, (1.35 * size, 0.85 * size))
    if pose.supine < 1:  # upright, gas stands above a level of fluid
        bubble *= y < centre[1] + rng.uniform(-0.1, 0.6) * size
    bubble *= (rng.random() < 0.75) * np.clip(0.8 + 0.3 * frame.noise(rng, 18), 0, 1)
    loops = np.clip(frame.noise(rng, 30) - rng.uniform(0.7, 1.6), 0, 0.6)
    bowel = 26 * loops * np.clip((y - pose.base - 5) / 30, 0, 1)
    under = np.clip((y - diaphragm - 5) / 6, 0, 1)
    return frame.blur((bubble + bowel) * under, 1.3)
