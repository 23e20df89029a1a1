"""Tubes, lines and wires on a film, with their mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .body import Body, Pose
from .grid import FloatArray, Frame, smooth_line, tube

if TYPE_CHECKING:
    from .causes import Patient

_DEVICES = 41
DEVICES = ("endotracheal tube", "central line", "nasogastric tube", "ecg leads")
_LENGTH = 60.0  # added length at the strongest grey value of the canvas, mm of water
_VISIBLE = 20  # grey value from which a pixel counts as part of a device


def add_devices(
    patient: Patient, body: Body, pose: Pose, frame: Frame
) -> tuple[FloatArray, np.ndarray]:
    """Draw a patient's devices.

    Returns
    -------
    attenuation : float32 (h, w)
        Added length, mm of water.
    mask : bool (h, w)
        Pixels that a device covers.

    Raises
    ------
    ValueError
        If the patient carries a device that is not in `DEVICES`.
    """
    unknown = set(patient.devices) - set(DEVICES)
    if unknown:
        raise ValueError(f"devices must be among {DEVICES}, got {sorted(unknown)}")
    canvas = frame.blank()
    drawers = _LATERAL if patient.view == "lateral" else _FRONTAL
    for number, name in enumerate(DEVICES):
        rng = np.random.default_rng([patient.film_seed, _DEVICES, number])
        if name in patient.devices:
            drawers[name](canvas, rng, body, pose, frame)
    mask = canvas > _VISIBLE
    return frame.blur(canvas.astype(np.float32) * np.float32(_LENGTH / 255), 0.5), mask


def _endotracheal_tube(canvas, rng, body: Body, pose: Pose, frame: Frame) -> None:
    tip = 0.33 * body.height - rng.uniform(18, 62)  # mostly 2–6 cm above the carina
    shift = pose.shifted(18)
    start = rng.normal(0, 10)
    points = [(start, -150), (0.4 * start - 2, -85), (-1 + shift, -30), (-3 + shift, tip)]
    line = smooth_line(points)
    frame.fill(canvas, tube(line, 5.0), 38)
    outline = tube(line, 4.6)
    frame.stroke(canvas, (outline[:40], outline[40:]), 1.2, 80)
    frame.stroke(canvas, [line + np.array([2.2, 0.0])], 1.3, 220)  # the radio-opaque stripe


def _central_line(canvas, rng, body: Body, pose: Pose, frame: Frame) -> None:
    shift = pose.shifted(35)
    cava = -22 + shift
    tip = (cava + rng.normal(0, 2), rng.uniform(0.32, 0.48) * body.height)
    route = rng.choice(3, p=[0.55, 0.25, 0.2])
    if route == 0:  # right internal jugular vein
        points = [(-75, -105), (-52, -70), (-36, -25), (cava - 4, 30), tip]
    elif route == 1:  # left subclavian vein
        points = [(135, 42), (98, 18), (52, 22), (14, 52), (cava, 82), tip]
    else:  # from the right arm
        points = [(-190, 150), (-160, 62), (-112, 26), (-62, 24), (cava - 4, 48), tip]
    frame.stroke(canvas, [smooth_line(points, 60)], 2.0, 150)


def _nasogastric_tube(canvas, rng, body: Body, pose: Pose, frame: Frame) -> None:
    hiatus = pose.dome[1] + 12
    sway = rng.normal(0, 3, 3)
    points = [
        (4 + sway[0], -150),
        (3 + sway[1], -40),
        (7 + sway[2], 0.45 * body.height),
        (14, hiatus - 12),
        (30, hiatus + 18),
        (0.45 * body.half_width, hiatus + rng.uniform(34, 60)),
    ]
    line = smooth_line(points, 60)
    frame.stroke(canvas, [line], 4.2, 45)
    frame.stroke(canvas, [line], 1.5, 150)


def _ecg_leads(canvas, rng, body: Body, pose: Pose, frame: Frame) -> None:
    width, height = body.half_width, body.height
    anchors = [(-0.68, 0.12), (0.68, 0.12), (-0.66, 0.84), (0.72, 0.86), (0.18, 0.52)]
    bundle = np.array([rng.choice([-1.0, 1.0]) * 0.9 * width, 1.35 * height])
    for x, y in anchors[: rng.integers(3, 6)]:
        spot = np.array([x * width, y * height]) + rng.normal(0, 9, 2)
        middle = (spot + bundle) / 2 + rng.normal(0, 30, 2)
        near = spot + np.array([rng.normal(0, 14), 26])
        frame.stroke(canvas, [smooth_line([spot, near, middle, bundle], 50)], 1.3, 120)
        _electrode(canvas, spot, frame)


def _electrode(canvas, spot, frame: Frame) -> None:
    angle = np.linspace(0, 2 * np.pi, 28)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    frame.fill(canvas, spot + 8.5 * ring, 55)
    frame.fill(canvas, spot + 4.2 * ring, 210)


def _lateral_tube(canvas, rng, body: Body, pose: Pose, frame: Frame) -> None:
    tip = 0.33 * body.height - rng.uniform(18, 62)
    line = smooth_line([(-30, -130), (-6, -60), (6, -10), (14, tip)])
    frame.fill(canvas, tube(line, 5.0), 45)
    frame.stroke(canvas, [line], 1.4, 220)


def _lateral_line(canvas, rng, body: Body, pose: Pose, frame: Frame) -> None:
    points = [(-10, -90), (-14, -30), (-10, 30), (-6, rng.uniform(0.34, 0.46) * body.height)]
    frame.stroke(canvas, [smooth_line(points)], 2.0, 160)


def _lateral_gastric(canvas, rng, body: Body, pose: Pose, frame: Frame) -> None:
    sway = rng.normal(0, 4)
    points = [(10, -130), (18, -10), (34 + sway, 100), (24, pose.base - 25), (-20, pose.base + 25)]
    line = smooth_line(points, 60)
    frame.stroke(canvas, [line], 4.2, 45)
    frame.stroke(canvas, [line], 1.5, 160)


def _lateral_leads(canvas, rng, body: Body, pose: Pose, frame: Frame) -> None:
    for x, y in ((-0.5, 0.15), (-0.62, 0.55), (-0.5, 0.85)):
        spot = np.array([x * body.depth, y * body.height]) + rng.normal(0, 8, 2)
        end = np.array([-0.5 * body.depth, 1.4 * body.height])
        frame.stroke(canvas, [smooth_line([spot, (spot + end) / 2 + (20, 0), end])], 1.3, 130)
        _electrode(canvas, spot, frame)


_Drawer = Callable[[np.ndarray, np.random.Generator, Body, Pose, Frame], None]
_FRONTAL: dict[str, _Drawer] = dict(
    zip(DEVICES, (_endotracheal_tube, _central_line, _nasogastric_tube, _ecg_leads), strict=True)
)
_LATERAL: dict[str, _Drawer] = dict(
    zip(DEVICES, (_lateral_tube, _lateral_line, _lateral_gastric, _lateral_leads), strict=True)
)
