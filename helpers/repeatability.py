"""Do networks that differ in nothing but the seed draw the same map?"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from helpers.activation import to_own_range


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
