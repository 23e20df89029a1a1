"""How long the upload panel takes: `analyse` alone, and from choosing a file to the picture.

    .venv/bin/python -m benchmarks.panel [--repeats 30] [--uploads 10]

Files are made of a phantom's film: a PNG of 1,024 px, one of about 0.65 MB, and DICOM films of 12
bits, uncompressed, one as large as those of COVID-19-NY-SBU (3,056 × 2,544) and one of 30 MB. The
networks are those of notebook 05; seeds that are not stored are replaced by copies of the first,
which take as long.
Uploads are timed in Chromium on a page that Voilà serves with its default settings, from the
browser's own event that a file was chosen until the last picture of the result is decoded. Takes
about three minutes on two cores that do nothing else.
"""

import argparse
import copy
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from playwright.sync_api import sync_playwright
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks.dicom_timing import phantom
from helpers.models import RiskModel
from helpers.panel import analyse, load_seeds
from helpers.paths import work_file
from helpers.reporting import markdown_table
from tests.dicom_films import make_film
from tests.served import VOILA, file_field, launch, open_page, served, wait_for_end, write_notebook

SEEDS = 5
WANTED = {  # ms: of `analyse`, and from choosing the file to the picture
    "PNG, 1,024 px": (150, None),
    "PNG, 0.65 MB": (None, 1500),
    "DICOM, 15 MB": (300, None),
    "DICOM, 30 MB": (None, 4000),
}

# Notes when a file was chosen, and when all pictures of its result can be seen.
STOPWATCH = """() => {
  const status = document.querySelector(".cxr-status");
  document.querySelector(".cxr-panel [type=file]").addEventListener("change", () => {
    window.took = null; window.chosen = performance.now(); }, { capture: true });
  new MutationObserver(async () => {
    if (!["done", "warned"].includes(status.dataset.state)) return;
    const pictures = [...document.querySelectorAll(".cxr-result img")];
    await Promise.all(pictures.map((one) => one.decode()));
    requestAnimationFrame(() => { window.took = performance.now() - window.chosen; });
  }).observe(status, { attributeFilter: ["data-state"] });
}"""


def main() -> None:
    """Time, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--uploads", type=int, default=10, help="0 leaves the browser out")
    options = parser.parse_args()
    path = work_file("models/iteration2.safetensors", made_by="05_fine_tune")
    model = RiskModel.load(path)
    stored = load_seeds(path)[: SEEDS - 1]
    others = [*stored, *(copy.deepcopy(model) for _ in range(SEEDS - 1 - len(stored)))]
    films = make_films()
    sizes = ", ".join(f"{name}: {len(data) / 1e6:.2f} MB" for name, data in films.items())
    print(
        f"{torch.get_num_threads()} threads, {model.size} px, {1 + len(stored)} of {SEEDS} seeds "
        f"stored. {sizes}.\n"
    )
    print(markdown_table(pd.DataFrame(time_analyse(films, model, others, options.repeats))))
    if options.uploads:
        print("\n" + markdown_table(pd.DataFrame(time_uploads(films, path, options.uploads))))


def make_films() -> dict[str, bytes]:
    """Files by what they are."""
    stored = phantom()
    window = {"WindowCenter": 2000, "WindowWidth": 3200}
    files = (
        _png(stored, 1024),
        _png(stored, 1140),
        *(
            make_film(pixels, bits=12, syntax=ExplicitVRLittleEndian, **window)
            for pixels in (stored, cv2.resize(stored, (3500, 4286)))
        ),
    )
    return dict(zip(WANTED, files, strict=True))


def _png(stored: np.ndarray, width: int) -> bytes:
    """PNG of a film of 12 bits, `width` pixels wide."""
    grey = ((stored - 400.0) / 3200 * 255).clip(0, 255)
    side = (width, round(width * len(stored) / stored.shape[1]))
    small = cv2.resize(grey, side, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".png", np.rint(small).astype(np.uint8))[1].tobytes()


def time_analyse(
    films: dict[str, bytes], model: RiskModel, others: list[RiskModel], repeats: int
) -> list[dict[str, str]]:
    """A row a file and number of networks, taken in turns."""
    cases = [(name, seeds) for name, (most, _) in WANTED.items() if most for seeds in ((), others)]
    times: dict[tuple[str, int], list[float]] = {(name, len(seeds)): [] for name, seeds in cases}
    for turn in range(-2, repeats):  # the first two warm up
        for name, seeds in cases:
            start = time.perf_counter()
            analyse(films[name], model, seeds)
            if turn >= 0:
                times[name, len(seeds)].append(1000 * (time.perf_counter() - start))
    return [
        {"`analyse`": name, "networks": str(1 + seeds)} | _row(taken, WANTED[name][0])
        for (name, seeds), taken in times.items()
    ]


def time_uploads(films: dict[str, bytes], model: Path, uploads: int) -> list[dict[str, str]]:
    """A row a file: from choosing it to the picture."""
    rows = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_notebook(
            folder / "panel.ipynb",
            "import copy",
            "from helpers.panel import load_seeds, upload_panel",
            "from helpers.training import RiskModel",
            f"model, others = RiskModel.load({str(model)!r}), load_seeds({str(model)!r})",
            f"others += [copy.deepcopy(model) for _ in range({SEEDS - 1} - len(others))]",
            "upload_panel(model, others=others)",
        )
        with served([*VOILA, "panel.ipynb"], folder) as address:
            page = open_page(launch(playwright), address)
            page.evaluate(STOPWATCH)
            for kind in (kind for kind, (_, most) in WANTED.items() if most):
                file, taken = folder / "film", []
                file.write_bytes(films[kind])
                for upload in range(-1, uploads):
                    before = int(page.locator(".cxr-status").get_attribute("data-run") or 0)
                    file_field(page).set_input_files([])  # or the same file is no change
                    file_field(page).set_input_files(file)
                    if wait_for_end(page, before) == "failed":
                        raise RuntimeError(page.locator(".cxr-alert").inner_text())
                    took = page.wait_for_function("window.took").json_value()
                    if upload >= 0:
                        taken.append(took)
                print(f"{kind}: {len(taken)} uploads", file=sys.stderr)
                rows.append({"from file to picture": kind} | _row(taken, WANTED[kind][1]))
    return rows


def _row(milliseconds: list[float], wanted: float | None) -> dict[str, str]:
    """Median and 95th percentile beside what is wanted of the median."""
    median, late = np.percentile(milliseconds, [50, 95])
    verdict = "met" if wanted and median <= wanted else "**missed**"
    return {
        "median": f"{median:.0f} ms",
        "95th percentile": f"{late:.0f} ms",
        "wanted": "—" if wanted is None else f"≤ {wanted} ms: {verdict}",
    }


if __name__ == "__main__":
    main()
