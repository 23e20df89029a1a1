"""Analysing one uploaded film, and the panel of notebook 08 that shows the result.

`analyse` is pure: bytes in, an `Analysis` out. `helpers.panel_words` puts it into words,
`helpers.panel_view` into HTML and into the record that can be downloaded, and `helpers.upload`
carries files from the browser and results back. Nothing is written to disk, and nothing of an
upload enters the notebook's saved state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.dicom_picture import encode_png
from helpers.fine_grid import HALVINGS, STRIDE, fine_activation, place, whole_film_logit
from helpers.input_checks import check_input
from helpers.models import RiskModel
from helpers.panel_view import record, result_html, thumbnail
from helpers.panel_words import describe_balance, describe_heat, in_a_hundred
from helpers.radiographs import normalise, preprocess, read_radiograph
from helpers.seeds import load_seeds
from helpers.upload import Outcome, UploadPanel, refuse_new_widgets, serves_visitors

__all__ = ["Analysis", "analyse", "describe_heat", "load_seeds", "upload_panel"]

HEAT_LIMIT = 15.0  # logits at the end of the colour bar, the same for every film and network
LARGEST_VIEW = 512  # px; the film is shown no larger, for it has to travel back


@dataclass(frozen=True)
class Analysis:
    """What the panel shows of one film.

    Attributes
    ----------
    risk : float
        Calibrated probability of death in hospital.
    base_rate : float
        Share of the training and validation patients with an observed outcome who died: the risk of
        somebody unseen.
    threshold : float
        Risk from which the model, as tuned on validation patients, would raise a flag.
    film : ndarray, shape (size, size), uint8
        The film as the network saw it.
    view : ndarray, shape (side, side), uint8
        The same square with more detail, for people.
    grid : ndarray, shape (size / 8 - 3, size / 8 - 3), float32
        Evidence in logits of the calibrated risk, of squares of 32 px every 8 px: above 0 for
        death, below 0 against it (+1 at a place: a film that looked like this place everywhere
        would have e times the odds of one without any evidence). Every fourth place is the
        network's own grid, whose mean adds up to the prediction; see `helpers.fine_grid`.
    evidence : ndarray, shape (size, size), float32
        The same, enlarged to the film.
    heat_limit : float
        Logits at the end of the colour bar. Fixed, so that two films can be compared.
    warnings : tuple of str
        Sentences; empty if nothing was noticed.
    risk_low, risk_high : float or None
        Lowest and highest risk that the networks of all seeds give;
        None if one network alone answered.
    networks : int
        How many answered.
    card : dict
        The model's.
    """

    risk: float
    base_rate: float
    threshold: float
    film: np.ndarray
    view: np.ndarray
    grid: np.ndarray
    evidence: np.ndarray
    heat_limit: float
    warnings: tuple[str, ...]
    risk_low: float | None = None
    risk_high: float | None = None
    networks: int = 1
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The risk as a frequency, such as "12 in 100 patients"."""
        return in_a_hundred(self.risk)

    @property
    def heat(self) -> np.ndarray:
        """Evidence for death alone, at least 0: float32 (size, size)."""
        return self.evidence.clip(min=0)

    @property
    def summary(self) -> str:
        """What the map shows, in a few sentences, for those who do not see it."""
        on_each_side = [describe_heat(self.grid.clip(min=0))]
        on_each_side.append(describe_heat((-self.grid).clip(min=0), "against"))
        own = self.grid[:: 1 << HALVINGS, :: 1 << HALVINGS]
        return " ".join([*on_each_side, describe_balance(own)])


