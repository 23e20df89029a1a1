"""Guideline tables and model cards: every item, every figure from the run, every place there."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.baselines import compare_baselines
from helpers.evaluation import report
from helpers.intervals import Interval
from helpers.model_card import INTENDED_USE, model_card
from helpers.reporting import (
    GUIDELINES,
    WHOSE_WORDS,
    Run,
    facts,
    guideline,
    markdown_table,
    reporting_document,
)
from helpers.sample_size import SampleSize
from helpers.subgroups import judge_subgroups
from tests.simulated import simulate

PROJECT = Path(__file__).resolve().parents[1]
SOURCES = PROJECT / "notebooks" / "sources"


@pytest.fixture(scope="module")
def run():
    patients = simulate(200, np.random.default_rng(0)).assign(
        age=50.0, sex="F", view="AP", **{"risk view": 0.2}
    )
    rows = report(patients, 0.3).assign(test="SBU (internal)", model="iteration2")
    card = {
        "notice": "Not for clinical use.",
        "title": "iteration 2",
        "start": "phantom",
        "weights_sha256": "abc",
        "training": {"seed": 7, "decay": 0.3846153846},
        "training_data": {"patients": 353, "observed_deaths": 46, "sites": ["sbu"], "sha256": "x"},
        "validation_data": {"patients": 119, "observed_deaths": 16, "sites": ["sbu"]},
        "calibration": {"intercept": -1.6, "slope": 1.4},
        "calibration_note": "Fitted.",
        "threshold": 0.17,
        "threshold_rule": "the highest",
        "versions": {"torch": "2.9"},
    }
    return Run(
        cohorts={"sbu": patients, "hannover": patients},
        phantom={"sbu": True, "hannover": False},
        cards={"iteration2": card},
        reports=rows,
        rivals=compare_baselines(patients),
        subgroups=judge_subgroups(patients),
        judged="iteration2",
        needed={"AUROC ± 0.05": SampleSize(740, 98)},
        forgetting=Interval(-0.1, -0.2, 0.05),
    )


def test_every_item_of_every_guideline_is_there(run):
    known = facts(run)
    tripod = guideline("tripod-ai", known)["item"].tolist()
    letters = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef",
               20: "abc", 23: "ab", 27: "abc"}  # fmt: skip
    expected = [f"{n}{part}" for n in range(1, 28) for part in letters.get(n, [""])]
    assert tripod == expected and len(tripod) == 52
    assert guideline("claim", known)["item"].tolist() == [str(n) for n in range(1, 45)]
    domains = guideline("probast", known)["domain"].tolist()
    assert domains == ["participants", "predictors", "outcome", "analysis", "overall"]
    assert guideline("probast", known)["risk_of_bias"].iloc[-1] == "high"


@pytest.mark.parametrize("name", ["tripod-ai", "claim"])
def test_every_item_is_judged_and_says_why(run, name):
    table = guideline(name, facts(run))
    assert set(table["status"]) == {"done", "partly", "not done", "not applicable"}
    assert table["what"].str.endswith(".").all()
    assert table.loc[table["status"].isin(["done", "partly"]), "where"].ne("").all()


@pytest.mark.parametrize("name", GUIDELINES)
def test_every_place_exists(run, name):
    headings = {
        source.stem[:2]: set(re.findall(r"^# ## (.+)$", source.read_text("utf-8"), re.MULTILINE))
        for source in SOURCES.glob("*.py")
    }
    for where in guideline(name, facts(run))["where"]:
        for place in filter(None, where.split("; ")):
            number, _, heading = place.partition(": ")
            if number in headings:
                assert not heading or heading in headings[number], place
            else:
                assert (PROJECT / place).is_file(), place


def test_figures_come_from_the_run(run):
    area = run.reports.set_index("metric").loc["AUROC"]
    text = reporting_document(run)
    assert str(Interval(area["estimate"], area["low"], area["high"])) in text
    assert "98 deaths among 740 patients" in text and "353 patients, 46 observed deaths" in text
    assert "sbu (phantom)" in text and "{" not in text
    # A figure of this run that stands in the tables themselves was typed in.
    for name in GUIDELINES:
        raw = (PROJECT / "helpers" / "guidelines" / f"{name}.csv").read_text("utf-8")
        assert not re.search(r"\d\.\d\d", raw)


def test_the_document_says_what_the_run_wrote_and_what_the_authors_did(run):
    known = facts(run)
    assert WHOSE_WORDS in reporting_document(run)
    written = "|".join(re.escape(value) for value in known.values())
    for name in GUIDELINES:
        filled = guideline(name, known)
        raw = pd.read_csv(
            PROJECT / "helpers" / "guidelines" / f"{name}.csv", dtype=str, keep_default_na=False
        )
        words = filled.columns[-1]
        pd.testing.assert_frame_equal(filled.drop(columns=words), raw.drop(columns=words))
        # Without the figures that the sentence lists, what is left was there before any run.
        assert [re.sub(written, "", text) for text in filled[words]] == [
            re.sub(r"{\w+}", "", text) for text in raw[words]
        ]
    listed = ("phantom", "films and patients", "training", "test", "thresholds", "AUROCs",
              "calibration slopes", "sample sizes", "hidden", "gain", "versions")  # fmt: skip
    assert len(listed) == len(known) and all(one in WHOSE_WORDS for one in listed)


def test_what_was_measured_of_intervals_is_not_said_to_be_unmeasured(run):
    said = guideline("claim", facts(run)).set_index("item").loc["29", "what"]
    measured, missing = said.split("Not measured for")
    few = (PROJECT / "docs" / "coverage-few.md").read_text("utf-8").lower()
    for thing in ("rank correlation", "scores of heat maps", "cross-validat", "few deaths"):
        assert thing in few and thing in measured and thing not in missing


def test_a_figure_that_no_run_has_is_refused(run):
    known = facts(run)
    del known["tests"]
    with pytest.raises(ValueError, match="names 'tests', which no run has"):
        guideline("tripod-ai", known)
    with pytest.raises(ValueError, match="Expected one of tripod-ai"):
        guideline("strobe", known)


def test_the_card_says_what_a_reviewer_asks(run):
    text = model_card(run, "iteration2")
    for part in (*INTENDED_USE.values(), "Not for clinical use.", "abc", "intercept -1.60"):
        assert part in text
    for heading in ("internal and external tests", "costs nothing", "Subgroups", "forgotten",
                    "PROBAST", "Training data", "Licences"):  # fmt: skip
        assert heading in text
    assert "| versions | torch 2.9 |" in text and "| training: seed | 7 |" in text
    assert "Code and weights: Apache-2.0. Data: see data/README.md." in text
    assert f"SBU (internal): 200 patients, {run.reports['events'].iloc[0]} deaths" in text
    assert "−0.10 (−0.20 to +0.05)" in text and "training: seed | 7" in text
    assert "training: decay | 0.385 |" in text
    assert "Trained on sbu (phantom); started from: phantom." in text  # and tested elsewhere, too
    drawn = ", ".join(name for name, phantom in run.phantom.items() if phantom)
    assert f"**Films of {drawn} are drawn: what is said of these cohorts is about nobody.**" in text
    real = replace(run, phantom=dict.fromkeys(run.phantom, False))
    assert "drawn" not in model_card(real, "iteration2").split("## Model details")[0]
    assert "| grouping | group | n | events | AUROC | observed / expected deaths |" in text
    assert text.index("accuracy of always the majority") > text.index("| accuracy |")
    with pytest.raises(ValueError, match="a model that the run has tested"):
        model_card(run, "iteration9")


def test_rivals_and_subgroups_are_on_the_card_of_their_own_model_alone(run):
    both = replace(
        run,
        cards=dict.fromkeys(("iteration1", "iteration2"), run.cards["iteration2"]),
        reports=pd.concat([run.reports, run.reports.assign(model="iteration1")]),
    )
    own, other = (model_card(both, name) for name in ("iteration2", "iteration1"))
    told = "Computed for iteration2: see its card."
    assert own.count("model less rival") == 1 and told not in own
    assert "model less rival" not in other and other.count(told) == 2


def test_markdown_has_a_row_a_row():
    table = markdown_table(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    assert table.splitlines() == ["| a | b |", "| --- | --- |", "| 1 | x |", "| 2 | y |"]
