"""Reading a film says nothing of what its header holds: no warning, no log, no message, no table.

pydicom quotes values that it finds odd, in warnings and in its log; asked to, it logs all others.
"""

import logging
import threading
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from multiprocessing import get_context

import numpy as np
import pydicom
import pytest
from dicom_films import make_film, ramp
from published import write_clinical, write_dicom

from helpers.cohorts import load_sbu
from helpers.deidentify import deidentify
from helpers.dicom import convert, describe_header, read_dicom
from helpers.dicom_errors import UnreadableDicom
from helpers.dicom_header import open_film
from helpers.dicom_silence import quiet
from helpers.pixels import UnreadableRadiograph, read_radiograph

GREY = ramp("u2", 12)
MARKER, NUMBER = "ZZMARKERZZ", "77777777"
STAND_IN = "1111111111"  # where pydicom writes numbers only; as long as the marker
# Text where the standard has something else; each makes pydicom warn or fail in its own way.
ODD = {
    "window": {"WindowCenter": STAND_IN, "WindowWidth": NUMBER},
    "negative window": {"WindowCenter": "5", "WindowWidth": f"-{NUMBER}"},
    "frames": {"NumberOfFrames": NUMBER},
    "frames in words": {"NumberOfFrames": STAND_IN},
    "function": {"WindowCenter": "5", "WindowWidth": "9", "VOILUTFunction": MARKER},
    "photometric": {"PhotometricInterpretation": MARKER},
    "slope": {"RescaleSlope": STAND_IN, "RescaleIntercept": NUMBER},
    "shape": {"PresentationLUTShape": MARKER},
    "intent": {"PresentationIntentType": MARKER},
    "numbers": {"SeriesNumber": NUMBER, "ImagerPixelSpacing": [STAND_IN, NUMBER]},
    "class": {"SOPClassUID": f"1.2.{NUMBER}"},
}
TYPED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel")


def odd_film(kind: str) -> bytes:
    """A film with text in the wrong places, as raw elements that nothing has checked."""
    data = make_film(GREY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        film = pydicom.dcmread(BytesIO(data))
        for name, value in ODD.get(kind, {}).items():
            setattr(film, name, value)
        if kind in TYPED:
            film[kind] = pydicom.DataElement(film[kind].tag, "LO", NUMBER)
        file = BytesIO()
        film.save_as(file)
    return file.getvalue().replace(STAND_IN.encode(), MARKER.encode())


@contextmanager
def overheard(caplog, capfd):
    """Collect what is said by warnings, logs and on both streams, with pydicom at its loudest."""
    heard: list[str] = []
    capfd.readouterr()
    caplog.clear()
    pydicom.config.debug(True, default_handler=False)
    try:
        with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            yield heard
        heard += [caplog.text, *capfd.readouterr(), *(str(each.message) for each in seen)]
    finally:
        pydicom.config.debug(False, default_handler=False)


def says_nothing(texts) -> bool:
    return not any(mark in text for text in texts for mark in (MARKER, NUMBER))


@pytest.mark.parametrize("kind", [*ODD, *TYPED])
def test_no_way_of_reading_quotes_the_header(kind, tmp_path, caplog, capfd):
    data = odd_film(kind)
    path = tmp_path / "film.dcm"
    path.write_bytes(data)
    with overheard(caplog, capfd) as heard:
        for read in (open_film, read_dicom, read_radiograph):
            try:
                read(data)
            except (UnreadableDicom, UnreadableRadiograph) as error:
                heard.append(str(error))
        for table in (convert([path], tmp_path / "a"), deidentify([path], tmp_path, key=bytes(32))):
            heard.append(table.drop(columns="image_path", errors="ignore").to_csv())
        with quiet():
            film = pydicom.dcmread(path)
        heard.append(describe_header(film).to_csv())
    assert says_nothing(heard)


def test_pydicom_would_have_quoted_it(caplog, capfd):
    with overheard(caplog, capfd) as heard:
        film = pydicom.dcmread(BytesIO(odd_film("numbers")))
        str(film)
    assert not says_nothing(heard)


def test_executors_are_quiet_too(tmp_path, caplog, capfd):
    paths = []
    for kind in ODD:
        paths.append(tmp_path / f"{kind}.dcm")
        paths[-1].write_bytes(odd_film(kind))
    pools = (ThreadPoolExecutor(4), ProcessPoolExecutor(1, mp_context=get_context("spawn")))
    with overheard(caplog, capfd) as heard:
        for number, pool in enumerate(pools):
            with pool as executor:
                table = convert(paths, tmp_path / str(number), executor=executor)
            heard.append(table.drop(columns="image_path").to_csv())
    assert says_nothing(heard)


def test_the_loader_is_quiet(tmp_path, caplog, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, name in enumerate(["ViewPosition", "SeriesNumber", "StudyDate", "Modality"]):
            value = NUMBER if name == "SeriesNumber" else MARKER
            write_dicom(tmp_path / f"{number}.dcm", **{name: value})
    write_clinical(tmp_path, [{}])
    with overheard(caplog, capfd) as heard:
        films = load_sbu(tmp_path)
    heard.append(films.drop(columns=["image_path", "series_number"]).to_csv())
    assert says_nothing(heard)


def test_a_converted_film_is_the_same_in_silence():
    data = make_film(GREY, WindowCenter=2000, WindowWidth=3000)
    with quiet():
        inside = read_dicom(data)
    assert np.array_equal(inside, read_dicom(data))


# --- Turned off, and on again ---


def test_quiet_ends(caplog):
    logger = logging.getLogger("pydicom.pixels.utils")
    with quiet():
        with quiet():
            logger.error("inner")
        logger.error("between")
        warnings.warn("not seen", stacklevel=1)
    logger.error("after")
    assert [record.message for record in caplog.records] == ["after"]
    with pytest.warns(UserWarning, match="seen"):
        warnings.warn("seen", stacklevel=1)


def test_what_was_off_before_stays_off():
    logger = logging.getLogger("pydicom")
    logger.disabled = True
    try:
        with quiet():
            pass
        assert logger.disabled
    finally:
        logger.disabled = False


def test_threads_leave_it_as_it_was():
    """The first in may leave before the last; two such threads must not restore each other's."""
    before, first_in, second_in = list(warnings.filters), threading.Event(), threading.Event()

    def first():
        with quiet():
            first_in.set()
            second_in.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert first_in.wait(10)
    with quiet():
        second_in.set()
        thread.join()
        assert logging.getLogger("pydicom").disabled
    assert not logging.getLogger("pydicom").disabled
    assert warnings.filters == before


@pytest.mark.parametrize("read", [read_dicom, read_radiograph])
@pytest.mark.parametrize("kind", [*ODD, *TYPED])
def test_no_traceback_quotes_the_header(kind, read):
    shown = ""
    try:
        read(odd_film(kind))
    except (UnreadableDicom, UnreadableRadiograph):
        shown = traceback.format_exc()  # what a notebook shows below the cell
    assert MARKER not in shown and NUMBER not in shown
