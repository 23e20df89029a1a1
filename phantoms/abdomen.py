"""Films of the abdomen, which stand among those of the chest."""

from __future__ import annotations

import numpy as np

from .anatomy import ellipse
from .grid import FloatArray, Frame, smooth_line

_ABDOMEN = 71


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
