"""Broken files and tables: each gets its own clear message, and leaves nothing half-written.

The lists below are the promise: every entry names what is wrong and what the message must say.
"""

import io
import pickle
import struct
import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image
from published import (
    IEEE8023_COLUMNS,
    ramp,
    write_clinical,
    write_dicom,
    write_hannover,
    write_ieee8023,
    write_sbu,
)

from helpers import paths
from helpers.clinical import SBU_CLINICAL_FILE
from helpers.cohorts import (
    cohort_root,
    load_annotations,
    load_hannover,
    load_ieee8023,
    load_sbu,
    profile,
)
from helpers.dicom import convert
from helpers.models import RiskModel, build_resnet18
from helpers.panel import analyse
from helpers.pixels import UnreadableRadiograph, read_radiograph
from helpers.splits import load_split, save_split


def png(picture: np.ndarray | None = None) -> bytes:
    return cv2.imencode(".png", ramp() if picture is None else picture)[1].tobytes()


def jpeg() -> bytes:
    return cv2.imencode(".jpg", ramp())[1].tobytes()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its few bytes do not hold."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 10)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def animation() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.fromarray(ramp()), Image.fromarray(ramp()[:, ::-1])]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def dicom(**elements):
    def make(folder: Path) -> bytes:
        return write_dicom(folder / "made.dcm", **elements).read_bytes()

    return make


def spoiled_png(_: Path) -> bytes:
    data = bytearray(png())
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


PICTURES = {
    "empty file": (b"", r"empty \(0 bytes\)"),
    "text": (b"this is not a film", "none of them .it begins with the bytes 74 68 69 73"),
    "random bytes": (bytes(range(7, 207)), "none of them"),
    "GIF": (b"GIF89a" + bytes(50), "this is a GIF"),
    "TIFF": (b"II*\x00" + bytes(50), "this is a TIFF"),
    "PDF": (b"%PDF-1.7" + bytes(50), "this is a PDF"),
    "ZIP archive": (b"PK\x03\x04" + bytes(50), "this is a ZIP archive"),
    "gzip, as NIfTI is sent": (b"\x1f\x8b\x08" + bytes(50), "gzip archive"),
    "web page saved as a picture": (b"<!DOCTYPE html><html></html>", "this is a web page"),
    "drawing": (b'<?xml version="1.0"?>\n<svg xmlns="">', "this is an SVG drawing"),
    "XML": (b"\xef\xbb\xbf<?xml version='1.0'?><a/>", "this is an XML file"),
    "pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(50), "this is a HEIC picture"),
    "AVIF": (b"\0\0\0\x1cftypavif" + bytes(50), "this is an AVIF picture"),
    "video": (b"\0\0\0\x18ftypisom" + bytes(50), "this is a video"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50), "this is a JPEG 2000 picture"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(50), "7z archive. Unpack it"),
    "RAR": (b"Rar!\x1a\x07" + bytes(50), "RAR archive. Unpack it"),
    "empty ZIP archive": (b"PK\x05\x06" + bytes(18), "an empty ZIP archive"),
    "PNG sent as text": (b"\x89PNG\n\x1a\n" + bytes(50), "damaged on its way"),
    "JPEG of 12 bits": (
        imagecodecs.jpeg8_encode(ramp().astype(np.uint16) * 16, bitspersample=12),
        "a JPEG of 12 bits.*Export the radiograph as DICOM or PNG",
    ),
    "lossless JPEG": (
        imagecodecs.ljpeg_encode(ramp().astype(np.uint16)),
        "a lossless JPEG.*as DICOM or PNG",
    ),
    "JPEG-LS": (imagecodecs.jpegls_encode(ramp()), "a JPEG-LS picture.*as DICOM or PNG"),
    "PNG cut off": (png()[:60], "damaged or cut off"),
    "PNG with a spoiled byte": (spoiled_png, "damaged or cut off"),
    "JPEG cut off": (jpeg()[:200], "damaged or cut off"),
    "JPEG of three bytes": (b"\xff\xd8\xff", "its header is damaged"),
    "decompression bomb": (png_claiming(12000, 12000), "12000 × 12000 px; at most|too large"),
    "bomb beyond Pillow's own limit": (png_claiming(40000, 40000), "40000 × 40000 px|too large"),
    "PNG that holds less than it claims": (png_claiming(200, 200), "damaged or cut off"),
    "one pixel": (png(np.ones((1, 1), np.uint8)), r"only 1 × 1 px; at least 64"),
    "one grey value": (png(np.full((99, 99), 7, np.uint8)), "single grey value"),
    "animation": (animation(), "animation of 2 frames"),
    "DICOM without pixels": (dicom(PixelData=None), "pixel"),
    "DICOM cut off in its pixels": (dicom(PixelData=bytes(100)), "cut off|short|fewer|expected"),
    "DICOM of several frames": (
        dicom(NumberOfFrames=2, PixelData=bytes(96 * 96 * 4)),
        "frames",
    ),
    "DICOM in colour": (
        dicom(
            SamplesPerPixel=3,
            PhotometricInterpretation="RGB",
            PlanarConfiguration=0,
            BitsAllocated=8,
            BitsStored=8,
            HighBit=7,
            PixelData=bytes(96 * 96 * 3),
        ),
        "colour",
    ),
    "DICOM claiming an absurd size": (dicom(Rows=65000, Columns=65000), "65000|large"),
    "DICOM header only": (b"\0" * 128 + b"DICM", "DICOM"),
    "DICOM of junk": (b"\0" * 128 + b"DICM" + bytes(range(256)), "DICOM"),
}


