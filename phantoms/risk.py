"""Exact risks of the causal model, by quadrature instead of simulation.

For a film V of a patient of known sex at a site,

    P(death | V) = sum over age, comorbidity and severity of
                       p(a, c, s | sex) L(V | a, c, s) P(death | a, c, s),
                   divided by the same sum without P(death | a, c, s),

where L is the likelihood of what the causal model puts on the film: opaque share, density, view,
devices and heart size. (The drawing adds faint traces of age to aorta, bones and posture, and makes
pacemakers commoner with it; they are left out.) Age takes its 77 whole years, comorbidity its three
values, and severity a grid of step 0.1 over ±6 standard deviations, on which the trapezoid rule is
exact to rounding for Gaussian integrands (Trefethen & Weideman 2014, SIAM Review 56:385).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import binom, norm, poisson

from phantoms import causes
from phantoms import coefficients as c
from phantoms.sites import AGES, DEVICES_BY_STATE, STATES, Site, site_named

SEVERITY = np.arange(-6.0, 6.05, 0.1)  # the grid
COMORBIDITY = np.arange(3)
_AGE = np.repeat(AGES, COMORBIDITY.size)  # (231,) age of each (age, comorbidity) cell
_COMORBID = np.tile(COMORBIDITY, AGES.size)


@dataclass(frozen=True)
class _Model:
    """Prior and risk of one site on the grid, cells (age, comorbidity) by severity."""

    prior: dict[str, np.ndarray]  # by sex: (231, 121), sums to 1
    death: np.ndarray  # (231, 121) probability of death
    intercept: float


def death_risk(
    site: str, severity: np.ndarray, age: np.ndarray, comorbidity: np.ndarray
) -> np.ndarray:
    """Return P(death | everything that causes death): the true risk."""
    return expit(_model(site).intercept + causes.death_logit(severity, age, comorbidity))


def image_risk(site: str, films: pd.DataFrame, *, with_age: bool = False) -> np.ndarray:
    """Return P(death | what the film shows), with ``with_age`` also given the age in years.

    It is the risk among films *of the same kind*: among all first films, or among all later
    films of the site, a patient with ten of these counting ten times. For first films no AUROC of
    a model that sees these things alone can exceed that of this risk in the long run; one that also
    reads the traces of age can, but not that of the risk ``with_age``.

    Parameters
    ----------
    site : str, one of the three
    films : DataFrame with columns sex, age, opacity, density, heart, view, devices (frozenset)
        and rank (0 for a patient's first film), as :func:`phantoms.people.draw_films` returns it
    with_age : condition on the patient's age as well

    Returns
    -------
    risk : (n,) float, in film order

    Raises
    ------
    ValueError
        If a film has a view that the model of the site never takes (laterals).
    """
    model = _model(site)
    risk = np.full(len(films), np.nan)
    for (sex, later), group in films.assign(later=films["rank"] > 0).groupby(["sex", "later"]):
        rows = films.index.get_indexer(group.index)
        by_severity = _severity_likelihood(site_named(site), group, bool(later))
        by_cell = norm.pdf(
            group["heart"].to_numpy()[:, None],
            causes.heart_mean(_AGE, _COMORBID),
            c.HEART_SD,
        )
        if with_age:
            by_cell = by_cell * (group["age"].to_numpy()[:, None] == _AGE)
        prior = model.prior[str(sex)]
        total = ((by_cell @ prior) * by_severity).sum(axis=1)
        dead = ((by_cell @ (prior * model.death)) * by_severity).sum(axis=1)
        risk[rows] = np.divide(dead, total, out=np.full(len(rows), np.nan), where=total > 0)
    if not np.isfinite(risk).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(risk))} films of {site} are impossible under the "
            "model: expected frontal views and ages between 18 and 94"
        )
    return risk


def expected_films(site: Site, *, later: bool) -> np.ndarray:
    """Return the expected number of films at each (severity, day): (121, days).

    For first films this is the distribution of the first day, whatever the severity. For later
    films, film number k + 1 exists with the Poisson tail P(N >= k | severity) and falls on the
    day that the gaps between films add up to.
    """
    days = site.last_possible_day + 1
    on_day = np.zeros(days)
    on_day[: len(site.first_day)] = site.first_day
    if not later:
        return np.tile(on_day, (SEVERITY.size, 1))
    expected = np.zeros((SEVERITY.size, days))
    gap = np.concatenate([[0.0], site.gaps])
    rate = follow_up_rate(site, SEVERITY)
    for k in range(1, site.max_films):
        on_day = np.convolve(on_day, gap)[:days]
        expected += poisson.sf(k - 1, rate)[:, None] * on_day
    return expected


def follow_up_rate(site: Site, severity: np.ndarray) -> np.ndarray:
    """Return the Poisson mean of the number of films after the first."""
    return np.exp(site.films_at_0 + c.SEVERITY_FILMS.coefficient * np.asarray(severity))


def care_probability(site: Site, severity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of intensive care and of intubation at some time of the stay."""
    icu = expit(site.icu_at_0 + c.SEVERITY_ICU.coefficient * np.asarray(severity))
    tube = expit(site.tube_at_0 + c.SEVERITY_TUBE.coefficient * np.asarray(severity))
    return icu, tube


@lru_cache(maxsize=3)
def _model(name: str) -> _Model:
    site = site_named(name)
    weight = np.repeat(site.age_weights, COMORBIDITY.size) * binom.pmf(
        _COMORBID, 2, causes.comorbidity_probability(_AGE)
    )
    prior = {}
    for sex, male in (("F", 0), ("M", 1)):
        mean = causes.severity_mean(_AGE, np.full(_AGE.size, male), _COMORBID)
        density = weight[:, None] * norm.pdf(SEVERITY, mean[:, None])
        prior[sex] = density / density.sum()
    population = (1 - site.male) * prior["F"] + site.male * prior["M"]
    logit = causes.death_logit(SEVERITY, _AGE[:, None], _COMORBID[:, None])
    intercept = brentq(
        lambda b: (population * expit(b + logit)).sum() - site.death_rate, -20.0, 10.0
    )
    return _Model(prior, expit(intercept + logit), float(intercept))


def _severity_likelihood(site: Site, films: pd.DataFrame, later: bool) -> np.ndarray:
    """Return (n, 121): how likely opacity, density, view and devices are at each severity."""
    taken = expected_films(site, later=later)
    days = np.flatnonzero(taken.sum(axis=0) > 0)
    opacity = films["opacity"].to_numpy()[:, None]
    likelihood = np.zeros((len(films), SEVERITY.size))
    by_state = _shown_by_state(site, films)
    for day in days.tolist():
        here = _state_probability(site, day) @ by_state.T  # (121, n)
        mean = causes.opacity_mean(SEVERITY, day)
        likelihood += (
            taken[:, day]
            * here.T
            * _cut_normal(
                opacity,
                mean,
                np.hypot(c.OPACITY_SD_PATIENT, c.OPACITY_SD_FILM),
                c.OPACITY_VISIBLE,
                c.OPACITY_MAX,
            )
        )
    density = _cut_normal(
        films["density"].to_numpy()[:, None],
        causes.density_mean(SEVERITY),
        np.hypot(c.DENSITY_SD_PATIENT, c.DENSITY_SD_FILM),
        0.0,
        1.0,
    )
    return likelihood * np.where(opacity > 0, density, 1.0)  # no opacity shows no density


def _cut_normal(
    value: np.ndarray, mean: np.ndarray, sd: float, low: float, high: float
) -> np.ndarray:
    """Likelihood of a normal variable of which only the part inside [low, high] is seen."""
    inside = norm.pdf(value, mean, sd)
    at_low = np.where(value <= low, norm.cdf(low, mean, sd), inside)
    return np.where(value >= high, norm.sf(high, mean, sd), at_low)


def _state_probability(site: Site, day: int) -> np.ndarray:
    """Return (121, 3): probability of each of ``STATES`` on ``day`` at each severity."""
    icu, tube = care_probability(site, SEVERITY)
    tubed = tube * causes.tube_in_place(day)
    return np.column_stack([1.0 - icu, icu - tubed, tubed])


def _shown_by_state(site: Site, films: pd.DataFrame) -> np.ndarray:
    """Return (n, 3): probability of the film's view and devices in each of ``STATES``."""
    shown = np.ones((len(films), len(STATES)))
    for column, state in enumerate(STATES):
        view = films["view"].astype(str).map(site.views[state]).fillna(0.0)
        shown[:, column] = view.to_numpy(float)
        for device, chance in DEVICES_BY_STATE[state].items():
            present = np.array([device in devices for devices in films["devices"]])
            shown[:, column] *= np.where(present, chance, 1.0 - chance)
        tube = np.array(["endotracheal tube" in devices for devices in films["devices"]])
        shown[:, column] *= tube == (state == "intubated")
    return shown
