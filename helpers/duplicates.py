"""The same film twice: copies that were re-encoded, rescaled or cropped, found by their picture.

A perceptual hash alone cannot tell chest films apart: of two films of different people it may
differ in 8 of 64 bits, and of two copies, one of which was cropped off centre, in 14. So the hash
proposes and a second measure decides: both films are brought into register by an affine
transform and their fine detail (ribs, vessels, wires) is correlated. Serial films of one patient
share the anatomy but not the exposure and stay clearly below copies; `benchmarks/duplicates.py`
prints the measurement. Mirrored and turned copies are not looked for.
"""

import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import imagehash
import numpy as np
import pandas as pd
from PIL import Image

from helpers.pixels import UnreadableRadiograph, read_radiograph

SIDE = 96  # px, short side of the films that are compared
HASH_DISTANCE = 16  # of 64 bits; copies cropped off centre were up to 14 apart
COARSE_CORRELATION = 0.75  # of 16 × 16 px thumbnails; discards most of what the hash proposes
HALF_CORRELATION = 0.7  # of fine detail at half size; spares most pairs the full one
FINE_CORRELATION = 0.96  # between serial films (at most 0.95) and copies (at least 0.97)

_BLOCK = 128  # films compared with all others at once: memory stays at _BLOCK × n
_CHUNK = 4096  # proposed pairs whose thumbnails are correlated at once
_logger = logging.getLogger(__name__)


class _Film(NamedTuple):
    picture: np.ndarray  # uint8, the short side has SIDE px
    hashes: np.ndarray  # uint64 (3,), one per square
    thumbnails: np.ndarray  # float32 (3, 256), of mean 0 and length 1


