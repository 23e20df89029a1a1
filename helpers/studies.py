"""Tables of long studies, kept in the repository with what made them.

A study trains for an hour; a notebook shows its table and trains a small part anew.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from helpers.files import file_hash, write_whole
from helpers.intervals import Interval, intervals_of
from helpers.paths import PROJECT
from helpers.starts import PHANTOM_START

STUDIES = PROJECT / "docs" / "study"
MADE_BY = "`make study` makes it in about an hour on two cores"
PACKAGES = ("torch", "torchvision", "lightning-fabric", "numpy", "pandas", "scikit-learn")
# What decides how a seed's network comes out.
CODE = (
    *("augmentation", "cache", "finishing", "models", "pixels", "radiographs", "recipes"),
    *("runs", "stages", "starts", "training", "training_data"),
)


class Study(NamedTuple):
    """A stored table and what made it: command, date, seconds, versions, hashes."""

    table: pd.DataFrame
    made: dict[str, Any]


def save_study(
    name: str, table: pd.DataFrame, made: Mapping[str, Any], folder: Path | None = None
) -> Path:
    """Store a table as ``NAME.csv`` and what made it as ``NAME.json`` beside it.

    Parameters
    ----------
    name
        Such as ``phantom-variants``.
    table
        No patient may be recognisable in it: it is committed.
    made
        What made it, as JSON can hold it; the versions, the code's hash and the table's are added.
    folder
        ``docs/study`` by default.

    Returns
    -------
    pathlib.Path
        Of the table.
    """
    path = (folder or STUDIES) / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()
    description = {
        **made,
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "code_sha256": code_hash(),
        "table_sha256": hashlib.sha256(content).hexdigest(),
    }
    write_whole(path, content)
    write_whole(path.with_suffix(".json"), json.dumps(description, indent=2).encode() + b"\n")
    return path


def load_study(name: str, folder: Path | None = None) -> Study:
    """Read what :func:`save_study` stored.

    Raises
    ------
    FileNotFoundError
        If the study has not been made.
    ValueError
        If the table was changed after it was made.
    """
    path = (folder or STUDIES) / f"{name}.csv"
    if not (path.is_file() and path.with_suffix(".json").is_file()):
        raise FileNotFoundError(f"The study {name} is missing: {MADE_BY}.")
    content = path.read_bytes()
    made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if made.get("table_sha256") != hashlib.sha256(content).hexdigest():
        raise ValueError(f"{path.name} was changed after it was made: {MADE_BY}.")
    return Study(pd.read_csv(StringIO(content.decode())), made)


def start_note(study: Study) -> str:
    """Say that a study began with another phantom start than the one that ships, else ""."""
    if study.made["phantom_start_sha256"] == file_hash(PHANTOM_START):
        return ""
    return (
        "These stored runs began with an earlier phantom start than the one that ships and that "
        "all else here is about. `make study` makes them anew."
    )


def compare(
    study: Study, *, test: str, measures: Sequence[str], variants: Sequence[str] | None = None
) -> pd.DataFrame:
    """Lay measures of the variants side by side.

    Parameters
    ----------
    study
        ``phantom-variants``.
    test
        Cohort whose test patients judged.
    measures, variants
        Which, in this order; all variants by default.

    Returns
    -------
    pandas.DataFrame
        A row a variant: ``0.71 (0.60–0.82) ± 0.03`` is the mean over the seeds, its 95 % interval
        for other patients and other seeds, and the standard deviation over the seeds.
    """
    rows = study.table[study.table["test"] == test]
    both = zip(intervals_of(rows), rows["seed_sd"].astype(float), strict=True)
    shown = [f"{interval} ± {sd:.2f}" for interval, sd in both]
    wide = rows.assign(shown=shown).pivot(index="variant", columns="measure", values="shown")
    order = list(variants or dict.fromkeys(rows["variant"]))
    return wide.reindex(index=order, columns=list(measures)).astype(object).fillna("not here")


def differences(study: Study, *, test: str, measure: str) -> pd.Series:
    """How far each variant is ahead of the one it was compared with, paired by patients.

    Parameters
    ----------
    study
        ``phantom-variants``.
    test, measure
        Cohort whose test patients judged, and by what.

    Returns
    -------
    pandas.Series
        ``+0.02 (−0.01 to +0.05)`` a variant; a dash for the one that the others were compared with.
    """
    variants = study.table.query("test == @test and measure == @measure")["variant"]
    found = gaps(study, test=test, measure=measure)
    shown = {variant: format(gap, "+.2f") for variant, gap in found.items()}
    return pd.Series([shown.get(name, "—") for name in variants], index=pd.Index(variants))


def gaps(study: Study, *, test: str, measure: str) -> dict[str, Interval]:
    """How far each variant is ahead of the one it was compared with, in numbers.

    Parameters
    ----------
    study
        ``phantom-variants``.
    test, measure
        Cohort whose test patients judged, and by what.

    Returns
    -------
    dict of str to Interval
        By variant, in the order of the study; paired by patients, over other patients and other
        seeds. The variant that the others were compared with is not among them.
    """
    rows = study.table.query("test == @test and measure == @measure and variant != against")
    columns = [f"difference_{key}" for key in ("estimate", "low", "high")]
    return dict(zip(rows["variant"], intervals_of(rows, columns), strict=True))


def code_hash() -> str:
    """SHA-256 of the modules that decide how a network comes out, ends of lines aside."""
    texts = [(PROJECT / "helpers" / f"{name}.py").read_text(encoding="utf-8") for name in CODE]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
