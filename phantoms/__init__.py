"""Phantom cohorts: radiographs, causes and outcomes whose truth is known.

``make_cohorts`` writes them to disk in three publishers' layouts, ``truth`` reads what only
phantoms know about each film, ``render`` draws one film of one patient.
"""

from phantoms.film import render
from phantoms.publish import make_cohorts
from phantoms.truth import truth

__all__ = ["make_cohorts", "render", "truth"]
