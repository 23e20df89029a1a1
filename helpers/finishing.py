"""From a trained network to a model that can be stored: calibration, threshold, card."""

from dataclasses import asdict
from typing import Any

import pandas as pd
from torch import nn

from helpers.evaluation import calibration, choose_threshold, logits, pool_by_patient, recalibrate
from helpers.models import RiskModel
from helpers.patients import require_patients
from helpers.recipes import TrainingConfig
from helpers.training import predict
from helpers.training_data import mean_film, training_data_hash

FEWEST_DEATHS = 10  # below, a slope is mostly noise


def fit_calibration(patients: pd.DataFrame) -> tuple[float, float, str]:
    """Fit intercept and slope of the logit on validation patients.

    With few deaths a slope is mostly noise; it may not exist, or come out negative, which would
    turn the ranking round. Then only the intercept is fitted, so that predicted and observed
    deaths agree in number, and the note says so.

    Parameters
    ----------
    patients
        A row a patient with ``died`` and ``risk``, of :func:`helpers.evaluation.pool_by_patient`.

    Returns
    -------
    tuple of float, float, str
        Intercept, slope, and a sentence on how they were fitted.

    Raises
    ------
    ValueError
        If a label is not observed, a patient has several rows, or nobody died or survived.
    """
    require_patients(patients)
    died, logit = patients["died"].astype(bool), logits(patients["risk"])
    if died.all() or not died.any():
        raise ValueError(
            "Calibration needs validation patients who died and who survived; found "
            f"{int(died.sum())} deaths among {len(died)}. Validate on more patients."
        )
    events = f"{int(died.sum())} deaths among {len(died)} validation patients"
    shift = calibration(died, patients["risk"]).intercept
    if died.sum() < FEWEST_DEATHS:
        return shift, 1.0, f"Only the intercept fitted, because there are just {events}."
    try:
        intercept, slope = recalibrate(died, logit)
        reason = f"its slope came out negative ({slope:.2f})"
    except ValueError:
        slope, reason = float("nan"), "no finite slope exists"
    if slope > 0:
        return intercept, slope, f"Intercept and slope fitted on {events}."
    return shift, 1.0, f"Only the intercept fitted on {events}, because {reason}."


def finish_model(
    network: nn.Module,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    config: TrainingConfig,
    *,
    title: str,
    start: str,
) -> RiskModel:
    """Calibrate a network on validation patients, choose its threshold, and describe it.

    Both on one film a patient, the first at or after admission (or onset of symptoms), which is
    what the model will be asked about; a film of unknown day counts as the last. A patient who has
    earlier films only is left out here, as :func:`helpers.cohorts.select_index_films` leaves such
    patients out of every test: those films have helped to stop the training, and do no more.

    Parameters
    ----------
    network
        As :func:`helpers.training.fit` returns it.
    train, validation
        The films it was trained and stopped on; validation labels observed.
    config
        How it was trained.
    title, start
        For the card: what the model is, and the weights it started from.

    Raises
    ------
    ValueError
        If no validation patient with such a film died or survived, there is none, or a validation
        label is not observed.
    """
    asked = _first_films(validation)
    raw = RiskModel(network, config.size)
    intercept, slope, note = fit_calibration(pool_by_patient(predict(raw, asked)))
    model = RiskModel(network, config.size, intercept, slope)
    model.threshold = choose_threshold(predict(model, asked))
    observed = pd.concat([train, validation]).query("label_source == 'observed'")
    model.base_rate = float(
        observed.groupby(["site", "patient_id"], observed=True)["died"].first().mean()
    )
    model.card = {
        "title": title,
        "start": start,
        "training": asdict(config),
        "training_data": _describe(train) | {"sha256": training_data_hash(train, config.size)},
        "validation_data": _describe(validation),
        "calibration_note": note,
        "threshold_rule": "just below the highest that reaches a sensitivity of 0.8 on validation "
        "patients",
        "mean_film": mean_film(train, config.size),
    }
    return model


def _first_films(validation: pd.DataFrame) -> pd.DataFrame:
    early = (validation["day"] < 0).fillna(False).astype(bool)
    if early.all():
        raise ValueError(
            "Calibration needs validation films at or after admission; found "
            f"{len(validation)} films, all from before (day < 0). Check the column day."
        )
    films = validation[~early].sort_values(["day", "image_path"], na_position="last")
    return films.drop_duplicates(["site", "patient_id"])


def _describe(cohort: pd.DataFrame) -> dict[str, Any]:
    patients = cohort.drop_duplicates(["site", "patient_id"])
    observed = patients[patients["label_source"] == "observed"]
    return {
        "sites": sorted(patients["site"].astype(str).unique()),
        "radiographs": len(cohort),
        "patients": len(patients),
        "patients_with_observed_outcome": len(observed),
        "observed_deaths": int(observed["died"].sum()),
    }
