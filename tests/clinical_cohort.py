"""A cohort with clinical columns and unknown outcomes, for tests of imputation."""

import numpy as np
import pandas as pd

from helpers.imputers import COURSE, LABORATORY


def make_cohort(patients=300, seed=0):
    """Films of patients whose risk depends on age and intensive care; 60 % of outcomes unknown."""
    generator = np.random.default_rng(seed)
    age = generator.uniform(20, 90, patients)
    icu = generator.random(patients) < 0.3
    risk = 1 / (1 + np.exp(-(-4 + 0.03 * age + 2 * icu)))
    died = pd.array(generator.random(patients) < risk, dtype="boolean")
    truth = died.copy()
    died[generator.random(patients) < 0.6] = pd.NA
    table = pd.DataFrame(
        {
            "site": "ieee8023",
            "patient_id": [f"P{i:03d}" for i in range(patients)],
            "image_path": [f"{i}.png" for i in range(patients)],
            "view": generator.choice(["PA", "AP", "AP supine"], patients),
            "day": pd.array(generator.integers(0, 20, patients), dtype="Float64"),
            "sex": generator.choice(["F", "M"], patients),
            "age": pd.array(age, dtype="Float64"),
            "died": died,
            "truth": truth,
        }
    )
    for name in COURSE:
        table[name] = pd.array([pd.NA] * patients, dtype="boolean")
    for name in LABORATORY:
        table[name] = pd.array(generator.normal(size=patients), dtype="Float64")
        table.loc[generator.random(patients) < 0.7, name] = pd.NA
    table["went_icu"] = pd.array(icu, dtype="boolean")
    table.loc[generator.random(patients) < 0.3, "went_icu"] = pd.NA
    films = pd.concat([table, table[::3].assign(image_path=lambda t: "b" + t["image_path"])])
    sources = films["died"].notna().map({True: "observed", False: "unknown"})
    return films.assign(label_source=sources).reset_index(drop=True)
