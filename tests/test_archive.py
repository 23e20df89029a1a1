"""SBU from the archive: the offline index, the stand-in store, streaming, clinical checks."""

import contextlib
import errno
import itertools
import logging
import multiprocessing
import os
import re
import shutil
import signal
from collections import namedtuple
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from object_server import BUCKET, ObjectServer
from published import reference, write_dicom

from helpers import archive, dicom, sbu_download
from helpers.clinical import (
    SBU_CLINICAL_FILE,
    ClinicalTableError,
    NotKnownAtAdmission,
    check_predictors,
    check_published,
    predictors,
)
from helpers.cohorts import load_sbu, participant_flow, select_index_films
from helpers.downloads import DownloadError, fetch, main
from helpers.files import DISK_FULL
from helpers.idc import agrees, load_index, read_index, read_stays
from helpers.object_store import ObjectMissing, ObjectStore, StoredObject, StoreError
from helpers.pixels import read_radiograph
from helpers.sbu_download import candidates

DAY = date(1900, 12, 1)
KEY = bytes(range(32))
PICTURE = archive._PICTURE


@pytest.fixture(autouse=True)
def own_key(tmp_path_factory, monkeypatch):
    path = tmp_path_factory.mktemp("settings") / "name.key"
    path.write_text(KEY.hex())
    path.chmod(0o600)
    monkeypatch.setenv("CXR_KEY_FILE", str(path))
    monkeypatch.setattr(archive, "_PICTURE", 1000)


# --- The index of the real collection, from the package ---


@pytest.fixture(scope="module")
def index() -> pd.DataFrame:
    return read_index()


def test_index_is_that_of_the_collection(index):
    assert len(index) == 14_132
    assert index["patient_id"].nunique() == 1_365
    assert index["megabytes"].sum() / 1e3 == pytest.approx(216.19, abs=0.01)
    assert (index["files"] == 1).all()
    assert index["url"].str.startswith("s3://idc-open-data/").all()
    assert (index["megabytes"] * 1e6).round(6).mod(1).eq(0).all()  # whole bytes


def test_selection_on_the_real_index(index):
    chosen = select_index_films(load_index(index))
    flow = participant_flow({"sbu": chosen}).set_index("step")
    assert flow.loc["excluded: not a chest study", "radiographs"] == 487
    assert flow.loc["excluded: lateral view", "radiographs"] == 9
    assert flow.loc["in use", ["radiographs", "patients"]].tolist() == [1365, 1365]
    assert chosen["megabytes"].sum() / 1e3 == pytest.approx(20.7, abs=0.1)
    ap = select_index_films(load_index(index[index["series_description"] == "AP"]))
    assert len(ap) == 1364  # one patient has only a PA film
    assert ap["megabytes"].sum() / 1e3 == pytest.approx(20.6, abs=0.1)
    step = flow["gigabytes"].to_numpy()
    assert step[0] - step[1:-1].sum() == pytest.approx(step[-1])


def small_index(rows: list[dict]) -> pd.DataFrame:
    default = {
        "patient_id": "A000001", "study": "s1", "modality": "CR", "study_date": DAY,
        "study_description": "CHEST AP PORT", "series_description": "AP", "series_number": 1,
        "files": 1, "megabytes": 1.0,
    }  # fmt: skip
    table = pd.DataFrame([{**default, **row} for row in rows])
    table["series"] = [f"1.2.{number}" for number in range(len(table))]
    table["url"] = [f"s3://{BUCKET}/{number}/*" for number in range(len(table))]
    table["study_date"] = pd.to_datetime(table["study_date"])
    table["series_number"] = table["series_number"].astype("Int64")
    return table.astype({"patient_id": "string", "study_description": "string"})


