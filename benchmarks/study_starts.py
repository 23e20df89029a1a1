"""What each start is worth on real films: grouped cross-validation on ieee8023, paired.

Only patients with an observed outcome. Folds are drawn by patient, alike for all starts; within the
training folds a quarter of the patients chooses the epoch, so that the test fold decides nothing.
"""

import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from benchmarks.study_runs import Runs
from helpers.cohorts import load_cohort
from helpers.evaluation import Interval, auroc, bootstrap_interval, pool_by_patient
from helpers.models import RiskModel, build_resnet18
from helpers.recipes import CAREFUL, CARELESS
from helpers.severity import predict_severity
from helpers.splits import split_patients
from helpers.starts import PHANTOM_START
from helpers.studies import file_hash
from helpers.training import fit, predict
from helpers.training_data import training_data_hash

FOLDS, REPEATS = 5, 1000
STARTS = {
    "random": ("random", CARELESS),
    "phantom": ("phantom", CAREFUL),
    "ImageNet": ("imagenet", CAREFUL),
}
UNTRAINED = "phantom, untrained: opaque share"
REFERENCE = "phantom"


def run(seeds: int, runs: Runs) -> tuple[pd.DataFrame, dict]:
    """Cross-validate every start with every seed, and compare."""
    cohort = load_cohort("ieee8023")
    films = cohort[cohort["label_source"] == "observed"].reset_index(drop=True)
    recipe = {
        "films": training_data_hash(films, CAREFUL.size),
        "phantom start": file_hash(PHANTOM_START),
    }
    tables, missing = {}, {}
    for seed in range(seeds):
        for name, (start, config) in STARTS.items():
            config = replace(config, seed=seed)
            whole = {**recipe, "start": start, "config": asdict(config), "folds": FOLDS}
            try:
                # The names are bound now: the function is called within this turn.
                tables[name, seed] = runs.table(
                    f"cross-validated {name} {seed}",
                    whole,
                    lambda path, start=start, config=config: cross_validate(
                        films, start, config, path
                    ),
                )
            except ConnectionError as error:
                missing[name] = str(error)
                continue
            print(f"seed {seed}: {name}", flush=True)
    made = {
        "starts": {name: {"start": s, "config": asdict(c)} for name, (s, c) in STARTS.items()},
        "folds": FOLDS,
        "not_here": missing,
        "films_sha256": recipe["films"],
    }
    return summarise(tables, untrained(films)), made


def cross_validate(films: pd.DataFrame, start: str, config, path: Path) -> pd.DataFrame:
    """Predict every patient by a network that never saw the patient.

    Returns
    -------
    pandas.DataFrame
        A row a patient: ``risk``, ``fold``, and ``seconds`` of training in all.
    """
    begun, predicted = time.perf_counter(), []
    for fold, test in enumerate(folds(films, config.seed)):
        parts = split_patients(
            films[~films["patient_id"].isin(test)],
            sizes={"train": 0.75, "validation": 0.25},
            seed=config.seed,
        )
        checkpoint = path.with_name(f"{path.name}-{fold}.checkpoint")
        fitted = fit(
            build_resnet18(start, seed=config.seed),
            parts[parts["part"] == "train"],
            parts[parts["part"] == "validation"],
            config,
            checkpoint=checkpoint,
            progress=False,
        )
        judged = films[films["patient_id"].isin(test)]
        patients = pool_by_patient(predict(RiskModel(fitted.network, config.size), judged))
        predicted.append(patients.assign(fold=fold))
    for checkpoint in path.parent.glob(f"{path.name}-*.checkpoint"):
        checkpoint.unlink()
    return pd.concat(predicted).assign(seconds=time.perf_counter() - begun)


def folds(films: pd.DataFrame, seed: int) -> list[set[str]]:
    """Share the patients out, deaths evenly, whatever the order of the rows."""
    patients = films.groupby("patient_id")["died"].max().sort_index()
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    names = patients.index.to_numpy()
    return [set(names[test]) for _, test in splitter.split(names, patients.astype(bool))]


def untrained(films: pd.DataFrame) -> pd.DataFrame:
    """What the phantom start reads before any outcome taught it: the mean opaque share."""
    read = predict_severity(films)
    return pool_by_patient(read.assign(risk=read["opaque_share"].clip(0, 1)))


def summarise(tables: dict[tuple[str, int], pd.DataFrame], severity: pd.DataFrame) -> pd.DataFrame:
    """Compare the starts, means over the seeds, on the same resampled patients."""
    keys = ["site", "patient_id"]
    wide = severity[[*keys, "died", "label_source"]].assign(untrained=severity["risk"])
    for (name, seed), table in tables.items():
        one = table.set_index(keys)[["risk", "fold"]].add_suffix(f"|{name}|{seed}")
        wide = wide.join(one, on=keys, validate="one_to_one")
    names = list(dict.fromkeys(name for name, _ in tables))
    seeds = {name: [seed for other, seed in tables if other == name] for name in names}

    def measures(t: pd.DataFrame) -> dict[tuple[str, str, str], float]:
        died = t["died"].to_numpy(bool)
        alone = auroc(died, t["untrained"])
        means = {(UNTRAINED, "pooled"): alone, (UNTRAINED, "within folds"): alone}
        for name in names:
            runs = [(t[f"risk|{name}|{s}"], t[f"fold|{name}|{s}"]) for s in seeds[name]]
            means[name, "pooled"] = float(np.mean([auroc(died, risk) for risk, _ in runs]))
            means[name, "within folds"] = float(
                np.mean([auroc_within(died, risk, fold) for risk, fold in runs])
            )
        found = {("mean", *key): value for key, value in means.items()}
        return found | {
            ("difference", name, measure): means[REFERENCE, measure] - value
            for (name, measure), value in means.items()
        }

    intervals = bootstrap_interval(measures, wide, repeats=REPEATS)
    return pd.DataFrame(
        [
            {
                "start": name,
                "measure": f"AUROC, {measure}",
                **_columns(intervals["mean", name, measure], ""),
                "seeds": " ".join(_each(wide, name, measure, seeds.get(name, []))),
                **_columns(intervals["difference", name, measure], "phantom_less_this_"),
                "patients": len(wide),
                "deaths": int(wide["died"].sum()),
            }
            for name in [*names, UNTRAINED]
            for measure in ("within folds", "pooled")
        ]
    )


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


def _each(wide: pd.DataFrame, name: str, measure: str, seeds: list[int]) -> list[str]:
    died, values = wide["died"].to_numpy(bool), []
    for seed in seeds:
        risk, fold = wide[f"risk|{name}|{seed}"], wide[f"fold|{name}|{seed}"]
        value = auroc(died, risk) if measure == "pooled" else auroc_within(died, risk, fold)
        values.append(f"{value:.3f}")
    return values


def _columns(interval: Interval, prefix: str) -> dict[str, float]:
    return {
        f"{prefix}estimate": interval.estimate,
        f"{prefix}low": interval.low,
        f"{prefix}high": interval.high,
    }
