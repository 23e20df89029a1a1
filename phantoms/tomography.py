"""CT slices of the chest, in Hounsfield units and windowed: pictures that stand among the films.

They need not be anatomy to be believed, only what a CT slice is: sharp borders of even tissues, air
that is darker than lung, nothing that lies over anything else.
"""

from __future__ import annotations

import numpy as np

from .grid import FloatArray, Frame, smooth_line
from .soft_tissue import ellipse

_AXIAL, _CORONAL = 72, 73
_AIR, _LUNG, _FAT, _MUSCLE, _BONE = -1000.0, -860.0, -95.0, 50.0, 520.0  # HU
LUNG_WINDOW = (-600.0, 1500.0)  # middle and width, HU


def windowed(slice_hu: FloatArray, window: tuple[float, float] = LUNG_WINDOW) -> FloatArray:
    """Show Hounsfield units (h, w) in a window of a middle and a width: float32 in [0, 1]."""
    middle, width = window
    return np.clip((slice_hu - middle) / width + 0.5, 0, 1).astype(np.float32)


def axial_slice(seed: int, size: int) -> FloatArray:
    """Draw an axial slice through the chest: float32 (size, size), HU.

    Patients lie on their backs with the arms up, as for most scans; the slice lies anywhere
    between the arch of the aorta and the dome of the diaphragm.
    """
    rng = np.random.default_rng([seed, _AXIAL])
    side = rng.uniform(370, 440)
    frame = Frame((0.0, 0.0), side, side, float(rng.normal(0, 2)), (size, size))
    x, y = frame.coordinates()
    level = rng.uniform(0, 1)  # 0: arch of the aorta, 1: diaphragm
    wide, deep = rng.uniform(150, 185), rng.uniform(100, 132)
    body = _oval(x, y, wide, deep, rng.uniform(2.1, 2.8)) < 1
    fat = rng.uniform(4, 24)
    flesh = _oval(x, y, wide - fat, deep - fat, 2.3) < 1
    wall = fat + rng.uniform(10, 22)
    cavity = _oval(x, y, wide - wall - 8 * (1 - level), deep - wall, 2.3) < 1
    middle = _mediastinum(x, y, level, deep, rng)
    lungs = cavity & ~middle
    contrast = rng.uniform(0, 200) * (rng.random() < 0.6)
    hu = np.where(body, np.float32(_FAT), np.float32(_AIR))
    hu = np.where(flesh, _MUSCLE + 25 * frame.clouds(rng, (14, 7), (1, 0.6)), hu)
    hu = np.where(middle & cavity, _MUSCLE + 0.7 * contrast, hu)
    hu = np.where(lungs, _lung(frame, rng, lungs, contrast, y / deep), hu)
    aorta = (ellipse(x, y, (20, 0.42 * deep), (13, 13)) > 0) & cavity
    hu = np.where(aorta, _MUSCLE + contrast, hu)
    if level > 0.6:  # the domes: liver to the left of the picture, stomach to the right
        high = 1.6 * (level - 0.6) / 0.4
        liver = ellipse(x, y, (-0.46 * wide, 0), (72 * high, 66 * high), 0.3) > 0
        stomach = ellipse(x, y, (0.5 * wide, 6), (44 * high, 50 * high), -0.2) > 0
        hu = np.where((liver | stomach) & cavity, 60 + 0.5 * contrast, hu)
        bubble = ellipse(x, y, (0.5 * wide, -16), (26 * high, 16 * high)) > 0
        hu = np.where(bubble & cavity & (rng.random() < 0.5), _AIR, hu)
    for branch in (-1, 1) if 0.25 < level < 0.5 else (0,):  # bronchi, or the windpipe
        at = (17.0 * branch, 0.1 * deep)
        hu = np.where((ellipse(x, y, at, (8, 9)) > 0) & (level < 0.55), _AIR, hu)
    hu = np.where(_axial_bones(frame, x, y, level, (wide, deep, wall), rng), _bone(frame, rng), hu)
    for number in range(rng.integers(0, 4)):  # the table
        radius = rng.uniform(250, 900)
        below = deep + 6 + 13 * number
        curve = np.abs(np.hypot(x, y + radius - below) - radius) < rng.uniform(1, 3)
        hu = np.where(curve & ~body, rng.uniform(-700, 0), hu)
    return _scanned(hu, frame, rng)


