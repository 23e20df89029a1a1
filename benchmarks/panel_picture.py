"""The picture of the upload panel that README shows and notebook 08 links to: docs/panel.jpg.

    .venv/bin/python -m benchmarks.panel_picture [--out FILE]

Starts the web page as `make app` does, on the phantoms whatever CXR_DATA says, chooses an example
film, waits for the result and takes a picture of the panel in Chromium. To be run again whenever
notebook 05's model or what the panel shows has changed. Takes half a minute on two cores, and some
minutes more where the phantoms or the model are yet to be made.
"""

import argparse
import os
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.page_server import page_server
from helpers.paths import PROJECT
from tests.served import launch, open_page, wait_for_end

EXAMPLE = "Much haze"
WINDOW = {"width": 1100, "height": 1400}  # px; the panel is never wider than 960
QUALITY = 88  # of 100: letters stay sharp in about 200 kB


def main() -> None:
    """Take the picture, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "panel.jpg")
    out = parser.parse_args().out
    phantoms = {key: value for key, value in os.environ.items() if not key.startswith("CXR_")}
    with (
        tempfile.TemporaryDirectory() as folder,
        page_server(Path(folder) / "server.log", settings=phantoms) as server,
    ):
        take(server.address, out)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


def take(address: str, out: Path) -> None:
    """Choose the example on the page at this address, and write the panel's picture.

    Raises
    ------
    RuntimeError
        If the example led to no result, or to one with warnings.
    """
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = open_page(browser, address, viewport=WINDOW)
        page.get_by_role("button", name=EXAMPLE).click()
        if wait_for_end(page, after=0) != "done":
            raise RuntimeError(f"{EXAMPLE}: {page.locator('.cxr-panel').inner_text()}")
        page.locator(".cxr-result img").evaluate_all("all => Promise.all(all.map(i => i.decode()))")
        page.mouse.move(0, 0)  # or the button would look as if it were about to be pressed
        page.locator(".cxr-panel").screenshot(path=out, type="jpeg", quality=QUALITY)
        browser.close()


if __name__ == "__main__":
    main()
