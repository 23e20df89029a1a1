"""The one table: a row a radiograph, the same columns from loading to judging."""

import sys
import warnings
from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.paths import COHORTS

VIEWS = ["PA", "AP", "AP supine", "lateral", "unknown"]
FRONTAL_VIEWS = ["PA", "AP", "AP supine"]
FINITE = (-sys.float_info.max, sys.float_info.max)
_TIME_OF_DAY = r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?$"
TYPES: dict[str, Any] = {
    "patient_id": "string",  # unique within a site
    "site": pd.CategoricalDtype(list(COHORTS)),
    "image_path": "string",  # the file as published
    "view": pd.CategoricalDtype(VIEWS),
    "day": "Float64",  # since symptom onset or admission
    "sex": pd.CategoricalDtype(["F", "M"]),
    "age": "Float64",  # years
    "died": "boolean",  # in hospital
    "label_source": pd.CategoricalDtype(["observed", "imputed", "unknown"]),
}


def one_table(raw: pd.DataFrame, site: str) -> pd.DataFrame:
    """Give a cohort the common columns, in their types and order; others follow as they are.

    Raises
    ------
    ValueError
        If a column of the common table is missing.
    """
    table = raw.assign(site=site).reset_index(drop=True)
    table["label_source"] = table["died"].map({True: "observed", False: "observed"})
    table["label_source"] = table["label_source"].fillna("unknown")
    missing = sorted(set(TYPES) - set(table))
    if missing:
        raise ValueError(f"The {site} table lacks the columns {', '.join(missing)}.")
    rest = [column for column in table if column not in TYPES]
    return table[[*TYPES, *rest]].astype(TYPES)


def decode(
    values: pd.Series,
    codes: Mapping[str, object],
    *,
    unknown: tuple[str, ...] = ("",),
    named: bool = True,
) -> pd.Series:
    """Translate a publisher's codes; values that are in no list become NA, with one warning.

    Parameters
    ----------
    values
        Strings as published.
    codes
        What each documented value means.
    unknown
        Values with which the publisher says "not known": NA without a warning.
    named
        Whether the warning names such values. Not where anybody may have typed anything, as into
        the headers of films.

    Returns
    -------
    pandas.Series
        Object series with the meanings, ``NA`` where unknown.
    """
    stripped = values.fillna("").str.strip()
    _warn_of(stripped[~stripped.isin([*codes, *unknown])], values.name, named)
    return stripped.map(lambda value: codes.get(value, pd.NA)).astype(object)


def decode_numbers(
    values: pd.Series,
    *,
    unknown: tuple[str, ...] = ("", "?"),
    named: bool = True,
    between: tuple[float, float] = FINITE,
) -> pd.Series:
    """Read numbers `between` two, both included; by default all but the infinite.

    Anything else becomes NA, with one warning that names it, if `named`.
    """
    stripped = values.fillna("").astype("string").str.strip()
    numbers = pd.to_numeric(stripped, errors="coerce").astype("Float64")
    numbers = numbers.where(numbers.between(*between))
    _warn_of(stripped[numbers.isna() & ~stripped.isin(unknown)], values.name, named)
    return numbers


def decode_dates(values: pd.Series, *, format: str = "%Y-%m-%d", named: bool = True) -> pd.Series:
    """Read dates of one format; others but blanks become NaT, with one warning that names them.

    A time of day after the date, as in 2020-03-01T08:00:00+02:00, is left out. Nothing is guessed:
    of 10/09/2020 nobody knows which is the month.
    """
    stripped = values.fillna("").astype("string").str.strip()
    written = stripped.str.replace(_TIME_OF_DAY, "", regex=True)
    digits = written.where(written.str.match(r"\d"))  # pandas knows "today", whatever the format
    dates = pd.to_datetime(digits, format=format, errors="coerce")
    _warn_of(stripped[dates.isna() & (stripped != "")], values.name, named)
    return dates


def _warn_of(odd: pd.Series, column: object, named: bool) -> None:
    if len(odd):
        names = ", ".join(repr(value) for value in sorted(odd.unique())[:5])
        warnings.warn(
            f"Column {column!r}: {len(odd)} values are none of the documented ones "
            f"and count as missing{f': {names}' if named else ''}.",
            stacklevel=4,
        )


