"""A review sheet: the borders of films, side by side, for a human to look for burned-in text.

No header tells what is written in a picture. Letters mostly stand near the edges, where machines
and staff put them, so a page shows many films with their borders stretched to full contrast and
their middles dimmed. A name in the middle of a film is still there, only darker: look at it too.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from helpers.dicom_picture import encode_png
from helpers.files import write_whole
from helpers.picture_files import picture_at

__all__ = ["review_sheet", "write_review"]

BORDER = 0.18  # share of each side that is shown at full contrast
TILE = 448  # pixels a film
_GAP = 6
_DIMMED = 0.35


def review_sheet(pictures: Sequence[str | Path], *, columns: int = 4) -> np.ndarray:
    """Draw the films of one page, numbered from 1 in reading order.

    Parameters
    ----------
    pictures : sequence of str or pathlib.Path
        PNGs, as `helpers.deidentify` writes them.
    columns : int
        Films beside each other.

    Returns
    -------
    numpy.ndarray
        uint8 (height, width), in tiles of 448 pixels. A picture that cannot be read says so.
    """
    rows = -(-len(pictures) // columns)
    side = TILE + _GAP
    page = np.zeros((max(1, rows) * side, columns * side), np.uint8)
    for place, path in enumerate(pictures):
        top, left = (place // columns) * side, (place % columns) * side
        page[top : top + TILE, left : left + TILE] = _tile(Path(path), place + 1)
    return page


def write_review(pictures: Sequence[str | Path], out: str | Path, *, films: int = 16) -> Path:
    """Write pages of films and a table to be filled in.

    Parameters
    ----------
    pictures : sequence of str or pathlib.Path
        PNGs.
    out : str or pathlib.Path
        Folder; made if missing. It holds pictures of films, so it must not be published.
    films : int
        On a page.

    Returns
    -------
    pathlib.Path
        ``review.csv``: a row a film with its page and number there, and the empty columns
        ``text_seen`` and ``reviewer``.

    Raises
    ------
    FileExistsError
        If the folder holds a review already, which may be filled in.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "review.csv"
    if table.exists():
        raise FileExistsError(
            f"{table.name} is there already, and may be filled in. Move it away, or write the "
            "review into another folder."
        )
    rows = []
    for first in range(0, len(pictures), films):
        page, shown = first // films + 1, pictures[first : first + films]
        write_whole(folder / f"page-{page:04d}.png", encode_png(review_sheet(shown)))
        rows += [(Path(path).name, page, number, "", "") for number, path in enumerate(shown, 1)]
    names = ["picture", "page", "number", "text_seen", "reviewer"]
    write_whole(table, pd.DataFrame(rows, columns=names).to_csv(index=False).encode())
    return table


def _tile(path: Path, number: int) -> np.ndarray:
    """Return one film (448, 448) with bright borders, a dim middle and its number."""
    tile = np.zeros((TILE, TILE), np.uint8)
    film = picture_at(path, cv2.IMREAD_GRAYSCALE)
    if film is None:
        cv2.putText(tile, "cannot be read", (60, TILE // 3), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
    else:
        height, width = film.shape
        scale = TILE / max(height, width)
        shape = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        shown = _borders(cv2.resize(film, shape, interpolation=method))
        tile[: shown.shape[0], : shown.shape[1]] = shown
    label, thick = str(number), 2
    (width, height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 0.9, thick)
    middle = (TILE // 2 - width // 2, TILE // 2 + height // 2)
    for grey, line in ((0, 3 * thick), (255, thick)):
        cv2.putText(tile, label, middle, cv2.FONT_HERSHEY_SIMPLEX, 0.9, grey, line, cv2.LINE_AA)
    return tile


def _borders(film: np.ndarray) -> np.ndarray:
    """Stretch the contrast where letters are faint, and dim what is not border."""
    stretched = cv2.createCLAHE(clipLimit=20.0, tileGridSize=(8, 8)).apply(film)
    down, right = (max(1, round(side * BORDER)) for side in film.shape)
    middle = (film * _DIMMED).astype(np.uint8)[down:-down, right:-right]
    stretched[down:-down, right:-right] = middle
    return stretched
