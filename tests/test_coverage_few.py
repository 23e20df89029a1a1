"""Few patients: what benchmarks/coverage_few.py simulates is what it says."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import coverage_few as few
from benchmarks.coverage_cohorts import coverage as count
from benchmarks.coverage_cohorts import draw_films, pool, split
from benchmarks.study_real import auroc_within
from helpers.paths import PROJECT

PAGE = PROJECT / "docs" / "coverage-few.md"


@pytest.fixture(scope="module")
def patients():
    return pool(draw_films(30_000, seed=5))


def test_a_few_features_show_the_disease_and_none_another(patients):
    seen = few.features(patients, np.random.default_rng(0))
    risk = np.argsort(np.argsort(patients["risk"]))
    found = [abs(np.corrcoef(risk, column)[0, 1]) for column in seen.T]
    assert min(found[:3]) > 0.2 and max(found[3:]) < 0.03
    assert seen.std(axis=0) == pytest.approx(1, abs=0.03)


def test_ridge_is_that_of_scikit_learn(patients):
    from sklearn.linear_model import Ridge

    some = patients.iloc[:200]
    seen = few.features(some, np.random.default_rng(0))
    died = some["died"].to_numpy(bool)
    fitted = Ridge(alpha=few.PENALTY).fit(seen, died)
    np.testing.assert_allclose(few.ridge(seen, died), fitted.coef_)


def test_folds_share_deaths_out_evenly():
    died = np.arange(68) < 9
    fold = few.deal(died, np.random.default_rng(1))
    assert sorted(np.bincount(fold)) == [13, 13, 14, 14, 14]
    assert sorted(np.bincount(fold[died])) == [1, 2, 2, 2, 2]
    assert (fold != few.deal(died, np.random.default_rng(2))).any()


def test_a_model_of_few_patients_falls_behind_what_needs_no_training(patients):
    truth = few.true_of_training(pool(draw_films(80_000, seed=6)), 68)
    assert truth[few.UNTRAINED] < -0.02 < 0.55 < truth[few.TRAINED]
    larger = few.true_of_training(pool(draw_films(80_000, seed=6)), 680)
    assert larger[few.TRAINED] > truth[few.TRAINED] + 0.02


def test_pairs_of_one_fold_are_those_of_the_study():
    generator = np.random.default_rng(3)
    for _ in range(20):
        died = generator.random(40) < 0.2
        risk, fold = (pd.Series(generator.integers(0, most, 40) / 9) for most in (9, 5))
        own, study = few.within(died, risk, fold), auroc_within(died, risk, fold)
        assert own == pytest.approx(study, nan_ok=True)


def test_cross_validated_intervals_of_both_kinds():
    cohort = next(split(draw_films(68, seed=7), 68))
    found = few.cross_validated(cohort)
    assert {method for _, method in found} == set(few.METHODS)
    for name in (few.TRAINED, few.UNTRAINED):
        alone, both = (found[name, method] for method in few.METHODS)
        assert alone.estimate == both.estimate
        assert both.low < alone.low < alone.high < both.high


def test_films_of_a_patient_are_alike_and_as_many_as_on_the_real_films():
    drawn, patient = few.alike({1: 0, 2: 20_000}, 1, np.random.default_rng(0))
    pairs = drawn[:, 0].reshape(-1, 2)
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(few.SAME_PATIENT, abs=0.03)
    assert (patient.reshape(-1, 2)[:, 0] == patient.reshape(-1, 2)[:, 1]).all()
    for films_of, films in ((few.SCORED, 64), (few.OUTLINED, 55)):
        assert len(few.alike(films_of, 1, np.random.default_rng(0))[0]) == films


def test_truths_of_rank_correlations_and_heat_scores():
    generator = np.random.default_rng(0)
    films = few.scored_films({1: 20_000}, generator)
    assert films["score"].between(0, 8).all() and films["score"].nunique() == 25
    true = few.true_ranks()
    assert few.ranks(films) == pytest.approx(true, abs=0.02)
    heated = few.heated_films({1: 20_000}, generator)
    for name, value in few.true_heat().items():
        assert heated[name].mean() == pytest.approx(value, abs=0.01)


def test_intervals_of_rank_correlations_and_heat_scores_hold_the_truth():
    for judge, true in (
        (few.rank_correlations, few.true_ranks),
        (few.heat_scores, few.true_heat),
    ):
        found = count(map(judge, map(np.random.default_rng, range(12))), true())
        shares = [float(text.split("%")[0]) / 100 for text in found["coverage"]]
        assert min(shares) >= 0.6


def test_the_page_is_of_this_benchmark_and_says_what_its_tables_do():
    text = PAGE.read_text(encoding="utf-8")
    assert few._how() in text
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    met = {(row[1], row[2]): row[5] for row in reversed(rows) if len(row) > 8}  # nine deaths first
    whole = [method for method in (*few.METHODS, few.OURS) if "pages" in method]
    assert met[few.TRAINED, whole[0]] == "**no**" and met[few.UNTRAINED, whole[0]] == "yes"
    assert met[few.RANKS, few.OURS] == met[few.RANKS_APART, few.OURS] == "yes"
    assert met["pointing game", few.OURS] == "yes"
    assert met["pointing game, high", few.OURS] == "**no**"
    ours = [told for (_, method), told in met.items() if method.endswith(": the series")]
    assert set(ours) == {"yes"}
