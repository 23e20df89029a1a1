"""DICOM films to grey pictures, one or a whole archive.

`dicom_header` opens a film or refuses it, `dicom_grey` maps its stored values to grey in the order
that DICOM prescribes, and here a picture comes of it. For films of at most 16 bits the mapping runs
once over every value that a pixel can have, and each pixel looks its grey up: exact by
construction, and many times faster than to run it over all pixels.
"""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from hashlib import blake2b
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from pydicom import FileDataset

from helpers.dicom_attributes import describe_header
from helpers.dicom_decoders import UnreadableDicom, stored_values
from helpers.dicom_grey import contrast_of, grey_of
from helpers.dicom_header import open_film
from helpers.quarantine import quiet

__all__ = ["UnreadableDicom", "convert", "describe_header", "read_dicom"]

_IN_FLIGHT = 64  # films with an executor at a time: enough to keep a cluster busy, little to hold

_TYPES = {
    "image_path": "string",
    "png_path": "string",
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
    pixel that happens to be in the film set it. Pixel padding becomes black.

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
        float32 (rows, columns) in [0, 1], lungs dark.

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
        return _render(film, np.float32, index, prefer_lut)


def convert(
    paths: Iterable[str | Path],
    out: str | Path,
    *,
    size: int = 1024,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Convert films, however many, to 8-bit grey PNGs.

    A film that cannot be converted becomes a row with a reason. Pictures are named by a hash of the
    film's content, carry no metadata, and are written to a temporary name and renamed: a run that
    was killed goes on where it stopped, and ends with the same files as an undisturbed one. For a
    progress bar pass ``tqdm(paths)``.

    Parameters
    ----------
    paths : iterable of str or pathlib.Path
        Taken one by one; a generator over an archive is welcome.
    out : str or pathlib.Path
        Folder for the pictures; made if missing.
    size : int
        Pixels of the longer side. Films are shrunk in proportion by area averaging, never enlarged.
    executor : concurrent.futures.Executor, optional
        None converts here, one film after the other. A process pool uses one machine; a Dask
        cluster's ``client.get_executor(pure=False)`` uses many.

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
    concurrent.futures.BrokenExecutor
        If a worker of the executor dies. Pictures already written are kept.
    """
    if isinstance(paths, (str, Path)):
        raise ValueError(f"expected several paths, got the one path {str(paths)!r}; pass a list")
    if size < 1:
        raise ValueError(f"expected a size of at least 1 pixel, got {size}")
    folder = Path(out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    pending: deque[Future[dict[str, Any]]] = deque()
    for path in paths:
        if executor is None:
            rows.append(_convert_one(str(path), folder, size))
            continue
        pending.append(executor.submit(_convert_one, str(path), folder, size))
        if len(pending) >= _IN_FLIGHT:
            rows.append(pending.popleft().result())
    rows.extend(future.result() for future in pending)
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)


def _convert_one(path: str, folder: Path, size: int) -> dict[str, Any]:
    """Convert one film; top-level and never raising, so that any executor's process can run it."""
    row: dict[str, Any] = {"image_path": path}
    try:
        data = Path(path).read_bytes()
        with quiet():
            return row | _picture(data, path, folder, size)
    except UnreadableDicom as error:
        reason = str(error)
    except OSError as error:
        reason = f"Reading the file or writing its picture failed: {error.strerror}."
    except Exception as error:  # one bad film among thousands must not end the run
        reason = f"Converting failed in a way not foreseen here ({type(error).__name__})."
    return row | {"reason": reason}


def _picture(data: bytes, path: str, folder: Path, size: int) -> dict[str, Any]:
    """Write the picture of a film's bytes; return what the table tells of it."""
    film = open_film(data)
    png = folder / f"{blake2b(data, digest_size=16).hexdigest()}-{size}.png"
    _write_once(png, path, film, size)
    return {
        "png_path": str(png),
        "rows": film.Rows,
        "columns": film.Columns,
        "bits_stored": film.get("BitsStored"),
        "photometric": film.PhotometricInterpretation,
        "contrast": contrast_of(film),
    }


def _write_once(png: Path, path: str, film: FileDataset, size: int) -> None:
    """Write a film's picture unless it is there; leave no temporary file, not even an old one."""
    # Several paths may hold the same film at the same time: each has a temporary name of its own,
    # and the same one again when a killed run is repeated.
    mark = blake2b(path.encode(errors="surrogateescape"), digest_size=4).hexdigest()
    temporary = png.with_name(f".{png.name}.{mark}.part")
    try:
        if not png.exists():
            temporary.write_bytes(_png(_shrink(_render(film, np.uint8), size)))
            temporary.replace(png)
    finally:
        temporary.unlink(missing_ok=True)


def _render(
    film: FileDataset, kind: type[np.generic], index: int = 0, prefer_lut: bool = True
) -> np.ndarray:
    """Return the film (rows, columns) as float32 in [0, 1] or as uint8 in [0, 255]."""
    stored = stored_values(film)
    small = stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2
    pattern = np.dtype(f"u{stored.dtype.itemsize}")
    # Of a small type take every bit pattern: grey n is then that of the pixels with pattern n.
    every = (
        np.arange(2 ** (8 * pattern.itemsize), dtype=pattern).view(stored.dtype) if small else None
    )
    try:
        values = stored if every is None else every
        grey = grey_of(values, film, index=index, prefer_lut=prefer_lut)
    except UnreadableDicom:
        raise
    except (
        Exception
    ) as error:  # a damaged window or table fails in as many ways as there are damages
        raise UnreadableDicom(
            f"The film's window or lookup table is not valid ({type(error).__name__})."
        ) from error
    grey = np.rint(255 * grey).astype(kind) if kind is np.uint8 else grey.astype(kind)
    return grey[stored.view(pattern)] if small else grey


def _shrink(pixels: np.ndarray, size: int) -> np.ndarray:
    """Average a picture down to `size` pixels on its longer side, unless it is smaller."""
    rows, columns = pixels.shape
    scale = size / max(rows, columns)
    if scale >= 1:
        return pixels
    shape = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)


def _png(pixels: np.ndarray) -> bytes:
    """Encode a grey picture at level 1: on films nearly as small as level 9, and far faster."""
    done, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise RuntimeError("the PNG encoder failed")
    return encoded.tobytes()
