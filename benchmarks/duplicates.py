"""How well `find_duplicates` finds films that are in both ieee8023 and hannover.

Run from the repository's root, with real films: `CXR_DATA=… python -m benchmarks.duplicates`.
Truth: hannover's image ids that are also file names in ieee8023 (both publishers kept them).
"""

import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.cohorts import cohort_root
from helpers.duplicates import FINE_CORRELATION, find_duplicates

PICTURES = {".png", ".jpg", ".jpeg"}


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def main() -> None:
    ieee8023 = pictures(cohort_root("ieee8023") / "images")
    hannover = pictures(cohort_root("hannover") / "png")
    stems = {path.stem: path for path in ieee8023}
    true = {(str(stems[path.stem]), str(path)) for path in hannover if path.stem in stems}
    start = time.perf_counter()
    found = find_duplicates([*ieee8023, *hannover], min_correlation=0.5)
    seconds = time.perf_counter() - start

    here = {str(path) for path in ieee8023}
    cross = found[found["path_a"].isin(here) & ~found["path_b"].isin(here)]
    is_true = np.array(
        [pair in true for pair in zip(cross["path_a"], cross["path_b"], strict=True)]
    )
    rows = []
    for threshold in (0.80, 0.90, 0.95, FINE_CORRELATION, 0.97, 0.98, 0.99):
        hits = is_true & (cross["correlation"] >= threshold).to_numpy()
        pairs = int((cross["correlation"] >= threshold).sum())
        rows.append((threshold, pairs, int(hits.sum()), len(true)))
    table = pd.DataFrame(rows, columns=["correlation ≥", "cross pairs found", "right", "true"])
    table["recall"] = table["right"] / table["true"]
    table["precision"] = table["right"] / table["cross pairs found"]
    print(f"{len(ieee8023)} + {len(hannover)} films in {seconds:.0f} s")
    print(table.to_string(index=False, float_format="{:.3f}".format))

    right, other = cross["correlation"][is_true], cross["correlation"][~is_true]
    print(f"lowest true pair {right.min():.3f}; highest other pair {other.max():.3f}")
    within = found[found["path_a"].isin(here) & found["path_b"].isin(here)]["correlation"]
    print(
        f"pairs within ieee8023: {int((within >= FINE_CORRELATION).sum())} taken for copies, "
        f"next below: {within[within < FINE_CORRELATION].max():.3f}"
    )
    total = sum(1 for _ in combinations(range(len(ieee8023) + len(hannover)), 2))
    print(f"{total:,} pairs compared, {total / seconds:,.0f} a second, reading included")


if __name__ == "__main__":
    main()
