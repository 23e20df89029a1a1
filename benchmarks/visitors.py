"""Twenty visitors on the web page, four at a time, two hundred uploads: does it all come back?

    .venv/bin/python -m benchmarks.visitors [--visitors 20] [--at-once 4] [--uploads 10]

Every visitor is a Chromium page of its own. It uploads films of every accepted kind, one after
the other, and is closed. Memory is that of the server and its kernels together (PSS: what they
share counts once), before the first visitor and after the last kernel of a visitor has ended.
The page counts as usable when the field for files is enabled and the panel says that it waits;
it is asked for as soon as the server takes connections, after each of a few starts.

Takes a quarter of an hour on two cores, for every visitor gets a fresh kernel. Needs Linux,
Chromium, and what notebook 05 makes.
"""

import argparse
import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import psutil
from playwright.async_api import Browser, Page, async_playwright

from benchmarks.page_server import PATIENCE, PageServer, page_server, wait_until
from helpers.reporting import markdown_table
from tests.drawn_chests import dicom, drawn_chest, jpeg, png

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-dev-shm-usage"]
WANTED_SECONDS = 3.0  # until the page is usable
WANTED_MEMORY = 0.10  # of the memory before: what may stay
READY = """() => { const field = document.querySelector("input[type=file]");
    return field && !field.disabled && !field.closest("fieldset[disabled]")
        && document.querySelector("[data-state='idle']") }"""
ENDED = """after => { const { run, state } = document.querySelector("[data-run]").dataset;
    return run > after && ["done", "warned", "failed"].includes(state) }"""


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--uploads", type=int, default=10, help="by each visitor")
    parser.add_argument("--starts", type=int, default=5, help="of the server, for the first table")
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        raise SystemExit(f"No browser found: looked for {', '.join(CHROMIUM)}.")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options, chromium, Path(folder)))


async def measure(options: argparse.Namespace, chromium: str, folder: Path) -> None:
    """Both parts, in one browser."""
    log = folder / "server.log"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        starts = [await one_start(browser, log) for _ in range(options.starts)]
        if starts:
            print(start_table(pd.DataFrame(starts)))
        with page_server(log, f"--visitors={options.at_once}") as server:
            await settle(server, options.at_once)
            before = server.megabytes()
            with Watch(server) as watch:
                uploads = await all_visitors(browser, server, options, write_films(folder))
            await settle(server, options.at_once)
            after = server.megabytes()
        await browser.close()
    print(upload_table(uploads))
    print(memory_table(before, after, watch))


async def one_start(browser: Browser, log: Path) -> dict[str, float]:
    """Seconds from the server's start to its first connection, and from there to a usable page."""
    with page_server(log) as server:
        page = await browser.new_page()
        start = time.perf_counter()
        await arrive(page, server)
        usable = time.perf_counter() - start
        await page.close()
    return {"until the server is ready": server.seconds, "from there until usable": usable}


async def arrive(page: Page, server: PageServer) -> None:
    """Open the page and wait until a film can be chosen."""
    await page.goto(server.address, wait_until="commit", timeout=PATIENCE * 1000)
    await page.wait_for_function(READY, timeout=PATIENCE * 1000)


async def leave(page: Page, server: PageServer) -> None:
    """Go elsewhere, as visitors do: the page then asks for the end of its kernel."""
    await page.goto("about:blank")
    await asyncio.to_thread(wait_until, lambda: server.free() > 0)
    await page.close()


async def all_visitors(
    browser: Browser, server: PageServer, options: argparse.Namespace, films: Sequence[Path]
) -> pd.DataFrame:
    """A row an upload: visitor, film, state in which it ended, seconds."""
    places = asyncio.Semaphore(options.at_once)

    async def one(visitor: int) -> list[dict[str, object]]:
        async with places:
            page = await browser.new_page()
            await arrive(page, server)
            order = [films[(visitor + number) % len(films)] for number in range(options.uploads)]
            rows = [{"visitor": visitor, **await upload(page, film)} for film in order]
            await leave(page, server)
            return rows

    visits = await asyncio.gather(*map(one, range(options.visitors)))
    return pd.DataFrame([row for rows in visits for row in rows])


async def upload(page: Page, film: Path) -> dict[str, object]:
    """Choose a file, and wait until the panel has done with it."""
    status = page.locator("[data-run]")
    run = int(await status.get_attribute("data-run") or 0)
    start = time.perf_counter()
    await page.locator("input[type=file]").set_input_files(film)
    await page.wait_for_function(ENDED, arg=run, timeout=PATIENCE * 1000)
    seconds = time.perf_counter() - start
    state = await status.get_attribute("data-state")
    return {"film": film.name, "state": state, "seconds": seconds}


