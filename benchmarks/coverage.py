"""Do the statistics hold? Prints how often intervals cover the truth over simulated cohorts.

    .venv/bin/python -m benchmarks.coverage [--cohorts 5000] [--resampled 500]

Patients and models are simulated by benchmarks/coverage_cohorts.py. What an interval should hold is
computed from a population that is larger than any cohort.
"""

import argparse
from time import perf_counter

import numpy as np
import pandas as pd
from scipy.stats import bootstrap, norm

from benchmarks import coverage_seeds
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
from helpers.calibration import calibration, calibration_intervals
from helpers.delong import auroc_difference, auroc_interval, placements
from helpers.evaluation import report
from helpers.intervals import Interval, intervals_of
from helpers.metrics import auprc, auroc, brier, net_benefit_at, sensitivity, specificity
from helpers.reporting import markdown_table

THRESHOLD = 0.13  # the death rate
REPORTED = (
    "AUPRC",
    "Brier score",
    "sensitivity",
    "specificity",
    "net benefit",
    "net benefit less that of treating all",
)

HOW_TO_READ = """\
`python -m benchmarks.coverage` prints this page. Patients come from the phantoms' causal model,
so that the truth of every row is known. *Too low* and *too high* are the shares of intervals
that lie wholly below or above it; in brackets is what chance allows, given this number of
cohorts. Notebooks show the intervals that are named after the series, and those of the report; what
has no formula has the bootstrap's, whose percentiles reach further the fewer die, and a mean over
seeds has that and the seeds' spread. Beside it stand the usual percentiles, and rows of films taken
for patients show what that mistake costs. The aim was 93–97 %; the column says where it is met. An
interval that holds the truth less often than it says is to be read as too narrow; one that misses
to one side only, as that of the AUPRC in small cohorts, has one end to be doubted. Fewer deaths,
models judged by cross-validation, rank correlations and scores of heat maps are on a page of their
own, [coverage-few.md](coverage-few.md). Not simulated: accuracy, shares of the best possible AUROC;
calibration of a model that is not calibrated; over seeds, anything but the AUROC.

Why so many cohorts: of 500, chance alone moves the coverage of a good interval by two points either
way, and all rows about one measure share their cohorts, hence their luck.

The last table of each size asks a model whose risks are the true ones what it gets on average: 1, 0
and 1 would be perfect. In small cohorts the mean slope is above 1, because slopes scatter upwards
further than downwards, and the mean intercept somewhat below 0, as it scatters downwards; the
medians are nearer."""

OF_SEEDS = """\
Of the same cohorts, a mean over a few seeds, whose networks are better or worse by luck, and its
gain over a rival that hangs even more on its seeds (`python -m benchmarks.coverage_seeds`). The
tables of `make study` have the intervals of the last two rows, of other measures, too, which were
not simulated. They are on the safe side: what a
patient and a seed do together is counted twice, so where much hangs on the seeds they reach
further than they need to."""


