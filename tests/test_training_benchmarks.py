"""Benchmarks of training: what they say of made-up timings, and that they run on a few films."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from films import easy_cohort

from benchmarks import processes, resuming, training, training_peers
from helpers.cache import FilmCache
from helpers.radiographs import Radiographs


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "helpers.radiographs.FilmCache", lambda size: FilmCache(size, tmp_path / "cache")
    )


@pytest.fixture
def films(tmp_path):
    return easy_cohort(tmp_path / "films", 24)


def seconds(rival):
    """Seconds of three rounds, in the last of which all took twice as long."""
    rounds = np.array([1.0, 1.0, 2.0])
    columns = {training.CACHE: 1, training.MEMORY: np.array([0.9, 0.96, 1.1]), "a rival": rival}
    return pd.DataFrame({name: rounds * value for name, value in columns.items()})


def test_throughput_compares_within_a_round():
    table = training.throughput(seconds(np.array([2.0, 1.5, 4.0])), 100).set_index("films from")
    assert table["films a second"].tolist() == ["100.0", "104.2", "50.0"]
    assert table.loc["a rival", "the cache is faster by"] == "2.00 × (1.50–4.00)"
    assert table.loc[training.CACHE, "the cache is faster by"] == "1.00 × (1.00–1.00)"


@pytest.mark.parametrize(("size", "of_rival"), [(128, "**missed**"), (224, "met")])
def test_a_verdict_names_what_was_wanted_and_missed(size, of_rival):
    memory, rival = training.verdict(seconds(1.2), size).splitlines()
    assert memory == "* of the throughput from memory: 0.96, wanted 0.95: met"
    assert (
        rival == f"* against a rival: 1.20 ×, wanted {training.WANTED_OF_PEERS[size]} ×: {of_rival}"
    )
    slow = seconds(1.2).assign(**{training.MEMORY: 0.5})
    assert training.verdict(slow, size).splitlines()[0].endswith("**missed**")


def test_contenders_take_turns_and_their_first_pass_counts_for_nothing(films, monkeypatch):
    passed = []

    def contender(name):
        return lambda: passed.append(name) or float(len(passed))

    made = {name: contender(name) for name in (training.CACHE, training.MEMORY)}
    monkeypatch.setattr(training, "contenders", lambda films, size: made)
    table = training.interleave(films, 32, rounds=2)
    assert passed == [*made, *made, *list(made)[::-1]]
    assert table.to_numpy().tolist() == [[3, 4], [6, 5]]


def test_films_of_unknown_outcome_fill_up(films, monkeypatch):
    films["label_source"] = ["unknown"] * 20 + ["observed"] * 4
    films["died"] = films["died"].mask(films["label_source"] == "unknown")
    monkeypatch.setattr(training, "load_cohort", lambda name: films)
    found = training.load_films(6)
    assert found["patient_id"].tolist() == [f"0-{number}" for number in (20, 21, 22, 23, 0, 1)]
    assert found["died"].notna().all() and found["label_source"].eq("observed").all()
    with pytest.raises(SystemExit, match="only 24 films"):
        training.load_films(25)


def test_every_contender_passes_over_the_films(films, monkeypatch):
    monkeypatch.setattr(training_peers, "WORKERS", (0,))
    monkeypatch.setattr(training_peers, "BATCH", 8)
    monkeypatch.setattr(training_peers, "FASTAI_MISSING", "left out")
    passes = training_peers.contenders(films, 32)
    assert list(passes)[:2] == [training.CACHE, training.MEMORY] and len(passes) == 3
    assert all(one_pass() > 0 for one_pass in passes.values())
    radiographs, places = Radiographs(films, 32), torch.tensor([3, 1])
    resident = training_peers.Resident(radiographs)
    assert torch.equal(resident.batch(places), torch.as_tensor(radiographs.batch(places)))
    assert len(resident) == len(training_peers.Files(films, 32)) == 24
    picture, died = training_peers.Files(films, 32)[3]
    assert picture.shape == (1, 32, 32) and died == 1


def histories(losses, areas):
    """Histories of two epochs: the second way is half as fast, and ends as given."""
    made = {}
    for way, name in enumerate(processes.WAYS):
        for seed, (loss, area) in enumerate(zip(losses[way], areas[way], strict=True)):
            made[name, seed] = pd.DataFrame(
                {
                    "films": 100,
                    "seconds": [50.0, 2.0 * (way + 1)],
                    "validation_loss": [9.0, loss],
                    "validation_auroc": [0.5, area],
                }
            )
    return made


def test_two_processes_are_compared_in_speed_and_in_every_final_metric():
    same = [[1.0, 1.2, 1.1], [1.0, 1.2, 1.1001]], [[0.8, 0.9, 0.7], [0.8, 0.9, 0.71]]
    rows, verdict = processes.compare(histories(*same))
    assert rows["seed"].tolist() == [0, 1, 2] and rows["ratio"].eq(0.5).all()
    assert rows["final validation AUROC, two"].tolist() == [0.8, 0.9, 0.71]
    assert rows["final validation loss, one process"].tolist() == [1.0, 1.2, 1.1]
    assert "Median ratio 0.50, wanted 0.85: **missed**." in verdict
    assert "at most 0.0001 apart in validation loss; seeds differ by 0.1000" in verdict
    assert "at most 0.0100 apart in validation AUROC; seeds differ by 0.1000" in verdict
    assert verdict.count(": within the seed spread.") == 2
    ranks = [[0.8, 0.9, 0.7], [0.8, 0.4, 0.7]]
    apart = processes.compare(histories(same[0], ranks))[1]  # alike in loss, not in who is ranked
    assert apart.count("**outside** the seed spread.") == 1
    assert apart.endswith("0.1000 (standard deviation): **outside** the seed spread.")


def test_a_child_stores_the_history_that_is_compared(films, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "CONFIG", replace(processes.CONFIG, epochs=1, batch_size=9))
    processes.train_in_child(films, tmp_path / "history.csv", 0, 32)
    history = pd.read_csv(tmp_path / "history.csv")
    assert {"films", "seconds", *processes.FINAL} <= set(history) and len(history) == 1
    assert history["films"].tolist() == [18]


def child(folder, weights):
    """A child that leaves a checkpoint at once, and ends with some weights."""
    folder.mkdir(exist_ok=True)
    lines = (
        "import json, pathlib, sys, time",
        "folder = pathlib.Path(sys.argv[1])",
        "(folder / 'run.checkpoint').touch()",
        "time.sleep(0.3)",
        "(folder / 'result.json').write_text(json.dumps({'weights': sys.argv[2]}))",
    )
    return subprocess.Popen([sys.executable, "-c", "\n".join(lines), str(folder), weights])


@pytest.mark.parametrize("right", [True, False])
def test_a_resumed_run_that_ends_otherwise_is_noticed(tmp_path, monkeypatch, right):
    def begin(folder):
        again = folder.exists() and not right
        return child(folder, "other" if again else "same")

    monkeypatch.setattr(resuming, "begin", begin)
    rows = resuming.kill_and_resume(tmp_path, 2, np.random.default_rng(0))
    assert len(rows) == 2 and rows["identical"].eq(right).all()


def test_a_run_that_fails_is_no_resumed_run(tmp_path, monkeypatch):
    failing = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(resuming, "begin", lambda folder: subprocess.Popen(failing))
    with pytest.raises(SystemExit, match="The run failed"):
        resuming.finish(tmp_path)


def test_what_is_killed_is_a_training_with_a_checkpoint(films, tmp_path, monkeypatch):
    monkeypatch.setattr(resuming, "load_cohort", lambda name: films)
    short = replace(resuming.CONFIG, size=32, head_epochs=1, epochs=1)
    monkeypatch.setattr(resuming, "CONFIG", short)
    resuming.train(tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert len(result["weights"]) == 64 and (tmp_path / "run.checkpoint").exists()
    assert result["history"]["stage"] == ["head", "all layers"]
    assert "seconds" not in result["history"]
