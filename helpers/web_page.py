"""Notebook 08 as a web page: Voilà, with the settings that a page for others needs.

    python notebooks/serve.py --help

Nothing but the notebook can be had from this server: it stands alone in a folder of its own, and
Voilà's routes to files are left out. A visitor can send his kernel messages of the panel, but no
code, and nothing large but a film in pieces. Nothing of an upload reaches the disk.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_server.utils import url_path_join
from tornado.ioloop import IOLoop, PeriodicCallback
from traitlets import Int
from traitlets.config import Config
from voila.app import Voila
from voila.request_info_handler import RequestInfoSocketHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import AllowListFileHandler
from voila.tornado.handler import TornadoVoilaHandler

from helpers.paths import PROJECT
from helpers.visitors import Health, Leave, Page, Places

# What a visitor's browser may load, and from where: Voilà's template asks a third party for fonts.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
)
EXTENSIONS = [  # what draws the panel; JupyterLab's others only take time
    "anywidget",
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
]
BROKEN = "This page is out of order. The log of its server says why."  # no mark that HTML escapes
# Bytes and seconds of a request, and bytes of a message: pieces of a film have 256 kB.
REQUEST = {"max_body_size": 2**16, "body_timeout": 30.0}
MESSAGE = 2**20
ROUND = 10.0  # s between two looks at who left
CULL_ROUND = 30.0  # s between two looks at who does nothing, less if little idling is allowed


class BrokenPage(RuntimeError):
    """The notebook failed before anybody came."""


class WebPage(Voila):
    """One notebook for a limited number of visitors; it listens as soon as it is ready for one."""

    most_visitors = Int(4, config=True, help="Visitors at once, each with a kernel.")

    def init_settings(self) -> dict[str, Any]:
        """Add the places to the settings that all handlers know."""
        settings = super().init_settings()
        notebook = os.path.relpath(self.notebook_path, self.root_dir)
        self.places = Places(self.kernel_manager, notebook, self.most_visitors)
        return {**settings, "places": self.places}

    def init_handlers(self) -> list[Any]:
        """Take Voilà's routes, but none to files, and the page from `Places`."""
        left_out = (
            *(AllowListFileHandler, TornadoVoilaHandler),
            *(VoilaShutdownKernelHandler, RequestInfoSocketHandler),
        )
        kept = [route for route in super().init_handlers() if route[1] not in left_out]
        own = {"health": Health, r"voila/api/shutdown/(.*)": Leave, "": Page}
        return [*kept, *((url_path_join(self.server_url, end), own[end]) for end in own)]

    def listen(self) -> None:
        """Wait for the first kernel, then accept visitors until the server is stopped.

        Raises
        ------
        BrokenPage
            If the notebook failed; the log holds the reason.
        """
        self.ioloop = IOLoop.current()
        try:
            if BROKEN in self.ioloop.run_sync(self.places.warm):
                raise BrokenPage("The notebook failed: its error is in the log, above.")
        except BaseException:  # Ctrl-C, too: no kernel may stay behind
            self.stop()
            raise
        PeriodicCallback(self.places.see_who_left, ROUND * 1000).start()
        # Before a handler knows of it, a request's body is in memory: none here has much of one.
        self.app.listen = partial(self.app.listen, **REQUEST)
        super().listen()


def page_settings(
    notebook: Path,
    *,
    ip: str = "127.0.0.1",
    port: int = 8866,
    visitors: int = 4,
    preheated: int = 1,
    idle_minutes: float = 10.0,
    open_browser: bool = False,
    embedded_in: str | None = None,
) -> Config:
    """Settings for `WebPage`.

    Parameters
    ----------
    notebook : Path
        The only notebook, in a folder with nothing else: connection files go beside it.
    ip, port
        Where to listen. The default is reached from this computer only.
    visitors : int
        How many at once.
    preheated : int
        Kernels that wait for the next ones, beside those of the visitors.
    idle_minutes : float
        After so long without an upload or an example a visitor's kernel is ended, and with it all
        it remembers. (What is done with a result asks no kernel.)
    open_browser : bool
    embedded_in : str, optional
        Address of a site that may show this page within its own, such as
        ``https://huggingface.co``. By default none may.

    Returns
    -------
    traitlets.config.Config
    """
    settings = Config()
    settings.Voila.update(
        {
            "notebook_path": str(notebook),
            "root_dir": str(notebook.parent),
            "connection_dir_root": str(notebook.parent.parent),
            "config_file_paths": [],  # the settings of somebody's other pages are not for this one
            "ip": ip,
            "port": port,
            "port_retries": 0,  # who names a port wants that port
            "open_browser": open_browser,
        }
    )
    settings.VoilaConfiguration.update(
        {
            "preheat_kernel": True,
            "default_pool_size": preheated,
            "file_allowlist": ["$^"],
            "extension_allowlist": EXTENSIONS,
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
        }
    )
    settings.MappingKernelManager.update(
        {
            "cull_idle_timeout": max(1, round(idle_minutes * 60)),
            "cull_interval": max(1, round(min(CULL_ROUND, idle_minutes * 30))),
            "cull_connected": True,  # a page that was left open keeps nobody out
            "cull_busy": True,  # nor does a kernel that a film keeps busy: one takes some seconds
        }
    )
    settings.KernelManager.autorestart = False  # it would come back without having run the notebook
    settings.WebPage.most_visitors = visitors
    settings.VoilaExecutor.cell_error_instruction = BROKEN
    policy = f"{POLICY} {embedded_in}" if embedded_in else POLICY
    settings.Voila.tornado_settings = {
        "headers": {"Content-Security-Policy": policy},
        "websocket_max_message_size": MESSAGE,
        "embedded": bool(embedded_in),
    }
    return settings


def serve(settings: Config, scratch: Path) -> None:
    """Serve until stopped.

    Parameters
    ----------
    settings : Config
        From `page_settings`.
    scratch : Path
        Folder for what libraries write beside their work (settings, caches): nothing of an upload.
    """
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )  # for the kernels: the notebook is not beside helpers/ here
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "MPLCONFIGDIR"):
        os.environ[name] = str(scratch / name.lower())
    WebPage.launch_instance(argv=[], config=settings)
