"""Compare phantom films with real ones: prints a report and draws a contact sheet.

    python -m phantoms
    CXR_DATA=… .venv/bin/python -m benchmarks.phantoms [--sheet FILE]
    CXR_DATA=… .venv/bin/python -m benchmarks.phantoms --fresh 200 [--randomised]

Nothing is fitted to the real films here, and no number printed here sets a parameter of the
phantoms: the report says where they differ, anatomy and physics say what to mend. Real films stay
out of the repository, and so does the sheet.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.compared_films import LOADERS, Example, fresh, published
from benchmarks.comparison import compare, halves_distance, histogram_distance
from benchmarks.contact_sheet import Drawn, draw_sheet
from benchmarks.film_statistics import (
    grey_measures,
    histogram,
    lesion_measures,
    lung_measures,
    regions,
    spectrum_measures,
    split_lungs,
)
from benchmarks.phantom_speed import speed
from benchmarks.telling_apart import Verdict, grey_and_spectrum, small_square, tell_apart
from helpers.paths import PROJECT, cohort_root, is_phantom
from helpers.reporting import markdown_table

MADE_COHORTS = PROJECT / "data" / "phantom"
WORK = PROJECT / "data" / "work"  # the only folder of the repository that may hold the sheet

OUTLINES_NOTE = (
    "Radiologists' outlines are smooth and coarse, and their lungs reach behind heart and "
    "diaphragm; phantoms' follow the opacity and the visible lung. Ground-glass opacities and "
    "consolidation, as far as they are within the lungs."
)

MEANING = (
    "## What this means for the series\n\n"
    "Where a classifier's AUROC is near 1, nearly every phantom is told from a real film: what "
    "holds on phantoms need not hold on films. Look at the grey step across the border of the "
    "opacities. Where it is larger on phantoms, their disease stands out more than what "
    "radiologists outline, and what the series finds about reading disease or pointing at it on "
    "phantoms is the most to be hoped for on real films, not an estimate. Figures on real films "
    "are in [real-data.md](real-data.md)."
)


def main() -> None:
    """Print the report and draw the sheet, or say what is missing."""
    options = _parse()
    cohorts = _cohorts(options.fresh)
    cv2.setNumThreads(1)
    real = published({name: cohort_root(name) for name in cohorts})
    if options.fresh:
        phantom = fresh(cohorts, options.fresh, options.randomised)
    else:
        phantom = published({name: MADE_COHORTS / name for name in cohorts})
    drawn = {
        name: {"real": describe(real.films[name]), "phantom": describe(phantom.films[name])}
        for name in cohorts
    }
    sections = [
        opening(cohorts, options),
        greys(real.with_lungs, phantom.with_lungs),
        *(section(f"Power spectrum, {name}", spectrum_row, real.films[name], phantom.films[name])
          for name in cohorts),
        section("The lungs' proportions", lung_row, real.with_lungs, phantom.with_lungs),
        section("Outlined opacities", lesion_row, real.outlined, phantom.outlined, OUTLINES_NOTE),
        told_apart({name: verdict(real.films[name], phantom.films[name], **drawn[name])
                    for name in cohorts}),
        speed(),
        MEANING,
    ]  # fmt: skip
    print("\n\n".join(sections))
    draw_sheet(options.sheet, drawn)
    print(f"Drew the contact sheet {options.sheet.name}.", file=sys.stderr)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sheet",
        type=lambda text: Path(text).resolve(),
        default=WORK / "benchmarks" / "phantoms.png",
        help="where the contact sheet goes; it shows real films, so nowhere that git tracks",
    )
    parser.add_argument(
        "--fresh",
        type=int,
        default=0,
        metavar="N",
        help="draw N phantoms a cohort now, in place of those in data/phantom",
    )
    parser.add_argument(
        "--randomised",
        action="store_true",
        help="with --fresh: with the looks and disturbances that the network is pretrained on",
    )
    options = parser.parse_args()
    if options.randomised and not options.fresh:
        parser.error("--randomised goes with --fresh N")
    if options.sheet.is_relative_to(PROJECT) and not options.sheet.is_relative_to(WORK):
        parser.error("the sheet shows real films: keep it outside the repository or in data/work")
    return options


def _cohorts(fresh: int) -> list[str]:
    """Name the cohorts of which there are real films, and phantoms to compare them with."""
    if not fresh and not all((MADE_COHORTS / name).is_dir() for name in LOADERS):
        raise SystemExit("There are no phantoms yet: make them with `python -m phantoms`.")
    try:
        real = [name for name in LOADERS if not is_phantom(name)]
    except FileNotFoundError as error:  # it says what is missing and what to do
        raise SystemExit(str(error)) from error
    if "ieee8023" not in real:
        raise SystemExit(
            "This compares phantoms with real films, and there are none of ieee8023: set CXR_DATA "
            "to a folder with ieee8023, segmentations and hannover, or fetch the first with "
            "`python -m helpers.downloads ieee8023`."
        )
    return real


def opening(cohorts: list[str], options: argparse.Namespace) -> str:
    command, phantoms = "python -m benchmarks.phantoms", "those of data/phantom"
    if options.fresh:
        command += f" --fresh {options.fresh}{' --randomised' if options.randomised else ''}"
        looks = "looks and disturbances" if options.randomised else "patients, the cohorts' looks"
        phantoms = f"{options.fresh} a cohort, drawn now (pretraining's {looks})"
    return (
        "# Phantom films beside real ones\n\n"
        f"Printed by `CXR_DATA=… {command}`. Cohorts: {' and '.join(cohorts)}; phantoms: "
        f"{phantoms}. Films as published, with their letters, dates, arrows, borders and "
        "compression, preprocessed at 256 px. Medians with 95 % intervals from resampled patients. "
        "`distance` is the Wasserstein distance of the two distributions in interquartile ranges "
        "of the real one; beside it what it is between "
        "random halves of the real patients: a smaller one means nothing."
    )


def section(
    title: str,
    row: Callable[[Example], dict[str, float]],
    real: list[Example],
    phantom: list[Example],
    *notes: str,
) -> str:
    """Compare one kind of measure, a row a measure."""
    heading = f"## {title}\n\n"
    if not real or not phantom:
        return heading + f"No {'phantoms' if real else 'real films'} with such masks are here."
    compared = compare(_measure(row, real), _measure(row, phantom))
    return "\n\n".join([heading + _counts(real, phantom), markdown_table(compared), *notes])


def _measure(row: Callable[[Example], dict[str, float]], films: list[Example]) -> pd.DataFrame:
    return pd.DataFrame([{"patient_id": film.patient_id, **row(film)} for film in films])


def _counts(real: list[Example], phantom: list[Example]) -> str:
    sides = []
    for name, films in (("Real", real), ("phantom", phantom)):
        patients = len({film.patient_id for film in films})
        text = f"{name}: {len(films)} films of {patients} patients"
        joined = sum(film.lungs is not None and split_lungs(film.lungs) is None for film in films)
        sides.append(text + (f" ({joined} without two separate lungs)" if joined else ""))
    return "; ".join(sides) + "."


def greys(real: list[Example], phantom: list[Example]) -> str:
    """Grey values inside the lungs, between them and outside, and their histograms' distances."""
    compared = section("Grey values, 0–255", grey_row, real, phantom)
    if not real or not phantom:
        return compared
    patients = np.array([film.patient_id for film in real])
    rows = []
    for name in ("lungs", "mediastinum", "outside"):
        ours, theirs = _histograms(real, name), _histograms(phantom, name)
        halves = halves_distance(patients, lambda half, h=ours: _apart(h[half], h[~half]))
        rows.append((name, f"{_apart(ours, theirs):.1f}", f"{halves:.1f}"))
    distances = pd.DataFrame(
        rows, columns=["region", "distance (grey values)", "between halves of the real patients"]
    )
    return (
        compared
        + "\n\nWasserstein distance of the pooled histograms, each film counted alike:\n\n"
        + markdown_table(distances)
    )


