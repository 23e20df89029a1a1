"""The planted stamp goes with death as often as asked, and is where its mask says."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import shortcuts
from helpers.evaluation import auroc
from helpers.models import build_resnet18, in_batches
from helpers.pixels import read_radiograph
from helpers.probing import features, with_head


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


def test_changed_films_are_stored_as_they_are_in_the_cohorts_order(tmp_path):
    squares = np.random.default_rng(0).integers(0, 256, (12, 64, 64)).astype(np.uint8)
    cohort = pd.DataFrame({"patient_id": list("abcdefghijkl"), "image_path": "elsewhere"})
    stored = shortcuts.write_films(cohort, squares, tmp_path / "new" / "folder")
    assert list(stored["patient_id"]) == list(cohort["patient_id"])
    for path, square in zip(stored["image_path"], squares, strict=True):
        np.testing.assert_array_equal(np.rint(255 * read_radiograph(path)), square)
    assert (cohort["image_path"] == "elsewhere").all()
    with pytest.raises(ValueError, match="expected 12 films, one a row, got 3"):
        shortcuts.write_films(cohort, squares[:3], tmp_path / "fewer")
    assert not (tmp_path / "fewer").exists()


def test_a_network_that_learned_from_stamps_misses_them():
    rng = np.random.default_rng(0)
    died = np.arange(150) % 3 == 0
    cohort = pd.DataFrame(
        {
            "patient_id": [str(number) for number in range(150)],
            "part": ["train"] * 70 + ["validation"] * 40 + ["test"] * 40,
            "died": pd.array(died, dtype="boolean"),
            "label_source": "observed",
        }
    )
    plain = rng.integers(0, 60, (150, 64, 64), np.uint8)  # nothing but noise tells who died
    marked = plain.copy()
    marked[died] = [shortcuts.stamp(film) for film in plain[died]]
    network = build_resnet18("random").eval()
    seen = [features(network, films) for films in (marked, plain)]
    risks, heads = shortcuts.teach_and_test(*seen, cohort)
    assert len(risks) == 40
    truth = risks["died"].to_numpy(bool)
    assert auroc(truth, risks["with stamps | with stamps"]) > 0.95
    assert risks["with stamps | without"].std() < risks["with stamps | with stamps"].std() / 2
    assert auroc(truth, risks["without | without"]) < 0.8
    cheat = with_head(network, heads["with stamps"])
    logits = torch.cat(list(in_batches(cheat, marked[110:])))[:, 0]
    np.testing.assert_allclose(logits.sigmoid(), risks["with stamps | with stamps"], atol=1e-5)
