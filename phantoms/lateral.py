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
    front_line, back_line = _walls(profile.levels, body)
    front, back = profile.spread(front_line), profile.spread(back_line)
    middle, half = (back + front) / 2, (back - front) / 2
    q = np.minimum(np.abs(x - middle) / half, 1)
    diaphragm = _diaphragm(x, body, pose)
    t = np.clip(profile.levels / body.height, 0, 1)
    wide = 2 * body.half_width * (0.34 + 0.62 * np.sqrt(1 - (1 - np.minimum(t / 0.6, 1)) ** 2))
    air = profile.spread(wide * np.clip(profile.levels / 40, 0, 1)) * np.sqrt(1 - q * q * q)
    air = np.maximum(air - _mediastinum(patient, x, y, profile, body, pose), 0)
    air *= 1 - np.sqrt(np.clip((y - diaphragm) / 34, 0, 1))
    attenuation = _trunk(x, y, front, back, profile, body) - (1 - body.lung_density) * air
    trachea = 1 - ((x - 0.08 * y + 4) / np.float32(body.trachea)) ** 2
    until_carina = np.clip((0.36 * body.height - y) / 10, 0, 1)
    attenuation -= 1.7 * body.trachea * np.sqrt(np.maximum(trachea, 0)) * until_carina
    bones = np.float32(patient.bones) * _bones(body, frame)
    attenuation = frame.blur(np.maximum(attenuation, 0), 1.5) + bones
    rng = np.random.default_rng([patient.anatomy_seed, _MARKINGS])
    markings = np.float32(patient.vessels) * _markings(x, y, rng, frame, body)
    return Scene(
        attenuation=np.maximum(attenuation, 0),
        bones=bones,
        vessels=markings * np.minimum(air / 80, 1),
        air=0.6 * air,
        lungs=(q < 1) & (y > 0) & (y < diaphragm) & (air > 25),
        left=np.zeros(frame.shape, dtype=bool),
        periphery=np.clip((x - front) / (2 * half), 0, 1),  # disease favours the back
        base=np.clip(y / pose.base, 0, 1),
    )


def _walls(levels: FloatArray, body: Body) -> tuple[FloatArray, FloatArray]:
    """Inner front and back of the thorax (mm): the breastbone slopes forward, the back is round."""
    t = np.clip(levels / body.height, -0.3, 1.6)
    depth = body.depth
    front = np.interp(t, [-0.3, 0, 0.12, 0.35, 0.65, 1, 1.6], [0, -12, -40, -66, -82, -84, -78])
    round_back = 0.58 * depth + (13 + 4 * body.stoop) * np.sin(np.pi * np.clip(t + 0.15, 0, 1.4))
    return front * depth / 165, round_back - 10 * np.clip(t - 0.8, 0, 1)


def _markings(x, y, rng, frame: Frame, body: Body) -> FloatArray:
    """Hilum and vessels of both lungs, one upon the other, mm of water."""
    hilum = np.hypot(x - 12, y - 0.46 * body.height)
    fine = np.maximum(frame.clouds(rng, (16, 8, 4), (1, 0.9, 0.7)), 0)
    return 7.0 * fine * np.exp(-hilum / 70) + 16 * np.exp(-((hilum / 17) ** 2))


def _diaphragm(x: FloatArray, body: Body, pose: Pose) -> FloatArray:
    """Upper border of the higher dome: peak in front of the middle, deep recess at the back."""
    peak = -0.12 * body.depth
    reach = np.where(x < peak, 0.55 * body.depth, 0.66 * body.depth)
    u = np.minimum(np.abs(x - peak) / reach, 1)
    fall = np.where(x < peak, 26, body.dome + 22)
    return pose.dome[0] + fall * u * u


