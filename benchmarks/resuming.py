"""Kills training at random moments, resumes it, and compares the weights with those undisturbed.

    .venv/bin/python -m benchmarks.resuming [--moments 20]

The moments are spread evenly at random over the whole life of the process, the import of its
modules and the writing of checkpoints included. Takes about eight minutes on two cores. Ends with
an error if any resumed run differs in a single bit.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.cohorts import load_cohort
from helpers.models import build_resnet18
from helpers.recipes import TrainingConfig
from helpers.reporting import markdown_table
from helpers.runs import weights_hash
from helpers.splits import split_patients
from helpers.training import fit

CONFIG = TrainingConfig(size=64, head_epochs=10, epochs=6, batch_size=16, patience=99)


def main() -> None:
    """Kill, resume, compare, and print a row a moment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        train(options.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = kill_and_resume(Path(folder), options.moments, np.random.default_rng(options.seed))
    print(markdown_table(rows))
    same = rows["identical"].sum()
    print(f"\n{same} of {len(rows)} resumed runs ended with the undisturbed run's weights.")
    if same < len(rows):
        raise SystemExit(1)


def kill_and_resume(folder: Path, moments: int, rng: np.random.Generator) -> pd.DataFrame:
    """Run undisturbed once, then once for each moment."""
    finish(folder / "warm")  # the film cache is filled, the modules are compiled
    start = time.perf_counter()
    undisturbed = finish(folder / "undisturbed")
    life = time.perf_counter() - start
    rows = []
    for number, moment in enumerate(np.sort(rng.uniform(0, life, moments))):
        place = folder / str(number)
        child = begin(place)
        time.sleep(moment)
        child.send_signal(signal.SIGKILL)
        killed = child.wait() == -signal.SIGKILL
        checkpoint = (place / "run.checkpoint").exists()
        partial = (place / "run.checkpoint.part").exists()
        rows.append(
            {
                "killed after (s)": f"{moment:.2f} of {life:.2f}",
                "was running": killed,
                "a checkpoint was there": checkpoint,
                "half a checkpoint was there": partial,
                "identical": finish(place) == undisturbed,
            }
        )
    return pd.DataFrame(rows)


def begin(folder: Path) -> subprocess.Popen:
    """Start a child that trains, or goes on."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.resuming", "--child", str(folder)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def finish(folder: Path) -> dict:
    """Let a child end, and read what it made."""
    if begin(folder).wait():
        raise SystemExit("The run failed; see above.")
    return json.loads((folder / "result.json").read_text())


def train(folder: Path) -> None:
    """Train on the films of ieee8023 whose outcome was observed."""
    cohort = load_cohort("ieee8023")
    observed = cohort[cohort["label_source"] == "observed"]
    films = split_patients(observed, sizes={"train": 0.6, "validation": 0.4})
    train, validation = (films[films["part"] == part] for part in ("train", "validation"))
    checkpoint = folder / "run.checkpoint"
    fitted = fit(
        build_resnet18("random"), train, validation, CONFIG, checkpoint=checkpoint, progress=False
    )
    history = fitted.history.drop(columns="seconds").to_dict("list")
    result = {"weights": weights_hash(fitted.network), "history": history}
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
