"""From a network to a model: what calibration, threshold and base rate are fitted to."""

import numpy as np
import pandas as pd
import pytest

from helpers import finishing
from helpers.evaluation import choose_threshold, logits, pool_by_patient, recalibrate
from helpers.finishing import finish_model, fit_calibration
from helpers.models import build_resnet18
from helpers.recipes import TrainingConfig


def patients(died, logit):
    risk = 1 / (1 + np.exp(-np.asarray(logit, float)))
    numbers = [f"P{number}" for number in range(len(risk))]
    table = pd.DataFrame({"patient_id": numbers, "died": np.asarray(died, bool), "risk": risk})
    return table.assign(site="sbu", label_source="observed")


@pytest.fixture
def drawn():
    """Outcomes of 60 patients, and logits that know something of them."""
    generator = np.random.default_rng(3)
    died = np.arange(60) % 3 == 0
    return died, generator.normal(size=60) + died


def test_enough_deaths_fit_intercept_and_slope(drawn):
    died, logit = drawn
    intercept, slope, note = fit_calibration(patients(died, logit))
    assert (intercept, slope) == pytest.approx(recalibrate(died, logit))
    assert note == "Intercept and slope fitted on 20 deaths among 60 validation patients."


def test_few_deaths_fit_the_intercept_alone(drawn):
    _, logit = drawn
    died = np.arange(60) < 9
    intercept, slope, note = fit_calibration(patients(died, logit))
    assert slope == 1 and "just 9 deaths among 60" in note
    assert (1 / (1 + np.exp(-(intercept + logit)))).sum() == pytest.approx(9)


@pytest.mark.parametrize(
    ("logit", "reason"),
    [
        (lambda died, logit: -logit, "its slope came out negative"),
        (lambda died, logit: np.where(died, 1.0, -1.0), "no finite slope exists"),
        (lambda died, logit: np.zeros(60), "no finite slope exists"),
    ],
)
def test_a_slope_that_turns_round_or_is_none_is_left_out(drawn, logit, reason):
    died, logit = drawn[0], logit(*drawn)
    intercept, slope, note = fit_calibration(patients(died, logit))
    assert slope == 1 and reason in note
    assert (1 / (1 + np.exp(-(intercept + logit)))).sum() == pytest.approx(20)


@pytest.mark.parametrize(("died", "deaths"), [(np.zeros(60), 0), (np.ones(60), 60)])
def test_one_outcome_alone_calibrates_nothing(drawn, died, deaths):
    with pytest.raises(ValueError, match=f"found {deaths} deaths among 60. Validate on more"):
        fit_calibration(patients(died, drawn[1]))


def test_films_and_guessed_labels_calibrate_nothing(drawn):
    table = patients(*drawn)
    with pytest.raises(ValueError, match="60 of 60 rows are imputed or unknown"):
        fit_calibration(table.assign(label_source="imputed"))
    with pytest.raises(ValueError, match="Expected a row a patient; 60 of 120 rows"):
        fit_calibration(pd.concat([table, table]))


@pytest.fixture
def no_pictures(monkeypatch):
    """Films whose logit stands in the table."""

    def predict(model, films):
        return films.assign(risk=model.calibrate(films["logit"]))

    monkeypatch.setattr(finishing, "predict", predict)
    monkeypatch.setattr(finishing, "mean_film", lambda films, size: [])
    monkeypatch.setattr(finishing, "training_data_hash", lambda films, size: "ab")


def finish(train, validation):
    network, config = build_resnet18("random"), TrainingConfig(size=32)
    return finish_model(network, train, validation, config, title="a", start="random")


def test_a_model_is_finished_on_the_first_film_of_each_validation_patient(drawn, no_pictures):
    died, logit = drawn
    numbers = [f"P{number}" for number in range(60)]
    first = pd.DataFrame({"patient_id": numbers, "died": died, "logit": logit, "day": 1.0})
    later = first.assign(logit=-9.0 * died, day=5.0)
    validation = pd.concat([later, first]).assign(
        site="sbu", label_source="observed", part="validation"
    )
    validation["image_path"] = [f"{number}.png" for number in range(120)]
    train = validation.assign(part="train", patient_id="T" + validation["patient_id"], died=True)

    model = finish(train, validation)
    assert (model.intercept, model.slope) == pytest.approx(recalibrate(died, logit))
    asked = first.assign(site="sbu", label_source="observed", part="validation")
    asked["risk"] = model.calibrate(asked["logit"])
    assert model.threshold == pytest.approx(choose_threshold(asked))
    assert pool_by_patient(asked)["risk"].mean() == pytest.approx(died.mean(), abs=1e-3)
    assert model.base_rate == pytest.approx((60 + 20) / 120)  # of all patients, each once
    assert model.card["validation_data"]["patients"] == 60
    assert np.isfinite(logits(asked["risk"])).all()


def test_a_film_from_before_admission_calibrates_nothing(drawn, no_pictures):
    died, logit = drawn
    numbers = [f"P{number}" for number in range(60)]
    known = pd.DataFrame({"patient_id": numbers, "died": died, "logit": logit})
    known["day"] = pd.array([0.0, 3.0, None] * 20, dtype="Float64")
    early = known.assign(logit=-9.0 * died, day=pd.array([-2.0] * 60, dtype="Float64"))
    early = pd.concat([early, early.head(5).assign(patient_id=list("abcde"))])
    validation = pd.concat([early, known]).assign(
        site="sbu", label_source="observed", part="validation"
    )
    validation["image_path"] = [f"{number}.png" for number in range(len(validation))]
    train = validation.assign(part="train", patient_id="T" + validation["patient_id"])
    model = finish(train, validation)
    assert (model.intercept, model.slope) == pytest.approx(recalibrate(died, logit))
    # Five patients have no later film: they stopped the training, and are not asked.
    assert "among 60 validation patients" in model.card["calibration_note"]
    assert model.card["validation_data"]["patients"] == 65
    with pytest.raises(ValueError, match=r"found 65 films, all from before \(day < 0\)"):
        finish(train, validation[validation["day"] < 0])
