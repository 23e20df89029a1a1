"""The spine and the breastbone on a frontal film, mm of water."""

from __future__ import annotations

import cv2
import numpy as np

from .body import Body, Pose
from .grid import FloatArray, Frame

# Vertebrae are counted from the first thoracic one: -5 is C3, 0 is T1, 11 is T12, 16 is L5.
_FIRST, _LAST = -5, 16
# Height of a vertebra with its disc, relative to the height of the lungs: 17 mm in the neck,
# 19 mm at T1, 27 mm at T12 and 33 mm in the loin for lungs of 258 mm.
_HEIGHTS = ((-5, -1, 0, 11, 14), (0.064, 0.069, 0.074, 0.104, 0.128))
# Half width of the bodies and half span of the transverse processes, mm: the bodies are narrowest
# at T4, the processes are widest at T1 and in the loin.
_BODIES = ((-5, -1, 0, 3, 11, 14), (11, 14, 15, 13.5, 20, 23))
_SPANS = ((-5, -1, 0, 4, 11, 12, 14), (22, 30, 36, 33, 25, 34, 42))
_BODY, _DETAIL = 11.5, 6.0  # mm of water at the strongest grey value of a canvas
_FRACTION = 4  # fractional bits of OpenCV's drawing coordinates
_RING = np.linspace(0, 2 * np.pi, 11)


def individual(body: Body, stream: int) -> np.random.Generator:
    """Random numbers of one body's own, the same on each of its films.

    The proportions of the body are the seed, since no two patients share them.
    """
    proportions = (body.rib_pitch, body.scoliosis, body.height)
    return np.random.default_rng([*(int(1e6 * abs(value)) for value in proportions), stream])


def fill_each(frame: Frame, canvas: np.ndarray, outlines: FloatArray, grey: FloatArray) -> None:
    """Fill outlines (k, n, 2) of body points, a grey value (k,) each, on a uint8 canvas (h, w)."""
    points = np.rint(frame.pixels(outlines) * (1 << _FRACTION)).astype(np.int32)
    for outline, value in zip(points, grey.tolist(), strict=True):
        cv2.fillPoly(canvas, [outline], value, cv2.LINE_AA, _FRACTION)


def kyphosis(body: Body) -> float:
    """Roundness of the back, 0 to 0.5: vertebrae poor in mineral sink in at their front."""
    return float(np.clip(1.15 - body.bone, 0, 0.5))


def vertebra_levels(body: Body) -> tuple[FloatArray, FloatArray]:
    """Middles (y) and heights of the vertebrae from C3 to L5, mm: two arrays (22,)."""
    number = np.arange(_FIRST, _LAST + 1)
    heights = body.height * np.interp(number, *_HEIGHTS)
    # A round back turns the upper thoracic vertebrae out of the film's plane: they look lower.
    heights *= 1 - 0.4 * kyphosis(body) * np.exp(-(((number - 3) / 4) ** 2))
    middles = np.cumsum(heights) - heights / 2
    top = 0.012 * body.height  # the lung's tip lies behind the neck of the first rib, at T1
    return middles - middles[-_FIRST] + top, heights


def thoracic_levels(body: Body) -> tuple[FloatArray, FloatArray]:
    """Middles (y) and heights of the twelve thoracic vertebrae, mm: two arrays (12,)."""
    middles, heights = vertebra_levels(body)
    return middles[-_FIRST : 12 - _FIRST], heights[-_FIRST : 12 - _FIRST]


def spine_bend(levels: FloatArray, body: Body) -> FloatArray:
    """Sideways place (mm) of the spine at heights `levels` (mm)."""
    return body.scoliosis * np.sin(np.asarray(levels) / 75)


def spine(body: Body, pose: Pose, frame: Frame) -> FloatArray:
    """Vertebral bodies, discs, pedicles and processes from C3 to L5 (h, w), mm of water."""
    middles, heights = vertebra_levels(body)
    number = np.arange(_FIRST, _LAST + 1)
    size = body.half_width / 143
    middle = np.stack([spine_bend(middles, body), middles], axis=1)
    half = np.stack([size * np.interp(number, *_BODIES), heights], axis=1)
    span = size * np.interp(number, *_SPANS)
    bodies = _bodies(frame, middle, half, span)
    # The arches lie behind the bodies and swing the other way when the patient turns.
    arches = middle - np.array([pose.shifted(28), 0])
    return _BODY / 255 * bodies + _DETAIL / 255 * _arches(frame, arches, half, span, number)


