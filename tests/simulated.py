"""Patients whose risk is exactly right, for tests of the statistics."""

import pandas as pd
from scipy.special import expit

NAN = float("nan")


def simulate(n, generator, *, intercept=-1.5, slope=1.2):
    """Patients whose risk is exactly right: the logit is normal, the outcome follows it."""
    logit = intercept + slope * generator.normal(size=n)
    risk = expit(logit)
    return pd.DataFrame(
        {
            "site": "sbu",
            "patient_id": [f"P{i:05d}" for i in range(n)],
            "risk": risk,
            "died": pd.array(generator.random(n) < risk, dtype="boolean"),
            "label_source": "observed",
        }
    )
