"""What lies on or beside a patient on a frontal film: tubing, wires, snaps, jewellery."""

from __future__ import annotations

import numpy as np

from .grid import smooth_line
from .strokes import Drawer, Setting, Sheet, course, oriented


def _oxygen_tubing(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Prongs' tubes from both ears, joined below the chin, then one to the side."""
    join = np.array([rng.normal(0, 20), rng.uniform(-15, 50)])
    for side in (-1, 1):
        sheet.hose(smooth_line([(side * 70, -150), (side * 52, -70), join], 24), 1.9, 1.2, 9)
    sheet.fill(oriented([(-9, -4), (9, -4), (9, 4), (-9, 4)], join, np.array([0.0, 1.0])), 14)
    end = s.at([(1.7, rng.uniform(0.2, 1.3))], int(rng.choice([-1, 1])))[0]
    sheet.hose(course(rng, join, end, 0.12), 2.6, 1.2, 11)


def _stray_wires(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    side = int(rng.choice([-1, 1]))
    for _ in range(rng.integers(1, 4)):
        start, end = s.at([(1.6, rng.uniform(-0.2, 1)), (rng.uniform(-1.6, 1.2), 1.7)], side)
        sheet.cable(course(rng, start, end, 0.15), rng.uniform(1.6, 3), rng.uniform(12, 30))


def _gown_snaps(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    for side in (-1, 1):
        first = s.at([(rng.uniform(0.4, 0.9), rng.uniform(-0.12, 0.1))], side)[0]
        for number in range(rng.integers(2, 5)):
            spot = first + rng.normal((side * 38 * number, 11 * number), 3)
            sheet.disc(spot, 4.5, 18)
            sheet.ring(spot, 4.0, 1.4, 45)


def _necklace(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    half, drop = rng.uniform(50, 68), rng.uniform(5, 70)
    x = np.linspace(-half, half, 46)
    y = drop - (drop + 95) * np.abs(x / half) ** 2.4
    chain = np.stack([x + rng.normal(0, 6), y], axis=1)
    links = np.stack([chain[:-1], 0.4 * chain[:-1] + 0.6 * chain[1:]], axis=1)
    sheet.line([chain], 1.0, 14)
    sheet.line(links, 1.6, 50)
    if rng.random() < 0.6:
        sheet.disc(chain[23] + (0, 8), rng.uniform(4, 8), 60)


def _hairpins(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    for _ in range(rng.integers(1, 4)):
        heading = rng.normal(0, 1, 2)
        place = np.array([rng.normal(0, 45), rng.uniform(-60, 5)])
        pin = [(-24, -1.8), (20, -1.6), (24, 0), (20, 1.6), (8, 1.2), (-4, 2.6), (-24, 1.8)]
        sheet.line([oriented(pin, place, heading)], 1.2, 60)


def _bra_clips(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Sliders of the straps, hooks at the back and sometimes wires below the breasts."""
    level = rng.uniform(0.02, 0.2)
    for side in (-1, 1):
        slider = s.at([(0.55, level)], side)[0] + rng.normal(0, 5, 2)
        sheet.line([slider + np.array([(-7, -4), (7, -4), (7, 4), (-7, 4), (-7, -4)])], 1.3, 50)
        sheet.line([slider + np.array([(-7, 0), (7, 0)])], 1.5, 60)
    for number in range(3):
        hook = np.array([s.pose.shifted(-60) + rng.normal(0, 1), 0.6 * s.body.height + 9 * number])
        sheet.ring(hook, 2.4, 1.3, 45)
    if rng.random() < 0.5:
        angle = np.linspace(0.1, np.pi - 0.1, 24)
        for side in (-1, 1):
            cup = s.at([(0.52, 0.72)], side)[0] + (0, s.body.breast_drop * side)
            sheet.line([cup + np.stack([58 * np.cos(angle), 46 * np.sin(angle)], 1)], 1.1, 40)


WORN_BY_ALL: tuple[Drawer, ...] = (
    _oxygen_tubing,
    _oxygen_tubing,
    _oxygen_tubing,
    _stray_wires,
    _stray_wires,
    _gown_snaps,
    _gown_snaps,
    _necklace,
)
WORN_BY_WOMEN: tuple[Drawer, ...] = (*WORN_BY_ALL, _hairpins, _bra_clips)
