"""Makes the three cohorts on disk, in parallel, all or nothing."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers.files import file_hash
from helpers.paths import PHANTOM_MANIFEST, phantom_manifest
from phantoms.people import draw_films, draw_people
from phantoms.publish import experts, hannover, ieee8023, sbu
from phantoms.publish.files import Job, run_job
from phantoms.truth import TRUTH_COLUMNS

VERSION = 4  # raise it whenever the same seed gives other files
# Of folders that somebody has looked into.
SYSTEM_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}
HANNOVER_PATIENTS = 120
SHARED = 90  # rows of ieee8023 that come from Hannover …
SHARED_ONLY = 9  # … of which so many are in ieee8023 only
TABLES = (
    "ieee8023/metadata.csv",
    f"sbu/{sbu.CLINICAL_NAME}",
    "hannover/data.csv",
    "segmentations/structure.csv",
    "truth/sbu.csv",
)
MOST_PROCESSES = 8  # each holds about 200 MB
# Chosen so that seed 0 gives a typical cohort: AUROCs near their expectations (tests say which).
ENTROPY = 2036

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plans:
    """Every exposure to render, every table to write but for what is measured on the pictures."""

    jobs: list[Job]
    metadata: pd.DataFrame  # ieee8023
    clinical: pd.DataFrame  # sbu
    data: pd.DataFrame  # hannover
    scores: pd.DataFrame  # of ieee8023 films
    truth: dict[str, pd.DataFrame]


def make_cohorts(
    root: str | Path,
    *,
    scale: float = 1.0,
    seed: int = 0,
    processes: int | None = None,
    progress: bool = True,
) -> Path:
    """Make phantom ieee8023, sbu, hannover, segmentations and truth below ``root``.

    Everything is written to a folder beside ``root`` and renamed at the end, so that ``root`` is
    either complete or absent. The bytes depend on ``scale`` and ``seed`` only, not on the number of
    processes. If ``root`` already holds the same cohorts nothing is done; if it holds others they
    are replaced. Two runs into the same root at the same time are not supported.

    Parameters
    ----------
    root : folder to make, usually ``data/phantom``
    scale : share of the default size (about 400, 600 and 120 patients)
    seed : of everything
    processes : how many to use; one per processor by default, 1 for none but this one. Others are
        spawned, so a script that calls this needs ``if __name__ == "__main__"``.
    progress : show a progress bar

    Returns
    -------
    root : Path

    Raises
    ------
    ValueError
        If scale or processes are not positive, or the seed is negative.
    FileExistsError
        If ``root`` is a file, or holds something that this function did not make.
    """
    if not 0 < scale < math.inf:
        raise ValueError(f"expected scale > 0 and finite, found {scale}")
    if seed < 0:
        raise ValueError(f"expected seed >= 0, found {seed}")
    if processes is not None and processes < 1:
        raise ValueError(f"expected processes >= 1 or None, found {processes}")
    root = Path(root).absolute()
    manifest = {"version": VERSION, "seed": int(seed), "scale": float(scale)}
    if read_manifest(root) == manifest:
        _log.info("phantom cohorts are complete already: nothing to do")
        return root
    _refuse_others(root)
    part = root.with_name(f".{root.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # what a killed run left behind
    part.mkdir(parents=True)
    _make(part, plan_cohorts(scale, seed), processes or _all_processors(), progress)
    hashes = {table: file_hash(part / table) for table in TABLES}
    text = json.dumps({**manifest, "tables": hashes}, indent=2) + "\n"
    (part / PHANTOM_MANIFEST).write_text(text, encoding="utf-8")
    _replace(part, root)
    return root


def _refuse_others(root: Path) -> None:
    """Refuse a root with anything in it that would be lost."""
    if root.exists() and not root.is_dir():
        raise FileExistsError(f"expected {root} to be a folder or absent, found a file")
    made = {PHANTOM_MANIFEST, *(Path(table).parts[0] for table in TABLES)}
    found = {path.name for path in root.iterdir()} - SYSTEM_FILES if root.exists() else set()
    if found and (PHANTOM_MANIFEST not in found or found - made):
        others = ", ".join(sorted(found - made)[:3]) or f"no {PHANTOM_MANIFEST}"
        raise FileExistsError(
            f"expected {root} to be absent, empty or made by phantoms ({PHANTOM_MANIFEST} inside, "
            f"and nothing else), found {others}; move that away or choose another --root"
        )


def read_manifest(root: Path) -> dict[str, Any] | None:
    """Return version, seed and scale of the cohorts in ``root``; None if none were made there.

    All three are None where somebody has taken parts of them away since.
    """
    if not (root / PHANTOM_MANIFEST).is_file():
        return None
    made = phantom_manifest(root)
    complete = all((root / table).is_file() for table in TABLES)
    return {name: made.get(name) if complete else None for name in ("version", "seed", "scale")}


def plan_cohorts(scale: float, seed: int) -> Plans:
    """Draw every patient and lay out every file, without rendering anything."""
    # One stream for each cohort, so that a change in one leaves the others as they are.
    sequences = np.random.SeedSequence([ENTROPY, seed]).spawn(4)
    for_hannover, for_ieee8023, for_sbu, for_experts = map(np.random.default_rng, sequences)
    own, shared = _draw_hannover(scale, for_hannover)
    ieee = ieee8023.plan(scale, shared, for_ieee8023)
    new_york = sbu.plan(scale, for_sbu)
    ieee_jobs = _add_outlines(ieee, scale, for_experts)
    scored = max(6, round(experts.SCORED * scale))
    return Plans(
        # The largest pictures first, so that no process is left alone with one at the end.
        jobs=sorted(
            ieee_jobs + new_york.jobs + _hannover_jobs(own, shared), key=_width, reverse=True
        ),
        metadata=ieee.metadata,
        clinical=new_york.clinical,
        data=hannover.data_table(own, for_hannover),
        scores=experts.severity_scores(ieee.pictures, scored, for_experts),
        truth={"ieee8023": ieee.truth, "sbu": new_york.truth, "hannover": _hannover_truth(own)},
    )


def _make(part: Path, plans: Plans, processes: int, progress: bool) -> None:
    """Render everything and write the tables."""
    records = list(_run(plans.jobs, part, processes, progress))
    _write(plans.metadata, part / "ieee8023/metadata.csv")
    scores = part / "ieee8023/annotations/covid-severity-scores.csv"
    _write(plans.scores, scores, notes=experts.SCORE_HEADER)
    _write(plans.clinical, part / "sbu" / sbu.CLINICAL_NAME)
    _write(plans.data, part / "hannover/data.csv")
    _write(experts.structure_table(records), part / "segmentations/structure.csv")
    for name, films in plans.truth.items():
        _write(_truth_table(films, records), part / f"truth/{name}.csv")


def _truth_table(films: pd.DataFrame, records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the published truth of ``films`` with what was measured on their masks."""
    shares = {r["mask_path"]: r["opaque_share"] for r in records if "mask_path" in r}
    table = films.assign(
        opaque_share=films["mask_path"].map(shares),
        devices=[" + ".join(sorted(devices)) for devices in films["devices"]],
        comorbidities=films["comorbidity"],
    )
    return table[list(TRUTH_COLUMNS)]


