"""Damaged DICOM files: a few of the ten thousand of `benchmarks.dicom_mutations`."""

import sys

import numpy as np
import pytest

from benchmarks.dicom_mutations import DAMAGES, mutated, run, sources
from benchmarks.watched import PATIENCE

FILES = 20 * len(DAMAGES)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux counts it")
def test_damaged_files_become_rows_or_pictures():
    findings = list(run(FILES, seed=1))
    assert len(findings) == FILES
    assert [each for each in findings if each.outcome not in ("reason", "picture")] == []
    assert {each.outcome for each in findings} == {"reason", "picture"}
    assert max(each.seconds for each in findings) < PATIENCE
    assert max(each.megabytes for each in findings) < 1000


def test_damage_can_be_made_again():
    for number in range(len(DAMAGES)):
        assert mutated(number, seed=3) == mutated(number, seed=3)
    assert len({mutated(number)[1] for number in range(30)}) == 30


def test_every_damage_damages():
    rng = np.random.default_rng(0)
    whole = sources()[0]
    for damage in DAMAGES:
        assert any(damage(whole, rng) != whole for _ in range(3))
