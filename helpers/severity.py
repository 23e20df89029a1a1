"""What the phantom start reads off a film: how much of the lungs is opaque, where, and how densely.

The network learned these targets on phantom radiographs alone, where every mask is known; real
films carry no such labels. The one table of targets is here, because helpers know nothing of the
phantoms that teach them.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch
from torch import nn

from helpers import starts
from helpers.models import NOTICE, in_batches
from helpers.radiographs import Radiographs
from helpers.stored import read_model, write_model

SIDES = ("right", "left")  # the patient's
ZONES = ("upper", "middle", "lower")  # thirds of a lung's visible height
_CLIP_LIMIT, _TILES = 3.0, 8  # of the equalised look; within what the start has seen


@dataclass(frozen=True)
class Target:
    """One thing that the phantom start learns to see on a film.

    Attributes
    ----------
    name
        Its column.
    kind
        A ``share`` in [0, 1] takes one output, a ``choice`` one per option, and something
        ``present`` or not one.
    unit
        What it is measured in.
    centre, scale
        Of a share: the network's output is (share - centre) / scale. About the mean and the
        standard deviation of the phantoms that it learns from, so that every target counts alike.
    options
        Of a choice.
    """

    name: str
    kind: Literal["share", "choice", "present"]
    unit: str
    centre: float = 0.0
    scale: float = 1.0
    options: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Its columns in a table of predictions."""
        if self.kind == "choice":
            return [f"{self.name}_{option.replace(' ', '_')}" for option in self.options]
        return [self.name.replace(" ", "_")]


_PLACES = [f"{side}_{zone}" for side in SIDES for zone in ZONES]
TARGETS = (
    Target("opaque_share", "share", "opaque share of the visible lungs", 0.33, 0.31),
    *(
        Target(f"opaque_{place}", "share", "opaque share of the zone's visible lung", 0.34, 0.37)
        for place in _PLACES
    ),
    *(
        Target(f"density_{place}", "share", "mean density of the zone, 0 clear", 0.16, 0.22)
        for place in _PLACES
    ),
    Target("lung_area", "share", "visible lungs, share of the square picture", 0.22, 0.08),
    Target("heart_size", "share", "cardiothoracic ratio as the view shows it", 0.54, 0.07),
    Target("view", "choice", "probability", options=("PA", "AP", "AP supine", "lateral")),
    *(
        Target(device, "present", "probability")
        for device in ("endotracheal tube", "central line", "nasogastric tube", "ecg leads")
    ),
)
SHARES = [target for target in TARGETS if target.kind == "share"]
VIEWS = next(target for target in TARGETS if target.kind == "choice").options
DEVICES = [target.name for target in TARGETS if target.kind == "present"]
COLUMNS = [column for target in TARGETS for column in target.columns]


class Readings(NamedTuple):
    """The network's outputs by kind, each with a row a film: scaled shares and two sorts of logits.

    ``shares`` is (n, shares), ``view`` (n, views), ``devices`` (n, devices).
    """

    shares: torch.Tensor
    view: torch.Tensor
    devices: torch.Tensor


def split_outputs(outputs: torch.Tensor) -> Readings:
    """Split outputs (n, len(COLUMNS)) into shares, logits of views and logits of devices."""
    return Readings(*outputs.split([len(SHARES), len(VIEWS), len(DEVICES)], dim=1))


@dataclass
class SeverityModel:
    """The phantom start with its own last layer.

    Attributes
    ----------
    network
        ResNet18 with an output for each of ``COLUMNS``.
    size
        Side in px of the films that it learned from.
    card
        What the model is and was made from, as JSON can hold it.
    """

    network: nn.Module
    size: int
    card: dict[str, Any] = field(default_factory=dict)

    def predict(self, films: np.ndarray) -> pd.DataFrame:
        """Read films, uint8 (n, side, side): a row a film, a column for each of ``COLUMNS``.

        Some publishers equalise their films and others do not. So that this counts less, each film
        is read as it is and equalised, and the network's two outputs are averaged. Shares are
        clipped to [0, 1]; views and devices are probabilities.
        """
        nothing = torch.zeros(0, len(COLUMNS))
        plain, equalised = (
            torch.cat([nothing, *in_batches(self.network, look)])
            for look in (films, equalise(films))
        )
        readings = split_outputs((plain + equalised) / 2)
        centre, scale = (
            torch.tensor([getattr(target, key) for target in SHARES]) for key in ("centre", "scale")
        )
        values = [
            (readings.shares * scale + centre).clip(0, 1),
            readings.view.softmax(dim=1),
            readings.devices.sigmoid(),
        ]
        return pd.DataFrame(torch.cat(values, dim=1).numpy().astype(float), columns=COLUMNS)

    def save(self, path: str | Path) -> Path:
        """Store as ``path.safetensors``, in half precision, with ``path.json`` beside it."""
        state = {
            name: value.half() if value.is_floating_point() else value
            for name, value in self.network.state_dict().items()
        }
        description = {
            "notice": NOTICE,
            **self.card,
            "architecture": f"torchvision resnet18, one input channel, {len(COLUMNS)} outputs",
            "size_px": self.size,
            "targets": _described(),
        }
        return write_model(path, state, description)

    @classmethod
    def load(cls, path: str | Path | None = None) -> "SeverityModel":
        """Load what :meth:`save` stored; the repository's phantom start by default.

        Raises
        ------
        FileNotFoundError
            If one of the two files is missing.
        ValueError
            If it is a pickle, damaged, made for other targets or another preprocessing, or if the
            two files do not belong together.
        """
        path, made_by = Path(path or starts.PHANTOM_START), starts.PHANTOM_MADE_BY
        state, card = read_model(path, wanted=["size_px", "targets"], made_by=made_by)
        if card["targets"] != _described():
            raise ValueError(
                f"{path.name} learned other targets than those of this version: {made_by}."
            )
        network = starts.resnet18(len(COLUMNS))
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"{path.name} holds no phantom start: {error}") from error
        return cls(network.eval(), card["size_px"], card)


def equalise(films: np.ndarray) -> np.ndarray:
    """Equalise the contrast of films place by place, uint8 (n, side, side) to the same.

    Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994).
    """
    method = cv2.createCLAHE(_CLIP_LIMIT, (_TILES, _TILES))
    return np.stack([method.apply(film) for film in films]) if len(films) else films


def predict_severity(cohort: pd.DataFrame, *, size: int = 128) -> pd.DataFrame:
    """Read off each film what the phantom start has learned to see.

    Parameters
    ----------
    cohort
        The one table.
    size
        Side of the films in px; the start learned at 128.

    Returns
    -------
    pandas.DataFrame
        The cohort with the columns ``COLUMNS``: shares in [0, 1] (``opaque_share``, zones such as
        ``opaque_right_lower`` and ``density_left_upper`` by the patient's side, ``lung_area``,
        ``heart_size``) and probabilities of the views and of devices. Zones and heart size mean
        nothing on a lateral film.

    Raises
    ------
    FileNotFoundError
        If the phantom start is missing.
    ValueError
        If it is damaged, or a film cannot be read.
    """
    model = SeverityModel.load()
    films = Radiographs(cohort, size)
    readings = pd.concat([model.predict(chunk) for chunk in films.chunks()])
    return cohort.assign(**{name: readings[name].to_numpy() for name in COLUMNS})


def _described() -> list[dict[str, Any]]:
    """Describe the targets as JSON gives them back."""
    return [{**asdict(target), "options": list(target.options)} for target in TARGETS]
