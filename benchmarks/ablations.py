"""Which ingredients of the phantoms matter to a network that reads real films? Prints a table.

    CXR_DATA=… .venv/bin/python -m benchmarks.ablations [--films 10000] [--seeds 0 1 2 3 4]

A small pretraining with everything, and one each without an ingredient; all see equally many films
and start from the same weights. Each is judged on the same unseen phantoms, which have everything,
and on real films that none has learned from, by the figures of benchmarks/severity.py; of a death
on the patient's index film. Differences are paired: the same films, the same resampled patients,
the same seeds; intervals count both. They choose nothing: the network that ships was trained
before.

What each network reads is kept among what the notebooks make, so a stopped run goes on, and
several processes, each with other ``--seeds`` or ``--without``, share the work.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from scipy.stats import rankdata

from benchmarks.severity import SHARE, outlined_share, with_patients
from benchmarks.study_runs import Runs
from helpers import severity
from helpers.cohorts import (
    cohort_root,
    is_phantom,
    load_annotations,
    load_cohort,
    select_index_films,
)
from helpers.evaluation import auroc, bootstrap_interval, with_seeds
from helpers.files import file_hash
from helpers.paths import work_root
from helpers.radiographs import Radiographs
from helpers.reporting import markdown_table
from helpers.severity import SeverityModel
from phantoms import anatomy, film, fresh_films, lesions, randomisation
from phantoms.fresh_films import UNSEEN, FreshFilms, draw_film
from phantoms.judging import judge, phantoms_version
from phantoms.pretraining import pretrain
from phantoms.pretraining_run import PretrainingConfig

UNSEEN_BATCHES = 16
WHOLE = "everything"
PHANTOMS = "Unseen phantoms, R²"
Change = tuple[object, str, Callable]


def _zeros(*arguments, **_):
    """Draw nothing on the grid of the frame among the arguments."""
    frame = next(one for one in arguments if hasattr(one, "blank"))
    return np.zeros(frame.shape, np.float32)


def _ones(*arguments, **_):
    return _zeros(*arguments) + np.float32(1)


def _no_devices(_patient, _body, _pose, frame):
    return np.zeros(frame.shape, np.float32), np.zeros(frame.shape, bool)


WITHOUT: dict[str, tuple[Change, ...]] = {
    WHOLE: (),
    "lesions' texture": (
        (lesions, "texture", _ones),
        (lesions, "air_bronchograms", _zeros),
    ),
    "bones and vessels": (
        (anatomy, "frontal_bones", _zeros),
        (anatomy, "pulmonary_vessels", _zeros),
    ),
    "devices": (
        (randomisation, "_draw_devices", lambda rng: frozenset()),
        (film, "add_devices", _no_devices),
    ),
    "random looks": ((fresh_films, "draw_look", lambda patient, rng: film.choose_look(patient)),),
    "random crops and spoiling": ((fresh_films, "disturb", lambda drawn, rng: drawn),),
}


def main() -> None:
    """Teach the networks that are not yet taught, and print what each reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument(
        "--without", nargs="+", choices=WITHOUT, default=[*WITHOUT], help="teach these, no table"
    )
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    options = parser.parse_args()
    if is_phantom("ieee8023"):
        raise SystemExit("This judges real films: set CXR_DATA to a folder with ieee8023.")
    films, rows = real_films(), []
    runs = Runs(work_root() / "ablations")
    for seed in options.seeds:
        config = PretrainingConfig(films=options.films, seed=seed)
        for name in options.without:
            readings = kept_readings(runs, films, config, name, options.precision)
            rows.append((name, seed, readings["r2"].iloc[0]))
            films[f"{name}|{seed}"] = readings[SHARE].to_numpy()
            print(f"seed {seed}, without {name}: done", file=sys.stderr, flush=True)
    if [*WITHOUT] != options.without or len(options.seeds) < 2:
        return  # one seed says nothing of the spread over seeds
    print(f"\n{options.films} phantoms each, seeds {', '.join(map(str, options.seeds))}:")
    r2 = pd.DataFrame(rows, columns=["without", "seed", "r2"])
    for what, table in report(films, r2).items():
        print(f"\n**{what}**\n\n{markdown_table(table)}", flush=True)


def kept_readings(
    runs: Runs, films: pd.DataFrame, config: PretrainingConfig, name: str, precision: str
) -> pd.DataFrame:
    """Read from disk what a network without an ingredient reads, or teach it first.

    A row a film: the opaque share that is read of it, and, the same in every row, R² on phantoms.
    """
    recipe = {
        "without": name,
        "config": asdict(config),
        "precision": precision,
        "phantoms": phantoms_version(),
        "code": [file_hash(path) for path in (Path(__file__), Path(severity.__file__))],
        "films": films["image_path"].tolist(),
    }

    def make(_: Path) -> pd.DataFrame:
        model = SeverityModel(teach(config, name, precision), config.size)
        return pd.DataFrame({SHARE: read(model, films), "r2": explained(model, config)})

    return runs.table(f"{name} {config.seed}", recipe, make)


def draw_without(name: str, size: int, seed: Sequence[int]):
    """Draw a film as :func:`phantoms.fresh_films.draw_film` does, but for an ingredient."""
    with without(name):
        return draw_film(size, seed)


@contextmanager
def without(name: str) -> Iterator[None]:
    """Take an ingredient out of the drawing code for a while."""
    with ExitStack() as changes:
        for module, function, instead in WITHOUT[name]:
            changes.enter_context(patch.object(module, function, instead))
        yield


