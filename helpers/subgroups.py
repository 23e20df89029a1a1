"""One number for all may hide a group that is served badly: the same measures, group by group."""

import numpy as np
import pandas as pd

from helpers.calibration import calibration_intervals
from helpers.delong import auroc_interval
from helpers.intervals import NAN, Interval
from helpers.patients import require_patients

FEWEST_EVENTS = 10  # deaths, and survivors, below which a group is not judged
NOT_RECORDED = "not recorded"
AGE_BANDS = {"up to 59": (0, 59), "60 to 74": (59, 74), "75 and over": (74, np.inf)}
GROUPINGS = ("sex", "age band", "view", "site")


def age_bands(age: pd.Series) -> pd.Series:
    """Put ages, in years, into the bands that SBU publishes; ``not recorded`` where unknown."""
    edges = [low for low, _ in AGE_BANDS.values()] + [np.inf]
    bands = pd.cut(age.astype(float), edges, labels=list(AGE_BANDS), include_lowest=True)
    return bands.astype("string").fillna(NOT_RECORDED).rename("age band")


def judge_subgroups(
    patients: pd.DataFrame, *, groupings: tuple[str, ...] = GROUPINGS
) -> pd.DataFrame:
    """Judge the risks within each sex, age band, view and site.

    Parameters
    ----------
    patients
        A row a patient with ``died``, ``risk`` and the columns to group by; labels observed.
        ``age band`` is made from ``age``.
    groupings
        Columns to group by, one after the other.

    Returns
    -------
    pandas.DataFrame
        A row a group and metric: ``grouping``, ``group``, ``n``, ``events``, ``metric`` (AUROC,
        observed / expected deaths), ``estimate``, ``low``, ``high``, ``note``. With fewer than
        `FEWEST_EVENTS` deaths or survivors the events are NA and the estimate is NaN, and the note
        says so: of a group of few, the number of deaths may tell who died. (Whoever has the total
        of a grouping can still subtract: this is no disclosure control.)

    Raises
    ------
    ValueError
        If a label is not observed, a patient has several rows, or a column is missing.
    """
    require_patients(patients)
    bands = {"age band": age_bands(patients["age"])} if "age" in patients else {}
    table = patients.assign(**bands)
    missing = [column for column in groupings if column not in table]
    if missing:
        raise ValueError(f"Expected the columns {', '.join(missing)} to group by.")
    rows = []
    for grouping in groupings:
        names = table[grouping].astype("string").fillna(NOT_RECORDED)
        for name, members in table.groupby(names, sort=True):
            about = (
                grouping,
                name,
                len(members),
                pd.NA if _few(members) else members["died"].sum(),
            )
            for metric, found in _judge(members).items():
                rows.append((*about, metric, found.estimate, found.low, found.high, found.note))
    columns = ["grouping", "group", "n", "events", "metric", "estimate", "low", "high", "note"]
    return pd.DataFrame(rows, columns=columns).astype({"events": "Int64"})


def told_events(groups: pd.DataFrame) -> pd.Series:
    """Events of :func:`judge_subgroups` as text, ``hidden`` where there are too few."""
    return groups["events"].astype("string").fillna("hidden")


def told_patients(groups: pd.DataFrame) -> pd.Series:
    """Patients of :func:`judge_subgroups` as text; of a group of few, not how few."""
    numbers = groups["n"].astype("string")
    return numbers.mask(groups["n"] < FEWEST_EVENTS, f"fewer than {FEWEST_EVENTS}")


def _few(members: pd.DataFrame) -> bool:
    deaths = int(members["died"].sum())
    return min(deaths, len(members) - deaths) < FEWEST_EVENTS


def _judge(members: pd.DataFrame) -> dict[str, Interval]:
    died, risk = members["died"].to_numpy(bool), members["risk"].to_numpy(float)
    if _few(members):
        note = f"hidden: fewer than {FEWEST_EVENTS} deaths or survivors"
        hidden = Interval(NAN, NAN, NAN, note=note)
        return {"AUROC": hidden, "observed / expected deaths": hidden}
    ratio = calibration_intervals(died, risk)["observed / expected deaths"]
    return {"AUROC": auroc_interval(members), "observed / expected deaths": ratio}
