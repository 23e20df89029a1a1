"""Conversion of many films: executors, dying processes, what a killed run leaves to do."""

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import psutil
import pytest
from distributed import Client, LocalCluster

from helpers import dicom, executors
from helpers.dicom import convert
from helpers.dicom_picture import CONVERSION
from helpers.executors import ProcessPool, WorkersLost, in_order
from helpers.ledger import FolderInUse
from tests.dicom_films import make_film
from tests.dying import die, died, echo

PROJECT = Path(__file__).parents[1]
SIZE = 96
posix = pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")


@pytest.fixture(scope="session")
def films(phantom_root) -> list[str]:
    """Some phantom films, one of them twice, and a file that is none."""
    paths = sorted((phantom_root / "sbu").rglob("*.dcm"))[:34]
    clinical = next((phantom_root / "sbu").glob("*.csv"))
    return [str(path) for path in [*paths, paths[0], clinical]]


@pytest.fixture(scope="session")
def serial(films, tmp_path_factory) -> tuple[dict[str, bytes], pd.DataFrame]:
    out = tmp_path_factory.mktemp("serial")
    return result(out, convert(films, out, size=SIZE))


def result(out: Path, table: pd.DataFrame) -> tuple[dict[str, bytes], pd.DataFrame]:
    """Return every file of a folder, and the table without the folder."""
    files = {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if not path.is_dir()
    }
    names = table["png_path"].map(lambda path: Path(path).name, "ignore")
    return files, table.assign(png_path=names)


def assert_same(one, other) -> None:
    assert one[0].keys() == other[0].keys()
    assert one[0] == other[0]
    pd.testing.assert_frame_equal(one[1], other[1])


# --- Executors ---


@contextmanager
def environment_kept() -> Iterator[None]:
    """Undo what Dask sets for its workers (one thread each), or later tests would inherit it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    settings = {"distributed.scheduler.allowed-failures": 0}
    with (
        environment_kept(),
        dask.config.set(settings),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
        ) as local,
    ):
        yield local


@pytest.fixture
def address(tmp_path) -> Iterator[str]:
    """Start a scheduler and a worker, each by its own command, as on two machines."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    worker = ["--nthreads", "1", "--local-directory", str(tmp_path), "--death-timeout", "60"]
    commands = [
        ["distributed.cli.dask_scheduler", "--port", str(port), *local],
        ["distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", *local, *worker],
    ]
    with (tmp_path / "log").open("w") as log:
        started = [
            subprocess.Popen([sys.executable, "-m", *command], stdout=log, stderr=log)
            for command in commands
        ]
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()


@pytest.mark.parametrize("kind", [ProcessPool, ProcessPoolExecutor])
def test_same_bytes_from_a_process_pool(kind, films, serial, tmp_path):
    with kind(2) as pool:
        assert_same(result(tmp_path, convert(films, tmp_path, size=SIZE, executor=pool)), serial)


def test_same_bytes_from_a_local_cluster(cluster, films, serial, tmp_path):
    pooled = convert(films, tmp_path / "cluster", size=SIZE, executor=cluster)
    assert_same(result(tmp_path / "cluster", pooled), serial)
    with Client(cluster) as client:
        for kind, executor in {
            "client": client,
            "executor": client.get_executor(pure=False),
        }.items():
            pooled = convert(films, tmp_path / kind, size=SIZE, executor=executor)
            assert_same(result(tmp_path / kind, pooled), serial)


def test_same_bytes_from_a_scheduler_by_its_address(address, films, serial, tmp_path):
    out = tmp_path / "out"
    with Client(address, timeout=60) as client:
        client.wait_for_workers(1, timeout=60)
        assert_same(result(out, convert(films, out, size=SIZE, executor=client)), serial)


@posix
def test_a_scheduler_that_ends_is_a_clear_error(address, films, serial, tmp_path):
    out = tmp_path / "out"

    def ending() -> Iterator[str]:
        yield from films[:20]
        wait_for(lambda: len(list(out.glob("*.png"))) >= 5)
        (scheduler,) = (
            each
            for each in psutil.Process().children()
            if "distributed.cli.dask_scheduler" in each.cmdline()
        )
        scheduler.kill()
        yield from films[20:] * 10

    with Client(address, timeout=60) as client:
        client.wait_for_workers(1, timeout=60)
        with pytest.raises(WorkersLost, match="does not answer any more"):
            convert(ending(), out, size=SIZE, executor=client)
    assert_same(result(out, convert(films, out, size=SIZE)), serial)


def test_other_executors_are_refused(tmp_path):
    with pytest.raises(TypeError, match="got str"):
        convert([], tmp_path, executor="127.0.0.1:8786")
    with pytest.raises(ValueError, match="at least 1 process"):
        ProcessPool(0)


