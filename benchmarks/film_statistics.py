"""What can be measured on a film and its masks, to compare phantom films with real ones.

Every film is the square of `helpers.pixels.preprocess`; a mask has the film's shape.
"""

from itertools import pairwise

import cv2
import numpy as np

OCTAVES = [2, 4, 8, 16, 32, 64, 100]  # cycles over the side of the film's square
COARSE, FINE = (2, 32), (32, 100)
SMALLEST_LUNG = 0.1  # of both lungs' area
SMALLEST_PART = 0.005  # of the lungs' area; less is a slip of the pen
RING = 6  # px, about 9 mm
QUARTILES = ("lower quartile", "median", "upper quartile")


def central_square(film: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Cut the largest central square out of the part of the film that is no padding."""
    height, width = int(shown.any(1).sum()), int(shown.any(0).sum())
    side = min(height, width)
    top, left = (film.shape[0] - side) // 2, (film.shape[1] - side) // 2
    return film[top : top + side, left : left + side]


def power_spectrum(square: np.ndarray, film_side: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in cycles over `film_side` px, and power density there (Hann window)."""
    side = square.shape[0]
    grey = square.astype(np.float64) / 255
    window = np.outer(np.hanning(side), np.hanning(side))
    grey = (grey - np.average(grey, weights=window)) * window
    power = np.abs(np.fft.rfft2(grey)) ** 2 / (window**2).sum()
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) * film_side
    return frequency.ravel(), power.ravel()


def spectrum_measures(film: np.ndarray, shown: np.ndarray) -> dict[str, float]:
    """Slopes of log power over log frequency, and the mean power of each octave in dB."""
    frequency, power = power_spectrum(central_square(film, shown), film.shape[0])
    return {
        **{
            f"slope, {low}–{high} cycles a film": _slope(frequency, power, low, high)
            for low, high in (COARSE, FINE)
        },
        **{
            f"power, {low}–{high} cycles (dB)": _decibel(frequency, power, low, high)
            for low, high in pairwise(OCTAVES)
        },
    }


def _slope(frequency: np.ndarray, power: np.ndarray, low: float, high: float) -> float:
    """Least squares through half octaves, so that the many high frequencies do not outweigh."""
    edges = np.geomspace(low, high, 1 + round(2 * np.log2(high / low)))
    levels = [_decibel(frequency, power, *band) / 10 for band in pairwise(edges)]
    centres = np.log10(np.sqrt(edges[:-1] * edges[1:]))
    known = np.isfinite(levels)
    return float(np.polyfit(centres[known], np.array(levels)[known], 1)[0])


def _decibel(frequency: np.ndarray, power: np.ndarray, low: float, high: float) -> float:
    band = power[(frequency >= low) & (frequency < high)]
    return 10 * np.log10(band.mean() + 1e-12) if band.size else np.nan


