"""Finding the cohorts, and choosing the films to predict from."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from helpers.annotations import load_annotations, outline_mask
from helpers.paths import COHORTS, cohort_root, is_phantom, profile, work_file, work_root
from helpers.publishers import load_hannover, load_ieee8023
from helpers.sbu import load_sbu
from helpers.table import FRONTAL_VIEWS, exclude, participant_flow

__all__ = [
    "cohort_root",
    "data_in_use",
    "is_phantom",
    "load_annotations",
    "load_cohort",
    "load_hannover",
    "load_ieee8023",
    "load_sbu",
    "outline_mask",
    "participant_flow",
    "profile",
    "select_index_films",
    "work_file",
    "work_root",
]

LOADERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    "ieee8023": load_ieee8023,
    "sbu": load_sbu,
    "hannover": load_hannover,
}


def load_cohort(name: str) -> pd.DataFrame:
    """Load the cohort of this name from :func:`cohort_root`."""
    return LOADERS[name](cohort_root(name))


def data_in_use() -> pd.DataFrame:
    """Say which cohorts are real and which are phantoms, and how large the eligible part is."""
    rows = []
    for name in COHORTS:
        cohort = load_cohort(name)
        source = "phantom" if is_phantom(name) else "real"
        rows.append((name, source, len(cohort), cohort["patient_id"].nunique()))
    columns = ["cohort", "data", "radiographs", "patients"]
    return pd.DataFrame(rows, columns=columns).set_index("cohort")


def select_index_films(cohort: pd.DataFrame) -> pd.DataFrame:
    """Choose one film a patient: the earliest of the stay that is no enhanced companion.

    Companions are told by the reference in their header (column ``companion``); what is left of a
    study may still hold one whose reference is missing, or is unknown as in the index of an
    archive, so only the lowest series number of each study and view stays. Films from before
    admission and from after discharge or death are left out. A film of unknown day counts as the
    last, so that it is chosen only where a patient has no dated one.

    Parameters
    ----------
    cohort : pandas.DataFrame
        From a loader, or from `helpers.idc.load_index`. Of the columns ``companion``, ``study``
        and ``series_number``, ``after_outcome``, those that it lacks play no part.

    Returns
    -------
    pandas.DataFrame
        A row a patient, with the participant flow continued.
    """
    films = exclude(cohort, ~cohort["view"].isin(FRONTAL_VIEWS), "not a frontal film")
    if "companion" in films:
        films = exclude(films, films["companion"], "enhanced companion of another film")
    if "series_number" in films:
        films = exclude(films, _later_series(films), "higher series number of the same study")
    films = exclude(films, films["day"] < 0, "before admission or onset")
    if "after_outcome" in films:
        films = exclude(films, films["after_outcome"], "after discharge or death")
    order = ["site", "patient_id", "day"] + ["series_number"] * ("series_number" in films)
    ranked = films.sort_values([*order, "image_path"], na_position="last")
    ranked.attrs = films.attrs
    later = ranked.duplicated(["site", "patient_id"])
    return exclude(ranked, later, "not the patient's first film").reset_index(drop=True)


def _later_series(films: pd.DataFrame) -> pd.Series:
    """Say which films of a study and view have a higher series number than another one."""
    number = films["series_number"].astype("Float64").fillna(float("inf"))
    keys = [films[name].astype("string") for name in ("patient_id", "study", "view")]
    return number > number.groupby(keys, dropna=False).transform("min")