def test_few_tasks_are_under_way(cluster):
    with Client(cluster) as client:
        taken = most = 0

        def numbers() -> Iterator[tuple[int]]:
            nonlocal taken, most
            for taken in range(400):
                most = max(most, len(client.futures))
                yield (taken,)

        results = in_order(echo, numbers(), client, lost=echo)
        for number, answer in enumerate(results):
            assert answer == number
            assert taken - number <= executors._AHEAD
        assert most <= 2 * executors._AHEAD  # the client forgets some time after it is told to
        wait_for(lambda: not client.futures)


# --- Dying processes ---


@posix
def test_dead_processes_are_replaced_and_only_the_culprit_is_lost(tmp_path):
    expected = [-11 if number == 11 else number for number in range(40)]
    tasks = [(number, str(tmp_path)) for number in range(40)]
    with ProcessPool(2) as pool:
        assert list(in_order(die, tasks, pool, lost=died)) == expected


@posix
def test_dask_workers_that_die_lose_only_the_culprit(cluster, tmp_path):
    """None of the cluster's chances for a task are allowed here, so neighbours are blamed, too."""
    expected = [-11 if number == 11 else number for number in range(30)]
    tasks = [(number, str(tmp_path)) for number in range(30)]
    assert list(in_order(die, tasks, cluster, lost=died)) == expected


def killing(films: list[str], out: Path, processes) -> Iterator[str]:
    """Yield films, and kill a process between two of them, when there are some pictures."""
    yield from films[:20]
    wait_for(lambda: len(list(out.glob("*.png"))) >= 5)
    os.kill(next(iter(processes())), signal.SIGKILL)
    yield from films[20:]


@posix
def test_one_process_killed_from_outside_loses_nothing(films, serial, tmp_path):
    with ProcessPool(2) as pool:
        paths = killing(films, tmp_path, lambda: pool._pool._processes)
        assert_same(result(tmp_path, convert(paths, tmp_path, size=SIZE, executor=pool)), serial)


@posix
def test_a_broken_pool_is_a_clear_error_and_what_was_done_is_kept(films, serial, tmp_path):
    with ProcessPoolExecutor(2) as pool:
        paths = killing(films, tmp_path, lambda: pool._processes)
        with pytest.raises(WorkersLost, match="Repeat the call"):
            convert(paths, tmp_path, size=SIZE, executor=pool)
    assert list(tmp_path.glob(".rows/*.csv"))
    with ProcessPoolExecutor(2) as pool:
        assert_same(result(tmp_path, convert(films, tmp_path, size=SIZE, executor=pool)), serial)


