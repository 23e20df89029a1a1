"""Draws patients and their films from the causal model."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from phantoms import causes
from phantoms import coefficients as c
from phantoms.causes import Patient
from phantoms.risk import care_probability, death_risk, follow_up_rate, image_risk
from phantoms.sites import AGES, DEVICES_BY_STATE, STATES, site_named

ONE_SIDED = 1 / 6  # share of patients whose opacities are in one lung
SEED_LIMIT = 2**31 - 1


def draw_people(
    site_name: str, n: int, rng: np.random.Generator, *, fixed_deaths: bool = True
) -> pd.DataFrame:
    """Draw ``n`` patients of a site; exactly ``round(death_rate * n)`` of them die.

    With ``fixed_deaths=False`` each dies or not independently of the others, as in a simulation.

    Columns: sex, age, comorbidity, severity, icu, intubated (ever), tube_delay, n_films, first_day,
    habitus, heart, laterality, opacity_shift, density_shift, anatomy_seed, true_risk, true_died.
    """
    site = site_named(site_name)
    people = pd.DataFrame({"age": rng.choice(AGES, n, p=site.age_weights).astype(float)})
    male = rng.random(n) < site.male
    people["sex"] = np.where(male, "M", "F")
    comorbidity = rng.binomial(2, causes.comorbidity_probability(people["age"].to_numpy()))
    people["comorbidity"] = comorbidity
    age = people["age"].to_numpy()
    severity = causes.severity_mean(age, male, comorbidity) + rng.normal(size=n)
    people["severity"] = severity
    icu, tube = care_probability(site, severity)
    need = rng.random(n)  # one draw for both, so that the intubated are in intensive care
    people["icu"] = need < icu
    people["intubated"] = need < tube
    people["tube_delay"] = rng.random(n)
    people["n_films"] = 1 + np.minimum(
        rng.poisson(follow_up_rate(site, severity)), site.max_films - 1
    )
    people["first_day"] = rng.choice(len(site.first_day), n, p=site.first_day)
    people["habitus"] = rng.normal(size=n)
    people["heart"] = causes.heart_mean(age, comorbidity) + c.HEART_SD * rng.normal(size=n)
    people["laterality"] = _laterality(n, rng)
    people["opacity_shift"] = c.OPACITY_SD_PATIENT * rng.normal(size=n)
    people["density_shift"] = c.DENSITY_SD_PATIENT * rng.normal(size=n)
    people["anatomy_seed"] = rng.integers(SEED_LIMIT, size=n)
    people["true_risk"] = death_risk(site_name, severity, age, comorbidity)
    probability = people["true_risk"].to_numpy()
    if fixed_deaths:
        people["true_died"] = draw_deaths(probability, round(site.death_rate * n), rng)
    else:
        people["true_died"] = rng.random(n) < probability
    return people


def draw_deaths(risk: np.ndarray, deaths: int, rng: np.random.Generator) -> np.ndarray:
    """Draw who dies, each with his own risk, given that exactly ``deaths`` do.

    This is conditional Bernoulli sampling (Chen, Dempster & Liu 1994, Biometrika 81:457): patient
    i dies with probability w_i R(d - 1 | later patients) / R(d | this and later patients), where
    w = risk / (1 - risk) and R(d | ...) is the sum over all sets of d patients of the products of
    their w. It keeps the published number of deaths at every seed.

    Parameters
    ----------
    risk : (n,) float in (0, 1)
    deaths : int in 0..n
    rng : numpy Generator

    Returns
    -------
    died : (n,) bool with ``deaths`` true

    Raises
    ------
    ValueError
        If ``deaths`` is negative or exceeds the number of patients.
    """
    n = risk.size
    if not 0 <= deaths <= n:
        raise ValueError(f"expected between 0 and {n} deaths, found {deaths}")
    log_odds = np.log(risk) - np.log1p(-risk)
    sums = np.full((n + 1, deaths + 1), -np.inf)  # log R(d | patients i, i + 1, …)
    sums[n, 0] = 0.0
    for i in range(n - 1, -1, -1):
        sums[i] = sums[i + 1]
        sums[i, 1:] = np.logaddexp(sums[i + 1, 1:], log_odds[i] + sums[i + 1, :-1])
    died = np.zeros(n, dtype=bool)
    left = deaths
    for i, u in enumerate(rng.random(n)):
        if left == 0:
            break
        chance = np.exp(log_odds[i] + sums[i + 1, left - 1] - sums[i, left])
        died[i] = u < chance
        left -= int(died[i])
    return died


def draw_films(site_name: str, people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw every frontal film of ``people``: a row a film, in order of patient and day.

    Columns: person (index of ``people``), those of ``people``, rank (0 = first film), day, state
    (ward, intensive care, intubated), view, opacity, density, devices, portable, inspiration,
    rotation, film_seed, true_image_risk, true_film_age_risk.
    """
    site = site_named(site_name)
    films = people.loc[people.index.repeat(people["n_films"])].copy()
    films.insert(0, "person", films.index)
    films = films.reset_index(drop=True)
    n = len(films)
    films["rank"] = films.groupby("person").cumcount()
    gap = np.where(films["rank"] > 0, 1 + rng.choice(len(site.gaps), n, p=site.gaps), 0)
    films["day"] = films["first_day"] + pd.Series(gap).groupby(films["person"]).cumsum()
    films["state"] = _states(films)
    films["view"] = [
        _choose(site.views[state], u)
        for state, u in zip(films["state"], rng.random(n), strict=True)
    ]
    films["opacity"] = _opacity(films, rng)
    density = causes.density_mean(films["severity"].to_numpy()) + films["density_shift"]
    density = density + c.DENSITY_SD_FILM * rng.normal(size=n)
    films["density"] = np.clip(density, 0.0, 1.0)
    devices = [
        _devices(state, u) for state, u in zip(films["state"], rng.random((n, 3)), strict=True)
    ]
    films["devices"] = pd.Series(devices, dtype=object)
    films["portable"] = (films["view"] != "PA") & (rng.random(n) < site.portable)
    # A breathless patient takes shallower breaths in bed; not part of the truth, hence small.
    films["inspiration"] = rng.normal(size=n) - np.where(films["view"] == "PA", 0.0, 0.5)
    films["rotation"] = rng.normal(size=n) * np.where(films["view"] == "PA", 1.5, 3.0)
    films["film_seed"] = rng.integers(SEED_LIMIT, size=n)
    films["true_image_risk"] = image_risk(site_name, films)
    films["true_film_age_risk"] = image_risk(site_name, films, with_age=True)
    return films


