"""The thorax seen from the front: soft tissue, lungs, mediastinum, heart and vessels.

A film is built from lengths along the ray, in mm of water. The body is a solid of water; the lungs
are cavities of a quarter of its density, out of which heart, mediastinum and diaphragm take their
share; bones, breasts and vessels add to the length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .body import Body, Pose, draw_body, place_heart, pose_body, wall_profile
from .bones import frontal_bones
from .grid import FloatArray, Frame, Profile

if TYPE_CHECKING:
    from .causes import Patient

_VESSELS, _BOWEL = 12, 13  # streams of random numbers


@dataclass(frozen=True)
class Scene:
    """The undiseased patient on a film's grid; every array is (h, w).

    Attributes
    ----------
    attenuation : float32
        Everything but the vessels of the lungs, mm of water.
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
    vessels: FloatArray
    air: FloatArray
    lungs: np.ndarray
    left: np.ndarray
    periphery: FloatArray
    base: FloatArray


def ellipse(
    x: FloatArray, y: FloatArray, centre: tuple[float, float], axes: tuple[float, float], tilt=0.0
) -> FloatArray:
    """Thickness (h, w) of an ellipsoid with unit depth: 1 in the middle, 0 outside."""
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    u = (cos * dx + sin * dy) / np.float32(axes[0])
    v = (cos * dy - sin * dx) / np.float32(axes[1])
    return np.sqrt(np.maximum(1 - u * u - v * v, 0))


def frontal(patient: Patient, frame: Frame) -> Scene:
    """The undiseased thorax of a patient on the grid of a frontal film."""
    body = draw_body(patient)
    pose = pose_body(patient, body)
    x, y = frame.coordinates()
    profile = Profile(y)
    wall = profile.spread(wall_profile(profile.levels, body, pose))
    cavity = _cavity(x, y, wall, profile, body, pose)
    diaphragm = _diaphragm(x, body, pose)
    solid = _mediastinum(patient, x, y, profile, body, pose)
    pleura = _pleura(np.abs(x), wall, profile, body)
    below = np.sqrt(np.clip((y - diaphragm) / 42, 0, 1))
    air = np.maximum(cavity - solid, 0) * pleura * (1 - below)
    lungs = (pleura > 0) & (y > 0) & (y < diaphragm) & (solid < 4)
    attenuation = _soft_tissue(x, y, wall, profile, body, pose)
    attenuation -= (1 - body.lung_density) * air
    attenuation += _breasts(x, y, body, pose)
    attenuation -= _trachea(x, y, profile, body, pose)
    attenuation = np.maximum(frame.blur(attenuation, 1.2), 0)
    attenuation += frontal_bones(body, pose, frame, x)
    attenuation -= _gas(patient, x, y, diaphragm, frame, body, pose)
    visible = np.minimum(air / 45, 1)
    return Scene(
        attenuation=np.maximum(attenuation, 0),
        vessels=_vessels(patient, frame, body, pose) * visible,
        air=air,
        lungs=lungs,
        left=x > pose.shifted(40),
        periphery=np.clip((np.abs(x) - 25) / (wall - 25), 0, 1),
        base=np.clip(y / pose.base, 0, 1),
    )


def _cavity(x, y, wall, profile, body: Body, pose: Pose) -> FloatArray:
    """Front-to-back length of the inner thorax, mediastinum included, mm."""
    t = np.clip(profile.levels / body.height, 0, 1)
    deep = 0.34 + 0.66 * (1 - (1 - np.minimum(t / 0.6, 1)) ** 2)
    tip = np.sqrt(1 - (1 - np.minimum(t / 0.14, 1)) ** 2)
    q = np.minimum(np.abs(x) / wall, 1)
    across = np.sqrt(1 - q * q * np.sqrt(q))
    turned = 1 + 0.9 * pose.turn * x / np.float32(body.half_width)
    return profile.spread(body.depth * deep * tip) * across * turned


def _pleura(r, wall, profile, body: Body) -> FloatArray:
    """1 inside the lungs, falling to 0 at the mediastinal border and outside the chest wall."""
    t = np.clip(profile.levels / (0.2 * body.height), 0, 1)
    medial = body.apex * (1 - 0.6 * np.sqrt(1 - (1 - t) ** 2))
    inside = np.sqrt(np.clip((r - profile.spread(medial)) / 14, 0, 1))
    return inside * (r < wall)


