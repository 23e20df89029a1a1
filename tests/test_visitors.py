"""The places of the web page: who gets one, and when it is free again. Without a server."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace

import pytest
from tornado.web import HTTPError

from helpers import visitors
from helpers.visitors import NoPlace, Places


@dataclass
class Kernel:
    alive: bool
    last_activity: datetime | None = None
    connections: int = 0

    async def is_alive(self) -> bool:
        return self.alive


class Kernels:
    """Stands for Voilà's kernel manager: kernels are numbers, and exist as soon as asked for."""

    def __init__(self, dead: int = 0) -> None:
        self.running: dict[str, Kernel] = {}
        self.pool, self.started, self.dead = 1, 0, dead

    def __contains__(self, kernel: str) -> bool:
        return kernel in self.running

    def get_pool_size(self, notebook: str) -> int:
        return self.pool

    def fill_if_needed(self, *, delay: float, notebook_name: str) -> None:
        self.pool = 1

    async def get_rendered_notebook(self, notebook: str):
        assert self.pool, "nothing in the pool"
        self.pool = 0
        await asyncio.sleep(0)  # others may ask meanwhile
        self.started += 1
        kernel = str(self.started - 1)
        self.running[kernel] = Kernel(alive=self.started > self.dead)
        return None, [], kernel

    def get_kernel(self, kernel: str) -> Kernel:
        return self.running[kernel]

    def kernel_model(self, kernel: str) -> dict[str, int]:
        return {"connections": self.running[kernel].connections}

    async def shutdown_kernel(self, kernel: str, now: bool) -> None:
        assert now  # it may be busy with anything
        del self.running[kernel]


def test_those_who_come_at_once_share_the_places(monkeypatch):
    monkeypatch.setattr(visitors, "RELOAD", 0.0)
    kernels = Kernels()
    places = Places(kernels, "page.ipynb", most=3)

    async def come():
        return await asyncio.gather(*(places.take() for _ in range(5)), return_exceptions=True)

    answers = asyncio.run(come())
    assert sum(isinstance(answer, NoPlace) for answer in answers) == 2
    assert len(kernels.running) == 3 and places.free == 0


def test_a_kernel_that_fails_takes_no_place():
    kernels = Kernels()
    places = Places(kernels, "page.ipynb", most=1)

    async def fail(notebook: str):
        raise RuntimeError("no memory")

    kernels.get_rendered_notebook = fail
    with pytest.raises(RuntimeError, match="no memory"):
        asyncio.run(places.take())
    assert places.free == 1


def test_a_kernel_that_died_while_it_waited_is_given_to_nobody():
    kernels = Kernels(dead=2)
    places = Places(kernels, "page.ipynb", most=1)
    *_, kernel = asyncio.run(places.take())
    assert list(kernels.running) == [kernel] == ["2"]
    none = Places(Kernels(dead=100), "page.ipynb", most=1)
    with pytest.raises(RuntimeError, match="3 kernels died before anybody used them"):
        asyncio.run(none.take())
    assert none.free == 1 and not none._kernels.running


def test_a_kernel_that_died_keeps_no_place():
    kernels = Kernels()
    places = Places(kernels, "page.ipynb", most=1)
    *_, kernel = asyncio.run(places.take())
    places.delivered(kernel)
    kernels.running[kernel].connections = 1
    asyncio.run(places.see_who_left())
    assert places.free == 0
    kernels.running[kernel].alive = False
    asyncio.run(places.see_who_left())
    assert places.free == 1 and not kernels.running


def test_those_without_a_connection_leave_after_a_while(monkeypatch):
    kernels, clock = Kernels(), SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(visitors, "time", clock)
    places = Places(kernels, "page.ipynb", most=2)
    for kernel in "01":
        asyncio.run(places.take())
        places.delivered(kernel)
    kernels.running["0"].connections = 1
    look(places, clock, at=visitors.ALONE)
    assert len(kernels.running) == 2
    look(places, clock, at=visitors.ALONE + 1)
    assert list(kernels.running) == ["0"] and places.free == 1
    kernels.running["0"].connections = 0
    look(places, clock, at=2 * visitors.ALONE)
    assert places.free == 1  # a telephone may sleep a little
    look(places, clock, at=2 * visitors.ALONE + 2)
    assert not kernels.running and places.free == 2