def _mediastinum(patient: Patient, x, y, profile, body: Body, pose: Pose) -> FloatArray:
    """Heart, aorta and spine: length taken from the lungs, mm."""
    size = patient.heart * body.half_width
    centre = (-0.17 * body.depth, pose.dome[0] + 20 - 0.74 * size)
    heart = 2.0 * size * ellipse(x, y, centre, (0.78 * size, 1.1 * size), -0.62) ** 2.2
    arch = np.hypot(x - 12, y - 0.27 * body.height)
    rim = np.maximum(1 - ((arch - 25) / np.float32(body.aorta)) ** 2, 0)
    aorta = 1.1 * body.aorta * rim * np.clip((0.30 * body.height - y) / 20, 0, 1)
    upper = 110 * np.clip(1 - profile.levels / (0.42 * body.height), 0, 1) ** 1.5
    spine = profile.spread(_walls(profile.levels, body)[1]) - 14
    vertebrae = 34 * np.maximum(1 - ((x - spine) / 26) ** 2, 0)
    return heart + aorta + profile.spread(upper) + vertebrae


def _trunk(x, y, front, back, profile, body: Body) -> FloatArray:
    """Trunk, neck and raised arms as one solid of water, mm."""
    front_wall, back_wall = 0.40 * body.wall, 0.75 * body.wall
    middle = (back + back_wall + front - front_wall) / 2
    half = (back + back_wall - front + front_wall) / 2
    q = np.minimum(np.abs(x - middle) / half, 1)
    fall = np.clip((profile.levels + 60) / 130, 0, 1)
    wide = (2 * body.half_width + 40 + 12 * body.fat) * (0.5 + 0.5 * fall * (2 - fall))
    trunk = profile.spread(wide) * np.sqrt(1 - q * q * np.sqrt(q))
    raised = (x + 30 + 0.75 * (y + 40)) / (70 + 4 * body.fat)
    arms = 190 * np.sqrt(np.maximum(1 - raised * raised, 0)) * np.clip((90 - y) / 110, 0, 1)
    neck = (
        105
        * np.sqrt(np.maximum(1 - ((x - 22 - 0.1 * y) / 55) ** 2, 0))
        * np.clip((50 - y) / 60, 0, 1)
    )
    place, axes = (-0.52 * body.depth, 0.62 * body.height), (18 + 0.9 * body.breast, 62)
    breast = 2.6 * body.breast * ellipse(x, y, place, axes)
    return np.maximum(np.maximum(trunk, neck), arms) + breast


def _bones(body: Body, frame: Frame) -> FloatArray:
    """Spine, breastbone and ribs seen from the side, mm of water."""
    canvas, ribs = frame.blank(), frame.blank()
    spacing = body.height / 11.2
    heights = -6 + spacing * np.arange(-3.0, 17.0)
    spine = _walls(heights, body)[1] - 30
    for y, x in zip(heights, spine, strict=True):
        box = np.array([(-1, -0.38), (1, -0.42), (1, 0.42), (-1, 0.38)]) * (15, spacing) + (x, y)
        frame.fill(canvas, box, 62)
        for edge in (box[:2], box[2:]):
            frame.stroke(canvas, [edge], 1.6, 190)
        process = np.array([(x + 18, y), (x + 42, y + 14)])
        frame.stroke(canvas, [process], 5, 70)
    for index in range(10):
        for side in (0, 1):  # the half that lies on the plate and the magnified other one
            start = spacing * index - 6 + 7 * side
            back, front = 0.60 * body.depth + 8 * side, -0.40 * body.depth - 5 * side
            points = [(back, start), (0.35 * body.depth, start + 26), (0, start + 60)]
            line = smooth_line([*points, (front, start + 84)], 20)[: 20 if index < 7 else 13]
            frame.stroke(ribs, [line], 6, 38 + 18 * side)
    levels = np.linspace(8, 0.62 * body.height, 12)
    plate = np.stack([_walls(levels, body)[0] - 5, levels], axis=1)
    frame.stroke(canvas, [plate], 9, 95)
    both = 40 * canvas.astype(np.float32) + 26 * ribs.astype(np.float32)
    return body.bone * frame.blur(both / 255, 1.3)