def _diaphragm(x, body: Body, pose: Pose) -> FloatArray:
    """Height (y, mm) of the upper border of the diaphragm over every pixel."""
    u = np.abs(x) / np.float32(body.half_width) - 0.42
    u = np.minimum(np.where(u > 0, u / 0.60, -0.5 * u), 1)  # shallow towards the heart
    arch = np.sqrt(1 - u * u * np.sqrt(np.sqrt(u)))
    top = np.where(x < 0, np.float32(pose.dome[0]), np.float32(pose.dome[1]))
    return pose.base - (pose.base - top) * arch


def _mediastinum(patient: Patient, x, y, profile, body: Body, pose: Pose) -> FloatArray:
    """Heart, great vessels, aorta and hila: length taken from the lungs, mm."""
    heart = place_heart(patient, body, pose)
    shift = pose.shifted(45)
    solid = heart.depth * ellipse(x, y, heart.centre, heart.axes, heart.tilt)
    atrium = (heart.centre[0] - 0.28 * heart.axes[0], heart.centre[1] + 0.16 * heart.axes[1])
    solid = np.maximum(
        solid, heart.depth * ellipse(x, y, atrium, (0.66 * heart.axes[0], 0.86 * heart.axes[1]))
    )
    y_arch, widen = 0.245 * body.height, 1 + 0.2 * pose.supine
    knob = (17 + 0.55 * body.aorta + shift, y_arch)
    solid = np.maximum(solid, 58 * ellipse(x, y, knob, (1.05 * body.aorta, 1.15 * body.aorta)))
    trunk = (22 + shift, 0.42 * body.height)
    solid = np.maximum(solid, 62 * ellipse(x, y, trunk, (19 * widen, 34)))
    half = np.interp(profile.levels / body.height, [0, 0.12, 0.3, 0.6, 1], [30, 25, 27, 34, 38]) * (
        0.9 * widen
    )
    q = np.minimum(np.abs(x - np.float32(shift - 3)) / profile.spread(half), 1)
    solid = np.maximum(solid, 90 * np.sqrt(1 - q * q))
    descending = np.minimum(np.abs(x - np.float32(20)) / np.float32(0.9 * body.aorta), 1)
    return solid + np.where(y > y_arch, 1.6 * body.aorta * np.sqrt(1 - descending**2), 0)


def _soft_tissue(x, y, wall, profile, body: Body, pose: Pose) -> FloatArray:
    """Trunk, shoulders, neck and arms as one solid of water, mm."""
    r = np.abs(x)
    fat = (body.wall - 52) / 17
    lateral = 34 + 10 * max(fat, -1.2)
    t = np.clip(profile.levels / (0.5 * body.height), 0, 1)
    thick = (body.depth + body.wall) * (0.62 + 0.38 * t * (2 - t))
    q = np.minimum(r / (wall + np.float32(lateral)), 1)
    trunk = profile.spread(thick) * np.sqrt(1 - q * q * q * q * q)
    neck = 120 * np.sqrt(np.maximum(1 - (x / np.float32(60 + 4 * fat)) ** 2, 0))
    top = np.interp(r, [0, 48, 62, 105, 165, 190, 225], [-120, -86, -66, -42, -24, -6, 44])
    sink = np.clip((y - top) / 45, 0, 1).astype(np.float32)
    arm_x = 172 + 0.16 * np.clip(profile.levels, 0, None) * (1.9 - 1.5 * pose.supine) + 3 * fat
    arm = np.minimum(np.abs(r - profile.spread(arm_x)) / np.float32(40 + 4 * fat), 1)
    arms = np.where(y > 0, 96 * np.sqrt(1 - arm * arm), 0)
    girdle = (140 + 10 * fat) * np.clip((200 - y) / 135, 0, 1) * np.clip((225 - r) / 30, 0, 1)
    shoulder = np.maximum(np.where(r < 225, girdle, 0), arms)
    return np.maximum(
        np.maximum(trunk, shoulder) * np.sqrt(sink * (2 - sink)),
        neck * np.clip((60 - y) / 50, 0, 1),
    )


def _breasts(x, y, body: Body, pose: Pose) -> FloatArray:
    """Both breasts: hanging half ellipsoids with a crescent lower edge, mm."""
    if body.breast <= 0:
        return np.zeros_like(x)
    r = np.abs(x)
    spread = 78 + 14 * pose.supine
    centre_y = 0.60 * body.height + 0.5 * body.breast * (1 - 0.4 * pose.supine)
    width, lower = 50 + 0.45 * body.breast, 30 + 0.65 * body.breast
    upper = ellipse(r, np.minimum(y, centre_y), (spread, centre_y), (width, 2.2 * lower))
    under = ellipse(r, np.maximum(y, centre_y), (spread, centre_y), (width, lower))
    return (1 - 0.35 * pose.supine) * body.breast * np.where(y < centre_y, upper * upper, under)


