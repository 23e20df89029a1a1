"""The causal model behind the phantoms: who falls ill how badly, who dies, what the film shows.

Every number of the model is an :class:`Arrow`: a cause, an effect, a coefficient and the reason for
its size. :func:`causal_table` lists them and :func:`causal_diagram` draws them, so that what
notebook 01 shows and what the generator computes cannot drift apart. Numbers that differ by
hospital are in :mod:`phantoms.sites`; drawing patients is in :mod:`phantoms.people`; exact
conditional risks are in :mod:`phantoms.risk`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import expit

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


@dataclass(frozen=True)
class Arrow:
    """One arrow of the causal diagram: ``coefficient`` in ``unit``, and why it has that size."""

    cause: str
    effect: str
    coefficient: float
    unit: str
    reason: str


# Who falls ill how badly. Severity is in standard deviations of what age, sex and comorbidity leave
# unexplained; 0 is a man or woman of 60 at average risk, +2 somebody in intensive care.
AGE_COMORBIDITY = Arrow(
    "age",
    "comorbidity",
    0.45,
    "log odds per decade",
    "chronic heart, lung and kidney disease roughly doubles every fifteen years of age",
)
AGE_SEVERITY = Arrow(
    "age",
    "severity",
    0.20,
    "sd per decade",
    "older patients are iller on admission; the direct arrow to death carries the rest",
)
SEX_SEVERITY = Arrow(
    "sex",
    "severity",
    0.20,
    "sd, men against women",
    "men were admitted to intensive care about 1.5 times as often",
)
COMORBIDITY_SEVERITY = Arrow(
    "comorbidity",
    "severity",
    0.30,
    "sd per condition",
    "each chronic condition costs reserve; kept small so that the film stays the main witness",
)

# Who dies.
SEVERITY_DEATH = Arrow(
    "severity",
    "death",
    1.80,
    "log odds per sd",
    "the main cause of death; with the scatter of the lesions it puts the best reader of the index "
    "film near AUROC 0.85, where published image-only models (0.77 to 0.81) still fall short",
)
AGE_DEATH = Arrow(
    "age",
    "death",
    0.50,
    "log odds per decade",
    "two arrows from age together give the three published age bands an AUROC near 0.75",
)
COMORBIDITY_DEATH = Arrow(
    "comorbidity",
    "death",
    0.30,
    "log odds per condition",
    "a comorbid patient dies more often of the same pneumonia",
)

# What severity does to lungs, care and blood.
SEVERITY_OPACITY = Arrow(
    "severity",
    "opacity",
    0.19,
    "share of lung area per sd",
    "makes the opaque share the main carrier of prognosis in the film: mean near 0.35, sd near "
    "0.22, as the experts' extent scores of the public films (0.40 and 0.28 of their range)",
)
DAY_OPACITY = Arrow(
    "day",
    "opacity",
    0.06,
    "share of lung area per sd of severity, by day 10",
    "the illness declares itself: severe cases grow denser in the first ten days, mild ones clear",
)
SEVERITY_DENSITY = Arrow(
    "severity",
    "density",
    0.09,
    "0 to 1 per sd",
    "ground-glass turns into consolidation as the disease gets worse",
)
SEVERITY_ICU = Arrow(
    "severity",
    "intensive care",
    1.60,
    "log odds per sd",
    "intensive care is given to the severely ill",
)
SEVERITY_TUBE = Arrow(
    "severity",
    "intubation",
    1.60,
    "log odds per sd",
    "the same slope as for intensive care, so that whoever is intubated is in intensive care",
)
SEVERITY_FILMS = Arrow(
    "severity",
    "number of films",
    1.10,
    "log rate per sd",
    "the severely ill are radiographed daily; the mere number of films gives AUROC near 0.8",
)

# What else the film shows.
AGE_HEART = Arrow(
    "age",
    "heart size",
    0.012,
    "cardiothoracic ratio per decade",
    "hearts widen slowly with age: a little of the age can be read from the film",
)
COMORBIDITY_HEART = Arrow(
    "comorbidity",
    "heart size",
    0.015,
    "cardiothoracic ratio per condition",
    "hypertension and heart failure enlarge the heart",
)

ARROWS: tuple[Arrow, ...] = (
    AGE_COMORBIDITY,
    AGE_SEVERITY,
    SEX_SEVERITY,
    COMORBIDITY_SEVERITY,
    SEVERITY_DEATH,
    AGE_DEATH,
    COMORBIDITY_DEATH,
    SEVERITY_OPACITY,
    DAY_OPACITY,
    SEVERITY_DENSITY,
    SEVERITY_ICU,
    SEVERITY_TUBE,
    SEVERITY_FILMS,
    AGE_HEART,
    COMORBIDITY_HEART,
)

# Arrows without one number: tables by hospital (phantoms.sites) or rules (phantoms.publish).
STRUCTURAL_ARROWS: tuple[tuple[str, str, str], ...] = (
    (
        "intubation",
        "devices",
        "an endotracheal tube, mostly with a stomach tube and a central line",
    ),
    ("intensive care", "devices", "monitoring leads and central lines"),
    ("intensive care", "view", "who cannot stand is radiographed in bed: AP, supine, portable"),
    ("severity", "laboratory values", "LDH and CRP rise, lymphocytes and oxygen fall"),
    ("site", "view", "referral hospitals publish PA films, New York took nearly all AP"),
    ("site", "look of film", "screen captures, Carestream plates, equalised PNGs"),
    ("site", "death", "death rates of 13.2 %, 13 % and 7 %: who is admitted and who is published"),
    ("severity", "recording", "reports of severe cases state the outcome more often"),
    ("site", "recording", "teaching files rarely say how the patient fared"),
    ("death", "recording", "New York hides the sex of the few who died young, lest they be known"),
)

COMORBIDITY_AT_60 = -1.0  # log odds of each of two conditions at 60 years: 27 %
OPACITY_AT_0 = 0.30  # opaque share at severity 0: moderate disease, as most admitted patients show
OPACITY_SD_PATIENT = 0.125  # how differently equally ill patients look; limits what a film can tell
OPACITY_SD_FILM = 0.085  # breath, projection, fluid balance on the day
OPACITY_MAX = 0.85  # a lung without any air does not occur in these collections
OPACITY_VISIBLE = 0.02  # less than this is not seen on a film and is written as none
DENSITY_AT_0 = 0.35  # mostly ground-glass
DENSITY_SD_PATIENT = 0.14
DENSITY_SD_FILM = 0.08
HEART_AT_60 = 0.47  # cardiothoracic ratio; 0.50 is the usual limit of normal
HEART_SD = 0.03  # between people of one age
DAYS_TO_DECLARE = 10.0  # days until the course of the illness has declared itself
TUBE_ON_ADMISSION = 0.35  # share of those ever intubated who are on the first day
TUBE_DELAY = 3.0  # days, mean delay of the others


def comorbidity_probability(age: np.ndarray) -> np.ndarray:
    """Return the probability of each of two chronic conditions at ``age`` (years)."""
    return expit(COMORBIDITY_AT_60 + AGE_COMORBIDITY.coefficient * _decades(age))


def severity_mean(age: np.ndarray, male: np.ndarray, comorbidity: np.ndarray) -> np.ndarray:
    """Return the mean of severity; around it patients scatter normally with sd 1."""
    return (
        AGE_SEVERITY.coefficient * _decades(age)
        + SEX_SEVERITY.coefficient * np.asarray(male)
        + COMORBIDITY_SEVERITY.coefficient * np.asarray(comorbidity)
    )


def death_logit(severity: np.ndarray, age: np.ndarray, comorbidity: np.ndarray) -> np.ndarray:
    """Return the log odds of death but for the intercept of the site."""
    return (
        SEVERITY_DEATH.coefficient * np.asarray(severity)
        + AGE_DEATH.coefficient * _decades(age)
        + COMORBIDITY_DEATH.coefficient * np.asarray(comorbidity)
    )


def opacity_mean(severity: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Return the mean opaque share before it is cut to [0, OPACITY_MAX]."""
    course = np.minimum(day, DAYS_TO_DECLARE) / DAYS_TO_DECLARE
    slope = SEVERITY_OPACITY.coefficient + DAY_OPACITY.coefficient * np.maximum(course, 0.0)
    return OPACITY_AT_0 + slope * severity


