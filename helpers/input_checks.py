"""Is a picture a frontal chest film as the network learned from? Checks that warn, never block.

A network answers for any picture, a cat's too, and its confidence does not tell (Hendrycks and
Gimpel 2017, arXiv:1610.02136, and after them many). The checks here look at the picture instead.
What looks strange is learned from phantoms alone (`phantoms.recognition`); how often the checks are
wrong on real films and on other pictures is in docs/input-checks.md.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from helpers.dicom_beginning import is_dicom
from helpers.dicom_header import PictureWords, picture_words
from helpers.film_kinds import KINDS, film_kinds
from helpers.pixels import preprocess

WIDEST, NARROWEST = 1.6, 0.625  # width / height; cassettes have 35 × 43 cm, lying or standing
MOST_IN_ONE_GREY = 0.4  # share of the film in one of 64 greys
# Of Modality (PS3.3 C.7.3.1.1.1): plate, detector, scanned film, and what a hospital calls "other".
RADIOGRAPHY = ("CR", "DX", "RG", "OT")
OTHER_MACHINES = ("CT", "MR", "US", "MG", "PT", "NM", "RF", "XA", "SC", "ES", "XC", "IO", "PX")
# Of Body Part Examined (PS3.16 annex L), and none in which a chest is. It is often left as it was.
OTHER_PARTS = (
    *("SKULL", "HEAD", "JAW", "FACE", "NECK", "CSPINE", "LSPINE", "SSPINE", "COCCYX", "ABDOMEN"),
    *("PELVIS", "HIP", "LEG", "KNEE", "ANKLE", "FOOT", "TOE", "SHOULDER", "CLAVICLE", "ARM"),
    *("ELBOW", "HAND", "WRIST", "FINGER", "THUMB", "EXTREMITY", "BREAST", "FEMUR", "HUMERUS"),
)
SIDE_VIEWS = ("LL", "RL", "LLD", "RLD", "LLO", "RLO")  # of View Position (PS3.3 C.8.7.1.1.1)
MOST_COLOUR = 20.0  # of 255, mean of largest less smallest colour; a film has none, a tint little


def check_input(
    data: bytes,
    film: np.ndarray,
    square: np.ndarray,
    mean_film: Sequence[Sequence[float]] | None = None,
) -> list[str]:
    """Sentences that say why this picture may not be what the network expects.

    Parameters
    ----------
    data : bytes
        The file, for its colours and its DICOM header, which reading takes away.
    film : ndarray, shape (h, w), float32 in [0, 1]
        As `helpers.pixels.read_radiograph` returns it.
    square : ndarray, shape (size, size), uint8
        The same, preprocessed: what the network sees.
    mean_film : sequence of rows, or None
        Of the training films, from `helpers.training_data.mean_film`; by default of the phantoms
        from which the checks learned.

    Returns
    -------
    list of str
        Empty if nothing was noticed.
    """
    return list(named_warnings(data, film, square, mean_film).values())


def named_warnings(
    data: bytes,
    film: np.ndarray,
    square: np.ndarray,
    mean_film: Sequence[Sequence[float]] | None = None,
) -> dict[str, str]:
    """Return the sentences of :func:`check_input` by the names of the checks."""
    checks = {
        "header": _check_header(data),
        "colour": _check_colour(data),
        "few pixels": _check_pixels(film, len(square)),
        "odd shape": _check_shape(film),
        "one grey": _check_greys(film),
    }
    return {name: text for name, text in checks.items() if text} | _check_look(
        film, square, mean_film
    )


def _check_header(data: bytes) -> str:
    """What a DICOM header says of its picture, in words of the standard alone."""
    if not is_dicom(data):
        return ""
    said = _strange_words(picture_words(data))
    return f"The DICOM header says that {said}. The prediction may mean nothing." if said else ""


def _strange_words(words: PictureWords) -> str:
    """What a header says that does not go with a frontal film of a chest, seen as usual."""
    machine, view, part, rows, columns = words
    if machine and machine not in RADIOGRAPHY:
        known = machine if machine in OTHER_MACHINES else "another"
        return f"this is no plain radiograph (Modality is {known})"
    if part in OTHER_PARTS:
        return f"another part of the body was taken (Body Part Examined is {part})"
    if view in SIDE_VIEWS or view.startswith("LAT") or rows[:1] in ("A", "P"):
        return (
            "the film was taken from the side or lying on the side; the network learned from "
            "frontal films"
        )
    if rows[:1] == "R" or columns[:1] == "H" or rows[:1] in ("H", "F"):
        return (
            "the picture is mirrored, turned or upside down (Patient Orientation); on the films "
            "that the network learned from, the patient's left is on the right and the head above"
        )
    return ""


def _check_colour(data: bytes) -> str:
    if colourfulness(data) <= MOST_COLOUR:
        return ""
    return "This picture has colours. A radiograph is grey: is it a photograph?"


def _check_pixels(film: np.ndarray, size: int) -> str:
    height, width = film.shape
    if min(height, width) >= size:
        return ""
    return (
        f"The picture has only {width} × {height} pixels, fewer than the network looks at "
        f"({size} × {size}). Fine detail is missing."
    )


def _check_shape(film: np.ndarray) -> str:
    height, width = film.shape
    if NARROWEST <= width / height <= WIDEST:
        return ""
    return (
        f"The picture is unusually {'wide' if width > height else 'tall'} "
        f"({width} × {height} pixels). A film of the whole chest is nearly square: "
        "is a part of it missing, or are two films side by side?"
    )


def _check_greys(film: np.ndarray) -> str:
    if share_of_one_grey(film) <= MOST_IN_ONE_GREY:
        return ""
    return "Much of the picture has one single grey value. Is it cropped, masked or overexposed?"


def _check_look(
    film: np.ndarray, square: np.ndarray, mean_film: Sequence[Sequence[float]] | None
) -> dict[str, str]:
    """Compare the picture with frontal films: its features, and its layout with the mean film's."""
    kinds = film_kinds()
    limits = kinds.card["limits"]
    seen = square if len(square) == kinds.size else preprocess(film, kinds.size)
    found = kinds.recognise(seen[None])
    likeness = resemblance(square, mean_film or kinds.card["mean_film"])
    warnings = {}
    if found.strangeness[0] > limits["strangeness"]:
        kind = found.nearest[0]
        warnings[kind] = f"This does not look like a frontal film of a chest. {KINDS[kind]}"
    if likeness < limits["resemblance"]:
        limit = f"{limits['resemblance']:.2f}".replace("-", "−")
        warnings["mean film"] = (
            "Light and dark are laid out otherwise than on the films that the network learned "
            f"from: the correlation with their mean is below {limit}; that of "
            "nearly all frontal phantoms is above."
        )
    if warnings:
        last = list(warnings)[-1]
        warnings[last] += " The prediction may mean nothing."
    return warnings


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
    if is_dicom(data):
        return 0.0
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
        if picture.mode in ("1", "L", "LA") or picture.mode.startswith("I"):
            return 0.0
        picture.draft("RGB", (256, 256))  # a JPEG decoder can skip detail, which saves time
        coarse = picture.resize((128, 128), reducing_gap=2.0)  # before it is converted: less memory
        small = np.asarray(coarse.convert("RGB"), dtype=np.int16)
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
