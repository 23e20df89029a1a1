"""The steps of the Dockerfile, run without Docker: in a folder, with a virtual environment.

`/home/user` becomes a folder of the caller's. What is left out: `FROM` (this Python stands for the
image's), the steps before `USER` (they are root's: they make the user), and `EXPOSE`.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

HOME = "/home/user"


class Step(NamedTuple):
    """A line of a Dockerfile: such as RUN, and what follows it."""

    instruction: str
    text: str


def read_steps(dockerfile: Path) -> list[Step]:
    """Read a Dockerfile without its comments, with continued lines joined."""
    lines = [line for line in dockerfile.read_text("utf-8").splitlines() if line[:1] != "#"]
    joined = "\n".join(lines).replace("\\\n", " ")
    steps = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [Step(instruction, text.strip()) for instruction, _, text in steps]


def user_steps(steps: list[Step]) -> Iterator[Step]:
    """The steps after the one that changes to a user who is not root."""
    users = [number for number, step in enumerate(steps) if step.instruction == "USER"]
    yield from steps[users[-1] + 1 :]


class Container:
    """A folder and environment variables, in which steps are run.

    Parameters
    ----------
    context : Path
        The repository: where COPY copies from.
    home : Path
        What stands for `/home/user`.
    """

    def __init__(self, context: Path, home: Path) -> None:
        self.context, self.home = context, home
        self.folder = home
        self.command: list[str] = []
        private = ("VIRTUAL_ENV", "PYTHONPATH", "CXR_DATA", "CXR_PROFILE")
        self.settings = {key: os.environ[key] for key in os.environ if key not in private}
        self.settings["HOME"] = str(home)

    def run(self, steps: Iterator[Step], change: Callable[[str], str] = str) -> dict[str, float]:
        """Run steps.

        Parameters
        ----------
        steps : iterator of Step
        change : callable
            What to run instead of a RUN step's command.

        Returns
        -------
        dict of str to float
            Seconds by step.

        Raises
        ------
        subprocess.CalledProcessError
            If a command fails.
        FileNotFoundError
            If a file to be copied is not there.
        ValueError
            If an instruction is not known here.
        """
        seconds = {}
        for step in steps:
            start = time.perf_counter()
            self._one(step, change)
            seconds[f"{step.instruction} {step.text}"] = time.perf_counter() - start
        return seconds

    def _one(self, step: Step, change: Callable[[str], str]) -> None:
        text = step.text.replace(HOME, str(self.home))
        if step.instruction == "WORKDIR":
            self.folder = Path(text)
            self.folder.mkdir(parents=True, exist_ok=True)
        elif step.instruction == "ENV":
            for key, value in (word.split("=", 1) for word in shlex.split(text)):
                self.settings[key] = re.sub(r"\$(\w+)", lambda name: self.settings[name[1]], value)
        elif step.instruction == "COPY":
            *sources, target = [word for word in shlex.split(text) if word[:2] != "--"]
            for source in sources:
                self._copy(source, target)
        elif step.instruction == "RUN":
            command = change(text)
            subprocess.run(command, shell=True, cwd=self.folder, env=self.settings, check=True)
        elif step.instruction == "CMD":
            self.command = json.loads(text)
        elif step.instruction != "EXPOSE":
            raise ValueError(f"Unknown instruction in the Dockerfile: {step.instruction}.")

    def _copy(self, source: str, target: str) -> None:
        place = self.folder / target / (source if target.endswith("/") else "")
        place.parent.mkdir(parents=True, exist_ok=True)
        if (self.context / source).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(self.context / source, place, ignore=left_out)
        else:
            shutil.copy(self.context / source, place)
