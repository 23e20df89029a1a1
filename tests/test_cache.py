"""The store of prepared films: what it keeps, and what it says when it cannot."""

import errno
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from films import films_in, write_film

from helpers.cache import CacheError, FilmCache
from helpers.pixels import UnreadableRadiograph, preprocess, read_radiograph
from helpers.radiographs import Radiographs, exclude_unreadable
from helpers.table import start_flow


def test_cache_returns_the_preprocessed_films_and_reads_no_file_twice(tmp_path, monkeypatch):
    paths = films_in(tmp_path / "films", 5)
    cache = FilmCache(64, tmp_path / "cache")
    rows = cache.add(paths[::-1], progress=False)["row"]
    expected = [preprocess(read_radiograph(path), 64) for path in paths[::-1]]
    assert (cache.films()[rows.to_numpy(int)] == expected).all()

    def refuse(*_):
        raise AssertionError("a film was read again")

    monkeypatch.setattr("helpers.cache.read_radiograph", refuse)
    again = FilmCache(64, tmp_path / "cache").add(paths[::-1], progress=False)["row"]
    assert (again == rows).all()


def test_cache_asks_again_for_films_that_could_not_be_read(tmp_path, monkeypatch):
    paths = films_in(tmp_path / "films", 2)

    def refuse(*_):
        raise UnreadableRadiograph("An odd kind of film.")

    with monkeypatch.context() as before:
        before.setattr("helpers.cache.read_radiograph", refuse)
        refused = FilmCache(64, tmp_path / "cache").add(paths, progress=False)
    assert refused["row"].isna().all()
    assert set(refused["reason"]) == {"An odd kind of film."}
    cache = FilmCache(64, tmp_path / "cache")
    found = cache.add(paths, progress=False)
    assert found["reason"].isna().all()
    expected = [preprocess(read_radiograph(path), 64) for path in paths]
    assert (cache.films()[found["row"].to_numpy(int)] == expected).all()


def test_cache_is_keyed_by_content(tmp_path):
    first, second = films_in(tmp_path / "films", 2)
    cache = FilmCache(64, tmp_path / "cache")
    before = cache.add([first, second], progress=False)["row"].tolist()
    (tmp_path / "films" / "copy.png").write_bytes((tmp_path / "films" / "0.png").read_bytes())
    copy = str(tmp_path / "films" / "copy.png")
    write_film(
        tmp_path / "films" / "1.png", np.full((96, 90), 9, np.uint8) + np.arange(90, dtype="u1")
    )
    after = cache.add([first, second, copy], progress=False)["row"].tolist()
    assert after[0] == before[0] == after[2]
    assert after[1] not in before


def test_cache_reports_bad_films_and_goes_on(tmp_path):
    paths = films_in(tmp_path / "films", 3)
    (tmp_path / "films" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    places = FilmCache(64, tmp_path / "cache").add(paths, progress=False)
    assert places["row"].isna().tolist() == [False, True, False]
    assert "damaged" in places["reason"][1]


def test_cache_reports_films_that_may_not_be_opened(tmp_path, monkeypatch):
    paths = films_in(tmp_path / "films", 3)
    read = Path.read_bytes

    def forbid(path):
        if path.name == "1.png":
            raise PermissionError(13, "Permission denied")
        return read(path)

    with monkeypatch.context() as forbidden:  # permissions do not stop root
        forbidden.setattr(Path, "read_bytes", forbid)
        places = FilmCache(64, tmp_path / "cache").add(paths, progress=False)
    assert places["row"].isna().tolist() == [False, True, False]
    assert "may not be opened" in places["reason"][1]
    assert FilmCache(64, tmp_path / "cache").add(paths, progress=False)["row"].notna().all()


def test_no_films_are_no_rows(tmp_path):
    cohort = pd.DataFrame({"image_path": [], "patient_id": [], "died": pd.array([], "boolean")})
    films = Radiographs(cohort, 64, cache=FilmCache(64, tmp_path))
    assert len(films) == 0 and [len(chunk) for chunk in films.chunks()] == [0]
    readable = exclude_unreadable(start_flow(cohort), 64, cache=FilmCache(64, tmp_path))
    assert readable.empty


def test_a_full_disk_is_named_and_repeating_goes_on(tmp_path, monkeypatch):
    paths = films_in(tmp_path / "films", 4)
    cache = FilmCache(64, tmp_path / "cache")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("helpers.cache.os.fsync", full)
        with pytest.raises(CacheError, match=r"No space left on device.*make room"):
            cache.add(paths, progress=False)
    with cache._open() as index:
        pages = index.execute("PRAGMA page_count").fetchone()[0]
    opened = sqlite3.connect

    def small(*arguments, **options):
        connection = opened(*arguments, **options)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    many = films_in(tmp_path / "more", 120)
    with monkeypatch.context() as disk:
        disk.setattr("helpers.cache.sqlite3.connect", small)
        with pytest.raises(CacheError, match=r"disk is full.*make room"):
            cache.add(many, progress=False)
    rows = cache.add(many, progress=False)["row"].to_numpy(int)
    assert (cache.films()[rows[5]] == preprocess(read_radiograph(many[5]), 64)).all()


def test_a_damaged_index_is_named(tmp_path):
    FilmCache(64, tmp_path).add(films_in(tmp_path / "films", 1), progress=False)
    next(tmp_path.glob("*.sqlite")).write_bytes(b"not a database, but long enough for one" * 99)
    with pytest.raises(CacheError, match=r"delete that folder: it is made anew"):
        FilmCache(64, tmp_path)


def test_cache_survives_a_crash_between_pixels_and_index(tmp_path, monkeypatch):
    paths = films_in(tmp_path / "films", 4)
    expected = np.stack([preprocess(read_radiograph(path), 64) for path in paths])

    cache = FilmCache(64, tmp_path / "b")
    cache.add(paths[:1], progress=False)
    with monkeypatch.context() as patch:
        patch.setattr("helpers.cache.os.fsync", lambda _: (_ for _ in ()).throw(OSError("cut")))
        with pytest.raises(OSError, match="cut"):
            cache.add(paths, progress=False)
    again = FilmCache(64, tmp_path / "b")
    rows = again.add(paths, progress=False)["row"].to_numpy(int)
    assert sorted(rows) == [0, 1, 2, 3]
    assert (again.films()[rows] == expected).all()


def test_cache_starts_again_when_its_pixels_were_removed(tmp_path):
    paths = films_in(tmp_path / "films", 3)
    FilmCache(64, tmp_path / "cache").add(paths, progress=False)
    next((tmp_path / "cache").glob("*.u8")).unlink()
    cache = FilmCache(64, tmp_path / "cache")
    rows = cache.add(paths, progress=False)["row"].to_numpy(int)
    expected = np.stack([preprocess(read_radiograph(path), 64) for path in paths])
    assert (cache.films()[rows] == expected).all()


def test_two_writers_share_a_cache(tmp_path):
    paths = films_in(tmp_path / "films", 40)
    halves = [paths[:25], paths[15:]]
    threads = [
        threading.Thread(
            target=lambda part: FilmCache(64, tmp_path / "cache").add(part, progress=False),
            args=(half,),
        )
        for half in halves
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache = FilmCache(64, tmp_path / "cache")
    rows = cache.add(paths, progress=False)["row"].to_numpy(int)
    expected = np.stack([preprocess(read_radiograph(path), 64) for path in paths])
    assert (cache.films()[rows] == expected).all()
