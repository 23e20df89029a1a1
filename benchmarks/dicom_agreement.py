"""How our grey values agree with DCMTK's and ITK's, over generated and real films.

    python -m benchmarks.dicom_agreement --ask    ask both, keep their answers for the tests
    python -m benchmarks.dicom_agreement          compare, and write docs/dicom-agreement.md

Needed beside requirements.txt: the Debian package dcmtk and the Python package SimpleITK. Asking
takes some minutes. The first run keeps answers for generated films in tests/dicom_expected.npz;
real films are asked for anew each time, and nothing of them is kept but the differences.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.dicom import read_dicom
from helpers.dicom_decoders import stored_words, values_of
from helpers.dicom_errors import UnreadableDicom
from helpers.dicom_grey import is_background
from helpers.dicom_header import open_film
from helpers.paths import PROJECT
from tests.dicom_matrix import ENCODED, EXPECTED, cases, digest

PEERS = ("dcmtk", "itk")
PAGE = PROJECT / "docs" / "dicom-agreement.md"


def ask(every: int = 1) -> None:
    """Show generated films, all or one in so many, to both implementations and keep the answers."""
    from benchmarks.dicom_peers import by_dcmtk, by_itk

    matrix = list(cases())[::every]
    films = [case.film() for case in matrix]
    encoded = sorted(ENCODED.glob("*.dcm"))
    kept = {
        "digest": np.array(digest(films)),
        "every": np.array(every),
        "encoded": np.array([path.stem for path in encoded]),
    }
    for name, grey_by in zip(PEERS, (by_dcmtk, by_itk), strict=True):
        answers = []
        source = Path(EXPECTED.with_suffix(".dcm"))
        for case, film in zip(matrix, films, strict=True):
            source.write_bytes(film)
            answers.append(grey_by(source, **case.choice()))
        source.unlink()
        _keep(kept, name, answers, (8, 8))
        _keep(kept, f"{name}_encoded", [grey_by(path) for path in encoded], (48, 48))
    np.savez_compressed(EXPECTED, **kept)


def _keep(
    kept: dict[str, np.ndarray], name: str, answers: list[np.ndarray | None], shape: tuple[int, int]
) -> None:
    """Store answers as one array, and which of them there are."""
    nothing = np.zeros(shape, "u1")
    kept[name] = np.stack([nothing if grey is None else grey for grey in answers])
    kept[f"{name}_defined"] = np.array([grey is not None for grey in answers])


def generated() -> list[str]:
    """Return table rows: by step, films compared and the greatest difference, of each peer."""
    with np.load(EXPECTED) as kept:
        answers = dict(kept)
    asked = list(cases())[:: int(answers["every"])]
    greatest: dict[tuple[str, str], dict[str, list[int]]] = {}
    for number, case in enumerate(asked):
        ours = _grey(case.film(), **case.choice())
        for peer in PEERS:
            if not answers[f"{peer}_defined"][number]:
                continue
            far = int(np.abs(ours - answers[peer][number])[case.shown()].max())
            for step in ("stored", "modality", "contrast", "polarity", "padding"):
                part = greatest.setdefault((step, getattr(case, step)), {})
                part.setdefault(peer, []).append(far)
    rows = ["| step | | films | DCMTK | films | ITK |", "|---|---|---|---|---|---|"]
    for (step, value), found in sorted(greatest.items()):
        rows.append(f"| {step} | {value} | " + " | ".join(_cell(found, p) for p in PEERS) + " |")
    return rows


def _cell(found: dict[str, list[int]], peer: str) -> str:
    """Return how many films a peer defines and the greatest difference among them."""
    return f"{len(found[peer])} | {max(found[peer])}" if peer in found else "0 | –"


def encodings() -> list[str]:
    """Return table rows: every generated encoding beside the plain film and the peers."""
    with np.load(EXPECTED) as kept:
        answers = dict(kept)
    rows = ["| film | from the plain film | from DCMTK | from ITK |", "|---|---|---|---|"]
    for number, name in enumerate(answers["encoded"]):
        ours = _grey(ENCODED / f"{name}.dcm")
        plain = _grey(ENCODED / f"plain-{name.rsplit('-', 1)[-1]}.dcm") if _known(name) else None
        cells = ["–" if plain is None else str(np.abs(ours - plain).max())]
        for peer in PEERS:
            defined = answers[f"{peer}_encoded_defined"][number]
            theirs = answers[f"{peer}_encoded"][number]
            cells.append(str(np.abs(ours - theirs).max()) if defined else "refused")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def _known(name: str) -> bool:
    return (ENCODED / f"plain-{name.rsplit('-', 1)[-1]}.dcm").exists()


def real_files(most: float = np.inf) -> list[str]:
    """Return table rows: the files of pydicom and pydicom-data up to so many bytes, asked anew."""
    import data_store
    import pydicom.data

    from benchmarks.dicom_peers import by_dcmtk, by_itk

    folders = (
        Path(pydicom.data.__file__).with_name("test_files"),
        Path(data_store.__file__).with_name("data"),
    )
    carried = {path.name: path for folder in folders for path in folder.glob("*.dcm")}
    rows = ["| file | ours | DCMTK | ITK |", "|---|---|---|---|"]
    for name, path in sorted(carried.items()):
        if path.stat().st_size > most:
            continue
        try:
            ours = _grey(path)
        except UnreadableDicom as reason:
            rows.append(f"| {name} | refused: {reason} | | |")
            continue
        shown = _picture(path)
        cells = []
        for grey_by in (by_dcmtk, by_itk):
            theirs = _asked(grey_by, path)
            same = theirs is not None and theirs.shape == ours.shape
            cells.append(str(np.abs(ours - theirs)[shown].max()) if same else "refused")
        rows.append(f"| {name} | {ours.shape[0]} × {ours.shape[1]} | " + " | ".join(cells) + " |")
    return rows


def _picture(path: Path) -> np.ndarray:
    """Return which pixels are no padding, as their implementations know none."""
    film = open_film(path.read_bytes())
    return ~is_background(values_of(stored_words(film), film).astype(np.int64), film)


def _asked(grey_by: Callable[[Path], np.ndarray | None], path: Path) -> np.ndarray | None:
    """Ask about a file that may be wrong on purpose, which pydicom then cannot prepare."""
    try:
        return grey_by(path)
    except Exception:
        return None


def _grey(source: Path | bytes, **choice: int | bool) -> np.ndarray:
    return np.rint(255 * read_dicom(source, **choice).astype(float)).astype(int)


TABLES: dict[str, Callable[..., list[str]]] = {
    "generated films": generated,
    "encodings": encodings,
    "real files": real_files,
}


def _replace(page: str, name: str, rows: list[str]) -> str:
    """Put rows between a table's two marks on the page."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = page.split(begin)
    return "\n".join([before + begin, "", *rows, "", end]) + rest.split(end)[1]


def main() -> None:
    """Ask, or compare and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ask", action="store_true", help="ask both about generated films")
    warnings.simplefilter("ignore")  # some of the real films are wrong on purpose
    parser.add_argument("--every", type=int, default=1, help="ask about one film in so many")
    parser.add_argument("--tables", nargs="*", default=list(TABLES), choices=TABLES)
    parser.add_argument("--up-to", type=float, default=np.inf, help="bytes of a real file")
    chosen = parser.parse_args()
    if chosen.ask:
        ask(chosen.every)
        return
    page = PAGE.read_text(encoding="utf-8")
    for name in chosen.tables:
        rows = TABLES[name](chosen.up_to) if name == "real files" else TABLES[name]()
        page = _replace(page, name, rows)
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
