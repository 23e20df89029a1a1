"""Pulmonary vessels on a frontal film: hila, branches that fork and fade outward, a fissure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .body import Body, Pose
from .grid import FloatArray, Frame, smooth_line, tube

if TYPE_CHECKING:
    from .causes import Patient

_VESSELS = 12  # stream of random numbers
# A vessel full of blood in place of lung adds 0.75 of its width; processing shows it better.
_CONTRAST = 1.7
_DEEPEST = 18.0  # length at the strongest grey value of the canvas, mm of water
_CENTRAL = 13.0  # length of the blood in small vessels around the hila, mm of water
_GENERATIONS = 6
_THINNEST = 0.4  # px; thinner vessels are part of the mottle


def pulmonary_vessels(patient: Patient, frame: Frame, body: Body, pose: Pose) -> FloatArray:
    """Vessels of both lungs (h, w), mm of water; lung tissue between them is a fine mottle."""
    rng = np.random.default_rng([patient.anatomy_seed, _VESSELS])
    canvas = frame.blank()
    trees = [_tree(rng, side, body, pose) for side in (-1, 1)]
    # Thin branches first: a thick vessel lies over them, it does not add to them.
    for generation in reversed(range(_GENERATIONS)):
        for tree in trees:
            width, lines = tree[generation]
            if width * frame.scale > _THINNEST:
                frame.stroke(canvas, lines, width, _grey(width))
    if rng.random() < 0.5:
        _draw_fissure(canvas, rng, body, pose, frame)
    hila = frame.blank()
    for side in (-1, 1):
        _draw_hilum(hila, rng, side, body, pose, frame)
    sharp = frame.blur(canvas.astype(np.float32), 0.6)
    soft = frame.blur(hila.astype(np.float32), 2.4)
    lines = np.maximum(sharp, soft) * np.float32(_DEEPEST / 255)
    return lines + _central(frame, body, pose) + 0.9 * frame.clouds(rng, (9, 4.5), (0.7, 1.0))


def _central(frame: Frame, body: Body, pose: Pose) -> FloatArray:
    """The many vessels and bronchial walls near the hila that no eye tells apart, mm."""
    x, y = frame.coordinates()
    out = (np.abs(x - np.float32(pose.shifted(30))) - 34) / np.float32(30)
    down = (y - np.float32(0.5 * body.height)) / np.float32(0.30 * body.height)
    return np.float32(_CENTRAL) * np.exp(-out * out - down * down)


def _grey(width: float) -> float:
    return min(255 * _CONTRAST * width / _DEEPEST, 255)


def _draw_hilum(canvas, rng, side: int, body: Body, pose: Pose, frame: Frame) -> None:
    """Pulmonary artery: the left one arches over its bronchus, higher than the right one."""
    unit, middle = body.height / 258, pose.shifted(30)
    top = (0.46 if side < 0 else 0.425) * body.height
    out = side * (31 + 3 * rng.standard_normal()) * unit + middle
    points = [
        (out - side * 14, top - 4),
        (out + side * 5, top),
        (out + side * 13, top + 18 * unit),
        (out + side * 18, top + 42 * unit),
        (out + side * 27, top + 66 * unit),
    ]
    half = unit * np.interp(np.linspace(0, 1, 30), [0, 0.3, 0.6, 1], [8.5, 8, 5.5, 2.2])
    frame.fill(canvas, tube(smooth_line(points, 30), half), _grey(7.5))
    for _ in range(7):  # vessels seen end-on
        spot = (out + side * rng.uniform(2, 26) * unit, top + rng.uniform(-22, 40) * unit)
        ring = np.linspace(0, 2 * np.pi, 12)
        radius = rng.uniform(1.8, 3.6)
        circle = np.stack([np.cos(ring), np.sin(ring)], axis=1) * radius + spot
        frame.fill(canvas, circle, _grey(3.2 * radius))


def _draw_fissure(canvas, rng, body: Body, pose: Pose, frame: Frame) -> None:
    """The horizontal fissure of the right lung, a hair line at the level of the hilum."""
    y = (0.49 + 0.03 * rng.standard_normal()) * body.height
    points = [
        (-42 + pose.shifted(30), y + 3),
        (-90, y - 2 + 3 * rng.standard_normal()),
        (-0.97 * body.half_width, y + 6 * rng.standard_normal()),
    ]
    frame.stroke(canvas, [smooth_line(points, 24)], 0.7, 70)


def _tree(rng, side: int, body: Body, pose: Pose) -> list[tuple[float, FloatArray]]:
    """Widths (mm) and lines (n, 4, 2) of a lung's vessels, a generation each, from the hilum out.

    Vessels of the bases are wider than those of the tips while the patient stands; lying evens
    them out.
    """
    unit = body.height / 258
    roots = np.deg2rad([-80, -58, -34, -14, 6, 24, 40, 54, 66, 78, 88])
    angle = roots + 0.13 * rng.standard_normal(len(roots))
    along = np.linspace(-20, 62, len(roots)) * unit
    origin = (0.455 - 0.018 * side) * body.height
    start = np.stack([side * (36 + 0.12 * np.abs(along)) + pose.shifted(30), origin + along], 1)
    start += rng.normal(0, 3, start.shape)
    length, width, generations = 26.0 * unit, 4.8, []
    for _ in range(_GENERATIONS):
        reach = length * np.exp(0.28 * rng.standard_normal(len(angle)))[:, None]
        heading = np.stack([side * np.cos(angle), np.sin(angle)], axis=1)
        across = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
        bend = 0.09 * reach * rng.standard_normal((len(angle), 2))
        end = start + heading * reach
        third = start + heading * reach / 3 + across * bend[:, :1]
        later = start + heading * reach * 2 / 3 + across * bend[:, 1:]
        generations.append((width, np.stack([start, third, later, end], axis=1)))
        fork = 0.34 + 0.14 * rng.standard_normal((2, len(angle)))
        angle = np.concatenate([angle + 0.35 * fork[0], angle - fork[1]])
        start = np.concatenate([end, end])
        length, width = 0.85 * length, 0.72 * width
    return generations
