"""The skeleton on a frontal film: ribs, clavicles, scapulae, arms and spine, mm of water."""

from __future__ import annotations

import numpy as np

from .body import Body, Pose, wall_profile
from .grid import FloatArray, Frame, smooth_line, tube

_RIBS = 10
# Added length at the strongest grey value of a canvas (255), mm of water.
_RIB, _CLAVICLE, _SCAPULA, _SPINE, _ARM = 15.0, 19.0, 16.0, 13.0, 24.0


def frontal_bones(body: Body, pose: Pose, frame: Frame, x: FloatArray) -> FloatArray:
    """All bones of a frontal film (h, w), mm of water."""
    q = np.minimum(np.abs(x) / np.float32(body.half_width), 1.1)
    tangential = 1 + 0.3 * (q * q) ** 3  # at the side the ray runs along the rib
    ribs = _ribs(body, pose, frame, True) + 0.75 * _ribs(body, pose, frame, False)
    total = _RIB * tangential * ribs
    total += _CLAVICLE * _clavicles(body, pose, frame)
    total += _SCAPULA * _scapulae(body, pose, frame)
    total += _ARM * _humeri(body, pose, frame)
    total += _SPINE * _spine(body, frame)
    return body.bone * total


def _soften(canvas: np.ndarray, frame: Frame, sigma: float) -> FloatArray:
    return frame.blur(canvas.astype(np.float32) * np.float32(1 / 255), sigma)


def rib_line(index: int, side: int, posterior: bool, body: Body, pose: Pose) -> FloatArray:
    """Projected centre line (n, 2) of a rib, mm.

    A rib is half an ellipse in a plane that slopes forward and down; its back half runs sideways
    from the spine, its front half returns towards the sternum lower down.

    Parameters
    ----------
    index : int
        0 for the first rib.
    side : {-1, 1}
        -1 for the patient's right.
    """
    spacing = body.height / 11.2
    start = -6 + spacing * index * (1 + 0.006 * index)
    tip = 1 - np.exp(-(index + 0.6) / 1.8)  # the first ribs are small
    deep = 0.5 * (body.depth + 8) * (0.42 + 0.58 * tip)
    if posterior:
        angle = np.linspace(0.12, 1.62 - 0.12 * max(index - 8, 0), 26)
    else:
        angle = np.linspace(1.52, 2.45, 20)
    front = deep * (1 - np.cos(angle))
    pitch = (
        body.rib_pitch
        * (1 - 0.1 * pose.supine)
        * (0.85 + 0.04 * index + 0.8 * np.exp(-1.2 * index))
    )
    side_y = np.array([start + pitch * deep])
    across = (wall_profile(side_y, body, pose)[0] + 2) * (1 - 0.14 * np.exp(-2 * index))
    lift = 6 * np.sin(np.minimum(angle * 1.6, np.pi))  # the neck of a rib first rises
    x = side * across * np.sin(angle) + pose.turn * (front - deep)
    return np.stack([x, start + pitch * front - lift], axis=1)


def _ribs(body: Body, pose: Pose, frame: Frame, posterior: bool) -> FloatArray:
    """Ribs of the back or of the front, 0–1: a faint band with brighter cortical edges."""
    canvas = frame.blank()
    for index in range(_RIBS if posterior else _RIBS - 4):
        half = 0.5 * body.rib_width * (0.8 if index == 0 else 1.0)
        fade = 0.75 if index in (0, 8, 9) else 1.0
        for side in (-1, 1):
            line = rib_line(index, side, posterior, body, pose)
            half_widths = half * np.linspace(0.85, 1.05 if posterior else 1.25, len(line))
            outline = tube(line, half_widths)
            frame.fill(canvas, outline, 135 * fade)
            edges = (outline[: len(line)], outline[len(line) :])
            frame.stroke(canvas, edges[:1], 1.6, 165 * fade)
            frame.stroke(canvas, edges[1:], 1.6, 200 * fade)  # the lower edge is the denser one
    return _soften(canvas, frame, 0.9)