def _trachea(x, y, profile, body: Body, pose: Pose) -> FloatArray:
    """Air in the trachea and the main bronchi, mm."""
    carina = 0.33 * body.height
    middle = 3.0 * np.clip(profile.levels / carina, 0, 1) + pose.shifted(18)
    q = np.minimum(np.abs(x - profile.spread(-middle)) / 9, 1)
    fade = np.clip((carina - profile.levels) / 6, 0, 1) * 19
    tube = profile.spread(fade) * np.sqrt(1 - q * q)
    drop = np.clip(y - carina + 6, 0, None)
    along = np.where(x > 0, 0.95, 0.7) * drop
    bronchus = np.clip(1 - ((np.abs(x + 3) - along) / 8) ** 2, 0, None)
    return tube + 9 * np.sqrt(bronchus) * np.clip(1 - drop / 34, 0, 1) * (drop > 0)


def _gas(patient: Patient, x, y, diaphragm, frame, body: Body, pose: Pose) -> FloatArray:
    """Gas in stomach and bowel below the diaphragm, mm."""
    rng = np.random.default_rng([patient.film_seed, _BOWEL])
    size = rng.uniform(12, 34)
    centre = (0.5 * body.half_width, pose.dome[1] + 14 + 0.75 * size)
    gas = rng.uniform(15, 55) * ellipse(x, y, centre, (1.35 * size, 0.8 * size))
    gas *= (rng.random() < 0.75) * np.clip(0.75 + 0.35 * frame.noise(rng, 18), 0, 1)
    bowel = frame.noise(rng, 26) - 1.1
    gas = gas + 18 * np.clip(bowel, 0, 1) * np.clip((y - pose.base - 5) / 30, 0, 1)
    return frame.blur(gas * np.clip((y - diaphragm - 5) / 6, 0, 1), 1.5)


def _vessels(patient: Patient, frame: Frame, body: Body, pose: Pose) -> FloatArray:
    """Branching vessels and fine markings of both lungs, mm of water."""
    rng = np.random.default_rng([patient.anatomy_seed, _VESSELS])
    canvas = frame.blank()
    for side in (-1, 1):
        origin = (side * 34 + pose.shifted(30), (0.47 - 0.02 * side) * body.height)
        for width, lines in reversed(_branches(rng, origin, side, body.height / 258)):
            frame.stroke(canvas, lines, width, 46 * width)
    hila = frame.blank()
    for side in (-1, 1):
        x, y = side * 40 + pose.shifted(30), (0.465 - 0.02 * side) * body.height
        angle = np.linspace(0, 2 * np.pi, 24)
        frame.fill(hila, np.stack([x + 11 * np.cos(angle), y + 22 * np.sin(angle)], 1), 160)
    lines = frame.blur(canvas.astype(np.float32), 0.5) / 18
    return lines + frame.blur(hila.astype(np.float32), 6) / 11 + 1.3 * frame.noise(rng, 3.4)


def _branches(rng, origin, side: int, size: float) -> list[tuple[float, FloatArray]]:
    """Widths (mm) and lines (n, 3, 2) of a vessel tree, a generation each, from the hilum out."""
    angle = np.deg2rad(np.linspace(-78, 84, 9)) + 0.12 * rng.standard_normal(9)
    start = np.repeat([origin], len(angle), axis=0) + rng.normal(0, 3, (len(angle), 2))
    length, width, generations = 30.0 * size, 5.2, []
    for _ in range(5):
        reach = length * np.exp(0.25 * rng.standard_normal(len(angle)))[:, None]
        heading = np.stack([side * np.cos(angle), np.sin(angle)], axis=1)
        bend = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
        bend *= 0.1 * reach * rng.standard_normal((len(angle), 1))
        end = start + heading * reach
        generations.append((width, np.stack([start, (start + end) / 2 + bend, end], axis=1)))
        fork = 0.36 + 0.12 * rng.standard_normal((2, len(angle)))
        angle = np.concatenate([angle + fork[0], angle - fork[1]])
        start = np.concatenate([end, end])
        length, width = 0.86 * length, 0.66 * width
    return generations