def main() -> None:
    """Draw the cohorts and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=5000)
    parser.add_argument("--resampled", type=int, default=500, help="cohorts for the bootstrap")
    asked = parser.parse_args()
    started = perf_counter()
    truth = true_values(draw_films(POPULATION, seed=1))
    title = f"# Coverage of 95 % intervals over {asked.cohorts:,} simulated cohorts"
    print(f"{title}\n\n{HOW_TO_READ}\n")
    for name, size in SIZES.items():
        drawn = list(split(draw_films(asked.cohorts * size, seed=size), size))
        deaths = np.mean([pool(films)["died"].sum() for films in drawn])
        print(f"## {name}: {size} patients, {deaths:.0f} deaths on average\n")
        for judge in (ranking, agreement, whole_report):
            print(markdown_table(coverage(map(judge, drawn), truth)) + "\n")
        if size == min(SIZES.values()):
            few = drawn[: asked.resampled]
            print(f"Of the first {len(few)} of these cohorts, with {RESAMPLES} resamples each:\n")
            print(markdown_table(coverage(map(resampling, few), truth)) + "\n")
            print(f"{OF_SEEDS}\n\n{coverage_seeds.table(few)}\n")
        print(markdown_table(calibration_on_average(drawn)) + "\n")
    print(f"Computed in {perf_counter() - started:.0f} s.")


def true_values(films: pd.DataFrame) -> dict[str, float]:
    """Compute what the intervals should hold, from a population."""
    patients = pool(films)
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy()
    return {
        **of_patients(patients),
        "AUROC of films": area(films),
        "sensitivity": sensitivity(died, risk, THRESHOLD),
        "specificity": specificity(died, risk, THRESHOLD),
        "observed / expected deaths": 1.0,
        "calibration intercept": 0.0,
        "calibration slope": 1.0,
    }


def area(table: pd.DataFrame) -> float:
    """AUROC of the rows of a table."""
    return auroc(table["died"], table["risk"])


def of_patients(patients: pd.DataFrame) -> dict[str, float]:
    """The measures that are neither shares of patients nor about calibration."""
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy()
    benefit, treat_all = (
        net_benefit_at(died, asked, THRESHOLD) for asked in (risk, np.ones(len(died)))
    )
    return {
        "AUROC": area(patients),
        "difference": area(patients) - auroc(died, patients["risk rival"]),
        "AUPRC": auprc(died, risk),
        "Brier score": brier(died, risk),
        "net benefit": benefit,
        "net benefit less that of treating all": benefit - treat_all,
    }


def ranking(films: pd.DataFrame) -> dict[tuple[str, str], Interval]:
    """Intervals of AUROC without resampling: as the series has them, and two mistakes."""
    patients = pool(films)
    as_if = films.assign(patient_id=np.arange(len(films)))  # each film counts as a patient
    return {
        ("AUROC", "DeLong, logit, t: the series"): auroc_interval(patients),
        ("AUROC", "DeLong, plain"): plain_delong(patients),
        ("difference", "DeLong, paired: the series"): auroc_difference(
            patients, "risk", "risk rival"
        ),
        ("AUROC of films", "films taken for patients"): auroc_interval(as_if),
    }


def plain_delong(patients: pd.DataFrame) -> Interval:
    """DeLong's interval as most software gives it: estimate ± 1.96 standard errors.

    Written out once more, so that the series' own (`helpers.delong.mean_placement`) has something
    beside it that shares no more with it than the placements.
    """
    died = patients["died"].to_numpy(bool)
    if min(died.sum(), (~died).sum()) < 2:
        return Interval(*[float("nan")] * 3)
    above, below = placements(died, patients["risk"].to_numpy())
    error = np.sqrt(above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below))
    reach = norm.ppf(0.975) * error
    return Interval(float(above.mean()), float(above.mean() - reach), float(above.mean() + reach))


def agreement(films: pd.DataFrame) -> dict[tuple[str, str], Interval]:
    """Calibration intervals of a model that knows the true risk."""
    patients = pool(films)
    found = calibration_intervals(patients["died"], patients["true_risk"])
    shift = found["calibration intercept"]
    reach = norm.ppf(0.975) * shift.standard_error
    wald = Interval(shift.estimate, shift.estimate - reach, shift.estimate + reach)
    ours = {(name, "the series"): interval for name, interval in found.items()}
    return ours | {("calibration intercept", "Wald"): wald}


def whole_report(films: pd.DataFrame) -> dict[tuple[str, str], Interval]:
    """The other rows of the report; its model is blurred, so calibration is not judged."""
    rows = report(films, THRESHOLD).set_index("metric").loc[list(REPORTED)]
    return {
        (name, "the report"): interval
        for name, interval in zip(REPORTED, intervals_of(rows), strict=True)
    }


def resampling(films: pd.DataFrame) -> dict[tuple[str, str], Interval]:
    """Bootstrap: of patients, of films with their patients, and two mistakes."""
    patients = pool(films)
    as_if = films.assign(patient_id=np.arange(len(films)))
    found = bootstrap_interval(of_patients, patients, repeats=RESAMPLES)
    return {(name, "bootstrap of patients"): interval for name, interval in found.items()} | {
        ("AUROC of films", "bootstrap of patients with their films"): bootstrap_interval(
            area, films, repeats=RESAMPLES
        ),
        ("AUROC of films", "bootstrap of films"): bootstrap_interval(
            area, as_if, repeats=RESAMPLES
        ),
        ("AUROC", "bootstrap of patients, usual percentiles"): usual_percentiles(patients),
    }


def usual_percentiles(patients: pd.DataFrame) -> Interval:
    """The percentile interval as SciPy has it, whatever the number of deaths."""
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy()
    found = bootstrap(
        (died, risk), auroc, paired=True, vectorized=False, method="percentile",
        n_resamples=RESAMPLES, rng=np.random.default_rng(0),
    )  # fmt: skip
    low, high = found.confidence_interval
    return Interval(auroc(died, risk), float(low), float(high))


def calibration_on_average(cohorts: list[pd.DataFrame]) -> pd.DataFrame:
    """Average intercept and slope of a perfectly calibrated model, with their Monte-Carlo interval.

    The slope of a logistic regression is biased away from 0 in small samples: hence the median.
    """
    found = pd.DataFrame(
        calibration(films["died"], films["true_risk"])._asdict() for films in map(pool, cohorts)
    )
    rows = []
    for name, values in found.items():
        known = values.dropna()
        reach = norm.ppf(0.975) * known.std() / np.sqrt(len(known))
        mean = Interval(known.mean(), known.mean() - reach, known.mean() + reach)
        median = f"{known.median():.3f}".replace("-", "−")
        rows.append({"measure": name, "mean": f"{mean:.3f}", "median": median})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
