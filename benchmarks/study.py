"""Trains every variant with several seeds and stores the table that the notebooks show.

    make study        # after make notebooks, whose split and labels are used

On phantoms: ways of fine-tuning, class weights and what they cost, ways to fill in labels,
forgetting (about an hour on two cores). With real films of ieee8023 (CXR_DATA=… make study):
networks, cheap rivals and the predecessor's recipe by grouped cross-validation (about as long, for
more seeds: where so few died, one seed is far from another). The tables go to
docs/study/, each with a JSON file that says what made it. Every finished run is kept in data/work/,
so a study that was stopped goes on.
"""

import argparse
import os
import time
from dataclasses import asdict

import torch

from benchmarks import study_real, study_variants
from benchmarks.study_runs import Runs
from benchmarks.study_summary import summarise
from benchmarks.study_variants import VARIANTS, labelled_hashes, load_films, train_variant
from helpers.cohorts import is_phantom, profile
from helpers.files import file_hash
from helpers.reporting import markdown_table
from helpers.starts import PHANTOM_START
from helpers.studies import save_study

FEWEST_SEEDS = 5  # for the spread that the tables in docs/study are there to show
MOST_SEEDS = 20  # each has a draw of the labels of its own, and there are so many


def main() -> None:
    """Run the study that fits the data in use, and say where its table is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, help="5 on phantoms and 10 on real films, if not said")
    asked = parser.parse_args().seeds
    if asked is not None and not FEWEST_SEEDS <= asked <= MOST_SEEDS:
        parser.error(
            f"expected {FEWEST_SEEDS} to {MOST_SEEDS} seeds, got {asked}: fewer would overwrite "
            "the tables in docs/study by some without a spread to speak of"
        )
    if profile() != "quick":
        raise SystemExit("The study is of the quick profile, which everybody can run.")
    if is_phantom("ieee8023") and is_phantom("sbu"):
        name, study, seeds = "phantom-variants", run_variants, asked or 5
        runs = Runs(deciding=study_variants.DECIDING)
    elif not is_phantom("ieee8023"):
        name, study, seeds = "real-films", study_real.run, asked or 10
        runs = Runs(deciding=study_real.DECIDING)
    else:
        raise SystemExit("The study needs phantoms for both cohorts, or real films of ieee8023.")
    begun = time.strftime("%Y-%m-%d")
    found, made = study(seeds, runs)
    start = file_hash(PHANTOM_START)
    machine = {"cores": os.cpu_count(), "vectors": torch.backends.cpu.get_cpu_capability()}
    made = {**machine, "begun": begun, "phantom_start_sha256": start, **made}
    path = save_study(name, found, {"command": f"make study (seeds: {seeds})", **made})
    print(markdown_table(found))
    print(f"\nStored as {path.parent.name}/{path.name}.")


def run_variants(seeds: int, runs: Runs):
    """Train every variant of the phantom study with every seed, and judge."""
    films, tables, missing = load_films(), {}, {}
    for seed in range(seeds):
        for variant in VARIANTS:
            started = time.perf_counter()
            try:
                tables[variant.name, seed] = train_variant(variant, seed, films, runs)
            except ConnectionError as error:
                missing[variant.name] = str(error)
                continue
            print(f"seed {seed}: {variant.name}, {time.perf_counter() - started:.0f} s", flush=True)
    made = {
        "variants": {variant.name: asdict(variant) for variant in VARIANTS},
        "not_here": missing,
        "films_sha256": dict(films.hashes) | labelled_hashes(films),
    }
    return summarise(tables), made


if __name__ == "__main__":
    main()
