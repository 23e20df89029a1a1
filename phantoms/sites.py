"""What differs between the three collections: who is admitted, how they are radiographed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phantoms.causes import SiteName, View

AGES = np.arange(18, 95)  # years, whole, as hospitals record them
STATES = ("ward", "intensive care", "intubated")  # where the patient is when the film is taken

# P(device on the film | state). The endotracheal tube is there exactly when intubated; stomach
# tubes and central lines follow it. Leads are common everywhere, so they say little by themselves.
DEVICES_BY_STATE: dict[str, dict[str, float]] = {
    "ward": {"central line": 0.02, "nasogastric tube": 0.01, "ecg leads": 0.30},
    "intensive care": {"central line": 0.25, "nasogastric tube": 0.10, "ecg leads": 0.85},
    "intubated": {"central line": 0.80, "nasogastric tube": 0.90, "ecg leads": 0.90},
}


@dataclass(frozen=True)
class Site:
    """One collection.

    Attributes
    ----------
    name : as in the one table
    death_rate : share of its patients who die; the model's intercept is solved from it
    age_weights : (77,) float, probability of each of ``AGES``
    male : share of men
    icu_at_0, tube_at_0 : log odds of intensive care and of intubation at severity 0
    films_at_0 : log of the expected number of follow-up films at severity 0
    max_films : most films of one patient
    first_day : probability that the first film is taken on day 0, 1, 2, …
    gaps : probability that the next film follows 1, 2, 3, … days later
    views : P(view | state), frontal views only
    portable : share of bedside films that carry a PORTABLE stamp
    """

    name: SiteName
    death_rate: float
    age_weights: tuple[float, ...]
    male: float
    icu_at_0: float
    tube_at_0: float
    films_at_0: float
    max_films: int
    first_day: tuple[float, ...]
    gaps: tuple[float, ...]
    views: dict[str, dict[View, float]]
    portable: float

    @property
    def last_possible_day(self) -> int:
        """The latest day on which a film can be taken."""
        return len(self.first_day) - 1 + (self.max_films - 1) * len(self.gaps)


def _banded_ages() -> tuple[float, ...]:
    """Ages whose three published bands hold 765, 350 and 269 of 1,384 patients (SBU)."""
    weights = np.zeros(AGES.size)
    young = (AGES >= 18) & (AGES <= 59)
    middle = (AGES > 59) & (AGES <= 74)
    old = (AGES > 74) & (AGES <= 90)
    # Admissions rise with age within the youngest band, from few at 18.
    weights[young] = 765 * (AGES[young] - 14) / (AGES[young] - 14).sum()
    weights[middle] = 350 / middle.sum()
    weights[old] = 269 / old.sum()
    return tuple(weights / weights.sum())


def _bell_ages(mean: float, sd: float) -> tuple[float, ...]:
    weights = np.exp(-0.5 * ((AGES - mean) / sd) ** 2)
    return tuple(weights / weights.sum())


SITES: dict[str, Site] = {
    # Published cases from everywhere; films on any day of the illness; half of them PA.
    "ieee8023": Site(
        name="ieee8023",
        death_rate=0.13,
        age_weights=_bell_ages(57.0, 16.0),
        male=0.64,
        icu_at_0=-1.0,
        tube_at_0=-1.8,
        films_at_0=-1.1,
        max_films=8,
        first_day=(0.20, 0.08, 0.12, 0.14, 0.10, 0.12, 0.06, 0.10, 0.04, 0.02, 0.02),
        gaps=(0.35, 0.25, 0.20, 0.10, 0.10),
        views={
            "ward": {"PA": 0.72, "AP": 0.18, "AP supine": 0.10},
            "intensive care": {"PA": 0.15, "AP": 0.45, "AP supine": 0.40},
            "intubated": {"PA": 0.02, "AP": 0.43, "AP supine": 0.55},
        },
        portable=0.4,
    ),
    # One university hospital in New York; a portable AP film of everybody on admission.
    "sbu": Site(
        name="sbu",
        death_rate=0.132,
        age_weights=_banded_ages(),
        male=0.56,
        icu_at_0=-1.6,
        tube_at_0=-2.8,
        films_at_0=-0.85,
        max_films=20,
        first_day=(0.80, 0.15, 0.05),
        gaps=(0.50, 0.30, 0.20),
        views={
            "ward": {"PA": 0.012, "AP": 0.838, "AP supine": 0.15},
            "intensive care": {"PA": 0.0, "AP": 0.45, "AP supine": 0.55},
            "intubated": {"PA": 0.0, "AP": 0.15, "AP supine": 0.85},
        },
        portable=0.9,
    ),
    # One referral centre: many intensive care patients with long series, few deaths.
    "hannover": Site(
        name="hannover",
        death_rate=0.07,
        age_weights=_bell_ages(60.0, 14.0),
        male=0.72,
        icu_at_0=-0.9,
        tube_at_0=-1.7,
        films_at_0=-0.8,
        max_films=20,
        first_day=(0.50, 0.10, 0.10, 0.06, 0.06, 0.06, 0.04, 0.04, 0.04),
        gaps=(0.30, 0.25, 0.20, 0.15, 0.10),
        views={
            "ward": {"PA": 0.70, "AP": 0.30},
            "intensive care": {"PA": 0.03, "AP": 0.57, "AP supine": 0.40},
            "intubated": {"PA": 0.0, "AP": 0.35, "AP supine": 0.65},
        },
        portable=0.2,
    ),
}


def site_named(name: str) -> Site:
    """Return the site called ``name``; raise ``ValueError`` naming the three there are."""
    if name not in SITES:
        raise ValueError(f"expected a site among {sorted(SITES)}, found {name!r}")
    return SITES[name]
