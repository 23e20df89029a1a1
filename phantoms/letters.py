"""Letters and lines on a film: side markers, stamps, panel letters, arrows, rulers, borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from .grid import FloatArray

if TYPE_CHECKING:
    from .causes import Patient

_LETTERS, _STAMP = 52, 53  # streams
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
)
_PANELS = ("A", "B", "C", "a", "b", "c", "D", "1", "2", "(a)", "(b)", "F", "E")
_WORDS = ("SUPINE", "ERECT", "SUPINO", "SEDUTO", "MOBILE", "PORTABLE", "AP", "PA", "legend", "DX")
_HEAD = np.array([(0, 0), (6, 3), (6, -3)], dtype=float)
_ARROW = np.array([(0, 0), (4, 3), (4, 1), (9, 1), (9, -1), (4, -1), (4, -3)], dtype=float)
_FRACTION = 4  # fractional bits of OpenCV's drawing coordinates


def annotate(pixels: FloatArray, patient: Patient) -> FloatArray:
    """Side markers, stamps, panel letters and arrows, as the site leaves them on a film."""
    rng = np.random.default_rng([patient.film_seed, _LETTERS])
    stamp = np.random.default_rng([patient.film_seed, _STAMP])
    pixels = pixels.copy()
    if patient.site == "sbu":
        side_marker(pixels, rng)
        if patient.view in ("AP", "AP supine"):
            write(pixels, "AP", (0.86, 0.06), 0.036, rng)
        if patient.portable:
            write(pixels, "PORTABLE", (0.03, 0.06), 0.03, stamp)
        return pixels
    if patient.site == "hannover":
        if rng.random() < 0.85:
            boxed_marker(pixels, rng)
    elif rng.random() < 0.75:
        side_marker(pixels, rng)
    if patient.portable:
        word = "PORTABLE" if stamp.random() < 0.7 else "MOBILE"
        write(pixels, word, (0.03, stamp.uniform(0.04, 0.1)), 0.03, stamp)
    if patient.site == "ieee8023":
        journal_marks(pixels, rng)
    return pixels


def journal_marks(pixels: FloatArray, rng: np.random.Generator) -> None:
    """Letters, dates, arrows, rulers and borders that journals and viewers burn in, in place."""
    chances = rng.random(8)
    if chances[0] < 0.3:
        panel_letter(pixels, rng)
    if chances[1] < 0.12:
        text = f"day {rng.integers(1, 21)}" if rng.random() < 0.5 else date(rng)
        place = (rng.uniform(0.05, 0.6), rng.uniform(0.93, 0.98))
        write(pixels, text, place, 0.035, rng, grey=float(rng.random() < 0.5))
    if chances[2] < 0.10:
        for _ in range(rng.integers(1, 4)):
            arrow(pixels, rng)
    if chances[3] < 0.12:
        small_print(pixels, rng)
    if chances[4] < 0.05:
        ruler(pixels, rng)
    if chances[5] < 0.08:
        border(pixels, rng)
    if chances[6] < 0.10:
        word = _WORDS[rng.integers(len(_WORDS))]
        x, y, tall = rng.uniform(0.02, 0.75), rng.uniform(0.04, 0.12), rng.uniform(0.018, 0.03)
        write(pixels, word, (x, y), tall, rng)
        if rng.random() < 0.4:
            write(pixels, "AP ERECT", (x, y + 1.6 * tall), tall, rng)
    if chances[7] < 0.05:
        outline_something(pixels, rng)


def side_marker(pixels: FloatArray, rng: np.random.Generator) -> None:
    """A lead letter by the patient's shoulder: R in the left of the picture, L in the right."""
    right = rng.random() < 0.5
    x = rng.uniform(0.03, 0.10) if right else rng.uniform(0.87, 0.94)
    tall = rng.uniform(0.022, 0.045)
    write(pixels, "R" if right else "L", (x, rng.uniform(0.11, 0.28)), tall, rng)


