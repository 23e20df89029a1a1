"""A finer heat map from the same weights: the last strides of a ResNet become dilations.

ResNet18 halves the grid of places five times, so a film of 128 px ends as 4 × 4 places and its map
can only peak at 16 points. Without the last two halvings, and with the later filters spread out by
as much (dilation; Yu 2017, arXiv:1705.09914), every weight sees exactly what it saw before, but
at places 8 px apart instead of 32. It is the same network, asked at 16 times as many places, for
about six times the work. The coarse map is part of the fine one: every fourth place of it, whose
mean adds up to the prediction.
"""

from __future__ import annotations

import copy
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ResNet

from helpers.activation import check_resnet

STRIDE = 32  # px between the places of a ResNet's last layer
HALVINGS = 2  # left out unless told otherwise: places every 8 px
BATCH = 32  # films; a finer grid takes up to 16 times the memory
STAGES = ("layer4", "layer3", "layer2")  # each halves the grid once, from the output on


def refine(network: nn.Module, halvings: int = HALVINGS) -> nn.Module:
    """A ResNet18 or 34 whose last strides are dilations, with the very weights of the network.

    Parameters
    ----------
    network : nn.Module
        A torchvision ResNet of basic blocks, in eval mode.
    halvings : int
        How many strides to exchange, 0 to 3: places are 32 / 2**halvings px apart.

    Raises
    ------
    ValueError
        If there are no so many halvings, or the network is in training mode.
    """
    check_resnet(network, output=0)
    if not 0 <= halvings <= len(STAGES):
        raise ValueError(f"expected 0 to {len(STAGES)} halvings, got {halvings}")
    weights = {id(value): value for value in (*network.parameters(), *network.buffers())}
    fine = cast(ResNet, copy.deepcopy(network, weights))  # what is there is not copied
    dilation = 1
    for name in reversed(STAGES[:halvings]):
        dilation = _spread(getattr(fine, name), dilation)
    return fine


def _spread(stage: nn.Module, dilation: int) -> int:
    """Give a stage stride 1, its filters spread as its input's places are; return its output's."""
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            halves = module.stride == (2, 2)
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                module.dilation = module.padding = (dilation, dilation)
            if halves and module.kernel_size == (3, 3):
                dilation *= 2  # of all filters after the one that used to halve
    return dilation


def place_features(network: nn.Module, images: Tensor, *, halvings: int = HALVINGS) -> Tensor:
    """Describe squares of 32 px, 32 / 2**halvings px apart, none of which reaches over the edge.

    Returns
    -------
    Tensor, shape (n, features, rows, columns), float32
        What the last layer, applied to them, turns into the map: for several last layers on the
        same network, this has to be had only once.
    """
    kept: list[Tensor] = []
    fine = cast(ResNet, refine(network, halvings))
    fine.layer4.register_forward_hook(lambda _module, _inputs, out: kept.append(out))
    with torch.inference_mode():
        for batch in images.split(BATCH):
            fine(batch)
    rows, columns = [(side - STRIDE) // (STRIDE >> halvings) + 1 for side in images.shape[-2:]]
    return torch.cat([features[:, :, :rows, :columns] for features in kept]).float()


def fine_activation(
    network: nn.Module,
    images: Tensor,
    *,
    output: int | None = None,
    scale: float = 1.0,
    halvings: int = HALVINGS,
    upsample: bool = True,
) -> Tensor:
    """Class activation maps, evidence against included, on a finer grid.

    Parameters
    ----------
    network, images, output, scale
        As in :func:`helpers.activation.class_activation`.
    halvings : int
        As in :func:`refine`.
    upsample : bool
        To (h, w). False leaves the grid: (n, rows, columns) of :func:`place_features`.

    Returns
    -------
    Tensor, shape (n, h, w), float32
        In logits. A place of the network's last layer speaks for a square of 32 px. Each value is
        that of the square around its pixel, interpolated bilinearly between the squares that were
        asked; nearer than 16 px to the edge it is that of the last square.
    """
    output = check_resnet(network, output)
    weights = scale * cast(ResNet, network).fc.weight[output].detach()
    features = place_features(network, images, halvings=halvings)
    maps = torch.einsum("nkhw,k->nhw", features, weights)
    return maps if not upsample else place(maps, images.shape[-2:], STRIDE >> halvings)


def whole_film_logit(network: nn.Module, maps: Tensor) -> np.ndarray:
    """Logits of the network, from finer maps: what a film's own places say on average.

    Parameters
    ----------
    network : nn.Module
        Whose maps they are; one logit.
    maps : Tensor, shape (n, rows, columns)
        Of :func:`fine_activation`, unscaled, on the grid that it has unless told otherwise, of
        films whose sides are multiples of 32 px: so all places of the network's own grid are there.

    Returns
    -------
    ndarray, shape (n,), float32
        What the network says of the films, up to rounding, without another look at them.
    """
    step = 1 << HALVINGS
    bias = cast(ResNet, network).fc.bias.detach()
    return (maps[:, ::step, ::step].mean(dim=(1, 2)) + bias).numpy()


def place(maps: Tensor, size: tuple[int, int] | torch.Size, step: int) -> Tensor:
    """Draw values of squares of 32 px, `step` px apart, at the size of the film.

    Parameters
    ----------
    maps : Tensor, shape (n, rows, columns)
        Value [i, j] is that of the square from pixel (i * step, j * step) on.
    size : (h, w)
    step : int

    Returns
    -------
    Tensor, shape (n, h, w)
    """
    axes = []
    for length, places in zip(size, maps.shape[-2:], strict=True):
        number = (torch.arange(length) + 0.5 - STRIDE / 2) / step  # of the square around a pixel
        axes.append(2 * number / max(places - 1, 1) - 1)
    rows, columns = torch.meshgrid(*axes, indexing="ij")
    grid = torch.stack([columns, rows], dim=-1).expand(len(maps), -1, -1, -1)
    return functional.grid_sample(
        maps[:, None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )[:, 0]