def _apart(first: np.ndarray, second: np.ndarray) -> float:
    """Distance of two sets of histograms, each film counted alike."""
    return histogram_distance(first.mean(axis=0), second.mean(axis=0))


def _histograms(films: list[Example], region: str) -> np.ndarray:
    """Histogram of the region on each film, (films, 256)."""
    return np.array(
        [histogram(film.film, regions(film.shown, film.lungs)[region]) for film in films]
    )


def grey_row(film: Example) -> dict[str, float]:
    return grey_measures(film.film, regions(film.shown, film.lungs))


def spectrum_row(film: Example) -> dict[str, float]:
    return spectrum_measures(film.film, film.shown)


def lung_row(film: Example) -> dict[str, float]:
    return lung_measures(film.lungs, film.shown)


def lesion_row(film: Example) -> dict[str, float]:
    return lesion_measures(film.film, film.lungs, film.lesions)


def describe(films: list[Example]) -> Drawn:
    """Measure what the classifiers see, which the sheet shows as well."""
    return Drawn(
        [film.film for film in films],
        np.array([small_square(film.film, film.shown) for film in films]),
        pd.DataFrame([grey_and_spectrum(film.film, film.shown) for film in films]),
    )


def verdict(
    real_films: list[Example], phantom_films: list[Example], *, real: Drawn, phantom: Drawn
) -> Verdict:
    """Ask classifiers to tell the phantoms of a cohort from its real films."""
    is_phantom = np.repeat([False, True], [len(real_films), len(phantom_films)])
    patients = [
        *(f"real {film.patient_id}" for film in real_films),
        *(f"phantom {film.patient_id}" for film in phantom_films),
    ]
    features = pd.concat([real.features, phantom.features], ignore_index=True)
    squares = np.concatenate([real.squares, phantom.squares])
    return tell_apart(features, squares, is_phantom, np.array(patients))


def told_apart(verdicts: dict[str, Verdict]) -> str:
    rows = pd.DataFrame({name: told.auroc for name, told in verdicts.items()})
    lines = [
        f"* {name}: "
        + "; ".join(f"{what} ({value:+.1f})" for what, value in told.coefficients[:6].items())
        for name, told in verdicts.items()
    ]
    return (
        "## Telling phantom from real\n\nAUROC, five-fold cross-validated by patient; 0.5 would "
        "mean that they cannot be told apart.\n\n"
        + markdown_table(rows.rename_axis("classifier").reset_index())
        + "\n\nLargest coefficients of the first classifier on standardised measures (+: more in "
        "phantoms):\n\n" + "\n".join(lines).replace("(-", "(−")
    )


if __name__ == "__main__":
    main()
