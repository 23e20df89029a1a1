"""Make the notebooks from their text sources, execute them in order, and say what each took.

    python notebooks/build.py [NAME …] [--out FOLDER]

Runs on the phantoms that everybody makes write to ``notebooks/``. As soon as one cohort is real, or
drawn from another seed, the executed copies go to ``data/work/…/notebooks`` instead, so that no
picture of a real film reaches ``notebooks/``.
"""

import argparse
import re
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
import pandas as pd
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

NOTEBOOKS = Path(__file__).resolve().parent
sys.path.insert(0, str(NOTEBOOKS.parent))

from helpers.paths import COHORTS, is_phantom, profile, work_root  # noqa: E402

LARGEST_NOTEBOOK = 1_000_000  # bytes
CELL_TIMEOUT = 1200  # s
# What Python writes before a warning: a place, which differs from run to run.
WARNING_PLACE = re.compile(r"^\S.*\.py:\d+: (?=\w*Warning: )", re.MULTILINE)
FIGURE_WORDS = re.compile(r"\*Figure: (.*?)\*(?!\w)", re.DOTALL)
WIDGET = "application/vnd.jupyter.widget-view+json"


class Run(NamedTuple):
    """What executing a notebook took."""

    notebook: str
    seconds: float
    peak_memory_gb: float
    problem: str


class PeakMemory:
    """Watch the memory of the processes that this one starts, in GB, while a `with` block runs."""

    def __enter__(self) -> "PeakMemory":
        self.gigabytes = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._done.wait(0.2):
            total = 0
            for process in me.children(recursive=True):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:  # it ended since it was listed
                    continue
            self.gigabytes = max(self.gigabytes, total / 1e9)


def read_source(path: Path) -> nbformat.NotebookNode:
    """Read a text source as a notebook without outputs, with cell ids that stay the same."""
    notebook = jupytext.read(path)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
    notebook.metadata = nbformat.NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Drop what differs from run to run or cannot be read later: progress bars, times, places."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [_tidy_output(output) for output in cell.outputs if _is_kept(output)]


def describe_pictures(notebook: nbformat.NotebookNode) -> None:
    """Give each picture the words of the cell after it as its alternative text."""
    for cell, after in pairwise(notebook.cells):
        words = FIGURE_WORDS.match(after.source)
        for output in cell.get("outputs", []) if words else []:
            for kind in output.get("data", {}):
                if kind.startswith("image/"):
                    output.metadata[kind] = {"alt": " ".join(words[1].split())}


def _is_kept(output: nbformat.NotebookNode) -> bool:
    is_bar = "it/s" in str(output) or "%|" in str(output)
    is_widget = WIDGET in output.get("data", {})
    return not (is_widget and is_bar)


def _tidy_output(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if output.output_type == "stream":
        lines = re.split(r"[\r\n]", WARNING_PLACE.sub("", output.text))
        output.text = "\n".join(line for line in lines if "%|" not in line)
    return output


def execute(source: Path, out: Path) -> Run:
    """Execute one source and write the notebook; a failed one is written up to the error."""
    notebook = read_source(source)
    target = out / f"{source.stem}.ipynb"
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        store_widget_state=False,
    )
    start, problem = time.perf_counter(), ""
    with PeakMemory() as memory:
        try:
            client.execute()
        except CellExecutionError as error:
            problem = f"{error.ename}: {error.evalue}"
            print(error, file=sys.stderr)
        except CellTimeoutError:
            problem = f"a cell took more than {CELL_TIMEOUT} s"
        except DeadKernelError:
            problem = "the kernel died, perhaps for lack of memory"
    tidy(notebook)
    describe_pictures(notebook)
    text = nbformat.writes(notebook)
    if len(text.encode()) > LARGEST_NOTEBOOK and not problem:
        problem = f"{len(text.encode()) / 1e6:.1f} MB, more than {LARGEST_NOTEBOOK / 1e6:.0f} MB"
    partial = target.with_suffix(".ipynb.part")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(target)
    return Run(source.stem, time.perf_counter() - start, memory.gigabytes, problem)


def default_out() -> Path:
    """``notebooks/`` for the usual phantoms, else a folder that git ignores."""
    usual = work_root().name == f"{profile()}-phantom"  # any others are named there
    if usual and all(is_phantom(name) for name in COHORTS):
        return NOTEBOOKS
    return work_root() / "notebooks"


def main() -> int:
    """Build the notebooks that are named, or all of them; stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="such as 04_train_resnet18; all by default")
    parser.add_argument("--out", type=Path, help="folder for the executed notebooks")
    arguments = parser.parse_args()
    sources = sorted((NOTEBOOKS / "sources").glob("*.py"))
    unknown = set(arguments.names) - {source.stem for source in sources}
    if unknown:
        known = ", ".join(source.stem for source in sources)
        parser.error(f"no notebook {', '.join(sorted(unknown))}; there are {known}")
    out = arguments.out or default_out()
    out.mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    for source in sources:
        if arguments.names and source.stem not in arguments.names:
            continue
        print(f"{source.stem} …", flush=True)
        runs.append(execute(source, out))
        if runs[-1].problem:
            break
    table = pd.DataFrame(runs)
    print(table.round({"seconds": 0, "peak_memory_gb": 1}).to_string(index=False))
    print(f"Sum: {table['seconds'].sum():.0f} s; peak: {table['peak_memory_gb'].max():.1f} GB")
    return int(bool(runs[-1].problem))


if __name__ == "__main__":
    sys.exit(main())