def split_lungs(lungs: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the lung on the left of the picture and the other; None if they are not apart."""
    count, labels, facts, centres = cv2.connectedComponentsWithStats(lungs.astype(np.uint8))
    areas = facts[:, cv2.CC_STAT_AREA]
    order = 1 + np.argsort(areas[1:])[::-1][:2]
    if count < 3 or areas[order[1]] < SMALLEST_LUNG * lungs.sum():
        return None
    first, second = sorted(order, key=lambda label: centres[label][0])
    return labels == first, labels == second


def mediastinum(lungs: np.ndarray) -> np.ndarray:
    """Everything between the two lungs, row by row: vessels, heart and spine."""
    sides = split_lungs(lungs)
    if sides is None:
        return np.zeros_like(lungs)
    right, left = sides
    columns = np.arange(lungs.shape[1])
    inner = np.where(right, columns, -1).max(axis=1)  # last column of the lung on the left
    outer = np.where(left, columns, lungs.shape[1]).min(axis=1)
    here = right.any(axis=1) & left.any(axis=1)
    return here[:, None] & (columns > inner[:, None]) & (columns < outer[:, None]) & ~lungs


def regions(shown: np.ndarray, lungs: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of the lungs, of what is between them, and of the rest of the picture."""
    between = mediastinum(lungs)
    return {
        "lungs": lungs & shown,
        "mediastinum": between & shown,
        "outside": shown & ~lungs & ~between,
    }


def grey_measures(film: np.ndarray, areas: dict[str, np.ndarray]) -> dict[str, float]:
    """Quartiles of the grey values, 0 to 255, in each region."""
    measures = {}
    for name, mask in areas.items():
        quartiles = np.percentile(film[mask], [25, 50, 75]) if mask.any() else [np.nan] * 3
        for label, value in zip(QUARTILES, quartiles, strict=True):
            measures[f"{name}: {label}"] = float(value)
    return measures


def histogram(film: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of the mask's pixels with each grey value, shape (256,); zero if it is empty."""
    return np.bincount(film[mask], minlength=256) / max(1, int(mask.sum()))


def lung_measures(lungs: np.ndarray, shown: np.ndarray) -> dict[str, float]:
    """Proportions of the lungs and their place on the film; left and right are the patient's."""
    film_height, film_width = int(shown.any(1).sum()), int(shown.any(0).sum())
    height, width = _extent(lungs)
    measures = {
        "film: width over height": film_width / film_height,
        "lungs: width over height": width / height,
        "lungs: share of the film's area": lungs.sum() / shown.sum(),
        "lungs: span over the film's width": width / film_width,
        "lungs: height over the film's height": height / film_height,
    }
    sides = split_lungs(lungs)
    if sides is not None:
        right, left = sides
        between = mediastinum(lungs)
        measures |= {
            "right lung: width over height": _aspect(right),
            "left lung: width over height": _aspect(left),
            "right lung over left, area": right.sum() / left.sum(),
            "right lung over left, height": _extent(right)[0] / _extent(left)[0],
            "mediastinum: mean width over the lungs' span": (
                between.sum() / max(1, between.any(1).sum()) / width
            ),
        }
    return {name: float(value) for name, value in measures.items()}


def lesion_measures(film: np.ndarray, lungs: np.ndarray, lesions: np.ndarray) -> dict[str, float]:
    """Size and place of the opacities within the lungs."""
    inside = lesions & lungs
    measures = {"lesions over lungs, area": float(inside.sum() / lungs.sum())}
    sides = split_lungs(lungs)
    if sides is None or not inside.any():
        return measures
    areas = _parts(inside, lungs)
    burden = [int((inside & side).sum()) for side in sides]
    height, depth = np.zeros(lungs.shape), np.zeros(lungs.shape)
    for side, hilum_is_right in zip(sides, (True, False), strict=True):
        height += side * _height_within(side)
        depth += side * _distance_from_hilum(side, hilum_is_right)
    measures |= {
        "parts": len(areas),
        "largest part over all": max(areas, default=np.nan) / inside.sum(),
        "height of the centre (0 apex, 1 base)": height[inside].mean(),
        "share in the outer third of the lung": (depth[inside] > 2 / 3).mean(),
        "share in the less affected lung": min(burden) / max(1, sum(burden)),
        "grey step across their border": _border_step(film, inside, lungs),
    }
    return {name: float(value) for name, value in measures.items()}


def _border_step(film: np.ndarray, inside: np.ndarray, lungs: np.ndarray) -> float:
    """Median grey just inside the border of the opacities less that of the lung just outside.

    Compared at the border, since outlined lungs reach behind heart and diaphragm, which are bright.
    """
    ring = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RING + 1, 2 * RING + 1))
    outside = lungs & ~inside
    near = inside & (cv2.dilate(outside.astype(np.uint8), ring) > 0)
    beyond = outside & (cv2.dilate(inside.astype(np.uint8), ring) > 0)
    if not near.any():
        return np.nan  # all of the lungs is opaque
    return float(np.median(film[near]) - np.median(film[beyond]))


def _parts(inside: np.ndarray, lungs: np.ndarray) -> list[int]:
    _, _, facts, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8))
    areas = facts[1:, cv2.CC_STAT_AREA]
    return [int(area) for area in areas if area >= SMALLEST_PART * lungs.sum()]


def _extent(mask: np.ndarray) -> tuple[int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def _aspect(mask: np.ndarray) -> float:
    height, width = _extent(mask)
    return width / height


def _height_within(lung: np.ndarray) -> np.ndarray:
    """Height of each row in a lung, (h, 1), 0 at the apex and 1 at the base."""
    rows = np.flatnonzero(lung.any(1))
    return ((np.arange(lung.shape[0]) - rows[0]) / max(1, np.ptp(rows)))[:, None]


def _distance_from_hilum(lung: np.ndarray, hilum_is_right: bool) -> np.ndarray:
    """Place of each pixel between the lung's inner border (0) and outer border (1) in its row."""
    columns = np.arange(lung.shape[1])
    first = np.where(lung, columns, lung.shape[1]).min(axis=1)[:, None]
    last = np.where(lung, columns, -1).max(axis=1)[:, None]
    place = (columns - first) / np.maximum(1, last - first)
    return 1 - place if hilum_is_right else place