def find_duplicates(
    paths: Iterable[str | Path],
    *,
    min_correlation: float = FINE_CORRELATION,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Find the pairs of files that show the same exposure.

    Every pair of files is compared: first the perceptual hashes (ImageHash's ``phash``, 64 bits)
    of three squares of each film, at its two ends and in its middle, since copies are often
    cropped to a square; then, for pairs within 16 bits, thumbnails; then the correlation of fine
    detail after affine registration (``cv2.findTransformECC``; Evangelidis and Psarakis 2008).

    Parameters
    ----------
    paths
        Picture files of any format that ``read_radiograph`` understands. About 14 kB of memory a
        file are held.
    min_correlation
        Correlation of registered fine detail from which a pair counts as the same exposure.
    executor
        Where the files are read; in this process if not given.

    Returns
    -------
    pandas.DataFrame
        A row a pair: ``path_a``, ``path_b`` (in the order given), ``distance`` (bits, 0 to 64),
        ``correlation`` (0 to 1), the surest first. Files that could not be read are in
        ``.attrs["unreadable"]``, a tuple of (path, reason), and in one warning.

    Raises
    ------
    ValueError
        If a path is given twice.
    FileNotFoundError
        If a file is absent.
    """
    names = [str(path) for path in paths]
    repeated = len(names) - len(set(names))
    if repeated:
        raise ValueError(
            f"Expected every path once, but {repeated} are repeated: pass unique ones."
        )
    results = list((executor.map if executor else map)(_film, names))
    unreadable = tuple((n, r) for n, r in zip(names, results, strict=True) if isinstance(r, str))
    if unreadable:
        warnings.warn(
            f"{len(unreadable)} of {len(names)} files cannot be read and were not compared; the "
            f"first because: {unreadable[0][1]}",
            stacklevel=2,
        )
    readable = [n for n, r in zip(names, results, strict=True) if not isinstance(r, str)]
    films = [r for r in results if not isinstance(r, str)]
    rows = [
        (readable[a], readable[b], distance, correlation)
        for a, b, distance, correlation in _compare(films)
        if correlation >= min_correlation
    ]
    table = pd.DataFrame(rows, columns=["path_a", "path_b", "distance", "correlation"]).astype(
        {"path_a": "string", "path_b": "string", "distance": "int64", "correlation": "float64"}
    )
    table = table.sort_values("correlation", ascending=False, ignore_index=True)
    table.attrs["unreadable"] = unreadable
    return table


def load_duplicates(path: str | Path) -> pd.DataFrame:
    """Read the pairs of copies that notebook 01 has stored.

    Raises
    ------
    ValueError
        If a file of a pair is not where it was: the table would guard nothing.
    """
    pairs = pd.read_csv(path, dtype={"path_a": str, "path_b": str})
    files = {*pairs["path_a"], *pairs["path_b"]}
    if missing := [file for file in files if not Path(file).exists()]:
        raise ValueError(
            f"{len(missing)} of the {len(files)} files in {Path(path).name} are not where they "
            "were: data have been moved or made anew. Run notebook 01 again."
        )
    return pairs


def _film(path: str) -> "_Film | str":
    """Describe a film, or say why it cannot be read (a bad file must not end a long run)."""
    try:
        film = read_radiograph(path)
    except UnreadableRadiograph as error:
        return str(error)
    except FileNotFoundError:
        raise
    except OSError as error:
        return f"The file cannot be opened: {error.strerror}."
    scale = SIDE / min(film.shape)
    shape = (round(film.shape[1] * scale), round(film.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = np.rint(cv2.resize(film, shape, interpolation=method) * 255).astype(np.uint8)
    squares = [_square(picture, position) for position in range(3)]
    hashes = [imagehash.phash(Image.fromarray(square)).hash for square in squares]
    thumbnails = np.stack([cv2.resize(s, (16, 16), interpolation=cv2.INTER_AREA) for s in squares])
    vectors = thumbnails.reshape(3, -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    packed = np.packbits(np.stack(hashes).reshape(3, 64), axis=1).view(np.uint64)[:, 0]
    return _Film(picture, packed, vectors)


def _square(picture: np.ndarray, position: int) -> np.ndarray:
    """Cut the square at the start (0), in the middle (1) or at the end (2) of the long side."""
    height, width = picture.shape
    side = min(height, width)
    top, left = (height - side) * position // 2, (width - side) * position // 2
    return picture[top : top + side, left : left + side]


def _compare(films: Sequence[_Film]) -> Iterator[tuple[int, int, int, float]]:
    """Yield the pairs that hash and thumbnails propose: places, bits apart, fine correlation."""
    if len(films) < 2:
        return
    hashes = np.stack([film.hashes for film in films])
    thumbnails = np.stack([film.thumbnails for film in films])
    proposed = aligned = 0
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # OpenCV lets other threads run
        for pairs, distances in _near(hashes):
            proposed += len(pairs)
            for start in range(0, len(pairs), _CHUNK):
                chunk = pairs[start : start + _CHUNK]
                coarse = thumbnails[chunk[:, 0]] @ thumbnails[chunk[:, 1]].transpose(0, 2, 1)
                squares = coarse.reshape(-1, 9).argmax(axis=1)
                near = np.flatnonzero(coarse.max(axis=(1, 2)) >= COARSE_CORRELATION)
                sides = [
                    (_square(films[a].picture, place // 3), _square(films[b].picture, place % 3))
                    for (a, b), place in zip(chunk[near], squares[near], strict=True)
                ]
                for k, fine in zip(near, threads.map(_fine_correlation, sides), strict=True):
                    if fine is not None:
                        aligned += 1
                        a, b = chunk[k]
                        yield int(a), int(b), int(distances[start + k]), fine
    _logger.info("%d films: hashes proposed %d pairs, %d aligned", len(films), proposed, aligned)


def _near(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of films within HASH_DISTANCE bits, a block of films at a time.

    `hashes` is uint64 of shape (n, 3); a pair's distance is the smallest between any of its
    squares. Yields places (pairs, 2) with the first below the second, and distances (pairs,).
    """
    for start in range(0, len(hashes), _BLOCK):
        block, rest = hashes[start : start + _BLOCK], hashes[start:]
        distance = np.full((len(block), len(rest)), 64, np.uint8)
        for i in range(3):
            for j in range(3):
                apart = np.bitwise_count(block[:, i, None] ^ rest[None, :, j])
                np.minimum(distance, apart, out=distance)
        first, second = np.nonzero(distance <= HASH_DISTANCE)
        later = second > first
        pairs = np.stack([first[later], second[later]], axis=1)
        yield pairs + start, distance[pairs[:, 0], pairs[:, 1]]


def _fine_correlation(squares: tuple[np.ndarray, np.ndarray]) -> float | None:
    """Correlate two squares, registered; None if they do not even agree at half the size."""
    if _registered_correlation(*map(_half, squares)) < HALF_CORRELATION:
        return None
    return _registered_correlation(*squares)


def _half(square: np.ndarray) -> np.ndarray:
    return cv2.resize(square, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)


def _registered_correlation(fixed: np.ndarray, moving: np.ndarray) -> float:
    """Register two squares by an affine transform and correlate their detail where they overlap."""
    side = len(fixed)
    sigma = side / 128
    a, b = (
        cv2.GaussianBlur(square.astype(np.float32), (0, 0), sigma) for square in (fixed, moving)
    )
    start = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-4)
    try:
        _, affine = cv2.findTransformECC(a, b, start, cv2.MOTION_AFFINE, stop)
    except cv2.error:  # does not converge: the pictures have nothing in common
        return 0.0
    shape, inverse = a.shape[::-1], cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(
        b, affine, shape, flags=cv2.INTER_LINEAR | inverse, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpAffine(np.ones_like(b), affine, shape, flags=cv2.INTER_NEAREST | inverse) > 0
    margin = side // 10  # letters and collimation differ between copies
    overlap = np.zeros_like(inside)
    overlap[margin:-margin, margin:-margin] = inside[margin:-margin, margin:-margin]
    if overlap.mean() < 0.4:  # too little in common to judge; the margins leave at most 0.64
        return 0.0
    first, second = (
        (film - cv2.GaussianBlur(film, (0, 0), side / 20))[overlap] for film in (a, moved)
    )
    if min(first.std(), second.std()) < 1e-3:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