def test_index_rules():
    rows = [
        {"series_number": 2, "study": "a"},
        {"series_number": 1, "study": "a"},
        {"study_description": "KUB", "study": "b", "study_date": DAY - timedelta(9)},
        {"series_description": "LATERAL", "study": "a", "series_number": 0},
        {"study": "before", "study_date": DAY - timedelta(1)},
        {"study": "after", "study_date": DAY + timedelta(5)},
        {"patient_id": "A000002", "study": "c", "study_date": DAY + timedelta(3)},
        {"patient_id": "A000002", "study": "d", "study_date": DAY + timedelta(1)},
    ]
    clinical = pd.DataFrame(
        {
            "to_patient_id": ["A000001", "A000002"],
            "visit_start_datetime": str(DAY),
            "length_of_stay": "4",
        }
    )
    stays = read_stays(clinical)
    chosen = select_index_films(load_index(small_index(rows), stays))
    assert chosen["series"].tolist() == ["1.2.1", "1.2.7"]
    flow = participant_flow({"x": chosen}).set_index("step")["radiographs"]
    assert flow["excluded: higher series number of the same study"] == 1
    assert flow["excluded: before admission or onset"] == 1
    assert flow["excluded: after discharge or death"] == 1
    assert flow["excluded: not the patient's first film"] == 1
    # All films of the stay follow the first choice, should its header show a companion.
    assert candidates(small_index(rows), stays)["series"].tolist() == [
        *("1.2.1", "1.2.0"),
        *("1.2.7", "1.2.6"),
    ]


def test_dates_written_in_two_ways_lose_nobody():
    written = ["1900-12-29 09:15:00", "1901-01-03", "1901-01-04 10:00:00"]
    patients = ["A000001", "A000002", "A000003"]
    clinical = pd.DataFrame({"to_patient_id": patients, "visit_start_datetime": written})
    stays = read_stays(clinical.assign(length_of_stay="4"))
    assert stays["start"].dt.strftime("%m-%d").tolist() == ["12-29", "01-03", "01-04"]


def test_dates_that_were_shifted_apart_are_noticed():
    index = small_index([{"patient_id": f"A{number:06d}"} for number in range(4)])
    clinical = pd.DataFrame({"to_patient_id": index["patient_id"], "length_of_stay": "4"})
    near = read_stays(clinical.assign(visit_start_datetime=str(DAY - timedelta(1))))
    far = read_stays(clinical.assign(visit_start_datetime=str(DAY + timedelta(99))))
    assert agrees(index, near) and not agrees(index, far)


# --- The clinical table ---


def clinical_table() -> pd.DataFrame:
    """A table with the published size and counts."""
    rows = 1384

    def repeat(counts: dict[str, int]) -> np.ndarray:
        return np.repeat(list(counts), list(counts.values()))

    table = pd.DataFrame(
        {
            "to_patient_id": [f"A{number:06d}" for number in range(rows)],
            "covid19_statuses": "positive",
            "last.status": repeat({"discharged": 1201, "deceased": 183}),
            "age.splits": repeat({"[18,59]": 765, "(59,74]": 350, "(74,90]": 269}),
            "gender_concept_name": repeat({"MALE": 760, "FEMALE": 592, "": 32}),
            "visit_start_datetime": str(DAY),
            "visit_concept_name": "Inpatient Visit",
            "is_icu": "False",
            "was_ventilated": "No",
            "length_of_stay": "5",
        }
    )
    others = {f"laboratory {number}": "" for number in range(131 - table.shape[1])}
    return table.assign(**others)


def wrong(column: str, value: object, rows: int = 1) -> pd.DataFrame:
    table = clinical_table()
    table.loc[: rows - 1, column] = value
    return table


BAD_TABLES = {
    "columns: expected 131": lambda: clinical_table().drop(columns="laboratory 3"),
    "columns: expected to_patient_id": lambda: clinical_table().rename(columns={"is_icu": "icu"}),
    "rows: expected 1,384; found 1,383": lambda: clinical_table().iloc[1:],
    "patients: expected A and six digits": lambda: wrong("to_patient_id", "PATRICIA"),
    "patients: expected a row for each": lambda: wrong("to_patient_id", "A000009"),
    "values of last.status": lambda: wrong("last.status", "alive"),
    "counts of last.status: expected discharged 1,201": lambda: wrong("last.status", "deceased"),
    "values of age.splits": lambda: wrong("age.splits", "44"),
    "counts of gender_concept_name.*blank 32": lambda: wrong("gender_concept_name", "FEMALE"),
    "dates: expected a date": lambda: wrong("visit_start_datetime", "soon"),
    "stays: expected a number of days": lambda: wrong("length_of_stay", "-1"),
}


