"""Films whose headers are whole and whose pixels are not: counted, and replaced by the next."""

from pathlib import Path

import pandas as pd
import pytest
from films import films_in

from helpers.cache import FilmCache
from helpers.readable import choose_readable, load_readable, select_readable_index_films
from helpers.table import one_table, start_flow


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.cache.PROJECT", tmp_path)


@pytest.fixture
def cohort(tmp_path):
    paths = films_in(tmp_path / "films", 4)
    for damaged in (paths[0], paths[3]):
        Path(damaged).write_bytes(Path(damaged).read_bytes()[:200])
    rows = [
        {"patient_id": who, "image_path": path, "view": "AP", "day": day, "sex": "F", "age": 60}
        for (who, day), path in zip([("a", 0), ("a", 1), ("b", 0), ("c", 0)], paths, strict=True)
    ]
    return start_flow(one_table(pd.DataFrame(rows).assign(died=False), "sbu"))


def test_a_patient_s_next_film_takes_the_place_of_one_that_cannot_be_read(cohort):
    index = select_readable_index_films(cohort, 64)
    assert dict(zip(index["patient_id"], index["day"], strict=True)) == {"a": 1, "b": 0}
    reasons = [(step, films) for step, films, _ in index.attrs["flow"] if "unreadable" in step]
    assert sum(films for _, films in reasons) < len(cohort) and reasons
    assert FilmCache(64).add(list(index["image_path"]))["reason"].isna().all()


def test_a_cohort_is_loaded_without_them(cohort, monkeypatch):
    monkeypatch.setattr("helpers.readable.load_cohort", {"sbu": cohort}.get)
    assert load_readable("sbu")["patient_id"].tolist() == ["a", "b"]


def test_examples_are_films_that_can_be_read(cohort):
    """Of each patient one, without a flow to count in; who has none that can be read has none."""
    plain = pd.DataFrame(cohort).reset_index(drop=True)
    plain.attrs = {}
    chosen = choose_readable(plain, lambda table: table.groupby("patient_id").head(1), 64)
    assert dict(zip(chosen["patient_id"], chosen["day"], strict=True)) == {"a": 1, "b": 0}
