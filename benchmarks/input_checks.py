"""Whom do the input checks warn? Prints false alarms and misses as a table.

    CXR_DATA=… .venv/bin/python -m benchmarks.input_checks [--model FILE]

Nothing is learned or chosen here. Each file is read and checked as the upload panel does it, with
the mean film of the panel's model (by default the one that notebook 05 made of phantoms); one that
cannot be read gets a sentence that says why, and is counted as refused.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from benchmarks.checked_pictures import Picture, other_pictures, phantom_films, real_pictures
from helpers.analytic_intervals import share_interval
from helpers.input_checks import named_warnings
from helpers.models import RiskModel
from helpers.paths import PROJECT, is_phantom
from helpers.pixels import UnreadableRadiograph, preprocess, read_radiograph
from helpers.reporting import markdown_table

MODEL = PROJECT / "data" / "work" / "quick-phantom" / "models" / "iteration2.safetensors"
MOST_FALSE_ALARMS, FEWEST_FOUND = 0.05, 0.95


def main() -> None:
    """Check the test set and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL, help="a stored model")
    model = RiskModel.load(parser.parse_args().model)
    missing = [name for name in ("ieee8023", "hannover") if is_phantom(name)]
    if missing:
        raise SystemExit(
            f"This judges real films, but {' and '.join(missing)} are phantoms here: set CXR_DATA "
            "to a folder that holds the real ones."
        )
    cv2.setNumThreads(1)
    torch.set_num_threads(2)
    pictures = chain(phantom_films(), real_pictures(), other_pictures())
    checked = pd.DataFrame(check(pictures, model))
    real = checked["kind"].str.startswith("frontal films")
    groups = {
        "all real frontal films": checked[real],
        "all that are no whole frontal film": checked[~checked["frontal"]],
        "of these, no frontal film at all: CT, lateral, photographs": checked[
            checked["kind"].str.contains("CT|lateral|photograph")
        ],
    }
    rows = [row(kind, films) for kind, films in checked.groupby("kind", sort=False)]
    print(markdown_table(pd.DataFrame(rows)))
    print()
    print(markdown_table(pd.DataFrame(row(name, films) for name, films in groups.items())))
    alarms, found, _ = (films["noticed"].mean() for films in groups.values())
    print(f"\nFalse alarms {alarms:.1%} (at most {MOST_FALSE_ALARMS:.0%} wanted), ", end="")
    print(f"found {found:.1%} (at least {FEWEST_FOUND:.0%} wanted).")
    milliseconds = 1000 * checked["seconds"].quantile([0.5, 0.95])
    print(f"A check takes {milliseconds[0.5]:.0f} ms (median; 95 % take less than ", end="")
    print(f"{milliseconds[0.95]:.0f} ms), reading not counted.")


def check(pictures: Iterable[Picture], model: RiskModel) -> Iterator[dict]:
    """Check files as :func:`helpers.panel.analyse` does: a row a file."""
    for picture in pictures:
        row: dict = {**picture._asdict(), "seconds": np.nan}
        del row["data"]
        try:
            film = read_radiograph(picture.data)
            square = preprocess(film, model.size)
            start = time.perf_counter()
            mean_film = model.card.get("mean_film")
            fired = list(named_warnings(picture.data, film, square, mean_film))
            row["seconds"] = time.perf_counter() - start
        except UnreadableRadiograph:
            fired = ["refused"]
        yield row | {"fired": fired, "noticed": bool(fired)}


def row(kind: str, films: pd.DataFrame) -> dict[str, object]:
    """Count warnings: a share with Wilson's interval, and which checks fired how often."""
    noticed, fired = int(films["noticed"].sum()), Counter(chain(*films["fired"]))
    return {
        "pictures": kind,
        "n": len(films),
        "warned": noticed,
        "share": f"{share_interval(noticed, len(films)):.1%}",
        "checks that fired": ", ".join(f"{name} {count}" for name, count in fired.most_common()),
    }


if __name__ == "__main__":
    main()