@pytest.mark.parametrize("message", BAD_TABLES)
def test_clinical_table_names_the_failed_check(message, tmp_path):
    path = tmp_path / SBU_CLINICAL_FILE
    BAD_TABLES[message]().to_csv(path, index=False)
    with pytest.raises(ClinicalTableError, match=message) as caught:
        check_published(path)
    assert "TCIA.BBAG-2923" in str(caught.value)
    assert "PATRICIA" not in str(caught.value)


def test_clinical_table_as_published_passes(tmp_path):
    path = tmp_path / SBU_CLINICAL_FILE
    clinical_table().to_csv(path, index=False)
    assert check_published(path).shape == (1384, 131)
    path.write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(ClinicalTableError, match="check of its"):
        check_published(path)


def test_clinical_table_that_was_cut_off_is_refused_before_anything_is_fetched(tmp_path):
    path = tmp_path / SBU_CLINICAL_FILE
    clinical_table().to_csv(path, index=False)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rstrip().rindex(b"5") + 1])  # the last row ends in its stay
    with pytest.raises(ClinicalTableError, match=r"check of its format.*shorter than its header"):
        check_published(path)
    path.write_bytes(whole + whole.splitlines()[-1] + b",one more field\n")
    with pytest.raises(ClinicalTableError, match=r"check of its format.*saw 132"):
        check_published(path)


def test_predictors_known_later_are_refused_with_the_reason():
    columns = pd.Index(["is_icu", "last.status", "htn_v", "2160-0_Creatinine"])
    check_predictors(["htn_v"], columns)
    for name, reason in {
        "is_icu": "intensive care comes after admission",
        "last.status": "the outcome itself",
        "length_of_stay": "complete only when",
        "kidney_replacement_therapy": "getting worse",
        "to_patient_id": "names the patient",
        "2160-0_Creatinine": "does not say when it was measured",
        "no such": "no such column",
        "fever_v": "does not have it",
    }.items():
        with pytest.raises(NotKnownAtAdmission, match=reason):
            check_predictors([name], columns)


def test_blank_sex_is_no_feature_and_drops_no_row():
    people = pd.DataFrame(
        {
            "patient_id": [f"A{number:06d}" for number in range(900)],
            "sex": ["M"] * 400 + ["F"] * 200 + [pd.NA] * 300,
            "age": 38.5,
        }
    )
    table = predictors(people, ["gender_concept_name", "age.splits"])
    assert len(table) == 900
    assert set(table["male"]) == {0.0, 1.0}  # no third value, no indicator
    assert table["male"][:600].tolist() == [1.0] * 400 + [0.0] * 200
    assert table["male"][600:].mean() == pytest.approx(2 / 3, abs=0.1)
    twice = predictors(pd.concat([people, people], ignore_index=True), ["gender_concept_name"])
    assert twice["male"][:900].tolist() == twice["male"][900:].tolist() == table["male"].tolist()


# --- The store ---


@pytest.fixture
def server():
    server = ObjectServer({})
    yield server
    server.close()


def store_of(server: ObjectServer) -> ObjectStore:
    return ObjectStore(server.url, wait=0.01)


