"""Clavicles, shoulder blades and upper arms on a frontal film, mm of water."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .body import Body, Pose
from .grid import FloatArray, Frame, smooth_line, tube
from .spine import individual

_SHOULDERS, _MOVEMENT = 72, 75  # streams of random numbers: the body's, the film's
# mm of water at the strongest grey value of a canvas (255).
_CLAVICLE, _SCAPULA, _ARM = 19.0, 12.0, 27.0


@dataclass(frozen=True)
class Girdle:
    """Where the right or the left shoulder is; lengths in mm, x counted outwards."""

    side: int  # -1 for the patient's right
    sternal: tuple[float, float]  # medial end of the clavicle
    acromial: tuple[float, float]  # lateral end of the clavicle
    glenoid: tuple[float, float]  # middle of the socket
    medial: float  # medial border of the shoulder blade, at its middle
    abduction: float  # of the arm, radians

    def place(self, points) -> FloatArray:
        """Body coordinates (n, 2) of points whose x is counted outwards."""
        return np.asarray(points, dtype=float) * (self.side, 1)


def shoulder_girdles(body: Body, pose: Pose) -> tuple[Girdle, Girdle]:
    """Right and left shoulder.

    For the PA film the patient rolls the shoulders forward, which turns the blades out of the
    lungs; lying on the plate the blades stay over the lungs' outer third, and the clavicles, now
    far from the plate, are thrown higher and flatter.
    """
    z = individual(body, _SHOULDERS).standard_normal(4).tolist()
    moved = _movement(pose).standard_normal(4).tolist()
    size = body.half_width / 143
    flat = min(1.5 * pose.supine, 1.0)
    level = (0.17 + 0.014 * z[0] + 0.01 * moved[0]) * body.height - 9 * pose.supine
    rise = body.clavicle + 18 + 6 * z[1] + (7 + 5 * flat) * moved[1] - 3 * flat
    rise = float(np.clip(rise, 4, 80)) * size
    raised = 0.5 * (1 - flat) + 0.08 + (0.18 - 0.08 * flat) * moved[2]
    girdles = []
    for side, tilt in ((-1, moved[3]), (1, -moved[3])):
        turned = side * pose.shifted(75)
        sternal = (13 * size + turned, level + 1.5 * tilt)
        acromial = (159 * size + 0.25 * turned, level - rise + 5 * tilt)
        glenoid = (161 * size + 0.1 * turned + 3 * z[2], acromial[1] + 37 * size)
        medial = body.half_width * (0.89 - 0.16 * flat + 0.03 * z[3])
        girdles.append(Girdle(side, sternal, acromial, glenoid, medial, raised))
    return girdles[0], girdles[1]


def _movement(pose: Pose) -> np.random.Generator:
    """Random numbers of one film's own: shoulders and arms lie anew on every film."""
    return np.random.default_rng([int(1e4 * abs(pose.base)), int(1e6 * abs(pose.turn)), _MOVEMENT])


def shoulders(girdles: tuple[Girdle, Girdle], body: Body, frame: Frame) -> FloatArray:
    """Clavicles, shoulder blades and upper arms (h, w), mm of water."""
    size = body.half_width / 143
    clavicles, blades, arms, sockets = (frame.blank() for _ in range(4))
    for girdle in girdles:
        _clavicle(frame, clavicles, girdle, size)
        _blade(frame, blades, girdle, size)
        _processes(frame, sockets, girdle, size)
        _humerus(frame, arms, girdle, size)
    total = _CLAVICLE / 255 * clavicles.astype(np.float32)
    total += _SCAPULA / 255 * blades.astype(np.float32)
    total += _SCAPULA / 255 * sockets.astype(np.float32)
    total += _ARM / 255 * arms.astype(np.float32)
    return total


def _clavicle(frame: Frame, canvas, girdle: Girdle, size: float) -> None:
    """An S: bowed forward in its medial two thirds, back in the lateral one."""
    start, end = np.array(girdle.sternal), np.array(girdle.acromial)
    along = np.array([0, 0.14, 0.36, 0.60, 0.82, 1.0])[:, None]
    bow = np.array([0, -2.0, -5.5, -3.5, 1.5, 1.0])[:, None] * (0, size)
    share = along + np.array([0, -0.02, 0.0, 0.04, 0.06, 0])[:, None] * (0, 1)
    line = smooth_line(girdle.place(start + share * (end - start) + bow), 24)
    half = size * np.interp(
        np.linspace(0, 1, 24), [0, 0.06, 0.2, 0.45, 0.75, 0.92, 1], [6, 9.5, 7.4, 5.8, 5.8, 7.2, 3]
    )
    outline = tube(line, half)
    frame.fill(canvas, outline, 120)
    shaft = slice(3, 22)  # the ends have a thin cortex
    edges = (outline[:24][shaft], outline[:23:-1][shaft])
    frame.stroke(canvas, edges, 2.6, 180)
    frame.stroke(canvas, [outline[21:27]], 1.4, 130)