def _clavicles(body: Body, pose: Pose, frame: Frame) -> FloatArray:
    canvas = frame.blank()
    medial = 0.13 * body.height - 8 * pose.supine
    reach = body.half_width / 143
    for side in (-1, 1):
        shift = pose.shifted(70)
        points = [
            (side * 14 + shift, medial),
            (side * 55 * reach + 0.8 * shift, medial - 6 - 0.35 * body.clavicle),
            (side * 105 * reach + 0.5 * shift, medial - 10 - 0.9 * body.clavicle),
            (side * 165 * reach + 0.3 * shift, medial - 6 - 0.95 * body.clavicle),
        ]
        line = smooth_line(points, 30)
        outline = tube(line, np.interp(np.linspace(0, 1, 30), [0, 0.3, 1], [8.5, 5.5, 6.5]))
        frame.fill(canvas, outline, 130)
        frame.stroke(canvas, (outline[:30], outline[30:]), 1.8, 215)
    return _soften(canvas, frame, 1.0)


def _scapulae(body: Body, pose: Pose, frame: Frame) -> FloatArray:
    """Shoulder blades: turned out of the lungs on PA films, over them on AP films."""
    canvas = frame.blank()
    inner = body.half_width * (0.98 - 0.24 * min(2 * pose.supine, 1.0))
    for side in (-1, 1):
        blade = smooth_line(
            [
                (side * (inner + 48), 12),
                (side * (inner + 8), 18),
                (side * (inner + 2), 60),
                (side * (inner + 20), 128),
                (side * (inner + 34), 118),
                (side * (inner + 46), 62),
            ],
            40,
        )
        frame.fill(canvas, blade, 70)
        frame.stroke(canvas, [blade[20:]], 6, 150)
        spine = smooth_line([(side * (inner + 6), 32), (side * (inner + 50), 6)], 8)
        frame.stroke(canvas, [spine], 9, 150)
    return _soften(canvas, frame, 1.6)


def _humeri(body: Body, pose: Pose, frame: Frame) -> FloatArray:
    canvas = frame.blank()
    angle = np.linspace(0, 2 * np.pi, 28)
    out = 1.9 - 1.5 * pose.supine
    for side in (-1, 1):
        x = side * (body.half_width + 36)
        head = np.stack([x + 23 * np.cos(angle), 24 + 24 * np.sin(angle)], axis=1)
        frame.fill(canvas, head, 105)
        frame.stroke(canvas, [head], 2.0, 160)
        far = (x + side * 0.16 * out * 300, 330)
        shaft = tube(np.array([[x + side * 6, 30], far]), 11)
        frame.fill(canvas, shaft, 120)
        frame.stroke(canvas, (shaft[:2], shaft[2:]), 4, 200)
    return _soften(canvas, frame, 1.2)


def _spine(body: Body, frame: Frame) -> FloatArray:
    """Vertebral bodies, pedicles and spinous processes from the neck to the upper abdomen."""
    canvas = frame.blank()
    spacing = body.height / 11.2
    for index in range(-5, 16):
        y = -6 + spacing * index * (1 + 0.006 * max(index, 0))
        x = body.scoliosis * np.sin(y / 75)
        half = 14 + 0.45 * (index + 5)
        at = np.array([x, y])
        box = np.array([(-1, -0.40), (-0.86, 0), (-1, 0.40), (1, 0.40), (0.86, 0), (1, -0.40)])
        frame.fill(canvas, box * (half, spacing) + at, 120)
        plate = np.array([(-half, 0), (half, 0)])
        for offset in (-0.40, 0.40):
            frame.stroke(canvas, [plate + np.array([x, y + offset * spacing])], 2.0, 170)
        for side in (-1, 1):
            pedicle = at + np.array([(0.62 * side * half, -5.5), (0.62 * side * half, -0.5)])
            frame.stroke(canvas, [pedicle], 5, 185)
        spinous = at + np.array([(0, 4), (0, 4 + 0.3 * spacing)])
        frame.stroke(canvas, [spinous], 5, 190)
    return _soften(canvas, frame, 1.2)
