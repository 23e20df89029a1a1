"""ResNet18 with one logit, and the model that is stored: network, calibration, threshold, card."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import safetensors.torch
import torch
import torchvision
from safetensors import SafetensorError
from torch import nn

from helpers.pixels import PREPROCESSING
from helpers.radiographs import normalise

STARTS = ("random", "imagenet")
PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"}
PREDICTION_BATCH = 64  # films
NOTICE = "A teaching model. Not for clinical use: it must not inform any decision about a patient."


def build_resnet18(start: str, *, seed: int = 0) -> nn.Module:
    """Build torchvision's ResNet18 for grey films, with one output: the logit of death.

    Parameters
    ----------
    start
        ``random`` or ``imagenet`` (torchvision's download, hash checked). ImageNet's first layer
        is summed over its three colours, which is what it computes on a grey picture.
    seed
        Of the weights that start at random.

    Returns
    -------
    torch.nn.Module
        Input float32 (n, 1, height, width), output float32 (n, 1).

    Raises
    ------
    ValueError
        If there is no such start.
    ConnectionError
        If the ImageNet weights are not on this computer and cannot be downloaded.
    """
    if start not in STARTS:
        raise ValueError(f"Starting weights must be one of {', '.join(STARTS)}, got {start!r}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = torchvision.models.resnet18(num_classes=1)
        network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    if start == "imagenet":
        weights = _imagenet_weights()
        weights["conv1.weight"] = weights["conv1.weight"].sum(dim=1, keepdim=True)
        weights |= {f"fc.{name}": value for name, value in network.fc.state_dict().items()}
        network.load_state_dict(weights)
    return network


def choose_start(profile: str) -> tuple[str, str]:
    """Choose the starting weights of a run and say why in one line.

    Parameters
    ----------
    profile
        ``quick`` starts at random; ``full`` starts from ImageNet where that can be had.

    Returns
    -------
    tuple of str
        The start for :func:`build_resnet18`, and a sentence to show.
    """
    if profile == "quick":
        return "random", "Start: random weights (profile quick, nothing is downloaded)."
    try:
        _imagenet_weights()
    except ConnectionError as error:
        return "random", f"Start: random weights. {error}"
    return "imagenet", "Start: ImageNet weights, as published with torchvision."


def _imagenet_weights() -> dict[str, torch.Tensor]:
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except (URLError, OSError) as error:
        raise ConnectionError(
            f"The ImageNet weights cannot be downloaded here ({error}). "
            "Connect to a network, or use another start."
        ) from error


def in_batches(
    network: nn.Module, films: np.ndarray | torch.Tensor, size: int = PREDICTION_BATCH
) -> Iterator[torch.Tensor]:
    """Apply a network in evaluation mode to films, uint8 (n, side, side), batch by batch."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(films), size):
            batch = torch.as_tensor(films[start : start + size])
            yield network(normalise(batch).to(device)).cpu()
    network.train(was_training)


@dataclass
class RiskModel:
    """A network together with all that turns a film into a calibrated risk.

    Attributes
    ----------
    network
        Of :func:`build_resnet18`.
    size
        Side of the films in px.
    intercept, slope
        Logistic recalibration on validation patients: risk = sigmoid(intercept + slope · logit).
    threshold
        Risk from which a film counts as "predicted to die", chosen on validation patients.
    base_rate
        Share of the training cohort's patients with an observed outcome who died.
    card
        What the model is and was made from, as JSON can hold it.
    """

    network: nn.Module
    size: int
    intercept: float = 0.0
    slope: float = 1.0
    threshold: float = 0.5
    base_rate: float = float("nan")
    card: dict[str, Any] = field(default_factory=dict)

    def logits(self, films: np.ndarray) -> np.ndarray:
        """Uncalibrated log odds of films, uint8 (n, size, size): float32 (n,)."""
        outputs = [output[:, 0].numpy() for output in in_batches(self.network, films)]
        return np.concatenate(outputs) if outputs else np.zeros(0, np.float32)

    def calibrate(self, logits: np.ndarray) -> np.ndarray:
        """Turn logits into calibrated risks, float64 (n,)."""
        return 1 / (1 + np.exp(-(self.intercept + self.slope * np.asarray(logits, float))))

    def risk(self, films: np.ndarray) -> np.ndarray:
        """Calibrated risk of death of films, uint8 (n, size, size): float64 (n,)."""
        return self.calibrate(self.logits(films))

    def save(self, path: str | Path) -> Path:
        """Store as ``path.safetensors`` with ``path.json`` beside it.

        The description holds the weights' hash, so that two files which do not belong together are
        noticed on loading.

        Returns
        -------
        pathlib.Path
            Of the weights.
        """
        weights_path, card_path = _paths(path)
        weights_path.parent.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        weights = safetensors.torch.save(state)
        description = {
            "notice": NOTICE,
            **self.card,
            "architecture": "torchvision resnet18, one input channel, one logit",
            "preprocessing": PREPROCESSING,
            "size_px": self.size,
            "calibration": {"intercept": float(self.intercept), "slope": float(self.slope)},
            "threshold": float(self.threshold),
            "base_rate": float(self.base_rate),
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "versions": {name: version(name) for name in ("torch", "torchvision")},
        }
        _write(weights_path, weights)
        _write(card_path, json.dumps(description, indent=2).encode())
        return weights_path

    @classmethod
    def load(cls, path: str | Path) -> "RiskModel":
        """Load what :meth:`save` stored.

        Raises
        ------
        FileNotFoundError
            If one of the two files is missing.
        ValueError
            If it is a pickle, damaged, made for another preprocessing, or if the two files do not
            belong together.
        """
        if Path(path).suffix.lower() in PICKLES:
            raise ValueError(
                f"{Path(path).name} is a pickle, and opening a pickle runs whatever code is in it. "
                "Only safetensors models are loaded: store yours with RiskModel.save."
            )
        weights_path, card_path = _paths(path)
        for file in (weights_path, card_path):
            if not file.is_file():
                raise FileNotFoundError(
                    f"The model {file.name} is missing: notebooks 04 and 05 make the models."
                )
        weights = weights_path.read_bytes()
        card = _read_card(card_path)
        if card["weights_sha256"] != hashlib.sha256(weights).hexdigest():
            raise ValueError(
                f"{weights_path.name} and {card_path.name} do not belong together, or one is "
                "damaged. Train the model again."
            )
        if card["preprocessing"] != PREPROCESSING:
            raise ValueError(
                f"{weights_path.name} expects films prepared as {card['preprocessing']}, but this "
                f"version prepares them as {PREPROCESSING}. Train the model again."
            )
        network = build_resnet18("random")
        try:
            network.load_state_dict(safetensors.torch.load(weights))
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(f"{weights_path.name} holds no ResNet18 of ours: {error}") from error
        return cls(
            network.eval(),
            card["size_px"],
            **card["calibration"],
            threshold=card["threshold"],
            base_rate=card["base_rate"],
            card=card,
        )


def _paths(path: str | Path) -> tuple[Path, Path]:
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    return stem.with_name(f"{stem.name}.safetensors"), stem.with_name(f"{stem.name}.json")


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is no JSON ({error}). Train the model again.") from error
    wanted = ["weights_sha256", "preprocessing", "size_px", "calibration", "threshold", "base_rate"]
    missing = [key for key in wanted if key not in card]
    if missing:
        raise ValueError(f"{path.name} lacks {', '.join(missing)}. Train the model again.")
    return card


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(data)
    partial.replace(path)
