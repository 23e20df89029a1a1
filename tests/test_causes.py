"""The causal model: its table, its quadrature against simulation, its promises about sbu."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from phantoms import causes, people, risk
from phantoms import coefficients as c
from phantoms.sites import AGES, DEVICES_BY_STATE, SITES, STATES

MANY = 10_000


@pytest.fixture(scope="module")
def sbu_simulation():
    """Return many first films of sbu whose deaths are drawn independently, and their people."""
    rng = np.random.default_rng(11)
    patients = people.draw_people("sbu", MANY, rng, fixed_deaths=False)
    first = people.draw_films("sbu", patients.assign(n_films=1), rng)
    return patients, first


def test_table_lists_every_arrow_with_a_reason():
    table = causes.causal_table()
    assert list(table.columns) == ["cause", "effect", "coefficient", "unit", "reason"]
    assert (table["reason"].str.len() > 20).all()
    arrows = [value for value in vars(c).values() if isinstance(value, c.Arrow)]
    assert table["coefficient"].notna().sum() == len(arrows) == len(c.ARROWS)
    assert not table.duplicated(["cause", "effect"]).any()


def test_arrows_are_those_of_the_table_and_have_no_cycle():
    edges = causes.causal_arrows()
    table = causes.causal_table()
    assert edges == list(zip(table["cause"], table["effect"], strict=True))
    left = {name for edge in edges for name in edge}
    while left:  # take away what nothing else causes, until nothing is left
        roots = left - {effect for cause, effect in edges if cause in left}
        assert roots, f"cycle among {sorted(left)}"
        left -= roots


@pytest.mark.parametrize("site", SITES.values(), ids=list(SITES))
def test_sites_are_probability_tables(site):
    assert np.isclose(sum(site.age_weights), 1) and len(site.age_weights) == AGES.size
    assert np.isclose(sum(site.first_day), 1) and np.isclose(sum(site.gaps), 1)
    assert set(site.views) == set(STATES) == set(DEVICES_BY_STATE)
    for views in site.views.values():
        assert np.isclose(sum(views.values()), 1)


@pytest.mark.parametrize("name", SITES)
def test_death_rate_of_the_population_is_the_published_one(name):
    patients = people.draw_people(name, 40_000, np.random.default_rng(3), fixed_deaths=False)
    assert patients["true_risk"].mean() == pytest.approx(SITES[name].death_rate, abs=0.006)


def test_exact_number_of_deaths_and_each_at_their_own_risk():
    rng = np.random.default_rng(0)
    probability = expit(rng.normal(-2, 1.5, 60))
    deaths = np.array([people.draw_deaths(probability, 8, rng) for _ in range(4000)])
    assert (deaths.sum(axis=1) == 8).all()
    # Against the definition: independent draws of which only those with 8 deaths are kept.
    free = rng.random((200_000, 60)) < probability
    kept = free[free.sum(axis=1) == 8]
    assert np.abs(deaths.mean(axis=0) - kept.mean(axis=0)).max() < 0.035
    with pytest.raises(ValueError, match="between 0 and 60"):
        people.draw_deaths(probability, 61, rng)


def test_image_risk_equals_brute_force_simulation_of_one_film():
    """P(death | film) by quadrature against rejection sampling of the model itself."""
    rng = np.random.default_rng(5)
    patients = people.draw_people("sbu", 400_000, rng, fixed_deaths=False)
    shift = np.hypot(c.OPACITY_SD_PATIENT, c.OPACITY_SD_FILM) * rng.normal(size=len(patients))
    opacity = causes.opacity_mean(patients["severity"], 0) + shift
    sd = np.hypot(c.DENSITY_SD_PATIENT, c.DENSITY_SD_FILM)
    density = causes.density_mean(patients["severity"]) + sd * rng.normal(size=len(patients))
    ward = ~patients["icu"]
    alike = (
        ward
        & (patients["sex"] == "M")
        & (np.abs(opacity - 0.45) < 0.04)
        & (np.abs(density - 0.40) < 0.06)
        & (np.abs(patients["heart"] - 0.50) < 0.015)
    )
    film = pd.DataFrame(
        {
            "sex": ["M"], "age": [60.0], "opacity": [0.45], "density": [0.40], "heart": [0.50],
            "view": ["AP"], "devices": [frozenset()], "rank": [0],
        }
    )  # fmt: skip
    # Without devices the film says "ward" almost surely: compare with patients in the ward.
    expected = patients.loc[alike, "true_died"].mean()
    error = np.sqrt(expected * (1 - expected) / alike.sum())
    assert alike.sum() > 800
    assert risk.image_risk("sbu", film)[0] == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize("column", ["true_image_risk", "true_film_age_risk"])
def test_risks_given_the_film_are_calibrated(sbu_simulation, column):
    _, first = sbu_simulation
    tenth = pd.qcut(first[column], 8)
    groups = first.groupby(tenth, observed=True).agg(
        observed=("true_died", "mean"), expected=(column, "mean"), n=("true_died", "size")
    )
    error = np.sqrt(groups["expected"] * (1 - groups["expected"]) / groups["n"])
    assert ((groups["observed"] - groups["expected"]).abs() < 3.5 * error).all(), groups


@pytest.mark.parametrize("name", SITES)
def test_risks_of_later_films_are_calibrated(name):
    rng = np.random.default_rng(8)
    patients = people.draw_people(name, 2500, rng, fixed_deaths=False)
    films = people.draw_films(name, patients, rng)
    later = films[films["rank"] > 0]
    gap = later["true_died"].astype(float) - later["true_image_risk"]
    by_patient = gap.groupby(later["person"]).sum()
    error = by_patient.std() * np.sqrt(len(by_patient)) / len(later)
    assert abs(gap.mean()) < 3.5 * error


def test_discrimination_on_sbu_is_what_the_design_asks_for(sbu_simulation):
    patients, first = sbu_simulation
    died = first["true_died"]
    image = roc_auc_score(died, first["true_image_risk"])
    with_age = roc_auc_score(died, first["true_film_age_risk"])
    everything = roc_auc_score(died, first["true_risk"])
    assert 0.82 < image < 0.875
    assert image + 0.01 < with_age < everything
    # The lesions carry most of it; devices, view and heart are details.
    opacity = roc_auc_score(died, first["opacity"])
    assert (opacity - 0.5) / (image - 0.5) > 0.85
    films = roc_auc_score(patients["true_died"], patients["n_films"])
    assert films == pytest.approx(0.80, abs=0.03)


def test_age_bands_of_sbu_discriminate_as_published():
    """Exactly, from the population's table of bands and deaths."""
    model, male = risk._model("sbu"), SITES["sbu"].male
    population = male * model.prior["M"] + (1 - male) * model.prior["F"]
    ages = np.repeat(AGES, risk.COMORBIDITY.size)
    band = np.digitize(ages, [59.5, 74.5])
    died = np.array([(population * model.death)[band == b].sum() for b in range(3)])
    survived = np.array([population[band == b].sum() for b in range(3)]) - died
    assert died.sum() == pytest.approx(0.132, abs=1e-9)
    died, survived = died / died.sum(), survived / survived.sum()
    auroc = died @ (np.concatenate([[0.0], np.cumsum(survived)[:-1]]) + 0.5 * survived)
    assert auroc == pytest.approx(0.75, abs=0.015)