def test_store_lists_and_fetches(server, tmp_path):
    server.files = {"a/one.dcm": b"1" * 3_000_000, "ab/other.dcm": b"2"}
    (file,) = store_of(server).find(f"s3://{BUCKET}/a/*")
    assert (file.key, file.size) == ("a/one.dcm", 3_000_000)
    store_of(server).download(file, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == server.files["a/one.dcm"]
    with pytest.raises(ObjectMissing):
        store_of(server).find(f"s3://{BUCKET}/none/*")
    with pytest.raises(ValueError, match="expected an address"):
        store_of(server).find("https://elsewhere")


@pytest.mark.parametrize("kind", ["cut", "flip", 503])
def test_store_tries_again(server, tmp_path, kind):
    server.files = {"a/one.dcm": bytes(range(256)) * 100}
    server.fault = lambda key, number: kind if number < 3 else None
    store = store_of(server)
    (file,) = store.find(f"s3://{BUCKET}/a/*")
    store.download(file, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == server.files["a/one.dcm"]
    assert len(server.requests) == 3


@pytest.mark.parametrize("code", DISK_FULL)
def test_a_full_disk_is_no_damaged_transfer(server, tmp_path, monkeypatch, code):
    server.files = {"a/one.dcm": bytes(range(256))}
    store, attempts = store_of(server), []
    (file,) = store.find(f"s3://{BUCKET}/a/*")

    def full(*_):
        attempts.append(code)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(store, "_attempt", full)
    with pytest.raises(OSError, match=re.escape(os.strerror(code))):
        store.download(file, tmp_path / "x")
    assert attempts == [code] and errno.ENOSPC in DISK_FULL


@pytest.mark.parametrize(
    ("kind", "message"), [("cut", "did not come whole"), ("flip", "MD5"), (503, "503")]
)
def test_store_gives_up(server, tmp_path, kind, message):
    server.files = {"a/one.dcm": bytes(range(256)) * 100}
    server.fault = lambda key, number: kind
    store = store_of(server)
    (file,) = store.find(f"s3://{BUCKET}/a/*")
    with pytest.raises(StoreError, match=message):
        store.download(file, tmp_path / "x")
    with pytest.raises(StoreError, match="cannot be reached"):
        ObjectStore("http://127.0.0.1:9", wait=0).find(f"s3://{BUCKET}/a/*")
    with pytest.raises(ObjectMissing):
        store.download(StoredObject(BUCKET, "gone", 3, None), tmp_path / "x")


# --- From the store to pictures ---


@pytest.fixture
def collection(server, tmp_path, monkeypatch):
    """Stand in for the whole: 30 patients in the store, the clinical table in the folder.

    Patient 0 has a companion with the lower number, patient 1 a lateral that the index takes for
    AP, patient 2 a film with burned-in text and nothing else, patient 3 a file that is no film.
    """
    rows, paths = [], []
    rng = np.random.default_rng(5)

    def add(patient: int, study: str, index: dict | None = None, **elements) -> None:
        number = str(patient)
        day = elements.pop("day", 1)
        row = {"patient_id": f"A{patient:06d}", "study": f"1.9.{number}.{study}"}
        row |= {"study_date": DAY + timedelta(day)} | (index or {})
        path = tmp_path / "source" / f"{len(paths)}.dcm"
        pixels = rng.integers(0, 4096, (96, 96), dtype=np.uint16)
        values = {
            "PatientID": row["patient_id"],
            "StudyInstanceUID": row["study"],
            "SeriesInstanceUID": f"1.2.{len(paths)}",
            "StudyDate": row["study_date"].strftime("%Y%m%d"),
            "SeriesNumber": row.get("series_number", 1),
            "PixelData": pixels.tobytes(),
        }
        write_dicom(path, **{**values, **elements})
        rows.append(row)
        paths.append(path)

    add(0, "1", ReferencedImageSequence=reference())
    add(0, "1", {"series_number": 2})
    add(1, "1", ViewPosition="LATERAL")
    add(1, "2", day=2)
    add(2, "1", BurnedInAnnotation="YES")
    add(3, "1")
    paths[-1].write_bytes(b"no DICOM" * 99)
    for patient in range(4, 30):
        add(patient, "1")
        add(patient, "2", day=3)
    add(4, "3", {"study_description": "KUB"}, StudyDescription="KUB", day=0)
    index = small_index(rows)
    server.files = {f"{number}/x.dcm": path.read_bytes() for number, path in enumerate(paths)}
    index["megabytes"] = [len(data) / 1e6 for data in server.files.values()]
    monkeypatch.setattr(sbu_download, "read_index", lambda: index)
    monkeypatch.setattr(sbu_download, "ObjectStore", lambda url: ObjectStore(url, wait=0.01))
    root = tmp_path / "real"
    (root / "sbu").mkdir(parents=True)
    clinical_table().to_csv(root / "sbu" / SBU_CLINICAL_FILE, index=False)
    shutil.rmtree(tmp_path / "source")
    return root


def get(root: Path, server: ObjectServer, **options) -> Path:
    return fetch("sbu", root, url=server.url, progress=False, **options)


def make_batches_small(monkeypatch, server: ObjectServer) -> int:
    """Let a batch hold four films; return the bytes of the largest one."""
    film = max(map(len, server.files.values()))
    original = archive.Conversion.__init__
    monkeypatch.setattr(
        archive.Conversion,
        "__init__",
        lambda self, *a, **k: original(self, *a, **{**k, "batch": 4 * film}),
    )
    return film


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_index_films_arrive_as_pictures(collection, server, capsys):
    folder = fetch("sbu", collection, url=server.url)
    # A first choice that its header belies is followed by the patient's next film, no more.
    assert len(server.requests) == 2 + 2 + 1 + 1 + 26
    cohort = load_sbu(folder)
    index = select_index_films(cohort)
    assert len(index) == 28
    flow = participant_flow({"sbu": index}).set_index("step")["radiographs"]
    assert flow["published"] == 32
    assert flow["excluded: in quarantine"] == 1
    assert flow["excluded: no readable film"] == 1
    assert flow["excluded: lateral view"] == 1
    assert flow["excluded: enhanced companion of another film"] == 1
    assert sorted(index["day"]) == [1] * 27 + [2]
    assert index["died"].notna().all() and index["age"].notna().all()
    assert all(read_radiograph(path).shape == (96, 96) for path in index["image_path"])
    assert not any(name.startswith("A0") for name in index["patient_id"])
    shown = capsys.readouterr().err
    assert "30 patients" in shown and "B/s" in shown and "films" in shown
    left = {path.name for path in folder.iterdir()}
    assert left == {SBU_CLINICAL_FILE, "films", "manifest.csv", ".rows", ".settings.json"}


def test_all_films(collection, server):
    folder = get(collection, server, every=True)
    table = pd.read_csv(folder / "manifest.csv")
    assert len(table) == 6 + 52 + 1
    assert table["status"].value_counts().to_dict() == {
        "converted": 57,
        "quarantined": 1,
        "refused": 1,
    }
    assert len(select_index_films(load_sbu(folder))) == 28


def test_index_films_first_then_all_gives_the_same_as_all(collection, server, tmp_path):
    get(collection, server)
    before = len(server.requests)
    both = contents(get(collection, server, every=True))
    assert len(server.requests) - before == 59 - before  # nothing twice
    (tmp_path / "again" / "sbu").mkdir(parents=True)
    shutil.copy(collection / "sbu" / SBU_CLINICAL_FILE, tmp_path / "again" / "sbu")
    assert both == contents(get(tmp_path / "again", server, every=True))


def test_done_is_done(collection, server):
    folder = get(collection, server)
    before, done = contents(folder), len(server.requests)
    assert contents(get(collection, server)) == before
    assert len(server.requests) == done


def test_disk_holds_two_batches_at_most(collection, server, monkeypatch):
    sizes = []
    incoming = collection / "sbu" / ".incoming"
    film = make_batches_small(monkeypatch, server)

    def watch() -> None:
        with contextlib.suppress(FileNotFoundError):  # deleted between listing and looking
            sizes.append(sum(path.stat().st_size for path in incoming.rglob("0*")))

    server.watch = watch
    get(collection, server, every=True)
    assert len(sizes) > 100
    assert 3 * film < max(sizes) <= 3 * 5 * film  # one more while the oldest is being deleted
    assert not incoming.exists()


def test_room_for_all_pictures_is_asked_for_before_the_start(monkeypatch):
    """The DICOM files that pass through stay below 2 GB; the pictures are counted on top."""
    monkeypatch.setattr(archive, "_PICTURE", PICTURE)
    assert archive.working_bytes() < 2e9
    assert archive.picture_bytes(14_132) > 10e9
    assert archive.picture_bytes(1_364) + archive.working_bytes() < 2e9
    assert archive.picture_bytes(100, 512) == archive.picture_bytes(100) / 4


def test_estimate_is_said_before_the_start(collection, server, caplog):
    caplog.set_level(logging.INFO)
    get(collection, server, every=True)
    said = next(text for text in caplog.messages if "will take about" in text)
    pictures = archive.picture_bytes(59) / 1e6
    assert said.startswith(f"59 pictures of up to 1,024 pixels will take about {pictures:,.0f} MB")
    assert f"at most {archive.working_bytes() / 1e6:,.0f} MB at a time" in said


def test_pictures_larger_than_estimated_do_not_fill_the_disk(
    collection, server, monkeypatch, tmp_path
):
    make_batches_small(monkeypatch, server)
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        answers = iter([10**12])  # enough at the start; then somebody fills the disk
        patch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, next(answers, 100)))
        with pytest.raises(DownloadError, match=r"films left, found 0 MB. What is done is kept"):
            get(collection, server, every=True)
    (tmp_path / "again" / "sbu").mkdir(parents=True)
    shutil.copy(collection / "sbu" / SBU_CLINICAL_FILE, tmp_path / "again" / "sbu")
    undisturbed = contents(get(tmp_path / "again", server, every=True))
    assert contents(get(collection, server, every=True)) == undisturbed


