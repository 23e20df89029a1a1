"""What only phantoms know: the truth about every film, to compare results with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.pixels import preprocess_mask

TRUTH_COLUMNS = (
    "image_path", "patient_id", "day", "rank", "view", "sex", "age", "comorbidities", "severity",
    "true_died", "true_risk", "true_image_risk", "true_film_age_risk", "opacity", "density",
    "laterality", "heart", "state", "devices", "opaque_share", "mask_path",
)  # fmt: skip


def truth(root: str | Path, name: str) -> pd.DataFrame:
    """Return the truth about the frontal COVID films of one phantom cohort, a row a film.

    Parameters
    ----------
    root : folder of the phantom cohorts, usually ``data/phantom``
    name : "ieee8023", "sbu" or "hannover"

    Returns
    -------
    table : DataFrame with columns

        - image_path, mask_path: full paths; ``image_path`` equals the loader's
        - patient_id as published; day, rank (0 = the patient's first film), view
        - sex, age (years), comorbidities (0 to 2), severity (sd), also where they are not published
        - true_died: whether the patient dies
        - true_risk: P(death | everything that causes death)
        - true_image_risk: P(death | what the film shows of disease, devices, view and heart, the
          site and the patient's sex), the best that a reader of these can do
        - true_film_age_risk: the same given the age in years as well
        - opacity, density, laterality, heart: what the film was asked to show
        - opaque_share: share of the visible lung that is opaque, measured on the masks (which
          show the whole exposure even where the published picture is its central square)
        - state: ward, intensive care or intubated when the film was taken
        - devices: what is on the film, joined by " + ", or an empty string

    Raises
    ------
    FileNotFoundError
        If the cohorts have not been made.
    """
    root = Path(root).absolute()  # as the loaders give paths
    path = root / "truth" / f"{name}.csv"
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the truth of phantom cohort {name!r} at {path}, found nothing; "
            "make the phantoms with `python -m phantoms`"
        )
    table = pd.read_csv(path, dtype={"patient_id": "string"}, keep_default_na=False, na_values={
        "opaque_share": [""]})  # fmt: skip
    table["image_path"] = [str(root / p) for p in table["image_path"]]
    table["mask_path"] = [str(root / p) for p in table["mask_path"]]
    return table


def load_masks(mask_path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Return lungs and lesions of one film, each (h, w) bool.

    They have the size of the film as rendered; stretch them to the published picture, which shows
    exactly the same field.
    """
    with Image.open(mask_path) as picture:
        index = np.asarray(picture)
    return (index & 1).astype(bool), (index & 2).astype(bool)


def square_masks(
    root: str | Path, name: str, image_paths: Iterable[str], size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return lungs and lesions of films of one phantom cohort as a network sees the films.

    Parameters
    ----------
    root, name : as in :func:`truth`
    image_paths : of the films, as in the truth
    size : side in px of the network's square

    Returns
    -------
    lungs, lesions : each (n, size, size) bool
    """
    paths = truth(root, name).set_index("image_path")["mask_path"]
    pairs = [load_masks(paths[path]) for path in image_paths]
    lungs, lesions = (
        np.stack([preprocess_mask(mask, size) for mask in masks])
        for masks in zip(*pairs, strict=True)
    )
    return lungs, lesions
