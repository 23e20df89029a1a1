"""The Dockerfile's steps, all of them and from nothing, without Docker: seconds and sizes.

    .venv/bin/python -m benchmarks.container [--cache]

Installs every package anew (several GB) into a virtual environment in a temporary folder, makes
the phantoms and the model there, starts the page and asks for it. With --cache the packages come
from uv's cache where it has them. tests/test_hosting.py does the same with what is there already.
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd
import requests

from benchmarks.container_steps import Container, read_steps, user_steps
from benchmarks.page_server import page_server
from helpers.paths import PROJECT
from helpers.reporting import markdown_table

CUDA = ("nvidia", "triton")  # what PyTorch brings for graphics cards that a small host lacks


def main() -> None:
    """Run the steps and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", action="store_true", help="take packages from uv's cache")
    cached = parser.parse_args().cache
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "user"
        home.mkdir()
        container = Container(PROJECT, home)
        steps = user_steps(read_steps(PROJECT / "Dockerfile"))
        seconds = container.run(
            steps, lambda text: text.replace(" --no-cache ", " ") if cached else text
        )
        rows = pd.DataFrame({"step": seconds.keys(), "s": seconds.values()})
        print(markdown_table(rows[rows["s"] > 0.5].round(0)))
        print(f"\n{markdown_table(sizes(container))}\n")
        command = [word for word in container.command if not word.startswith("--port")]
        log = Path(folder) / "server.log"
        with page_server(
            log, root=container.folder, command=command, settings=container.settings
        ) as server:
            status = requests.get(server.address, timeout=60).status_code
            print(f"The page answered {status}; it was ready {server.seconds:.0f} s after CMD.")


def sizes(container: Container) -> pd.DataFrame:
    """Size of what the image would hold beside its base, MB."""
    packages, folder = container.home / "venv", container.folder
    made = {
        "phantoms": folder / "data" / "phantom",
        "what the notebooks made": folder / "data" / "work",
    }
    cuda = [path for name in CUDA for path in packages.rglob(f"site-packages/{name}")]
    found = {
        "packages": _megabytes(packages),
        "of these CUDA": sum(map(_megabytes, cuda)),
        **{name: _megabytes(path) for name, path in made.items()},
    }
    found["code, notebooks, starting weights"] = _megabytes(folder) - sum(
        found[name] for name in made
    )
    return pd.DataFrame({"part": found.keys(), "MB": found.values()}).round(0)


def _megabytes(folder: Path) -> float:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 1e6


if __name__ == "__main__":
    main()
