"""Small synthetic cohorts for tests that need no phantoms."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from helpers.table import one_table


def write_film(path: Path, grey: np.ndarray) -> Path:
    """Write a grey picture, shape (h, w), uint8 or uint16, in the format its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), grey)
    return path


def random_film(rng: np.random.Generator, *, bright: bool = False, side: int = 96) -> np.ndarray:
    """Noise with, for a death, a bright lower half: easy for any network to learn."""
    film = rng.integers(0, 120, (side, side)).astype(np.uint8)
    if bright:
        film[side // 2 :] += 120
    return film


def easy_cohort(folder: Path, patients: int, *, seed: int = 0, site: str = "ieee8023"):
    """A cohort of one film a patient, a third of whom died, visibly."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(patients):
        died = number % 3 == 0
        path = write_film(folder / f"{seed}-{number}.png", random_film(rng, bright=died))
        rows.append(
            {
                "patient_id": f"{seed}-{number}",
                "image_path": str(path),
                "view": "AP",
                "day": 0,
                "sex": "F",
                "age": 60,
                "died": died,
            }
        )
    return one_table(pd.DataFrame(rows), site)


def films_in(folder, count, seed=0):
    rng = np.random.default_rng(seed)
    return [str(write_film(folder / f"{i}.png", random_film(rng))) for i in range(count)]
