"""Does a heat map lie where it should? Scores against a mask, and rivals to beat.

A score alone says nothing: masks are large, and a film's middle is a good guess.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, label

ROUNDING = 1e-6  # of a map's range: interpolating between two equal values may lose so much


def pointing_game(maps: np.ndarray, masks: np.ndarray, *, tolerance: float = 0.0) -> np.ndarray:
    """Does the hottest pixel of each map lie in the mask? (Zhang et al. 2016, arXiv:1608.00507).

    Parameters
    ----------
    maps : ndarray, shape (n, h, w)
        Heat, any unit.
    masks : ndarray of bool, shape (n, h, w)
        What should have been found, such as lesions; none may be empty.
    tolerance : float
        A maximum at most this many pixels from the mask still counts as a hit.

    Returns
    -------
    ndarray of bool, shape (n,)
        A flat map points nowhere and is a miss; the others point as :func:`hottest_pixel` says.

    Raises
    ------
    ValueError
        If shapes differ or a mask is empty: with nothing to find there is no game.
    """
    maps, masks = _paired(maps, masks)
    _refuse_empty(masks)
    return np.array([_hits(heat, mask, tolerance) for heat, mask in zip(maps, masks, strict=True)])


def _hits(heat: np.ndarray, mask: np.ndarray, tolerance: float) -> bool:
    if heat.min() == heat.max():
        return False
    return bool(distance_transform_edt(~mask)[hottest_pixel(heat)] <= tolerance)


def hottest_pixel(heat: np.ndarray) -> tuple[int, int]:
    """Where a map points: its maximum, and of a flat top the place that made it.

    A map that is smoothed from a grid keeps the value of its outermost places out to the edge of
    the film, so such a top counts from its inner end: there is the middle of the place. Any other
    flat top counts from its own middle.

    Parameters
    ----------
    heat : ndarray, shape (h, w)
        Of several separate tops, the largest counts.

    Returns
    -------
    tuple of int
        Row and column.
    """
    flat = heat >= heat.max() - ROUNDING * np.ptp(heat)
    parts, number = label(flat, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=number + 1)[1:]
    tops = np.argwhere(parts == 1 + sizes.argmax())
    aim = [
        _origin(int(along.min()), int(along.max()), length)
        for along, length in zip(tops.T, heat.shape, strict=True)
    ]
    row, column = tops[np.argmin(((tops - np.array(aim)) ** 2).sum(axis=1))]
    return int(row), int(column)


def _origin(first: int, last: int, length: int) -> float:
    """Along one axis, the middle of a flat top, or its inner end if it reaches one edge alone."""
    at_edges = (first == 0, last == length - 1)
    if at_edges == (True, False):
        return last
    return first if at_edges == (False, True) else (first + last) / 2


def pointing_chance(masks: np.ndarray, *, tolerance: float = 0.0) -> np.ndarray:
    """Share of the film where a point would count as a hit: what blind guessing scores.

    Parameters
    ----------
    masks : ndarray of bool, shape (n, h, w)
    tolerance : float
        In pixels, as in `pointing_game`.

    Returns
    -------
    ndarray of float, shape (n,)
    """
    masks = np.asarray(masks, dtype=bool)
    _refuse_empty(masks)
    return np.array([(distance_transform_edt(~mask) <= tolerance).mean() for mask in masks])


def heat_share(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Share of each map's positive heat that lies inside its mask.

    Parameters
    ----------
    maps : ndarray, shape (n, h, w)
        Heat; negative values count as none.
    masks : ndarray of bool, shape (n, h, w)

    Returns
    -------
    ndarray of float, shape (n,)
        In [0, 1]; NaN where a map has no heat at all, of which no share can be taken.
    """
    maps, masks = _paired(maps, masks)
    heat = np.maximum(maps, 0).astype(np.float64)
    total = heat.sum(axis=(1, 2))
    inside = (heat * masks).sum(axis=(1, 2))
    return np.divide(inside, total, out=np.full(len(maps), np.nan), where=total > 0)


def centred_blob(shape: tuple[int, int], *, spread: float = 0.25) -> np.ndarray:
    """Gaussian blob in the middle of the film: the map that a lazy method would draw.

    Parameters
    ----------
    shape : (h, w)
        In pixels.
    spread : float
        Standard deviation as a share of each side.

    Returns
    -------
    ndarray, shape (h, w), float32
        Maximum near 1.
    """
    y, x = (np.linspace(-0.5, 0.5, side) / spread for side in shape)
    return np.exp(-0.5 * (y[:, None] ** 2 + x[None, :] ** 2)).astype(np.float32)


def _paired(maps: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    maps, masks = np.asarray(maps), np.asarray(masks, dtype=bool)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(
            f"expected maps and masks of one shape (n, h, w), got {maps.shape} and {masks.shape}"
        )
    return maps, masks


def _refuse_empty(masks: np.ndarray) -> None:
    empty = np.flatnonzero(~masks.any(axis=(1, 2)))
    if len(empty):
        raise ValueError(
            f"expected something to find in every mask, got {len(empty)} empty ones "
            f"(the first at position {empty[0]}): leave those films out and count them"
        )
