"""What the benchmarks of explanations compute, on cases with a known answer."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import explain, pointing, view_and_site
from helpers.heat_scores import BLOB, CHANCE
from helpers.outlined import load_outlined


@pytest.fixture
def patients() -> pd.DataFrame:
    """Two hundred patients; at one of two sites nearly all die; the view tells nothing."""
    rng = np.random.default_rng(0)
    site = np.where(np.arange(200) % 2 == 0, "a", "b")
    return pd.DataFrame(
        {
            "site": site,
            "patient_id": [str(number) for number in range(200)],
            "view": rng.choice(["AP", "PA"], 200),
            "died": pd.array(rng.random(200) < np.where(site == "a", 0.9, 0.1), dtype="boolean"),
            "label_source": "observed",
        }
    )


def test_a_site_of_many_deaths_is_found_and_a_view_that_says_nothing_is_not(patients):
    table = view_and_site.found(patients).set_index(["what is known", "among"])["AUROC"]
    assert float(table["site", "all"][:4]) > 0.8
    assert float(table["view and site", "all"][:4]) > 0.8
    assert 0.3 < float(table["view", "all"][:4]) < 0.6
    assert ("view", "a") in table.index and ("site", "a") not in table.index


def test_nobody_teaches_the_risk_that_he_is_judged_by(patients):
    alone = patients.copy()
    alone.loc[0, "view"] = "lateral"  # the only one of a kind: the mean rate of the other folds
    risk = view_and_site.rates(alone, ["view"], 0)[0][0]
    turned = alone.copy()
    turned.loc[0, "died"] = not turned.loc[0, "died"]
    assert risk == pytest.approx(alone["died"].astype(float).mean(), abs=0.05)
    assert view_and_site.rates(turned, ["view"], 0)[0][0] == pytest.approx(risk, abs=0.02)


def test_outlined_films_come_with_patients_and_masks_of_their_size(phantom_root):
    outlined = load_outlined(64)
    assert len(outlined.films) == len(outlined.lesions) == len(outlined.lungs) > 20
    assert outlined.lesions.shape[1:] == (64, 64)
    assert outlined.lesions.any(axis=(1, 2)).all()
    assert outlined.films["patient_id"].notna().all()
    assert outlined.films["image_path"].is_unique


def test_verdicts_of_speed_follow_the_ratios():
    seconds = pd.DataFrame(
        {explain.ALONE: [1.0] * 9, explain.OURS: [1.05] * 9, explain.PACKAGE: [2.0] * 9}
    )
    first, second = explain.verdict(seconds).splitlines()
    assert "1.05" in first and "**holds**" in first
    assert "1.90" in second and "**does not hold**" in second


def test_the_aim_is_reached_by_the_maps_that_reach_it():
    names = (pointing.MORTALITY, pointing.MORTALITY_FINE, pointing.OPACITY, pointing.OPACITY_FINE)
    hits = dict(zip(names, (0.4, 0.8, 0.5, 0.9), strict=True)) | {BLOB: 0.2, CHANCE: 0.1}
    scores = pd.DataFrame({("pointing game", name): [hit] for name, hit in hits.items()})
    lines = pointing.aim(scores).splitlines()[2:]
    assert ["reached" in line for line in lines] == [False, True, False, True]


def test_maps_are_judged_by_the_rivals_that_could_win(monkeypatch):
    lesions = np.zeros((24, 32, 32), bool)
    lesions[:12, 4:10, 4:10] = lesions[12:, 22:28, 22:28] = True  # away from the middle
    names = (pointing.MORTALITY, pointing.MORTALITY_FINE, pointing.OPACITY, pointing.OPACITY_FINE)
    heat = lesions.astype(np.float32)
    heat[0, 22:28, 22:28] = heat[12, 4:10, 4:10] = 2  # warmest beside the lesion
    misled = heat[:, ::-1, ::-1]  # warm where another film's lesion is, but for two films
    maps = dict(zip(names, (heat, misled, heat, heat), strict=True))
    monkeypatch.setattr(pointing, "draw", lambda model, films: maps)
    films = pd.DataFrame({"patient_id": [str(number) for number in range(24)]})
    page = pointing.judged(None, films, lesions, np.ones_like(lesions))
    lines = page.split("is about *this* film:\n\n")[1].splitlines()
    said = [line.removeprefix("- ").split(", difference")[0] for line in lines]
    bad, good = (f"{name}: **" for name in (pointing.MORTALITY_FINE, pointing.OPACITY_FINE))
    mean_bad, mean_good = (f"average of {name.removesuffix(': **')}" for name in (bad, good))
    same = "not shown to differ from**"
    assert said == [
        f"pointing game, {bad}{same} {BLOB}",
        f"pointing game, {bad}behind** {mean_bad}",
        f"heat in lesions, {bad}behind** {mean_bad}",
        f"heat in lungs, {bad}{same} {mean_bad}",  # all of it, in every film
        f"pointing game, {good}ahead of** {BLOB}",
        f"pointing game, {good}ahead of** {mean_good}",
        f"heat in lesions, {good}ahead of** {mean_good}",
        f"heat in lungs, {good}{same} {mean_good}",
    ]
