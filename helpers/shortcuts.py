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
from torch import nn

from helpers.dicom_picture import encode_png
from helpers.probing import fit_head, risks_of

WAYS = ("with stamps", "without")
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


def write_films(cohort: pd.DataFrame, squares: np.ndarray, folder: str | Path) -> pd.DataFrame:
    """Store changed films as PNGs, for what takes films from files.

    Parameters
    ----------
    cohort : DataFrame
        A row a film.
    squares : ndarray, shape (n, size, size), uint8
        The films, in the cohort's order.
    folder : str or Path
        Made if it is not there.

    Returns
    -------
    DataFrame
        The cohort with the new files as ``image_path``.

    Raises
    ------
    ValueError
        If the films are not as many as the rows; nothing is written then.
    """
    if len(squares) != len(cohort):
        raise ValueError(f"expected {len(cohort)} films, one a row, got {len(squares)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(len(squares))]
    for path, square in zip(paths, squares, strict=True):
        path.write_bytes(encode_png(square))
    return cohort.assign(image_path=[str(path) for path in paths])


def teach_and_test(
    marked: np.ndarray, plain: np.ndarray, cohort: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, nn.Linear]]:
    """Teach last layers on films with and without stamps, and test both on both.

    Parameters
    ----------
    marked, plain : ndarray, shape (n, 512)
        What a last layer gets to see (:func:`helpers.probing.features`) of the cohort's films, some
        of them stamped, and of all of them without a stamp.
    cohort : DataFrame
        A row a film, as for :func:`helpers.probing.fit_head`.

    Returns
    -------
    risks : DataFrame
        The test part, with four more columns: (taught, tested), each ``"with stamps"`` or
        ``"without"``, as "taught | tested".
    heads : dict of str to nn.Linear
        The last layers by how they were taught (:func:`helpers.probing.with_head` puts one on).
    """
    test = cohort["part"].to_numpy(str) == "test"
    seen = dict(zip(WAYS, (marked, plain), strict=True))
    heads = {taught: fit_head(lesson, cohort) for taught, lesson in seen.items()}
    risks = {
        f"{taught} | {tested}": risks_of(head, exam[test])
        for taught, head in heads.items()
        for tested, exam in seen.items()
    }
    return cohort[test].assign(**risks).reset_index(drop=True), heads


def _rows(size: int) -> slice:
    return slice(round(_TOP * size), round(_TOP * size) + round(_HEIGHT * size))


def _columns(size: int) -> slice:
    return slice(round(_LEFT * size), round(_LEFT * size) + round(_WIDTH * size))