def wait_for(what, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert what()


# --- Killed runs ---

RUN = """
import sys
from helpers.dicom import convert
from helpers.executors import ProcessPool
if __name__ == "__main__":
    films = open(sys.argv[1]).read().split("\\n")
    with ProcessPool(2) as pool:
        print("begins", flush=True)
        convert(films, sys.argv[2], size=96, executor=pool)
"""


def begin(films: list[str], out: Path) -> subprocess.Popen:
    """Start a conversion in a process group of its own; return once it has imported everything."""
    folder = out.parent
    (folder / "run.py").write_text(RUN)
    (folder / "films").write_text("\n".join(films))
    command = [sys.executable, str(folder / "run.py"), str(folder / "films"), str(out)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert run.stdout is not None and run.stdout.readline() == b"begins\n"
    return run


@posix
@pytest.mark.parametrize("pictures", [0, 3, 25])
def test_killed_run_goes_on_to_the_same_bytes(pictures, films, serial, tmp_path):
    out = tmp_path / "out"
    run = begin(films, out)
    wait_for(lambda: run.poll() is not None or len(list(out.glob("*.png"))) >= pictures)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    with ProcessPool(2) as pool:
        assert_same(result(out, convert(films, out, size=SIZE, executor=pool)), serial)


@posix
def test_processes_end_with_their_parent(films, tmp_path):
    run = begin(films, tmp_path / "out")
    parent = psutil.Process(run.pid)
    wait_for(lambda: len(parent.children()) >= 2)
    workers = parent.children()
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


@posix
def test_two_runs_do_not_share_a_folder(films, tmp_path):
    run = begin(films * 20, tmp_path / "out")
    wait_for((tmp_path / "out" / ".rows" / "parts").exists)
    with pytest.raises(FolderInUse, match="Another run writes into out/"):
        convert(films, tmp_path / "out", size=SIZE)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


# --- What is left to do ---


@pytest.fixture
def few(tmp_path) -> list[Path]:
    """Five films with names of all kinds, in an order that is not theirs."""
    rng = np.random.default_rng(3)
    names = ["z.dcm", "line\nbreak.dcm", 'quote",.dcm', "NA", os.fsdecode(b"\xfcber.dcm")]
    (tmp_path / "in").mkdir()
    for name in names:
        pixels = rng.integers(0, 4096, (40, 30), dtype="u2")
        (tmp_path / "in" / name).write_bytes(make_film(pixels))
    return [tmp_path / "in" / name for name in names]


@pytest.fixture
def converted(monkeypatch) -> list[str]:
    """Remember the names of films that are converted indeed."""
    seen: list[str] = []
    original = dicom.convert_film

    def remember(path, *arguments):
        seen.append(Path(path).name)
        return original(path, *arguments)

    monkeypatch.setattr(dicom, "convert_film", remember)
    return seen


def test_what_is_done_is_not_read_again(few, converted, tmp_path):
    first = convert(few, tmp_path / "out")
    assert first["reason"].isna().all()
    assert first["image_path"].tolist() == list(map(str, few))
    assert len(converted) == 5
    again = convert(reversed(few), tmp_path / "out")
    assert len(converted) == 5
    pd.testing.assert_frame_equal(again, first[::-1].reset_index(drop=True))
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".csv"] + 5 * [".png"]


def test_only_what_changed_is_done_again(few, converted, tmp_path, monkeypatch):
    out = tmp_path / "out"
    first = convert(few, out)
    whole = result(out, first)
    Path(first["png_path"][1]).unlink()
    assert_same(result(out, convert(few, out)), whole)
    assert converted[5:] == [few[1].name]
    few[2].write_bytes(make_film(np.zeros((20, 20), "u2")))
    assert convert(few, out)["rows"].tolist() == [40, 40, 20, 40, 40]
    assert converted[6:] == [few[2].name]
    small = convert(few, out, size=20)
    assert len(converted) == 12
    assert len(pd.read_csv(out / "manifest.csv", encoding_errors="replace")) == 10
    pd.testing.assert_frame_equal(convert(few, out, size=20), small)
    assert len(converted) == 12
    monkeypatch.setattr("helpers.ledger.CONVERSION", CONVERSION + 1)
    convert(few, out, size=20)  # films give other pictures than before
    assert len(converted) == 17
    convert(few, out, size=20)
    assert len(converted) == 17


def test_failures_that_may_pass_are_tried_again(few, converted, tmp_path):
    out = tmp_path / "out"
    assert convert(few, tmp_path / "undisturbed")["reason"].isna().all()
    few[1].rename(tmp_path / "away")
    few[2].write_text("no film at all")
    refused = convert(few, out)
    assert refused["reason"].notna().tolist() == [False, True, True, False, False]
    (tmp_path / "away").rename(few[1])
    assert convert(few, out)["reason"].notna().tolist() == [False, False, True, False, False]
    assert converted[10:] == [few[1].name]


def test_rows_of_a_run_that_ended_late(few, tmp_path):
    """A run that is killed between its last two steps leaves rows twice."""
    out = tmp_path / "out"
    whole = result(out, convert(few, out))
    (out / ".rows").mkdir()
    shutil.copy(out / "manifest.csv", out / ".rows" / "000000.csv")
    assert_same(result(out, convert(few, out)), whole)


def test_a_manifest_of_an_earlier_version_is_made_anew(few, converted, tmp_path):
    out = tmp_path / "out"
    whole = result(out, convert(few, out))
    how = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with (out / "manifest.csv").open(**how) as file:
        rows = list(csv.reader(file))
    place = rows[0].index("conversion")
    with (out / "manifest.csv").open("w", **how) as file:
        csv.writer(file).writerows([*row[:place], *row[place + 1 :]] for row in rows)
    assert_same(result(out, convert(few, out)), whole)
    assert len(converted) == 10  # nothing of it is known to be as it would be now


def test_a_foreign_manifest_is_not_touched(few, tmp_path):
    (tmp_path / "manifest.csv").write_text("film,picture\n")
    with pytest.raises(ValueError, match="made by another version or by hand"):
        convert(few, tmp_path)
    assert (tmp_path / "manifest.csv").read_text() == "film,picture\n"


def test_rows_are_saved_in_batches(few, tmp_path, monkeypatch):
    from helpers import ledger

    monkeypatch.setattr(ledger, "_BATCH", 2)
    seen = []

    def watched() -> Iterator[Path]:
        for path in few:
            yield path
            seen.append(len(list(tmp_path.glob("out/.rows/*.csv"))))

    convert(watched(), tmp_path / "out")
    assert seen[-1] == 2
    assert not (tmp_path / "out" / ".rows").exists()
