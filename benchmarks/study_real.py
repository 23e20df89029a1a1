"""What predicts death on real films: grouped cross-validation on ieee8023, all ways paired.

Judged are patients with an observed outcome, each on the index film: the first of the stay. Folds
are drawn by patient, alike for all ways; within the other folds a quarter of the patients chooses
the epoch, so that the fold in question decides nothing.
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from benchmarks.study_runs import Runs
from benchmarks.study_ways import PHANTOM, PHANTOM_CARELESS, PREDECESSOR, WAYS, Fold, Way
from helpers.cohorts import load_cohort, select_index_films
from helpers.duplicates import find_duplicates
from helpers.evaluation import auroc, bootstrap_interval, with_seeds
from helpers.files import file_hash
from helpers.intervals import as_columns
from helpers.patient_groups import group_patients
from helpers.patients import PATIENT
from helpers.recipes import CAREFUL
from helpers.splits import split_patients
from helpers.starts import PHANTOM_START
from helpers.training_data import training_data_hash

FOLDS, REPEATS = 5, 1000
# What decides a run beside `helpers.studies.CODE`, for `benchmarks.study_runs.Runs`; what only
# reads the cohort's table is in its hash.
DECIDING = (
    *("benchmarks.study_real", "benchmarks.study_ways"),
    *("helpers.baselines", "helpers.cohorts", "helpers.duplicates", "helpers.imputation"),
    *("helpers.imputers", "helpers.metrics", "helpers.patient_groups", "helpers.patients"),
    *("helpers.severity", "helpers.splits", "helpers.subgroups"),
)
# Paired differences are taken from these.
REFERENCES = {"phantom": PHANTOM, "careless": PHANTOM_CARELESS, "predecessor": PREDECESSOR}


def run(seeds: int, runs: Runs) -> tuple[pd.DataFrame, dict]:
    """Cross-validate every way with every seed, and compare."""
    cohort = load_cohort("ieee8023")
    recipe = {
        "films": training_data_hash(cohort[cohort["label_source"] == "observed"], CAREFUL.size),
        "table": int(pd.util.hash_pandas_object(cohort.drop(columns="image_path")).sum()),
        "phantom start": file_hash(PHANTOM_START),
        "folds": FOLDS,
    }
    linked = group_patients(cohort, find_duplicates(cohort["image_path"])).attrs["group_of"]
    tables, missing = {}, {}
    for seed in range(seeds):
        for name, way in WAYS.items():
            made = partial(cross_validate, cohort, linked, way, seed)
            try:
                # A way's text names its function, start and configuration.
                whole = {**recipe, "way": describe(way), "seed": seed}
                tables[name, seed] = runs.table(f"cross-validated {name} {seed}", whole, made)
            except ConnectionError as error:
                missing[name] = str(error)
                continue
            print(f"seed {seed}: {name}", flush=True)
    made_by = {
        "ways": {name: describe(way) for name, way in WAYS.items()},
        "folds": FOLDS,
        "not_here": missing,
        "films_sha256": recipe["films"],
    }
    return summarise(tables), made_by


def describe(way: Way) -> dict:
    """Say what a way does, as JSON can hold it."""
    if not isinstance(way, partial):
        return {"way": way.__name__}
    settings = {
        name: value if isinstance(value, str) else asdict(value)
        for name, value in way.keywords.items()
    }
    return {"way": way.func.__name__, **settings}


def cross_validate(
    cohort: pd.DataFrame, linked: pd.Series, way: Way, seed: int, path: Path
) -> pd.DataFrame:
    """Predict every patient by a model that never saw the patient, nor one who shares a film.

    Parameters
    ----------
    cohort
        The one table of one site.
    linked
        Group of each (site, patient_id), of :func:`helpers.patient_groups.group_patients`.
    way, seed, path
        How to predict, what is random in it, and where training is kept meanwhile.

    Returns
    -------
    pandas.DataFrame
        A row a patient: ``risk`` and ``fold``.
    """
    index = select_index_films(cohort[cohort["label_source"] == "observed"])
    predicted = []
    for number, patients in enumerate(folds(index, seed)):
        inside = cohort["patient_id"].isin(_kin(patients, linked))
        judged = index[index["patient_id"].isin(patients)].reset_index(drop=True)
        checkpoint = path.with_name(f"{path.name}-{number}.checkpoint")
        fold = Fold(teaching(cohort[~inside], seed), judged, seed, checkpoint)
        predicted.append(way(fold).assign(fold=number))
    return pd.concat(predicted)[[*PATIENT, "died", "label_source", "risk", "fold"]]


def _kin(patients: set[str], linked: pd.Series) -> set[str]:
    """Patients of one site, and all who are linked with them by a film."""
    names = linked.index.get_level_values("patient_id").astype(str)
    return set(names[linked.isin(linked[names.isin(patients)])])


def teaching(films: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Let a quarter of the observed patients choose; who has no outcome cannot."""
    observed = films["label_source"] == "observed"
    sizes = {"train": 0.75, "validation": 0.25}
    parts = [
        split_patients(films[observed], sizes=sizes, seed=seed),
        films[~observed].assign(part="train"),
    ]
    return pd.concat([part.astype({"part": "string"}) for part in parts], ignore_index=True)


