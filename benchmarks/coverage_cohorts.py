"""Simulated patients for benchmarks/coverage.py, and how often intervals of them hold the truth.

Patients come from the phantoms' causal model, so that the risk of each is known; no film is drawn.
A model is simulated as the true risk blurred twice: once a patient (what a film does not show) and
once a film (what differs from day to day).
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from statsmodels.stats.proportion import proportion_confint

from helpers.intervals import Interval
from phantoms.people import draw_people

SITE = "sbu"
SIZES = {"test part of the phantoms": 117, "a fifth of real SBU": 277, "all of real SBU": 1384}
POPULATION = 400_000  # people behind the true values
PATIENT_BLUR = 2.5  # sd in logits: leaves an AUROC near those published for films alone
FILM_BLUR = 1.0  # sd in logits
RIVAL_BLUR = 3.0  # sd in logits, of a second model of the same patients
AIM, AIM_NAME = (0.93, 0.97), "93–97 %"
RESAMPLES = 400  # behind each bootstrap interval: enough for its coverage


def draw_films(patients: int, *, seed: int) -> pd.DataFrame:
    """Draw patients of the causal model and a model's risk of each of their films.

    Returns
    -------
    pandas.DataFrame
        A row a film: ``site``, ``patient_id``, ``died``, ``label_source``, ``risk`` and
        ``risk rival`` of the film, ``true_risk`` of the patient.
    """
    generator = np.random.default_rng(seed)
    people = draw_people(SITE, patients, generator, fixed_deaths=False)
    of_patient = np.repeat(np.arange(patients), people["n_films"])
    true = logit(people["true_risk"].to_numpy())

    def blurred(patient_blur: float) -> np.ndarray:
        seen = true + generator.normal(0, patient_blur, patients)
        return expit(seen[of_patient] + generator.normal(0, FILM_BLUR, len(of_patient)))

    return pd.DataFrame(
        {
            "site": SITE,
            "patient_id": of_patient,
            "died": people["true_died"].to_numpy(bool)[of_patient],
            "label_source": "observed",
            "risk": blurred(PATIENT_BLUR),
            "risk rival": blurred(RIVAL_BLUR),
            "true_risk": people["true_risk"].to_numpy()[of_patient],
        }
    )


def split(films: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
    """Cut the films into cohorts of `size` patients."""
    starts = np.arange(0, films["patient_id"].iloc[-1] + 2, size)
    for first, last in pairwise(np.searchsorted(films["patient_id"], starts)):
        yield films.iloc[first:last]


def pool(films: pd.DataFrame) -> pd.DataFrame:
    """Make a row a patient: mean risks, as :func:`helpers.patients.pool_by_patient`, but fast."""
    groups = films.groupby("patient_id", sort=True)
    means = groups[["risk", "risk rival", "true_risk"]].mean()
    first = films.drop_duplicates("patient_id").set_index("patient_id")
    return means.join(first[["site", "died", "label_source"]]).reset_index()


def coverage(
    found: Iterable[dict[tuple[str, str], Interval]], truth: dict[str, float]
) -> pd.DataFrame:
    """Count how often intervals, by measure and method for each cohort, hold the truth.

    Returns
    -------
    pandas.DataFrame
        A row a measure and method: ``coverage`` of the intervals that there are, with its Wilson
        interval over the cohorts, whether it is where it was to be, how often they lie
        ``too low`` and ``too high``, their mean ``width``, and how many cohorts had
        ``no interval``.
    """
    cohorts = list(found)
    rows = []
    for measure, method in cohorts[0]:
        intervals = [cohort[measure, method] for cohort in cohorts]
        bounds = np.array([(one.low, one.high) for one in intervals])
        low, high = bounds[~np.isnan(bounds[:, 0])].T
        if not len(low):
            raise ValueError(f"{method} gave no interval of {measure} in {len(intervals)} cohorts.")
        hits = int(((low <= truth[measure]) & (truth[measure] <= high)).sum())
        reach = proportion_confint(hits, len(low), method="wilson")
        rows.append(
            {
                "measure": measure,
                "interval": method,
                "truth": f"{truth[measure]:.3f}".replace("-", "−"),
                "coverage": f"{Interval(hits / len(low), *reach):.1%}",
                AIM_NAME: "yes" if AIM[0] <= hits / len(low) <= AIM[1] else "**no**",
                "too low": f"{np.mean(high < truth[measure]):.1%}",
                "too high": f"{np.mean(low > truth[measure]):.1%}",
                "width": f"{np.mean(high - low):.3f}",
                "no interval": len(intervals) - len(low),
            }
        )
    return pd.DataFrame(rows)
