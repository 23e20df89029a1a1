"""From single runs to a table: means over the seeds, intervals over patients and seeds."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.study_variants import COHORTS, FIRST, SECOND, VARIANTS
from helpers.evaluation import (
    auroc,
    best_possible_share,
    bootstrap_interval,
    calibration,
    with_seeds,
)
from helpers.intervals import as_columns

Tables = Mapping[tuple[str, int], pd.DataFrame]  # by variant and seed
Judge = Callable[[pd.DataFrame, str, str, int], dict[str, float]]
REPEATS = 400
RANKS = "rank correlation with the true risk"
SHARE = "share of the best possible AUROC"
JUDGED_FOR_CALIBRATION = "sbu"  # too few patients died in the test part of ieee8023
GOES_ON_FROM = {variant.name: variant.start for variant in VARIANTS}
OTHERWISE_LABELLED = {variant.name for variant in VARIANTS if variant.labels}
STATES = {"as trained": "risk", "recalibrated": "risk_calibrated"}
LIMITS = {"AUROC": (0.0, 1.0), RANKS: (-1.0, 1.0)}
LIMITS |= {f"observed / expected, {state}": (0.0, np.inf) for state in STATES}
ANY = (-np.inf, np.inf)


def summarise(tables: Tables) -> pd.DataFrame:
    """Judge all variants on the test patients of both cohorts.

    Parameters
    ----------
    tables
        Of :func:`benchmarks.study_variants.train_variant`.

    Returns
    -------
    pandas.DataFrame
        A row a variant, cohort and measure: the mean over the seeds with its 95 % interval over
        patients and seeds, what each seed gave, and the paired difference from another variant: at
        sbu from the fine-tuned iteration 2; at ieee8023 from the iteration 1 that the variant went
        on from, which is what it forgot. A variant that went on from none is set against itself,
        one that learned from other labels against iteration 1. Who died is asked of patients with
        an observed outcome, ranks with the true risk of all: ``patients`` counts them.
    """
    return pd.concat([_judge(tables, cohort) for cohort in COHORTS], ignore_index=True)


def _judge(tables: Tables, cohort: str) -> pd.DataFrame:
    wide = side_by_side(tables, cohort)
    variants = list(dict.fromkeys(variant for variant, _ in tables))
    seeds = {name: [s for variant, s in tables if variant == name] for name in variants}
    against = {name: _compared_with(name, cohort, variants) for name in variants}
    odd = [name for name in variants if seeds[name] != seeds[against[name]]]
    if odd:
        raise ValueError(f"Not trained with the same seeds as their rivals: {', '.join(odd)}.")

    def measures(patients: pd.DataFrame, judge: Judge) -> dict[tuple[str, str, str], float]:
        means: dict[tuple[str, str], list[float]] = {}
        for name in variants:
            for seed in seeds[name]:
                for measure, value in judge(patients, cohort, name, seed).items():
                    means.setdefault((name, measure), []).append(value)
        found = {("mean", *key): float(np.mean(values)) for key, values in means.items()}
        return found | {
            ("difference", name, measure): found["mean", name, measure]
            - found["mean", against[name], measure]
            for name, measure in means
        }

    observed = observed_only(wide)
    intervals = bootstrap_interval(partial(measures, judge=outcomes), observed, repeats=REPEATS)
    # All patients inform a rank correlation with the true risk, however few of them died.
    everybody = wide.drop(columns="died")
    intervals |= bootstrap_interval(partial(measures, judge=true_ranks), everybody, repeats=REPEATS)
    runs = {name: [one_run(wide, cohort, name, seed) for seed in seeds[name]] for name in variants}
    rows = []
    for name in variants:
        for measure in runs[name][0]:
            values, others = ([run[measure] for run in runs[one]] for one in (name, against[name]))
            limits = low, high = LIMITS.get(measure, ANY)
            mean = with_seeds(intervals["mean", name, measure], values, limits=limits)
            ahead = [own - other for own, other in zip(values, others, strict=True)]
            apart = with_seeds(
                intervals["difference", name, measure], ahead, limits=(low - high, high - low)
            )
            rows.append(
                {
                    "variant": name,
                    "test": cohort,
                    "measure": measure,
                    **as_columns(mean),
                    "seed_sd": float(np.std(values, ddof=1)) if len(values) > 1 else float("nan"),
                    "seeds": " ".join(f"{value:.3f}" for value in values),
                    "against": against[name],
                    **as_columns(apart, "difference_"),
                    "patients": len(wide if measure == RANKS else observed),
                    "deaths": int(observed["died"].sum()),
                    "training_seconds": float(
                        np.mean([tables[name, seed]["seconds"].iloc[0] for seed in seeds[name]])
                    ),
                }
            )
    return pd.DataFrame(rows)


def _compared_with(name: str, cohort: str, variants: list[str]) -> str:
    """Name the variant from which a variant's difference is taken."""
    if name in OTHERWISE_LABELLED:
        return FIRST
    if cohort == "sbu":
        return SECOND
    return GOES_ON_FROM[name] if GOES_ON_FROM[name] in variants else name


def side_by_side(tables: Tables, cohort: str) -> pd.DataFrame:
    """Put the runs' risks beside each other, a row a test patient of the cohort."""
    keys = ["site", "patient_id"]
    first = next(iter(tables.values()))
    wide = first.loc[first["site"] == cohort, [*keys, "died", "label_source", "risk_true"]]
    for (variant, seed), table in tables.items():
        risks = table.set_index(keys)[list(STATES.values())]
        risks.columns = [f"{column}|{variant}|{seed}" for column in risks]
        wide = wide.join(risks, on=keys, validate="one_to_one")
    if wide.drop(columns="died").isna().any(axis=None):
        raise ValueError(f"The runs were judged on different test patients of {cohort}.")
    return wide.reset_index(drop=True)


def one_run(patients: pd.DataFrame, cohort: str, variant: str, seed: int) -> dict[str, float]:
    """Judge one run on a cohort: does it rank, and do its risks mean what they say?"""
    died = outcomes(observed_only(patients), cohort, variant, seed)
    return died | true_ranks(patients, cohort, variant, seed)


def observed_only(patients: pd.DataFrame) -> pd.DataFrame:
    """Patients whose outcome is observed: imputed ones judge nothing."""
    return patients[patients["label_source"] == "observed"].reset_index(drop=True)


def true_ranks(patients: pd.DataFrame, cohort: str, variant: str, seed: int) -> dict[str, float]:
    """Rank one run's risks against the true ones, which needs no outcome."""
    return {RANKS: patients[f"risk|{variant}|{seed}"].corr(patients["risk_true"], "spearman")}


def outcomes(patients: pd.DataFrame, cohort: str, variant: str, seed: int) -> dict[str, float]:
    """Judge one run by who died."""
    died = patients["died"].to_numpy(bool)
    risks = {
        state: patients[f"{column}|{variant}|{seed}"].to_numpy(float)
        for state, column in STATES.items()
    }
    ranked = auroc(died, risks["as trained"])
    found = {
        "AUROC": ranked,
        SHARE: best_possible_share(ranked, auroc(died, patients["risk_true"])),
    }
    for state, risk in risks.items() if cohort == JUDGED_FOR_CALIBRATION else []:
        agreement = calibration(died, risk)
        found |= {
            f"observed / expected, {state}": agreement.observed_expected,
            f"calibration intercept, {state}": agreement.intercept,
            f"calibration slope, {state}": agreement.slope,
        }
    return found
