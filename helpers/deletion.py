"""Deletion and insertion: does the prediction follow the places that the map calls important?

Petsiuk 2018 (RISE, arXiv:1806.07421). Squares of the film are taken away, or put in, in the order
of their heat. What is taken away is replaced by a blurred film rather than by grey, so that no
edges appear that were never there.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

from helpers.activation import check_resnet

BLUR = 10.0  # px, standard deviation: what is as small as a lesion is gone


def deletion_curve(
    network: nn.Module,
    images: Tensor,
    maps: np.ndarray | Tensor,
    *,
    insert: bool = False,
    cell: int = 16,
    steps: int = 16,
) -> np.ndarray:
    """Logits as squares of a film are blurred, or sharpened, in the order of their heat.

    Parameters
    ----------
    network : nn.Module
        One logit, eval mode.
    images : Tensor, shape (n, 1, h, w)
        Normalised films; h and w multiples of `cell`.
    maps : array, shape (n, h, w)
        Heat; only its order from square to square counts. Random numbers give a random order.
    insert : bool
        Begin with the blurred film and put squares in, instead of taking them away.
    cell : int
        Side of a square in px.
    steps : int
        Steps from nothing to all squares.

    Returns
    -------
    ndarray, shape (n, steps + 1), float32
        From no square to all.

    Raises
    ------
    ValueError
        If the sides are no multiples of `cell`, or the maps have another size.
    """
    check_resnet(network)
    maps = torch.from_numpy(np.array(maps, dtype=np.float32))
    n, _, height, width = images.shape
    if height % cell or width % cell or maps.shape != (n, height, width):
        raise ValueError(
            f"expected maps of shape {(n, height, width)} and sides that are multiples of {cell} "
            f"px, got maps of shape {tuple(maps.shape)}"
        )
    heat = functional.avg_pool2d(maps[:, None], cell).flatten(1)
    rank = heat.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    blurred = gaussian_blur(images, kernel_size=[2 * round(2 * BLUR) + 1] * 2, sigma=[BLUR] * 2)
    first, last = (blurred, images) if insert else (images, blurred)
    places = (n, 1, height // cell, width // cell)
    curve = []
    with torch.inference_mode():
        for step in range(steps + 1):
            done = (rank < round(step * heat.shape[1] / steps)).view(places).float()
            mask = functional.interpolate(done, scale_factor=cell, mode="nearest")
            curve.append(network(torch.lerp(first, last, mask))[:, 0])
    return torch.stack(curve, dim=1).numpy()


def area_under(curve: np.ndarray) -> np.ndarray:
    """Mean height of curves (n, steps + 1) over their steps, by the trapezoidal rule: (n,)."""
    return np.trapezoid(curve, axis=1) / (curve.shape[1] - 1)
