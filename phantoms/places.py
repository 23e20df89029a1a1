"""Learning where: ResNet's outputs at each place of the film, and the truth at each place.

A ResNet's output is a mean over the places of its last layer. A share of an area is a mean over
places as well, so it can be learned place by place: then the class activation map of the output
shows where the opacity is, and not merely how much of it there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from helpers.pixels import preprocess_mask

if TYPE_CHECKING:
    from .film import Film

PLACED = ("opaque_share", "lung_area")  # shares of which each place has its part
STRIDE = 32  # px: side of the squares that ResNet18's last layer tells apart
_LEAST_LUNG = 0.01  # visible, share of the square picture


class Places(nn.Module):
    """The outputs of a ResNet at each place: the mean over the places is what the ResNet puts out.

    Maps films (n, 1, side, side) to (n, side / 32, side / 32, outputs); the weights are shared.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        *trunk, _, self.fc = network.children()  # between them the mean over places
        self.trunk = nn.Sequential(*trunk)

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        """Apply the last layer at each place."""
        return self.fc(self.trunk(films).movedim(1, -1))


def place_targets(film: Film, size: int) -> np.ndarray:
    """Measure what each place of a film adds to the shares of `PLACED`.

    Parameters
    ----------
    film : Film
        As the network will see it: turned, cropped and hidden as it may be.
    size : int
        Side in px of the square that the network will see.

    Returns
    -------
    numpy.ndarray
        float32 (shares, size / 32, size / 32), each with the share as its mean: the place's share
        of opaque lung over the visible lungs' share of the picture, and its share of lung. The
        former is NaN where too little lung is visible.
    """
    opaque, lungs = (
        _means(preprocess_mask(mask, size)) for mask in (film.lesions & film.lungs, film.lungs)
    )
    visible = lungs.mean()
    return np.stack([opaque / visible if visible >= _LEAST_LUNG else opaque * np.nan, lungs])


def _means(mask: np.ndarray) -> np.ndarray:
    """Mean of a mask (size, size) in each place."""
    places = len(mask) // STRIDE
    squares = mask.astype(np.float32).reshape(places, STRIDE, places, STRIDE)
    return squares.mean(axis=(1, 3))
