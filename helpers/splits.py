"""Patients before pixels: who is trained on, who chooses, who judges."""

import hashlib
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.duplicates import find_duplicates
from helpers.files import write_whole
from helpers.patient_groups import group_patients, share_out
from helpers.patients import PATIENT, require_numbers
from helpers.table import exclude

__all__ = [
    "PARTS",
    "check_disjoint",
    "exclude_shared_patients",
    "find_duplicates",
    "load_split",
    "save_split",
    "split_patients",
]

PARTS = ["train", "validation", "test"]
SIZES = {"train": 0.6, "validation": 0.2, "test": 0.2}
_HEADER = "# sha256 of the lines below: "


def split_patients(
    cohort: pd.DataFrame,
    *,
    sizes: Mapping[str, float] = SIZES,
    seed: int = 0,
    duplicates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Give every patient, with all films, to one part.

    Patients are split separately within each site and outcome (died, survived, unknown), so that
    every part has its share of the few deaths. The result depends on the patients and the seed,
    not on the order of the rows.

    Parameters
    ----------
    cohort
        The one table; one or several sites.
    sizes
        Share of the patients for ``train``, ``validation``, ``test``, or some of them; sums to 1.
    seed
        Seed of the random assignment.
    duplicates
        Table of :func:`find_duplicates`. Patients who share a film, under two numbers or in two
        cohorts, go to the same part together.

    Returns
    -------
    pandas.DataFrame
        The cohort with the categorical column ``part``.

    Raises
    ------
    ValueError
        If the sizes are no shares of the known parts, if a site has too few patients who died or
        survived to put one into every part, or if a film has no patient.
    """
    require_numbers(cohort)
    names = _check_sizes(sizes)
    groups = group_patients(cohort, duplicates)
    _check_enough(groups, names)
    parts = pd.Series(index=groups.index, dtype="object")
    for number, (_, members) in enumerate(groups.groupby(["site", "outcome"], sort=True)):
        # A generator for each stratum: one more patient in one stratum moves nobody in another.
        order = np.random.default_rng([seed, number]).permutation(len(members))
        counts = share_out(len(members), [sizes[name] for name in names])
        parts[members.index[order]] = np.repeat(names, counts)
    keys = pd.MultiIndex.from_frame(cohort[PATIENT].astype(str))
    assigned = parts.reindex(groups.attrs["group_of"].reindex(keys).to_numpy()).to_numpy()
    result = cohort.copy()
    result["part"] = pd.Categorical(assigned, categories=PARTS)
    return result


def save_split(cohort: pd.DataFrame, path: str | Path) -> Path:
    """Store who belongs to which part, with a hash by which a later change is noticed.

    Parameters
    ----------
    cohort
        A table with the column ``part``.
    path
        CSV file to write: a line with the SHA-256, then ``site``, ``patient_id``, ``part``.

    Raises
    ------
    ValueError
        If a patient is in two parts or in none.
    """
    path = Path(path)
    check_disjoint(cohort)
    table = cohort[[*PATIENT, "part"]].astype(str).drop_duplicates().sort_values(PATIENT)
    text = table.to_csv(index=False, lineterminator="\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, f"{_HEADER}{_sha256(text)}\n{text}".encode())
    return path


def load_split(path: str | Path, cohort: pd.DataFrame) -> pd.DataFrame:
    """Put the stored parts back on a cohort.

    Raises
    ------
    FileNotFoundError
        If the file is absent.
    ValueError
        If it was altered after :func:`save_split`, or does not know a patient of the cohort.
    """
    path = Path(path)
    header, _, text = path.read_bytes().decode().partition("\n")
    if header != _HEADER + _sha256(text):
        raise ValueError(
            f"{path.name} is not as save_split wrote it: its SHA-256 differs. "
            "Delete it and run notebook 01 again; models trained on the old split are void."
        )
    table = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
    parts = pd.Series(table["part"].to_numpy(), pd.MultiIndex.from_frame(table[PATIENT]))
    keys = pd.MultiIndex.from_frame(cohort[PATIENT].astype(str))
    unknown = keys[~keys.isin(parts.index)].unique()
    if len(unknown):
        raise ValueError(
            f"{path.name} does not know {len(unknown)} patients of this cohort, so it was made "
            "for other data. Run notebook 01 again."
        )
    result = cohort.copy()
    result["part"] = pd.Categorical(parts.loc[keys].to_numpy(), categories=PARTS)
    return result


def check_disjoint(cohort: pd.DataFrame, duplicates: pd.DataFrame | None = None) -> None:
    """Make sure that no patient, and no copy of a film, is in two parts.

    Parameters
    ----------
    cohort
        A table with the column ``part``.
    duplicates
        Table of :func:`find_duplicates`; pairs with a film outside the cohort are left alone.

    Raises
    ------
    ValueError
        Naming how many patients offend, and which. (The ids are for you; a notebook must not
        print them.)
    """
    require_numbers(cohort)
    if cohort["part"].isna().any():
        raise ValueError(f"{int(cohort['part'].isna().sum())} rows of the cohort are in no part.")
    parts = cohort.groupby(PATIENT, observed=True)["part"].nunique()
    if (parts > 1).any():
        offending = [" ".join(map(str, key)) for key in parts[parts > 1].index]
        raise ValueError(
            f"{len(offending)} patients are in more than one part: {_named(offending)}. "
            "Split by patient with split_patients."
        )
    if duplicates is None or duplicates.empty:
        return
    films = cohort.assign(who=cohort["site"].astype(str) + " " + cohort["patient_id"])
    films = films.set_index("image_path")[["part", "who"]].astype(str)
    pairs = duplicates.merge(films, left_on="path_a", right_index=True)
    pairs = pairs.merge(films, left_on="path_b", right_index=True, suffixes=("_a", "_b"))
    torn = pairs[pairs["part_a"] != pairs["part_b"]]
    if len(torn):
        offending = sorted(set(torn["who_a"]) | set(torn["who_b"]))
        raise ValueError(
            f"{len(torn)} pairs of copies of a film lie in different parts, of "
            f"{len(offending)} patients: {_named(offending)}. Pass duplicates to split_patients."
        )


def exclude_shared_patients(
    cohort: pd.DataFrame, duplicates: pd.DataFrame, others: pd.DataFrame
) -> pd.DataFrame:
    """Leave out the patients who also are, by a copy of one of their films, in another cohort.

    All their films go, not only the copies: the other films show the same person.

    Parameters
    ----------
    cohort
        The one table of the cohort to thin out, with its participant flow.
    duplicates
        Table of :func:`find_duplicates`.
    others
        The one table of the cohort that keeps the shared patients.

    Raises
    ------
    ValueError
        If there are duplicates, but none has to do with either cohort: they were found in another
        place, and nobody would be left out.
    """
    here, there = set(cohort["image_path"]), set(others["image_path"])
    paths = {*duplicates["path_a"], *duplicates["path_b"]}
    if paths and not paths & (here | there):
        raise ValueError(
            f"None of the {len(paths)} files among the duplicates belongs to these cohorts, so the "
            "table was made for data in another place. Run notebook 01 again."
        )
    shared = {
        ours
        for pair in zip(duplicates["path_a"], duplicates["path_b"], strict=True)
        for ours, theirs in (pair, pair[::-1])
        if ours in here and theirs in there
    }
    patients = cohort.loc[cohort["image_path"].isin(shared), "patient_id"]
    return exclude(cohort, cohort["patient_id"].isin(patients), "patient is in another cohort too")


def _check_sizes(sizes: Mapping[str, float]) -> list[str]:
    unknown = sorted(set(sizes) - set(PARTS))
    if not sizes or unknown:
        raise ValueError(f"Expected sizes for some of {', '.join(PARTS)}; got {dict(sizes)}.")
    if min(sizes.values()) <= 0 or not np.isclose(sum(sizes.values()), 1):
        raise ValueError(f"Expected positive shares that sum to 1; got {dict(sizes)}.")
    return [name for name in PARTS if name in sizes]


def _check_enough(groups: pd.DataFrame, names: list[str]) -> None:
    counts = pd.crosstab(groups["site"], groups["outcome"])
    counts = counts.reindex(columns=["died", "survived"], fill_value=0)
    for site, row in counts[counts.sum(axis=1) > 0].iterrows():
        if row.min() < len(names):
            raise ValueError(
                f"Of {site}, {row['died']} patients died and {row['survived']} survived: too few "
                f"to put one of each into {', '.join(names)}. Use fewer parts, or keep this cohort "
                "whole as an external test."
            )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _named(patients: list[str], most: int = 5) -> str:
    more = f" and {len(patients) - most} more" if len(patients) > most else ""
    return ", ".join(patients[:most]) + more
