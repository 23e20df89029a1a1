"""The thorax seen from the side: x grows from the sternum to the back, y downwards, mm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .anatomy import Scene
from .body import Body, Pose, draw_body, pose_body
from .grid import FloatArray, Frame, Profile, smooth_line
from .soft_tissue import ellipse

if TYPE_CHECKING:
    from .causes import Patient

_MARKINGS = 21


def lateral(patient: Patient, frame: Frame) -> Scene:
    """The undiseased thorax of a patient on the grid of a lateral film."""
    body = draw_body(patient)
    pose = pose_body(patient, body)
    x, y = frame.coordinates()
    profile = Profile(y)
    t = np.clip(profile.levels / body.height, 0, 1.2)
    opening = np.sqrt(1 - (1 - np.minimum(t / 0.55, 1)) ** 2)
    back = profile.spread(0.50 * body.depth + 14 * np.sin(np.pi * t / 1.1) + 4)
    front = profile.spread(-0.5 * body.depth * (0.18 + 0.9 * opening) + 14 * t)
    middle, half = (back + front) / 2, (back - front) / 2
    q = np.minimum(np.abs(x - middle) / half, 1)
    across = np.sqrt(1 - q * q * q)
    diaphragm = _diaphragm(x, body, pose)
    heart = _heart(patient, x, y, body, pose)
    wide = profile.spread(2 * body.half_width * (0.30 + 0.70 * opening) * (profile.levels > 0))
    air = np.maximum(0.86 * wide * across - heart, 0)
    air *= 1 - np.sqrt(np.clip((y - diaphragm) / 30, 0, 1))
    attenuation = _trunk(x, y, back, front, profile, body) - (1 - body.lung_density) * air
    attenuation -= (
        16
        * np.sqrt(np.clip(1 - ((x - 4 - 0.06 * y) / 9) ** 2, 0, 1))
        * (np.clip((0.36 * body.height - y) / 8, 0, 1))
    )
    attenuation = frame.blur(np.maximum(attenuation, 0), 1.5) + _bones(body, frame)
    lungs = (q < 1) & (y > 0) & (y < diaphragm) & (air > 25)
    rng = np.random.default_rng([patient.anatomy_seed, _MARKINGS])
    hilum = np.hypot(x - 10, y - 0.47 * body.height)
    markings = 3.0 * np.abs(frame.clouds(rng, (14, 7, 4), (1, 0.8, 0.6))) * np.exp(-hilum / 70)
    markings += 18 * np.exp(-((hilum / 20) ** 2))
    return Scene(
        attenuation=np.maximum(attenuation, 0),
        vessels=markings * np.minimum(air / 60, 1),
        air=0.6 * air,
        lungs=lungs,
        left=np.zeros(frame.shape, dtype=bool),
        periphery=np.clip((x - front) / (2 * half), 0, 1),  # disease favours the back
        base=np.clip(y / pose.base, 0, 1),
    )


def _diaphragm(x: FloatArray, body: Body, pose: Pose) -> FloatArray:
    """Upper border of the higher dome: peak in front of the middle, deep recess at the back."""
    peak = -0.12 * body.depth
    reach = np.where(x < peak, 0.55 * body.depth, 0.66 * body.depth)
    u = np.minimum(np.abs(x - peak) / reach, 1)
    fall = np.where(x < peak, 26, body.dome + 22)
    return pose.dome[0] + fall * u * u


def _heart(patient: Patient, x, y, body: Body, pose: Pose) -> FloatArray:
    """Heart and great vessels: length taken from the lungs, mm."""
    size = patient.heart * body.half_width
    centre = (-0.14 * body.depth, pose.dome[0] + 16 - 0.72 * size)
    heart = 1.9 * size * ellipse(x, y, centre, (0.66 * size, 1.0 * size), -0.6) ** 2
    arch = np.hypot(x - 12, y - 0.28 * body.height)
    aorta = 24 * np.exp(-(((arch - 26) / (0.8 * body.aorta)) ** 2)) * (y < 0.3 * body.height)
    down = 20 * np.exp(-(((x - 40) / body.aorta) ** 2)) * (y > 0.28 * body.height)
    upper = 70 * np.clip((0.22 * body.height - y) / (0.22 * body.height), 0, 1)
    return heart + aorta + down + upper


def _trunk(x, y, back, front, profile, body: Body) -> FloatArray:
    """Trunk, neck and raised arms as one solid of water, mm."""
    front_wall, back_wall = 0.45 * body.wall, 0.85 * body.wall
    middle = (back + back_wall + front - front_wall) / 2
    half = (back + back_wall - front + front_wall) / 2
    q = np.minimum(np.abs(x - middle) / half, 1)
    fall = np.clip((profile.levels + 70) / 130, 0, 1)
    wide = (2 * body.half_width + 46) * (0.45 + 0.55 * fall * (2 - fall))
    trunk = profile.spread(wide) * np.sqrt(1 - q * q * q * q)
    neck = 100 * np.sqrt(np.clip(1 - ((x - 18) / 52) ** 2, 0, 1)) * (y < 20)
    arms = 190 * np.sqrt(np.clip(1 - ((x + 20 - 0.5 * (y + 60)) / 62) ** 2, 0, 1))
    arms *= np.clip((30 - y) / 50, 0, 1)
    breast = (
        3.2
        * body.breast
        * ellipse(
            x,
            y,
            (-0.55 * body.depth, 0.60 * body.height),
            (0.32 * body.depth, 60 + body.breast / 2),
        )
        ** 1.5
    )
    return np.maximum(np.maximum(trunk, neck), arms) + breast


def _bones(body: Body, frame: Frame) -> FloatArray:
    """Spine, sternum and ribs seen from the side, mm of water."""
    canvas = frame.blank()
    spacing = body.height / 11.2
    for index in range(-3, 16):
        y = -6 + spacing * index
        x = 0.5 * body.depth + 14 * np.sin(np.pi * y / body.height / 1.1) - 4
        box = np.array([(-1, -0.4), (1, -0.4), (1, 0.4), (-1, 0.4)]) * (15, spacing) + (x, y)
        frame.fill(canvas, box, 95)
        for plate in (box[:2], box[2:]):
            frame.stroke(canvas, [plate], 2, 170)
    ribs = frame.blank()
    for index in range(9):
        start, shift = spacing * index - 4, 5 * (index % 2)
        end = -0.44 * body.depth + shift
        line = smooth_line([(0.56 * body.depth, start), (0, start + 48), (end, start + 62)], 24)
        frame.stroke(ribs, [line], 8, 70)
    edge = -0.5 * body.depth
    plate = smooth_line(
        [(0.45 * edge, 20), (0.98 * edge, 0.4 * body.height), (0.94 * edge, 0.68 * body.height)]
    )
    frame.stroke(canvas, [plate], 10, 150)
    both = 42 * canvas.astype(np.float32) + 26 * ribs.astype(np.float32)
    return body.bone * frame.blur(both / 255, 1.3)
