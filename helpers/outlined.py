"""Films on which radiologists outlined lesions and lungs, as the network sees them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.annotations import outline_mask
from helpers.cohorts import cohort_root, load_annotations
from helpers.pixels import preprocess_mask, read_radiograph

LESIONS = ("Ground Glass Opacities", "Consolidation")
LUNGS = ("Left Lung", "Right Lung")


class Outlined(NamedTuple):
    """Films (``image_path``, ``patient_id``) and their outlines, bool (n, size, size)."""

    films: pd.DataFrame
    lesions: np.ndarray
    lungs: np.ndarray


def load_outlined(size: int) -> Outlined:
    """Films of ieee8023 with outlined lesions, which is what a heat map can be compared with.

    Outcomes play no part, so films that the cohort leaves out for want of one are here, too.

    Parameters
    ----------
    size : int
        Side in px of the square that the network sees.

    Returns
    -------
    Outlined
        Empty where there are no outlines.
    """
    root = cohort_root("ieee8023")
    outlines = load_annotations(root).outlines
    published = pd.read_csv(root / "metadata.csv", dtype="string")[["patientid", "filename"]]
    films = pd.DataFrame({"filename": [Path(p).name for p in outlines["image_path"]]})
    films = films.assign(image_path=outlines["image_path"].to_numpy()).drop_duplicates()
    films = films[[Path(path).is_file() for path in films["image_path"]]]
    films = films.merge(published.drop_duplicates("filename"), on="filename", how="inner")
    films = films.rename(columns={"patientid": "patient_id"}).drop(columns="filename")
    films["died"] = pd.array([pd.NA] * len(films), dtype="boolean")
    lesions, lungs = (
        np.stack([_mask(outlines, path, kinds, size) for path in films["image_path"]])
        if len(films)
        else np.zeros((0, size, size), bool)
        for kinds in (LESIONS, LUNGS)
    )
    found = np.flatnonzero(lesions.any(axis=(1, 2)))
    return Outlined(films.iloc[found].reset_index(drop=True), lesions[found], lungs[found])


def _mask(outlines: pd.DataFrame, path: str, kinds: tuple[str, ...], size: int) -> np.ndarray:
    return preprocess_mask(outline_mask(outlines, path, kinds, read_radiograph(path).shape), size)
