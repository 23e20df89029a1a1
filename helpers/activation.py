"""The class activation map: what each place of a film contributes to a ResNet's logit.

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

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ResNet


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
    output = check_resnet(network, output)
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


def check_resnet(network: nn.Module, output: int | None = None) -> int:
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


def to_own_range(maps: np.ndarray) -> np.ndarray:
    """Maps, (n, h, w), each scaled by its own minimum and maximum to [0, 1]; a flat one becomes 0.

    It keeps the pattern and throws the amount of evidence away: for comparing patterns only.
    """
    low = maps.min(axis=(1, 2), keepdims=True)
    reach = maps.max(axis=(1, 2), keepdims=True) - low
    return np.divide(maps - low, reach, out=np.zeros_like(maps), where=reach > 0)
