"""The single runs of a study, each stored when it ends, so that a stopped study goes on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.files import file_hash, write_whole
from helpers.paths import PROJECT, work_root
from helpers.studies import code_hash

KEYS = {"site": "string", "patient_id": "string", "label_source": "string", "died": "boolean"}


class Runs:
    """Finished runs in a folder, a table each.

    Parameters
    ----------
    folder
        ``study`` among what the notebooks make, by default.
    deciding
        Modules, such as ``helpers.imputers``, that decide what comes out beside those of
        `helpers.studies.CODE`. A run counts as finished only if all of them were as they are when
        this is made: what is changed while a study goes on is not what runs.
    """

    def __init__(self, folder: Path | None = None, deciding: Sequence[str] = ()) -> None:
        self.folder = folder or work_root() / "study"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._code: dict[str, Any] = {"code": code_hash()}
        if deciding:
            self._code["deciding"] = {name: file_hash(module_path(name)) for name in deciding}

    def path(self, name: str, recipe: Mapping[str, Any]) -> Path:
        """Path, without suffix, of all that belongs to a run of this recipe and of this code."""
        text = json.dumps({**recipe, **self._code}, sort_keys=True, default=str)
        words = "-".join("".join(c if c.isalnum() else " " for c in name).split())
        return self.folder / f"{words}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def table(
        self, name: str, recipe: Mapping[str, Any], make: Callable[[Path], pd.DataFrame]
    ) -> pd.DataFrame:
        """Read the table of a run, or make and store it.

        Parameters
        ----------
        name
            For people to read.
        recipe
            All that decides what comes out.
        make
            Takes the run's path without suffix, for what else it stores.
        """
        path = self.path(name, recipe)
        stored = path.with_name(f"{path.name}.csv")
        if not stored.exists():
            write_whole(stored, make(path).to_csv(index=False).encode())
        # Read even if just made: a number must not depend on whether the study was stopped.
        return pd.read_csv(stored, dtype=KEYS)


def module_path(name: str) -> Path:
    """Path of a module of this repository."""
    return PROJECT.joinpath(*name.split(".")).with_suffix(".py")
