"""Laboratory values: severity makes LDH and CRP rise, lymphocytes and oxygen fall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Measure:
    """A log-normal value: ``median`` at severity 0, times exp(``slope``) per sd of severity."""

    median: float
    slope: float
    scatter: float  # sd of the logarithm between equally ill patients
    step: float  # the precision to which the value is reported
    low: float = 0.0
    high: float = np.inf


# Medians and slopes after the ranges reported for survivors and non-survivors in the first large
# series (Zhou 2020, Lancet 395:1054): LDH 250 against 520 U/l, lymphocytes 1.1 against 0.6.
MEASURES: dict[str, Measure] = {
    "temperature": Measure(37.9, 0.006, 0.016, 0.1, 35.0, 41.0),
    "saturation": Measure(94.0, -0.025, 0.03, 1.0, 50.0, 100.0),
    "respiratory rate": Measure(21.0, 0.12, 0.18, 1.0, 10.0, 60.0),
    "heart rate": Measure(96.0, 0.05, 0.16, 1.0, 40.0, 180.0),
    "leukocytes": Measure(6.8, 0.15, 0.40, 0.01, 0.2),
    "neutrophils": Measure(5.0, 0.20, 0.45, 0.1, 0.2),
    "lymphocytes": Measure(1.05, -0.22, 0.40, 0.1, 0.1),
    "LDH": Measure(345.0, 0.26, 0.30, 5.0, 120.0),
    "CRP": Measure(48.0, 0.60, 0.90, 1.0, 0.0, 355.0),
    "ferritin": Measure(620.0, 0.35, 0.85, 1.0, 10.0),
    "D-dimer": Measure(1.2, 0.45, 0.80, 0.1, 0.1, 20.0),
    "procalcitonin": Measure(0.18, 0.55, 0.90, 0.01, 0.02),
    "creatinine": Measure(1.0, 0.12, 0.35, 0.01, 0.3),
    "urea nitrogen": Measure(18.0, 0.18, 0.45, 1.0, 4.0),
    "sodium": Measure(137.0, -0.002, 0.03, 1.0, 115.0, 165.0),
    "pH": Measure(7.40, -0.006, 0.010, 0.01, 6.9, 7.6),
    "factor XIII": Measure(75.0, -0.20, 0.28, 5.0, 35.0, 145.0),
    "pO2": Measure(74.0, -0.12, 0.40, 5.0, 20.0, 340.0),
    "pCO2": Measure(42.0, 0.06, 0.20, 5.0, 25.0, 80.0),
}


def measure(name: str, severity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one value of ``name`` for each patient, rounded as a laboratory reports it.

    Parameters
    ----------
    name : key of ``MEASURES``
    severity : (n,) float
    rng : numpy Generator

    Returns
    -------
    values : (n,) float in the unit of the publishers (°C, %, 1/min, 10³/µl, U/l, mg/l, mmHg …)
    """
    m = MEASURES[name]
    noise = m.scatter * rng.normal(size=np.shape(severity))
    value = m.median * np.exp(m.slope * np.asarray(severity) + noise)
    return np.round(np.round(np.clip(value, m.low, m.high) / m.step) * m.step, 2)
