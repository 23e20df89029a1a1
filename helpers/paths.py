"""Where the data are, where the work goes, and how large a run is."""

import json
import os
from pathlib import Path
from typing import Any

from helpers.files import file_hash, require_text

PROJECT = Path(__file__).resolve().parents[1]
COHORTS = ("ieee8023", "sbu", "hannover")
PROFILES = ("quick", "full")
PHANTOM_MANIFEST = "phantoms.json"  # beside phantom cohorts, with their seed and scale


def profile() -> str:
    """Size of the run: ``quick`` (128 px, CPU) or ``full`` (224 px, ImageNet start).

    Raises
    ------
    ValueError
        If ``CXR_PROFILE`` is set to anything else.
    """
    value = os.environ.get("CXR_PROFILE", "quick")
    if value not in PROFILES:
        raise ValueError(f"CXR_PROFILE must be one of {', '.join(PROFILES)}, got {value!r}.")
    return value


def cohort_root(name: str) -> Path:
    """Folder of a cohort: ``$CXR_DATA/NAME``, else ``data/real/NAME``, else ``data/phantom/NAME``.

    A relative ``CXR_DATA`` counts from the repository's root.

    Raises
    ------
    ValueError
        If no cohort has this name, or its folder has one that is no UTF-8.
    FileNotFoundError
        If the cohort is in none of these places, or ``CXR_DATA`` is no folder.
    """
    if name not in COHORTS:
        raise ValueError(f"Unknown cohort {name!r}: expected one of {', '.join(COHORTS)}.")
    candidates = [PROJECT / "data" / "real" / name, PROJECT / "data" / "phantom" / name]
    override = os.environ.get("CXR_DATA")
    if override:
        folder = PROJECT / override
        if not folder.is_dir():
            raise FileNotFoundError(
                f"CXR_DATA names a folder that does not exist: {override}. "
                "Correct it, or unset it to use data/real or the phantoms."
            )
        candidates.insert(0, folder.resolve() / name)
    for candidate in candidates:
        if candidate.is_dir():
            require_text([candidate])
            return candidate
    raise FileNotFoundError(
        f"There is no {name} cohort yet. Make the phantoms with `python -m phantoms`, "
        f"or fetch the real data with `python -m helpers.downloads {name}`."
    )


def is_phantom(name: str) -> bool:
    """Whether the cohort in use was made by the phantom generator, wherever it lies.

    Outside ``data/phantom`` its table must be the one whose hash the generator wrote down: if in
    doubt, a cohort is real.
    """
    root = cohort_root(name).resolve()
    if root.parent == (PROJECT / "data" / "phantom").resolve():
        return True
    made = phantom_manifest(root.parent).get("tables", {})
    tables = {path: digest for path, digest in made.items() if path.startswith(f"{name}/")}
    return bool(tables) and all(
        (root.parent / path).is_file() and file_hash(root.parent / path) == digest
        for path, digest in tables.items()
    )


def phantom_manifest(folder: Path) -> dict[str, Any]:
    """Read what the generator wrote down of the phantoms in a folder; empty if that is nothing.

    ``version``, ``seed``, ``scale``, and ``tables`` with the SHA-256 of each.
    """
    path = folder / PHANTOM_MANIFEST
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError:  # damaged, so it vouches for nothing
        return {}


def work_root() -> Path:
    """Folder of what the notebooks make, one per profile and choice of data.

    The choice is which cohorts are real, and the seed and scale of those that are not:
    ``data/work/quick-phantom``, ``data/work/quick-phantom-seed7`` or
    ``data/work/quick-real-ieee8023-hannover``. Where real cohorts lie is not part of it.
    """
    real = [name for name in COHORTS if not is_phantom(name)]
    drawn = {_drawn_as(cohort_root(name).parent) for name in COHORTS if is_phantom(name)}
    kind = ["real", *real] if real else ["phantom"]
    folder = "-".join([profile(), *kind, *sorted(drawn - {""})])
    path = PROJECT / "data" / "work" / folder
    path.mkdir(parents=True, exist_ok=True)
    return path


def _drawn_as(folder: Path) -> str:
    """Say how phantoms differ from those that ``python -m phantoms`` makes by default."""
    made = phantom_manifest(folder)
    seed = f"seed{made['seed']}" if made.get("seed", 0) else ""
    scale = f"scale{made['scale']:g}" if made.get("scale", 1) != 1 else ""
    return "-".join(filter(None, (seed, scale)))


def work_file(name: str, *, made_by: str) -> Path:
    """Path of a file under :func:`work_root` that an earlier notebook makes.

    Parameters
    ----------
    name
        Path below the work folder, such as ``"models/iteration1.safetensors"``.
    made_by
        Name of the notebook that makes it, without suffix, such as ``"04_train_resnet18"``.

    Raises
    ------
    FileNotFoundError
        If the file is not there; the message names the notebook and the command that make it.
    """
    path = work_root() / name
    if not path.exists():
        raise FileNotFoundError(
            f"{name} is missing: it is made by notebooks/{made_by}.ipynb. "
            "Run that notebook first, or the whole series with `make notebooks`."
        )
    return path
