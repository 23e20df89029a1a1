"""What filling in missing labels does. Prints tables.

    CXR_DATA=… .venv/bin/python -m benchmarks.labels           what it does to the cohort in use
    .venv/bin/python -m benchmarks.labels --cohorts 100        the same claims on drawn cohorts

The first takes about a minute on one core, the second about 10 s a cohort and process.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
from statsmodels.stats.weightstats import DescrStatsW

from benchmarks.drawn_labels import claims, draw_cohort, effects, hidden_by_death, rates
from helpers.cohorts import is_phantom, load_cohort, select_index_films
from helpers.duplicates import find_duplicates
from helpers.imputation import impute_survival
from helpers.imputers import FOREST_METHODS, METHODS
from helpers.intervals import Interval
from helpers.label_effects import crossfit, film_features
from helpers.pooling import pooled_auroc, pooled_difference
from helpers.radiographs import exclude_unreadable
from helpers.reporting import markdown_table

SEEDS = 10  # of the imputation, where deaths are counted
CROSSFITS = 5  # seeds of the light model
SIZE = 128  # px
_RISKS = ["risk_0", "other"]


def main() -> None:
    """Print the counts of the cohort in use, or, if asked, what drawn cohorts say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=0, help="how many to draw")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.cohorts:
        print(drawn_cohorts(arguments.cohorts, arguments.processes))
    else:
        kind = "phantom" if is_phantom("ieee8023") else "real"
        films = load_cohort("ieee8023")
        print(invented_deaths(films, kind) + "\n")
        index_films = exclude_unreadable(select_index_films(films), SIZE)
        features = film_features(index_films, size=SIZE)
        copies = find_duplicates(films["image_path"])
        print(effects_here(films, index_films, features, kind, copies))


def invented_deaths(films: pd.DataFrame, kind: str) -> str:
    """Count whom each method calls dead when it learns from all patients with a known outcome."""
    films = films.assign(part="train")
    known = films.drop_duplicates("patient_id")["died"].dropna()
    unknown = films[films["died"].isna()]
    rows = []
    for method in FOREST_METHODS:
        tables = [impute_survival(films, method=method, seed=seed) for seed in range(SEEDS)]
        found = pd.DataFrame([_called_dead(table, unknown) for table in tables])
        rows.append({"method": method} | {name: _range(found[name]) for name in found})
    return (
        f"## Deaths that each method finds in ieee8023 ({kind} films)\n\n"
        f"Known: {len(known)} patients, of whom {int(known.sum())} died ({known.mean():.0%}). "
        f"Unknown: {unknown['patient_id'].nunique()} patients with {len(unknown)} films. For "
        f"risks and draws the expected number. Range over {SEEDS} seeds.\n\n"
        + markdown_table(pd.DataFrame(rows))
    )


def effects_here(
    films: pd.DataFrame,
    index_films: pd.DataFrame,
    features: np.ndarray,
    kind: str,
    duplicates: pd.DataFrame | None = None,
) -> str:
    """Judge the light model on observed outcomes by what it was trained on, over seeds.

    Patients who share a film are in one fold. The risks of a patient are averaged over the seeds
    (of folds and imputation) before judging; the range of the seeds stands beside the interval of
    the patients.
    """
    tables = {
        method: [
            crossfit(films, index_films, features, duplicates=duplicates, method=method, seed=seed)
            for seed in range(CROSSFITS)
        ]
        for method in METHODS
    }
    base = [table["risk_0"] for table in tables["complete_case"]]
    rows = []
    for method, each in tables.items():
        each = [_as_one_model(table, other) for table, other in zip(each, base, strict=True)]
        mean = each[0].assign(
            **{name: np.mean([table[name] for table in each], axis=0) for name in _RISKS}
        )
        gains = [pooled_difference(table, "other").estimate for table in each]
        expected = float(mean["risk_0"].sum())
        name = "mean of draws" if method == "draws" else method
        row = {"trained on": name, "AUROC": pooled_auroc(mean)}
        row |= {"against complete cases": f"{pooled_difference(mean, 'other'):+.2f}"}
        spread = f"{min(gains):+.2f} to {max(gains):+.2f}".replace("-", "−")
        row |= {"the same, range over seeds": spread}
        rows.append(row | {"observed / expected": f"{mean['died'].sum() / expected:.2f}"})
    judged, deaths = len(mean), int(mean["died"].sum())
    return (
        f"## The light model on observed outcomes ({kind} films)\n\n"
        f"{judged} patients, {deaths} deaths; cross-fitted with {CROSSFITS} seeds, the risks of "
        "draws and of seeds averaged; 95 % intervals by DeLong.\n\n"
        + markdown_table(pd.DataFrame(rows))
    )


