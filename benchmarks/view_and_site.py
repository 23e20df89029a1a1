"""How well do view and hospital alone tell who died? Prints a table.

    CXR_DATA=… .venv/bin/python -m benchmarks.view_and_site

What they tell, a network that recognises view or hospital can tell as well, without knowledge of
lungs. Index films with an observed outcome of all cohorts that are real (of all, if none is), with
every patient once: who is in two cohorts counts in ieee8023. The risk of a patient is the death
rate of those alike among the other folds, so nothing is judged on what taught it, and only
patients of the same fold are compared, whose rates come from the same others.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from benchmarks.study_real import auroc_within
from helpers.cohorts import is_phantom, load_cohort, select_index_films, work_file
from helpers.duplicates import load_duplicates
from helpers.evaluation import bootstrap_interval
from helpers.paths import COHORTS
from helpers.reporting import markdown_table
from helpers.splits import exclude_shared_patients

FOLDS, SEEDS = 5, 5
WAYS = {"view": ["view"], "site": ["site"], "view and site": ["view", "site"]}


def main() -> None:
    """Print the table."""
    print(report())


def report() -> str:
    """The table with its heading, in Markdown."""
    real = [name for name in COHORTS if not is_phantom(name)]
    patients = one_film_each(real or list(COHORTS))
    counts = patients.groupby("site", observed=True)["died"].agg(["size", "sum"])
    who = "; ".join(
        f"{site}: {row['size']} patients, {row['sum']} deaths" for site, row in counts.iterrows()
    )
    kind = "real" if real else "phantom"
    return (
        "## What view and site tell alone\n\n"
        f"Index films with a recorded outcome, at Hannover a blank taken as survival, {kind} "
        f"({who}). The risk is the death rate of patients alike in the other folds, mean of "
        f"{SEEDS} draws of {FOLDS} folds; compared are "
        "patients of the same fold. Where rates hardly differ, a value somewhat below one half is "
        "to be expected: leaving a death out lowers the rate of its own kind. What is above one "
        "half here, a network can have from where and how a film was taken, and know nothing of "
        "lungs.\n\n" + markdown_table(found(patients))
    )


def one_film_each(names: Sequence[str]) -> pd.DataFrame:
    """Index films with an observed outcome, a row a patient."""
    cohorts = {name: load_cohort(name) for name in names}
    if {"ieee8023", "hannover"} <= set(names):
        duplicates = load_duplicates(work_file("duplicates.csv", made_by="01_explore_the_cohorts"))
        cohorts["hannover"] = exclude_shared_patients(
            cohorts["hannover"], duplicates, cohorts["ieee8023"]
        )
    columns = ["site", "patient_id", "view", "died", "label_source"]
    films = [
        select_index_films(cohort[cohort["label_source"] == "observed"])[columns]
        for cohort in cohorts.values()
    ]
    return pd.concat([table.astype({"site": str, "view": str}) for table in films]).reset_index(
        drop=True
    )


def found(patients: pd.DataFrame) -> pd.DataFrame:
    """AUROC of each way among all patients, and of the view within each site of any size."""
    rows = []
    for name, columns in WAYS.items():
        if columns == ["site"] and patients["site"].nunique() < 2:
            continue
        rows.append({"what is known": name, "among": "all", "AUROC": judged(patients, columns)})
    for site, inside in patients.groupby("site"):
        if inside["died"].astype(int).sum() >= FOLDS:
            own = inside.reset_index(drop=True)
            rows.append({"what is known": "view", "among": site, "AUROC": judged(own, ["view"])})
    return pd.DataFrame(rows)


def judged(patients: pd.DataFrame, columns: list[str]) -> str:
    """Mean AUROC over the draws of the folds, with its interval over patients."""
    columns_of = {}
    for seed in range(SEEDS):
        columns_of[f"risk {seed}"], columns_of[f"fold {seed}"] = rates(patients, columns, seed)
    table = patients.assign(**columns_of)

    def mean(t: pd.DataFrame) -> float:
        each = [auroc_within(t["died"], t[f"risk {s}"], t[f"fold {s}"]) for s in range(SEEDS)]
        return float(np.mean(each))

    return str(bootstrap_interval(mean, table))


def rates(patients: pd.DataFrame, columns: list[str], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Death rate of those alike in the other folds, and the fold.

    One patient of the mean rate is added to those alike, of whom there may be none.
    """
    died = patients["died"].to_numpy(bool).astype(float)
    alike = patients[columns].agg(" ".join, axis=1).to_numpy()
    risk, fold = np.zeros(len(patients)), np.zeros(len(patients), int)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (teaching, asked) in enumerate(folds.split(alike, died)):
        base, fold[asked] = died[teaching].mean(), number
        for kind in np.unique(alike[asked]):
            those = teaching[alike[teaching] == kind]
            risk[asked[alike[asked] == kind]] = (died[those].sum() + base) / (len(those) + 1)
    return risk, fold


if __name__ == "__main__":
    main()
