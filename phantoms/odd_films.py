"""Pictures of every kind that somebody may upload: frontal films, and what is none.

The checks of `helpers.input_checks` learn from them. Looks are randomised as widely as those of the
start (`phantoms.randomisation`), frontal films first of all: what a real film may look like must
not be taken for strange.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from helpers.film_kinds import NAMES
from helpers.pixels import UnreadableRadiograph, preprocess

from .causes import View
from .film import Film, render, render_abdomen
from .grid import FloatArray
from .randomisation import draw_look, draw_patient
from .scenery import SCENES, draw_scene
from .spoiling import spoil
from .tomography import LUNG_WINDOW, axial_slice, coronal_slice, windowed

# From the side in px and a source of random numbers to a picture (h, w) in [0, 1].
Draw = Callable[[int, np.random.Generator], FloatArray]

_FRONTAL: tuple[View, ...] = ("PA", "AP", "AP supine")
_BEFORE = 0.5  # chance that letters and wear come before a film is turned, not after
_KEPT_OF_A_SIDE = (0.25, 0.55)  # of a heavily cropped film
_CUT, _LEFT_WHOLE = 0.15, (0.74, 0.95)  # chance at each edge; share that is left
_TRIMMED = 0.06  # of a side, at any edge, of every film
_WINDOWS = (LUNG_WINDOW, (50.0, 400.0), (-100.0, 2200.0))  # of CT: middle and width, HU
_BLACK = -3000.0  # HU, outside the field
_CROPPED = 0.16  # of a slice, at most, at any edge
_TURNED, _STRETCHED = 9.0, 0.12  # degrees; share


def draw_kind(kind: str, size: int, seed: Sequence[int]) -> np.ndarray:
    """Draw a picture of a kind, preprocessed: uint8 (size, size).

    Parameters
    ----------
    kind : str
        One of `helpers.film_kinds.NAMES`.
    size : int
        Side in px.
    seed : sequence of int
        Equal seeds give equal pictures.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    if kind not in NAMES:
        raise ValueError(f"expected a kind of {', '.join(NAMES)}; got {kind!r}")
    rng = np.random.default_rng([*seed, NAMES.index(kind)])
    while True:
        picture = _DRAW[kind](size, rng)
        try:
            return preprocess(np.clip(picture, 0, 1).astype(np.float32), size)
        except UnreadableRadiograph:  # spoiled until nothing is left on it: draw another
            continue


def draw_frontal_film(size: int, rng: np.random.Generator) -> Film:
    """Draw a whole frontal film, not yet spoiled."""
    return _draw_film(size, rng, _FRONTAL[rng.integers(len(_FRONTAL))])


def _draw_film(size: int, rng: np.random.Generator, view: View) -> Film:
    patient = replace(draw_patient(rng), view=view)
    return render(patient, size=size, look=draw_look(patient, rng))