def boxed_marker(pixels: FloatArray, rng: np.random.Generator) -> None:
    """A letter on a translucent plate at the film's edge, as mobile units place it."""
    rows, columns = pixels.shape
    right = rng.random() < 0.3
    x = rng.uniform(0.01, 0.05) if right else rng.uniform(0.91, 0.95)
    y, tall = rng.uniform(0.08, 0.9), rng.uniform(0.028, 0.04)
    top, left = round((y - 1.5 * tall) * rows), round((x - 0.5 * tall) * columns)
    side = round(2 * tall * max(rows, columns))
    patch = pixels[max(top, 0) : top + side, max(left, 0) : left + side]
    patch += np.float32(0.45) * (np.float32(0.8) - patch)
    write(pixels, "R" if right else "L", (x, y), tall, rng, grey=1.0)


def panel_letter(pixels: FloatArray, rng: np.random.Generator) -> None:
    """The letter of a figure's panel in a corner, often on a box."""
    letter, tall = _PANELS[rng.integers(len(_PANELS))], rng.uniform(0.03, 0.06)
    right = 0.98 - len(letter) * tall
    corner = (0.02 if rng.random() < 0.75 else right, 0.10 if rng.random() < 0.55 else 0.97)
    dark = rng.random() < 0.25
    if len(letter) == 1 and (dark or rng.random() < 0.3):
        _box(pixels, corner, 1.5 * tall, float(dark))
    write(pixels, letter, corner, tall, rng, grey=0.0 if dark else 1.0)


def date(rng: np.random.Generator) -> str:
    """A date or a time of the pandemic's first year."""
    year, month, day = 2020, rng.integers(1, 13), rng.integers(1, 29)
    styles = (
        f"{year}/{month:02}/{day:02}",
        f"{day:02}.{month:02}.{year}",
        f"{month}/{day}/{year % 100} {rng.integers(24):02}:{rng.integers(60):02}",
    )
    return styles[rng.integers(len(styles))]


def small_print(pixels: FloatArray, rng: np.random.Generator) -> None:
    """Two to four lines of a viewer's overlay in a corner, too small to read."""
    x = 0.01 if rng.random() < 0.4 else rng.uniform(0.7, 0.8)
    y = 0.03 if rng.random() < 0.7 else 0.9
    grey = rng.uniform(0.55, 1.0)
    for line in range(rng.integers(2, 5)):
        text = "".join(chr(c) for c in rng.integers(65, 91, rng.integers(5, 13)))
        write(pixels, text, (x, y + 0.025 * line), 0.013, rng, grey=grey)


def write(
    pixels: FloatArray,
    text: str,
    at: tuple[float, float],
    height: float,
    rng: np.random.Generator,
    grey: float | None = None,
) -> None:
    """Write at a place given in shares of the film, letters `height` of the longest side tall."""
    rows, columns = pixels.shape
    tall = max(height * max(rows, columns), 4.5)
    font = _FONTS[rng.integers(len(_FONTS))] if tall > 9 else cv2.FONT_HERSHEY_PLAIN
    value = rng.uniform(0.8, 1.0) if grey is None else grey
    scale = tall / cv2.getTextSize(text, font, 1.0, 1)[0][1]
    thick = max(1, round(tall / 9))
    (wide, _), under = cv2.getTextSize(text, font, scale, thick)
    left, base, pad = round(at[0] * columns), round(at[1] * rows), thick + 2
    left = max(min(left, columns - wide - 2 * pad), 0)
    top = max(base - round(tall) - pad, 0)
    patch = pixels[top : base + under + pad, left : left + wide + 2 * pad]
    if patch.size == 0:
        return
    canvas = np.zeros(patch.shape, dtype=np.uint8)
    cv2.putText(canvas, text, (pad, base - top), font, scale, 255, thick, cv2.LINE_AA)
    _paint(patch, canvas, value)


