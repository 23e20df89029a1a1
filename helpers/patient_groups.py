"""Patients who must stay together in a split because they share a film, and sharing them out."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from helpers.patients import PATIENT


def group_patients(cohort: pd.DataFrame, duplicates: pd.DataFrame | None = None) -> pd.DataFrame:
    """Make a row a group of patients who must stay together, named by its first patient.

    Two patients belong together if they share a film, and so do all who are linked through others
    (connected components of the graph whose edges are the copies).

    Parameters
    ----------
    cohort
        The one table; one or several sites.
    duplicates
        Table of :func:`helpers.duplicates.find_duplicates`; pairs with a film outside the cohort
        are left alone.

    Returns
    -------
    pandas.DataFrame
        ``site`` of the group's first patient and ``outcome``: died, survived or unknown, the
        gravest of the group. ``attrs["group_of"]`` maps (site, patient_id) to the group.
    """
    films = cohort.astype({"site": str, "patient_id": str})
    patients = films.groupby(PATIENT, sort=True)["died"].max().reset_index()
    keys = pd.MultiIndex.from_frame(patients[PATIENT])
    places = keys.get_indexer(pd.MultiIndex.from_frame(films[PATIENT]))
    patient_of = pd.Series(places, index=films["image_path"].astype(str))
    patient_of = patient_of[~patient_of.index.duplicated()]
    pairs = pd.DataFrame(columns=["path_a", "path_b"]) if duplicates is None else duplicates
    ends = [pairs[side].map(patient_of).to_numpy(float) for side in ("path_a", "path_b")]
    known = ~np.isnan(ends[0]) & ~np.isnan(ends[1])
    a, b = (end[known].astype(int) for end in ends)
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(keys), len(keys)))
    patients["group"] = connected_components(links, directed=False)[1]
    outcome = patients["died"].map({True: "died", False: "survived"}).fillna("unknown")
    # A group counts as its gravest outcome, so that deaths are spread evenly.
    patients["outcome"] = pd.Categorical(outcome, ["died", "survived", "unknown"], ordered=True)
    groups = patients.groupby("group").agg(site=("site", "first"), outcome=("outcome", "min"))
    groups["outcome"] = groups["outcome"].astype(str)
    groups.attrs["group_of"] = pd.Series(patients["group"].to_numpy(), index=keys)
    return groups


def share_out(patients: int, shares: list[float]) -> np.ndarray:
    """Share patients out in whole numbers, nearest to the shares, none 0 if there are enough."""
    counts = np.floor(np.multiply(shares, patients)).astype(int)
    if patients >= len(shares):
        counts = np.maximum(counts, 1)
    while counts.sum() != patients:
        lacking = np.multiply(shares, patients) - counts
        if counts.sum() < patients:
            counts[lacking.argmax()] += 1
        else:
            counts[np.where(counts > 1, lacking, np.inf).argmin()] -= 1
    return counts