def test_a_page_that_takes_long_to_make_is_not_left(monkeypatch):
    kernels, clock = Kernels(), SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(visitors, "time", clock)
    places = Places(kernels, "page.ipynb", most=1)
    *_, kernel = asyncio.run(places.take())
    look(places, clock, at=10 * visitors.ALONE)
    assert places.free == 0
    places.delivered(kernel)
    look(places, clock, at=11 * visitors.ALONE)
    assert places.free == 0
    look(places, clock, at=11 * visitors.ALONE + 1)
    assert places.free == 1


def look(places: Places, clock: SimpleNamespace, at: float) -> None:
    clock.now = at
    asyncio.run(places.see_who_left())


def test_there_is_a_place_at_least():
    with pytest.raises(ValueError, match="at least 1 visitor, got 0"):
        Places(Kernels(), "page.ipynb", most=0)


class Asking:
    """Stands for a visitor's request for the page."""

    gone = False

    def __init__(self, places: Places, **headers: str) -> None:
        self.settings, self.sent = {"places": places, "embedded": False}, []
        self.request = SimpleNamespace(headers=headers)

    def set_header(self, *_) -> None:
        pass

    set_status = set_header

    def finish(self, text: str) -> None:
        self.sent.append(text)

    async def _send(self, rendering, parts) -> None:
        self.sent.append("page")


def ask(request: Asking) -> None:
    asyncio.run(visitors.Page.get.__wrapped__(request))


def test_who_does_not_wait_for_the_page_leaves_the_place_at_once():
    kernels = Kernels()
    places = Places(kernels, "page.ipynb", most=2)
    impatient = Asking(places)
    impatient.gone = True  # while the kernel was started
    ask(impatient)
    assert impatient.sent == [] and places.free == 2 and not kernels.running
    waiting = Asking(places)
    ask(waiting)
    assert waiting.sent == ["page"] and places.free == 1


@pytest.mark.parametrize(
    ("headers", "alone", "embedded"),
    [
        ({}, True, True),  # no browser, or an old one
        ({"Sec-Fetch-Dest": "document"}, True, True),
        ({"Sec-Fetch-Dest": "document", "Sec-Purpose": "prefetch;prerender"}, False, False),
        ({"Sec-Fetch-Dest": "iframe"}, False, True),
        ({"Sec-Fetch-Dest": "image"}, False, False),
        ({"Sec-Fetch-Dest": "empty"}, False, False),
    ],
)
def test_only_who_opens_the_page_takes_a_place(headers, alone, embedded):
    assert visitors.opens_page(headers, embedded=False) is alone
    assert visitors.opens_page(headers, embedded=True) is embedded


def test_a_picture_of_another_page_takes_no_place():
    kernels = Kernels()
    places = Places(kernels, "page.ipynb", most=2)
    with pytest.raises(HTTPError, match="403"):
        ask(Asking(places, **{"Sec-Fetch-Dest": "image"}))
    assert places.free == 2 and not kernels.running


def test_who_is_gone_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(visitors, "RELOAD", 60.0)
    places = Places(Kernels(), "page.ipynb", most=1)
    ask(Asking(places))
    left = Asking(places)
    left.gone = True
    ask(left)
    assert "All places are taken" in left.sent[0]


def test_a_closed_connection_is_noticed(monkeypatch):
    page = visitors.Page.__new__(visitors.Page)
    monkeypatch.setattr(visitors.JupyterHandler, "on_connection_close", lambda self: None)
    assert not page.gone
    page.on_connection_close()
    assert page.gone