def analyse(
    data: bytes,
    model: RiskModel,
    others: Sequence[RiskModel] = (),
    *,
    on_stage: Callable[[str], object] | None = None,
) -> Analysis:
    """Predict and explain one film.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG or DICOM file.
    model : RiskModel
        Gives the risk and the map.
    others : sequence of RiskModel
        Networks of other seeds (`load_seeds`). They give the risk's range.
    on_stage : callable, optional
        Told "reading", "checking" and "predicting" as each begins.

    Returns
    -------
    Analysis

    Raises
    ------
    helpers.radiographs.UnreadableRadiograph
        If the file cannot be read as a radiograph; the message is a sentence for the user.
    ValueError
        If the networks look at films of several sizes, or of one that is no multiple of 32 px.
    """
    _check_sizes([model.size, *(other.size for other in others)])
    tell = on_stage or (lambda stage: None)
    tell("reading")
    film = read_radiograph(data)
    square = preprocess(film, model.size)
    tell("checking")
    warnings = check_input(data, film, square, model.card.get("mean_film"))
    tell("predicting")
    images = normalise(torch.from_numpy(square)[None])
    grid = fine_activation(model.network, images, upsample=False)
    risk = model.calibrate(whole_film_logit(model.network, grid))[0]
    risks = [float(risk), *(float(other.risk(square[None])[0]) for other in others)]
    grid = model.slope * grid
    return Analysis(
        risk=risks[0],
        base_rate=model.base_rate,
        threshold=model.threshold,
        film=square,
        view=preprocess(film, max(model.size, min(LARGEST_VIEW, max(film.shape)))),
        grid=grid[0].numpy(),
        evidence=place(grid, images.shape[-2:], STRIDE >> HALVINGS)[0].numpy(),
        heat_limit=HEAT_LIMIT,
        warnings=tuple(warnings),
        risk_low=min(risks) if others else None,
        risk_high=max(risks) if others else None,
        networks=len(risks),
        card=model.card,
    )


def _check_sizes(sizes: Sequence[int]) -> None:
    """Refuse networks whose map does not add up to the risk, or which look at other films."""
    if len(set(sizes)) > 1 or sizes[0] % STRIDE:
        raise ValueError(
            f"expected networks that look at films of one size, a multiple of {STRIDE} px, "
            f"got {sorted(set(sizes))} px"
        )


def upload_panel(
    model: RiskModel,
    examples: Mapping[str, bytes | str | Path] | None = None,
    *,
    others: Sequence[RiskModel] = (),
    paths: bool = False,
) -> UploadPanel:
    """Show the cell where a film is dropped and its prediction and heat map appear.

    Parameters
    ----------
    model : RiskModel
        From `RiskModel.load`.
    examples : mapping, optional
        Films to try, by name: the bytes of a file, or its path. Their thumbnails become part of
        the page, so none may show a patient.
    others : sequence of RiskModel
        Networks of other seeds, from `load_seeds`: the risk gets a range.
    paths : bool
        Offer a box for the path of a film on the machine where the kernel runs, for notebooks in
        which no upload works. Under Voilà it stays off whatever is said here, because visitors
        must not read the server's files.

    Returns
    -------
    UploadPanel
        A widget; display it as the last expression of a cell.

    Raises
    ------
    helpers.radiographs.UnreadableRadiograph
        If an example cannot be read.
    ValueError
        If the networks look at films of several sizes, or of one that is no multiple of 32 px.
    """
    films = {name: _bytes_of(source) for name, source in (examples or {}).items()}
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    analyse(encode_png(ramp), model, others)  # what is slow only once is done before anybody waits

    def explain(data: bytes, on_stage: Callable[[str], object]) -> Outcome:
        analysis = analyse(data, model, others, on_stage=on_stage)
        return Outcome(
            html=result_html(analysis),
            record=record(analysis),
            warned=bool(analysis.warnings),
            text=f"predicted risk of death {analysis.words}",
        )

    panel = UploadPanel(
        explain=explain,
        films=films,
        thumbnails={name: thumbnail(read_radiograph(data)) for name, data in films.items()},
        paths=paths,
    )
    if serves_visitors():
        refuse_new_widgets()
    return panel


def _bytes_of(source: bytes | str | Path) -> bytes:
    return source if isinstance(source, bytes) else Path(source).read_bytes()
