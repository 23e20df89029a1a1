"""Where the phantom start reads opaque lung: its class activation map, in shares of each place."""

from __future__ import annotations

from typing import cast

import torch
from torchvision.models import ResNet

from helpers.activation import class_activation
from helpers.fine_grid import fine_activation
from helpers.severity import COLUMNS, SHARES, SeverityModel


def opacity_maps(
    severity: SeverityModel, images: torch.Tensor, *, halvings: int | None = 2
) -> torch.Tensor:
    """Share of each place of a film that is opaque lung.

    Phantoms taught the start place by place: its map of the opaque share was compared with the
    true lesions (`phantoms.places`). The share of the visible lungs that a place adds, times the
    lungs' share of the film, is the share of the place itself.

    Parameters
    ----------
    severity : SeverityModel
    images : Tensor, shape (n, 1, h, w)
        Normalised films.
    halvings : int or None
        Of :func:`helpers.fine_grid.fine_activation`; None is the network's own grid, upsampled.

    Returns
    -------
    Tensor, shape (n, h, w), float32
        At least 0; a place with 1 is opaque lung throughout.
    """
    number = COLUMNS.index("opaque_share")
    if halvings is None:
        _, maps = class_activation(severity.network, images, output=number, relu=False)
    else:
        maps = fine_activation(severity.network, images, output=number, halvings=halvings)
    lung_area = _shares(severity, "lung_area", _outputs(severity, images, "lung_area"))
    constant = cast(ResNet, severity.network).fc.bias[number].detach()
    opaque = _shares(severity, "opaque_share", maps + constant)
    return (opaque * lung_area.clamp(min=0)[:, None, None]).clamp(min=0)


def _outputs(severity: SeverityModel, images: torch.Tensor, name: str) -> torch.Tensor:
    with torch.inference_mode():
        return severity.network(images)[:, COLUMNS.index(name)]


def _shares(severity: SeverityModel, name: str, outputs: torch.Tensor) -> torch.Tensor:
    target = next(target for target in SHARES if target.name == name)
    return target.centre + target.scale * outputs
