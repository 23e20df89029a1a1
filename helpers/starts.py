"""ResNet18 for grey films and the weights it can start from: random, ImageNet, phantoms."""

from contextlib import redirect_stderr, redirect_stdout
from http.client import HTTPException
from io import StringIO
from pickle import UnpicklingError

import torch
import torchvision
from torch import nn

from helpers.paths import PROJECT
from helpers.stored import read_model

OPAQUE_SHARE = ("fc.weight", "fc.bias")  # of the phantom start: the first output of each
STARTS = ("random", "imagenet", "phantom")
PHANTOM_START = PROJECT / "data" / "weights" / "phantom-resnet18.safetensors"
PHANTOM_MADE_BY = (
    "it comes with the repository, and `python -m phantoms.pretraining` makes it anew in some hours"
)


def resnet18(outputs: int, *, seed: int = 0) -> nn.Module:
    """Build torchvision's ResNet18 with random weights for films of one channel.

    Parameters
    ----------
    outputs
        Number of outputs of the last layer.
    seed
        Of the weights.

    Returns
    -------
    torch.nn.Module
        Input float32 (n, 1, height, width), output float32 (n, outputs).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = torchvision.models.resnet18(num_classes=outputs)
        network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    return network.to(memory_format=torch.channels_last)  # faster, on a CPU too


def build_resnet18(start: str, *, seed: int = 0) -> nn.Module:
    """Build ResNet18 for grey films, with one output: the logit of death.

    Parameters
    ----------
    start
        ``random``; ``imagenet`` (torchvision's download, hash checked), whose first layer is summed
        over its three colours, which is what it computes on a grey picture; or ``phantom``, which
        has learned to read phantom radiographs, and whose logit begins as its reading of the opaque
        share of the lungs: the more is opaque, the likelier death, until outcomes say otherwise.
    seed
        Of the weights that start at random: all, those of the last layer, or none.

    Returns
    -------
    torch.nn.Module
        Input float32 (n, 1, height, width), output float32 (n, 1).

    Raises
    ------
    ValueError
        If there is no such start, or the phantom start's files are damaged.
    FileNotFoundError
        If the phantom start is missing.
    ConnectionError
        If the ImageNet weights are not on this computer, whole, and cannot be downloaded.
    """
    if start not in STARTS:
        raise ValueError(f"Starting weights must be one of {', '.join(STARTS)}, got {start!r}.")
    network = resnet18(1, seed=seed)
    if start == "imagenet":
        weights = _imagenet_weights()
        weights["conv1.weight"] = weights["conv1.weight"].sum(dim=1, keepdim=True)
        _load_backbone(network, weights)
    elif start == "phantom":
        weights = read_model(PHANTOM_START, wanted=[], made_by=PHANTOM_MADE_BY)[0]
        network.load_state_dict(weights | {name: weights[name][:1] for name in OPAQUE_SHARE})
    return network


def choose_start(profile: str) -> tuple[str, str]:
    """Choose the starting weights of a run and say why in one line.

    Parameters
    ----------
    profile
        ``quick`` starts from phantoms, offline; ``full`` from ImageNet where that can be had.

    Returns
    -------
    tuple of str
        The start for :func:`build_resnet18`, and a sentence to show.
    """
    if profile == "quick":
        return "phantom", "Start: weights learned on phantom radiographs (nothing is downloaded)."
    try:
        _imagenet_weights()
    except ConnectionError as error:
        return "phantom", f"Start: weights learned on phantom radiographs. {error}"
    return "imagenet", "Start: ImageNet weights, as published with torchvision."


def _load_backbone(network: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Take over all weights but the last layer's."""
    head = {f"fc.{name}": value for name, value in network.get_submodule("fc").state_dict().items()}
    network.load_state_dict(weights | head)


def _imagenet_weights() -> dict[str, torch.Tensor]:
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    try:
        # Torch says where in the home folder it puts the file.
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            return dict(weights.get_state_dict(progress=False, check_hash=True))
    # A sign-in page in their place has another hash, and a damaged copy cannot be opened.
    except (OSError, HTTPException, RuntimeError, EOFError, UnpicklingError) as error:
        raise ConnectionError(
            f"The ImageNet weights cannot be downloaded here ({error}). Connect to a network "
            "without a sign-in page, delete a damaged copy (below torch.hub.get_dir()), or use "
            "another start."
        ) from error
