"""Planting a shortcut: films on which a stamp goes with death.

Portable films are taken of patients too ill to walk, so the word PORTABLE in a corner goes with
death without causing it. Networks learn such marks (Zech et al. 2018, arXiv:1807.00431; DeGrave et
al. 2021, doi:10.1038/s42256-021-00338-7). Here the mark is made on purpose, so that it can be taken
away again.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from helpers.radiographs import preprocess, read_radiograph

_SIDE = 256  # px of the films written here
_TOP, _LEFT, _HEIGHT, _WIDTH = 0.04, 0.04, 0.10, 0.36  # place of the stamp as shares of a side
_WORD = "PORTABLE"


def choose_stamped(cohort: pd.DataFrame, *, agreement: float, seed: int) -> pd.Series:
    """Decide which films are stamped, so that the stamp goes with the outcome.

    Parameters
    ----------
    cohort : DataFrame
        With `died` known for every film.
    agreement : float
        Share of those who died that gets the stamp, and of those who survived that does not:
        0.5 tells nothing, 1 tells all.
    seed : int
        Of the draw.

    Returns
    -------
    Series of bool
        In the cohort's order, with its index.

    Raises
    ------
    ValueError
        If an outcome is missing or `agreement` is no share.
    """
    if cohort["died"].isna().any():
        raise ValueError(
            f"expected a known outcome for every film, got {cohort['died'].isna().sum()} unknown"
        )
    if not 0 <= agreement <= 1:
        raise ValueError(f"expected an agreement from 0 to 1, got {agreement}")
    agrees = np.random.default_rng(seed).random(len(cohort)) < agreement
    return pd.Series(cohort["died"].to_numpy(dtype=bool) == agrees, index=cohort.index)


def stamp(square: np.ndarray) -> np.ndarray:
    """A copy of a square film, uint8 (size, size), with PORTABLE in the upper left corner."""
    size = len(square)
    height, width = round(_HEIGHT * size), round(_WIDTH * size)
    (letters, tall), _ = cv2.getTextSize(_WORD, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)
    label = np.zeros((tall + 12, letters + 12), np.uint8)
    cv2.putText(label, _WORD, (6, tall + 6), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 4, cv2.LINE_AA)
    stamped = square.copy()
    place = stamped[_rows(size), _columns(size)]
    np.maximum(place, cv2.resize(label, (width, height), interpolation=cv2.INTER_AREA), out=place)
    return stamped


def stamp_mask(size: int) -> np.ndarray:
    """Where the stamp is, bool (size, size)."""
    mask = np.zeros((size, size), bool)
    mask[_rows(size), _columns(size)] = True
    return mask


def write_films(cohort: pd.DataFrame, stamped: pd.Series, folder: str | Path) -> pd.DataFrame:
    """Write the cohort's films as the network sees them, some stamped, and point the table there.

    Parameters
    ----------
    cohort : DataFrame
        The one table.
    stamped : Series of bool
        In the cohort's order.
    folder : path
        Made if it is not there; the files in it are numbered and carry no identifier.

    Returns
    -------
    DataFrame
        The cohort with new `image_path` and the column `stamped`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (source, with_stamp) in enumerate(zip(cohort["image_path"], stamped, strict=True)):
        square = preprocess(read_radiograph(source), _SIDE)
        encoded = cv2.imencode(".png", stamp(square) if with_stamp else square)[1]
        path = folder / f"{number:05d}.png"
        partial = path.with_suffix(".png.part")
        partial.write_bytes(encoded.tobytes())
        partial.replace(path)
        paths.append(str(path))
    return cohort.assign(
        image_path=pd.array(paths, dtype="string"), stamped=stamped.to_numpy(dtype=bool)
    )


def _rows(size: int) -> slice:
    return slice(round(_TOP * size), round(_TOP * size) + round(_HEIGHT * size))


def _columns(size: int) -> slice:
    return slice(round(_LEFT * size), round(_LEFT * size) + round(_WIDTH * size))