def folds(films: pd.DataFrame, seed: int) -> list[set[str]]:
    """Share the patients out, deaths evenly, whatever the order of the rows."""
    patients = films.groupby("patient_id")["died"].max().sort_index()
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    names = patients.index.to_numpy()
    return [set(names[test]) for _, test in splitter.split(names, patients.astype(bool))]


def summarise(tables: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Compare the ways, means over the seeds, on the same patients; intervals count both.

    Returns
    -------
    pandas.DataFrame
        A row a way and measure: ``estimate``, ``low``, ``high``, ``seeds``, the reference's value
        less the way's (``phantom_less_this_…``, ``careless_less_this_…``,
        ``predecessor_less_this_…``), ``patients`` and ``deaths``.
    """
    wide = side_by_side(tables)
    names = list(dict.fromkeys(name for name, _ in tables))
    seeds = {name: [seed for other, seed in tables if other == name] for name in names}

    def measures(patients: pd.DataFrame) -> dict[tuple[str, str, str], float]:
        means = {
            (name, measure): float(np.mean(each(patients, name, measure, seeds[name])))
            for name in names
            for measure in MEASURES
        }
        found = {("mean", *key): value for key, value in means.items()}
        for label, reference in REFERENCES.items():
            found |= {
                (label, name, measure): means[reference, measure] - value
                for (name, measure), value in means.items()
            }
        return found

    intervals = bootstrap_interval(measures, wide, repeats=REPEATS)
    values = {
        (name, measure): np.array(each(wide, name, measure, seeds[name]))
        for name in names
        for measure in MEASURES
    }
    rows = []
    for name in names:
        for measure in MEASURES:
            own = values[name, measure]
            mean = with_seeds(intervals["mean", name, measure], own, limits=(0, 1))
            row = {"way": name, "measure": measure, **as_columns(mean)}
            row |= {"seeds": " ".join(f"{value:.3f}" for value in own)}
            for label, reference in REFERENCES.items():
                gain = values[reference, measure] - own
                ahead = with_seeds(intervals[label, name, measure], gain, limits=(-1, 1))
                row |= as_columns(ahead, f"{label}_less_this_")
            rows.append({**row, "patients": len(wide), "deaths": int(wide["died"].sum())})
    return pd.DataFrame(rows)


def side_by_side(tables: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Put the runs' risks and folds beside each other, a row a patient."""
    wide = next(iter(tables.values()))[[*PATIENT, "died", "label_source"]]
    for (name, seed), table in tables.items():
        one = table.set_index(PATIENT)[["risk", "fold"]].add_suffix(f"|{name}|{seed}")
        wide = wide.join(one, on=PATIENT, validate="one_to_one")
    if wide.isna().any(axis=None):
        raise ValueError("The ways were judged on different patients.")
    return wide.reset_index(drop=True)


def each(patients: pd.DataFrame, name: str, measure: str, seeds: list[int]) -> list[float]:
    """Measure each seed's run of a way."""
    died = patients["died"].to_numpy(bool)
    runs = [(patients[f"risk|{name}|{seed}"], patients[f"fold|{name}|{seed}"]) for seed in seeds]
    return [MEASURES[measure](died, risk, fold) for risk, fold in runs]


def auroc_within(died, risk, fold) -> float:
    """AUROC of all pairs of a death and a survivor that the same network judged.

    Risks of networks of different folds are on different scales; comparing them across folds
    costs discrimination that no network lost (Airola 2011, doi:10.1016/j.csda.2010.11.023).
    """
    died, risk, fold = np.asarray(died, bool), np.asarray(risk, float), np.asarray(fold)
    right = pairs = 0.0
    for one in np.unique(fold):
        here = fold == one
        count = int(died[here].sum()) * int((~died[here]).sum())
        if count:
            right += auroc(died[here], risk[here]) * count
            pairs += count
    return right / pairs if pairs else float("nan")


def auroc_pooled(died, risk, fold) -> float:
    """AUROC over all folds together."""
    return auroc(died, np.asarray(risk, float))


MEASURES = {"AUROC, within folds": auroc_within, "AUROC, pooled": auroc_pooled}
