"""Studies: stored once, resumed, refused when changed; their statistics on cases known by hand."""

import ast
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import study as benchmark
from benchmarks import study_real, study_variants, study_ways
from benchmarks.study_real import (
    REFERENCES,
    auroc_within,
    cross_validate,
    describe,
    folds,
    teaching,
)
from benchmarks.study_real import summarise as summarise_ways
from benchmarks.study_runs import Runs, module_path
from benchmarks.study_summary import RANKS, side_by_side, summarise
from benchmarks.study_variants import (
    FIRST,
    FIRST_UNWEIGHTED,
    SECOND,
    VARIANTS,
    Films,
    _recipe,
    _teaching,
)
from benchmarks.study_ways import WAYS, Fold
from helpers.cohorts import load_cohort, select_index_films
from helpers.imputers import METHODS
from helpers.models import STARTS
from helpers.patient_groups import group_patients
from helpers.starts import PHANTOM_START
from helpers.studies import CODE, compare, differences, gaps, load_study, save_study, start_note


@pytest.fixture
def table():
    return pd.DataFrame({"variant": ["a", "b"], "estimate": [0.5, 1 / 3]})


def test_a_study_is_read_as_it_was_stored(tmp_path, table):
    save_study("one", table, {"command": "make study"}, tmp_path)
    study = load_study("one", tmp_path)
    pd.testing.assert_frame_equal(study.table, table, rtol=1e-5)
    assert study.made["command"] == "make study"
    assert {"torch", "python"} <= set(study.made["versions"])
    assert len(study.made["code_sha256"]) == 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.csv", "one.json"]


def test_a_changed_or_missing_study_is_refused(tmp_path, table):
    with pytest.raises(FileNotFoundError, match="make study"):
        load_study("one", tmp_path)
    path = save_study("one", table, {}, tmp_path)
    path.write_text(path.read_text().replace("0.5", "0.9"))
    with pytest.raises(ValueError, match="changed after it was made"):
        load_study("one", tmp_path)


@pytest.mark.parametrize("seeds", ["2", "4", "21"])
def test_a_study_of_few_seeds_overwrites_no_table(seeds, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["study", "--seeds", seeds])
    monkeypatch.setattr(benchmark, "profile", lambda: "full")  # which would stop it, too
    with pytest.raises(SystemExit):
        benchmark.main()
    assert f"expected 5 to 20 seeds, got {seeds}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["phantom-variants", "real-films"])
def test_every_stored_row_is_of_five_seeds_or_more(name):
    seeds = load_study(name).table["seeds"].str.split()
    assert len(seeds) > 10 and seeds.map(len).min() >= 5


def test_the_stored_study_holds_both_weightings_as_trained_and_recalibrated():
    rows = load_study("phantom-variants").table.query("test == 'sbu'")
    found = rows.set_index(["variant", "measure"])[["estimate", "low", "high"]]
    for variant in (FIRST, FIRST_UNWEIGHTED, SECOND, f"{SECOND}, no class weights"):
        for number in ("observed / expected", "calibration intercept", "calibration slope"):
            for state in ("as trained", "recalibrated"):
                assert found.loc[(variant, f"{number}, {state}")].notna().all()


def test_a_run_is_made_once_and_again_for_another_recipe(tmp_path, table, monkeypatch):
    runs, made = Runs(tmp_path), []

    def make(path):
        made.append(path)
        return table

    first = runs.table("one, two", {"seed": 0}, make)
    pd.testing.assert_frame_equal(runs.table("one, two", {"seed": 0}, make), first)
    assert len(made) == 1
    runs.table("one, two", {"seed": 1}, make)
    monkeypatch.setattr("benchmarks.study_runs.code_hash", lambda: "other code")
    runs.table("one, two", {"seed": 0}, make)
    assert len(made) == 2  # this one still runs what it began with
    Runs(tmp_path).table("one, two", {"seed": 0}, make)
    assert len(set(made)) == 3


def test_a_changed_module_that_decides_never_returns_an_old_table(tmp_path, table, monkeypatch):
    monkeypatch.setattr("benchmarks.study_runs.PROJECT", tmp_path)
    module = tmp_path / "benchmarks" / "ways.py"
    module.parent.mkdir()
    made = []

    def run(deciding):
        Runs(tmp_path, deciding).table("one", {"seed": 0}, lambda path: made.append(path) or table)

    for content in ("first", "first", "second"):
        module.write_text(content)
        run(["benchmarks.ways"])
        run([])
    assert len(made) == len(set(made)) == 3  # two of the module, one that knows nothing of it


