"""The notebooks run in order from nothing, and what is committed is what the sources say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

PROJECT = Path(__file__).resolve().parents[1]
NOTEBOOKS = PROJECT / "notebooks"
SOURCES = sorted((NOTEBOOKS / "sources").glob("*.py"))
NAMES = [source.stem for source in SOURCES]

sys.path.insert(0, str(NOTEBOOKS))
import build  # noqa: E402
from build import LARGEST_NOTEBOOK, read_source, tidy  # noqa: E402

MACHINE_PATH = re.compile(r"/home/|/Users/|/root/|/tmp/|[A-Z]:\\\\Users|site-packages")
SBU_PATIENT = re.compile(r"\bA\d{6}\b")


def committed(name: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_nine():
    assert [name[:2] for name in NAMES] == [f"{number:02d}" for number in range(9)]
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_is_its_source_executed(name):
    source, notebook = read_source(NOTEBOOKS / "sources" / f"{name}.py"), committed(name)
    cells = [(cell.cell_type, cell.source) for cell in source.cells]
    assert cells == [(cell.cell_type, cell.source) for cell in notebook.cells], (
        f"{name}.ipynb differs from its source: run `python notebooks/build.py {name}`"
    )
    counts = [cell.execution_count for cell in code_cells(notebook) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1))
    kinds = {output.output_type for cell in code_cells(notebook) for output in cell.outputs}
    assert "error" not in kinds


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_is_small_and_names_no_machine_and_no_patient(name):
    path = NOTEBOOKS / f"{name}.ipynb"
    assert path.stat().st_size < LARGEST_NOTEBOOK
    for cell in code_cells(committed(name)):
        for output in cell.outputs:
            data = output.get("data", {})
            text = output.get("text", "") + data.get("text/plain", "") + data.get("text/html", "")
            assert not MACHINE_PATH.search(text), text[:300]
            assert str(PROJECT) not in text
            assert not SBU_PATIENT.search(text), "a patient number is shown"


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_was_run_on_phantoms(name):
    first = code_cells(committed(name))[0]
    assert "data_in_use()" in first.source
    shown = first.outputs[-1]["data"]["text/plain"]
    assert shown.count("phantom") == 3 and "real" not in shown


@pytest.mark.parametrize("name", NAMES)
def test_every_notebook_has_its_card_its_closing_and_words_for_every_figure(name):
    notebook = committed(name)
    opening, closing = notebook.cells[0].source, notebook.cells[-1].source
    for part in ("After this notebook you can", "You need", "Time", "Data", "Not for clinical use"):
        assert part in opening, part
    for part in ("## Closing", "What we found", "What would change our mind", "Exercises"):
        assert part in closing, part
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        shows = cell.cell_type == "code" and any(
            key.startswith("image/") for output in cell.outputs for key in output.get("data", {})
        )
        if shows:
            assert after is not None and after.source.startswith("*Figure: "), cell.source
            words = [
                output.metadata[kind]["alt"]
                for output in cell.outputs
                for kind in output.get("data", {})
                if kind.startswith("image/")
            ]
            assert min(map(len, words)) > 20  # what a screen reader says of the picture


@pytest.mark.parametrize("name", NAMES)
def test_code_cells_are_short(name):
    lengths = [len(cell.source.splitlines()) for cell in code_cells(committed(name))]
    assert max(lengths) <= 35
    assert sum(length > 15 for length in lengths) <= len(lengths) / 3


def test_progress_bars_and_places_are_not_kept():
    bar = {
        "output_type": "display_data",
        "metadata": {},
        "data": {
            "application/vnd.jupyter.widget-view+json": {"model_id": "1"},
            "text/plain": "Training: 100%|##| 8/8 [00:01<00:00, 5.0it/s]",
        },
    }
    warning = {
        "output_type": "stream",
        "name": "stderr",
        "text": "/somewhere/ipykernel_12/34.py:5: UserWarning: look\n",
    }
    cell = nbformat.v4.new_code_cell("1", outputs=[bar, warning])
    notebook = nbformat.from_dict({"cells": [cell], "metadata": {}})
    tidy(notebook)
    assert [output.text for output in notebook.cells[0].outputs] == ["UserWarning: look\n"]


@pytest.fixture(scope="module")
def fresh_tree(phantom_root, tmp_path_factory) -> Path:
    """The project as in a new clone, with the phantoms but without any work of the notebooks."""
    tree = tmp_path_factory.mktemp("clone")
    for name in ("helpers", "phantoms", "data/weights", "docs/study"):
        shutil.copytree(PROJECT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "notebooks").mkdir()
    shutil.copy(NOTEBOOKS / "build.py", tree / "notebooks")
    shutil.copytree(NOTEBOOKS / "sources", tree / "notebooks" / "sources")
    (tree / "data" / "phantom").symlink_to(phantom_root, target_is_directory=True)
    return tree


@pytest.mark.parametrize(
    ("folder", "phantom", "kept"),
    [
        ("quick-phantom", True, True),
        ("quick-phantom-seed7", True, False),
        ("quick-real-sbu", False, False),
    ],
)
def test_only_runs_on_the_usual_phantoms_are_kept(folder, phantom, kept, monkeypatch, tmp_path):
    monkeypatch.setattr(build, "work_root", lambda: tmp_path / folder)
    monkeypatch.setattr(build, "is_phantom", lambda name: phantom)
    wanted = build.NOTEBOOKS if kept else tmp_path / folder / "notebooks"
    assert build.default_out() == wanted


@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs(name, fresh_tree):
    """In order: each finds what the earlier ones made."""
    run = subprocess.run(
        [sys.executable, "notebooks/build.py", name],
        cwd=fresh_tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
    assert name in run.stdout
    assert (fresh_tree / "notebooks" / f"{name}.ipynb").is_file()


def stored(tree: Path, name: str) -> pd.DataFrame:
    path = tree / "data" / "work" / "quick-phantom" / f"{name}.csv"
    assert path.is_file(), f"notebook 06 did not store {path.name}; run test_notebook_runs before"
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def test_who_was_judged_is_stored_from_publication_to_test(fresh_tree):
    flow, judged = stored(fresh_tree, "flow"), stored(fresh_tree, "reports")
    asked = judged.drop_duplicates("test").set_index("test")["n"]
    for cohort, steps in flow.groupby("cohort"):
        first, last = steps.iloc[0], steps.iloc[-1]
        taken = steps[steps["step"].str.startswith("excluded: ")]
        assert (first["step"], last["step"]) == ("published", "in use") and len(taken) > 3
        for unit in ("radiographs", "patients"):
            assert first[unit] - taken[unit].sum() == last[unit]
        assert last["radiographs"] == last["patients"]  # index films
        assert set(asked[asked.index.str.startswith(cohort)]) == {last["patients"]}
        reasons = set(taken["step"].str.removeprefix("excluded: "))
        assert "outcome not observed" in reasons
        assert ("training or validation patient" in reasons) == (cohort != "Hannover")
    assert set(flow["cohort"]) == {"SBU", "Hannover", "ieee8023"}


def test_views_are_judged_where_there_are_several_and_few_are_hidden(fresh_tree):
    groups = stored(fresh_tree, "subgroups")
    everywhere = groups[groups["grouping"].str.endswith(", all tests")]
    kinds = {"site, all tests", "view, all tests", "sex, all tests"}
    assert set(everywhere["grouping"]) == kinds
    assert everywhere[everywhere["grouping"] == "view, all tests"]["group"].nunique() > 1
    hidden = groups["estimate"].isna()
    assert groups.loc[hidden, "events"].isna().all()
    assert groups.loc[hidden, "note"].eq("hidden: fewer than 10 deaths or survivors").all()
    assert groups.loc[~hidden, "events"].ge(10).all() and (~hidden).any()