def _bodies(frame: Frame, middle, half, span) -> FloatArray:
    """Transverse processes and waisted bodies with their end plates, grey 0–255."""
    canvas = frame.blank()
    for side in (-1, 1):
        out = np.stack([side * span, -0.16 * half[:, 1]], axis=1)
        inner = np.stack([0.5 * side * half[:, 0], -0.06 * half[:, 1]], axis=1)
        frame.stroke(canvas, np.stack([middle + inner, middle + out], axis=1), 8, 62)
    waist = np.array([(-1, -0.41), (-0.87, -0.1), (-0.88, 0.12), (-1.02, 0.41)])
    column = np.concatenate([middle - 0.84 * half * (1, 0), (middle + 0.84 * half * (1, 0))[::-1]])
    frame.fill(canvas, column, 92)  # few discs lie in the ray's direction
    box = np.concatenate([waist, waist[::-1] * (-1, 1)])
    fill_each(frame, canvas, middle[:, None] + box * half[:, None], np.full(len(middle), 128))
    across = np.linspace(-1, 1, 7)
    for edge, bow in ((-0.41, 0.035), (0.41, -0.035)):  # end plates are hollow
        plate = np.stack([across, edge + bow * (1 - across**2)], axis=1)
        frame.stroke(canvas, middle[:, None] + plate * half[:, None], 2.4, 160)
    for side in (-1, 1):
        border = middle[:, None] + waist * (-side, 1) * half[:, None]
        frame.stroke(canvas, border, 1.6, 155)
    return canvas.astype(np.float32)


def _arches(frame: Frame, middle, half, span, number) -> FloatArray:
    """Pedicles as ovals, lateral masses of the neck and spinous processes, grey 0–255."""
    canvas = frame.blank()
    size = half[:, :1] / 15
    oval = np.stack([2.9 * np.cos(_RING), 4.4 * np.sin(_RING)], axis=1) * size[:, None]
    thoracic = number > -1
    for side in (-1, 1):
        at = middle + np.stack([0.66 * side * half[:, 0], -0.16 * half[:, 1]], axis=1)
        frame.stroke(canvas, (at[:, None] + oval)[thoracic], 2.0, 170)
        mass = middle + np.stack([0.78 * side * span, 0 * span], axis=1)
        ends = np.array([(0, -7.5), (0, 6.5)])  # the joints' pillars are nearly continuous
        frame.stroke(canvas, (mass[:, None] + ends)[~thoracic], 8, 62)
    # Spinous processes of the chest slope down over the next body and end in a drop.
    tip = middle + np.stack([0 * span, np.where(thoracic, 0.42, 0.3) * half[:, 1]], axis=1)
    root = tip - np.stack([0 * span, 0.36 * half[:, 1]], axis=1)
    frame.stroke(canvas, np.stack([root, tip], axis=1), 4.5, 85)
    drop = np.stack([3.0 * np.cos(_RING), 5.0 * np.sin(_RING)], axis=1) * size[:, None]
    frame.stroke(canvas, tip[:, None] + drop, 1.8, 185)
    return canvas.astype(np.float32)


def breastbone(top: float, body: Body, pose: Pose, frame: Frame) -> FloatArray:
    """The manubrium from the level `top` (mm) of the clavicles' ends down (h, w), mm of water."""
    size = body.half_width / 143
    right = np.array([(-12, 2), (-27, 6), (-31, 17), (-22, 32), (-17, 50), (-17, 62)])
    outline = np.concatenate([right, right[::-1] * (-1, 1)]) * size
    outline += (pose.shifted(80), top - 4)
    canvas = frame.blank()
    frame.fill(canvas, outline, 120)
    frame.stroke(canvas, [outline[1:5], outline[-5:-1]], 2.0, 215)
    return 6.0 / 255 * canvas.astype(np.float32)
