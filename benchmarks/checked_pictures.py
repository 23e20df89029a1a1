"""The test set of the input checks: films that should pass, and pictures that should not.

None of them has taught a check: those learned from phantoms drawn by seeds of their own. But the
limits were settled while the real films were looked at (docs/input-checks.md).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_images

from helpers.cohorts import LOADERS, load_hannover
from helpers.paths import PROJECT, cohort_root
from helpers.pixels import read_radiograph
from helpers.splits import split_patients

PHANTOMS = PROJECT / "data" / "phantom"
LONGEST, EVERY = 768, 8  # px, of films that are spoiled here: one of so many
VIEWS = {
    **dict.fromkeys(["PA", "AP", "AP Supine"], "frontal films, ieee8023"),
    **{"L": "lateral films", "Axial": "CT, axial", "Coronal": "CT, coronal"},
}
# Grey and colour pictures that scikit-image carries with it.
PHOTOGRAPHS = (
    *("astronaut", "brick", "camera", "cell", "cat", "checkerboard", "clock", "coffee", "coins"),
    *("colorwheel", "grass", "gravel", "horse", "hubble_deep_field", "immunohistochemistry"),
    *("logo", "microaneurysms", "moon", "page", "retina", "rocket", "shepp_logan_phantom", "text"),
)


class Picture(NamedTuple):
    """A file and what it is."""

    kind: str
    frontal: bool  # a whole frontal film, upright
    data: bytes


def as_png(picture: np.ndarray) -> bytes:
    """PNG file of a picture, grey or RGB: bool, uint8, or float in [0, 1]."""
    if picture.dtype != np.uint8:
        picture = np.rint(255 * np.clip(picture.astype(np.float32), 0, 1)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def phantom_films() -> Iterator[Picture]:
    """Frontal films of the test patients of the three phantom cohorts."""
    for name, load in LOADERS.items():
        films = load(PHANTOMS / name)
        if name != "hannover":  # which is a test set as a whole
            films = split_patients(films).query("part == 'test'")
        for path in films["image_path"]:
            yield Picture(f"frontal phantoms, {name}", True, Path(path).read_bytes())


def real_films() -> pd.DataFrame:
    """Real pictures of ieee8023 and hannover: ``kind`` (NA if unknown), ``path``."""
    root = cohort_root("ieee8023")
    table = pd.read_csv(root / "metadata.csv", dtype="string").drop_duplicates("filename")
    table["path"] = [root / "images" / name for name in table["filename"]]
    table = table[table["path"].map(Path.is_file)]
    table["kind"] = table["view"].map(VIEWS)
    hannover = load_hannover(cohort_root("hannover"))  # frontal films alone
    hannover = pd.DataFrame(
        {"kind": "frontal films, hannover", "path": hannover["image_path"].map(Path)}
    )
    films = pd.concat([table[["kind", "path"]], hannover], ignore_index=True)
    return films.dropna(subset="kind")


def real_pictures() -> Iterator[Picture]:
    """Real films and CT pictures as they are, and every `EVERY`-th frontal film spoiled."""
    films = real_films()
    frontal = films["kind"].str.startswith("frontal")
    for film in films.itertuples():
        data = film.path.read_bytes()
        yield Picture(film.kind, film.kind.startswith("frontal"), data)
    rng = np.random.default_rng(0)
    for film in films[frontal].iloc[::EVERY].itertuples():
        pixels = _scaled(read_radiograph(film.path), LONGEST)
        for kind, picture in spoiled(pixels, rng):
            data = as_png(np.ascontiguousarray(picture))
            yield Picture(kind, False, data)


def spoiled(film: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """What may happen to a film before somebody uploads it."""
    yield "inverted", 1 - film
    for quarters, name in ((1, "90° to the left"), (2, "180°"), (3, "90° to the right")):
        yield f"turned by {name}", np.rot90(film, quarters)
    yield "tiny, 70–120 px", _scaled(film, int(rng.integers(70, 121)))
    for share in (0.4, 0.5):
        high, wide = (max(round(share * side), 64) for side in film.shape)
        top, left = (rng.integers(1 + max(side - part, 0)) for side, part in
                     zip(film.shape, (high, wide), strict=True))  # fmt: skip
        window = film[top : top + high, left : left + wide]
        yield f"cropped to {share:.0%} of both sides", window
    half = film.shape[1] // 2
    yield "cropped to one half", film[:, :half] if rng.random() < 0.5 else film[:, half:]


def _scaled(film: np.ndarray, longest: int) -> np.ndarray:
    scale = longest / max(film.shape)
    shape = tuple(max(round(side * scale), 1) for side in film.shape[::-1])
    return film if scale >= 1 else cv2.resize(film, shape, interpolation=cv2.INTER_AREA)


def other_pictures() -> Iterator[Picture]:
    """Photographs and figures, in colour and in grey, and noise."""
    pictures = [getattr(skimage.data, name)() for name in PHOTOGRAPHS]
    pictures += [*skimage.data.lfw_subset()[::10], *load_sample_images().images]
    for picture in pictures:
        scale = max(1, round(200 / max(picture.shape[:2])))
        picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
        yield Picture("photographs", False, as_png(picture))
        if picture.ndim == 3:
            grey = Image.open(io.BytesIO(as_png(picture))).convert("L")
            yield Picture("photographs made grey", False, as_png(np.asarray(grey)))
    rng = np.random.default_rng(0)
    for _ in range(10):
        for kind, picture in noise(rng).items():
            yield Picture(f"noise, {kind}", False, as_png(picture))


def noise(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Noise of several kinds, in [0, 1]."""
    shape = tuple(rng.integers(150, 500, 2))
    cells = rng.random((6, 6), dtype=np.float32)
    return {
        "uniform": rng.random(shape),
        "normal": rng.normal(0.5, 0.15, shape),
        "salt and pepper": rng.random(shape) < rng.uniform(0.1, 0.9),
        "smooth": cv2.GaussianBlur(rng.random(shape), (0, 0), 4) * 4 - 1.5,
        "clouds": cv2.resize(cells, shape[::-1], interpolation=cv2.INTER_CUBIC),
        "slope": np.linspace(0, 1, shape[1])[None] + rng.normal(0, 0.03, shape),
    }
