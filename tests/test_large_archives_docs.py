"""The programs of docs/large-archives.md do what the page says."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.convert_archive import films_below, main
from helpers.dicom import convert
from tests.dicom_films import make_film

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs" / "large-archives.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
SMALLER = {
    "ProcessPool(8)": "ProcessPool(2)",
    "n_workers=8": "n_workers=2, host='127.0.0.1', dashboard_address=None",
    'interface="ib0"': 'interface="lo"',
    "cores=8": "cores=2",
    "processes=8": "processes=2",
    "maximum_jobs=16": "maximum_jobs=1",
}
SBATCH = """#!/bin/sh
cp "$1" "{folder}/job.$$"
setsid sh "{folder}/job.$$" > "{folder}/log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job in "$@"; do kill -- "-$job"; done
"""


@pytest.fixture
def archive(tmp_path) -> Path:
    rng = np.random.default_rng(7)
    for number in range(12):
        path = tmp_path / "archive" / f"study{number % 3}" / f"{number:02}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_film(rng.integers(0, 4096, (60, 50), dtype="u2")))
    (tmp_path / "archive" / "notes.txt").write_text("no film")
    (tmp_path / "archive" / "DICOMDIR").write_text("no film, and known to be none")
    return tmp_path / "archive"


@pytest.fixture
def expected(archive, tmp_path) -> dict[str, bytes]:
    convert(films_below(archive), tmp_path / "expected")
    return contents(tmp_path / "expected")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(name: str, folder: Path, extra: dict[str, str] | None = None, path: str = "") -> None:
    """Run a program of the page on this folder's archive."""
    program = PROGRAMS[name]
    for old, new in (SMALLER | (extra or {})).items():
        program = program.replace(old, new)
    program = program.replace('"/archive"', repr(str(folder / "archive")))
    program = program.replace('"/pictures"', repr(str(folder / "pictures")))
    (folder / name).write_text(program)
    environment = {**os.environ, "PATH": path + os.environ["PATH"]}
    command = [sys.executable, str(folder / name)]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["one_machine.py", "dask_here.py"])
def test_programs_for_one_machine(name, archive, expected, tmp_path):
    run(name, tmp_path)
    assert contents(tmp_path / "pictures") == expected


@pytest.mark.skipif(os.name != "posix" or shutil.which("setsid") is None, reason="needs setsid")
def test_program_for_slurm_with_a_stand_in_for_sbatch(archive, expected, tmp_path):
    pytest.importorskip("dask_jobqueue")
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL}.items():
        (commands / name).write_text(text.format(folder=tmp_path))
        (commands / name).chmod(0o755)
    logs = {'"logs"': repr(str(tmp_path / "logs")), "cluster.job_script()": "''"}
    run("slurm.py", tmp_path, logs, f"{commands}{os.pathsep}")
    assert contents(tmp_path / "pictures") == expected
    (job,) = tmp_path.glob("job.*")
    script = job.read_text()
    for line in (
        *("#SBATCH -p general", "#SBATCH -A radiology", "#SBATCH --cpus-per-task=2"),
        *("#SBATCH -t 04:00:00", f"export PYTHONPATH={PROJECT}", "--nthreads 1", "--nworkers 2"),
        *("--lifetime 230m", "distributed.cli.dask_worker tcp://127.0.0.1:"),
    ):
        assert line in script


def test_specification_for_kubernetes():
    pytest.importorskip("dask_kubernetes")
    space = {"__name__": "page"}
    exec(compile(PROGRAMS["on_kubernetes.py"], "on_kubernetes.py", "exec"), space)
    worker = space["cluster_spec"]()["spec"]["worker"]["spec"]
    assert {"name": "pictures", "mountPath": "/pictures", "readOnly": False} in (
        worker["containers"][0]["volumeMounts"]
    )
    assert json.dumps(worker).count("claimName") == 2


def test_command_line(archive, expected, tmp_path, caplog):
    caplog.set_level("INFO")
    main([str(archive), str(tmp_path / "pictures"), "--processes", "1"])
    assert contents(tmp_path / "pictures") == expected
    assert "12 converted, 1 refused" in caplog.text
    assert "1 × This is not a DICOM file" in caplog.text
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / "nowhere"), str(tmp_path / "pictures")])
    assert caught.value.code == 1
    with pytest.raises(SystemExit) as caught:
        main([str(archive), str(tmp_path), "--size", "0"])
    assert caught.value.code == 2
    with pytest.raises(SystemExit) as caught:
        main([str(archive), str(archive / "study0" / "..")])
    assert caught.value.code == 2
    assert not (archive / "manifest.csv").exists()


def test_pictures_below_the_archive_are_no_films_of_it(archive, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(2):
        main([str(archive), str(archive / "study0" / ".." / "pictures"), "--processes", "1"])
        assert "12 converted, 1 refused" in caplog.text
        caplog.clear()


def test_files_come_in_the_same_order(archive):
    names = [Path(path).name for path in films_below(archive)]
    assert names[:2] == ["notes.txt", "00"]
    assert names == [Path(path).name for path in films_below(archive)]
    assert len(names) == 13
    with pytest.raises(NotADirectoryError, match="found none at"):
        next(films_below(archive / "nowhere"))


def test_pictures_below_the_archive_are_no_films(archive, tmp_path):
    pictures = archive / "pictures"
    for _ in range(2):
        main([str(archive), str(pictures), "--processes", "1", "--size", "32"])
    manifest = pd.read_csv(pictures / "manifest.csv")
    assert len(manifest) == 13
    assert not manifest["image_path"].str.contains("archive/pictures").any()


def test_folders_that_are_not_entered_get_a_row(archive, tmp_path, monkeypatch):
    (archive / "linked").symlink_to(tmp_path, target_is_directory=True)
    closed = archive / "closed"
    closed.mkdir()
    scan = os.scandir

    def refusing(path):
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    films = list(films_below(archive))
    monkeypatch.undo()
    table = convert(films, tmp_path / "pictures").set_index("image_path")
    for folder in (closed, archive / "linked"):
        assert table.loc[str(folder), "reason"].endswith("Is a directory.")


def test_a_name_with_a_carriage_return_does_not_end_the_run(archive, tmp_path):
    (archive / "Icon\r").write_bytes(b"")  # which macOS makes in folders of its own look
    for _ in range(2):
        table = convert(films_below(archive), tmp_path / "pictures", size=32)
        assert len(table) == 14
        assert table.set_index("image_path").loc[str(archive / "Icon\r"), "reason"]


def test_page_names_what_there_is():
    named = re.findall(r"`((?:tests|helpers|benchmarks)/[\w./]+\.py)`", PAGE)
    assert named
    for path in named:
        assert (PROJECT / path).is_file()
