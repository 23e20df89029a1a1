"""Choosing among films that can be read: a header may be whole where the pixels are not."""

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
    cache = FilmCache(size or SIZES[profile()])
    while True:  # only films that are chosen are read
        index = select_index_films(cohort)
        found = cache.add(list(index["image_path"])).dropna(subset="reason")
        if found.empty:
            return index
        for reason, films in found.groupby("reason"):
            unreadable = cohort["image_path"].isin(films["image_path"])
            cohort = exclude(cohort, unreadable, f"unreadable: {reason}")
