"""Analysing one uploaded film, and the panel of notebook 08 that shows the result.

`analyse` is pure: bytes in, an `Analysis` out. `helpers.panel_view` turns an Analysis into HTML,
`helpers.upload` carries files from the browser and results back. Nothing is written to disk, and
nothing of an upload enters the notebook's saved state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from helpers.input_checks import check_input
from helpers.models import RiskModel
from helpers.panel_view import in_a_hundred, result_html, thumbnail
from helpers.radiographs import normalise, preprocess, read_radiograph
from helpers.saliency import class_activation
from helpers.upload import Outcome, UploadPanel

HEAT_LIMIT = 10.0  # logits at the end of the colour bar, the same for every film and network
LITTLE_HEAT = 1.0  # logits; a map that stays below, a tenth of the colour bar, is called empty


@dataclass(frozen=True)
class Analysis:
    """What the panel shows of one film.

    Attributes
    ----------
    risk : float
        Calibrated probability of death in hospital.
    base_rate : float
        Share of the training hospitals' patients who died: the risk of somebody unseen.
    threshold : float
        Risk from which the model, as tuned on validation patients, would raise a flag.
    film : ndarray, shape (size, size), uint8
        The film as the network saw it.
    heat : ndarray, shape (size, size), float32
        Evidence for death, at least 0, in logits of the calibrated risk (+1 at a place: a film
        that looked like this place everywhere would have e times the odds of one without any
        evidence); see `helpers.saliency`.
    heat_limit : float
        Logits at the end of the colour bar. Fixed, so that two films can be compared.
    warnings : tuple of str
        Sentences; empty if nothing was noticed.
    """

    risk: float
    base_rate: float
    threshold: float
    film: np.ndarray
    heat: np.ndarray
    heat_limit: float
    warnings: tuple[str, ...]

    @property
    def words(self) -> str:
        """The risk as a frequency, such as "12 in 100 patients"."""
        return in_a_hundred(self.risk)

    @property
    def summary(self) -> str:
        """What the heat map shows, in a sentence or two, for those who do not see it."""
        return describe_heat(self.heat)


def analyse(data: bytes, model: RiskModel) -> Analysis:
    """Predict and explain one film.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG or DICOM file.
    model : RiskModel

    Returns
    -------
    Analysis

    Raises
    ------
    helpers.radiographs.UnreadableRadiograph
        If the file cannot be read as a radiograph; the message is a sentence for the user.
    """
    return _explain(data, read_radiograph(data), model)


def _explain(data: bytes, film: np.ndarray, model: RiskModel) -> Analysis:
    square = preprocess(film, model.size)
    images = torch.from_numpy(square)[None]
    logits, heat = class_activation(model.network, normalise(images), scale=model.slope)
    return Analysis(
        risk=float(model.calibrate(logits.numpy())[0]),
        base_rate=model.base_rate,
        threshold=model.threshold,
        film=square,
        heat=heat[0].numpy(),
        heat_limit=HEAT_LIMIT,
        warnings=tuple(check_input(data, film, square, model.card.get("mean_film"))),
    )


def describe_heat(heat: np.ndarray) -> str:
    """Say where the evidence lies and how strong it is.

    Parameters
    ----------
    heat : ndarray, shape (h, w)
        Evidence for death, in logits, at least 0.

    Returns
    -------
    str
    """
    peak = float(heat.max())
    if peak < LITTLE_HEAT:
        return (
            f"Little evidence for death anywhere in the picture: at most {peak:.1f} logits, "
            f"below {LITTLE_HEAT}."
        )
    rows, columns = ("upper", "middle", "lower"), ("left", "central", "right")
    zones = {
        f"{row} {column}": float(zone.sum())
        for row, band in zip(rows, np.array_split(heat, 3, axis=0), strict=True)
        for column, zone in zip(columns, np.array_split(band, 3, axis=1), strict=True)
    }
    place, most = max(zones.items(), key=lambda item: item[1])
    share = most / sum(zones.values())
    return (
        f"The strongest evidence for death reaches {peak:.1f} logits. Of nine parts of the "
        f"picture, the {place} one holds the most heat: {share:.0%} of it."
    )


def upload_panel(
    model: RiskModel, examples: Mapping[str, bytes | str | Path] | None = None
) -> UploadPanel:
    """Show the cell where a film is dropped and its prediction and heat map appear.

    Parameters
    ----------
    model : RiskModel
        From `RiskModel.load`.
    examples : mapping, optional
        Films to try, by name: the bytes of a file, or its path. Their thumbnails become part of
        the page, so none may show a patient.

    Returns
    -------
    UploadPanel
        A widget; display it as the last expression of a cell.

    Raises
    ------
    helpers.radiographs.UnreadableRadiograph
        If an example cannot be read.
    """
    films = {name: _bytes_of(source) for name, source in (examples or {}).items()}
    warm_up = np.tile(np.arange(model.size, dtype=np.uint8), (1, model.size, 1))
    class_activation(model.network, normalise(torch.from_numpy(warm_up)))

    def predict(data: bytes, film: np.ndarray) -> Outcome:
        analysis = _explain(data, film, model)
        return Outcome(result_html(analysis), warned=bool(analysis.warnings), text=analysis.words)

    return UploadPanel(
        read=read_radiograph,
        predict=predict,
        films=films,
        thumbnails={name: thumbnail(read_radiograph(data)) for name, data in films.items()},
    )


def _bytes_of(source: bytes | str | Path) -> bytes:
    return source if isinstance(source, bytes) else Path(source).read_bytes()