def test_a_full_disk_replaces_no_film_and_is_mended_by_repeating(
    collection, server, monkeypatch, tmp_path
):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("helpers.dicom._write_whole", full)
        with pytest.raises(DownloadError, match=r"could not be read or written.*No space left"):
            get(collection, server)
    assert not list((collection / "sbu" / "films").glob("*.png"))
    (tmp_path / "again" / "sbu").mkdir(parents=True)
    shutil.copy(collection / "sbu" / SBU_CLINICAL_FILE, tmp_path / "again" / "sbu")
    undisturbed = contents(get(tmp_path / "again", server))
    assert contents(get(collection, server)) == undisturbed


def test_a_film_that_always_fails_is_refused_and_the_next_one_taken(
    collection, server, monkeypatch
):
    """Unlike a full disk, that does not pass."""
    convert, failed = archive.deidentify_film, []

    def fail_once_a_run(path, *rest):
        if failed and failed[0] != Path(path).read_bytes():
            return convert(path, *rest)
        failed.append(Path(path).read_bytes())
        return archive.film_lost()

    monkeypatch.setattr(archive, "deidentify_film", fail_once_a_run)
    table = pd.read_csv(get(collection, server) / "manifest.csv")
    assert failed and table["reason"].str.contains("ended the process", na=False).sum() == 1