def _draw_hannover(scale: float, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the films of the Hannover repository and those published in ieee8023 (overlapping)."""
    people = draw_people("hannover", max(12, round(HANNOVER_PATIENTS * scale)), rng)
    films = hannover.name_films(people, draw_films("hannover", people, rng), rng)
    patients = rng.permutation(people.index)
    order = films["person"].map({person: i for i, person in enumerate(patients)})
    shared = films.loc[order.sort_values(kind="stable").index].head(max(6, round(SHARED * scale)))
    only = shared.index[rng.permutation(len(shared))[: max(1, round(SHARED_ONLY * scale))]]
    return films.drop(only), shared.assign(in_hannover=~shared.index.isin(only))


def _hannover_jobs(own: pd.DataFrame, shared: pd.DataFrame) -> list[Job]:
    jobs = []
    for i, film in pd.concat([own, shared.loc[~shared["in_hannover"]]]).iterrows():
        outputs = hannover.film_outputs(film["image_id"]) if i in own.index else ()
        if i in shared.index:
            outputs = (*outputs, *ieee8023.shared_outputs(film["image_id"]))
        jobs.append(hannover.chest_job(film, outputs))
    return jobs


def _hannover_truth(films: pd.DataFrame) -> pd.DataFrame:
    return films.assign(
        image_path="hannover/png/" + films["image_id"] + ".png",
        mask_path="truth/masks/hannover/" + films["image_id"] + ".png",
    )


def _add_outlines(ieee: ieee8023.Plan, scale: float, rng: np.random.Generator) -> list[Job]:
    """Return the jobs of ieee8023, some of which write the film's outlines as well."""
    n = min(len(ieee.pictures), max(4, round(experts.OUTLINED * scale)))
    jobs = list(ieee.jobs)
    for i in rng.choice(ieee.pictures["job"], n, replace=False):
        jobs[i] = replace(jobs[i], outputs=(*jobs[i].outputs, experts.outlines(jobs[i], rng)))
    return jobs


def _run(jobs: list[Job], part: Path, processes: int, progress: bool) -> Iterator[dict[str, Any]]:
    work = partial(run_job, root=str(part))
    bar = partial(tqdm, total=len(jobs), unit="film", desc="phantoms", disable=not progress)
    if processes == 1:
        for records in bar(map(work, jobs)):
            yield from records
        return
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_single_threaded
    ) as pool:
        for records in bar(pool.map(work, jobs, chunksize=8)):
            yield from records


def _all_processors() -> int:
    return min(os.cpu_count() or 1, MOST_PROCESSES)


def _single_threaded() -> None:
    """Keep OpenCV from starting threads in each process."""
    cv2.setNumThreads(1)


def _width(job: Job) -> int:
    return max(getattr(output, "width", job.size) for output in job.outputs)


def _write(table: pd.DataFrame, path: Path, notes: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(notes)
        table.to_csv(file, index=False, lineterminator="\n")


def _replace(part: Path, root: Path) -> None:
    """Put the finished ``part`` where ``root`` is."""
    old = root.with_name(f".{root.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if root.exists():
        root.replace(old)
    part.replace(root)
    shutil.rmtree(old, ignore_errors=True)
