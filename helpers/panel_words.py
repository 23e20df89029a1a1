"""What an Analysis says in words: risks as frequencies, ranges, maps. No state, no widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from helpers.panel import Analysis

LITTLE_HEAT = 1.0  # logits; a map that stays below is called empty
ZONES = 3  # by as many: parts of the picture that are told apart
FEW_ZONES = 1.5  # times an even share, from which a part is said to hold most of a map


def in_a_hundred(probability: float) -> str:
    """Probability as a frequency: "12 in 100 patients"."""
    return f"{_count(probability)} in 100 patients"


def range_words(low: float | None, high: float | None, networks: int) -> str:
    """Say how far a model and networks that learned from other draws of its patients agree.

    From the lowest answer to the highest: no confidence interval.

    Parameters
    ----------
    low, high : float or None
        Lowest and highest of their risks; None if one network alone answered.
    networks : int
        How many answered.

    Returns
    -------
    str
    """
    if low is None or high is None:
        return "One network alone answered: how much of this is chance is not known."
    ends = list(dict.fromkeys([_count(low), _count(high)]))
    said = (
        f"give a range from {' to '.join(ends)}"
        if len(ends) > 1
        else f"say all the same, {ends[0]}"
    )
    return (
        f"{networks} networks, the model and others that learned from other draws of its patients, "
        f"{said} in 100."
    )


def sentences(analysis: Analysis) -> list[str]:
    """Risk, range, base rate and threshold, a sentence each; and whether phantoms taught it."""
    side = "at or above" if analysis.risk >= analysis.threshold else "below"
    rounded = _count(analysis.risk) == _count(analysis.threshold)
    low, high = analysis.risk_low, analysis.risk_high
    split = low is not None and high is not None and low < analysis.threshold <= high
    invented = (
        "The model was taught and tuned on drawn films of invented patients: of a real patient it "
        "says nothing."
    )
    return [
        f"Predicted risk of death in hospital: {analysis.words} like those that the model was "
        "tuned on.",
        *([invented] if analysis.card.get("phantom_cohorts") else []),
        range_words(analysis.risk_low, analysis.risk_high, analysis.networks),
        "Of the patients that the model was taught and tuned on, "
        f"{_count(analysis.base_rate)} in 100 died: that is what it would say without a film.",
        f"The prediction{', before it is rounded,' if rounded else ''} is {side} the model's "
        f"threshold of {in_a_hundred(analysis.threshold)}"
        f"{', but the networks lie on both sides of it' if split else ''}. "
        "The threshold is part of the lesson: nothing follows from it for a patient.",
    ]


def describe_heat(heat: np.ndarray, side: str = "for") -> str:
    """Say where a map is strongest, and how strong.

    Parameters
    ----------
    heat : ndarray, shape (rows, columns)
        Evidence for death, or against it, in logits, at least 0, of places that cover the picture
        evenly: of the network's, not of pixels, most of which nearest to the edge share a place.
    side : {"for", "against"}

    Returns
    -------
    str
    """
    peak = float(heat.max())
    if peak < LITTLE_HEAT:
        return (
            f"Little evidence {side} death anywhere in the picture: all of it is below "
            f"{LITTLE_HEAT} logits."
        )
    rows, columns = ("upper", "middle", "lower"), ("left", "central", "right")
    down, across = ((np.arange(n) + 0.5) * ZONES // n for n in heat.shape)
    zones = {
        f"{row} {column}": float(heat[np.ix_(down == i, across == j)].sum())
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    }
    place, most = max(zones.items(), key=lambda item: item[1])
    share = most / sum(zones.values())
    where = (
        f"Of {len(zones)} parts of the picture, as you look at it, the {place} one holds the most "
        f"of this evidence: {share:.0%}."
        if share * len(zones) >= FEW_ZONES
        else f"This evidence is spread over the picture: none of {len(zones)} parts holds more "
        f"than {share:.0%} of it."
    )
    return f"The strongest evidence {side} death reaches {peak:.1f} logits. {where}"


def describe_balance(places: np.ndarray) -> str:
    """Say what evidence for and against come to, which is what moves the risk.

    Parameters
    ----------
    places : ndarray
        Evidence in logits of the places of the network's own grid.
    """
    mean = format(float(places.mean()), "+z.1f").replace("-", "−")
    return (
        f"On balance, averaged over the {places.size} places that the network itself has, the "
        f"evidence is {mean} logits; without any it is 0."
    )


def _count(probability: float) -> str:
    if probability <= 0.005:  # what rounds to none
        return "fewer than 1"
    if probability >= 0.995:
        return "more than 99"
    return f"{probability * 100:.0f}"