@pytest.mark.parametrize("left", [0, 99])
def test_a_picture_that_cannot_be_read_again_is_not_taken_for_done(
    collection, server, monkeypatch, tmp_path, left
):
    whole = dicom._write_whole
    with monkeypatch.context() as patch:
        patch.setattr(
            dicom, "_write_whole", lambda png, parts, data: whole(png, parts, data[:left])
        )
        with pytest.raises(DownloadError, match="cannot be read again"):
            get(collection, server)
    (tmp_path / "again" / "sbu").mkdir(parents=True)
    shutil.copy(collection / "sbu" / SBU_CLINICAL_FILE, tmp_path / "again" / "sbu")
    undisturbed = contents(get(tmp_path / "again", server))
    assert contents(get(collection, server)) == undisturbed


def test_broken_transfers_end_the_same(collection, server, tmp_path):
    kinds = itertools.cycle(["cut", "flip", 503])
    server.fault = lambda key, number: next(kinds) if number == 1 else None
    disturbed = contents(get(collection, server))
    server.fault = lambda key, number: None
    (tmp_path / "again" / "sbu").mkdir(parents=True)
    shutil.copy(collection / "sbu" / SBU_CLINICAL_FILE, tmp_path / "again" / "sbu")
    assert disturbed == contents(get(tmp_path / "again", server))


