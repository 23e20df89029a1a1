"""Phantoms without an ingredient: the ingredient is gone, the rest and the truth stay."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import ablations
from benchmarks.ablations import (
    PHANTOMS,
    WHOLE,
    WITHOUT,
    draw_without,
    kept_readings,
    report,
)
from benchmarks.study_runs import Runs
from helpers.evaluation import auroc, bootstrap_interval
from helpers.severity import DEVICES, SHARES
from phantoms.fresh_films import draw_film
from phantoms.pretraining_run import PretrainingConfig

SEEDS = [[7, 0, number] for number in range(12)]


def drawn(name):
    return [draw_without(name, 64, seed) for seed in SEEDS]


def test_with_everything_it_is_the_same_film():
    for one, other in zip(drawn(WHOLE), [draw_film(64, seed) for seed in SEEDS], strict=True):
        for mine, yours in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize("name", [name for name in WITHOUT if name != WHOLE])
def test_without_an_ingredient_films_differ_and_the_drawing_code_is_left_as_it_was(name):
    whole = [draw_film(64, seed)[0] for seed in SEEDS]
    changed = [film for film, _, _ in drawn(name)]
    assert any((film != other).any() for film, other in zip(whole, changed, strict=True))
    for film, seed in zip(whole, SEEDS, strict=True):
        np.testing.assert_array_equal(film, draw_film(64, seed)[0])


@pytest.mark.parametrize("name", ["lesions' texture", "bones and vessels"])
def test_what_is_to_be_read_stays(name):
    for (_, truth, _), seed in zip(drawn(name), SEEDS, strict=True):
        np.testing.assert_allclose(truth, draw_film(64, seed)[1], atol=1e-6)


def test_without_devices_no_film_has_one():
    truths = np.stack([truth for _, truth, _ in drawn("devices")])
    assert truths.shape[1] == len(SHARES) + 1 + len(DEVICES)
    assert (truths[:, len(SHARES) + 1 :] == 0).all()


def test_a_network_is_taught_once(tmp_path, monkeypatch):
    taught = []
    films = pd.DataFrame({"image_path": ["a.png", "b.png"]}, index=[3, 7])
    monkeypatch.setattr(ablations, "teach", lambda _, name, precision: taught.append(name))
    monkeypatch.setattr(ablations, "SeverityModel", lambda network, size: network)
    shares = pd.Series([0.1, 1 / 3], films.index)
    monkeypatch.setattr(ablations, "read", lambda model, films: shares)
    monkeypatch.setattr(ablations, "explained", lambda model, config: 0.4)
    runs, config = Runs(tmp_path), PretrainingConfig(films=64)
    for name in ("devices", "devices", "random looks"):
        found = kept_readings(runs, films, config, name, "32-true")
        assert found[ablations.SHARE].tolist() == shares.tolist()
        assert found["r2"].tolist() == [0.4, 0.4]
    assert taught == ["devices", "random looks"]


def made_up_readings(seeds):
    """Whole networks read the burden of 80 films, the others noise."""
    rng = np.random.default_rng(0)
    burden = rng.random(80)
    films = pd.DataFrame(
        {
            "patient_id": [str(number) for number in range(80)],
            "geographic": burden,
            "outlined": burden,
            "outcome": pd.array(burden > 0.6, "boolean"),
            "judged": True,
            "died": np.nan,
        }
    )
    for seed in seeds:
        for name in WITHOUT:
            share = burden if name == WHOLE else rng.random(80)
            films[f"{name}|{seed}"] = share
    pairs = [(name, seed, 0.5 + seed / 4) for seed in seeds for name in WITHOUT]
    return films, pd.DataFrame(pairs, columns=["without", "seed", "r2"])


def test_losses_are_paired_and_each_seed_shows():
    found = report(*made_up_readings(seeds=[0, 1, 2, 3]), repeats=200)
    for what in set(found) - {PHANTOMS}:
        table = found[what].set_index("without")
        assert table.loc[WHOLE, "mean"].startswith("1.00")
        assert table.loc[WHOLE, "lost"] == ""
        assert table.loc["devices", "lost"].startswith("+")
        assert len(table.loc["devices", "lost, each seed"].split(", ")) == 4
    assert found[PHANTOMS].set_index("without").loc["devices"].tolist() == [
        "0.88",
        "0.50, 0.75, 1.00, 1.25",
    ]


def test_few_deaths_widen_the_interval_of_the_ranking():
    films, r2 = made_up_readings(seeds=[0, 1])
    films["devices|1"] = films["devices|0"]  # the spread over seeds is not what is asked about
    few = films.assign(outcome=pd.array(films["geographic"].rank() > 74, "boolean"))
    found = report(few, r2, repeats=200)["Death, AUROC"].set_index("without").loc["devices", "mean"]
    plain = bootstrap_interval(
        lambda t: auroc(t["outcome"].astype(bool), t["devices|0"]),
        few.drop(columns="died"),
        repeats=200,
    )
    low, high = (float(bound) for bound in found.split("(")[1].rstrip(")").split("–"))
    assert low < plain.low and high > plain.high
