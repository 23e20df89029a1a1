"""Pictures that are no chest radiographs but stand among them: abdomen films and CT slices."""

from __future__ import annotations

import cv2
import numpy as np

from .anatomy import ellipse
from .grid import FloatArray, Frame, smooth_line

_ABDOMEN, _CT = 71, 72


def abdomen_length(seed: int, frame: Frame) -> FloatArray:
    """Length of the rays through an abdomen (h, w), mm of water; y = 0 is the diaphragm."""
    rng = np.random.default_rng([seed, _ABDOMEN])
    x, y = frame.coordinates()
    half = rng.uniform(150, 185) + 12 * np.cos(y / 90)
    q = np.minimum(np.abs(x) / half, 1)
    length = rng.uniform(190, 250) * np.sqrt(1 - q * q * q * q)
    length = length + 22 * ellipse(x, y, (-75, 60), (85, 75), 0.3)  # liver
    length -= (
        26
        * np.clip(frame.clouds(rng, (52, 30), (1, 0.7)) - 0.5, 0, 1.5)
        * (np.clip((0.88 - q) * 12, 0, 1))
    )
    for side in (-1, 1):  # psoas and iliac wing
        length += 14 * ellipse(x, y, (side * 52, 190), (26, 120), -0.18 * side)
        length += 30 * np.sqrt(ellipse(x, y, (side * 98, 300), (52, 82), 0.35 * side))
    canvas = frame.blank()
    for index in range(-1, 9):
        middle = 34.0 * index
        box = np.array([(-1, -0.42), (1, -0.42), (1, 0.42), (-1, 0.42)]) * (21, 34) + (0, middle)
        frame.fill(canvas, box, 90)
        for plate in (box[:2], box[2:]):
            frame.stroke(canvas, [plate], 2.5, 150)
    for side in (-1, 1):
        for index in range(3):
            points = [(side * 24, 18 + 34 * index), (side * 80, 30 + 38 * index)]
            line = smooth_line([*points, (side * 132, 78 + 42 * index)], 20)
            frame.stroke(canvas, [line], 10, 75)
    length += 44 / 255 * frame.blur(canvas.astype(np.float32), 1.3)
    return np.maximum(length, 0).astype(np.float32)


def ct_slice(seed: int, size: int) -> FloatArray:
    """An axial slice through the chest in a lung window, (size, size) in [0, 1]."""
    rng = np.random.default_rng([seed, _CT])
    frame = Frame((0.0, 0.0), 400.0, 400.0, float(rng.normal(0, 2)), (size, size))
    x, y = frame.coordinates()
    width, depth = rng.uniform(160, 180), rng.uniform(108, 128)
    body = ellipse(x, y, (0, 0), (width, depth)) > 0
    picture: FloatArray = np.where(body, 0.78, 0.0)
    lungs = np.zeros(frame.shape, dtype=bool)
    for side in (-1, 1):
        lungs |= ellipse(x, y, (side * 76, 2), (58, depth - 26), 0.12 * side) > 0
    heart = ellipse(x, y, (18, -28), (62, 48), 0.5) > 0
    spine = np.hypot(x, y - 0.55 * depth) < 24
    lungs &= ~heart & ~spine
    vessels = np.clip(frame.clouds(rng, (9, 5), (1, 0.7)) - 1.2, 0, 1) * 0.8
    pull = 0.012 * np.abs(x) + 0.008 * y
    opaque = np.clip(frame.clouds(rng, (44, 20, 9), (1, 0.8, 0.4)) + pull - 1.6, 0, 1) * 0.45
    picture = np.where(lungs, 0.12 + np.maximum(vessels, opaque), picture)
    ring = np.hypot(x / (width - 22), y / (depth - 18))
    ribs = (np.abs(ring - 1) < 0.05) & (np.sin(13 * np.arctan2(y, x)) > 0.35)
    picture = np.where(ribs | spine, 0.98, picture)
    table = np.hypot(x, y + 330) - (330 + depth + 12)
    picture = np.where(np.abs(table) < 3, 0.6, picture)
    picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), max(1.2 * frame.scale, 0.4))
    noise = cv2.GaussianBlur(rng.standard_normal(frame.shape, dtype=np.float32), (0, 0), 0.7)
    return np.clip(picture + 0.035 * noise, 0, 1).astype(np.float32)