def test_same_bytes_from_processes(collection, server, tmp_path):
    serial = contents(get(collection, server))
    (tmp_path / "again" / "sbu").mkdir(parents=True)
    shutil.copy(collection / "sbu" / SBU_CLINICAL_FILE, tmp_path / "again" / "sbu")
    assert serial == contents(get(tmp_path / "again", server, processes=2))


def test_failures_say_what_to_do(collection, server, monkeypatch):
    folder = collection / "sbu"
    with pytest.raises(DownloadError, match=r"cannot be reached.*repeat the command"):
        fetch("sbu", collection, url="http://127.0.0.1:9", progress=False)
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
        with pytest.raises(DownloadError, match=r"Expected \d+ MB of free disk, found 0 MB"):
            get(collection, server)
    assert server.requests == []  # not one byte was fetched
    key = next(iter(server.files))
    data = server.files.pop(key)
    with pytest.raises(DownloadError, match="lacks 1 series"):
        get(collection, server)
    server.files[key] = data + b"0"
    with pytest.raises(DownloadError, match="The index says"):
        get(collection, server)
    server.files[key] = data
    get(collection, server)  # all others are kept
    with pytest.raises(DownloadError, match="made with another size"):
        get(collection, server, size=64)
    (folder / SBU_CLINICAL_FILE).write_text("to_patient_id\n")
    with pytest.raises(DownloadError, match="fails the check of its columns"):
        get(collection, server)


def test_another_key_is_noticed(collection, server, monkeypatch, tmp_path):
    get(collection, server)
    other = tmp_path / "other.key"
    other.write_text("ab" * 32)
    other.chmod(0o600)
    monkeypatch.setenv("CXR_KEY_FILE", str(other))
    with pytest.raises(DownloadError, match="another key"):
        get(collection, server)


def test_pictures_of_another_version_are_noticed(collection, server, monkeypatch):
    get(collection, server)
    monkeypatch.setattr("helpers.archive.CONVERSION", 0)
    with pytest.raises(DownloadError, match="another conversion"):
        get(collection, server)


def test_films_brought_as_dicom_stay(collection, server):
    write_dicom(collection / "sbu" / "mine.dcm")
    before = contents(collection)
    get(collection, server)
    assert contents(collection / "sbu") == {
        name.removeprefix("sbu/"): data for name, data in before.items()
    }
    assert server.requests == []


def test_command_line(collection, server, caplog):
    caplog.set_level(logging.INFO)
    with pytest.raises(SystemExit) as caught:
        main(["sbu", "--root", str(collection), "--url", server.url, "--all", "--size", "64"])
    assert caught.value.code == 0
    assert "57 converted" in caplog.text
    assert "A0000" not in caplog.text
    for wrong_size in (["sbu", "--size", "0"], ["sbu", "--processes", "0"]):
        with pytest.raises(SystemExit) as caught:
            main(wrong_size)
        assert caught.value.code == 2


def _child(root: str, url: str) -> None:
    """Run in a fork, with all that the test has replaced."""
    fetch("sbu", root, url=url, progress=False, every=True)


@pytest.mark.skipif(os.name != "posix", reason="forks a process and kills it")
def test_killed_at_any_moment_ends_the_same(collection, server, tmp_path, monkeypatch):
    undisturbed = tmp_path / "undisturbed" / "sbu"
    undisturbed.mkdir(parents=True)
    shutil.copy(collection / "sbu" / SBU_CLINICAL_FILE, undisturbed)
    expected = contents(get(undisturbed.parent, server, every=True))
    make_batches_small(monkeypatch, server)
    context = multiprocessing.get_context("fork")
    rng = np.random.default_rng(8)
    kills = 0
    for _ in range(8):
        run = context.Process(target=_child, args=(str(collection), server.url))
        run.start()
        run.join(float(rng.uniform(0.05, 0.5)))
        if run.is_alive():
            os.kill(run.pid, signal.SIGKILL)
            kills += 1
        run.join()
    assert kills
    assert contents(get(collection, server, every=True)) == expected
