"""Films on which radiologists outlined lesions and lungs, as the network sees them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.annotations import outline_mask
from helpers.cohorts import cohort_root, load_annotations, load_cohort
from helpers.radiographs import preprocess_mask, read_radiograph

LESIONS = ("Ground Glass Opacities", "Consolidation")
LUNGS = ("Left Lung", "Right Lung")


class Outlined(NamedTuple):
    """Films of the one table, and their outlines, bool (n, size, size)."""

    films: pd.DataFrame
    lesions: np.ndarray
    lungs: np.ndarray


def load_outlined(size: int) -> Outlined:
    """Films of ieee8023 with outlined lesions, which is what a heat map can be compared with.

    Parameters
    ----------
    size : int
        Side in px of the square that the network sees.

    Returns
    -------
    Outlined
        Empty where there are no outlines.
    """
    outlines = load_annotations(cohort_root("ieee8023")).outlines
    cohort = load_cohort("ieee8023")
    films = cohort[cohort["image_path"].isin(outlines["image_path"])].reset_index(drop=True)
    lesions, lungs = (
        np.stack([_mask(outlines, path, kinds, size) for path in films["image_path"]])
        if len(films)
        else np.zeros((0, size, size), bool)
        for kinds in (LESIONS, LUNGS)
    )
    found = lesions.any(axis=(1, 2))
    return Outlined(films[found].reset_index(drop=True), lesions[found], lungs[found])


def _mask(outlines: pd.DataFrame, path: str, kinds: tuple[str, ...], size: int) -> np.ndarray:
    return preprocess_mask(outline_mask(outlines, path, kinds, read_radiograph(path).shape), size)
