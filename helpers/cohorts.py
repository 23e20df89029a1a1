"""Finding the cohorts, and choosing the films to predict from."""

import pandas as pd

from helpers.annotations import Annotations, load_annotations, outline_mask
from helpers.paths import COHORTS, cohort_root, is_phantom, profile, work_file, work_root
from helpers.publishers import load_hannover, load_ieee8023, load_sbu
from helpers.table import FRONTAL_VIEWS, exclude, participant_flow

__all__ = [
    "Annotations",
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


def load_cohort(name: str) -> pd.DataFrame:
    """Load the cohort of this name from :func:`cohort_root`."""
    loaders = {"ieee8023": load_ieee8023, "sbu": load_sbu, "hannover": load_hannover}
    return loaders[name](cohort_root(name))


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
    """Choose one film a patient: the earliest that is no enhanced companion.

    Films from before admission are left out. A film of unknown day counts as the last, so that
    it is chosen only where a patient has no dated one. Ties go to the lower series number.

    Returns
    -------
    pandas.DataFrame
        A row a patient, with the participant flow continued.
    """
    films = exclude(cohort, ~cohort["view"].isin(FRONTAL_VIEWS), "not a frontal film")
    if "companion" in films:
        films = exclude(films, films["companion"], "enhanced companion of another film")
    films = exclude(films, films["day"] < 0, "before admission or onset")
    order = ["site", "patient_id", "day"] + ["series_number"] * ("series_number" in films)
    ranked = films.sort_values([*order, "image_path"], na_position="last")
    ranked.attrs = films.attrs
    later = ranked.duplicated(["site", "patient_id"])
    return exclude(ranked, later, "not the patient's first film").reset_index(drop=True)
