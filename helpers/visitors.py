"""Who is on the web page of notebook 08: one kernel a visitor, for so many at once and no more.

Voilà gives every visitor a kernel, started ahead of time, and sets no limit: whoever asks for the
page often enough takes all memory. Here a visitor takes one of a fixed number of places, and leaves
it by closing the page, by doing nothing (Jupyter's culler ends idle kernels), or by never arriving:
a search engine or a monitor asks for a page but opens no connection to it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import tornado.web
from jupyter_server.base.handlers import JupyterHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

TRIES = 3  # kernels that may have died, before whoever asks is told of an error
RELOAD = 5.0  # s to wait for a place: who reloads asks anew before the old kernel has ended
ALONE = 120.0  # s without a connection until a visitor counts as gone: a telephone may sleep

FULL = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>All places are taken</title>
<style>body {{ font: 1.1rem/1.5 sans-serif; max-width: 36rem; margin: 3rem auto }}</style>
<h1>All places are taken</h1>
<p>As many people as this computer can serve are on the page now ({most} at most).
Please try again in some minutes.</p>
<p><a href="">Try again</a></p>
"""


class NoPlace(Exception):
    """All places are taken."""


class Places:
    """The visitors of one notebook, each with a kernel that ran it before they came.

    Parameters
    ----------
    kernels : voila.voila_kernel_manager.VoilaKernelManager
        With preheated kernels.
    notebook : str
        The notebook's path, as `kernels` knows it.
    most : int
        Visitors at once, at least 1.

    Raises
    ------
    ValueError
        If there is no place at all.
    """

    def __init__(self, kernels: Any, notebook: str, most: int) -> None:
        if most < 1:
            raise ValueError(f"There must be a place for at least 1 visitor, got {most}.")
        self.most = most
        self._kernels, self._notebook = kernels, notebook
        self._arriving = 0
        self._last_seen: dict[str, float] = {}  # by kernel, s: when its page was last connected

    @property
    def free(self) -> int:
        """How many visitors may still come."""
        present = sum(kernel in self._kernels for kernel in self._last_seen)
        return self.most - self._arriving - present

    async def warm(self) -> str:
        """Wait until a kernel has run the notebook; return the page that it made."""
        preheated = await self._kernels._pools[self._notebook][0]  # Voilà has no other way to ask
        page, _ = await preheated["task"]
        return "".join(page)

    async def take(self, gone: Callable[[], bool] = bool) -> tuple[Any, list[str], str]:
        """Take a place; :meth:`delivered` or :meth:`leave` has to be told what became of it.

        Parameters
        ----------
        gone : callable
            Whether the visitor has gone away meanwhile, so that nobody waits any more.

        Returns
        -------
        rendering : asyncio.Task
            Ends with the parts of the page that were made ahead, and a generator of the others.
        parts : list of str
            Those that are there already.
        kernel : str
            The visitor's.

        Raises
        ------
        NoPlace
            If none is free, and none becomes so in a moment.
        """
        deadline = time.monotonic() + RELOAD
        while self.free <= 0:
            if gone() or time.monotonic() >= deadline:
                raise NoPlace
            await asyncio.sleep(0.1)
        self._arriving += 1
        try:
            rendering, parts, kernel = await self._next_alive()
        finally:
            self._arriving -= 1
        # It may have waited for hours, and the culler counts from its last activity.
        self._kernels.get_kernel(kernel).last_activity = datetime.now(UTC)
        self._last_seen[kernel] = math.inf  # a page that is still being made has no connection
        return rendering, parts, kernel

    async def _next_alive(self) -> tuple[Any, list[str], str]:
        """Take a kernel that ran the notebook; one that died while it waited is of no use."""
        for _ in range(TRIES):
            if not self._kernels.get_pool_size(self._notebook):  # taken, and not yet made again
                self._kernels.fill_if_needed(delay=0, notebook_name=self._notebook)
            found = await self._kernels.get_rendered_notebook(self._notebook)
            if await self._is_alive(found[2]):
                return found
            await self._kernels.shutdown_kernel(found[2], now=True)
        raise RuntimeError(f"{TRIES} kernels died before anybody used them: is the memory full?")

    async def _is_alive(self, kernel: str) -> bool:
        return await self._kernels.get_kernel(kernel).is_alive()

    def delivered(self, kernel: str) -> None:
        """From now on a page without a connection is one that was left."""
        self._last_seen[kernel] = time.monotonic()

    async def leave(self, kernel: str) -> None:
        """End the kernel of somebody who did not wait for the page."""
        self._last_seen.pop(kernel, None)
        await self._kernels.shutdown_kernel(kernel, now=True)

    async def see_who_left(self) -> None:
        """End kernels that died or whose page was long not connected; forget those that ended."""
        for kernel, last_seen in list(self._last_seen.items()):
            if kernel not in self._kernels:
                self._last_seen.pop(kernel, None)
            elif not await self._is_alive(kernel):
                await self.leave(kernel)
            elif self._kernels.kernel_model(kernel)["connections"]:
                self._last_seen[kernel] = time.monotonic()
            elif time.monotonic() - last_seen > ALONE:
                await self._kernels.shutdown_kernel(kernel, now=True)