@pytest.mark.parametrize(
    ("modules", "deciding", "others"),
    [
        # Those of the others that choose films are in the hashes of the films.
        (
            [study_variants],
            study_variants.DECIDING,
            {
                *("benchmarks.study_runs", "helpers.cohorts", "helpers.files", "helpers.readable"),
                "helpers.splits",
            },
        ),
        # Those of the others that judge do it anew each time.
        (
            [study_real, study_ways],
            study_real.DECIDING,
            {
                *("benchmarks.study_runs", "helpers.evaluation", "helpers.files"),
                "helpers.intervals",
            },
        ),
    ],
)
def test_all_that_a_run_imports_is_in_its_key_or_decides_nothing(modules, deciding, others):
    """So that whoever lets a run use one more module thinks of its key."""
    code = {f"helpers.{name}" for name in CODE}
    assert all(module_path(name).is_file() for name in deciding)
    assert {module.__name__ for module in modules} <= set(deciding)
    assert imported(modules) == (imported(modules) & (set(deciding) | code)) | others


def imported(modules):
    """Modules of this repository that these name, without those of packages' own names."""
    found = set()
    for module in modules:
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module != "phantoms":
                found.add(node.module)
    return {name for name in found if name.split(".")[0] in ("benchmarks", "helpers", "phantoms")}


