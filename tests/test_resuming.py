"""Runs that are killed, resumed, refused, and shared by two processes."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from films import easy_cohort
from lightning_fabric import Fabric
from train_once import CONFIG, describe, prepare, train

from helpers import launch
from helpers.cache import FilmCache
from helpers.launch import main
from helpers.models import RiskModel, build_resnet18
from helpers.training import fit

SCRIPT = Path(__file__).with_name("train_once.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def one_thread():
    """Sums are taken in an order that the number of threads decides."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "helpers.radiographs.FilmCache", lambda size: FilmCache(size, tmp_path / "cache")
    )


@pytest.fixture
def parts(tmp_path):
    return {
        "train": easy_cohort(tmp_path / "train", 19, seed=0),
        "validation": easy_cohort(tmp_path / "validation", 9, seed=1),
    }


def in_child(*arguments: str | Path, launcher: tuple[str, ...] = ()) -> int:
    command = [sys.executable, *launcher, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, timeout=600)
    killed = "Signal 9 (SIGKILL) received" in done.stderr  # which torchrun says of its processes
    if done.returncode not in (0, -signal.SIGKILL) and not killed:
        raise AssertionError(done.stderr)
    return -signal.SIGKILL if killed else done.returncode


def test_killed_twice_and_resumed_it_ends_as_if_undisturbed(tmp_path):
    killed = prepare(tmp_path / "killed")
    # In the second of three epochs of all layers, whose batches are three.
    assert in_child(killed, "--kill-step", "5") == -signal.SIGKILL
    first = (killed / "run.checkpoint").stat().st_mtime_ns
    # After resuming, its first checkpoint is on disk but has not taken the old one's place.
    assert in_child(killed, "--kill-write", "1") == -signal.SIGKILL
    assert (killed / "run.checkpoint.part").exists()
    assert (killed / "run.checkpoint").stat().st_mtime_ns == first
    assert in_child(killed) == 0
    whole = train(prepare(tmp_path / "whole"))
    assert json.loads((killed / "result.json").read_text()) == describe(whole)
    assert not (killed / "run.checkpoint.part").exists()


def test_killed_in_the_head_stage_and_between_the_stages_it_ends_as_if_undisturbed(tmp_path):
    killed = prepare(tmp_path / "killed")
    checkpoint = killed / "run.checkpoint"

    def epochs_of_the_head():
        saved = torch.load(checkpoint, weights_only=True)
        assert saved["stage"] == 0
        return saved["epoch"]

    # With its first checkpoint on disk but not in its place: it has to begin anew.
    assert in_child(killed, "--kill-write", "1") == -signal.SIGKILL
    assert not checkpoint.exists() and (killed / "run.checkpoint.part").exists()
    # After the first of the head's two epochs.
    assert in_child(killed, "--kill-write", "2") == -signal.SIGKILL
    assert epochs_of_the_head() == 1
    # At the first step of all layers, and, going on from there, before their first checkpoint.
    for moment in ("--kill-step", "--kill-write"):
        assert in_child(killed, moment, "1") == -signal.SIGKILL
        assert epochs_of_the_head() == 2
    assert in_child(killed) == 0
    whole = train(prepare(tmp_path / "whole"))
    assert json.loads((killed / "result.json").read_text()) == describe(whole)


def test_two_processes_take_the_steps_of_one_and_resume_as_one_does(tmp_path):
    """Only the order of sums differs, which float32 rounds: about 1e-7 a sum, grown over 9 steps.

    A step that counted a film twice, or weighed halves of 3 and 4 films alike, would shift losses
    by some per cent.
    """
    two = prepare(tmp_path / "two")
    assert in_child(two, launcher=TORCHRUN) == 0
    shared = pd.DataFrame(json.loads((two / "result.json").read_text())["history"])
    alone = train(prepare(tmp_path / "one")).history
    assert shared["stage"].tolist() == alone["stage"].tolist() == ["head"] * 2 + ["all layers"] * 3
    for column in ("train_loss", "validation_loss"):
        np.testing.assert_allclose(shared[column], alone[column], rtol=1e-3)
    assert alone["train_loss"].iloc[-1] < 0.9 * alone["train_loss"].iloc[0]

    killed = prepare(tmp_path / "killed")
    assert in_child(killed, "--kill-step", "5", launcher=TORCHRUN) == -signal.SIGKILL
    assert (killed / "run.checkpoint").exists() and not (killed / "result.json").exists()
    assert in_child(killed, launcher=TORCHRUN) == 0
    assert (killed / "result.json").read_text() == (two / "result.json").read_text()


def test_two_processes_take_steps_as_long_as_those_of_one(tmp_path):
    """AdamW would take the same steps from gradients of any scale; gradient descent would not."""
    losses = []
    for launcher in ((), TORCHRUN):
        folder = prepare(tmp_path / str(len(losses)))
        assert in_child(folder, "--plain-steps", launcher=launcher) == 0
        history = pd.DataFrame(json.loads((folder / "result.json").read_text())["history"])
        losses.append(history["train_loss"])
    np.testing.assert_allclose(*losses, rtol=1e-3)
    assert losses[0].iloc[-1] < 0.95 * losses[0].iloc[0]


