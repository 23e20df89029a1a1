"""What each start is worth: prints a table of random, phantom and ImageNet over several seeds.

    make notebooks
    .venv/bin/python -m benchmarks.starts [--seeds 3]

Each run goes the way of notebooks 04 and 05: iteration 1 on ieee8023, iteration 2 on the index
films of sbu, judged on sbu's test patients. On phantoms the best possible discrimination from the
film alone is known, so each run gets its share of it. Notebooks 01 and 02 make the split and the
labels that are used here.
"""

import argparse
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.real_data import table
from helpers.cohorts import (
    cohort_root,
    is_phantom,
    load_cohort,
    profile,
    select_index_films,
    work_file,
)
from helpers.evaluation import auroc, best_possible_share, bootstrap_interval, pool_by_patient
from helpers.imputation import label_films, load_labels
from helpers.splits import load_split
from helpers.training import (
    CAREFUL,
    CARELESS,
    RiskModel,
    TrainingConfig,
    build_resnet18,
    fit,
    predict,
)
from phantoms import truth


class Way(NamedTuple):
    """A start and how it is trained."""

    start: str
    config: TrainingConfig


WAYS = {
    "random": Way("random", CARELESS),
    "phantom": Way("phantom", CAREFUL),
    "phantom, one high rate for all": Way("phantom", CARELESS),
    "imagenet": Way("imagenet", CAREFUL),
}


def main() -> None:
    """Train every way with every seed and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    if not is_phantom("sbu"):
        raise SystemExit("The best possible AUROC is known for phantoms only; unset CXR_DATA.")
    parts = load_parts()
    rows = []
    for name, way in WAYS.items():
        try:
            rows.append({"start": name, **judge(way, parts, seeds)})
        except ConnectionError as error:
            rows.append({"start": name, "AUROC (95 % interval)": f"not here: {error}"})
    print(table(pd.DataFrame(rows, dtype=object).fillna("")))


def load_parts() -> dict[str, pd.DataFrame]:
    """Load training and validation films of both cohorts, and sbu's test films with their truth."""
    split = work_file("split.csv", made_by="01_explore_the_cohorts")
    labels = load_labels(work_file("labels.csv", made_by="02_impute_the_labels"))
    old = label_films(load_split(split, load_cohort("ieee8023")), labels)
    new = load_split(split, select_index_films(load_cohort("sbu")))
    new = new[new["label_source"] == "observed"]
    known = truth(cohort_root("sbu").parent, "sbu")[["image_path", "true_image_risk"]]
    parts = {
        f"{name} {part}": films[films["part"] == part]
        for name, films in {"ieee8023": old, "sbu": new}.items()
        for part in ("train", "validation", "test")
    }
    return parts | {"sbu test": parts["sbu test"].merge(known, on="image_path")}


def train(way: Way, parts: dict[str, pd.DataFrame], seed: int) -> RiskModel:
    """Train iteration 1 and iteration 2 from one start."""
    config = replace(way.config, seed=seed, size=128 if profile() == "quick" else 224)
    network = build_resnet18(way.start, seed=seed)
    for name in ("ieee8023", "sbu"):
        films, held_out = parts[f"{name} train"], parts[f"{name} validation"]
        network = fit(network, films, held_out, config, progress=False).network
    return RiskModel(network, config.size)


def judge(way: Way, parts: dict[str, pd.DataFrame], seeds: int) -> dict[str, str | int]:
    """Judge one way: mean AUROC over the seeds, and its share of the best possible."""
    test = parts["sbu test"]
    patients = pool_by_patient(predict(train(way, parts, 0), test)).rename(columns={"risk": "0"})
    for seed in range(1, seeds):
        others = pool_by_patient(predict(train(way, parts, seed), test))
        patients = patients.merge(
            others[["patient_id", "risk"]].rename(columns={"risk": str(seed)})
        )
    patients = patients.merge(test[["patient_id", "true_image_risk"]])

    def shares(table: pd.DataFrame) -> dict[str, float]:
        each = [auroc(table["died"], table[str(seed)]) for seed in range(seeds)]
        best = auroc(table["died"], table["true_image_risk"])
        mean = float(np.mean(each))
        return {"auroc": mean, "best": best, "share": best_possible_share(mean, best)}

    found = bootstrap_interval(shares, patients)
    each = [auroc(patients["died"], patients[str(seed)]) for seed in range(seeds)]
    return {
        "seeds": seeds,
        "patients": len(patients),
        "deaths": int(patients["died"].sum()),
        "AUROC (95 % interval)": str(found["auroc"]),
        "each seed": ", ".join(f"{value:.2f}" for value in each),
        "best possible AUROC": str(found["best"]),
        "share of the best possible": str(found["share"]),
    }


if __name__ == "__main__":
    main()
