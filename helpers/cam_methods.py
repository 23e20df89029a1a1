"""Other ways to draw a heat map, by the grad-cam package and Captum, and a measure for all of them.

Gildenblat and contributors, https://github.com/jacobgil/pytorch-grad-cam: its maps are scaled film
by film to [0, 1], they say where, not how much. Occlusion, which it does not have, is Captum's
(Kokhlikyan 2020, arXiv:2009.07896).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import cast

import numpy as np
import torch
from captum.attr import Occlusion
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, ScoreCAM
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision.models import ResNet

from helpers.activation import check_resnet, to_own_range

METHODS = {
    "Grad-CAM": GradCAM,  # Selvaraju 2017, arXiv:1610.02391
    "Grad-CAM++": GradCAMPlusPlus,  # Chattopadhay 2018, arXiv:1710.11063
    "Eigen-CAM": EigenCAM,  # Muhammad 2020, arXiv:2008.00299: looks at no output at all
    "Score-CAM": ScoreCAM,  # Wang 2020, arXiv:1910.01279: a forward pass for each of 512 channels
}
BATCH = 64  # films a forward pass, of the methods that ask for a film many times
PERCENTILES = (80, 90, 95)  # of the map: the hottest, and the coldest, 20, 10 and 5 % are replaced


def package_maps(network: nn.Module, images: Tensor, method: str) -> np.ndarray:
    """Maps of one of `METHODS` on the last layer of a ResNet with one logit.

    Parameters
    ----------
    network : nn.Module
        Eval mode, its parameters trainable, as the package's gradients need them.
    images : Tensor, shape (n, 1, h, w)
        Normalised films.
    method : str
        One of `METHODS`.

    Returns
    -------
    ndarray, shape (n, h, w), float32
        In [0, 1], each film on a scale of its own.
    """
    check_resnet(network)
    with METHODS[method](network, [cast(ResNet, network).layer4[-1]]) as cam:
        cam.batch_size = BATCH  # of Score-CAM's passes
        with redirect_stderr(io.StringIO()):  # its progress bars, one a film
            return np.asarray(cam(images, [ClassifierOutputTarget(0)] * len(images)))


def occlusion_maps(network: nn.Module, images: Tensor, *, patch: int, stride: int) -> np.ndarray:
    """By how much the logit falls when a square of the film is covered (occlusion sensitivity).

    Zeiler and Fergus 2014, arXiv:1311.2901. It looks at the network from outside only, so it is a
    check of the class activation map that shares none of its assumptions.

    Parameters
    ----------
    network, images
        As in :func:`package_maps`.
    patch, stride : int
        Side of the square and step between squares, in pixels; `stride` at most `patch`, so that
        every pixel is covered at least once. What covers the film is 0: the grey that normalising
        takes for zero, ImageNet's mean (:func:`helpers.radiographs.normalise`).

    Returns
    -------
    ndarray, shape (n, h, w), float32
        Mean fall of the logit over the squares that cover a pixel, in logits. Positive: the place
        spoke for the outcome.

    Raises
    ------
    ValueError
        If the network does not fit.
    AssertionError
        By Captum, if the squares leave pixels uncovered.
    """
    check_resnet(network)
    with torch.inference_mode():
        falls = Occlusion(network).attribute(
            images,
            sliding_window_shapes=(1, patch, patch),
            strides=(1, stride, stride),
            target=0,
            perturbations_per_eval=max(1, BATCH // len(images)),
        )
    return falls[:, 0].numpy()


def road(
    network: nn.Module,
    images: Tensor,
    maps: np.ndarray,
    *,
    percentiles: Sequence[int] = PERCENTILES,
    seed: int = 0,
) -> np.ndarray:
    """Remove and debias (Rong 2022, arXiv:2202.00449), by the grad-cam package.

    The hottest part of a film is filled in smoothly from its surroundings, then the coldest.

    Parameters
    ----------
    network, images
        As in :func:`package_maps`.
    maps : ndarray, shape (n, h, w)
        Any unit; none may be flat, because a flat map has no hottest part.
    percentiles : sequence of int
        Of the map above which pixels go; results are averaged.
    seed : int
        Of the noise that the package adds to what it fills in.

    Returns
    -------
    ndarray, shape (n,)
        Half of how much lower the logit is without the hottest than without the coldest part.
        Above 0, the map knows what counts.

    Raises
    ------
    ValueError
        If a map is flat.
    """
    check_resnet(network)
    flat = np.flatnonzero(np.ptp(maps, axis=(1, 2)) == 0)
    if len(flat):
        raise ValueError(
            f"expected maps with a hottest part, got {len(flat)} flat ones (the first at position "
            f"{flat[0]}): leave those films out and count them"
        )
    targets = [ClassifierOutputTarget(0)] * len(images)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ranged = to_own_range(np.asarray(maps, np.float32))
        return np.asarray(ROADCombined(list(percentiles))(images, ranged, targets, network))