@pytest.mark.parametrize("statistics", [(), ("--move-statistics",)])
def test_two_processes_end_with_the_same_network(tmp_path, statistics):
    """Moving statistics, too, although each process sees other films in a step."""
    folder = prepare(tmp_path / "two")
    assert in_child(folder, *statistics, launcher=TORCHRUN) == 0
    first, second = ((folder / f"weights-{rank}.txt").read_text() for rank in (0, 1))
    assert first == second


def test_a_finished_run_is_not_trained_again(parts, tmp_path, monkeypatch):
    def run():
        checkpoint = tmp_path / "run.checkpoint"
        network = build_resnet18("random")
        return fit(network, *parts.values(), CONFIG, checkpoint=checkpoint, progress=False)

    first = run()
    monkeypatch.setattr("helpers.stages.change", None)  # a step would fail
    assert describe(run()) == describe(first)


def test_another_runs_checkpoint_is_refused(parts, tmp_path, monkeypatch):
    config = replace(CONFIG, epochs=0)
    checkpoint = tmp_path / "run.checkpoint"
    train, validation = parts.values()

    def run(network=None, films=train, config=config, precision="32-true"):
        network = network or build_resnet18("random")
        fabric = Fabric(devices=1, precision=precision, accelerator="cpu")
        fit(network, films, validation, config, fabric=fabric, checkpoint=checkpoint)

    run()
    with pytest.raises(ValueError, match="another run, with other settings"):
        run(config=replace(config, seed=1))
    with pytest.raises(ValueError, match="another run, with other starting weights"):
        run(network=build_resnet18("random", seed=1))
    with pytest.raises(ValueError, match="another run, with other training films"):
        run(films=train[::-1])
    with pytest.raises(ValueError, match="another run, with other precision"):
        run(precision="bf16-mixed")
    checkpoint.unlink()
    moving = replace(config, freeze_statistics=False)
    run(config=moving)
    with monkeypatch.context() as shared:
        shared.setattr("lightning_fabric.Fabric.world_size", 2)
        with pytest.raises(ValueError, match="another run, with other number of processes"):
            run(config=moving)
    checkpoint.write_bytes(b"PK no checkpoint")
    with pytest.raises(ValueError, match="is no checkpoint of training"):
        run()


def test_more_processes_than_films_a_batch_are_refused(parts, monkeypatch):
    monkeypatch.setattr("lightning_fabric.Fabric.world_size", 7)
    with pytest.raises(ValueError, match="7 processes cannot share 6 films"):
        fit(build_resnet18("random"), *parts.values(), CONFIG, progress=False)


def test_the_command_line_stores_a_calibrated_model_and_goes_on(parts, tmp_path, monkeypatch):
    parts["validation"]["part"] = "validation"
    monkeypatch.setattr(launch, "load_parts", lambda cohort, size: {"ieee8023": parts}[cohort])
    monkeypatch.setattr(launch, "is_phantom", lambda cohort: cohort == "ieee8023")
    out = tmp_path / "models" / "first"
    settings = ["--size", "32", "--epochs", "1", "--batch-size", "7", "--accelerator", "cpu"]
    arguments = ["ieee8023", "--start", "random", *settings, "--out", str(out)]
    main(arguments)
    model = RiskModel.load(out)
    assert model.card["phantom_cohorts"] == ["ieee8023"]  # or the panel would not say so
    assert (model.size, model.card["start"]) == (32, "random")
    assert model.card["training"]["batch_size"] == 7
    assert "Only the intercept fitted" in model.card["calibration_note"]
    stored = out.with_suffix(".safetensors").read_bytes()
    monkeypatch.setattr("helpers.stages.change", None)  # a step would fail: nothing is left to do
    main(arguments)
    assert out.with_suffix(".safetensors").read_bytes() == stored
    with pytest.raises(SystemExit):
        main(["hannover"])


def test_a_model_remembers_the_phantoms_that_taught_its_start(parts, tmp_path, monkeypatch):
    parts["validation"]["part"] = "validation"
    monkeypatch.setattr(launch, "load_parts", lambda cohort, size: parts)
    monkeypatch.setattr(launch, "is_phantom", lambda cohort: cohort == "ieee8023")
    first, second = tmp_path / "first", tmp_path / "second"
    settings = ["--size", "32", "--epochs", "0", "--batch-size", "7", "--accelerator", "cpu"]
    main(["ieee8023", "--start", "random", *settings, "--out", str(first)])
    main(["sbu", "--start", str(first), *settings, "--out", str(second)])
    assert RiskModel.load(second).card["phantom_cohorts"] == ["ieee8023"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "0"], "expected 1 or more"),
        (["--size", "50"], "expected a multiple of 32, got 50"),
        (["--size", "-32"], "expected a whole number, 0 or more, got -32"),
        (["--batch-size", "0"], "expected 1 or more"),
        (["--epochs", "many"], "expected a whole number, 0 or more, got many"),
        (["--recipe", "careless", "--epochs", "0"], "teaches nothing"),
    ],
)
def test_senseless_options_are_refused_before_anything_is_read(options, message, capsys):
    with pytest.raises(SystemExit):
        main(["sbu", *options])
    assert message in capsys.readouterr().err