def write_films(folder: Path) -> list[Path]:
    """Ten files, as visitors bring them: 0.1 to 30 MB."""
    films = {
        "grey 1.png": png(drawn_chest(1024, 1024, seed=1)),
        "grey 2.png": png(drawn_chest(900, 1100, seed=2)),
        "small.png": png(drawn_chest(400, 420, seed=3)),
        "16 bits.png": png(drawn_chest(1024, 1024, seed=4), bits=16),
        "large 16 bits.png": png(drawn_chest(2000, 2000, seed=5), bits=16),
        "grey 1.jpg": jpeg(drawn_chest(1024, 1024, seed=6)),
        "grey 2.jpg": jpeg(drawn_chest(2000, 2400, seed=7)),
        "small.dcm": dicom(drawn_chest(1000, 1000, seed=8)),
        "15 MB.dcm": dicom(drawn_chest(2700, 2800, seed=9)),
        "30 MB.dcm": dicom(drawn_chest(3900, 3900, seed=10)),
    }
    for name, data in films.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in films]


async def settle(server: PageServer, places: int) -> None:
    """Wait until nobody is there and one kernel, the preheated one, does nothing."""

    def at_rest() -> bool:
        kernels = server.process.children(recursive=True)
        if len(kernels) != 1 or server.free() < places:
            return False
        try:
            return kernels[0].cpu_percent(interval=1.0) < 2
        except psutil.NoSuchProcess:  # it ended since it was listed
            return False

    await asyncio.to_thread(wait_until, at_rest)


class Watch:
    """The most memory and kernels at a time, while a `with` block runs."""

    def __init__(self, server: PageServer) -> None:
        self._server, self._done = server, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.megabytes, self.kernels, self.largest = 0.0, 0, 0.0

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(1.0):
            found = self._server.megabytes()
            kernels = [found[pid] for pid in found if pid != self._server.process.pid]
            self.megabytes = max(self.megabytes, sum(found.values()))
            self.kernels = max(self.kernels, len(kernels))
            self.largest = max(self.largest, *kernels, 0.0)


def start_table(starts: pd.DataFrame) -> str:
    """Median and slowest start."""
    rows = pd.DataFrame({"median, s": starts.median().round(1), "slowest": starts.max().round(1)})
    slowest = starts["from there until usable"].max()
    met = "met" if slowest <= WANTED_SECONDS else "**missed**"
    return (
        f"## Until the page is usable, {len(starts)} starts\n\n"
        f"{markdown_table(rows.rename_axis('time').reset_index())}\n\n"
        f"Wanted of the slowest, from ready to usable: {WANTED_SECONDS:g} s: {met}.\n"
    )


def upload_table(uploads: pd.DataFrame) -> str:
    """How the uploads ended and what they took, by film."""
    rows = uploads.groupby("film").agg(
        uploads=("state", "size"),
        failed=("state", lambda states: (states == "failed").sum()),
        warned=("state", lambda states: (states == "warned").sum()),
        median_s=("seconds", "median"),
        slowest_s=("seconds", "max"),
    )
    failed = int(rows["failed"].sum())
    return (
        f"## {uploads['visitor'].nunique()} visitors, {len(uploads)} uploads\n\n"
        f"{markdown_table(rows.round(2).reset_index())}\n\n"
        f"Failed: {failed} of {len(uploads)}, wanted 0: {'met' if not failed else '**missed**'}.\n"
    )


def memory_table(before: dict[int, float], after: dict[int, float], watch: Watch) -> str:
    """Memory before, at most, and after."""
    first, last = sum(before.values()), sum(after.values())
    rows = pd.DataFrame(
        [
            ("before the first visitor", len(before) - 1, first),
            ("at most", watch.kernels, watch.megabytes),
            ("after the last", len(after) - 1, last),
        ],
        columns=["when", "kernels", "MB"],
    )
    change = last / first - 1
    met = "met" if abs(change) <= WANTED_MEMORY else "**missed**"
    return (
        f"## Memory of server and kernels\n\n{markdown_table(rows.round(0))}\n\n"
        f"The largest kernel held {watch.largest:.0f} MB. After less before: {change:+.1%}, "
        f"wanted within {WANTED_MEMORY:.0%}: {met}.\n"
    )


if __name__ == "__main__":
    main()
