"""Films as tensors: the data set that training, evaluation and explanation share."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from helpers.cache import FilmCache
from helpers.pixels import (
    PREPROCESSING,
    UnreadableRadiograph,
    preprocess,
    preprocess_mask,
    read_radiograph,
)
from helpers.table import exclude

__all__ = [
    "PREPROCESSING",
    "Radiographs",
    "UnreadableRadiograph",
    "exclude_unreadable",
    "normalise",
    "preprocess",
    "preprocess_mask",
    "read_radiograph",
]

# ImageNet's mean and standard deviation, averaged over its three colours.
MEAN, STANDARD_DEVIATION = 0.449, 0.226
CHUNK = 256  # films in memory at a time


def normalise(films: torch.Tensor) -> torch.Tensor:
    """Turn films, uint8 (n, size, size), into network input, float32 (n, 1, size, size)."""
    return (films.float().div_(255).sub_(MEAN).div_(STANDARD_DEVIATION)).unsqueeze(1)


class Radiographs:
    """A cohort's films and outcomes, in the cohort's order.

    Parameters
    ----------
    cohort
        The one table.
    size
        Side of the square films in px.
    cache
        The store of preprocessed films; the default one if not given.

    Attributes
    ----------
    died : torch.Tensor
        float32, shape (n,): 1 died, 0 survived, NaN unknown.

    Raises
    ------
    ValueError
        If a film cannot be read. Leave such films out with :func:`exclude_unreadable`.
    """

    def __init__(self, cohort: pd.DataFrame, size: int, *, cache: FilmCache | None = None) -> None:
        cache = cache or FilmCache(size)
        places = cache.add(list(cohort["image_path"]))
        unreadable = places[places["row"].isna()]
        if len(unreadable):
            raise ValueError(
                f"{len(unreadable)} of {len(places)} films cannot be read; the first because: "
                f"{unreadable['reason'].iloc[0]} Leave them out with exclude_unreadable(cohort)."
            )
        self.size = size
        self.died = torch.tensor(
            cohort["died"].astype("Float32").to_numpy(np.float32, na_value=np.nan)
        )
        self._rows = places["row"].to_numpy(np.int64)
        self._films = cache.films()

    def __len__(self) -> int:
        """Count the films."""
        return len(self._rows)

    def batch(self, indices: Sequence[int] | np.ndarray | torch.Tensor | slice) -> torch.Tensor:
        """Return films by their place in the cohort: uint8, shape (len(indices), size, size)."""
        # NumPy takes a tensor with one element for a single number, and would drop the first axis.
        places = indices if isinstance(indices, slice) else np.asarray(indices)
        return torch.from_numpy(self._films[self._rows[places]])

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield all films in their order, at most 256 in memory: uint8, shape (n, size, size).

        Of no films one empty chunk, so that chunks can always be put together.
        """
        for start in range(0, max(len(self), 1), CHUNK):
            yield self.batch(slice(start, start + CHUNK)).numpy()

    def sha256(self) -> str:
        """Hash of films and outcomes in their order, which decides what a seed makes of them."""
        digest = hashlib.sha256(self.died.numpy().tobytes())
        for row in self._rows:
            digest.update(self._films[row].tobytes())
        return digest.hexdigest()

    @property
    def images(self) -> np.ndarray:
        """All films: uint8, shape (n, size, size), copied into memory."""
        return self._films[self._rows]


def exclude_unreadable(
    cohort: pd.DataFrame, size: int, *, cache: FilmCache | None = None
) -> pd.DataFrame:
    """Leave out films that cannot be read, each counted under its reason in the flow."""
    places = (cache or FilmCache(size)).add(list(cohort["image_path"]))
    reasons = places["reason"].set_axis(cohort.index)
    for reason in sorted(reasons.dropna().unique()):
        unwanted = reasons.loc[cohort.index] == reason
        cohort = exclude(cohort, unwanted, f"unreadable: {reason}")
    return cohort.reset_index(drop=True)