def agree_within_patients(table: pd.DataFrame, column: str) -> pd.Series:
    """Carry a patient's known value to all films of that patient.

    Where a patient's rows contradict each other, the value is NA for all of them, with one warning.
    """
    groups = table.groupby("patient_id")[column]
    contradicted = groups.transform("nunique") > 1
    if contradicted.any():
        patients = table.loc[contradicted, "patient_id"].nunique()
        warnings.warn(
            f"Column {column!r} contradicts itself between the films of {patients} patients "
            "and counts as missing for them.",
            stacklevel=3,
        )
    return groups.transform("first").mask(contradicted)


def start_flow(table: pd.DataFrame, step: str = "published") -> pd.DataFrame:
    """Begin counting a cohort's participants; :func:`exclude` goes on from here."""
    table.attrs["flow"] = ((step, len(table), table["patient_id"].nunique()),)
    table.attrs["gigabytes"] = (_gigabytes(table),)
    return table


def exclude(table: pd.DataFrame, unwanted: pd.Series, reason: str) -> pd.DataFrame:
    """Drop rows and count them, and the patients that go with their last row, under a reason."""
    kept = table[~unwanted.astype("boolean").fillna(False).to_numpy(dtype=bool)].copy()
    patients = table["patient_id"].nunique() - kept["patient_id"].nunique()
    step = (f"excluded: {reason}", len(table) - len(kept), patients)
    kept.attrs["flow"] = (*_flow_of(table), step)
    kept.attrs["gigabytes"] = (
        *table.attrs.get("gigabytes", ()),
        _gigabytes(table) - _gigabytes(kept),
    )
    return kept


def _gigabytes(table: pd.DataFrame) -> float:
    """Return the size of a table's films, where it has a column ``megabytes``."""
    return float(table["megabytes"].sum()) / 1e3 if "megabytes" in table else float("nan")


def eligible(table: pd.DataFrame, checks: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Begin a cohort's flow and drop, one reason after the other, what is not eligible.

    Parameters
    ----------
    table
        As published.
    checks
        By reason, whether a row is unwanted; of the rows and index of `table`.
    """
    table = start_flow(table)
    for reason, unwanted in checks.items():
        table = exclude(table, unwanted.loc[table.index], reason)
    return table.reset_index(drop=True)


def participant_flow(stages: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Count radiographs and patients from the publisher's table to the one in use.

    Parameters
    ----------
    stages
        Cohorts by name, as loaders and :func:`helpers.cohorts.select_index_films` return them.

    Returns
    -------
    pandas.DataFrame
        Columns ``cohort``, ``step``, ``radiographs``, ``patients``: the start, a row per reason
        with what it removed, and what remains; and ``gigabytes``, if a cohort tells ``megabytes``.

    Raises
    ------
    ValueError
        If the counts do not reconcile, or a table does not carry its counts.
    """
    rows: list[tuple[str, str, int, int]] = []
    sizes: list[float] = []
    for name, table in stages.items():
        start, *steps = _flow_of(table)
        remaining = (len(table), table["patient_id"].nunique())
        for position, unit in ((1, "radiographs"), (2, "patients")):
            expected = start[position] - sum(step[position] for step in steps)
            if expected != remaining[position - 1]:
                raise ValueError(
                    f"The flow of {name} does not reconcile: {start[position]} published {unit} "
                    f"less the exclusions leave {expected}, but the table has "
                    f"{remaining[position - 1]}. Drop rows with helpers.table.exclude only."
                )
        rows += [(name, *step) for step in (start, *steps)] + [(name, "in use", *remaining)]
        missing = [float("nan")] * (1 + len(steps))
        sizes += [*table.attrs.get("gigabytes", missing), _gigabytes(table)]
    flow = pd.DataFrame(rows, columns=["cohort", "step", "radiographs", "patients"])
    return flow.assign(gigabytes=sizes) if pd.notna(sizes).any() else flow


def _flow_of(table: pd.DataFrame) -> tuple:
    if "flow" not in table.attrs:
        raise ValueError(
            "This table does not carry its participant flow: pass one that a loader of "
            "helpers.cohorts, exclude or select_index_films returned."
        )
    return table.attrs["flow"]
