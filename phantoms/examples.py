"""A few drawn films to try the upload panel with, since no film of a patient may ship with it."""

from __future__ import annotations

import cv2
import numpy as np

from phantoms.causes import Device, Patient
from phantoms.film import render

_SIDE = 512  # px


def example_films() -> dict[str, bytes]:
    """Return PNG files of four phantom patients, by what they show.

    They are in no cohort, so no network has been trained on them.

    Returns
    -------
    films : dict of str to bytes
        8-bit grey PNG files; always the same.
    """
    intensive: frozenset[Device] = frozenset({"endotracheal tube", "central line", "ecg leads"})
    patients = {
        "Clear lungs": _patient(1, opacity=0.0, age=38),
        "Some haze": _patient(2, opacity=0.25, age=57),
        "Much haze": _patient(3, opacity=0.65, age=74),
        "Haze and tubes": _patient(4, opacity=0.55, age=66, devices=intensive),
    }
    return {name: _png(render(patient, size=_SIDE).pixels) for name, patient in patients.items()}


def _patient(
    seed: int, *, opacity: float, age: float, devices: frozenset[Device] = frozenset()
) -> Patient:
    return Patient(
        sex="M",
        age=age,
        habitus=0.0,
        heart=0.48,
        view="AP",
        opacity=opacity,
        density=0.4,
        laterality=0.5,
        devices=devices,
        site="sbu",
        portable=bool(devices),
        inspiration=0.0,
        rotation=0.0,
        anatomy_seed=900 + seed,
        film_seed=900 + seed,
    )


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", np.rint(pixels * 255).astype(np.uint8))[1].tobytes()
