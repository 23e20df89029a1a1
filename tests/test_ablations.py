"""Phantoms without an ingredient: the ingredient is gone, the rest and the truth stay."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.ablations import FIGURES, WHOLE, WITHOUT, draw_without, first_judged, report
from helpers.severity import DEVICES, SHARES
from phantoms.fresh_films import draw_film

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


def test_a_patient_is_judged_once_and_only_where_the_outcome_is_known():
    films = pd.DataFrame(
        {
            "patient_id": ["a", "a", "a", "b", "c"],
            "outcome": pd.array([pd.NA, True, True, pd.NA, False], "boolean"),
        },
        index=[3, 1, 4, 5, 9],
    )
    assert first_judged(films).to_dict() == {3: False, 1: True, 4: False, 5: False, 9: True}


def test_without_devices_no_film_has_one():
    truths = np.stack([truth for _, truth, _ in drawn("devices")])
    assert truths.shape[1] == len(SHARES) + 1 + len(DEVICES)
    assert (truths[:, len(SHARES) + 1 :] == 0).all()


def test_losses_are_paired():
    rng = np.random.default_rng(0)
    burden = rng.random(80)
    films = pd.DataFrame(
        {
            "patient_id": [str(number) for number in range(80)],
            "geographic": burden,
            "outlined": burden,
            "outcome": pd.array(burden > 0.6, "boolean"),
            "first": True,
        }
    )
    for name in WITHOUT:
        share = burden if name == WHOLE else rng.random(80)
        films[f"{name}|0"] = films[f"patient {name}|0"] = share
    r2 = pd.DataFrame({"without": list(WITHOUT), "seed": 0, "r2": 0.5})
    found = report(films.assign(died=np.nan), r2).set_index("without")
    for what in FIGURES:
        assert found.loc[WHOLE, what].startswith("1.00")
        assert found.loc["devices", f"lost: {what}"] not in ("", "0.00")
        assert found.loc[WHOLE, f"lost: {what}"] == ""
