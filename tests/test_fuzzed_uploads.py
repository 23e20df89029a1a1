"""Fuzzed uploads: a few of the ten thousand of `benchmarks.fuzzed_uploads`."""

import sys
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread

from benchmarks import dicom_mutations
from benchmarks.bombs import BOMBS
from benchmarks.fuzzed_files import (
    WAYS,
    dicom_films,
    fuzzed,
    pictures,
    png_chunk,
    png_chunks,
)
from benchmarks.fuzzed_uploads import MOST_MEGABYTES, MOST_SECONDS, SOUND, is_sentence, run, table
from benchmarks.watched import Finding, Worked, watch
from helpers.pixels import read_radiograph

FILES = 300


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return list(run(FILES, seed=1))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux counts it")
def test_each_upload_gets_an_answer_or_a_sentence_soon_and_in_little_memory(findings):
    assert [each for each in findings if each.outcome not in SOUND] == []
    assert len(findings) == FILES
    assert {each.outcome for each in findings} == set(SOUND)
    assert max(each.seconds for each in findings) < MOST_SECONDS
    assert max(each.megabytes for each in findings) < MOST_MEGABYTES


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux counts it")
def test_the_table_counts_every_upload(findings):
    counted = table(findings)
    assert counted["files"].sum() == FILES and (counted["files"] > 0).all()
    assert (counted["an analysis"] + counted["a sentence"]).sum() == FILES


def test_uploads_can_be_made_again_and_differ():
    made, again = ([fuzzed(number, seed=5) for number in range(100)] for _ in range(2))
    assert made == again
    assert {way for way, _ in made} == set(WAYS)
    assert len({data for _, data in made}) > 80


def test_the_films_that_are_damaged_are_sound_and_large_enough():
    sound = [*dicom_films(), *pictures()["JPEG"], *pictures()["PNG"][:-1]]  # the last is animated
    assert all(min(read_radiograph(data).shape) >= 64 for data in sound)


def test_greys_are_misstated_where_they_can_be_written(monkeypatch):
    def refuse(*_):
        raise AssertionError("bytes were flipped instead")

    monkeypatch.setattr(dicom_mutations, "flip", refuse)
    films = [dicom_films()[number % len(dicom_films())] for number in range(60)]
    wrong = [
        dicom_mutations.misstate_greys(film, np.random.default_rng(number))
        for number, film in enumerate(films)
    ]
    # A depth may be drawn that the film has already; the pixels stay as they are in every file.
    assert sum(one != film for one, film in zip(wrong, films, strict=True)) > 50
    for one, film in zip(wrong, films, strict=True):
        assert dcmread(BytesIO(one)).PixelData == dcmread(BytesIO(film)).PixelData


def test_bombs_are_small_files():
    assert all(len(make()) < 30_000_000 for make in BOMBS)


def test_a_picture_taken_apart_can_be_put_together():
    whole = pictures()["PNG"][0]
    chunks = png_chunks(whole)
    assert chunks[0][0] == b"IHDR" and chunks[-1] == (b"IEND", b"")
    assert whole[:8] + b"".join(png_chunk(*chunk) for chunk in chunks) == whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The file is empty (0 bytes). Choose the original file again.", True),
        ("The picture is damaged (<_io.BytesIO object at 0x7f5e2c1a90>).", False),
        ("image file is truncated", False),
        ("", False),
    ],
)
def test_what_a_sentence_is(text, expected):
    assert is_sentence(text) is expected


def _dying(first: int, last: int):
    import os
    import time

    yield "ready"
    for number in range(first, last):
        yield "any"
        if number == 1:
            os._exit(1)
        if number == 2:
            time.sleep(60)
        yield Worked("any", "done", 0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux counts it")
def test_a_crash_and_a_hang_are_noticed_and_the_rest_is_done():
    found = list(watch(_dying, 4, patience=1.0))
    assert [each.outcome for each in found] == ["done", "crash", "hang", "done"]
