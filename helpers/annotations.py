"""What experts saw on films of ieee8023: severity scores and outlines, for evaluation only."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from helpers.csv_files import read_csv
from helpers.table import decode_numbers

SCORES_FILE = "covid-severity-scores.csv"
SCORE_COLUMNS = ["filename", "geographic_mean", "opacity_mean"]
PLACES, SIDES = (0, 65_535), (1, 65_535)  # of an outline's corner and sides, in px
OUTLINE_COLUMNS = ["Class", "Filename", "Resolution", "Left", "Top", "Width", "Height", "Mask"]


class Annotations(NamedTuple):
    """Tables of expert annotation, each with ``image_path`` as the loader gives it.

    Attributes
    ----------
    severity
        A row a film: ``geographic`` extent (0–8), ``opacity`` (0–6), means of three experts
        (Cohen et al. 2020, arXiv:2005.11856), and ``lung_mask_path`` where there is one.
    outlines
        A row an outlined object: ``kind`` (such as ``Ground Glass Opacities``), its place
        (``left``, ``top``, ``width``, ``height``) in a picture of ``picture_width`` ×
        ``picture_height`` px, and ``mask_path``. Empty where the outlines are not there.
    """

    severity: pd.DataFrame
    outlines: pd.DataFrame


def load_annotations(root: str | Path) -> Annotations:
    """Read the annotations that belong to an ieee8023 folder.

    Parameters
    ----------
    root
        The cohort's folder; the radiologists' outlines are in ``segmentations`` beside it.

    Raises
    ------
    FileNotFoundError
        If the severity scores are missing.
    ValueError
        If a table lacks columns.
    """
    root = Path(root).absolute()
    return Annotations(_read_severity(root), _read_outlines(root))


def outline_mask(
    outlines: pd.DataFrame, image_path: str, kinds: Iterable[str], shape: tuple[int, int]
) -> np.ndarray:
    """Draw the outlines of some kinds on one film.

    Parameters
    ----------
    outlines
        The table of :func:`load_annotations`.
    image_path
        The film, as in the table.
    kinds
        Such as ``["Ground Glass Opacities", "Consolidation"]``.
    shape
        Height and width of the film in its own pixels, which may be a scaled copy of the picture
        that the radiologist outlined.

    Returns
    -------
    numpy.ndarray
        Bool, of this shape.

    Raises
    ------
    ValueError
        If the film has no outlines at all.
    """
    objects = outlines[outlines["image_path"] == image_path]
    if objects.empty:
        raise ValueError(f"No radiologist outlined {Path(image_path).name}.")
    first = objects.iloc[0]
    canvas = np.zeros((first["picture_height"], first["picture_width"]), np.uint8)
    for _, item in objects[objects["kind"].isin(list(kinds))].iterrows():
        _paint(canvas, item)
    height, width = shape
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _paint(canvas: np.ndarray, item: pd.Series) -> None:
    """Add one object: the coloured part of an RGBA crop whose rest is opaque black."""
    with Image.open(item["mask_path"]) as picture:
        crop = np.asarray(picture.convert("RGBA"))
    coloured = ((crop[..., :3].max(axis=2) > 0) & (crop[..., 3] > 0)).astype(np.uint8)
    coloured = cv2.resize(
        coloured, (item["width"], item["height"]), interpolation=cv2.INTER_NEAREST
    )
    top, left = item["top"], item["left"]
    target = canvas[top : top + item["height"], left : left + item["width"]]
    target |= coloured[: target.shape[0], : target.shape[1]]


def _read_severity(root: Path) -> pd.DataFrame:
    path = root / "annotations" / SCORES_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"The experts' severity scores are missing: annotations/{SCORES_FILE}. They come with "
            "`python -m helpers.downloads ieee8023`, or with the phantoms: `python -m phantoms`."
        )
    raw = _with_films(path, SCORE_COLUMNS, comment="#")
    masks = root / "annotations" / "lungVAE-masks"
    mask_paths = [masks / f"{Path(name).stem}_mask.png" for name in raw["filename"]]
    return pd.DataFrame(
        {
            "image_path": [str(root / "images" / name) for name in raw["filename"]],
            "geographic": decode_numbers(raw["geographic_mean"]),
            "opacity": decode_numbers(raw["opacity_mean"]),
            "lung_mask_path": [str(path) if path.is_file() else pd.NA for path in mask_paths],
        }
    ).astype({"image_path": "string", "lung_mask_path": "string"})


def _read_outlines(root: Path) -> pd.DataFrame:
    folder = root.parent / "segmentations"
    if not (folder / "structure.csv").is_file():
        columns = "image_path kind left top width height picture_width picture_height mask_path"
        return pd.DataFrame(columns=columns.split())
    raw = _with_films(folder / "structure.csv", OUTLINE_COLUMNS)
    raw = raw[raw["Mask"] != ""]  # some objects have no mask
    picture = raw["Resolution"].str.lower().str.extract(r"^(\d+)x(\d+)$")
    limits = {"Left": PLACES, "Top": PLACES, "Width": SIDES, "Height": SIDES}
    places = pd.DataFrame(
        {name: decode_numbers(raw[name], between=between) for name, between in limits.items()}
    )
    odd = places.isna() | places.ne(places.round()).fillna(True)
    wrong = picture.isna().any(axis=1) | odd.any(axis=1)
    if wrong.any():
        raise ValueError(
            f"structure.csv: {int(wrong.sum())} rows have no size (as 512x512) or no place in "
            "whole numbers. Fetch it again with `python -m helpers.downloads segmentations`."
        )
    picture = picture.astype(int)
    return pd.DataFrame(
        {
            "image_path": [str(root / "images" / name) for name in raw["Filename"]],
            "kind": raw["Class"].str.removeprefix("COVID-19 "),
            **{name.lower(): places[name].astype(int) for name in limits},
            "picture_width": picture[0],
            "picture_height": picture[1],
            "mask_path": [str(folder / name) for name in raw["Mask"]],
        }
    ).reset_index(drop=True)


def _with_films(path: Path, columns: list[str], comment: str | None = None) -> pd.DataFrame:
    """Read a table without the rows that name no film."""
    raw = read_csv(path, columns, comment=comment)
    film = next(column for column in columns if column.lower() == "filename")
    return raw[raw[film] != ""]