def density_mean(severity: np.ndarray) -> np.ndarray:
    """Return the mean density before it is cut to [0, 1]."""
    return DENSITY_AT_0 + SEVERITY_DENSITY.coefficient * np.asarray(severity)


def heart_mean(age: np.ndarray, comorbidity: np.ndarray) -> np.ndarray:
    """Return the mean cardiothoracic ratio."""
    return (
        HEART_AT_60
        + AGE_HEART.coefficient * _decades(age)
        + COMORBIDITY_HEART.coefficient * np.asarray(comorbidity)
    )


def tube_in_place(day: np.ndarray) -> np.ndarray:
    """Return, among those ever intubated, the share who are by ``day`` of the stay."""
    later = 1.0 - np.exp(-np.maximum(day, 0) / TUBE_DELAY)
    return TUBE_ON_ADMISSION + (1.0 - TUBE_ON_ADMISSION) * later


def causal_table() -> pd.DataFrame:
    """Return every arrow of the model: cause, effect, coefficient, unit, reason.

    ``coefficient`` is NA where the arrow is a table by hospital or a rule of publication.
    """
    rows = [(a.cause, a.effect, a.coefficient, a.unit, a.reason) for a in ARROWS]
    rows += [(cause, effect, None, "", reason) for cause, effect, reason in STRUCTURAL_ARROWS]
    table = pd.DataFrame(rows, columns=["cause", "effect", "coefficient", "unit", "reason"])
    return table.astype({"coefficient": "Float64"})


def causal_diagram() -> tuple[dict[str, tuple[float, float]], list[tuple[str, str]]]:
    """Return the places of the variables (x to the right in time, y upward) and the arrows.

    Returns
    -------
    places : dict of name to (x, y), x from 0 to 3, y from 0 to 6
    edges : list of (cause, effect)
    """
    places = {
        "age": (0, 5), "sex": (0, 4), "comorbidity": (0, 3), "site": (0, 1),
        "severity": (1, 4), "day": (1, 6),
        "opacity": (2, 6), "density": (2, 5), "intensive care": (2, 3), "intubation": (2, 2),
        "number of films": (2, 4), "heart size": (2, 7),
        "laboratory values": (3, 5), "devices": (3, 2), "view": (3, 1), "look of film": (2, 0),
        "death": (3, 4), "recording": (3, 0),
    }  # fmt: skip
    edges = [(a.cause, a.effect) for a in ARROWS]
    edges += [(cause, effect) for cause, effect, _ in STRUCTURAL_ARROWS]
    return {name: (float(x), float(y)) for name, (x, y) in places.items()}, edges


def _decades(age: np.ndarray) -> np.ndarray:
    return (np.asarray(age, dtype=float) - 60.0) / 10.0
