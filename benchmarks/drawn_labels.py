"""Phantom cohorts of ieee8023 drawn anew, without pictures, and what filling in makes of them.

A model that reads films perfectly but for some noise stands for the network: its features are what
each film was asked to show. So a cohort takes seconds, and a claim can be checked on many.
"""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from helpers.cohorts import load_ieee8023, select_index_films
from helpers.imputation import impute_survival
from helpers.imputed_rates import counted_rate, imputed_rate, training_rate
from helpers.imputers import FOREST_METHODS, METHODS, patient_features
from helpers.label_effects import crossfit
from helpers.metrics import auroc
from helpers.pooling import pooled_auroc, pooled_difference
from helpers.splits import split_patients
from phantoms.publish.cohorts import plan_cohorts

BLUR = 0.5  # noise of the reader, in standard deviations of each feature
HIDDEN_ODDS = 4.0  # of a death's label against a survivor's, where death hides the label
HIDDEN_SURVIVORS = 0.4  # share of them whose label is hidden then
VIEWS = ("PA", "AP", "AP supine")


class Drawn(NamedTuple):
    """A cohort as loaded, split; who truly died, by patient; what each index film shows."""

    films: pd.DataFrame
    truth: pd.Series
    index_films: pd.DataFrame
    features: np.ndarray


def draw_cohort(seed: int, *, scale: float = 1.0) -> Drawn:
    """Draw the patients of a phantom ieee8023 and read its table as if it had been published."""
    plans = plan_cohorts(scale, seed)
    truth = plans.truth["ieee8023"].copy()
    with TemporaryDirectory() as folder:
        root = Path(folder) / "ieee8023"
        (root / "images").mkdir(parents=True)
        plans.metadata.to_csv(root / "metadata.csv", index=False)
        for name in truth["filename"]:
            (root / "images" / name).touch()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the mistakes that phantoms plant in their tables
            films = load_ieee8023(root)
    films = split_patients(films, seed=seed)
    index_films = select_index_films(films)
    died = truth.drop_duplicates("patient_id").set_index("patient_id")["true_died"].astype(bool)
    return Drawn(films, died, index_films, _sights(index_films, truth, seed))


def rates(drawn: Drawn) -> list[dict]:
    """Imputed death rate of unknown training patients and of all, less the true ones."""
    train = drawn.films[drawn.films["part"] == "train"].drop_duplicates("patient_id")
    everybody = drawn.truth.loc[train["patient_id"]].mean()
    unknown = drawn.truth.loc[train.loc[train["died"].isna(), "patient_id"]].mean()
    known = counted_rate(train["died"].dropna())
    rows = [_found("complete_case", known, unknown, known, everybody)]
    for method in FOREST_METHODS:
        labels = impute_survival(drawn.films, method=method)
        whole = training_rate(labels) if method != "calibrated" else None
        rows.append(_found(method, imputed_rate(labels), unknown, whole, everybody))
    return rows


def claims(drawn: Drawn, seed: int) -> dict:
    """Test AUROC of a forest when labels are imputed before the split, and after."""
    patients = drawn.films.drop_duplicates("patient_id").set_index("patient_id")
    inputs = patient_features(drawn.films).loc["ieee8023"].fillna(-1.0)
    patients, truth = patients.loc[inputs.index], drawn.truth.loc[inputs.index]
    everybody = impute_survival(drawn.films.assign(part="train"), method="forest_balanced")
    filled = everybody.set_index("patient_id")["died"].loc[inputs.index]

    def examine(labels: pd.Series, answers: pd.Series) -> float:
        learn = labels.notna() & (patients["part"] == "train")
        ask = answers.notna() & (patients["part"] == "test")
        forest = RandomForestClassifier(50, min_samples_leaf=5, random_state=seed)
        forest.fit(inputs[learn], labels[learn].astype(bool))
        return auroc(answers[ask].astype(bool), forest.predict_proba(inputs[ask])[:, 1])

    return {
        "impute, then split: claimed": examine(filled, filled),
        "impute, then split: true": examine(filled, truth),
        "split first: observed": examine(patients["died"], patients["died"]),
        "split first: true": examine(patients["died"], truth),
    }


def effects(drawn: Drawn) -> list[dict]:
    """AUROC of the light model by the treatment of labels, against the truth and as observed."""
    tables = {
        method: crossfit(drawn.films, drawn.index_films, drawn.features, method=method)
        for method in METHODS
    }
    each = tables["draws"].filter(like="risk_")
    averaged = tables["draws"].drop(columns=each.columns).assign(risk_0=each.mean(axis=1))
    tables["mean of draws"] = averaged
    rows = []
    for method, table in tables.items():
        table = table.assign(other=tables["complete_case"]["risk_0"])
        died = drawn.truth.loc[table["patient_id"]].to_numpy()
        truth = table.assign(died=died, label_source="observed")
        seen = pooled_auroc(table[table["label_source"] == "observed"])
        row = {"method": method, "observed": seen.estimate, "true": pooled_auroc(truth).estimate}
        difference = pooled_difference(truth, "other")
        expected = table.filter(like="risk_").to_numpy().mean(axis=1).sum()
        row |= {"gain": difference.estimate, "clear": difference.low > 0 or difference.high < 0}
        rows.append(row | {"observed / expected": died.sum() / expected})
    return rows


def hidden_by_death(drawn: Drawn, seed: int) -> dict:
    """Imputed less true death rate where deaths hide their labels, by method and delta."""
    odds = HIDDEN_SURVIVORS / (1 - HIDDEN_SURVIVORS) * np.where(drawn.truth, HIDDEN_ODDS, 1)
    hidden = np.random.default_rng([seed, 2]).random(len(odds)) < odds / (1 + odds)
    died = drawn.films["patient_id"].map(drawn.truth.astype("boolean").mask(hidden))
    films = drawn.films.assign(part="train", died=died.astype("boolean"))
    true = drawn.truth[hidden].mean()
    found = {"complete cases": drawn.truth[~hidden].mean() - true}
    for method in FOREST_METHODS:
        for delta in (1.0, HIDDEN_ODDS):
            labels = impute_survival(films, method=method, delta=delta)
            found[f"{method}, delta {delta:g}"] = imputed_rate(labels).estimate - true
    return found


def _found(method, interval, true_unknown, whole, true_all) -> dict:
    row = {
        "method": method,
        "error": interval.estimate - true_unknown,
        "holds": interval.holds(true_unknown),
    }
    return row | {"holds all": None if whole is None else whole.holds(true_all)}


def _sights(index_films: pd.DataFrame, truth: pd.DataFrame, seed: int) -> np.ndarray:
    """Features of the index films, (n, 13): what a film was asked to show, blurred, and noise."""
    names = [Path(path).name for path in index_films["image_path"]]
    shown = truth.set_index("filename").loc[names]
    columns = [shown[name].to_numpy(float) for name in ("opacity", "density", "heart")]
    columns.append(np.abs(shown["laterality"].to_numpy(float) - 0.5))
    columns += [(shown["view"] == view).to_numpy(float) for view in VIEWS]
    devices = ("endotracheal tube", "central line", "nasogastric tube", "ecg leads")
    columns += [np.array([d in on_film for on_film in shown["devices"]], float) for d in devices]
    generator = np.random.default_rng([seed, 1])
    features = np.column_stack([*columns, *generator.normal(size=(2, len(shown)))])
    spread = np.maximum(features.std(axis=0), 0.1)
    return features + BLUR * spread * generator.normal(size=features.shape)
