"""The causal model behind the phantoms: who falls ill how badly, who dies, what the film shows.

The numbers are in :mod:`phantoms.coefficients`, those that differ by hospital in
:mod:`phantoms.sites`; drawing patients is in :mod:`phantoms.people`, exact conditional risks are in
:mod:`phantoms.risk`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from phantoms import coefficients as c

Sex = Literal["F", "M"]
View = Literal["PA", "AP", "AP supine", "lateral"]
Device = Literal["endotracheal tube", "central line", "nasogastric tube", "ecg leads"]
SiteName = Literal["ieee8023", "sbu", "hannover"]


@dataclass(frozen=True)
class Patient:
    """Everything one exposure of one patient depends on.

    Attributes
    ----------
    sex : "F" or "M"
    age : float, years
    habitus : float, standard deviations from the average build (+ = heavy)
    heart : float, cardiothoracic ratio as a PA film would show it, about 0.42 to 0.62
    view : projection
    opacity : float, share of the lung area that is opaque, 0 to 1 (the lesion burden)
    density : float, how dense the opacities are, 0 (ground-glass) to 1 (consolidation)
    laterality : float, share of the burden in the left lung (0.5 = symmetric)
    devices : frozenset of tubes and wires on the film
    site : whose look the film has
    portable : bool, whether the film carries a PORTABLE stamp
    inspiration : float, standard deviations (+ = deeper)
    rotation : float, degrees
    anatomy_seed : int, the same on every film of a patient, so the skeleton is the same
    film_seed : int, this exposure
    bones, vessels : float, how strongly they show, 1 as in every cohort
    roughness : float above 0, how much lines and streaks break up opacities, 1 as in every cohort
    """

    sex: Sex
    age: float
    habitus: float
    heart: float
    view: View
    opacity: float
    density: float
    laterality: float
    devices: frozenset[Device]
    site: SiteName
    portable: bool
    inspiration: float
    rotation: float
    anatomy_seed: int
    film_seed: int
    bones: float = 1.0
    vessels: float = 1.0
    roughness: float = 1.0


def comorbidity_probability(age: ArrayLike) -> np.ndarray:
    """Return the probability of each of two chronic conditions at ``age`` (years)."""
    return expit(c.COMORBIDITY_AT_60 + c.AGE_COMORBIDITY.coefficient * _decades(age))


def severity_mean(age: ArrayLike, male: ArrayLike, comorbidity: ArrayLike) -> np.ndarray:
    """Return the mean of severity; around it patients scatter normally with sd 1."""
    return (
        c.AGE_SEVERITY.coefficient * _decades(age)
        + c.SEX_SEVERITY.coefficient * np.asarray(male)
        + c.COMORBIDITY_SEVERITY.coefficient * np.asarray(comorbidity)
    )


def death_logit(severity: ArrayLike, age: ArrayLike, comorbidity: ArrayLike) -> np.ndarray:
    """Return the log odds of death but for the intercept of the site."""
    return (
        c.SEVERITY_DEATH.coefficient * np.asarray(severity)
        + c.AGE_DEATH.coefficient * _decades(age)
        + c.COMORBIDITY_DEATH.coefficient * np.asarray(comorbidity)
    )


def opacity_mean(severity: ArrayLike, day: ArrayLike) -> np.ndarray:
    """Return the mean opaque share before it is cut to [0, OPACITY_MAX]."""
    course = np.minimum(day, c.DAYS_TO_DECLARE) / c.DAYS_TO_DECLARE
    slope = c.SEVERITY_OPACITY.coefficient + c.DAY_OPACITY.coefficient * np.maximum(course, 0.0)
    return c.OPACITY_AT_0 + slope * np.asarray(severity)


def density_mean(severity: ArrayLike) -> np.ndarray:
    """Return the mean density before it is cut to [0, 1]."""
    return c.DENSITY_AT_0 + c.SEVERITY_DENSITY.coefficient * np.asarray(severity)


def heart_mean(age: ArrayLike, comorbidity: ArrayLike) -> np.ndarray:
    """Return the mean cardiothoracic ratio."""
    return (
        c.HEART_AT_60
        + c.AGE_HEART.coefficient * _decades(age)
        + c.COMORBIDITY_HEART.coefficient * np.asarray(comorbidity)
    )


def tube_in_place(day: ArrayLike) -> np.ndarray:
    """Return, among those ever intubated, the share who are by ``day`` of the stay."""
    later = 1.0 - np.exp(-np.maximum(day, 0) / c.TUBE_DELAY)
    return c.TUBE_ON_ADMISSION + (1.0 - c.TUBE_ON_ADMISSION) * later


def causal_table() -> pd.DataFrame:
    """Return every arrow of the model: cause, effect, coefficient, unit, reason.

    ``coefficient`` is None where the arrow is a table by hospital or a rule of publication.
    """
    rows: list[tuple[str, str, float | None, str, str]]
    rows = [(a.cause, a.effect, a.coefficient, a.unit, a.reason) for a in c.ARROWS]
    rows += [(cause, effect, None, "", reason) for cause, effect, reason in c.STRUCTURAL_ARROWS]
    columns = ["cause", "effect", "coefficient", "unit", "reason"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def causal_arrows() -> list[tuple[str, str]]:
    """Return every arrow of the model: (cause, effect)."""
    edges = [(a.cause, a.effect) for a in c.ARROWS]
    return edges + [(cause, effect) for cause, effect, _ in c.STRUCTURAL_ARROWS]


def _decades(age: ArrayLike) -> np.ndarray:
    return (np.asarray(age, dtype=float) - 60.0) / 10.0
