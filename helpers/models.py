"""The model of death that is stored: network, calibration, threshold and card."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers.radiographs import normalise
from helpers.starts import STARTS, build_resnet18, choose_start
from helpers.stored import read_model, write_model

__all__ = ["STARTS", "RiskModel", "build_resnet18", "choose_start", "in_batches"]

PREDICTION_BATCH = 64  # films
NOTICE = "A teaching model. Not for clinical use: it must not inform any decision about a patient."
CARD = ("size_px", "calibration", "threshold", "base_rate")


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
        Share of the training and validation patients with an observed outcome who died.
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
        description = {
            "notice": NOTICE,
            **self.card,
            "architecture": "torchvision resnet18, one input channel, one logit",
            "size_px": self.size,
            "calibration": {"intercept": float(self.intercept), "slope": float(self.slope)},
            "threshold": float(self.threshold),
            "base_rate": float(self.base_rate),
        }
        return write_model(path, self.network.state_dict(), description)

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
        made_by = "notebooks 04 and 05 make the models"
        state, card = read_model(path, wanted=CARD, made_by=made_by)
        network = build_resnet18("random")
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"{Path(path).name} holds no ResNet18 of ours: {error}") from error
        return cls(
            network.eval(),
            card["size_px"],
            **card["calibration"],
            threshold=card["threshold"],
            base_rate=card["base_rate"],
            card=card,
        )