def reframe(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Trim, stretch and turn a picture a little, as any film may be."""
    rows, columns = pixels.shape
    left, top, right, bottom = rng.uniform(0, _TRIMMED, 4)
    wide, high = (1 - left - right) * columns, (1 - top - bottom) * rows
    stretch = 1 + rng.uniform(-_STRETCHED, _STRETCHED)
    matrix = cv2.getRotationMatrix2D((0, 0), rng.uniform(-_TURNED, _TURNED), 1.0)[:, :2]
    matrix = matrix @ np.diag([1.0, stretch])
    shape = (max(round(high / stretch), 32), max(round(wide), 32))
    old = np.array([left * columns + wide / 2, top * rows + high / 2]) - 0.5
    new = (np.array(shape[::-1]) - 1) / 2
    matrix = np.hstack([matrix, (old - matrix @ new)[:, None]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    border = cv2.BORDER_CONSTANT if rng.random() < 0.5 else cv2.BORDER_REPLICATE
    return cv2.warpAffine(pixels, matrix, shape[::-1], flags=flags, borderMode=border)


def _frontal(size: int, rng: np.random.Generator) -> FloatArray:
    return spoil(reframe(_cut_a_little(draw_frontal_film(size, rng).pixels, rng), rng), rng)


def _cut_a_little(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """At times cut off an edge or two, as of bedside films that were laid too high or too low."""
    for turned in range(4):
        if rng.random() < _CUT:
            pixels = np.rot90(pixels, turned)
            pixels = np.rot90(pixels[: round(len(pixels) * rng.uniform(*_LEFT_WHOLE))], -turned)
    return np.ascontiguousarray(pixels)


def _lateral(size: int, rng: np.random.Generator) -> FloatArray:
    pixels = spoil(reframe(_draw_film(size, rng, "lateral").pixels, rng), rng)
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def _turned(quarters: int) -> Draw:
    """Frontal films turned by quarters to the left; rarely lateral ones."""

    def draw(size: int, rng: np.random.Generator) -> FloatArray:
        film = (
            draw_frontal_film(size, rng) if rng.random() < 0.9 else _draw_film(size, rng, "lateral")
        )
        pixels = reframe(film.pixels, rng)
        if rng.random() < _BEFORE:
            return np.rot90(spoil(pixels, rng), quarters)
        return spoil(np.ascontiguousarray(np.rot90(pixels, quarters)), rng)

    return draw


def _negative(size: int, rng: np.random.Generator) -> FloatArray:
    pixels = reframe(draw_frontal_film(size, rng).pixels, rng)
    if rng.random() < _BEFORE:
        return 1 - spoil(pixels, rng)
    return spoil(1 - pixels, rng)


def _part(size: int, rng: np.random.Generator) -> FloatArray:
    """A window that leaves at least 45 % of a side away, from a film drawn that much larger."""
    kept = rng.uniform(*_KEPT_OF_A_SIDE, 2)
    if rng.random() < 0.35:  # half of a film
        kept[rng.integers(2)] = rng.uniform(0.85, 1.0)
    pixels = draw_frontal_film(min(round(size / kept.max()), 3 * size), rng).pixels
    high, wide = (
        max(round(share * side), 32) for share, side in zip(kept, pixels.shape, strict=True)
    )
    top = rng.integers(pixels.shape[0] - high + 1)
    left = rng.integers(pixels.shape[1] - wide + 1)
    return spoil(pixels[top : top + high, left : left + wide].copy(), rng)


def _abdomen(size: int, rng: np.random.Generator) -> FloatArray:
    return spoil(reframe(render_abdomen(int(rng.integers(2**31)), size), rng), rng)


def _slice(draw: Callable[[int, int], FloatArray]) -> Draw:
    """CT slices in any window, in the scanner's round field or not, cut towards the body."""

    def shown(size: int, rng: np.random.Generator) -> FloatArray:
        slice_hu = draw(int(rng.integers(2**31)), size)
        if rng.random() < 0.25:
            u = np.linspace(-1, 1, size)
            field = np.hypot(u[None], u[:, None]) < rng.uniform(0.9, 1.1)
            slice_hu = np.where(field, slice_hu, _BLACK)
        picture = windowed(slice_hu, _draw_window(rng))
        top, bottom, left, right = (rng.uniform(0, _CROPPED, 4) * size).astype(int)
        picture = picture[top : size - bottom, left : size - right]
        return spoil(reframe(picture, rng), rng)

    return shown


def _draw_window(rng: np.random.Generator) -> tuple[float, float]:
    """Middle and width, HU: of lungs, of soft tissue, or of nearly everything."""
    middle, width = _WINDOWS[rng.choice(len(_WINDOWS), p=(0.55, 0.2, 0.25))]
    return middle + rng.uniform(-0.1, 0.1) * width, width * rng.uniform(0.7, 1.3)


def _several(size: int, rng: np.random.Generator) -> FloatArray:
    """Two to four films or slices in one picture, as in a figure."""
    rows, columns = ((1, 2), (2, 1), (2, 2), (1, 3))[rng.integers(4)]
    draws = (_frontal, _frontal, _lateral, _slice(axial_slice))
    side = size // 2
    gap, grey = int(rng.integers(0, 6)), float(rng.random() < 0.5)
    picture = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap), grey, np.float32)
    for row in range(rows):
        for column in range(columns):
            film = draws[rng.integers(len(draws))](size, rng)
            top, left = row * (side + gap), column * (side + gap)
            part = cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA)
            picture[top : top + side, left : left + side] = part
    return picture


_DRAW: dict[str, Draw] = {
    "frontal": _frontal,
    "lateral": _lateral,
    "turned left": _turned(1),
    "upside down": _turned(2),
    "turned right": _turned(3),
    "negative": _negative,
    "axial slice": _slice(axial_slice),
    "coronal slice": _slice(coronal_slice),
    "abdomen": _abdomen,
    "part": _part,
    "several": _several,
    **{kind: partial(draw_scene, kind) for kind in SCENES},
}
