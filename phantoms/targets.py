"""What real data never label and phantoms know: the truth about a film as the network sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from helpers.severity import DEVICES, SHARES, SIDES, VIEWS, ZONES

from .body import draw_body, heart_width

if TYPE_CHECKING:
    from .causes import Patient
    from .film import Film

_LEAST_LUNG, _LEAST_ZONE = 0.01, 0.002  # visible, share of the square picture
_FRAGMENT = 0.03  # of the visible lungs: smaller islands tell nothing about the side
_BETWEEN = 0.15  # of the film's width: middles of the two lungs are at least so far apart
_OFF_CENTRE = 0.08  # of the film's width: where a film shows one lung, the spine is at its side


def dense_targets(film: Film, patient: Patient) -> np.ndarray:
    """Measure on the masks of a film what a network shall read off its pixels.

    Parameters
    ----------
    film : Film
        As the network will see it: turned, cropped and hidden as it may be.
    patient : Patient
        Whose film it is.

    Returns
    -------
    numpy.ndarray
        float32, a value for each of ``helpers.severity.TARGETS``: a share, the number of the view
        among its options, or 1 and 0 for a device. NaN where a share is undefined: zones and heart
        on a lateral film, the heart where a lung is off the film, whatever shows too little lung.
    """
    square = max(film.lungs.shape) ** 2
    visible = int(film.lungs.sum())
    shares = {"lung_area": visible / square}
    if visible >= _LEAST_LUNG * square:
        shares["opaque_share"] = float((film.lesions & film.lungs).sum() / visible)
        if patient.view != "lateral":
            shares |= _frontal_shares(film, patient, _LEAST_ZONE * square)
    on_film = bool(film.devices.any())
    return np.array(
        [
            *(shares.get(target.name, np.nan) for target in SHARES),
            VIEWS.index(patient.view),
            *(on_film and device in patient.devices for device in DEVICES),
        ],
        np.float32,
    )


def split_lungs(lungs: np.ndarray) -> dict[str, np.ndarray]:
    """Split a mask of the lungs on a frontal film into the patient's right and left lung.

    The right lung is on the left of the picture. A lung that is off the film is left out, and so
    is one of which a film that shows no other does not tell the side.

    Parameters
    ----------
    lungs : bool (h, w)

    Returns
    -------
    dict of bool (h, w)
        With the keys ``right`` and ``left``, or one of them, or none.
    """
    width = lungs.shape[1]
    _, labels, statistics, middles = cv2.connectedComponentsWithStats(lungs.astype(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    parts = 1 + np.flatnonzero(areas >= _FRAGMENT * areas.sum())
    parts = parts[np.argsort(middles[parts, 0])]
    across = middles[parts, 0] / width
    gaps = np.diff(across)
    if len(gaps) and gaps.max() >= _BETWEEN:
        after = int(gaps.argmax()) + 1
        return {
            "right": np.isin(labels, parts[:after]),
            "left": np.isin(labels, parts[after:]),
        }
    lung = np.isin(labels, parts)
    middle = float(np.nonzero(lung)[1].mean()) / width if len(parts) else 0.5
    if abs(middle - 0.5) < _OFF_CENTRE:
        return {}
    return {"right" if middle < 0.5 else "left": lung}


def _frontal_shares(film: Film, patient: Patient, least: float) -> dict[str, float]:
    """Opaque share and mean density of each zone with `least` pixels, and the heart's size."""
    lungs = split_lungs(film.lungs)
    shares = {}
    if len(lungs) == len(SIDES):
        body = draw_body(patient)
        shares["heart_size"] = heart_width(patient, body) / (2 * body.half_width)
    for side, lung in lungs.items():
        rows = np.flatnonzero(lung.any(axis=1))
        edges = np.linspace(rows[0], rows[-1] + 1, len(ZONES) + 1).round().astype(int)
        for zone, top, bottom in zip(ZONES, edges[:-1], edges[1:], strict=True):
            inside = lung[top:bottom]
            if inside.sum() >= least:
                shares[f"opaque_{side}_{zone}"] = float(film.lesions[top:bottom][inside].mean())
                shares[f"density_{side}_{zone}"] = float(film.density[top:bottom][inside].mean())
    return shares
