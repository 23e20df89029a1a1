"""The three publishers' folders, with their files, columns and mistakes."""

from phantoms.publish.cohorts import make_cohorts
from phantoms.publish.ieee8023 import later_metadata

__all__ = ["later_metadata", "make_cohorts"]
