"""What the tests share: no network, no settings from outside, one set of phantoms."""

import os
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
GUARD = PROJECT / "tests" / "guard"

# Before anything is imported: this process, and every process that a test starts.
sys.path.insert(0, str(GUARD))
sys.path.insert(0, str(PROJECT))
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(GUARD), str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
)
sys.modules.pop("sitecustomize", None)
import sitecustomize  # noqa: E402, F401


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Run every test with the default data and profile."""
    for name in ("CXR_DATA", "CXR_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def phantom_root() -> Path:
    """The default phantom cohorts, made if they are not there."""
    from phantoms import make_cohorts

    root = PROJECT / "data" / "phantom"
    make_cohorts(root, progress=False)
    return root
