"""How fast films become pictures: ours, its peers, and the floor below which nobody gets.

    python -m benchmarks.dicom > docs/dicom-speed.md

One run, the same films, the same size of picture, in turns: each repeat goes through all ways, and
ratios are taken within a repeat, so that what disturbs the machine disturbs all alike. Optional
beside requirements.txt: SimpleITK, monai, itk, and the Debian package dcmtk; what is missing is
named on the page. Takes about ten minutes and wants two cores for itself.
"""

import argparse
import tempfile
from pathlib import Path

IN_MEMORY = Path("/dev/shm")  # where disks do not count


def main() -> None:
    """Measure and print the page."""
    # here and not above: workers of a process pool import this file, and their memory is measured
    from benchmarks.dicom_speed_page import page
    from benchmarks.dicom_timing import make_films, measure

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--films", type=int, nargs="*", help="of the three, by number from 0")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as name:
        measured = [
            measure(film, Path(name), chosen.repeats)
            for number, film in enumerate(make_films(Path(name)))
            if not chosen.films or number in chosen.films
        ]
    print(page(measured, chosen.repeats))


if __name__ == "__main__":
    main()