def arrow(pixels: FloatArray, rng: np.random.Generator) -> None:
    """A filled arrow or arrowhead with a rim of the other shade, most often white."""
    rows, columns = pixels.shape
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    tip = (rng.uniform(0.15, 0.85) * columns, rng.uniform(0.2, 0.8) * rows)
    shape = _HEAD if rng.random() < 0.4 else _ARROW
    outline = shape @ turn * (rng.uniform(0.005, 0.009) * columns) + tip
    corners = [np.round(outline * (1 << _FRACTION)).astype(np.int32)]
    inner = float(rng.random() < 0.8)
    canvas = np.zeros(pixels.shape, dtype=np.uint8)
    cv2.polylines(canvas, corners, True, 255, max(round(columns / 250), 1), cv2.LINE_AA, _FRACTION)
    _paint(pixels, canvas, 1 - inner)
    canvas[:] = 0
    cv2.fillPoly(canvas, corners, 255, cv2.LINE_AA, _FRACTION)
    _paint(pixels, canvas, inner)


def outline_something(pixels: FloatArray, rng: np.random.Generator) -> None:
    """An ellipse or a box drawn around what an author wants to be seen."""
    rows, columns = pixels.shape
    middle = (int(rng.uniform(0.2, 0.8) * columns), int(rng.uniform(0.25, 0.75) * rows))
    half = tuple(int(side) for side in rng.uniform(0.04, 0.14, 2) * columns)
    canvas, thick = np.zeros(pixels.shape, dtype=np.uint8), max(round(columns / 250), 1)
    if rng.random() < 0.6:
        cv2.ellipse(canvas, middle, half, 0, 0, 360, 255, thick, cv2.LINE_AA)
    else:
        corners = np.subtract(middle, half).tolist(), np.add(middle, half).tolist()
        cv2.rectangle(canvas, *corners, 255, thick)
    _paint(pixels, canvas, float(rng.random() < 0.6))


def ruler(pixels: FloatArray, rng: np.random.Generator) -> None:
    """Ticks of a scale along the left, right or lower edge."""
    picture = (pixels, pixels[:, ::-1], pixels[::-1].T)[rng.integers(3)]
    gap = max(round(rng.uniform(0.02, 0.035) * len(picture)), 3)
    start = round(rng.uniform(0.05, 0.3) * len(picture))
    grey = rng.uniform(0.6, 1.0)
    long = max(round(0.02 * picture.shape[1]), 2)
    stop = round(rng.uniform(0.7, 0.95) * len(picture))
    picture[start:stop:gap, :long] = grey
    picture[start : stop : 5 * gap, : 2 * long] = grey


def border(pixels: FloatArray, rng: np.random.Generator) -> None:
    """A thin frame, or a black or white margin at one or more edges."""
    rows, columns = pixels.shape
    if rng.random() < 0.45:
        inset = round(rng.uniform(0, 0.015) * rows)
        box = (inset, inset), (columns - 1 - inset, rows - 1 - inset)
        cv2.rectangle(pixels, *box, rng.uniform(0.6, 1.0), max(round(rows / 300), 1))
        return
    grey = float(rng.random() < 0.4)
    for picture in (pixels, pixels[::-1], pixels.T, pixels.T[::-1]):
        if rng.random() < 0.5:
            picture[: round(rng.uniform(0.005, 0.03) * len(picture))] = grey


def _paint(pixels: FloatArray, canvas: np.ndarray, value: float) -> None:
    """Lay a shade over the pixels in place, as opaque as the canvas (0–255) says."""
    cover = canvas * np.float32(1 / 255)
    pixels += cover * (np.float32(value) - pixels)


def _box(pixels: FloatArray, corner: tuple[float, float], side: float, grey: float) -> None:
    rows, columns = pixels.shape
    edge = round(side * max(rows, columns))
    left, bottom = max(round(corner[0] * columns) - 3, 0), round(corner[1] * rows) + 4
    pixels[max(bottom - edge, 0) : bottom, left : left + edge] = grey