def _blade(frame: Frame, canvas, girdle: Girdle, size: float) -> None:
    """The thin plate of the shoulder blade with its strong lateral border."""
    x, y = girdle.glenoid
    medial = girdle.medial
    lower = (medial + 0.30 * (x - medial) + 4, y + 112 * size)  # inferior angle, at ribs 7 and 8
    border = smooth_line([(medial + 8, y - 30 * size), (medial, y + 32 * size), lower], 12)
    lateral = smooth_line(
        [lower, (medial + 0.64 * (x - medial) + 2, y + 62 * size), (x - 7 * size, y + 17 * size)],
        10,
    )
    top = [(x - 12 * size, y - 16 * size), (x - 26 * size, y - 24 * size)]
    plate = girdle.place(np.concatenate([border, lateral, top]))
    frame.fill(canvas, plate, 42)
    frame.stroke(canvas, [girdle.place(border)], 2.0, 80)
    frame.stroke(canvas, [girdle.place(lateral)], 6.0, 120)
    frame.stroke(canvas, [girdle.place(lateral + np.array([1.5, 0]))], 2.0, 205)
    ridge = [(medial + 2, y + 6 * size), (x - 26 * size, y - 16 * size), (x - 2, y - 32 * size)]
    frame.stroke(canvas, [girdle.place(ridge)], 6.5, 115)


def _processes(frame: Frame, canvas, girdle: Girdle, size: float) -> None:
    """Socket, coracoid process and acromion."""
    x, y = girdle.glenoid
    angle = np.linspace(0, 2 * np.pi, 20)
    round_ = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    socket = girdle.place(round_ * (7 * size, 18 * size) + (x - 4 * size, y))
    frame.fill(canvas, socket, 85)
    frame.stroke(canvas, [socket], 2.2, 190)
    coracoid = girdle.place(size * _coracoid() + (x, y))
    acromion = girdle.place(size * _acromion() + girdle.acromial)
    for outline in (coracoid, acromion):
        frame.fill(canvas, outline, 112)
        frame.stroke(canvas, [outline], 1.8, 185)


@cache
def _coracoid() -> FloatArray:
    """Outline around the socket, mm."""
    line = smooth_line([(-24, -20), (-15, -25), (-3, -14)], 8)
    return tube(line, np.array([7, 7.5, 8, 8, 7.5, 6.5, 5.5, 4]))


@cache
def _acromion() -> FloatArray:
    """Outline around the clavicle's lateral end, mm."""
    line = smooth_line([(-6, 7), (14, 6), (27, 15)], 8)
    return tube(line, np.linspace(6, 4.5, 8))


@cache
def _arm() -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Outlines around the middle of the head of a hanging arm, mm: bone, head, marrow, cortex."""
    shaft = np.array([[6, y] for y in (-6, 16, 34, 58, 90, 150, 310)], dtype=float)
    bone = tube(shaft, np.array([21, 23, 19, 14.5, 12.5, 12, 12.5]))
    angle = np.linspace(0, 2 * np.pi, 24)
    head = 23.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    marrow = tube(shaft[2:], np.array([14, 9, 6, 5.5, 6]))
    cortex = tube(shaft[2:], np.array([17.5, 13, 10, 9.2, 9.7]))
    return bone, head, marrow, cortex


def _humerus(frame: Frame, canvas, girdle: Girdle, size: float) -> None:
    """Head and shaft: a thick cortex around the marrow, spongy bone in the head."""
    x, y = girdle.glenoid
    cos, sin = np.cos(girdle.abduction), np.sin(girdle.abduction)
    turn = size * np.array([[cos, -sin], [sin, cos]])
    middle = (x + 25 * size, y - 1)
    bone, head, marrow, cortex = (girdle.place(part @ turn + middle) for part in _arm())
    frame.fill(canvas, bone, 92)
    frame.fill(canvas, head, 100)
    frame.fill(canvas, marrow, 78)
    frame.stroke(canvas, (cortex[1:5], cortex[5:9]), 4.5 * size, 165)
    frame.stroke(canvas, (bone[:3], bone[-3:]), 2.0, 130)
    frame.stroke(canvas, [head[8:24]], 1.8, 165)
