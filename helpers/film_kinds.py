"""What kind of picture is this? Mahalanobis distances from kinds of pictures that phantoms drew.

The phantom start turns a picture into features. Those of a kind of picture are taken to be normally
distributed, with one covariance for all kinds, shrunken (Ledoit and Wolf 2004, doi:10.1016/
S0047-259X(03)00096-4). A picture then has a squared Mahalanobis distance from each kind (Lee et al.
2018, arXiv:1807.03888), and is strange if another kind is nearer than frontal films are. So the
*difference* of two distances counts, as in Ren et al. 2021 (arXiv:2106.09022): real films lie
further out than phantoms, which a difference forgives. What is far from all kinds alike is not
noticed by it.
`phantoms.recognition` fits all this to fresh phantoms; no real film has a part in it.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import nn
from torchvision.models import ResNet

from helpers.paths import PROJECT
from helpers.radiographs import normalise
from helpers.severity import SeverityModel
from helpers.stored import read_model, write_model

STATISTICS = PROJECT / "data" / "weights" / "film-kinds.safetensors"
MADE_BY = "it comes with the repository, and `python -m phantoms.recognition` makes it anew"

# What a picture may be, and what to say of it.
KINDS = {
    "frontal": "",
    "lateral": "It looks like a lateral view, taken from the side.",
    "turned left": "It looks turned by 90° to the left.",
    "upside down": "It looks upside down.",
    "turned right": "It looks turned by 90° to the right.",
    "negative": "Light and dark look exchanged: lungs should be dark, bones white.",
    "axial slice": "It looks like a CT slice.",
    "coronal slice": "It looks like a CT slice.",
    "abdomen": "It looks like a film of the abdomen.",
    "part": "It looks like a part of a film, heavily cropped.",
    "several": "It looks like several pictures in one.",
    "photograph": "It looks like no radiograph at all.",
    "pattern": "It looks like no radiograph at all.",
    "noise": "It looks like no radiograph at all.",
    "page": "It looks like no radiograph at all.",
}
NAMES = tuple(KINDS)
_BATCH = 64  # films


class Recognised(NamedTuple):
    """What was found out about films, each attribute with a value a film.

    Attributes
    ----------
    strangeness : (n,)
        How much nearer another kind is: half the difference of the squared distances, which is the
        log odds of that kind against a frontal film if both are equally common. Negative where
        frontal films are the nearest.
    nearest : list of str
        The nearest kind that is not frontal.
    """

    strangeness: np.ndarray
    nearest: list[str]


@dataclass(frozen=True)
class FilmKinds:
    """The phantom start, and where each kind of picture lies among its features.

    Attributes
    ----------
    network
        The phantom start.
    size
        Side in px of the films that it reads.
    projection : float32 (features, dimensions)
        From features to a space in which a kind's covariance is the identity.
    centres : float32 (kinds, dimensions)
        Means of the kinds of ``NAMES`` in that space.
    card
        What it was made from, and the limits.
    """

    network: nn.Module
    size: int
    projection: np.ndarray
    centres: np.ndarray
    card: dict[str, Any] = field(default_factory=dict)

    def distances(self, films: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distances of films, uint8 (n, size, size): (n, kinds)."""
        places = features(self.network, films) @ self.projection
        return ((places[:, None] - self.centres) ** 2).sum(axis=2)

    def save(self, path: str | Path) -> Path:
        """Store as ``path.safetensors``, in half precision, with ``path.json`` beside it."""
        state = {
            "projection": torch.from_numpy(self.projection).half(),
            "centres": torch.from_numpy(self.centres),
        }
        return write_model(path, state, self.card | {"size_px": self.size, "kinds": list(NAMES)})

    def recognise(self, films: np.ndarray) -> "Recognised":
        """Say how far films, uint8 (n, size, size), are from frontal ones, and what is nearest."""
        distances = self.distances(films)
        others = distances[:, 1:]
        return Recognised(
            (distances[:, 0] - others.min(axis=1)) / 2,
            [NAMES[1 + place] for place in others.argmin(axis=1)],
        )

    @classmethod
    def load(cls, path: str | Path | None = None) -> "FilmKinds":
        """Load what :meth:`save` stored, with the phantom start that it belongs to.

        Raises
        ------
        FileNotFoundError
            If one of the files is missing.
        ValueError
            If one is damaged, or made for other kinds, another preprocessing or another start.
        """
        path = Path(path or STATISTICS)
        wanted = ["size_px", "kinds", "start_sha256", "limits", "mean_film"]
        state, card = read_model(path, wanted=wanted, made_by=MADE_BY)
        start = SeverityModel.load()
        if card["kinds"] != list(NAMES) or card["start_sha256"] != start.card["weights_sha256"]:
            raise ValueError(
                f"{path.name} was made for other kinds of pictures or another phantom start: "
                f"{MADE_BY}."
            )
        projection, centres = (state[name].float().numpy() for name in ("projection", "centres"))
        return cls(start.network, card["size_px"], projection, centres, card)


@lru_cache(maxsize=1)
def film_kinds() -> FilmKinds:
    """Load the repository's own, once a process."""
    return FilmKinds.load()


def features(network: nn.Module, films: np.ndarray) -> np.ndarray:
    """What the phantom start makes of films on its way: float32 (n, features).

    Parameters
    ----------
    network
        The phantom start, a torchvision ResNet in evaluation mode.
    films
        uint8 (n, size, size).

    Returns
    -------
    numpy.ndarray
        The 256 + 512 channels of the last two stages, averaged over the picture.
    """
    resnet, kept = cast(ResNet, network), []
    with torch.inference_mode():
        for start in range(0, len(films), _BATCH):
            batch = normalise(torch.from_numpy(films[start : start + _BATCH]))
            x = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(batch))))
            x = resnet.layer3(resnet.layer2(resnet.layer1(x)))
            stages = (x, resnet.layer4(x))
            kept.append(torch.cat([stage.mean(dim=(2, 3)) for stage in stages], dim=1))
    return torch.cat(kept).numpy()
