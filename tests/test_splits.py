"""Splits by patient, and copies of films found by their picture."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from helpers import duplicates
from helpers.duplicates import find_duplicates, load_duplicates
from helpers.paths import PROJECT
from helpers.patient_groups import group_patients
from helpers.pixels import read_radiograph
from helpers.splits import (
    PARTS,
    check_disjoint,
    exclude_shared_patients,
    load_split,
    save_split,
    split_patients,
)
from phantoms.causes import Patient
from phantoms.film import render


def make_cohort(site="sbu", died=20, survived=80, unknown=50, films=3):
    outcomes = [True] * died + [False] * survived + [pd.NA] * unknown
    rows = [
        (f"P{i:04d}", site, f"{site}/{i}-{film}.png", outcome)
        for i, outcome in enumerate(outcomes)
        for film in range(1 + i % films)
    ]
    table = pd.DataFrame(rows, columns=["patient_id", "site", "image_path", "died"])
    return table.astype({"died": "boolean", "patient_id": "string", "image_path": "string"})


@pytest.mark.parametrize("module", ["splits", "duplicates", "outlined", "cohorts"])
def test_finding_copies_and_splitting_need_no_network(module):
    script = f"import sys, helpers.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False).returncode == 0


def parts_of(cohort):
    return cohort.groupby(["site", "patient_id"])["part"].first().astype(str)


def cohort_outcomes(cohort, paths):
    told = cohort.set_index("image_path")["died"].map({True: "died", False: "survived"})
    return told.fillna("unknown")[paths].tolist()


def pair(path_a, path_b):
    return pd.DataFrame({"path_a": [path_a], "path_b": [path_b]})


def test_every_patient_is_in_one_part_and_every_stratum_is_shared_out():
    cohort = pd.concat([make_cohort("ieee8023", died=12), make_cohort("sbu")])
    split = split_patients(cohort, seed=1)
    assert list(split["part"].cat.categories) == PARTS
    assert split.groupby(["site", "patient_id"])["part"].nunique().eq(1).all()
    patients = split.drop_duplicates(["site", "patient_id"])
    for _, stratum in patients.groupby(["site", "died"], dropna=False):
        shares = stratum["part"].value_counts(normalize=True)
        for part, size in {"train": 0.6, "validation": 0.2, "test": 0.2}.items():
            assert abs(shares[part] - size) <= 1 / len(stratum)
    check_disjoint(split)


def test_the_split_depends_on_seed_but_not_on_row_order():
    cohort = make_cohort()
    split = parts_of(split_patients(cohort, seed=3))
    shuffled = cohort.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(split, parts_of(split_patients(shuffled, seed=3)))
    assert (split != parts_of(split_patients(cohort, seed=4))).mean() > 0.2


def test_the_cohort_is_returned_in_its_order_and_left_alone():
    cohort = make_cohort().sample(frac=1, random_state=0)
    split = split_patients(cohort)
    assert "part" not in cohort
    pd.testing.assert_frame_equal(split.drop(columns="part"), cohort)


@pytest.mark.parametrize("died", [3, 4, 5, 6])
def test_with_few_deaths_every_part_still_gets_one(died):
    split = split_patients(make_cohort(died=died), seed=0)
    assert set(split.loc[split["died"].fillna(False), "part"]) == set(PARTS)


@pytest.mark.parametrize("died", [0, 2])
def test_too_few_deaths_are_refused(died):
    with pytest.raises(ValueError, match=f"Of sbu, {died} patients died and 80 survived: too few"):
        split_patients(make_cohort(died=died))


def test_a_cohort_without_outcomes_can_be_split():
    split = split_patients(make_cohort(died=0, survived=0), seed=0)
    assert split["part"].value_counts().min() > 0


@pytest.mark.parametrize(
    "sizes",
    [{}, {"train": 0.5, "test": 0.4}, {"train": 1.2, "test": -0.2}, {"train": 0.5, "exam": 0.5}],
)
def test_sizes_that_are_no_shares_are_refused(sizes):
    with pytest.raises(ValueError, match="Expected"):
        split_patients(make_cohort(), sizes=sizes)


def test_patients_who_share_a_film_stay_together():
    cohort = pd.concat([make_cohort("ieee8023"), make_cohort("sbu")])
    plain = parts_of(split_patients(cohort, seed=0))
    torn = next(
        (f"ieee8023/{i}-0.png", f"sbu/{j}-0.png")
        for i in range(20)
        for j in range(20)
        if plain["ieee8023", f"P{i:04d}"] != plain["sbu", f"P{j:04d}"]
    )
    duplicates = pair(*torn)
    with pytest.raises(ValueError, match=r"1 pairs of copies .* of 2 patients: ieee8023 P"):
        check_disjoint(split_patients(cohort, seed=0), duplicates)
    check_disjoint(split_patients(cohort, seed=0, duplicates=duplicates), duplicates)


def test_a_group_counts_as_its_gravest_outcome():
    cohort = make_cohort(died=1, survived=1, unknown=1, films=1)
    names = cohort["image_path"].tolist()
    for linked, outcome in ((names[:2], "died"), (names[1:], "survived"), (names[::2], "died")):
        groups = group_patients(cohort, pair(*linked))
        alone = {"died", "survived", "unknown"} - set(cohort_outcomes(cohort, linked))
        assert sorted(groups["outcome"]) == sorted([outcome, *alone])


def test_check_disjoint_names_patients_in_two_parts():
    split = split_patients(make_cohort())
    first = split["patient_id"].eq("P0002")
    split.loc[first, "part"] = ["train", "test", "train"]
    with pytest.raises(ValueError, match="1 patients are in more than one part: sbu P0002"):
        check_disjoint(split)


def test_a_stored_split_comes_back(tmp_path):
    split = split_patients(make_cohort(), seed=5)
    path = save_split(split, tmp_path / "split.csv")
    again = load_split(path, split.drop(columns="part").sample(frac=1, random_state=0))
    pd.testing.assert_series_equal(parts_of(again), parts_of(split))
    assert [entry.name for entry in tmp_path.iterdir()] == ["split.csv"]
    part_only = load_split(path, make_cohort().head(7))
    assert len(part_only) == 7


def test_an_altered_split_is_refused(tmp_path):
    path = save_split(split_patients(make_cohort()), tmp_path / "split.csv")
    path.write_text(path.read_text().replace("train", "test", 1))
    with pytest.raises(ValueError, match=r"split\.csv is not as save_split wrote it"):
        load_split(path, make_cohort())


def test_a_split_of_other_patients_is_refused(tmp_path):
    path = save_split(split_patients(make_cohort()), tmp_path / "split.csv")
    with pytest.raises(ValueError, match="does not know 100 patients"):
        load_split(path, make_cohort(died=0, survived=50, unknown=50, site="hannover"))


def test_a_stored_split_knows_any_number(tmp_path):
    split = split_patients(make_cohort(), seed=5)
    odd = {"P0000": "a,b", "P0001": 'c"d', "P0002": "NA", "P0003": "e\u2028f"}
    split["patient_id"] = split["patient_id"].replace(odd)
    again = load_split(save_split(split, tmp_path / "split.csv"), split.drop(columns="part"))
    pd.testing.assert_series_equal(parts_of(again), parts_of(split))


def test_films_of_nobody_cannot_be_split():
    cohort = make_cohort()
    cohort.loc[3, "patient_id"] = pd.NA
    with pytest.raises(ValueError, match=r"1 of .* rows have no patient_id"):
        split_patients(cohort)
    with pytest.raises(ValueError, match=r"1 of .* rows have no patient_id"):
        check_disjoint(cohort.assign(part="train"))


def test_all_films_of_a_shared_patient_leave_the_external_test():
    here, there = make_cohort("hannover"), make_cohort("ieee8023")
    here.attrs["flow"] = (("published", len(here), here["patient_id"].nunique()),)
    duplicates = pair("ieee8023/5-0.png", "hannover/2-1.png")
    kept = exclude_shared_patients(here, duplicates, there)
    assert set(here["patient_id"]) - set(kept["patient_id"]) == {"P0002"}
    assert kept.attrs["flow"][-1][1:] == (3, 1)
    elsewhere = pair("other/5-0.png", "other/2-1.png")
    with pytest.raises(ValueError, match="made for data in another place"):
        exclude_shared_patients(here, elsewhere, there)


def test_copies_that_are_not_where_they_were_guard_nothing(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    table = tmp_path / "duplicates.csv"
    pair(str(tmp_path / "a.png"), str(tmp_path / "b.png")).to_csv(table, index=False)
    assert len(load_duplicates(table)) == 1
    (tmp_path / "b.png").unlink()
    with pytest.raises(ValueError, match=r"1 of the 2 files .* Run notebook 01 again"):
        load_duplicates(table)


def serial_films():
    """Five films of one patient: the same skeleton, other exposures, lesions growing."""
    for day in range(5):
        patient = Patient(
            sex="F",
            age=61,
            habitus=0.3,
            heart=0.5,
            view="AP",
            opacity=0.1 + 0.08 * day,
            density=0.5,
            laterality=0.5,
            devices=frozenset(),
            site="hannover",
            portable=False,
            inspiration=0.4 * (day - 2),
            rotation=2.0 * (day - 2),
            anatomy_seed=7,
            film_seed=day,
        )
        yield (render(patient, size=512).pixels * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """The serial films of one patient, and copies of the third."""
    folder = tmp_path_factory.mktemp("films")
    serial = list(serial_films())
    for day, picture in enumerate(serial):
        cv2.imwrite(str(folder / f"day{day}.png"), picture)
    source = serial[2]
    height, width = source.shape
    side, top, left = min(height, width), max(0, height - width), max(0, width - height)
    square = source[top // 2 : top // 2 + side, left // 2 : left // 2 + side]
    off_centre = source[8 : 8 + side - 12, 4 : 4 + side - 12]
    copies = {
        "small": cv2.resize(source, (width // 2, height // 2), interpolation=cv2.INTER_AREA),
        "square": square,
        "off-centre": off_centre,
        "brighter": (255 * (source / 255.0) ** 0.8).astype(np.uint8),
    }
    for name, copy in copies.items():
        cv2.imwrite(str(folder / f"copy-{name}.png"), copy)
    cv2.imwrite(str(folder / "copy-jpeg.jpg"), source, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return sorted(folder.iterdir())


def test_copies_are_found_and_similar_films_are_not(films):
    found = find_duplicates(films)
    stems = {frozenset((Path(a).stem, Path(b).stem)) for a, b in found.iloc[:, :2].to_numpy()}
    copies = {path.stem for path in films if path.stem.startswith("copy")}
    assert {frozenset((copy, "day2")) for copy in copies} <= stems
    assert all(pair <= copies | {"day2"} for pair in stems), "serial films are no copies"
    assert found["distance"].between(0, 16).all()
    assert found["correlation"].is_monotonic_decreasing


def test_unreadable_files_are_named_and_the_rest_is_compared(films, tmp_path, monkeypatch):
    broken, closed = tmp_path / "broken.png", tmp_path / "closed.png"
    broken.write_bytes(b"no picture")

    def read(path):
        if path == str(closed):  # the tests' user may open every file
            raise PermissionError(13, "Permission denied")
        return read_radiograph(path)

    monkeypatch.setattr(duplicates, "read_radiograph", read)
    with pytest.warns(UserWarning, match=r"2 of \d+ files cannot be read"):
        found = find_duplicates([broken, *films, closed])
    assert [path for path, _ in found.attrs["unreadable"]] == [str(broken), str(closed)]
    assert len(found) == len(find_duplicates(films))


def test_a_path_given_twice_is_refused(films):
    with pytest.raises(ValueError, match="1 are repeated"):
        find_duplicates([films[0], films[0]])


def test_no_films_give_an_empty_table():
    found = find_duplicates([])
    assert list(found.columns) == ["path_a", "path_b", "distance", "correlation"]
    assert found.empty
