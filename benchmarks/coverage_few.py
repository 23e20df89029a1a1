"""Do intervals hold the truth where there are as few patients as on the real films? Prints a page.

    .venv/bin/python -m benchmarks.coverage_few [--cohorts 500]

Numbers of patients, of deaths and of films a patient are those of the pages about real films.
Simulated are few deaths, models judged by cross-validation, rank correlations, and scores of heat
maps, each with the intervals that these pages show.
"""

import argparse
from time import perf_counter

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from benchmarks import coverage
from benchmarks.coverage_cohorts import POPULATION, RESAMPLES, draw_films, pool, split
from benchmarks.coverage_cohorts import coverage as count
from helpers.bootstrap import bootstrap_interval
from helpers.intervals import Interval, with_seeds
from helpers.metrics import auroc
from helpers.reporting import markdown_table

# At this death rate so many patients have 9 and 3 deaths on average.
SIZES = {"deaths as on real films of ieee8023": 68, "deaths as at Hannover": 23}
SEEDS, FOLDS, FEATURES = 5, 5, 10
SIGNAL = np.array([0.9, 0.5, 0.3] + [0.0] * 7)  # how much of the disease each feature shows
PENALTY = 30.0  # of the ridge
TRAININGS = 1_000  # cohorts behind the truth about trained models
TRAINED, UNTRAINED = "within-fold AUROC of a trained model", "its lead over an untrained reading"
# Patients by number of their films: scored by experts, and with an outlined lesion.
SCORED, OUTLINED = {1: 31, 2: 13, 3: 1, 4: 1}, {1: 36, 2: 4, 3: 1, 4: 2}
SAME_PATIENT = 0.5  # correlation of two films of one patient
READERS = {"reader": 0.68, "rival": 0.5}  # correlation with the score on the latent scale
RANKS, RANKS_APART = "rank correlation", "its lead over a rival's"
HITS = {"pointing game, a rare hit": 0.05, "pointing game": 0.65, "pointing game, high": 0.9}
HEAT = "share of heat"
METHODS = ("bootstrap of patients, seeds as they are", "the same and the seeds' spread: the pages")
OURS = "bootstrap of patients: the pages"

HOW_TO_READ = """\
`python -m benchmarks.coverage_few` prints this page, which reads as [coverage.md](coverage.md)
does. It is about what that page leaves out: as few patients as the pages about real films have.

* **Few deaths**: patients as on coverage.md, fewer of them.
* **Cross-validation**: {features} features, three of which show some of the disease. A ridge
  regression is trained on four fifths of the cohort and judged on the last, five times, with
  {seeds} draws of the folds. The truth is what models trained on other such cohorts reach on
  average in a population: the interval is asked to speak for them, not for these very models. The
  rival is the first feature, which nothing trained.
* **Rank correlations**: {scored} films of {scored_patients} patients, scored from 0 to 8, read by a
  network and by a rival.
* **Scores of heat maps**: {outlined} films of {outlined_patients} patients; hits by chance, but
  alike in films of a patient.

In short: with nine deaths the intervals of a fixed model do what they promise; with three many
cohorts give none at all, and the others are wide. Those of a model that is cross-validated hold
the truth less often than they say, those of its lead over an untrained reading as often; those of
scores of heat maps a little less often where nearly all films are hit."""


