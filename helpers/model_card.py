"""The model card: what a model is, how it did, and what it must not be used for.

Sections after Mitchell 2019 (doi:10.1145/3287560.3287596); every figure comes from the run.
"""

from collections.abc import Callable

import pandas as pd

from helpers.intervals import intervals_of
from helpers.reporting import Run, facts, guideline, markdown_table
from helpers.subgroups import told_events, told_patients

INTENDED_USE = {
    "outcome": "death in hospital",
    "moment of prediction": "the patient's first frontal chest film at or after admission",
    "horizon": "the hospital stay",
    "population": "patients with COVID-19 of 2020, of two hospitals and from published cases",
    "use": "teaching how such a model is built and judged",
    "not for": "any decision about a patient; any claim about the cohorts' hospitals",
}
DETAILS = ("title", "architecture", "start", "size_px", "preprocessing", "weights_sha256")


def model_card(run: Run, name: str) -> str:
    """Write the card of one model of a run, in Markdown.

    Parameters
    ----------
    run
        What the run has found.
    name
        Of the model, a key of ``run.cards``.

    Raises
    ------
    ValueError
        If the run has no such model or never tested it.
    """
    if name not in run.cards or not run.reports["model"].eq(name).any():
        raise ValueError(f"Expected a model that the run has tested; got {name!r}.")
    parts = [
        f"# Model card: {name}",
        f"**{run.cards[name]['notice']}**",
        *_drawn(run),
        "## Model details\n\n" + _details(run, name),
        "## Intended use\n\n" + _two_columns(INTENDED_USE),
        "## Training data\n\n" + _training(run, name),
        "## Evaluation: internal and external tests\n\n" + _tests(run, name),
        "## Against what costs nothing\n\n" + _of_the_judged(run, name, _rivals),
        "## Subgroups\n\n" + _of_the_judged(run, name, _subgroups),
        "## What was forgotten\n\n" + facts(run)["forgetting"] + ".",
        "## Risk of bias, after PROBAST+AI\n\n" + markdown_table(guideline("probast", facts(run))),
        "## Licences\n\nCode and weights: Apache-2.0. Data: see data/README.md.",
    ]
    return "\n\n".join(parts) + "\n"


def _drawn(run: Run) -> list[str]:
    """Say in bold which of the figures are about no patient at all."""
    drawn = ", ".join(name for name, phantom in run.phantom.items() if phantom)
    told = f"**Films of {drawn} are drawn: what is said of these cohorts is about nobody.**"
    return [told] if drawn else []


def _details(run: Run, name: str) -> str:
    card = run.cards[name]
    rows = {key: card[key] for key in DETAILS if key in card}
    rows |= {
        f"training: {key}": f"{value:.3g}" if isinstance(value, float) else value
        for key, value in card["training"].items()
    }
    rows |= {
        "calibration": f"intercept {card['calibration']['intercept']:.2f}, slope "
        f"{card['calibration']['slope']:.2f}. {card['calibration_note']}",
        "threshold": f"{card['threshold']:.2f}: {card['threshold_rule']}",
        "versions": facts(run)["versions"],
    }
    return _two_columns(rows)


def _training(run: Run, name: str) -> str:
    card = run.cards[name]
    sites = ", ".join(
        f"{site} ({'phantom' if run.phantom[site] else 'real'})"
        for site in card["training_data"]["sites"]
    )
    table = pd.DataFrame(
        {
            "training": pd.Series(card["training_data"], dtype=object),
            "validation": pd.Series(card["validation_data"], dtype=object),
        }
    )
    table = table.drop(index=["sha256", "sites"], errors="ignore")
    return f"Trained on {sites}; started from: {card['start']}.\n\n" + markdown_table(
        table.rename_axis("count").reset_index()
    )


def _tests(run: Run, name: str) -> str:
    rows = run.reports[run.reports["model"] == name]
    titles = [f"{r.test}: {r.n} patients, {r.events} deaths" for r in rows.itertuples()]
    wide = rows.assign(value=list(map(str, intervals_of(rows))), title=titles)
    wide = wide.pivot(index="metric", columns="title", values="value")
    wide = wide.loc[rows["metric"].unique(), list(dict.fromkeys(titles))]
    return (
        "Estimates with 95 % intervals over patients, on patients that no model was trained, "
        "stopped, calibrated or given a threshold on.\n\n" + markdown_table(wide.reset_index())
    )


def _of_the_judged(run: Run, name: str, table: Callable[[Run], str]) -> str:
    """A table of the model that it was computed for; of any other, where it is to be found."""
    return table(run) if name == run.judged else f"Computed for {run.judged}: see its card."


def _rivals(run: Run) -> str:
    gains = intervals_of(run.rivals, ("gain", "gain_low", "gain_high"))
    table = pd.DataFrame(
        {
            "rival": run.rivals["rival"],
            "AUROC": list(map(str, intervals_of(run.rivals))),
            "model less rival": [format(gain, "+.2f") for gain in gains],
        }
    )
    return markdown_table(table)


def _subgroups(run: Run) -> str:
    rows = run.subgroups
    pairs = zip(intervals_of(rows), rows["note"], strict=True)
    values = [note if note and pd.isna(one.estimate) else str(one) for one, note in pairs]
    told = rows.assign(value=values, n=told_patients(rows), events=told_events(rows))
    keys = ["grouping", "group", "n", "events"]
    wide = told.set_index([*keys, "metric"])["value"].unstack("metric", sort=False)
    return markdown_table(wide.reset_index())


def _two_columns(rows: dict) -> str:
    return markdown_table(pd.DataFrame(list(rows.items()), columns=["what", "value"]))
