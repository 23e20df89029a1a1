"""Does a picture look like the films that the network learned from? Checks that warn, never block.

A network answers for any picture, a cat's too, and its confidence does not tell (Hendrycks and
Gimpel 2017, arXiv:1610.02136, and after them many). The checks here look at the picture instead.
Thresholds were set on 531 public frontal films (ieee8023 and Hannover), of which one in twenty gets
a warning. So did 27 of 29 lateral films, 27 of 51 CT slices and 20 of 20 photographs.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

WIDEST, NARROWEST = 1.6, 0.625  # width / height; published frontal films lie between 0.78 and 1.58
MOST_IN_ONE_GREY = 0.4  # share of the film in one of 64 greys; 99 in 100 published films: < 0.29
MOST_COLOUR = 20.0  # of 255, mean of largest less smallest colour; published films: mostly 0
LEAST_RESEMBLANCE = 0.35  # correlation with the mean film; 19 in 20 published frontal films: above


def check_input(
    data: bytes, film: np.ndarray, square: np.ndarray, mean_film: Sequence[Sequence[float]] | None
) -> list[str]:
    """Sentences that say why this picture may not be what the network expects.

    Parameters
    ----------
    data : bytes
        The file, for its colours, which reading takes away.
    film : ndarray, shape (h, w), float32 in [0, 1]
        As `helpers.radiographs.read_radiograph` returns it.
    square : ndarray, shape (size, size), uint8
        The same, preprocessed: what the network sees.
    mean_film : sequence of rows, or None
        Of the training films, from `helpers.training_data.mean_film`; None leaves that check out.

    Returns
    -------
    list of str
        Empty if nothing was noticed.
    """
    height, width = film.shape
    warnings = []
    if colourfulness(data) > MOST_COLOUR:
        warnings.append("This picture has colours. A radiograph is grey: is it a photograph?")
    if min(height, width) < len(square):
        warnings.append(
            f"The picture has only {width} × {height} pixels, fewer than the network looks at "
            f"({len(square)} × {len(square)}). Fine detail is missing."
        )
    if not NARROWEST <= width / height <= WIDEST:
        warnings.append(
            f"The picture is unusually {'wide' if width > height else 'tall'} "
            f"({width} × {height} pixels). A film of the whole chest is nearly square: "
            "is a part of it missing, or are two films side by side?"
        )
    if share_of_one_grey(film) > MOST_IN_ONE_GREY:
        warnings.append(
            "Much of the picture has one single grey value. Is it cropped, masked or overexposed?"
        )
    if mean_film is not None:
        warnings += _compare(resemblance(square, mean_film))
    return warnings


def _compare(likeness: float) -> list[str]:
    if likeness >= LEAST_RESEMBLANCE:
        return []
    guess = (
        "Light and dark look exchanged: lungs should be dark, bones white."
        if likeness < -LEAST_RESEMBLANCE
        else "Is it a lateral view, rotated, a CT slice, or no radiograph at all?"
    )
    return [
        "This picture does not look like the frontal chest films that the network learned from "
        f"(correlation with their mean {likeness:.2f}; most have {LEAST_RESEMBLANCE} or more). "
        f"{guess} The prediction may mean nothing."
    ]


def colourfulness(data: bytes) -> float:
    """Mean over pixels of the largest less the smallest of red, green and blue.

    Parameters
    ----------
    data : bytes
        A readable PNG, JPEG or DICOM file.

    Returns
    -------
    float
        0 (grey, and every DICOM film) to 255.
    """
    if data[128:132] == b"DICM":
        return 0.0
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
        if picture.mode in ("1", "L", "LA") or picture.mode.startswith("I"):
            return 0.0
        picture.draft("RGB", (256, 256))  # a JPEG decoder can skip detail, which saves time
        small = np.asarray(picture.convert("RGB").resize((128, 128)), dtype=np.int16)
    return float((small.max(axis=2) - small.min(axis=2)).mean())


def share_of_one_grey(film: np.ndarray) -> float:
    """Share of the film, float32 (h, w) in [0, 1], that falls into the fullest of 64 greys.

    Greys are counted from black to the film's own brightest, since a film of 12 bits in a file of
    16 uses but a few of all possible ones.
    """
    scale = 256 / max(film.shape)
    height, width = (max(1, round(side * scale)) for side in film.shape)
    small = cv2.resize(film, (width, height), interpolation=cv2.INTER_AREA)
    counts, _ = np.histogram(small, bins=64, range=(0, max(float(small.max()), 1e-6)))
    return float(counts.max() / small.size)


def resemblance(square: np.ndarray, mean: Sequence[Sequence[float]]) -> float:
    """Correlation of a film with the mean film, over the part that is not black padding.

    Parameters
    ----------
    square : ndarray, shape (size, size), uint8
    mean : sequence of rows
        As `helpers.training_data.mean_film` returns it: coarse, so that the layout of a chest is
        compared and not its detail.

    Returns
    -------
    float
        -1 (a negative) to 1; 0 for a picture without any contrast.
    """
    expected = np.asarray(mean, dtype=np.float64)
    coarse = cv2.resize(
        square.astype(np.float64), expected.shape[::-1], interpolation=cv2.INTER_AREA
    )
    live = np.ix_(coarse.max(axis=1) > 0, coarse.max(axis=0) > 0)
    film, expected = coarse[live].ravel(), expected[live].ravel()
    if film.size == 0 or film.std() == 0 or expected.std() == 0:
        return 0.0
    return float(np.corrcoef(film, expected)[0, 1])