@pytest.fixture(scope="module")
def model():
    return RiskModel(build_resnet18("random"), 64, base_rate=0.1)


@pytest.mark.parametrize("kind", PICTURES)
def test_bad_upload_gets_a_sentence(kind, model, tmp_path):
    data, message = PICTURES[kind]
    data = data(tmp_path) if callable(data) else data
    with pytest.raises(UnreadableRadiograph, match=message) as caught:
        analyse(data, model)
    sentence = str(caught.value)
    assert sentence.rstrip().endswith((".", ")")) and len(sentence) < 400


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n  "])
@pytest.mark.parametrize("begin", [b"<!doctype HTML>", b"<!DOCTYPE html>", b"<HTML>", b"<html>"])
def test_web_pages_are_named_however_they_begin(before, begin):
    with pytest.raises(UnreadableRadiograph, match="this is a web page"):
        read_radiograph(before + begin + bytes(200))


def test_bad_files_become_rows_in_a_conversion(tmp_path):
    films = tmp_path / "films"
    good = write_dicom(films / "good.dcm")
    for number, (data, _) in enumerate(PICTURES.values()):
        (films / f"{number}.dcm").write_bytes(data(tmp_path) if callable(data) else data)
    paths_in = sorted(films.glob("*.dcm"))
    table = convert(paths_in, tmp_path / "out")
    assert len(table) == len(paths_in)
    converted = table.dropna(subset=["png_path"])
    assert converted["image_path"].tolist() == [str(good)]
    assert table["reason"].notna().sum() == len(paths_in) - 1
    picture = Path(converted["png_path"].iloc[0]).name
    assert {file.name for file in (tmp_path / "out").iterdir()} == {picture, "manifest.csv"}


def test_no_message_says_the_same_for_different_faults(model, tmp_path):
    sentences = {}
    for kind, (data, _) in PICTURES.items():
        data = data(tmp_path) if callable(data) else data
        with pytest.raises(UnreadableRadiograph) as caught:
            analyse(data, model)
        sentences.setdefault(str(caught.value), []).append(kind)
    assert [kinds for kinds in sentences.values() if len(kinds) > 1] == []


def ieee8023(folder: Path, **columns) -> Path:
    return write_ieee8023(folder / "ieee8023", [columns or {}])


def without_columns(folder: Path) -> Path:
    root = ieee8023(folder)
    (root / "metadata.csv").write_text("patientid,filename\n1,a.png\n")
    return root


def overwritten(folder: Path, data: bytes) -> Path:
    root = ieee8023(folder)
    (root / "metadata.csv").write_bytes(data)
    return root


def sbu_with(folder: Path, rows: list[dict]) -> Path:
    write_sbu(folder / "sbu")
    return write_clinical(folder / "sbu", rows)


def sbu_without_films(folder: Path) -> Path:
    return write_clinical(folder / "sbu", [{}])


def sbu_without_clinical(folder: Path) -> Path:
    write_sbu(folder / "sbu")
    (folder / "sbu" / SBU_CLINICAL_FILE).unlink()
    return folder / "sbu"


def sbu_without_columns(folder: Path) -> Path:
    write_sbu(folder / "sbu")
    (folder / "sbu" / SBU_CLINICAL_FILE).write_text("to_patient_id,age\nA000001,60\n")
    return folder / "sbu"


def hannover_without_columns(folder: Path) -> Path:
    root = write_hannover(folder / "hannover", [{}])
    (root / "data.csv").write_text("patient_id,image_id\n1,2\n")
    return root


def scores_without_columns(folder: Path) -> Path:
    root = ieee8023(folder)
    (root / "annotations").mkdir()
    (root / "annotations" / "covid-severity-scores.csv").write_text("file,score\na,1\n")
    return root


