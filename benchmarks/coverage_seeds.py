"""Do intervals of a mean over seeds hold the truth? Prints that table of docs/coverage.md alone.

    .venv/bin/python -m benchmarks.coverage_seeds [--cohorts 500]

Of each network that a seed gives, the risk is the true one blurred twice: by what no network can
see, the same for all seeds, and by what this seed's network fails to see, more or less by luck. The
truth is the mean AUROC of all seeds in a population. Compared are also a network's gains over a
rival that has seeds of its own.
"""

import argparse
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from benchmarks.coverage_cohorts import (
    POPULATION,
    RESAMPLES,
    SIZES,
    coverage,
    draw_films,
    pool,
    split,
)
from helpers.bootstrap import bootstrap_interval
from helpers.intervals import Interval, with_seeds
from helpers.metrics import auroc
from helpers.reporting import markdown_table

SEEDS = 5
COMMON_BLUR = 2.0  # sd in logits of what no network sees
SEED_BLURS = {"network": (0.5, 2.5), "rival": (0.5, 5.0)}  # lowest and highest sd of a seed's own
POPULATION_SEEDS = 100
MEASURES = ("mean AUROC over seeds", "its gain over a rival")
ALONE, BOTH = "bootstrap of patients, seeds as they are", "the same and the seeds' spread"


def main() -> None:
    """Draw the cohorts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=500)
    asked = parser.parse_args()
    size = min(SIZES.values())
    drawn = split(draw_films(asked.cohorts * size, seed=size), size)
    print(table(list(drawn)))


def table(cohorts: list[pd.DataFrame]) -> str:
    """Count how often the intervals hold the truth."""
    population = pool(draw_films(POPULATION // 10, seed=1))
    return markdown_table(coverage(map(judge, cohorts), true_means(population)))


def true_means(patients: pd.DataFrame) -> dict[str, float]:
    """Mean AUROC of seeds without number, and its gain over the rival, in a population."""
    even = (np.arange(POPULATION_SEEDS) + 0.5) / POPULATION_SEEDS  # of luck, from bad to good
    risks = draw_risks(patients, dict.fromkeys(SEED_BLURS, even), np.random.default_rng(0))
    means = areas(patients.join(risks), POPULATION_SEEDS).mean()
    return dict(zip(MEASURES, (means["network"], means["network"] - means["rival"]), strict=True))


def draw_risks(
    patients: pd.DataFrame, luck: Mapping[str, np.ndarray], generator: np.random.Generator
) -> pd.DataFrame:
    """Risks of every patient by every seed's network and rival, each of some luck in 0 to 1."""
    seen = logit(patients["true_risk"].to_numpy())
    seen = seen + generator.normal(0, COMMON_BLUR, len(seen))
    return pd.DataFrame(
        {
            f"{kind} {one}": expit(seen + generator.normal(0, blur, len(seen)))
            for kind, (low, high) in SEED_BLURS.items()
            for one, blur in enumerate(low + (high - low) * luck[kind])
        },
        index=patients.index,
    )


def areas(patients: pd.DataFrame, seeds: int) -> pd.DataFrame:
    """AUROC by seed, a column for the network and one for the rival."""
    died = patients["died"].to_numpy(bool)
    return pd.DataFrame(
        {
            kind: [auroc(died, patients[f"{kind} {one}"].to_numpy()) for one in range(seeds)]
            for kind in SEED_BLURS
        }
    )


def judge(films: pd.DataFrame) -> dict[tuple[str, str], Interval]:
    """Intervals of the mean over five seeds, without and with the seeds' own spread."""
    generator = np.random.default_rng(int(films["patient_id"].iloc[0]))  # another each cohort
    patients = pool(films)
    luck = {kind: generator.uniform(size=SEEDS) for kind in SEED_BLURS}
    patients = patients.join(draw_risks(patients, luck, generator))

    def means(table: pd.DataFrame) -> dict[str, float]:
        found = areas(table, SEEDS).mean()
        values = (found["network"], found["network"] - found["rival"])
        return dict(zip(MEASURES, values, strict=True))

    alone = bootstrap_interval(means, patients, repeats=RESAMPLES)
    each = areas(patients, SEEDS)
    values = dict(zip(MEASURES, (each["network"], each["network"] - each["rival"]), strict=True))
    limits = dict(zip(MEASURES, ((0.0, 1.0), (-1.0, 1.0)), strict=True))
    both = {name: with_seeds(alone[name], values[name], limits=limits[name]) for name in MEASURES}
    return {(name, ALONE): alone[name] for name in MEASURES} | {
        (name, BOTH): both[name] for name in MEASURES
    }


if __name__ == "__main__":
    main()
