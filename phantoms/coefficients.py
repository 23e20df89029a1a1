"""The numbers of the causal model, each with the reason for its size.

Every number that joins two variables is an :class:`Arrow`, so that the table and the diagram which
notebook 01 shows and what the generator computes cannot drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    0.007,
    "cardiothoracic ratio per decade",
    "hearts widen slowly with age: a little of the age can be read from the film",
)
COMORBIDITY_HEART = Arrow(
    "comorbidity",
    "heart size",
    0.010,
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
    ("day", "devices", "a third of those ever intubated are on the first day, the rest later"),
    ("site", "age", "who is admitted, and whose case is published"),
    ("site", "sex", "64 % men in published cases, 56 % in New York"),
    ("site", "day", "New York films on admission, published cases come from any day"),
    (
        "site",
        "intensive care",
        "of the equally ill more are in intensive care where they are referred",
    ),
    ("site", "intubation", "of the equally ill fewer were intubated in New York"),
    ("site", "number of films", "case reports show few of the films, hospitals publish them all"),
    ("sex", "look of film", "breasts hang over the lower zones; a chest of another width"),
    ("age", "look of film", "aorta, bones and posture age, and pacemakers grow common"),
    ("site", "view", "referral hospitals publish PA films, New York took nearly all AP"),
    ("site", "look of film", "screen captures, Carestream plates, equalised PNGs"),
    (
        "site",
        "death",
        "13 % die at ieee8023, 13.2 % at sbu, 7 % at hannover: who is admitted",
    ),
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
