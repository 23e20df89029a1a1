"""DICOM films to grey pictures, one or a whole archive.

`dicom_file` takes a file apart, `dicom_header` opens a film, unless `dicom_refusals` says why not,
`dicom_decoders` decodes its pixels, `dicom_grey` and `dicom_tables` map them to grey in the order
that DICOM prescribes, and `dicom_picture` makes small pictures of them. What each refuses is an
`UnreadableDicom` of `dicom_errors`.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
from xxhash import xxh3_128_hexdigest

from helpers.dicom_attributes import describe_header
from helpers.dicom_errors import UnreadableDicom
from helpers.dicom_grey import contrast_of
from helpers.dicom_header import open_film
from helpers.dicom_picture import encode_png, render, shrink, square_pixels
from helpers.dicom_silence import quiet
from helpers.executors import in_order
from helpers.files import PIPE, is_pipe
from helpers.ledger import Ledger

__all__ = ["UnreadableDicom", "convert", "convert_film", "describe_header", "read_dicom"]

# Of a film that ends each process that converts it (`helpers.executors`).
ENDED_PROCESS = (
    "Converting this film ended the process, twice: it may need more memory than there is."
)
_BEGINNING = 4096  # bytes
_TYPES: dict[str, Any] = {
    "image_path": pd.StringDtype("python"),  # the other kind holds no name that is not UTF-8
    "picture": "string",
    "reason": "string",
    "rows": "Int64",
    "columns": "Int64",
    "bits_stored": "Int64",
    "photometric": "string",
    "contrast": "string",
}


def read_dicom(
    source: str | Path | bytes,
    *,
    index: int = 0,
    prefer_lut: bool = True,
    for_processing: bool = False,
) -> np.ndarray:
    """Read one film as its maker meant it to be seen.

    Its own VOI LUT or window sets the grey scale. Where it has neither, the whole range that its
    bits can store (after the modality step) becomes [0, 1]; never does the darkest or the brightest
    pixel that happens to be in the film set it. Pixel padding becomes black. Pixels that the header
    says are not square are averaged along their shorter side until they are.

    Parameters
    ----------
    source : str, pathlib.Path or bytes
        A file, or its bytes.
    index : int
        Which of several windows or VOI LUTs.
    prefer_lut : bool
        Where both are present, use the VOI LUT rather than the window.
    for_processing : bool
        Accept raw detector data too.

    Returns
    -------
    numpy.ndarray
        float32 (rows, columns) in [0, 1], lungs dark; fewer of either where pixels are not square.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnreadableDicom
        If the file gives no grey picture; the message says why, in a sentence.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    with quiet():
        film = open_film(data, for_processing=for_processing)
        return square_pixels(render(film, np.float32, index, prefer_lut), film)


def convert(
    paths: Iterable[str | Path],
    out: str | Path,
    *,
    size: int = 1024,
    executor: Any = None,
) -> pd.DataFrame:
    """Convert films, however many, to 8-bit grey PNGs.

    A film that cannot be converted becomes a row with a reason. Pictures are named by a hash of the
    file's beginning and of the picture, so that equal files share one; they carry no metadata, and
    are written to a temporary name and renamed. Rows go to
    ``manifest.csv`` beside them (`helpers.ledger`): a run that was killed goes on where it stopped,
    reading no film twice that has its row, and ends with the same files as an undisturbed one. For
    a progress bar pass ``tqdm(paths)``.

    Parameters
    ----------
    paths : iterable of str or pathlib.Path
        Taken one by one; a generator over an archive is welcome.
    out : str or pathlib.Path
        Folder for the pictures; made if missing.
    size : int
        Pixels of the longer side. Films are shrunk in proportion by area averaging, never enlarged.
    executor : optional
        None converts here, one film after the other. `helpers.executors.ProcessPool`, or a process
        pool of Python's own, uses one machine; a Dask ``Client`` or cluster uses many.

    Returns
    -------
    pandas.DataFrame
        A row a path, in their order: `image_path`, `png_path` (NA if refused), `reason` (NA if
        converted), `rows`, `columns`, `bits_stored`, `photometric`, and `contrast`, which is "VOI
        LUT", "window" or "full range".

    Raises
    ------
    ValueError
        If `size` is less than 1 or `paths` is a single path.
    FolderInUse
        If another run writes into `out`.
    WorkersLost
        If workers die that nobody replaces, or the cluster is gone. What was done is kept. A film
        that kills each process it runs in is a row with a reason, where processes are replaced.
    """
    if isinstance(paths, (str, Path)):
        raise ValueError(f"expected several paths, got the one path {str(paths)!r}; pass a list")
    if size < 1:
        raise ValueError(f"expected a size of at least 1 pixel, got {size}")
    folder = Path(out).absolute()
    with Ledger(folder, list(_TYPES), size) as ledger:
        tasks = ((path, folder, ledger.parts, size) for path in ledger.undone(paths))
        for row in in_order(convert_film, tasks, executor, lost=_lost):
            ledger.add(row)
    table = ledger.read(_TYPES)
    table["picture"] = str(folder) + os.sep + table["picture"]
    return table.rename(columns={"picture": "png_path"})


def convert_film(path: str, folder: Path, parts: Path, size: int) -> dict[str, Any]:
    """Convert one film; top-level and never raising, so that any executor's process can run it.

    Parameters
    ----------
    path : str
        Of a DICOM file.
    folder, parts : pathlib.Path
        For the picture, and for the file that it is until it is whole; on one disk.
    size : int
        Pixels of the longer side.

    Returns
    -------
    dict
        What `convert` tells of a film, with the name of its ``picture`` in `folder`; ``again`` if
        it was refused for a reason that may pass, and ``disk`` if that is a full or failing disk.
    """
    row: dict[str, Any] = {"image_path": path}
    try:
        if is_pipe(path):
            return row | {"reason": PIPE}
        data = Path(path).read_bytes()
        with quiet():
            return row | _picture(data, folder, parts, size)
    except UnreadableDicom as error:
        return row | {"reason": str(error)}
    except OSError as error:
        row["disk"] = True
        reason = f"Reading the file or writing its picture failed: {error.strerror}."
    except Exception as error:  # one bad film among thousands must not end the run
        reason = f"Converting failed in a way not foreseen here ({type(error).__name__})."
    return row | {"reason": reason, "again": True}


def _lost(path: str, *_: Any) -> dict[str, Any]:
    """Return the row of a film that ends each process that converts it."""
    return {"image_path": path, "reason": ENDED_PROCESS, "again": True}


def _picture(data: bytes, folder: Path, parts: Path, size: int) -> dict[str, Any]:
    """Write the picture of a film's bytes; return what the table tells of it."""
    film = open_film(data)
    grey = square_pixels(render(film, np.uint8), film)
    packed = encode_png(shrink(grey, size))
    # The beginning holds the film's own number, which tells films apart that look the same.
    png = folder / f"{xxh3_128_hexdigest(data[:_BEGINNING] + packed)}-{size}.png"
    if not png.exists():
        _write_whole(png, parts, packed)
    return {
        "picture": png.name,
        "rows": film.Rows,
        "columns": film.Columns,
        "bits_stored": film.get("BitsStored"),
        "photometric": film.PhotometricInterpretation,
        "contrast": contrast_of(film),
    }


def _write_whole(png: Path, parts: Path, data: bytes) -> None:
    """Write a picture under a name of this call's own, then rename it."""
    part = parts / uuid4().hex  # several processes may have the same film at the same time
    try:
        part.write_bytes(data)
        part.replace(png)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
