"""What a reviewer asks for: reporting guidelines and a model card, with the run's own figures.

The items are those of TRIPOD+AI (Collins 2024, doi:10.1136/bmj-2023-078378), CLAIM's 2024 update
(Tejani 2024, doi:10.1148/ryai.240300) and PROBAST+AI's domains (Moons 2025,
doi:10.1136/bmj-2024-082505), in short words; the tables are in ``helpers/guidelines``. Where they
speak of figures they hold names in braces, which :func:`facts` replaces; all else in them, above
all what counts as done, is the authors' judgement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.intervals import Interval, intervals_of
from helpers.sample_size import SampleSize

GUIDELINES = {
    "tripod-ai": "TRIPOD+AI",
    "claim": "CLAIM 2024",
    "probast": "PROBAST+AI, judged by ourselves",
}
WHOSE_WORDS = (
    "Statuses, places and sentences were written by the authors, who judge themselves, and no run "
    "changes them. From this run of notebook 06 come the figures in them: what is phantom and what "
    "is real, films and patients of each cohort, patients and deaths of each training and test, "
    "thresholds, AUROCs and calibration slopes with their intervals, sample sizes, the number of "
    "hidden groups, the gain on the first hospital's patients, and the versions of the software."
)
_FOLDER = Path(__file__).parent / "guidelines"


@dataclass(frozen=True)
class Run:
    """What one run of the series has found.

    Attributes
    ----------
    cohorts
        Cohorts by name, a row a film.
    phantom
        Whether each cohort is a phantom.
    cards
        Of each model, as :attr:`helpers.models.RiskModel.card` holds it once loaded.
    reports
        Rows of :func:`helpers.evaluation.report` with the columns ``test``, whose name says
        whether it is internal or external, and ``model``.
    rivals
        Of :func:`helpers.baselines.compare_baselines`.
    subgroups
        Of :func:`helpers.subgroups.judge_subgroups`.
    judged
        Name of the model that rivals and subgroups were computed for.
    needed
        Sample sizes by what they are for.
    forgetting
        Gain in AUROC on the first hospital's patients by training at the second.
    """

    cohorts: Mapping[str, pd.DataFrame]
    phantom: Mapping[str, bool]
    cards: Mapping[str, Mapping[str, Any]]
    reports: pd.DataFrame
    rivals: pd.DataFrame
    subgroups: pd.DataFrame
    judged: str
    needed: Mapping[str, SampleSize]
    forgetting: Interval


def facts(run: Run) -> dict[str, str]:
    """Put the run's figures into words, by the names that the guideline tables use."""
    hidden = run.subgroups.loc[run.subgroups["estimate"].isna(), ["grouping", "group"]]
    versions = next(iter(run.cards.values()))["versions"]
    return {
        "data": ", ".join(
            f"{name} ({'phantom' if run.phantom[name] else 'real'})" for name in run.cohorts
        ),
        "cohorts": "; ".join(
            f"{name}: {len(films)} films of {films['patient_id'].nunique()} patients"
            for name, films in run.cohorts.items()
        ),
        "training": "; ".join(
            f"{name}: {card['training_data']['patients']} patients, "
            f"{card['training_data']['observed_deaths']} observed deaths"
            for name, card in run.cards.items()
        ),
        "thresholds": "; ".join(
            f"{name}: {card['threshold']:.2f}" for name, card in run.cards.items()
        ),
        "tests": "; ".join(
            f"{row.test}: {row.n} patients, {row.events} deaths"
            for row in run.reports.drop_duplicates("test").itertuples()
        ),
        "auroc": _of_tests(run.reports, "AUROC"),
        "slopes": _of_tests(run.reports, "calibration slope"),
        "sample_size": "; ".join(
            f"{aim}: {size.deaths} deaths among {size.patients} patients"
            for aim, size in run.needed.items()
        ),
        "hidden_groups": f"{len(hidden.drop_duplicates())} groups are hidden: too few events",
        "forgetting": f"Gain on the first hospital's patients: {run.forgetting:+.2f}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def guideline(name: str, known: Mapping[str, str]) -> pd.DataFrame:
    """Read one guideline's table and fill in the run's figures.

    Parameters
    ----------
    name
        One of `GUIDELINES`.
    known
        Of :func:`facts`.

    Returns
    -------
    pandas.DataFrame
        ``item``, ``topic``, ``status`` (done, partly, not done, not applicable), ``where`` in the
        series, ``what``; for ``probast`` instead ``domain``, ``risk_of_bias``, ``where``, ``why``.

    Raises
    ------
    ValueError
        If there is no such guideline, or a table names a figure that the run does not have.
    """
    if name not in GUIDELINES:
        raise ValueError(f"Expected one of {', '.join(GUIDELINES)}; got {name!r}.")
    table = pd.read_csv(_FOLDER / f"{name}.csv", dtype=str, keep_default_na=False)
    words = "why" if name == "probast" else "what"
    try:
        table[words] = [text.format_map(known) for text in table[words]]
    except KeyError as error:
        raise ValueError(f"The table {name}.csv names {error}, which no run has.") from error
    return table


def markdown_table(frame: pd.DataFrame) -> str:
    """Render a table in Markdown, without its index."""
    rows = [list(map(str, frame.columns)), ["---"] * frame.shape[1]]
    rows += [[str(value) for value in row] for row in frame.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def reporting_document(run: Run) -> str:
    """All guidelines of a run, in Markdown."""
    known = facts(run)
    parts = ["# Reporting guidelines", WHOSE_WORDS]
    for name, title in GUIDELINES.items():
        parts += [f"## {title}", markdown_table(guideline(name, known))]
    return "\n\n".join(parts) + "\n"


def _of_tests(reports: pd.DataFrame, metric: str) -> str:
    rows = reports[reports["metric"] == metric]
    found = zip(rows["test"], intervals_of(rows), strict=True)
    return "; ".join(f"{test}: {interval}" for test, interval in found)