def model_of_two_halves(folder: Path) -> Path:
    path = RiskModel(build_resnet18("random"), 64).save(folder / "a")
    other = RiskModel(build_resnet18("random", seed=1), 64).save(folder / "b")
    other.with_suffix(".json").replace(path.with_suffix(".json"))
    return path


def model_cut_off(folder: Path) -> Path:
    path = RiskModel(build_resnet18("random"), 64).save(folder / "a")
    path.write_bytes(path.read_bytes()[:1000])
    return path


def pickled_model(folder: Path) -> Path:
    path = folder / "model.pt"
    path.write_bytes(pickle.dumps({}))
    return path


def altered_split(folder: Path):
    cohort = load_ieee8023(write_ieee8023(folder / "ieee8023", [{}, {}])).assign(part="train")
    path = save_split(cohort, folder / "split.csv")
    path.write_text(path.read_text().replace("train", "test"))
    return path, cohort


TABLES = {
    "ieee8023 is a folder without its table": (
        load_ieee8023,
        lambda folder: folder,
        FileNotFoundError,
        r"needs metadata\.csv.*python -m helpers\.downloads ieee8023",
    ),
    "metadata.csv lacks columns": (
        load_ieee8023,
        without_columns,
        ValueError,
        "lacks the columns offset, sex",
    ),
    "metadata.csv is empty": (
        load_ieee8023,
        lambda folder: overwritten(folder, b""),
        ValueError,
        "no UTF-8 CSV table",
    ),
    "metadata.csv is UTF-16": (
        load_ieee8023,
        lambda folder: overwritten(folder, ",".join(IEEE8023_COLUMNS).encode("utf-16")),
        ValueError,
        "no UTF-8 CSV table",
    ),
    "a line of metadata.csv has too many cells": (
        load_ieee8023,
        lambda folder: overwritten(folder, b"a,b\n1,2\n1,2,3,4\n"),
        ValueError,
        "no UTF-8 CSV table",
    ),
    "clinical table missing": (
        load_sbu,
        sbu_without_clinical,
        FileNotFoundError,
        r"needs deidentified_overlap.*10\.7937/TCIA\.BBAG-2923",
    ),
    "clinical table lacks columns": (
        load_sbu,
        sbu_without_columns,
        ValueError,
        r"lacks the columns last\.status",
    ),
    "clinical table lists a patient twice": (
        load_sbu,
        lambda folder: sbu_with(folder, [{}, {}]),
        ValueError,
        "one row a patient",
    ),
    "no DICOM film": (load_sbu, sbu_without_films, FileNotFoundError, r"needs DICOM films"),
    "data.csv lacks columns": (
        load_hannover,
        hannover_without_columns,
        ValueError,
        "lacks the columns sex",
    ),
    "severity scores missing": (
        load_annotations,
        ieee8023,
        FileNotFoundError,
        "severity scores are missing",
    ),
    "severity scores lack columns": (
        load_annotations,
        scores_without_columns,
        ValueError,
        "lacks the columns filename",
    ),
    "model is a pickle": (RiskModel.load, pickled_model, ValueError, "is a pickle"),
    "model and card do not belong together": (
        RiskModel.load,
        model_of_two_halves,
        ValueError,
        "do not belong together",
    ),
    "model cut off": (RiskModel.load, model_cut_off, ValueError, "do not belong together"),
    "model missing": (
        RiskModel.load,
        lambda folder: folder / "none",
        FileNotFoundError,
        "notebooks 04 and 05 make the models",
    ),
    "split altered by hand": (
        lambda made: load_split(*made),
        altered_split,
        ValueError,
        "SHA-256 differs",
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_bad_table_gets_a_sentence(kind, tmp_path):
    load, make, error, message = TABLES[kind]
    made = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=message):
        load(made)
    assert sorted(tmp_path.rglob("*")) == before


def test_wrong_settings_get_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no sbu cohort yet.*python -m phantoms"):
        cohort_root("sbu")
    with pytest.raises(ValueError, match="Unknown cohort 'tcia'"):
        cohort_root("tcia")
    monkeypatch.setenv("CXR_DATA", "no/such/folder")
    with pytest.raises(FileNotFoundError, match="CXR_DATA names a folder that does not exist"):
        cohort_root("sbu")
    monkeypatch.setenv("CXR_PROFILE", "fast")
    with pytest.raises(ValueError, match="CXR_PROFILE must be one of quick, full, got 'fast'"):
        profile()


def test_at_least_thirty_kinds_are_held():
    assert len(PICTURES) + len(TABLES) >= 30
