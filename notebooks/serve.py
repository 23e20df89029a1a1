"""Open notebook 08 as a web page, for this computer or, with --ip, for others.

    python notebooks/serve.py [--visitors N] [--ip ADDRESS] [--port PORT] …

The first time it makes what the page needs, if it is not there: the phantom cohorts and the model
of notebook 05. What somebody who runs the page for others must know is in docs/hosting.md.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent
sys.path.insert(0, str(NOTEBOOKS.parent))

from helpers.paths import COHORTS, PROJECT, cohort_root, work_file, work_root  # noqa: E402

PAGE = NOTEBOOKS / "08_explore_predictions.ipynb"
MODEL = ("models/iteration2.safetensors", "models/iteration2.json")  # stored last, in this order
TO_A_FILE = re.compile(r"\[([^\[\]]+)\]\((?!https?:)[^)\s]+\)")  # a link in Markdown
MADE_BY = ("01_explore_the_cohorts", "02_impute_the_labels", "04_train_resnet18", "05_fine_tune")


def missing() -> str:
    """Say what the page lacks, or nothing."""
    try:
        for name in COHORTS:
            cohort_root(name)
        for name in MODEL:
            work_file(name, made_by=MADE_BY[-1])
    except FileNotFoundError as error:
        return str(error)
    return ""


def prepare() -> None:
    """Make what the page lacks, if anything."""
    if not missing():
        return
    print(f"Not everything that the page needs is there. {missing()}", flush=True)
    print("Making it first. This takes some minutes, once.", flush=True)
    _run("-m", "phantoms")
    _run("notebooks/build.py", *MADE_BY, "--out", str(work_root() / "notebooks"))


def page_alone(folder: Path) -> Path:
    """Copy the notebook without links to other files, which the page does not serve."""
    alone = folder / PAGE.name
    alone.write_text(TO_A_FILE.sub(r"\1", PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return alone


def _run(*command: str) -> None:
    done = subprocess.run([sys.executable, *command], cwd=PROJECT, check=False)
    if done.returncode:
        sys.exit(f"`python {' '.join(command)}` failed; its messages are above.")


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--visitors", type=int, default=4, help="at once; default %(default)s")
    parser.add_argument(
        "--preheated",
        type=int,
        default=1,
        help="kernels that wait for the next visitors, for a class that comes at once; default 1",
    )
    parser.add_argument(
        "--idle-minutes",
        type=float,
        default=10,
        help="until a visitor who asks for no film loses the place; default %(default)s",
    )
    parser.add_argument("--ip", default="127.0.0.1", help="0.0.0.0 lets other computers in")
    parser.add_argument("--port", type=int, default=8866, help="default %(default)s")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--embedded-in", help="address of a site that may frame the page")
    parser.add_argument("--prepare", action="store_true", help="make what is missing, then stop")
    options = parser.parse_args(arguments)
    for name in ("visitors", "preheated"):
        if (number := getattr(options, name)) < 1:
            parser.error(f"--{name} must be at least 1, got {number}")
    if options.idle_minutes <= 0:
        parser.error(f"--idle-minutes must be more than 0, got {options.idle_minutes:g}")
    return options


def main() -> None:
    """Prepare, then serve until Ctrl-C."""
    options = parse_options()
    prepare()
    if options.prepare:
        return
    from helpers.web_page import BrokenPage, page_settings, serve

    with tempfile.TemporaryDirectory(prefix="web-page-") as folder:
        scratch = Path(folder)
        alone = scratch / "page"
        alone.mkdir()
        settings = page_settings(
            page_alone(alone),
            ip=options.ip,
            port=options.port,
            visitors=options.visitors,
            preheated=options.preheated,
            idle_minutes=options.idle_minutes,
            open_browser=not options.no_browser,
            embedded_in=options.embedded_in,
        )
        try:
            serve(settings, scratch)
        except BrokenPage as error:
            sys.exit(str(error))
        except KeyboardInterrupt:
            print("Stopped.")


if __name__ == "__main__":
    main()