def coronal_slice(seed: int, size: int) -> FloatArray:
    """Draw a coronal slice through the chest, before or in the spine: float32 (size, size), HU."""
    rng = np.random.default_rng([seed, _CORONAL])
    wide, long = rng.uniform(108, 145), rng.uniform(200, 260)
    side = rng.uniform(1.05, 1.7) * max(2 * wide, long)  # from lungs that fill the picture
    middle_y = 0.5 * long + rng.uniform(-20, 30)
    frame = Frame((0.0, middle_y), side, side, float(rng.normal(0, 2)), (size, size))
    x, y = frame.coordinates()
    back = rng.uniform(0, 1)  # 0: through the heart, 1: through the spine
    height = np.clip(y / long, 0.001, 1.3)
    inner = wide * np.clip(height, 0, 1) ** rng.uniform(0.18, 0.42)
    base = long - rng.uniform(10, 30) * np.where(x < 0, 1.4, 1.0)
    dome = base + 0.0035 * (np.abs(x) - 0.5 * wide) ** 2 * (1 + back)
    chest = (np.abs(x) < inner) & (y > 0)
    middle = rng.uniform(17, 26) + (1 - back) * (
        18 * np.exp(-(((y - 75) / 40) ** 2))
        + np.where(x > 0, 62, 30) * np.exp(-(((y - 0.78 * long) / 55) ** 2))
    )
    lungs = chest & (np.abs(x) > middle) & (y < dome)
    belly = chest & (y >= dome)
    contrast = rng.uniform(0, 200) * (rng.random() < 0.6)
    outer = wide + rng.uniform(22, 48) + rng.uniform(-10, 40) * np.clip(-y / 60 + 0.5, 0, 1)
    body = (np.abs(x) < np.where(y < -45, rng.uniform(52, 75), outer)).astype(bool)
    hu = np.where(body, np.float32(_FAT), np.float32(_AIR))
    flesh = np.abs(x) < inner + rng.uniform(12, 22)
    hu = np.where(body & flesh, _MUSCLE + 25 * frame.clouds(rng, (14, 7), (1, 0.6)), hu)
    vessels = (np.abs(x) < middle) & (y > 30)
    hu = np.where(vessels, _MUSCLE + (1 - back) * contrast, hu)
    hu = np.where(belly, 60 + 0.5 * contrast, hu)
    bubble = ellipse(x, y, (0.5 * wide, long + 12), (34, 20)) > 0
    hu = np.where(bubble & belly & (rng.random() < 0.4), _AIR, hu)
    hu = np.where(lungs, _lung(frame, rng, lungs, contrast, (y - 0.5 * long) / long), hu)
    if back < 0.4:
        hu = np.where((np.abs(x) < 8) & (y < 85) & body, _AIR, hu)  # the windpipe
    bones = np.zeros(frame.shape, dtype=bool)
    period, start = rng.uniform(19, 27), rng.uniform(0, 25)
    along = np.abs(np.abs(x) - inner - rng.uniform(4, 8)) < rng.uniform(3, 5)
    bones |= along & (np.abs((y - start) % period - period / 2) < 0.32 * period) & (y > 6)
    if back > 0.55:  # vertebrae with their discs
        bones |= (np.abs(x) < rng.uniform(13, 18)) & ((y - start) % period > 0.2 * period)
    for sign in (-1, 1):  # heads of the upper arms, collar bones
        if rng.random() < 0.6:
            bones |= ellipse(x, y, (sign * (wide + 20), -12), (22, 24)) > 0
        bones |= ellipse(x, y, (sign * 62, -14 + 20 * back), (34, 6), -0.35 * sign) > 0
    hu = np.where(bones & body, _bone(frame, rng), hu)
    return _scanned(hu, frame, rng)


def _oval(x: FloatArray, y: FloatArray, wide: float, deep: float, power: float) -> FloatArray:
    """Superellipse: below 1 inside."""
    return (np.abs(x) / wide) ** power + (np.abs(y) / deep) ** power