def test_no_better_reader_than_the_true_image_risk(sbu_simulation):
    """A flexible model of everything the film shows, trained on many films, does not beat it."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    _, first = sbu_simulation
    devices = {
        name: [name in d for d in first["devices"]] for name in ("ecg leads", "central line")
    }
    shown = first[["opacity", "density", "heart"]].assign(
        **devices,
        tube=["endotracheal tube" in d for d in first["devices"]],
        male=first["sex"] == "M",
        supine=first["view"] == "AP supine",
    )
    half = len(first) // 2
    model = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.06)
    model.fit(shown[:half], first["true_died"][:half])
    learned = roc_auc_score(first["true_died"][half:], model.predict_proba(shown[half:])[:, 1])
    best = roc_auc_score(first["true_died"][half:], first["true_image_risk"][half:])
    assert best - 0.03 < learned < best + 0.005


def test_severity_makes_tubes_supine_films_and_intensive_care(sbu_simulation):
    patients, first = sbu_simulation
    assert (patients.loc[patients["intubated"], "icu"]).all()
    tubed = first["state"] == "intubated"
    assert tubed.equals(pd.Series(["endotracheal tube" in d for d in first["devices"]]))
    means = first.groupby("state")["severity"].mean()
    assert means["ward"] < means["intensive care"] < means["intubated"]
    supine = (first["view"] == "AP supine").groupby(first["state"]).mean()
    assert supine["intubated"] > 0.8 > 0.3 > supine["ward"]


def test_films_of_one_patient_share_the_anatomy_and_follow_severity():
    rng = np.random.default_rng(2)
    patients = people.draw_people("hannover", 400, rng)
    films = people.draw_films("hannover", patients, rng)
    assert (films.groupby("person")["anatomy_seed"].nunique() == 1).all()
    assert films["film_seed"].is_unique
    assert (films.groupby("person")["day"].diff().dropna() >= 1).all()
    assert films["opacity"].between(0, c.OPACITY_MAX).all()
    assert not films["opacity"].between(1e-9, c.OPACITY_VISIBLE).any()
    spread = films.groupby("person")["opacity"].std().mean()
    assert spread < films["opacity"].std() / 2  # films of a patient look alike


def test_impossible_films_and_sites_are_refused():
    film = pd.DataFrame(
        {
            "sex": ["F"], "age": [60.0], "opacity": [0.2], "density": [0.3], "heart": [0.47],
            "view": ["lateral"], "devices": [frozenset()], "rank": [0],
        }
    )  # fmt: skip
    with pytest.raises(ValueError, match="impossible under the model"):
        risk.image_risk("sbu", film)
    with pytest.raises(ValueError, match="expected a site among"):
        people.draw_people("boston", 10, np.random.default_rng(0))
