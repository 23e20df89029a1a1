"""Scores of maps beside their rivals: what each must be on maps that are easy to judge."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation import Interval, bootstrap_interval
from helpers.heat_scores import BLOB, CHANCE, in_words, leads, score_intervals, score_maps, table_of


@pytest.fixture
def lesions() -> np.ndarray:
    """Eight films of 64 px, each with a lesion of 16 × 16 px at a place of its own at the edge."""
    masks = np.zeros((8, 64, 64), bool)
    for number, mask in enumerate(masks):
        row, column = divmod(number, 4)
        mask[row * 48 : row * 48 + 16, column * 16 : column * 16 + 16] = True
    return masks


@pytest.fixture
def scores(lesions) -> pd.DataFrame:
    maps = {"right": lesions.astype(np.float32), "wrong": 1.0 - lesions, "against": -1.0 * lesions}
    return score_maps(maps, lesions, np.ones_like(lesions))


def test_right_wrong_and_negative_maps(scores):
    means = scores.mean()
    assert means["pointing game", "right"] == means["heat in lesions", "right"] == 1
    assert means["heat in lesions", "wrong"] == 0
    assert means["pointing game", "against"] == 0  # evidence against points nowhere
    assert scores["heat in lesions", "against"].isna().all()
    assert scores["heat in lesions", "right"].notna().all()  # a map that is cold on all films
    assert (scores["heat in lungs", "right"] == 1).all()


def test_shares_of_all_maps_are_about_the_same_films(lesions):
    sometimes = lesions.astype(np.float32)
    sometimes[2] = -0.01
    maps = {"always": lesions.astype(np.float32), "sometimes": sometimes}
    shares = score_maps(maps, lesions, np.ones_like(lesions))
    for score in ("heat in lesions", "heat in lungs"):
        assert list(np.flatnonzero(shares[score].isna().all(axis=1))) == [2]
        assert shares[score].drop(index=2).notna().all(axis=None)
    assert shares["pointing game"].notna().all(axis=None)


def test_rivals_look_at_no_film(scores, lesions):
    means = scores.mean()
    assert means["pointing game", BLOB] == 0  # nothing is in the middle
    assert means["heat in lesions", CHANCE] == pytest.approx(1 / 16)
    assert means["heat in lesions", "average of right"] == pytest.approx(1 / 8)  # of eight places
    # 16 px lesions and 2 px of tolerance: between 18² and 20² of 64² px, by how many sides are free
    assert 18**2 / 64**2 <= means["pointing game", CHANCE] <= 20**2 / 64**2


def test_intervals_are_over_patients(scores):
    found = score_intervals(scores, ["a", "a", "b", "b", "c", "c", "d", "d"])
    assert list(found.columns) == ["score", "map", "estimate", "low", "high"]
    assert len(found) == len(scores.columns)
    uneven = pd.DataFrame({("pointing game", "a"): [1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]})
    row = score_intervals(uneven, ["a", "a", "b", "b", "c", "c", "d", "d"]).iloc[0]
    assert row["low"] < row["estimate"] < row["high"] and row["estimate"] == 0.5
    apart = score_intervals(uneven, list("abcdefgh")).iloc[0]
    assert apart["high"] - apart["low"] < row["high"] - row["low"]  # films of one patient go along
    shown = table_of(found)
    assert shown.loc["right", "pointing game"].startswith("1.00")
    assert list(shown.columns) == ["pointing game", "heat in lesions", "heat in lungs"]


def test_intervals_are_those_of_the_plain_bootstrap():
    """As short a table as is resampled here gives what resampling whole columns would."""
    chance = np.random.default_rng(3)
    columns = ["a", "b", "gaps", "never"]
    table = pd.DataFrame(chance.random((40, 4)), columns=columns)
    table.loc[chance.random(40) < 0.3, "gaps"] = np.nan
    table["never"] = np.nan
    patients = [str(number) for number in chance.integers(25, size=40)]
    found = score_intervals(table.set_axis([("share", name) for name in columns], axis=1), patients)
    table["patient_id"] = patients
    plain = bootstrap_interval(lambda t: t[columns].mean().to_dict(), table)
    expected = [(one.estimate, one.low, one.high) for one in plain.values()]
    assert np.allclose(found[["estimate", "low", "high"]].astype(float), expected, equal_nan=True)
    assert found["low"].notna().tolist() == [True, True, True, False]


def test_leads_are_paired():
    hits = np.arange(40) % 4 < 3
    scores = pd.DataFrame({("pointing game", "a"): hits.astype(float)})
    scores["pointing game", "b"] = (hits & (np.arange(40) % 4 < 2)).astype(float)
    scores["pointing game", "c"] = scores["pointing game", "a"] - 0.1
    found = leads(scores, [str(n) for n in range(40)], "a", ["b", "c"])
    assert found["b"].estimate == pytest.approx(0.25)
    assert 0 < found["b"].low < 0.25 < found["b"].high
    assert found["c"].estimate == pytest.approx(0.1)


def test_verdicts_follow_the_intervals():
    found = {
        "x": Interval(0.2, 0.1, 0.3),
        "y": Interval(-0.2, -0.3, -0.1),
        "z": Interval(0.0, -0.1, 0.1),
        "blob": Interval(1.0, np.nan, np.nan),  # every film says the same
    }
    lines = list(in_words("pointing", found))
    close = {"x": Interval(0.05, 0.001, 0.1), "y": Interval(0.05, -0.001, 0.1)}
    assert [line[line.index("(") :] for line in in_words("pointing", close)] == [
        "(+0.001 to +0.100)",  # two digits would give both the same bound
        "(−0.001 to +0.100)",
    ]
    assert (
        "**ahead of** x" in lines[0]
        and "**behind** y" in lines[1]
        and "**not shown to differ from** z" in lines[2]
        and "**not shown to differ from** blob, difference +1.00 (no interval)" in lines[3]
    )
