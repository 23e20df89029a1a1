"""Does a network that has seen only phantoms read real films? Prints a table.

    CXR_DATA=… .venv/bin/python -m benchmarks.severity [--card]

Nothing is trained here: the phantom start reads the films, and its opaque share is compared with
what experts scored, what radiologists outlined, and what became of the patients (asked of their
index films). Intervals come from resampling patients, for outcomes from DeLong's variance. The
figures were looked at while the start was developed: docs/study/zero-shot-rounds.csv has those of
each round.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.cohorts import (
    cohort_root,
    is_phantom,
    load_annotations,
    load_cohort,
    outline_mask,
    select_index_films,
)
from helpers.evaluation import auroc_interval, bootstrap_interval
from helpers.files import write_whole
from helpers.intervals import Interval, as_columns, intervals_of
from helpers.reporting import markdown_table
from helpers.starts import PHANTOM_START
from helpers.training import predict_severity

SHARE = "opaque_share"
DENSITY = "density"  # mean over the zones
OUTCOMES = {"ieee8023": ("died", "went_icu", "intubated"), "hannover": ("died", "went_icu")}
NAMES = {"died": "death", "went_icu": "intensive care", "intubated": "intubation"}


def main() -> None:
    """Read the real films and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--card", action="store_true", help="keep the figures in the start's card")
    options = parser.parse_args()
    missing = [name for name in OUTCOMES if is_phantom(name)]
    if missing:
        raise SystemExit(
            f"This judges real films, but {' and '.join(missing)} are phantoms here: set CXR_DATA "
            "to a folder that holds the real ones."
        )
    figures = pd.concat([agreement(), outlined(), outcomes()], ignore_index=True)
    shown = figures.assign(value=[str(interval) for interval in intervals_of(figures)])
    print(markdown_table(shown.drop(columns=["estimate", "low", "high"])))
    if options.card:
        keep(figures)


def agreement() -> pd.DataFrame:
    """Rank correlation with the mean of three experts' scores, film by film."""
    root = cohort_root("ieee8023")
    scored = with_patients(load_annotations(root).severity)
    read = readings(scored)
    pairs = {"extent, 0–8": (SHARE, "geographic"), "opacity, 0–6": (DENSITY, "opacity")}
    return pd.DataFrame(
        row(f"experts' {name}", correlation(read, *pair), read, unit="Spearman")
        for name, pair in pairs.items()
    )


def outlined() -> pd.DataFrame:
    """Rank correlation with the outlined lesions' share of the outlined lungs, film by film."""
    outlines = load_annotations(cohort_root("ieee8023")).outlines
    paths = outlines["image_path"].drop_duplicates()
    films = with_patients(
        pd.DataFrame({"image_path": paths[paths.map(lambda p: Path(p).is_file())]})
    )
    films["outlined"] = [outlined_share(outlines, path) for path in films["image_path"]]
    read = readings(films[films["outlined"].notna()])
    name = "radiologists' outlined lesions over lungs"
    return pd.DataFrame([row(name, correlation(read, SHARE, "outlined"), read, unit="Spearman")])


def outlined_share(outlines: pd.DataFrame, path: str) -> float:
    """Area of the outlined opacities over that of the outlined lungs; NaN without lungs."""
    side = (512, 512)  # both are scaled alike, so their ratio stays
    lesions, lungs = (
        outline_mask(outlines, path, kinds, side).sum()
        for kinds in (["Ground Glass Opacities", "Consolidation"], ["Left Lung", "Right Lung"])
    )
    return lesions / lungs if lungs else float("nan")


def outcomes() -> pd.DataFrame:
    """Discrimination of outcomes by the opaque share of a patient's index film."""
    rows = []
    for site, columns in OUTCOMES.items():
        films = readings(select_index_films(load_cohort(site)))
        for column in columns:
            known = films[films[column].notna()].groupby("patient_id")
            patients = known.agg(share=(SHARE, "mean"), died=(column, "max")).reset_index()
            found = auroc_interval(patients.assign(label_source="observed"), risk="share")
            events = int(patients["died"].sum())
            rows.append(row(f"{site}: {NAMES[column]}", found, patients, events, unit="AUROC"))
    return pd.DataFrame(rows)


def readings(films: pd.DataFrame) -> pd.DataFrame:
    """Add what the phantom start reads off each film, and its mean density."""
    read = predict_severity(films)
    zones = [column for column in read if str(column).startswith("density_")]
    return read.assign(**{DENSITY: read[zones].mean(axis=1)})


def correlation(read: pd.DataFrame, seen: str, known: str) -> Interval:
    """Spearman's rank correlation with its interval."""

    def rank_correlation(t: pd.DataFrame) -> float:
        return t[seen].corr(t[known].astype(float), method="spearman")

    return bootstrap_interval(
        rank_correlation, read.drop(columns="died")
    )  # no outcome is judged here


def with_patients(films: pd.DataFrame) -> pd.DataFrame:
    """Add patients, so that films of one patient are resampled together; outcomes play no part.

    A film that the cohort leaves out (another finding, no first film) counts as a patient of its
    own.
    """
    patients = load_cohort("ieee8023")[["image_path", "patient_id"]]
    films = films.merge(patients, on="image_path", how="left")
    own = films["image_path"].map(lambda path: Path(path).stem)
    return films.assign(patient_id=films["patient_id"].fillna(own), died=np.nan)


def row(
    what: str, found: Interval, cases: pd.DataFrame, events: int | None = None, *, unit: str
) -> dict[str, object]:
    """Describe one figure."""
    return {
        "compared with": what,
        "measure": unit,
        "n": len(cases),
        "events": "" if events is None else events,
        **as_columns(found),
    }


def keep(figures: pd.DataFrame) -> None:
    """Write the figures into the card of the phantom start, and nothing else of it."""
    path = PHANTOM_START.with_suffix(".json")
    card = json.loads(path.read_text(encoding="utf-8"))
    card["real_films"] = figures.round(3).to_dict(orient="records")
    write_whole(path, json.dumps(card, indent=2).encode())


if __name__ == "__main__":
    main()
