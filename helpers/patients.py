"""From films to patients: a patient dies once, on however many films, and somebody saw it."""

import pandas as pd

from helpers.metrics import require_outcomes

PATIENT = ["site", "patient_id"]
CARRIED = ["age", "sex", "view", "part"]


def require_numbers(table: pd.DataFrame) -> None:
    """Refuse rows that belong to nobody: grouping by patient would leave them out unseen.

    Raises
    ------
    ValueError
        If the table has no column ``patient_id``, or a patient's number or site is missing.
    """
    if "patient_id" not in table:
        raise ValueError(f"Expected a column patient_id; found {list(table)}.")
    nobodys = table[[key for key in PATIENT if key in table]].isna().any(axis=1)
    if nobodys.any():
        raise ValueError(
            f"{int(nobodys.sum())} of {len(table)} rows have no patient_id or no site, so nobody "
            "knows whose they are. Leave them out, and say so."
        )


def require_observed(table: pd.DataFrame) -> None:
    """Refuse to judge on outcomes that nobody observed.

    Raises
    ------
    ValueError
        If the table does not say where its labels come from, any is imputed or unknown, or any is
        no outcome (a bool, 0 or 1).
    """
    if "label_source" not in table or "died" not in table:
        raise ValueError("Judging needs the columns died and label_source (observed, …).")
    sources = table["label_source"].astype("string").fillna("unknown")
    unobserved = (sources != "observed") | table["died"].isna()
    if unobserved.any():
        raise ValueError(
            f"Judging needs observed outcomes, but {int(unobserved.sum())} of {len(table)} rows "
            "are imputed or unknown. Keep table[table['label_source'] == 'observed']."
        )
    require_outcomes(table["died"])


def require_patients(table: pd.DataFrame) -> None:
    """Refuse a table with several rows a patient, or with outcomes that nobody observed.

    Raises
    ------
    ValueError
        If a patient has two rows, or :func:`require_observed` or :func:`require_numbers` refuses
        the table.
    """
    require_observed(table)
    require_numbers(table)
    keys = [column for column in PATIENT if column in table]
    if table.duplicated(keys).any():
        raise ValueError(
            f"Expected a row a patient; {int(table.duplicated(keys).sum())} of {len(table)} rows "
            "are further films of patients already there. Pass pool_by_patient(table)."
        )


def pool_by_patient(table: pd.DataFrame) -> pd.DataFrame:
    """Make a row a patient of predictions a film: a patient dies once, on however many films.

    Parameters
    ----------
    table
        The one table with the column ``risk``, all labels observed.

    Returns
    -------
    pandas.DataFrame
        ``site``, ``patient_id``, ``risk`` (mean over the films; other columns whose name starts
        with ``risk`` likewise), ``died``, ``label_source``, ``n_films``, and of ``age``, ``sex``,
        ``view`` and ``part`` the first known value. Sorted by site and patient.

    Raises
    ------
    ValueError
        If a label is not observed, a patient's labels contradict each other, a risk is missing, or
        a row belongs to nobody.
    """
    require_observed(table)
    require_numbers(table)
    risks = [column for column in table if str(column).startswith("risk")]
    if "risk" not in risks or table[risks].isna().any(axis=None):
        raise ValueError("Expected a column risk, no value missing. Run predict first.")
    groups = table.groupby(PATIENT, observed=True, sort=True)
    if groups["died"].nunique().gt(1).any():
        raise ValueError("Some patients are said to have both died and survived. Check the labels.")
    carried = ["died", "label_source", *(column for column in CARRIED if column in table)]
    # Rounding must not part patients with equal risks: a mean of equal numbers is that number.
    means = groups[risks].mean().clip(groups[risks].min(), groups[risks].max())
    pooled = means.join(groups[carried].first())
    pooled["n_films"] = groups.size()
    return pooled.reset_index()


def as_endpoint(table: pd.DataFrame, event: str) -> pd.DataFrame:
    """Ask about another event: rows where it is known, with it in the place of ``died``.

    A patient has the event if any of the patient's rows says so; a patient of whom no row says
    anything is left out.

    Parameters
    ----------
    table
        The one table, or predictions.
    event
        Column with the event, bool or NA, such as ``went_icu`` or ``is_icu``.

    Raises
    ------
    ValueError
        If the table has no such column, one of other values, or it is ``died``, some of whose
        labels may be imputed; or if a row belongs to nobody.
    """
    if event == "died":
        raise ValueError("Expected another event than died, whose labels say which are observed.")
    if event not in table:
        raise ValueError(f"Expected a column {event} with the event; found {list(table)}.")
    require_numbers(table)
    require_outcomes(table[event].dropna())
    keys = [column for column in PATIENT if column in table]
    happened = table[event].astype("boolean").groupby([table[key] for key in keys], observed=True)
    known = table.assign(died=happened.transform("max"))
    known = known[known["died"].notna()]
    return known.assign(label_source="observed")
