"""Ten thousand uploads that nobody should send: each gets an answer, or a sentence with why not.

    python -m benchmarks.fuzzed_uploads [--files 10000] [--seed 0] [--made NUMBER PATH]

Each file goes through `helpers.panel.analyse` in a process of its own, which is watched: its death
is a crash, a minute without an answer a hang. Seconds are those of one core's work, so that a busy
machine counts no longer than an idle one. Memory is what an upload takes beside what the process
holds already: PyTorch's libraries and two networks, about a gigabyte. ``--made`` writes one of the
files, to look at.
"""

import argparse
import re
import resource
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from benchmarks.fuzzed_files import WAYS, fuzzed
from benchmarks.memory import forget_peak, peak_megabytes
from benchmarks.watched import Finding, Worked, watch
from helpers.reporting import markdown_table

MOST_SECONDS, MOST_MEGABYTES = 5.0, 1000
PATIENCE = 60.0  # s
SOUND = ("analysis", "sentence")
_ADDRESSES = 12_000_000_000  # bytes; beyond, the process gets no more, whatever it asks for


def run(files: int, seed: int = 0) -> Iterator[Finding]:
    """Analyse fuzzed uploads 0 to `files` - 1 in a watched process."""
    yield from watch(partial(_analyse_all, seed), files, patience=PATIENCE)


def _analyse_all(seed: int, first: int, last: int) -> Iterator[str | Worked]:
    from helpers.models import RiskModel
    from helpers.panel import analyse
    from helpers.starts import build_resnet18

    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    model = RiskModel(build_resnet18("phantom").eval(), 128, base_rate=0.13)
    yield "ready"
    for number in range(first, last):
        way, data = fuzzed(number, seed)
        yield way
        forget_peak()  # making a bomb takes more than reading it may
        before, start = peak_megabytes(), time.process_time()
        outcome = _outcome(data, model, analyse)
        yield Worked(way, outcome, time.process_time() - start, before)


def _outcome(data: bytes, model, analyse) -> str:
    from helpers.pixels import UnreadableRadiograph

    try:
        answer = analyse(data, model)
    except UnreadableRadiograph as error:
        return "sentence" if is_sentence(str(error)) else f"no sentence: {error}"
    except Exception as error:  # what must not happen, and is counted
        return f"unforeseen {type(error).__name__}"
    finite = np.isfinite(answer.risk) and np.isfinite(answer.heat).all()
    return "analysis" if finite and all(map(is_sentence, answer.warnings)) else "bad analysis"


def is_sentence(text: str) -> bool:
    """Whether a message reads as one for a user: words, an end, no object's address, no path."""
    ended = re.fullmatch(r"[A-Z].{15,600}[.?]", text, re.DOTALL)
    return bool(ended) and not re.search(r"0x[0-9a-f]{6,}|Traceback|/site-packages/", text)


def table(findings: Iterable[Finding]) -> pd.DataFrame:
    """Count what came of the files, a row a way of making them."""
    found = list(findings)
    rows = []
    for way in WAYS:
        those = [each for each in found if each.damage == way]
        counts = Counter(each.outcome if each.outcome in SOUND else "neither" for each in those)
        seconds = [each.seconds for each in those]
        rows.append(
            {
                "made by": way,
                "files": len(those),
                "an analysis": counts["analysis"],
                "a sentence": counts["sentence"],
                "neither": counts["neither"],
                "slowest, s": f"{max(seconds, default=np.nan):.2f}",
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Print what came of the files, by the way they were made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--made", nargs=2, metavar=("NUMBER", "PATH"), help="write one, and end")
    chosen = parser.parse_args()
    if chosen.made:
        number, path = chosen.made
        Path(path).write_bytes(fuzzed(int(number), chosen.seed)[1])
        return
    findings = list(run(chosen.files, chosen.seed))
    print(markdown_table(table(findings)))
    sound = [each for each in findings if each.outcome in SOUND]
    slowest = np.nanmax([each.seconds for each in findings])
    most = np.nanmax([each.megabytes for each in findings])
    print(f"\n{len(findings)} uploads, {len(findings) - len(sound)} of them without either.")
    print(f"Slowest: {slowest:.2f} s (at most {MOST_SECONDS:g} wanted).")
    print(f"Most memory for an upload: {most:.0f} MB (at most {MOST_MEGABYTES} wanted).")
    for each in findings:
        if each.outcome not in SOUND:
            print(*each)


if __name__ == "__main__":
    main()