def to_patient(film: pd.Series, site_name: str) -> Patient:
    """Return what the renderer needs to know of one row of :func:`draw_films`."""
    return Patient(
        sex=film["sex"],
        age=float(film["age"]),
        habitus=float(film["habitus"]),
        heart=float(film["heart"]),
        view=film["view"],
        opacity=float(film["opacity"]),
        density=float(film["density"]),
        laterality=float(film["laterality"]),
        devices=film["devices"],
        site=cast(causes.SiteName, site_name),
        portable=bool(film["portable"]),
        inspiration=float(film["inspiration"]),
        rotation=float(film["rotation"]),
        anatomy_seed=int(film["anatomy_seed"]),
        film_seed=int(film["film_seed"]),
    )


def _laterality(n: int, rng: np.random.Generator) -> np.ndarray:
    both = np.clip(rng.normal(0.5, 0.1, n), 0.25, 0.75)
    one = np.where(rng.random(n) < 0.5, 0.05, 0.95)
    return np.where(rng.random(n) < ONE_SIDED, one, both)


def _states(films: pd.DataFrame) -> np.ndarray:
    tubed = films["intubated"] & (films["tube_delay"] < causes.tube_in_place(films["day"]))
    return np.select([tubed, films["icu"]], [STATES[2], STATES[1]], default=STATES[0])


def _opacity(films: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    severity, day = films["severity"].to_numpy(), films["day"].to_numpy()
    share = causes.opacity_mean(severity, day) + films["opacity_shift"].to_numpy()
    share = share + c.OPACITY_SD_FILM * rng.normal(size=len(films))
    return np.where(share <= c.OPACITY_VISIBLE, 0.0, np.minimum(share, c.OPACITY_MAX))


def _choose(chances: dict[causes.View, float], u: float) -> causes.View:
    cumulative = np.cumsum(list(chances.values()))
    return list(chances)[int(np.searchsorted(cumulative, u * cumulative[-1], side="right"))]


def _devices(state: str, u: np.ndarray) -> frozenset[causes.Device]:
    chances = DEVICES_BY_STATE[state]
    on_film = {device for device, x in zip(chances, u, strict=True) if x < chances[device]}
    if state == "intubated":
        on_film.add("endotracheal tube")
    return cast(frozenset[causes.Device], frozenset(on_film))
