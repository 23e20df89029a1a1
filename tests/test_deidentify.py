"""No identifier in any output: markers planted in every text element of 500 films, and searched."""

import base64
import json
import logging
import os
import stat
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from datetime import date
from io import BytesIO
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_films import make_film, ramp
from markers import MARKER, PLANTED, SEARCHED, find_markers, text_elements
from nbclient import NotebookClient
from published import reference, write_dicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from helpers.deidentify import MANIFEST_TYPES, deidentify
from helpers.dicom import describe_header
from helpers.dicom_silence import quiet
from helpers.keys import NoKey, key_id, keyed_name, load_key
from helpers.quarantine import quarantine_reason, whose_and_when
from helpers.review import TILE, review_sheet, write_review

KEY = bytes(range(32))
PROJECT = Path(__file__).resolve().parents[1]

FILMS = 500


def part_of(elements: list[int], number: int) -> list[int]:
    """The elements that go into one film; a tenth of the films keep what describes pixels."""
    place = number // 10 * 9 + number % 10 - 1
    return elements[place % 90 :: 90] if number % 10 else []


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """Films of 8 × 8 pixels, each with a part of all text elements, some in every film."""
    folder = tmp_path_factory.mktemp(f"{MARKER}^PATIENT")
    base = write_dicom(
        folder / "base.dcm", Rows=8, Columns=8, PixelData=bytes(range(128)), BurnedInAnnotation="NO"
    )
    whole = pydicom.dcmread(base)
    base.unlink()
    elements = text_elements()
    always = [
        *["PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "InstitutionName"],
        *["ReferringPhysicianName", "StudyDescription", "SeriesDescription", "StudyInstanceUID"],
        *[
            "SeriesInstanceUID",
            "StudyID",
            "StudyTime",
            "OperatorsName",
            "PatientAge",
            "PatientComments",
        ],
    ]
    for number in range(FILMS):
        film = Dataset()
        film.update(whole)
        film.file_meta = deepcopy(whole.file_meta)
        film.PixelData = (number.to_bytes(2, "little") + bytes(range(126)))[:128]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # markers are not valid everywhere
            for name in always:
                setattr(film, name, PLANTED[dictionary_VR(name)])
            for tag in part_of(elements, number):
                film.add_new(tag, dictionary_VR(tag), PLANTED[dictionary_VR(tag)])
            film.add_new(0x00091010, "LO", MARKER)
            film.add_new(0x00091011, "UN", MARKER.encode())
            item = Dataset()
            item.PatientName = item.PatientID = MARKER
            film.RequestAttributesSequence = [item]
            film.save_as(folder / f"{MARKER} {number:03d}.dcm", enforce_file_format=True)
    return folder


def test_the_search_finds_what_is_there(planted):
    path = next(planted.iterdir())
    assert set(SEARCHED) - {"1987-06-05"} <= {
        found.split()[0] for found in find_markers(path.read_bytes())
    }
    assert find_markers(MARKER.lower().encode("utf-16-le"))
    assert len(list(planted.iterdir())) == FILMS


def test_every_text_element_is_planted_somewhere():
    elements = text_elements()
    assert len(elements) > 1500
    used = {tag for number in range(FILMS) for tag in part_of(elements, number)}
    assert used == set(elements)


def test_no_marker_in_any_output(planted, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    paths = sorted(planted.iterdir())
    out = tmp_path / "out"
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        table = deidentify(paths, out, key=KEY)
        review = write_review([out / name for name in table["picture"].dropna()], out / "review")
    with quiet():
        headers = [describe_header(pydicom.dcmread(path)).to_csv() for path in paths[:60]]
    assert len(table) == FILMS
    assert set(table["status"]) == {"converted", "quarantined", "refused"}
    assert (table["status"] == "converted").sum() >= FILMS / 10
    assert table["reason"].notna().eq(table["status"] != "converted").all()
    table.to_csv(out / "manifest.csv", index=False)
    table.to_json(out / "manifest.json")
    texts = [caplog.text, *capfd.readouterr(), *(str(one.message) for one in seen), *headers]
    texts += [repr(table), str(table.describe(include="all")), review.read_text()]
    for text in texts:
        assert not find_markers(text.encode()), text[:300]
    written = [path for path in out.rglob("*") if path.is_file()]
    assert len(written) > FILMS / 10
    for path in written:
        assert not find_markers(path.read_bytes() + path.name.encode())
        if path.suffix == ".png" and path.parent == out:
            assert pixels_only(path.read_bytes())


def pixels_only(png: bytes) -> bool:
    chunks, at = set(), 8
    while at < len(png):
        chunks.add(png[at + 4 : at + 8])
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return chunks == {b"IHDR", b"IDAT", b"IEND"}


CELLS = """
import pydicom, sys
from pathlib import Path
from helpers.deidentify import deidentify
from helpers.dicom import describe_header
from helpers.review import review_sheet
paths = sorted(Path(FOLDER).iterdir())[:40]
---
describe_header(pydicom.dcmread(paths[0]))
---
table = deidentify(paths, OUT, key=bytes(32))
table
---
table["reason"].value_counts()
---
import matplotlib.pyplot as plt
made = [Path(OUT, name) for name in table["picture"].dropna()]
plt.imshow(review_sheet(made, columns=2), cmap="gray");
---
print(table.to_csv())
"""


def test_no_marker_in_an_executed_notebook(planted, tmp_path):
    """What notebook 03 shows of films: a header, the manifest, reasons, a review sheet."""
    cells = [nbformat.v4.new_code_cell(code.strip()) for code in CELLS.split("---")]
    # The paths come from outside, because the folder's own name holds the marker.
    setup = nbformat.v4.new_code_cell(
        "import os, sys; sys.path.insert(0, os.environ['PROJECT']);"
        "FOLDER, OUT = os.environ['FOLDER'], os.environ['OUT']"
    )
    notebook = nbformat.v4.new_notebook(cells=[setup, *cells])
    environment = {"PROJECT": PROJECT, "FOLDER": planted, "OUT": tmp_path / "out"}
    os.environ.update({name: str(value) for name, value in environment.items()})
    try:
        NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    finally:
        for name in environment:
            del os.environ[name]
    # Pictures are searched as bytes: in base64 four letters occur by chance.
    pictures = [
        output.data.pop("image/png")
        for cell in notebook.cells
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert pictures and not any(find_markers(base64.b64decode(each)) for each in pictures)
    assert "converted" in json.dumps(notebook)
    assert not find_markers(json.dumps(notebook).encode())


# --- The manifest ---


def film(path: Path, **elements) -> Path:
    small = {"Rows": 8, "Columns": 8, "PixelData": bytes(range(128)), "SeriesInstanceUID": "1.2.9"}
    return write_dicom(path, **{**small, **elements})


def test_manifest_tells_what_is_listed(tmp_path):
    paths = [
        film(tmp_path / "a.dcm", StudyDate="19000912"),
        film(tmp_path / "b.dcm", StudyDate="19000910", ReferencedImageSequence=reference()),
        film(tmp_path / "c.dcm", PatientID="A000002", StudyDate="", SeriesNumber=20260101),
        film(tmp_path / "d.dcm", ViewPosition="odd", StudyDescription="KUB"),
        tmp_path / "absent.dcm",
    ]
    (tmp_path / "e.dcm").write_bytes(b"no film")
    table = deidentify([*paths, tmp_path / "e.dcm"], tmp_path / "out", key=KEY)
    assert list(table.columns) == list(MANIFEST_TYPES)
    assert table["day"].tolist() == [2, 0, pd.NA, 0, pd.NA, pd.NA]
    assert table["view"].tolist()[:4] == ["AP", "AP", "AP", "unknown"]
    assert table["chest"].tolist()[:4] == [True, True, True, False]
    assert table["companion"].tolist()[:4] == [False, True, False, False]
    assert table["series_number"].tolist()[:4] == [1, 1, pd.NA, 1]
    assert table["status"].tolist() == ["converted"] * 4 + ["refused"] * 2
    assert table["patient"][0] == table["patient"][1] == keyed_name(KEY, "patient", "A000001")
    assert table["patient"][2] == keyed_name(KEY, "patient", "A000002")
    assert "No such file" in table["reason"][4]
    given = deidentify(paths[:1], tmp_path / "o", key=KEY, origins={"A000001": date(1900, 9, 1)})
    assert given["day"].tolist() == [11]


def test_names_depend_on_the_key(tmp_path):
    path = film(tmp_path / "a.dcm")
    one = deidentify([path], tmp_path / "one", key=KEY)
    two = deidentify([path], tmp_path / "two", key=bytes(32))
    for column in ("film", "picture", "patient", "study", "series"):
        assert one[column][0] != two[column][0]
    pictures = [next((tmp_path / name).glob("*.png")) for name in ("one", "two")]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert key_id(KEY) != key_id(bytes(32)) and len(key_id(KEY)) == 8


def test_same_from_processes(tmp_path):
    paths = [film(tmp_path / f"{number}.dcm", SeriesNumber=number) for number in range(6)]
    paths.append(paths[0])  # the same film twice, perhaps at the same time
    serial = deidentify(paths, tmp_path / "serial", key=KEY)
    with ProcessPoolExecutor(2) as executor:
        pooled = deidentify(paths, tmp_path / "pooled", key=KEY, executor=executor)
    pd.testing.assert_frame_equal(serial, pooled)
    for name in serial["picture"]:
        assert (tmp_path / "serial" / name).read_bytes() == (
            tmp_path / "pooled" / name
        ).read_bytes()
    assert not list(tmp_path.rglob(".parts"))


QUARANTINE = {
    "BurnedInAnnotation says YES": {"BurnedInAnnotation": "YES"},
    "neither YES nor NO": {"BurnedInAnnotation": "MAYBE"},
    "RecognizableVisualFeatures": {"RecognizableVisualFeatures": "YES"},
    "Secondary capture: a screen shot": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    "Secondary capture: a screen": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"},
    "ConversionType": {"ConversionType": "SD"},
    "neither CR nor DX": {"Modality": "OT"},
    "ImageType SECONDARY": {"ImageType": ["DERIVED", "SECONDARY", "", "ENHANCED"]},
    "ImageType DERIVED": {"ImageType": ["DERIVED", "PRIMARY"]},
}


@pytest.mark.parametrize("reason", QUARANTINE)
def test_quarantine_says_why_and_shows_nothing(reason, tmp_path):
    path = film(tmp_path / "a.dcm", **QUARANTINE[reason])
    table = deidentify([path], tmp_path / "out", key=KEY)
    assert table["status"][0] == "quarantined"
    assert reason in table["reason"][0]
    assert not list((tmp_path / "out").iterdir())


def test_what_is_not_quarantined():
    header = Dataset()
    header.Modality = "DX"
    assert quarantine_reason(header) is None  # most films do not say: see helpers.review
    header.BurnedInAnnotation, header.ImageType = "NO", ["ORIGINAL", "PRIMARY"]
    assert quarantine_reason(header) is None
    header.ImageType = ["DERIVED", "PRIMARY"]
    assert quarantine_reason(header, derived_primary=True) is None
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.4"
    assert "Secondary capture" not in (quarantine_reason(header, derived_primary=True) or "")


# --- The key ---


def test_key_is_made_once_and_private(tmp_path, monkeypatch):
    path = tmp_path / "settings" / "name.key"
    monkeypatch.setenv("CXR_KEY_FILE", str(path))
    with pytest.raises(NoKey, match="found none"):
        load_key()
    key = load_key(create=True)
    assert len(key) == 32 and load_key() == load_key(create=True) == key
    assert [each.name for each in path.parent.iterdir()] == ["name.key"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        with pytest.raises(NoKey, match="set its mode to 600"):
            load_key()
        path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(NoKey, match="64 hexadecimal digits"):
        load_key()


def test_key_inside_the_repository_is_refused(monkeypatch):
    monkeypatch.setenv("CXR_KEY_FILE", str(PROJECT / "data" / "name.key"))
    with pytest.raises(NoKey, match="inside the repository"):
        load_key(create=True)
    assert not (PROJECT / "data" / "name.key").exists()


def test_key_lives_in_the_users_settings(tmp_path):
    """In another process, which has another home."""
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "c")}
    environment.pop("CXR_KEY_FILE", None)
    code = "from helpers.keys import key_path; print(key_path())"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert not Path(run.stdout.strip()).is_relative_to(PROJECT)
    assert Path(run.stdout.strip()).name == "name.key"


# --- The review sheet ---


def test_review_shows_letters_at_the_border(tmp_path):
    film = np.full((900, 700), 90, np.uint8)
    plain = film.copy()
    cv2.putText(film, "DOE JANE", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 110, 3)  # faint
    for name, picture in (("letters", film), ("plain", plain)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    page = review_sheet([tmp_path / "letters.png", tmp_path / "plain.png"], columns=2)
    assert page.dtype == np.uint8 and page.shape[0] >= TILE
    corner = np.s_[: TILE // 8, : TILE // 2]
    with_letters, without = page[:, :TILE][corner], page[:, -TILE:][corner]
    assert np.ptp(with_letters.astype(int)) > 2 * np.ptp(without.astype(int)) + 20
    middle = page[TILE // 3 : 2 * TILE // 5, TILE // 4 : TILE // 3]
    assert middle.mean() < 60  # dimmed


@pytest.mark.parametrize("damaged", [b"", b"\x89PNG\r\n\x1a\n and no more"])
def test_a_picture_that_cannot_be_read_says_so_on_its_sheet(tmp_path, damaged):
    folder = tmp_path / os.fsdecode(b"Aufn\xe4hmen")
    folder.mkdir()
    (folder / "a.png").write_bytes(damaged)
    (folder / "b.png").write_bytes(cv2.imencode(".png", np.zeros((40, 30), np.uint8))[1])
    bad, black = (review_sheet([folder / name], columns=1) for name in ("a.png", "b.png"))
    middle = np.s_[TILE // 5 : 2 * TILE // 5, 80 : TILE - 80]  # above the number
    assert bad[middle].max() == 255 and black[middle].max() < 60


def test_review_pages_and_table(tmp_path):
    paths = []
    for number in range(5):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), np.full((40, 30), 40 * number, np.uint8))
    table = pd.read_csv(write_review(paths, tmp_path / "review", films=2))
    assert table["page"].tolist() == [1, 1, 2, 2, 3]
    assert table["number"].tolist() == [1, 2, 1, 2, 1]
    assert table["text_seen"].isna().all()
    assert len(list((tmp_path / "review").glob("page-*.png"))) == 3
    with pytest.raises(FileExistsError, match="may be filled in"):
        write_review(paths, tmp_path / "review")
    assert len(pd.read_csv(tmp_path / "review" / "review.csv")) == 5


def test_a_file_that_unpacks_without_end_is_a_row(tmp_path):
    film(tmp_path / "sound.dcm")
    whole = make_film(ramp("u2", 12), syntax=DeflatedExplicitVRLittleEndian)
    bomb = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = whole[: whole.index(b"1.2.840.10008.1.2.1.99") + 22]
    meta = head[:132] + b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(head) - 144)
    packed = b"".join(bomb.compress(bytes(2**20)) for _ in range(300)) + bomb.flush()
    (tmp_path / "bomb.dcm").write_bytes(meta + head[144:] + packed)
    paths = [tmp_path / "sound.dcm", tmp_path / "bomb.dcm"]
    rows = deidentify(paths, tmp_path / "out", key=KEY, size=32)
    assert rows["status"].tolist() == ["converted", "refused"]


def test_patient_and_date_of_a_file_that_is_compressed_as_a_whole(tmp_path):
    elements = {"PatientID": "7", "StudyDate": "20200401"}
    packed = make_film(ramp("u2", 12), syntax=DeflatedExplicitVRLittleEndian, **elements)
    plain = make_film(ramp("u2", 12), **elements)
    assert whose_and_when(BytesIO(packed)) == whose_and_when(BytesIO(plain))
    assert whose_and_when(BytesIO(plain)) == ("7", date(2020, 4, 1))


def test_films_without_a_patient_share_no_day(tmp_path):
    for number, day in enumerate(("20200301", "20200430")):
        film(tmp_path / f"{number}.dcm", PatientID="", StudyDate=day)
    paths = [tmp_path / "0.dcm", tmp_path / "1.dcm"]
    table = deidentify(paths, tmp_path / "out", key=KEY)
    assert table["day"].isna().all()


def test_days_of_films_without_a_preamble_are_counted_as_of_others(tmp_path):
    paths = [
        film(tmp_path / f"{day}.dcm", StudyDate=f"202003{day}", StudyInstanceUID=f"1.{day}")
        for day in ("01", "10")
    ]
    paths[0].write_bytes(paths[0].read_bytes()[132:])
    assert deidentify(paths, tmp_path / "out", key=KEY)["day"].tolist() == [0, 9]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.dcm")
    table = deidentify([tmp_path / "pipe.dcm"], tmp_path / "out", key=KEY)
    assert table["reason"].tolist() == ["This is no file, but a pipe or a device."]
