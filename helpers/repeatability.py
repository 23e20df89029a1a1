"""Do networks that differ in nothing but the seed draw the same map?"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import nn

from helpers.activation import to_own_range


def own_head(network: nn.Module, shared: nn.Module) -> torch.Tensor:
    """Weights of the last layer of a network that has all other layers in common with another.

    Parameters
    ----------
    network, shared : torch.nn.Module
        ResNets of torchvision.

    Returns
    -------
    torch.Tensor, shape (outputs, features)

    Raises
    ------
    ValueError
        If another layer differs too, so that maps on the shared features would not be the
        network's own.
    """
    wanted = shared.state_dict()
    differ = [
        name
        for name, value in network.state_dict().items()
        if not name.startswith("fc.") and not torch.equal(value, wanted[name])
    ]
    if differ:
        raise ValueError(
            f"expected networks that differ in the last layer only, but {differ[0]} differs "
            f"({len(differ)} such parts in all). Compute the features of each network by itself."
        )
    return network.get_parameter("fc.weight").detach()


def pairwise_agreement(maps: np.ndarray) -> pd.DataFrame:
    """Compare the maps of every two networks, film by film.

    Parameters
    ----------
    maps : ndarray, shape (networks, n, h, w)
        Of the same films.

    Returns
    -------
    DataFrame
        A row a pair and film: ``first``, ``second`` (networks), ``image`` (position), ``ssim``
        (structural similarity of the patterns, each map scaled to its own range) and
        ``rank_correlation`` (Spearman, over the pixels; NaN where a map is flat).

    Raises
    ------
    ValueError
        If there are fewer than two networks.
    """
    if maps.ndim != 4 or len(maps) < 2:
        raise ValueError(f"expected maps of two networks or more, got shape {maps.shape}")
    ranged = np.stack([to_own_range(own) for own in maps])
    rows = []
    for first, second in combinations(range(len(maps)), 2):
        for image, (a, b) in enumerate(zip(ranged[first], ranged[second], strict=True)):
            flat = np.ptp(a) == 0 or np.ptp(b) == 0
            ranks = np.nan if flat else float(spearmanr(a, b, axis=None).statistic)
            ssim = float(structural_similarity(a, b, data_range=1.0))
            rows.append((first, second, image, ssim, ranks))
    return pd.DataFrame(rows, columns=["first", "second", "image", "ssim", "rank_correlation"])
