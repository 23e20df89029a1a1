"""Does a heat map show the network or only the film? Weights, or labels, are made random."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from helpers.activation import class_activation, to_own_range

CASCADE = ("fc", "layer4", "layer3", "layer2", "layer1", "conv1")
"""Stages of a ResNet from the output to the input: the order of cascading randomisation."""


def evidence_for(network: nn.Module, images: Tensor) -> Tensor:
    """Class activation maps without evidence against, (n, h, w)."""
    return class_activation(network, images)[1]


def randomization_similarity(
    network: nn.Module,
    images: Tensor,
    *,
    seed: int = 0,
    draw: Callable[[nn.Module, Tensor], Tensor] = evidence_for,
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
    draw : callable
        Draws the maps that are asked about, shape (n, h, w), from a network and films.

    Returns
    -------
    DataFrame
        A row a film and stage: `stage` (category "trained", then `CASCADE`, in that order),
        `image` (position in `images`), `similarity` (SSIM, 1 where nothing changed), `another`: the
        same with the changed network's map of the film beside it, of films 0 and 1, 2 and 3 and so
        on (NaN for the last of an odd number). Where the first is not above the second, the changed
        maps have nothing of the single film.
    """
    trained = draw(network, images).numpy()
    shuffled = copy.deepcopy(network)
    stages = dict(shuffled.named_children())
    rows = [("trained", *row) for row in _likeness(trained, trained)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for stage in CASCADE:
            _reinitialise(stages[stage])
            if stage == "conv1":
                _reinitialise(stages["bn1"])
            maps = draw(shuffled, images).numpy()
            rows += [(stage, *row) for row in _likeness(trained, maps)]
    table = pd.DataFrame(rows, columns=["stage", "image", "similarity", "another"])
    order = pd.CategoricalDtype(["trained", *CASCADE], ordered=True)
    return table.astype({"stage": order})


def _likeness(trained: np.ndarray, maps: np.ndarray) -> Iterator[tuple[int, float, float]]:
    """Yield each film's place, and how alike its trained map is to its own and its neighbour's."""
    for image, before in enumerate(trained):
        beside = image ^ 1
        another = map_similarity(before, maps[beside]) if beside < len(maps) else float("nan")
        yield image, map_similarity(before, maps[image]), another


def shuffle_labels(cohort: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Give the outcomes of each part to its films at random.

    Data randomisation (Adebayo et al. 2018, section 4): a network that was trained on such labels
    can know nothing of the disease but by chance.

    Parameters
    ----------
    cohort : DataFrame
        A row a patient, with ``part`` and ``died``.
    seed : int
        Of the draw.

    Returns
    -------
    DataFrame
        The cohort with other outcomes, as many deaths in each part as before.

    Raises
    ------
    ValueError
        If a patient has several films, which could then contradict one another.
    """
    if cohort["patient_id"].duplicated().any():
        raise ValueError("expected one film a patient, got several: use select_index_films first")
    generator = np.random.default_rng(seed)
    died = cohort["died"].copy()
    for _, rows in cohort.groupby("part", observed=True):
        died.loc[rows.index] = generator.permutation(rows["died"].to_numpy(bool))
    return cohort.assign(died=died)


def _reinitialise(stage: nn.Module) -> None:
    """Fresh weights as torchvision draws them before training."""
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d | nn.Linear):
            module.reset_parameters()


def map_similarity(before: np.ndarray, after: np.ndarray) -> float:
    """Structural similarity (SSIM) of two maps (h, w), each scaled to its own range."""
    before, after = to_own_range(np.stack([before, after]))
    return float(structural_similarity(before, after, data_range=1.0))
