"""Makes the phantom cohorts: ``python -m phantoms [--root FOLDER] [--scale 1] [--seed 0]``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from phantoms.publish import make_cohorts

SMALLEST_SCALE = 0.5  # below, ieee8023 has only a handful of known deaths
DEFAULT_ROOT = Path(__file__).resolve().parents[1] / "data" / "phantom"


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, make the cohorts, say what was done."""
    parser = argparse.ArgumentParser(prog="python -m phantoms", description=__doc__)
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder to make")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the default size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=None, help="default: one per processor")
    options = parser.parse_args(arguments)
    print(
        f"Making phantom ieee8023, sbu and hannover (scale {options.scale:g}, seed {options.seed})"
    )
    start = time.perf_counter()
    if options.scale < SMALLEST_SCALE:
        print("So few patients may hold too few deaths to be split: the notebooks may stop there.")
    try:
        root = make_cohorts(
            options.root, scale=options.scale, seed=options.seed, processes=options.processes
        )
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    print(f"Ready in {time.perf_counter() - start:.0f} s: {size / 1e6:.0f} MB in {options.root}")


if __name__ == "__main__":
    main()