def test_a_run_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Runs(tmp_path).table("one", {}, lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    assert not list(tmp_path.iterdir())


def test_variants_start_from_what_comes_before_them():
    seen = []
    for variant in VARIANTS:
        assert variant.start in STARTS or variant.start in seen
        assert variant.name not in seen
        seen.append(variant.name)


def test_a_variants_recipe_follows_what_it_goes_on_from(monkeypatch):
    second = next(variant for variant in VARIANTS if variant.name == SECOND)
    films = Films({}, {"sbu train": "abc"})
    before = json.dumps(_recipe(second, 0, films))
    assert before == json.dumps(_recipe(second, 0, films))
    assert before != json.dumps(_recipe(second, 1, films))
    assert before != json.dumps(_recipe(second, 0, Films({}, {"sbu train": "abd"})))
    changed = tuple(
        replace(one, config=replace(one.config, epochs=9)) if one.name == FIRST else one
        for one in VARIANTS
    )
    monkeypatch.setattr("benchmarks.study_variants.VARIANTS", changed)
    assert before != json.dumps(_recipe(second, 0, films))


def test_ways_to_fill_in_labels_teach_with_their_own_and_are_runs_of_their_own(monkeypatch):
    monkeypatch.setattr("benchmarks.study_variants.training_data_hash", lambda films, size: films)
    ways = {variant.labels: variant for variant in VARIANTS if variant.labels}
    assert set(ways) == set(METHODS)
    labelled = {method: method for method in METHODS} | {"draws 0": "first", "draws 1": "second"}
    films = Films(
        {"ieee8023": {"train": "as notebook 02 decided"}}, {"ieee8023 train": "abc"}, labelled
    )
    first = next(variant for variant in VARIANTS if variant.name == FIRST)
    assert _teaching(first, 0, films) == "as notebook 02 decided"
    assert _recipe(first, 0, films)["films"] == {"ieee8023 train": "abc"}
    assert _teaching(ways["forest"], 1, films) == "forest"
    assert [_teaching(ways["draws"], seed, films) for seed in (0, 1)] == ["first", "second"]
    assert _recipe(ways["draws"], 1, films)["films"]["labelled"] == "second"
    assert {way.start for way in ways.values()} == {first.start}
    assert {way.config for way in ways.values()} == {first.config}


def test_seeds_of_rivals_must_be_the_same():
    tables = made_up_runs(20)
    del tables[SECOND, 3]
    with pytest.raises(ValueError, match=f"same seeds as their rivals: {FIRST}"):
        summarise(tables)


def made_up_runs(patients: int = 400):
    """Iteration 1 knows nothing; iteration 2 says the true risk, doubled in odds as trained."""
    rng = np.random.default_rng(0)
    tables = {}
    risk = rng.uniform(0.05, 0.6, 2 * patients)
    died = rng.random(2 * patients) < risk
    keys = pd.DataFrame(
        {
            "site": ["sbu"] * patients + ["ieee8023"] * patients,
            "patient_id": [str(number) for number in range(2 * patients)],
            "died": pd.array(died, "boolean"),
            "label_source": "observed",
            "risk_true": risk,
            "seconds": 10.0,
        }
    )
    odds = 2 * risk / (1 - risk)
    for seed in range(4):
        guess = rng.uniform(0.1, 0.9, 2 * patients)
        tables[FIRST, seed] = keys.assign(risk=guess, risk_calibrated=guess)
        tables[SECOND, seed] = keys.assign(risk=odds / (1 + odds), risk_calibrated=risk)
    return tables


def test_summary_of_runs_whose_truth_is_known(monkeypatch):
    monkeypatch.setattr("benchmarks.study_summary.REPEATS", 40)
    found = summarise(made_up_runs()).set_index(["variant", "test", "measure"]).sort_index()
    best = found.loc[(SECOND, "sbu")]
    assert best.loc[RANKS, "estimate"] == pytest.approx(1)
    assert best.loc["calibration intercept, as trained", "estimate"] == pytest.approx(
        best.loc["calibration intercept, recalibrated", "estimate"] - np.log(2), abs=0.05
    )
    right = best.loc["calibration slope, recalibrated"]
    assert right["low"] < 1 < right["high"]
    assert best.loc["observed / expected, as trained", "high"] < 1
    assert best.loc["AUROC", "difference_estimate"] == 0  # against itself
    idle = found.loc[(FIRST, "sbu", "AUROC")]
    assert idle["difference_high"] < 0 and idle["against"] == SECOND
    assert len(idle["seeds"].split()) == 4 and idle["seed_sd"] > 0
    forgot = found.xs("ieee8023", level="test")
    assert forgot.loc[(SECOND, "AUROC"), "difference_low"] > 0
    # What was forgotten is asked of the network that a variant went on from, or of nothing.
    assert forgot.loc[(SECOND, "AUROC"), "against"] == FIRST
    assert forgot.loc[(FIRST, "AUROC"), "against"] == FIRST


def test_no_difference_between_variants_is_larger_than_can_be(monkeypatch):
    monkeypatch.setattr("benchmarks.study_summary.REPEATS", 40)
    tables, rng = made_up_runs(60), np.random.default_rng(2)
    for (name, seed), table in tables.items():
        known = table["risk_true"] > 0.3
        table["died"] = pd.array(known ^ (table.index % 15 == 0), "boolean")
        near = (table["risk_true"] + rng.normal(0, 0.05, len(table))).clip(0.01, 0.99)
        # Seeds so far apart that t quantiles reach beyond all limits.
        table["risk"] = 1 - near if name == FIRST and seed < 2 else near
    found = summarise(tables).set_index(["variant", "test", "measure"]).sort_index()
    apart = found.loc[(FIRST, "sbu")][["difference_low", "difference_high"]]
    assert apart.loc["AUROC", "difference_low"] == -1
    assert apart.loc[RANKS, "difference_low"] == -2
    assert (apart.loc[["AUROC", RANKS], "difference_high"] < [1, 2]).all()


def test_ranks_that_need_no_outcome_have_intervals_that_do_not_hang_on_it(monkeypatch):
    monkeypatch.setattr("benchmarks.study_summary.REPEATS", 40)
    few = made_up_runs()
    for table in few.values():
        dead = table[table["died"]]
        spared = dead.index.difference(dead.groupby("site").head(20).index)
        table.loc[spared, "died"] = False
    keys, ends = ["variant", "test", "measure"], ["low", "high"]
    rich, poor = (summarise(runs).set_index(keys)[ends] for runs in (made_up_runs(), few))
    ranked, areas = (rich.index.get_level_values("measure") == m for m in (RANKS, "AUROC"))
    pd.testing.assert_frame_equal(rich[ranked], poor[ranked])
    assert (rich[areas] != poor[areas]).any(axis=None)


def test_patients_of_unknown_outcome_inform_ranks_and_nothing_else(monkeypatch):
    monkeypatch.setattr("benchmarks.study_summary.REPEATS", 40)
    tables = made_up_runs(60)
    hidden = next(iter(tables.values())).index % 3 == 0
    known = {key: table[~hidden] for key, table in tables.items()}
    for table in tables.values():
        table.loc[hidden, "label_source"] = "unknown"
        table.loc[hidden, "died"] = pd.NA
    some, all_of_them = (summarise(runs) for runs in (known, tables))
    ranks = all_of_them["measure"] == RANKS
    pd.testing.assert_frame_equal(some[~ranks], all_of_them[~ranks])
    assert some["patients"].eq(40).all()
    assert all_of_them.loc[ranks, "patients"].eq(60).all()
    each = all_of_them.loc[ranks].set_index(["variant", "test"])
    for (variant, test), row in each.iterrows():
        films = [
            table[table["site"] == test] for (name, _), table in tables.items() if name == variant
        ]
        expected = np.mean([film["risk"].corr(film["risk_true"], "spearman") for film in films])
        assert row["estimate"] == pytest.approx(expected)


def test_a_comparison_shows_means_intervals_and_seeds(tmp_path):
    rows = {
        "variant": ["a", "b"],
        "test": "sbu",
        "measure": "AUROC",
        "estimate": [0.714, 0.6],
        "low": [0.6, 0.5],
        "high": [0.8, 0.7],
        "seed_sd": [0.031, 0.0],
        "against": "a",
        "difference_estimate": [0.0, -0.114],
        "difference_low": [np.nan, -0.2],
        "difference_high": [np.nan, 0.01],
    }
    save_study("one", pd.DataFrame(rows), {}, tmp_path)
    study = load_study("one", tmp_path)
    shown = compare(study, test="sbu", measures=["AUROC", "slope"])
    assert shown.loc["a", "AUROC"] == "0.71 (0.60–0.80) ± 0.03"
    assert shown["slope"].eq("not here").all()
    ahead = differences(study, test="sbu", measure="AUROC")
    assert ahead.to_dict() == {"a": "—", "b": "−0.11 (−0.20 to +0.01)"}
    gap = gaps(study, test="sbu", measure="AUROC")
    assert list(gap) == ["b"] and (gap["b"].low, gap["b"].high) == pytest.approx((-0.2, 0.01))
    assert gaps(study, test="ieee8023", measure="AUROC") == {}


def test_runs_on_different_patients_are_not_compared():
    tables = made_up_runs(20)
    tables[SECOND, 0] = tables[SECOND, 0].iloc[1:]
    with pytest.raises(ValueError, match="different test patients of sbu"):
        side_by_side(tables, "sbu")


def test_auroc_within_folds_compares_no_one_across_networks():
    died = [True, False, True, False]
    risk, fold = [0.2, 0.1, 0.9, 0.8], [0, 0, 1, 1]  # the second network says more to everybody
    assert auroc_within(died, risk, fold) == 1
    assert auroc_within([True, False, False], [0.5, 0.5, 0.9], [0, 0, 1]) == 0.5
    assert np.isnan(auroc_within([True, False], [0.5, 0.5], [0, 1]))


def test_folds_hold_every_patient_once_whatever_the_order():
    films = pd.DataFrame(
        {
            "patient_id": [f"{n // 2}" for n in range(80)],
            "died": [n // 2 % 4 == 0 for n in range(80)],
        }
    )
    made = folds(films, seed=3)
    assert sorted(name for fold in made for name in fold) == sorted(films["patient_id"].unique())
    assert [sum(int(name) % 4 == 0 for name in fold) for fold in made] == [2] * 5
    assert folds(films[::-1], seed=3) == made != folds(films, seed=4)


def test_ways_are_compared_on_the_same_patients(monkeypatch):
    monkeypatch.setattr("benchmarks.study_real.REPEATS", 40)
    rng = np.random.default_rng(1)
    patients = pd.DataFrame(
        {
            "site": "ieee8023",
            "patient_id": [str(number) for number in range(60)],
            "died": pd.array(np.arange(60) % 3 == 0, "boolean"),
            "label_source": "observed",
        }
    )
    knows = np.where(patients["died"], 0.7, 0.3) + rng.normal(0, 0.1, 60)
    fold = np.arange(60) // 3 % 5
    tables = {}
    for seed in range(5):
        noise = rng.random(60)
        said = {"predecessor": noise, "phantom": knows.clip(0, 1), "careless": noise}
        for label, risk in said.items():
            tables[REFERENCES[label], seed] = patients.assign(risk=risk, fold=fold)
    found = summarise_ways(tables).set_index(["way", "measure"])
    rival = found.loc[(REFERENCES["predecessor"], "AUROC, within folds")]
    assert rival["phantom_less_this_low"] > 0
    assert rival["predecessor_less_this_estimate"] == rival["careless_less_this_estimate"] == 0
    best = found.loc[(REFERENCES["phantom"], "AUROC, pooled")]
    assert best["phantom_less_this_estimate"] == 0 and best["predecessor_less_this_high"] < 0
    assert found["deaths"].eq(20).all()
    tables[REFERENCES["phantom"], 0] = patients.iloc[1:].assign(risk=0.5, fold=0)
    with pytest.raises(ValueError, match="different patients"):
        summarise_ways(tables)


def test_no_difference_between_ways_is_larger_than_one(monkeypatch):
    monkeypatch.setattr("benchmarks.study_real.REPEATS", 40)
    rng = np.random.default_rng(1)
    died = np.arange(60) % 3 == 0
    patients = pd.DataFrame({"patient_id": np.arange(60).astype(str), "died": died})
    patients = patients.assign(site="ieee8023", label_source="observed")
    patients["fold"] = np.arange(60) // 3 % 5
    knows, errs = (
        (np.where(right, 0.7, 0.3) + rng.normal(0, 0.15, 60)).clip(0, 1) for right in (died, ~died)
    )
    turned = REFERENCES["predecessor"]  # by its second seed
    tables = {
        (way, seed): patients.assign(risk=errs if way == turned and seed else knows)
        for way in REFERENCES.values()
        for seed in range(2)
    }
    row = summarise_ways(tables).set_index(["way", "measure"]).loc[(turned, "AUROC, pooled")]
    assert (row["phantom_less_this_low"], row["phantom_less_this_high"]) == (-1, 1)
    assert (row["low"], row["high"]) == (0, 1)


def test_every_way_says_what_it_does():
    said = [json.dumps(describe(way)) for way in WAYS.values()]
    assert len(set(said)) == len(WAYS)
    assert set(REFERENCES.values()) <= set(WAYS)


@pytest.mark.parametrize("name", ["age and sex", "view", "random forest: age, sex, day, position"])
def test_a_way_judges_each_observed_patient_once_and_never_sees_the_answer(
    phantom_root, tmp_path, name
):
    cohort = load_cohort("ieee8023")
    linked = group_patients(cohort).attrs["group_of"]
    found = cross_validate(cohort, linked, WAYS[name], 0, tmp_path / "run")
    observed = cohort.loc[cohort["label_source"] == "observed", "patient_id"]
    assert set(found["patient_id"]) <= set(observed) and found["patient_id"].is_unique
    assert found["risk"].between(0, 1).all() and found["fold"].nunique() == 5
    # The judged patients' own outcomes are turned round: nothing that is said of them may move.
    index = found[found["fold"] == 0]
    films = cohort[cohort["image_path"].isin(_index_films(cohort, index))]
    rest = cohort[~cohort["patient_id"].isin(index["patient_id"])]
    said = [
        WAYS[name](Fold(teaching(rest, 0), judged, 0, tmp_path / "run"))["risk"].to_numpy()
        for judged in (films, films.assign(died=~films["died"]))
    ]
    np.testing.assert_array_equal(*said)
    np.testing.assert_allclose(said[0], index["risk"])


def test_who_shares_a_film_with_a_judged_patient_teaches_nothing(phantom_root, tmp_path):
    cohort = load_cohort("ieee8023")
    first = cohort.drop_duplicates("patient_id")
    known = first.loc[first["label_source"] == "observed"].iloc[0]
    unknown = first.loc[first["label_source"] == "unknown"].iloc[0]
    copies = pd.DataFrame({"path_a": [known["image_path"]], "path_b": [unknown["image_path"]]})
    taught = []

    def way(fold):
        taught.append((set(fold.teaching["patient_id"]), set(fold.judged["patient_id"])))
        return fold.judged.assign(risk=0.5)

    linked = group_patients(cohort, copies).attrs["group_of"]
    cross_validate(cohort, linked, way, 0, tmp_path / "run")
    pair = {known["patient_id"], unknown["patient_id"]}
    assert sum(known["patient_id"] in judged for _, judged in taught) == 1
    for teachers, judged in taught:
        assert teachers & pair == (set() if known["patient_id"] in judged else pair)


def test_patients_without_an_outcome_never_choose(phantom_root):
    parts = teaching(load_cohort("ieee8023"), 0)
    assert parts.loc[parts["part"] == "validation", "label_source"].eq("observed").all()
    assert parts.groupby("patient_id")["part"].nunique().max() == 1
    assert {"observed", "unknown"} <= set(parts.loc[parts["part"] == "train", "label_source"])


def _index_films(cohort, patients):
    observed = select_index_films(cohort[cohort["label_source"] == "observed"])
    return observed.loc[observed["patient_id"].isin(patients["patient_id"]), "image_path"]


def test_a_study_of_an_earlier_start_says_so():
    study = load_study("phantom-variants")
    ships = hashlib.sha256(PHANTOM_START.read_bytes()).hexdigest()
    now, before = (
        study._replace(made={**study.made, "phantom_start_sha256": one}) for one in (ships, "ab")
    )
    assert start_note(now) == "" and "an earlier phantom start" in start_note(before)