def main() -> None:
    """Draw the cohorts and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=500)
    asked = parser.parse_args()
    started = perf_counter()
    print(f"# Coverage with few patients, over {asked.cohorts:,} simulated cohorts\n\n{_how()}\n")
    population = draw_films(POPULATION, seed=1)
    truth, patients = coverage.true_values(population), pool(population)
    for name, size in SIZES.items():
        drawn = list(split(draw_films(asked.cohorts * size, seed=size), size))
        deaths = np.mean([pool(films)["died"].sum() for films in drawn])
        print(f"## {name}: {size} patients, {deaths:.0f} deaths on average\n")
        for judge in (coverage.ranking, coverage.agreement, resampled):
            print(markdown_table(count(map(judge, drawn), truth)) + "\n", flush=True)
        if size == max(SIZES.values()):
            found = count(map(cross_validated, drawn), true_of_training(patients, size))
            print(f"Cross-validation of the same cohorts:\n\n{markdown_table(found)}\n")
    for title, simulate in {
        "Rank correlations": (rank_correlations, true_ranks),
        "Scores of heat maps": (heat_scores, true_heat),
    }.items():
        judge, true = simulate
        generators = map(np.random.default_rng, range(asked.cohorts))
        print(f"## {title}\n\n{markdown_table(count(map(judge, generators), true()))}\n")
    print(f"Computed in {perf_counter() - started:.0f} s.")


def _how() -> str:
    return HOW_TO_READ.format(
        features=FEATURES,
        seeds=SEEDS,
        scored=sum(films * patients for films, patients in SCORED.items()),
        scored_patients=sum(SCORED.values()),
        outlined=sum(films * patients for films, patients in OUTLINED.items()),
        outlined_patients=sum(OUTLINED.values()),
    )


def resampled(films: pd.DataFrame) -> dict[tuple[str, str], Interval]:
    """Intervals of the bootstrap of patients."""

    def areas(patients: pd.DataFrame) -> dict[str, float]:
        own, rival = (auroc(patients["died"], patients[one]) for one in ("risk", "risk rival"))
        return {"AUROC": own, "difference": own - rival}

    found = bootstrap_interval(areas, pool(films), repeats=RESAMPLES)
    return {(name, OURS): interval for name, interval in found.items()}


def features(patients: pd.DataFrame, generator: np.random.Generator) -> np.ndarray:
    """What a network sees of each patient: float (n, FEATURES), sd about 1."""
    seen = logit(patients["risk"].to_numpy())
    seen = (seen - seen.mean()) / seen.std()
    noise = generator.standard_normal((len(seen), FEATURES))
    return SIGNAL * seen[:, None] + np.sqrt(1 - SIGNAL**2) * noise


def ridge(seen: np.ndarray, died: np.ndarray) -> np.ndarray:
    """Weights (FEATURES,) of a ridge regression of the outcome."""
    centred = seen - seen.mean(axis=0)
    square = centred.T @ centred + PENALTY * np.eye(FEATURES)
    return np.linalg.solve(square, centred.T @ (died - died.mean()))


def deal(died: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Fold of each patient, deaths shared out evenly."""
    order = np.lexsort((generator.random(len(died)), died))
    fold = np.empty(len(died), int)
    fold[order] = np.arange(len(died)) % FOLDS
    return fold


def cross_validated(films: pd.DataFrame) -> dict[tuple[str, str], Interval]:
    """Intervals as the study of real films has them: patients are resampled, models are not."""
    patients = pool(films)
    generator = np.random.default_rng(int(patients["patient_id"].iloc[0]))  # another each cohort
    seen, died = features(patients, generator), patients["died"].to_numpy(bool)
    columns = {}
    for seed in range(SEEDS):
        fold, risk = deal(died, generator), np.empty(len(died))
        for one in range(FOLDS):
            inside = fold == one
            risk[inside] = expit(seen[inside] @ ridge(seen[~inside], died[~inside]))
        columns |= {f"risk {seed}": risk, f"fold {seed}": fold}
    table = patients.assign(untrained=expit(seen[:, 0]), **columns)

    def each(sample: pd.DataFrame) -> dict[str, np.ndarray]:
        dead, values = sample["died"].to_numpy(bool), dict(sample.items())
        own, other = (
            np.array(
                [
                    within(dead, values[column.format(seed)], values[f"fold {seed}"])
                    for seed in range(SEEDS)
                ]
            )
            for column in ("risk {}", "untrained")
        )
        return {TRAINED: own, UNTRAINED: own - other}

    def means(sample: pd.DataFrame) -> dict[str, float]:
        return {name: float(values.mean()) for name, values in each(sample).items()}

    alone, values = bootstrap_interval(means, table, repeats=RESAMPLES), each(table)
    limits = {TRAINED: (0.0, 1.0), UNTRAINED: (-1.0, 1.0)}
    both = {name: with_seeds(alone[name], values[name], limits=limits[name]) for name in values}
    return {
        (name, method): found[name]
        for name in values
        for method, found in zip(METHODS, (alone, both), strict=True)
    }


