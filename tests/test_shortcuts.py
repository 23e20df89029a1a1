"""The planted stamp goes with death as often as asked, and is where its mask says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import shortcuts
from helpers.radiographs import read_radiograph
from tests.films import easy_cohort


def test_stamp_goes_with_death_as_often_as_asked():
    cohort = pd.DataFrame({"died": pd.array([True, False] * 2000, dtype="boolean")})
    stamped = shortcuts.choose_stamped(cohort, agreement=0.9, seed=0)
    rates = stamped.groupby(cohort["died"].astype(bool)).mean()
    assert rates[True] == pytest.approx(0.9, abs=0.02)
    assert rates[False] == pytest.approx(0.1, abs=0.02)


def test_stamp_needs_known_outcomes():
    cohort = pd.DataFrame({"died": pd.array([True, None], dtype="boolean")})
    with pytest.raises(ValueError, match="1 unknown"):
        shortcuts.choose_stamped(cohort, agreement=0.9, seed=0)
    with pytest.raises(ValueError, match=r"got 1\.5"):
        shortcuts.choose_stamped(cohort.head(1), agreement=1.5, seed=0)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_stamp_changes_only_its_place(size):
    film = np.full((size, size), 60, np.uint8)
    changed = shortcuts.stamp(film) != film
    mask = shortcuts.stamp_mask(size)
    assert changed.any() and not changed[~mask].any()
    assert changed[mask].mean() > 0.1
    assert np.all(film == 60)


def test_written_films_differ_only_by_the_stamp(tmp_path):
    cohort = easy_cohort(tmp_path / "films", 4)
    some = pd.Series([True, False, True, False])
    marked = shortcuts.write_films(cohort, some, tmp_path / "marked")
    plain = shortcuts.write_films(cohort, ~some & False, tmp_path / "plain")
    assert marked["stamped"].tolist() == some.tolist()
    assert marked["patient_id"].equals(cohort["patient_id"])
    mask = shortcuts.stamp_mask(256)
    for with_stamp, one, other in zip(some, marked["image_path"], plain["image_path"], strict=True):
        differs = read_radiograph(one) != read_radiograph(other)
        assert differs.any() == with_stamp and not differs[~mask].any()
    assert not list(Path(tmp_path / "marked").glob("*.part"))
