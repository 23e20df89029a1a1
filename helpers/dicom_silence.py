"""Nothing that pydicom says is shown, since it quotes the values that it complains of."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

_PACKAGES = ("pydicom", "pylibjpeg", "openjpeg", "jpeg_ls", "imagecodecs")
_TALKATIVE = (*_PACKAGES, "pydicom.pixels.decoders.base", "pydicom.pixels.utils", "openjpeg.utils")


class _Silence:
    """Warnings and the loggers of pydicom and its decoders, off while anybody is inside.

    Both belong to the whole process. So the first thread to come in turns them off, and the last
    one to leave turns them on again.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._undo = Lock(), 0, ExitStack()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            self._undo.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            for logger in _talkative():
                self._undo.callback(setattr, logger, "disabled", logger.disabled)
                logger.disabled = True

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._undo.close()


_SILENCE = _Silence()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from warning and logging: what it says quotes the values that it is about.

    Whoever reads headers or pixels does it within. It may be nested, and used by several threads;
    while one is inside, warnings of the others are not shown either.
    """
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()


def _talkative() -> list[logging.Logger]:
    """Return the loggers of pydicom and its decoders; a parent's silence is not its children's."""
    for name in _TALKATIVE:
        logging.getLogger(name)  # made now if its module is loaded later
    named = logging.Logger.manager.loggerDict.copy()
    return [
        logger
        for name, logger in named.items()
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in _PACKAGES
    ]