def _as_one_model(table: pd.DataFrame, other: pd.Series) -> pd.DataFrame:
    """Patients of known outcome with the mean risk of all draws, and that of complete cases."""
    risks = [name for name in table if str(name).startswith("risk_")]
    one = table.drop(columns=risks).assign(risk_0=table[risks].mean(axis=1), other=other)
    return one[one["label_source"] == "observed"]


def drawn_cohorts(cohorts: int, processes: int) -> str:
    """Draw cohorts, each from its own seed, and sum up what the methods make of them."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(examine, range(1, cohorts + 1)))
    of_rates, of_claims, of_effects, of_hidden = (list(each) for each in zip(*found, strict=True))
    sections = {
        "Imputed less true death rate of the unknown training patients": rates_table(of_rates),
        "Imputing before the split: AUROC on test patients": means(of_claims, ".3f"),
        "The light model, by what it was trained on": effects_table(of_effects),
        "Deaths hide their labels: imputed less true rate": means(of_hidden, "+.3f"),
    }
    text = "\n\n".join(f"## {title}\n\n{markdown_table(t)}" for title, t in sections.items())
    return f"# Filling in labels, on {cohorts} drawn cohorts (mean, 95 % interval)\n\n{text}"


def examine(seed: int) -> tuple[list[dict], dict, list[dict], dict]:
    """All that is asked of one drawn cohort."""
    drawn = draw_cohort(seed)
    return rates(drawn), claims(drawn, seed), effects(drawn), hidden_by_death(drawn, seed)


def rates_table(found: Iterable[list[dict]]) -> pd.DataFrame:
    """Error of the rates, and how often the method's own interval holds the true rate."""
    return _by_method(
        found,
        {
            "error": lambda group: _mean(group["error"], "+.3f"),
            "interval holds the unknown's rate": lambda group: _share(group["holds"]),
            "interval holds everybody's rate": lambda group: _share(group["holds all"]),
        },
    )


def effects_table(found: Iterable[list[dict]]) -> pd.DataFrame:
    """AUROC of the light model and its gain over complete cases."""
    return _by_method(
        found,
        {
            "AUROC on observed labels": lambda group: _mean(group["observed"], ".3f"),
            "AUROC on the truth": lambda group: _mean(group["true"], ".3f"),
            "gain over complete cases": lambda group: _mean(group["gain"], "+.3f"),
            "gain or loss clear in one cohort": lambda group: _share(group["clear"]),
            "observed / expected": lambda group: _mean(group["observed / expected"], ".2f"),
        },
    )


def means(found: Iterable[dict], form: str) -> pd.DataFrame:
    """Mean of each number over the cohorts with its 95 % interval."""
    table = pd.DataFrame(found)
    rows = [(name, _mean(table[name], form)) for name in table]
    return pd.DataFrame(rows, columns=["", "mean"])


def _by_method(
    found: Iterable[list[dict]], columns: dict[str, Callable[[pd.DataFrame], str]]
) -> pd.DataFrame:
    """A row a method, each column what its function makes of the method's rows."""
    rows = pd.DataFrame([row for each in found for row in each])
    groups = rows.groupby("method", sort=False)
    shown = [
        {"method": method} | {name: show(group) for name, show in columns.items()}
        for method, group in groups
    ]
    return pd.DataFrame(shown)


def _mean(values: pd.Series, form: str) -> str:
    """Mean with Student's 95 % interval; cohorts are independent of each other."""
    values = values.dropna().astype(float)
    interval = Interval(float(values.mean()), *map(float, DescrStatsW(values).tconfint_mean()))
    return format(interval, form)


def _share(values: pd.Series) -> str:
    values = values.dropna()
    return f"{values.astype(bool).mean():.0%}" if len(values) else ""


def _called_dead(labels: pd.DataFrame, unknown: pd.DataFrame) -> dict[str, float]:
    """Deaths among unknown patients, and how many of their films that makes."""
    table = labels[labels["label_source"] == "imputed"].set_index("patient_id")
    hard = table["died"].notna().all() and not any(str(name).startswith("draw_") for name in table)
    dead = table["died" if hard else "risk"].astype(float)
    of_films = dead.loc[unknown["patient_id"].astype(str)]
    return {
        "patients called dead": dead.sum(),
        "share": dead.mean(),
        "films called dead": of_films.sum(),
        "share of films": of_films.mean(),
    }


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    if str(values.name).startswith("share"):
        return f"{low:.0%} to {high:.0%}"
    return f"{low:.0f} to {high:.0f}"


if __name__ == "__main__":
    main()