def within(died: np.ndarray, risk: pd.Series, fold: pd.Series) -> float:
    """AUROC of the pairs of one fold, as `benchmarks.study_real.auroc_within` has it, but fast."""
    (own, here), (other, there) = (
        (risk.to_numpy()[one], fold.to_numpy()[one]) for one in (died, ~died)
    )
    pairs = here[:, None] == there
    right = (own[:, None] > other) + 0.5 * (own[:, None] == other)
    return float(right[pairs].mean()) if pairs.any() else float("nan")


def true_of_training(patients: pd.DataFrame, size: int) -> dict[str, float]:
    """What models trained on four fifths of other cohorts reach on average in a population."""
    generator = np.random.default_rng(0)
    judged = patients.iloc[: POPULATION // 20]
    seen, died = features(judged, generator), judged["died"].to_numpy(bool)
    training = size - size // FOLDS
    others = patients.iloc[len(judged) :].iloc[: TRAININGS * training]
    taught, outcomes = features(others, generator), others["died"].to_numpy(bool)
    found = []
    for first in range(0, len(others) - training + 1, training):
        here = slice(first, first + training)
        if outcomes[here].any():
            found.append(auroc(died, expit(seen @ ridge(taught[here], outcomes[here]))))
    mean = float(np.mean(found))
    return {TRAINED: mean, UNTRAINED: mean - auroc(died, expit(seen[:, 0]))}


def alike(
    films_of: dict[int, int], columns: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal numbers (films, columns), alike in films of a patient, and their patients."""
    counts = np.repeat(list(films_of), list(films_of.values()))
    patient = np.repeat(np.arange(len(counts)), counts)
    shared = generator.standard_normal((len(counts), columns))[patient]
    own = generator.standard_normal((len(patient), columns))
    return np.sqrt(SAME_PATIENT) * shared + np.sqrt(1 - SAME_PATIENT) * own, patient


def scored_films(films_of: dict[int, int], generator: np.random.Generator) -> pd.DataFrame:
    """Experts' scores, in thirds from 0 to 8, and what the two readers read."""
    drawn, patient = alike(films_of, 1 + len(READERS), generator)
    score = np.round(8 * norm.cdf(drawn[:, 0] - 0.3) * 3) / 3
    read = {
        name: close * drawn[:, 0] + np.sqrt(1 - close**2) * drawn[:, 1 + place]
        for place, (name, close) in enumerate(READERS.items())
    }
    return pd.DataFrame({"patient_id": patient, "score": score, **read})


def ranks(films: pd.DataFrame) -> dict[str, float]:
    """Spearman's rank correlation of the reader with the score, and its lead."""
    found = {name: films[name].corr(films["score"], method="spearman") for name in READERS}
    return {RANKS: found["reader"], RANKS_APART: found["reader"] - found["rival"]}


def rank_correlations(generator: np.random.Generator) -> dict[tuple[str, str], Interval]:
    """Intervals of rank correlations in as many films as the experts scored."""
    found = bootstrap_interval(ranks, scored_films(SCORED, generator), repeats=RESAMPLES)
    return {(name, OURS): interval for name, interval in found.items()}


def true_ranks() -> dict[str, float]:
    """Rank correlations in a population."""
    return ranks(scored_films({1: POPULATION}, np.random.default_rng(0)))


def heated_films(films_of: dict[int, int], generator: np.random.Generator) -> pd.DataFrame:
    """Hits of the pointing game, 0 or 1, at three rates, and the share of heat in the lesions."""
    drawn, patient = alike(films_of, 1, generator)
    quantile = norm.cdf(drawn[:, 0])
    hits = {name: (quantile < rate).astype(float) for name, rate in HITS.items()}
    return pd.DataFrame({"patient_id": patient, **hits, HEAT: quantile**2})  # from 0 to 1, skewed


def heat_scores(generator: np.random.Generator) -> dict[tuple[str, str], Interval]:
    """Intervals of means over as many films as have an outlined lesion."""
    films = heated_films(OUTLINED, generator)
    scores = [*HITS, HEAT]
    found = bootstrap_interval(lambda t: t[scores].mean().to_dict(), films, repeats=RESAMPLES)
    return {(name, OURS): interval for name, interval in found.items()}


def true_heat() -> dict[str, float]:
    """Mean scores in a population."""
    return HITS | {HEAT: 1 / 3}


if __name__ == "__main__":
    main()
