"""Teaches the input checks what frontal films look like: ``python -m phantoms.recognition``.

Draws fresh phantoms of every kind (`phantoms.odd_films`), fits the Mahalanobis distances of
`helpers.film_kinds` to them, draws others, and sets the limits of the checks on these. Then it
counts. No real film is read. It takes some four minutes on two cores.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from sklearn.covariance import LedoitWolf
from tqdm.auto import tqdm

from helpers.film_kinds import NAMES, STATISTICS, FilmKinds, features
from helpers.input_checks import resemblance
from helpers.severity import SeverityModel
from helpers.training_data import MEAN_FILM_SIDE

from .fresh_films import TRAINING, UNSEEN
from .odd_films import draw_kind

MISSED = 0.03  # of strange phantoms, each kind counted alike
FALSE_ALARMS = 0.005  # of frontal phantoms, by the mean film
CHUNK = 128  # films drawn at a time


class Films(NamedTuple):
    """Drawn films, uint8 (n, size, size), and the number of the kind of each, (n,)."""

    films: np.ndarray
    kinds: np.ndarray


def draw_films(counts: dict[str, int], size: int, seed: list[int], workers: int) -> Films:
    """Draw so many films of each kind; the same ones with any number of workers."""
    wanted = [(kind, number) for kind, count in counts.items() for number in range(count)]
    draw = partial(_draw, size=size, seed=seed)
    context = get_context("spawn")  # a copy of a process that has used OpenCV hangs
    with ProcessPoolExecutor(workers, context) as pool:
        drawn = pool.map(draw, wanted, chunksize=CHUNK // 4)
        films = np.stack(list(tqdm(drawn, total=len(wanted), unit="film", mininterval=5)))
    return Films(films, np.array([NAMES.index(kind) for kind, _ in wanted]))


def _draw(wanted: tuple[str, int], *, size: int, seed: list[int]) -> np.ndarray:
    cv2.setNumThreads(1)  # a worker process keeps to one core
    kind, number = wanted
    return draw_kind(kind, size, [*seed, number])


def fit(found: np.ndarray, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit kinds of equal covariance, and find the directions in which they differ.

    Parameters
    ----------
    found : float32 (n, features)
    kinds : int (n,)
        The kind of each.

    Returns
    -------
    projection : float32 (features, kinds - 1)
        To a space in which the shrunken covariance within a kind is the identity. Differences of
        squared distances there are those in the space of all features: in the directions left out
        all kinds have the same mean (linear discriminant analysis; Hastie, Tibshirani and
        Friedman, The Elements of Statistical Learning, 4.3).
    centres : float32 (kinds, kinds - 1)
        Means of the kinds there.
    """
    means = np.stack([found[kinds == kind].mean(axis=0) for kind in np.unique(kinds)])
    within = found - means[kinds]
    scale = within.std(axis=0) + 1e-3
    covariance = LedoitWolf(assume_centered=True).fit(within / scale).covariance_
    whiten = np.linalg.cholesky(np.linalg.inv(covariance)) / scale[:, None]
    centred = (means - means.mean(axis=0)) @ whiten
    directions = np.linalg.svd(centred, full_matrices=False)[2][:-1]
    projection = (whiten @ directions.T).astype(np.float16).astype(np.float32)  # as it is stored
    return projection, (means @ projection).astype(np.float32)


def choose_limits(made: FilmKinds, unseen: Films) -> dict[str, float]:
    """Set the limits on films that nothing was fitted to.

    Kinds that are more than frontal films with something done to them stand far apart, and a real
    film is stranger than a frontal phantom. So the limit of strangeness is as high as the strange
    phantoms allow, each kind counted alike: all but `MISSED` of them pass it. The mean film's is
    passed by `FALSE_ALARMS` of the frontal phantoms.
    """
    frontal = unseen.kinds == 0
    strangeness = made.recognise(unseen.films[~frontal]).strangeness
    likeness = [resemblance(film, made.card["mean_film"]) for film in unseen.films[frontal]]
    return {
        "strangeness": float(np.quantile(strangeness, MISSED)),
        "resemblance": float(np.quantile(likeness, FALSE_ALARMS)),
    }


def count_strange(made: FilmKinds, unseen: Films) -> dict[str, dict[str, float]]:
    """Share of each kind that is found strange, and recognised as what it is."""
    found = made.recognise(unseen.films)
    strange = found.strangeness > made.card["limits"]["strangeness"]
    counts = {}
    for number, kind in enumerate(NAMES):
        those = unseen.kinds == number
        named = np.array(found.nearest)[those] == kind
        counts[kind] = {
            "films": int(those.sum()),
            "strange": round(float(strange[those].mean()), 4),
            "recognised": round(float((strange[those] & named).mean()), 4),
        }
    return counts


def make(
    films: int, others: int, *, seed: int = 0, workers: int = 2, command: str = ""
) -> FilmKinds:
    """Learn what films look like, and set the limits.

    Parameters
    ----------
    films, others
        How many frontal films to learn from, and how many pictures of each other kind; half as
        many more are drawn for the limits.
    seed
        Of all pictures.
    workers
        Processes that draw.
    command
        For the card.
    """
    start = SeverityModel.load()
    counts = dict.fromkeys(NAMES, others) | {"frontal": films}
    drawn = draw_films(counts, start.size, [seed, TRAINING], workers)
    projection, centres = fit(features(start.network, drawn.films), drawn.kinds)
    side = start.size // MEAN_FILM_SIDE
    mean = drawn.films[drawn.kinds == 0].mean(axis=0)
    card: dict[str, Any] = {
        "title": "Kinds of pictures among the features of the phantom start",
        "command": command,
        "start_sha256": start.card["weights_sha256"],
        "mean_film": mean.reshape(MEAN_FILM_SIDE, side, -1, side)
        .mean(axis=(1, 3))
        .round()
        .tolist(),
        "missed_phantoms": MISSED,
        "false_alarms_of_mean_film": FALSE_ALARMS,
    }
    made = FilmKinds(start.network, start.size, projection, centres, card)
    half = {kind: count // 2 for kind, count in counts.items()}
    unseen = draw_films(half, start.size, [seed, UNSEEN], workers)
    card["limits"] = choose_limits(made, unseen)
    card["unseen"] = count_strange(made, unseen)
    return made


def main() -> None:
    """Make the repository's statistics anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=1400, help="frontal films to learn from")
    parser.add_argument("--others", type=int, default=220, help="pictures of each other kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=STATISTICS)
    chosen = parser.parse_args()
    command = shlex.join(["python", "-m", "phantoms.recognition", *sys.argv[1:]])
    made = make(
        chosen.films, chosen.others, seed=chosen.seed, workers=chosen.workers, command=command
    )
    made.save(chosen.out)
    for kind, counts in made.card["unseen"].items():
        print(f"{kind:15} {counts['strange']:.3f} strange, {counts['recognised']:.3f} recognised")


if __name__ == "__main__":
    main()
