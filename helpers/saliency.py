"""Heat maps of a ResNet, and the checks that say how far to trust them.

ResNet18 ends in an average over places and one linear layer. Its logit is therefore a mean over
places, logit = bias + mean(map), of the class activation map (Zhou et al. 2016, arXiv:1512.04150)

    map[y, x] = sum over channels k of fc.weight[k] * layer4[k, y, x].

For such a network Grad-CAM on layer4 (Selvaraju et al. 2017, arXiv:1610.02391) is the same map
divided by the number of places, so one forward pass does and no gradient is needed.

**Unit.** A map is in logits: +2 at a place means that a film which looks like this place
everywhere would have a logit of bias + 2. A unit that does not depend on the film lets two maps
share one colour bar; scaling each map to its own maximum would hide that there is no evidence.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import cast

import numpy as np
import pandas as pd
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ResNet

from helpers.localisation import centred_blob, heat_share, pointing_chance, pointing_game

__all__ = [
    "CASCADE",
    "centred_blob",
    "class_activation",
    "heat_share",
    "occlude",
    "pointing_chance",
    "pointing_game",
    "randomization_similarity",
    "to_own_range",
]

CASCADE = ("fc", "layer4", "layer3", "layer2", "layer1", "conv1")
"""Stages of a ResNet from the output to the input: the order of cascading randomisation."""


def class_activation(
    network: nn.Module,
    images: Tensor,
    *,
    output: int | None = None,
    scale: float = 1.0,
    relu: bool = True,
    upsample: bool = True,
) -> tuple[Tensor, Tensor]:
    """Logits and class activation maps of one output of a ResNet, in one forward pass.

    Parameters
    ----------
    network : nn.Module
        A torchvision ResNet whose `fc` is one linear layer, in eval mode.
    images : Tensor, shape (n, 1, h, w)
        Normalised films, as `helpers.radiographs.normalise` returns them.
    output : int, optional
        Which output of `fc`; needed where it has several.
    scale : float
        Factor on the maps, before the ReLU. With the slope of a model's recalibration they are in
        units of the calibrated log odds, which is what the risk is made from.
    relu : bool
        Keep only evidence *for* the outcome, as Grad-CAM does. False also keeps evidence against
        it; then scale * (logit - fc.bias) = mean of the map that is not upsampled.
    upsample : bool
        Bilinearly (after the ReLU, as the grad-cam package does) to (h, w). False leaves the
        network's own grid of (h / 32, w / 32) places: the map has no finer detail than that.

    Returns
    -------
    logits : Tensor, shape (n,)
    maps : Tensor, shape (n, h, w), float32
        In logits.

    Raises
    ------
    ValueError
        If the network is in training mode (batch statistics would mix the films), has no such
        output, or has several and none is named.
    """
    output = _check(network, output)
    resnet = cast(ResNet, network)
    kept: list[Tensor] = []
    handle = resnet.layer4.register_forward_hook(lambda _module, _inputs, out: kept.append(out))
    try:
        with torch.inference_mode():
            logits = resnet(images)[:, output]
    finally:
        handle.remove()
    with torch.inference_mode():
        maps = scale * torch.einsum("nkhw,k->nhw", kept[0], resnet.fc.weight[output])
        if relu:
            maps = maps.clamp(min=0)
        if upsample:
            maps = functional.interpolate(
                maps[:, None], size=images.shape[-2:], mode="bilinear", align_corners=False
            )[:, 0]
    return logits.float(), maps.float()


def _check(network: nn.Module, output: int | None = None) -> int:
    """Refuse networks that the methods do not fit; return the number of the output to explain."""
    if network.training:
        raise ValueError("expected a network in eval mode, got training mode: call network.eval()")
    outputs = getattr(getattr(network, "fc", None), "out_features", None)
    if output is None and outputs == 1:
        return 0
    if output is None:
        raise ValueError(
            f"expected a ResNet whose fc is a linear layer with 1 logit, got {outputs} outputs: "
            "name the one to explain (with two logits of two classes, it is their difference)"
        )
    if outputs is None or not 0 <= output < outputs:
        raise ValueError(f"expected a ResNet with an output number {output}, got {outputs} outputs")
    return output


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
        What covers the film, in normalised units: 0 is the mean grey of the training films.
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
    _check(network)
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


def randomization_similarity(
    network: nn.Module, images: Tensor, *, seed: int = 0, relu: bool = True
) -> pd.DataFrame:
    """Do the maps change when what the network has learned is destroyed, stage by stage?

    Cascading weight randomisation (Adebayo et al. 2018, arXiv:1810.03292): the last stage gets
    fresh random weights, then the last two, and so on to the first. A method whose maps stay the
    same draws the film, not the network. Maps are compared by their structural similarity, each
    scaled to its own range first, since only the pattern is asked about here.

    Parameters
    ----------
    network : nn.Module
        One logit, eval mode; it is copied, not changed.
    images : Tensor, shape (n, 1, h, w)
        Normalised films.
    seed : int
        Of the fresh weights.
    relu : bool
        As in `class_activation`.

    Returns
    -------
    DataFrame
        A row a film and stage: `stage` (category "trained", then `CASCADE`, in that order),
        `image` (position in `images`), `similarity` (SSIM, 1 where nothing changed).
    """
    _, trained = class_activation(network, images, relu=relu)
    shuffled = copy.deepcopy(network)
    stages = dict(shuffled.named_children())
    rows = [("trained", image, 1.0) for image in range(len(images))]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for stage in CASCADE:
            _reinitialise(stages[stage])
            if stage == "conv1":
                _reinitialise(stages["bn1"])
            _, maps = class_activation(shuffled, images, relu=relu)
            for image, (before, after) in enumerate(zip(trained, maps, strict=True)):
                rows.append((stage, image, _similarity(before.numpy(), after.numpy())))
    table = pd.DataFrame(rows, columns=["stage", "image", "similarity"])
    order = pd.CategoricalDtype(["trained", *CASCADE], ordered=True)
    return table.astype({"stage": order})


def _reinitialise(stage: nn.Module) -> None:
    """Fresh weights as torchvision draws them before training."""
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d | nn.Linear):
            module.reset_parameters()


def _similarity(before: np.ndarray, after: np.ndarray) -> float:
    before, after = to_own_range(np.stack([before, after]))
    return float(structural_similarity(before, after, data_range=1.0))


def to_own_range(maps: np.ndarray) -> np.ndarray:
    """Maps, (n, h, w), each scaled by its own minimum and maximum to [0, 1]; a flat one becomes 0.

    It keeps the pattern and throws the amount of evidence away: for comparing patterns only.
    """
    low = maps.min(axis=(1, 2), keepdims=True)
    reach = maps.max(axis=(1, 2), keepdims=True) - low
    return np.divide(maps - low, reach, out=np.zeros_like(maps), where=reach > 0)
