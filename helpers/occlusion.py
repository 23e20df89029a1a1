"""Occlusion: what changes in the logit when a part of the film is hidden."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from helpers.activation import check_resnet


def occlude(
    network: nn.Module,
    images: Tensor,
    *,
    patch: int = 16,
    stride: int = 8,
    fill: float = 0.0,
    batch_size: int = 64,
) -> np.ndarray:
    """By how much the logit falls when a square of the film is covered (occlusion sensitivity).

    Zeiler and Fergus 2014, arXiv:1311.2901. It looks at the network from outside only, so it is a
    check of the class activation map that shares none of its assumptions.

    Parameters
    ----------
    network : nn.Module
        One logit, eval mode.
    images : Tensor, shape (n, 1, h, w)
        Normalised films.
    patch, stride : int
        Side of the square and step between squares, in pixels; `stride` at most `patch`, so that
        every pixel is covered at least once.
    fill : float
        What covers the film, in normalised units: 0 is the grey that normalising takes for zero,
        ImageNet's mean (:func:`helpers.radiographs.normalise`).
    batch_size : int
        Covered films a forward pass.

    Returns
    -------
    ndarray, shape (n, h, w), float32
        Mean fall of the logit over the squares that cover a pixel, in logits. Positive: the place
        spoke for the outcome.

    Raises
    ------
    ValueError
        If patch and stride leave pixels uncovered, or the network does not fit.
    """
    check_resnet(network)
    height, width = images.shape[-2:]
    if not 0 < stride <= patch <= min(height, width):
        raise ValueError(
            f"expected 0 < stride <= patch <= {min(height, width)} px, "
            f"got stride {stride} and patch {patch}"
        )
    corners = [
        (y, x) for y in _starts(height, patch, stride) for x in _starts(width, patch, stride)
    ]
    falls = np.zeros((len(images), height, width), dtype=np.float32)
    covers = np.zeros((height, width), dtype=np.float32)
    for y, x in corners:
        covers[y : y + patch, x : x + patch] += 1
    for image, fall in zip(images, falls, strict=True):
        for (y, x), drop in zip(
            corners, _drops(network, image, corners, patch, fill, batch_size), strict=True
        ):
            fall[y : y + patch, x : x + patch] += drop
    return falls / covers


def _starts(length: int, patch: int, stride: int) -> list[int]:
    """First pixels of squares that cover `length`; the last square ends at the edge."""
    return [*range(0, length - patch, stride), length - patch]


def _drops(
    network: nn.Module,
    image: Tensor,
    corners: list[tuple[int, int]],
    patch: int,
    fill: float,
    batch_size: int,
) -> Iterator[float]:
    """Logit of the whole film less the logit with each square covered."""
    with torch.inference_mode():
        whole = network(image[None])[0, 0]
        for start in range(0, len(corners), batch_size):
            chunk = corners[start : start + batch_size]
            covered = image.repeat(len(chunk), 1, 1, 1)
            for film, (y, x) in zip(covered, chunk, strict=True):
                film[:, y : y + patch, x : x + patch] = fill
            yield from (whole - network(covered)[:, 0]).tolist()
