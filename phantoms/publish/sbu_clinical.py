"""The clinical table of the New York collection, with its leaks."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
from scipy.special import expit

from phantoms.labs import measure

BLANK_SURVIVORS = 2 / 1201  # survivors whose sex is blank as well
# Columns after the first fifteen: name in the file, measure, share of patients who have it.
LABS = (
    ("8331-1_Oral temperature", "temperature", 0.97),
    ("59408-5_Oxygen saturation in Arterial blood by Pulse oximetry", "saturation", 0.98),
    ("9279-1_Respiratory rate", "respiratory rate", 0.98),
    ("76282-3_Heart rate.beat-to-beat by EKG", "heart rate", 0.98),
    ("731-0_Lymphocytes [#/volume] in Blood by Automated count", "lymphocytes", 0.88),
    ("2532-0_Lactate dehydrogenase in Serum or Plasma", "LDH", 0.74),
    ("1988-5_C reactive protein [Mass/volume] in Serum or Plasma", "CRP", 0.79),
    ("2276-4_Ferritin [Mass/volume] in Serum or Plasma", "ferritin", 0.76),
    ("48058-2_Fibrin D-dimer DDU", "D-dimer", 0.70),
    ("75241-0_Procalcitonin", "procalcitonin", 0.77),
    ("2160-0_Creatinine [Mass/volume] in Serum or Plasma", "creatinine", 0.93),
    ("3094-0_Urea nitrogen [Mass/volume] in Serum or Plasma", "urea nitrogen", 0.93),
    ("2951-2_Sodium [Moles/volume] in Serum or Plasma", "sodium", 0.93),
    ("33254-4_pH of Arterial blood adjusted to patient's actual temperature", "pH", 0.17),
)


def age_band(age: pd.Series) -> pd.Series:
    """Return the published band of each age in years."""
    return pd.cut(age, [17, 59, 74, 90], labels=["[18,59]", "(59,74]", "(74,90]"]).astype(str)


def clinical_table(
    people: pd.DataFrame, films: pd.DataFrame, origin: date, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the table of ``people``: the first fifteen published columns and fourteen values.

    What it reproduces of the publication's mistakes: sex is blank for every death under 60 and for
    a handful of survivors, so that blank means death; intensive care, ventilation, length of stay,
    organ injury, dialysis and anticoagulation are known only after the outcome.
    """
    n = len(people)
    died = people["true_died"].to_numpy(bool)
    severity = people["severity"].to_numpy()
    last_film = films.groupby("person")["day"].max().reindex(people.index).fillna(0).to_numpy()
    stay = last_film + 1 + rng.poisson(np.where(died, 2.0, 3.0), n)
    vented = people["intubated"].to_numpy(bool)
    blank = (died & (people["age"] <= 59).to_numpy()) | _some_survivors(died, rng)
    # Organs fail with severity, and more so on the way to death: after the outcome.
    kidney = rng.random(n) < expit(-2.2 + 0.7 * severity + 1.5 * died)
    liver = rng.random(n) < expit(-3.6 + 0.6 * severity + 0.8 * died)
    dialysis = kidney & (rng.random(n) < expit(-2.2 + 0.5 * severity))
    admitted = [origin + timedelta(days=int(day)) for day in people["admission"]]
    table = pd.DataFrame(
        {
            "to_patient_id": people["patient_id"],
            "covid19_statuses": "positive",
            "last.status": np.where(died, "deceased", "discharged"),
            "age.splits": age_band(people["age"]),
            "gender_concept_name": people["sex"].map({"M": "MALE", "F": "FEMALE"}).where(~blank),
            "visit_start_datetime": [day.isoformat() for day in admitted],
            "visit_concept_name": _visits(severity, rng),
            "is_icu": people["icu"],
            "was_ventilated": np.where(vented, "Yes", "No"),
            "invasive_vent_days": pd.Series(
                np.maximum(1, np.round(stay * rng.uniform(0.3, 0.9, n))), index=people.index
            ).where(vented),
            "length_of_stay": stay.astype(int),
            "Acute.Hepatic.Injury..during.hospitalization.": np.where(liver, "Yes", "No"),
            "Acute.Kidney.Injury..during.hospitalization.": np.where(kidney, "Yes", "No"),
            "Urine.protein": _some(
                np.where(rng.random(n) < expit(-0.4 + 0.4 * severity), "Abnormal", "Normal"),
                0.4,
                rng,
            ),
            "kidney_replacement_therapy": np.where(dialysis, "Yes", "No"),
        },
        index=people.index,
    )
    for column, name, share in LABS:
        table[column] = _some(measure(name, severity, rng), share, rng)
    table["Other.anticoagulation.therapy"] = np.where(
        rng.random(n) < expit(-2.0 + 0.8 * severity), "heparin", "not documented"
    )
    return table.sort_values("to_patient_id", ignore_index=True)


def _some_survivors(died: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pick the survivors with a blank sex: at least one."""
    chosen = np.zeros(died.size, dtype=bool)
    survivors = np.flatnonzero(~died)
    chosen[rng.choice(survivors, max(1, round(BLANK_SURVIVORS * survivors.size)), False)] = True
    return chosen


def _visits(severity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the kind of visit: the mildly ill go home from the emergency room."""
    admitted = rng.random(severity.size) < expit(1.3 + 1.0 * severity)
    visits = np.where(admitted, "Inpatient Visit", "Emergency Room Visit")
    visits[rng.random(severity.size) < 0.002] = "Outpatient Visit"
    return visits


def _some(values: np.ndarray, share: float, rng: np.random.Generator) -> pd.Series:
    """Keep each value with probability ``share``, leave the others blank."""
    return pd.Series(values).where(rng.random(len(values)) < share)