def teach(config: PretrainingConfig, name: str, precision: str = "32-true") -> torch.nn.Module:
    """Teach a network on phantoms without an ingredient."""
    fabric = Fabric(devices=1, precision=precision)
    draw = partial(draw_without, name)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "run.pt"
        return pretrain(
            config, checkpoint, fabric=fabric, workers=2, progress=False, draw=draw
        ).network


def explained(model: SeverityModel, config: PretrainingConfig) -> float:
    """R² of the opaque share on unseen phantoms that have everything."""
    films = FreshFilms(config.size, config.batch, config.seed, UNSEEN)
    return judge(model, films, UNSEEN_BATCHES, workers=2)["r_squared"][SHARE]


def real_films() -> pd.DataFrame:
    """Films of ieee8023 that are scored, outlined or of a patient with a known outcome."""
    annotations = load_annotations(cohort_root("ieee8023"))
    paths = annotations.outlines["image_path"].drop_duplicates()
    outlined = pd.DataFrame({"image_path": paths[paths.map(lambda path: Path(path).is_file())]})
    outlined["outlined"] = [
        outlined_share(annotations.outlines, path) for path in outlined["image_path"]
    ]
    marked = annotations.severity[["image_path", "geographic"]].merge(
        outlined, on="image_path", how="outer"
    )
    cohort = load_cohort("ieee8023")
    known = cohort.loc[cohort["died"].notna(), ["image_path", "died"]].rename(
        columns={"died": "outcome"}
    )
    films = with_patients(marked.merge(known, on="image_path", how="outer"))
    index = select_index_films(cohort[cohort["label_source"] == "observed"])["image_path"]
    return films.assign(judged=films["image_path"].isin(index))


def read(model: SeverityModel, films: pd.DataFrame) -> pd.Series:
    """Read the opaque share of each film."""
    return model.predict(Radiographs(films, model.size).images)[SHARE].set_axis(films.index)


def report(
    films: pd.DataFrame, r2: pd.DataFrame, *, repeats: int = 1000
) -> dict[str, pd.DataFrame]:
    """Tabulate each figure: mean over the seeds, and how much is lost without each ingredient.

    Intervals are for other patients and other seeds; the last column has the loss of each seed,
    from low to high.
    """
    seeds = list(r2["seed"].unique())
    judged = films[films["judged"]].assign(died=lambda t: t["outcome"].astype(bool))
    return {
        PHANTOMS: explained_by(r2),
        "Experts' extent, Spearman": losses(films, seeds, "geographic", repeats),
        "Outlined lesions, Spearman": losses(films, seeds, "outlined", repeats),
        "Death, AUROC": losses(judged.assign(label_source="observed"), seeds, "died", repeats),
    }


def explained_by(r2: pd.DataFrame) -> pd.DataFrame:
    """R² on unseen phantoms: mean over the seeds, and each seed's."""
    each = r2.groupby("without", sort=False)["r2"]
    found = pd.DataFrame({"mean": each.mean().map("{:.2f}".format), "each seed": each.agg(listed)})
    return found.reset_index()


def losses(films: pd.DataFrame, seeds: Sequence[int], known: str, repeats: int) -> pd.DataFrame:
    """How networks agree with what is known of films or patients, and the paired differences."""
    figure = ranking if known == "died" else rank_correlation
    runs = [(name, seed) for name in WITHOUT for seed in seeds]
    columns = [f"{name}|{seed}" for name, seed in runs]
    other = [] if known == "died" else ["died"]  # an outcome that is not judged here
    sample = films.dropna(subset=[known]).drop(columns=other)

    def by_run(sample: pd.DataFrame) -> dict[str, np.ndarray]:  # a value a seed
        values = figure(sample, columns, known).reshape(len(WITHOUT), len(seeds))
        return dict(zip(WITHOUT, values, strict=True))

    def measures(sample: pd.DataFrame) -> dict[tuple[str, str], float]:
        means = {name: values.mean() for name, values in by_run(sample).items()}
        found = {("mean", name): mean for name, mean in means.items()}
        return found | {("lost", name): means[WHOLE] - mean for name, mean in means.items()}

    intervals, each = bootstrap_interval(measures, sample, repeats=repeats), by_run(sample)
    limits = low, high = (0.0, 1.0) if known == "died" else (-1.0, 1.0)
    rows = []
    for name, own in each.items():
        row = {"without": name, "mean": with_seeds(intervals["mean", name], own, limits=limits)}
        lost = each[WHOLE] - own
        difference = with_seeds(intervals["lost", name], lost, limits=(low - high, high - low))
        row |= {"lost": f"{difference:+.2f}", "lost, each seed": listed(lost)}
        rows.append(row | ({"lost": "", "lost, each seed": ""} if name == WHOLE else {}))
    return pd.DataFrame(rows).astype(str)


def rank_correlation(films: pd.DataFrame, columns: list[str], known: str) -> np.ndarray:
    """Spearman's rank correlation of each column with what is known."""
    ranks = rankdata(films[[known, *columns]].to_numpy(float), axis=0)
    return np.corrcoef(ranks, rowvar=False)[0, 1:]


def ranking(patients: pd.DataFrame, columns: list[str], known: str) -> np.ndarray:
    """AUROC of each column."""
    return np.array([auroc(patients[known], patients[column]) for column in columns])


def listed(values: Iterable[float]) -> str:
    """Numbers from low to high."""
    return ", ".join(f"{value:.2f}".replace("-", "−") for value in sorted(values))


if __name__ == "__main__":
    main()