def _mediastinum(
    x: FloatArray, y: FloatArray, level: float, deep: float, rng: np.random.Generator
) -> FloatArray:
    """What lies between the lungs, bool (h, w): great vessels, heart, spine."""
    narrow = rng.uniform(4, 14) + 0.14 * np.clip(y + 0.5 * deep, 0, None)
    spine = ellipse(x, y, (0, 0.72 * deep), (30, 0.34 * deep)) > 0
    middle = (np.abs(x) < narrow) | spine
    if level < 0.45:  # arch, great vessels
        across = rng.uniform(26, 46)
        return middle | (ellipse(x, y, (4, -6), (across, 0.42 * deep), -0.25) > 0)
    big = 0.75 + 0.6 * min(level - 0.3, 0.4)
    at = (rng.uniform(14, 34), rng.uniform(-0.34, -0.16) * deep)
    heart = ellipse(x, y, at, (rng.uniform(56, 74) * big, rng.uniform(44, 58) * big), 0.5) > 0
    return middle | heart


def _lung(
    frame: Frame, rng: np.random.Generator, lungs: FloatArray, contrast: float, down: FloatArray
) -> FloatArray:
    """Air, vessels and what disease has filled, HU (h, w); more of it where `down` is large."""
    hu = _LUNG + rng.uniform(-40, 90) + 25 * frame.clouds(rng, (60, 20, 8), (1, 0.7, 0.5))
    depth = frame.blur(lungs.astype(np.float32), 14)  # about 0.5 at the border, 1 within
    opaque = frame.clouds(rng, (50, 22, 9), (1, 0.8, 0.5)) + rng.uniform(0, 1.6) * down
    opaque = np.clip(opaque - rng.uniform(0.5, 2.2) + 1.5 * (1 - depth), 0, 1)
    hu = hu + opaque * rng.uniform(200, 900)
    thick = rng.uniform(0.7, 1.3)
    near = frame.clouds(rng, (7 * thick, 4 * thick), (1, 0.7)) - 0.25 * frame.clouds(
        rng, (70,), (1,)
    )
    vessel = np.clip(3 * (near - rng.uniform(1.2, 2.0)), 0, 1)
    return np.maximum(hu, _LUNG + vessel * (900 + contrast)).astype(np.float32)


def _axial_bones(
    frame: Frame,
    x: FloatArray,
    y: FloatArray,
    level: float,
    walls: tuple[float, float, float],
    rng: np.random.Generator,
) -> FloatArray:
    """Ribs, sternum, vertebra and shoulder blades of an axial slice, bool (h, w)."""
    wide, deep, wall = walls
    ring = np.sqrt(_oval(x, y, wide - wall + 5, deep - wall + 5, 2))
    angle = np.arctan2(y, x)
    ribs = np.sin(rng.uniform(8, 15) * angle + rng.uniform(0, 6)) > rng.uniform(-0.2, 0.6)
    bones = (np.abs(ring - 1) < rng.uniform(0.025, 0.05)) & ribs
    bones |= ellipse(x, y, (0, 8 - deep + 0.6 * wall), (rng.uniform(12, 24), 7)) > 0
    body = ellipse(x, y, (0, 0.62 * deep), (19, 16)) > 0
    canal = np.hypot(x, y - 0.62 * deep - 21) < 8
    arch = (np.hypot(x, y - 0.62 * deep - 20) < 15) & ~canal
    lines = frame.blank()
    back = 0.62 * deep + 25
    frame.stroke(lines, [smooth_line([(0, back), (0, back + 26)], 8)], 7, 255)
    for side in (-1, 1):
        frame.stroke(lines, [smooth_line([(side * 10, back - 8), (side * 34, back)], 8)], 8, 255)
        if level < 0.7:  # shoulder blade
            points = [(side * 0.56 * wide, 0.8 * deep), (side * 0.72 * wide, 0.55 * deep)]
            end = (side * rng.uniform(0.84, 0.94) * wide, rng.uniform(0.1, 0.4) * deep)
            frame.stroke(lines, [smooth_line([*points, end], 16)], rng.uniform(4, 9), 255)
    return (bones | body | arch | (lines > 100)) & ~canal


def _bone(frame: Frame, rng: np.random.Generator) -> FloatArray:
    return _BONE * rng.uniform(0.6, 1.2) + 120 * frame.clouds(rng, (6, 3), (1, 0.7))


def _scanned(hu: FloatArray, frame: Frame, rng: np.random.Generator) -> FloatArray:
    """Blur as of the reconstruction and its noise."""
    picture = frame.blur(hu.astype(np.float32), rng.uniform(0.5, 1.4))
    noise = frame.blur(rng.standard_normal(frame.shape, dtype=np.float32), rng.uniform(0.3, 0.9))
    return picture + np.float32(rng.uniform(8, 60) / noise.std()) * noise
