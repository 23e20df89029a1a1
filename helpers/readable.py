"""Choosing among films that can be read: a header may be whole where the pixels are not."""

from collections.abc import Callable

import pandas as pd

from helpers.cache import FilmCache
from helpers.cohorts import load_cohort, profile, select_index_films
from helpers.radiographs import exclude_unreadable
from helpers.table import exclude

SIZES = {"quick": 128, "full": 224}  # px, of the profiles


def load_readable(name: str, size: int | None = None) -> pd.DataFrame:
    """Load a cohort without the films that cannot be read, each counted under its reason.

    Parameters
    ----------
    name
        ``ieee8023``, ``sbu`` or ``hannover``.
    size
        Side in px at which the films will be used; by default the profile's.
    """
    return exclude_unreadable(load_cohort(name), size or SIZES[profile()])


def select_readable_index_films(cohort: pd.DataFrame, size: int | None = None) -> pd.DataFrame:
    """Choose index films that can be read: in the place of one that cannot, the patient's next.

    Parameters
    ----------
    cohort
        The one table.
    size
        Side in px at which the films will be used; by default the profile's.

    Returns
    -------
    pandas.DataFrame
        As of :func:`helpers.cohorts.select_index_films`; what could not be read is counted under
        its reason in the flow.
    """
    return choose_readable(cohort, select_index_films, size)


def choose_readable(
    cohort: pd.DataFrame,
    choose: Callable[[pd.DataFrame], pd.DataFrame],
    size: int | None = None,
) -> pd.DataFrame:
    """Choose films until all that are chosen can be read; others are not opened.

    Parameters
    ----------
    cohort
        The one table.
    choose
        Takes the cohort, without films that are known to be unreadable, and returns some rows.
    size
        Side in px at which the films will be used; by default the profile's.

    Returns
    -------
    pandas.DataFrame
        What `choose` returned; what could not be read is counted under its reason in the flow, if
        the cohort carries one.
    """
    cache = FilmCache(size or SIZES[profile()])
    while True:
        chosen = choose(cohort)
        found = cache.add(list(chosen["image_path"])).dropna(subset="reason")
        if found.empty:
            return chosen
        for reason, films in found.groupby("reason"):
            unreadable = cohort["image_path"].isin(films["image_path"])
            if "flow" in cohort.attrs:
                cohort = exclude(cohort, unreadable, f"unreadable: {reason}")
            else:  # examples are not counted
                cohort = cohort[~unreadable]