def opens_page(headers: Mapping[str, str], embedded: bool) -> bool:
    """Whether somebody opens the page; other pages may name its address in a picture or a frame.

    Parameters
    ----------
    headers
        Of the request. Browsers say what they want a page for (W3C, Fetch Metadata Request
        Headers); those that do not, and other programs, are believed.
    embedded
        Whether a site may show the page in a frame.
    """
    wanted_for = headers.get("Sec-Fetch-Dest", "document")
    ahead = "prefetch" in headers.get("Sec-Purpose", "")
    return not ahead and wanted_for in (("document", "iframe") if embedded else ("document",))


class Plain(JupyterHandler):
    """Errors in a line: Jupyter's own pages for them need files that are not served here."""

    def write_error(self, status_code: int, **_: Any) -> None:
        """Send the status and no more; the log holds the reason."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"Error {status_code}. The server's log says more.\n")

    @tornado.web.authenticated
    async def head(self) -> None:
        """Say that the server is there, as monitors ask; that takes no place."""
        self.finish()


class Page(Plain):
    """The page, or the news that all places are taken (status 503)."""

    gone = False

    def on_connection_close(self) -> None:
        """Remember that who asked does not wait any more, as after pressing reload."""
        self.gone = True
        super().on_connection_close()

    @tornado.web.authenticated
    async def get(self) -> None:
        """Take a place and send the page, part by part."""
        if not opens_page(self.request.headers, self.settings["embedded"]):
            raise tornado.web.HTTPError(403, "asked for by another page, not by a visitor")
        places: Places = self.settings["places"]
        self.set_header("Cache-Control", "no-store")
        try:
            rendering, parts, kernel = await places.take(lambda: self.gone)
        except NoPlace:
            self.set_status(503)
            self.set_header("Retry-After", "60")
            self.finish(FULL.format(most=places.most))
            return
        try:
            if not self.gone:
                await self._send(rendering, parts)
        finally:
            if self.gone:
                await places.leave(kernel)
            else:
                places.delivered(kernel)

    async def _send(self, rendering: Any, parts: list[str]) -> None:
        self.write("".join(parts))
        made, others = await rendering
        self.write("".join(made[len(parts) :]))
        await self.flush()
        async for part, _ in others:
            self.write(part)
            await self.flush()


class Leave(VoilaShutdownKernelHandler):
    """What a page asks for when it is closed: the end of its kernel.

    Voilà wants a cookie with it that it never sets, so that kernels stay behind. None is needed:
    nobody but the page knows its kernel's number, of 122 random bits.
    """

    def check_xsrf_cookie(self) -> None:
        """Ask for no cookie."""


class Health(Plain):
    """For monitors, which must not take a place by asking for the page."""

    @tornado.web.authenticated
    async def get(self) -> None:
        """Send how many places there are and how many are free, as JSON."""
        places: Places = self.settings["places"]
        self.finish({"places": places.most, "free": places.free})
