"""An analysis leaves no trace: nothing is written while it goes on, not even for a moment."""

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers.paths import PROJECT

SCRIPT = Path(__file__).with_name("watched_analysis.py")


def test_an_analysis_opens_no_file_for_writing_and_changes_no_folder(tmp_path):
    """The test of the hosted page looks only afterwards: tests/test_hosting.py."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    changed = {"TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    paths = os.pathsep.join([str(PROJECT), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        cwd=tmp_path,
        env={**os.environ, **changed, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == []
