"""Films of the New York collection that no prediction is made from, a few of each kind.

For each of them there is a rule of selection: films from before the visit and from after it,
enhanced copies whose header does not refer to their film, films whose header says no view. They
come on top of the planned films and change none of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from phantoms.people import SEED_LIMIT
from phantoms.publish.dicom import Header, uid

# How many patients of 600 have one.
BEFORE, AFTER, WITHOUT_REFERENCE, WITHOUT_VIEW = 8, 10, 6, 4
MOST_DAYS = 25  # before the visit, or after it
SERIES = 4  # number of such a copy; 1 and 2 are film and companion, 3 is a lateral


def left_out(
    films: pd.DataFrame,
    headers: list[Header],
    stays: pd.Series,
    scale: float,
    rng: np.random.Generator,
) -> Iterator[tuple[pd.Series, Header, bool]]:
    """Draw films that the rules of selection leave out.

    Parameters
    ----------
    films : planned chest films, a row each, with ``admission`` in days of the calendar
    headers : of their plain series, in the order of ``films``
    stays : days in hospital by patient_id
    scale : share of the default size
    rng : used for nothing else, or at the end

    Yields
    ------
    film : pandas.Series, as a row of ``films``
    header : of the one series
    enhanced : whether it is processed as companions are
    """
    first = (films["rank"] == 0) & (films["view"] == "AP")
    plain = np.array([header.series_number == 1 for header in headers])

    def some(eligible: pd.Series | np.ndarray, number: int) -> np.ndarray:
        places = np.flatnonzero(eligible)
        return rng.permutation(places)[: max(1, round(number * scale))]

    def another(place: int, kind: str, day: float) -> tuple[pd.Series, Header]:
        film = films.iloc[place].copy()
        header, days = headers[place], timedelta(days=int(day - film["day"]))
        film["film_seed"] = int(rng.integers(SEED_LIMIT))
        return film, replace(
            header,
            study_uid=uid("sbu", header.patient_id, kind),
            date=(datetime.strptime(header.date, "%Y%m%d") + days).strftime("%Y%m%d"),
            series_number=1,
            window_seed=int(rng.integers(2**31)),
        )

    for place in some(first & (films["admission"] >= MOST_DAYS), BEFORE):
        yield *another(place, "before", -int(rng.integers(1, MOST_DAYS))), False
    for place in some(first & ~films["true_died"].astype(bool), AFTER):
        stay = int(stays[films.iloc[place]["patient_id"]])
        yield *another(place, "after", stay + int(rng.integers(2, MOST_DAYS))), False
    for place in some(first, WITHOUT_VIEW):
        film, header = another(place, "no view", films.iloc[place]["day"])
        yield film, replace(header, view="", series_description=""), False
    for place in some(first & plain, WITHOUT_REFERENCE):  # the same exposure again
        yield films.iloc[place], headers[place].numbered(SERIES, "AP Enhanced"), True
