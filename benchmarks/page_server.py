"""The web page of notebook 08 as `make app` starts it: for the benchmark of visitors and tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from helpers.paths import PROJECT

PATIENCE = 300.0  # s; a cold start imports torch, and a busy machine takes its time
SERVE = (sys.executable, "notebooks/serve.py", "--no-browser")


@dataclass(frozen=True)
class PageServer:
    """A running server.

    Attributes
    ----------
    address : str
        Without a slash at its end.
    process : psutil.Popen
        The server; its children are the kernels.
    seconds : float
        From its start until it took connections, which it does once a kernel is ready.
    """

    address: str
    process: psutil.Popen
    seconds: float

    def free(self) -> int:
        """How many visitors may come, as the server says."""
        return int(requests.get(f"{self.address}/health", timeout=PATIENCE).json()["free"])

    def kernels(self) -> set[int]:
        """Numbers of the kernels' processes."""
        return {child.pid for child in self.process.children(recursive=True)}

    def megabytes(self) -> dict[int, float]:
        """Memory by process, MB: its own, and its part of what is shared (PSS; Linux only)."""
        found = {}
        for process in (self.process, *self.process.children(recursive=True)):
            try:
                found[process.pid] = process.memory_full_info().pss / 1e6
            except psutil.NoSuchProcess:  # it ended since it was listed
                continue
        return found


@contextmanager
def page_server(
    log: Path,
    *options: str,
    root: Path = PROJECT,
    command: Sequence[str] = SERVE,
    settings: Mapping[str, str] | None = None,
) -> Iterator[PageServer]:
    """Start the page of the repository at `root` on a free port; stop it in the end.

    Parameters
    ----------
    log : Path
        File for its messages.
    options : str
        For ``notebooks/serve.py``.
    root : Path
        Where the command runs.
    command : sequence of str
        What starts the page; the port is added to it.
    settings : mapping, optional
        The environment variables, instead of this process's own.

    Raises
    ------
    RuntimeError
        If it ends, or takes no connection in time; the message ends with its log.
    """
    port = _free_port()
    start = time.perf_counter()
    with log.open("wb") as messages:
        server = psutil.Popen(
            [*command, *options, f"--port={port}"],
            cwd=root,
            env=dict(os.environ if settings is None else settings),
            stdout=messages,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: _answers(port) or server.poll() is not None)
        if server.poll() is not None:
            raise RuntimeError(f"The page did not start:\n{log.read_text('utf-8')[-3000:]}")
        yield PageServer(f"http://127.0.0.1:{port}", server, time.perf_counter() - start)
    finally:
        if server.poll() is None:
            server.terminate()
        server.wait(timeout=30)


def wait_until(happened: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Ask again and again, since memory and ports tell nobody when they change.

    Raises
    ------
    TimeoutError
        If the answer was no for `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Nothing happened in {patience:.0f} s.")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
