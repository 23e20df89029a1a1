"""Heat maps against known lesions, beside rivals that look at no film, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.bootstrap import bootstrap_interval
from helpers.intervals import Interval, as_columns, intervals_of
from helpers.localisation import centred_blob, heat_share, pointing_chance, pointing_game

SCORES = ("pointing game", "heat in lesions", "heat in lungs")
BLOB, CHANCE = "centred blob", "chance"
TOLERANCE = 1 / 32  # of the film's side: 15 px of the 500 px films of Zhang 2016


def score_maps(
    maps: Mapping[str, np.ndarray], lesions: np.ndarray, lungs: np.ndarray
) -> pd.DataFrame:
    """Score maps film by film, and rivals that are the same for all films.

    Parameters
    ----------
    maps : mapping of str to ndarray, shape (n, h, w)
        By name; negative values, evidence against, count as none.
    lesions, lungs : ndarray of bool, shape (n, h, w)
        True places, such as `helpers.pixels.preprocess_mask` gives them; no film without
        lesions.

    Returns
    -------
    DataFrame
        A row a film; columns (score, map) with the scores of `SCORES` in [0, 1]. A map without
        heat has no share of it, so on such a film the shares of all maps are NaN: the means of all
        are over the same films (but for a map that is cold on all). Beside the maps: the average of
        each over all films ("average of NAME"), a centred blob, and chance, equally warm
        everywhere.
    """
    shape = lesions.shape
    rivals = {f"average of {name}": heat.mean(axis=0) for name, heat in maps.items()}
    rivals |= {BLOB: centred_blob(shape[1:]), CHANCE: np.ones(shape[1:], np.float32)}
    rows = dict(maps) | {name: np.broadcast_to(heat, shape) for name, heat in rivals.items()}
    tolerance = TOLERANCE * shape[1]
    columns = {}
    for name, heat in rows.items():
        warm = np.maximum(heat, 0)
        columns[SCORES[0], name] = (
            pointing_chance(lesions, tolerance=tolerance)
            if name == CHANCE
            else pointing_game(warm, lesions, tolerance=tolerance).astype(float)
        )
        columns[SCORES[1], name] = heat_share(warm, lesions)
        columns[SCORES[2], name] = heat_share(warm, lungs)
    scores = pd.DataFrame(columns)
    shares = scores[list(SCORES[1:])]
    warm_somewhere = shares.columns[shares.notna().any()]
    without_heat = shares[warm_somewhere].isna().any(axis=1)
    scores.loc[without_heat, list(SCORES[1:])] = np.nan
    return scores


def score_intervals(scores: pd.DataFrame, patients: Sequence[str] | pd.Series) -> pd.DataFrame:
    """Mean of every score over the films, with its interval over the patients.

    Parameters
    ----------
    scores : DataFrame
        A row a film, columns (score, map).
    patients : sequence of str
        Of the films.

    Returns
    -------
    DataFrame
        A row a column of `scores`: ``score``, ``map``, ``estimate``, ``low``, ``high``.
    """
    values = scores.to_numpy(float)
    known, filled = np.isfinite(values), np.nan_to_num(values)

    def means(resampled: pd.DataFrame) -> dict[int, float]:
        films = resampled.index.to_numpy()
        counts = known[films].sum(axis=0, dtype=float)
        counts[counts == 0] = np.nan
        return dict(enumerate(filled[films].sum(axis=0) / counts))

    # Columns of text are slow to resample: the table holds whose the films are, and no more.
    table = pd.DataFrame({"patient_id": pd.Categorical(np.asarray(patients))})
    found = bootstrap_interval(means, table)
    keys = pd.DataFrame(list(scores.columns), columns=["score", "map"])
    return keys.join(pd.DataFrame([as_columns(interval) for interval in found.values()]))


def leads(
    scores: pd.DataFrame,
    patients: Sequence[str] | pd.Series,
    name: str,
    rivals: Sequence[str],
    score: str = SCORES[0],
) -> dict[str, Interval]:
    """How far a map is ahead of each rival in a score: paired differences over the patients."""
    apart = pd.DataFrame(
        {(score, rival): scores[score, name] - scores[score, rival] for rival in rivals}
    )
    found = score_intervals(apart, patients)
    return dict(zip(rivals, intervals_of(found), strict=True))


def in_words(name: str, found: Mapping[str, Interval]) -> Iterator[str]:
    """One line of Markdown a rival: ahead, behind, or not shown to differ.

    The last is where the interval holds zero, or where there is none.
    """
    unclear = "not shown to differ from"
    for rival, lead in found.items():
        verdict = "ahead of" if lead.low > 0 else "behind" if lead.high < 0 else unclear
        yield f"- {name}: **{verdict}** {rival}, difference {with_sign(lead)}"


def with_sign(lead: Interval) -> str:
    """Format a difference with two digits, or three where two would hide the sign of a bound."""
    near_zero = min(abs(lead.low), abs(lead.high)) < 0.005
    return format(lead, "+.3f" if near_zero else "+.2f")


def table_of(intervals: pd.DataFrame) -> pd.DataFrame:
    """Intervals of :func:`score_intervals` as text, a row a map, a column a score."""
    shown = intervals.assign(shown=[str(interval) for interval in intervals_of(intervals)])
    wide = shown.pivot(index="map", columns="score", values="shown")
    return wide.loc[intervals["map"].unique(), intervals["score"].unique()].rename_axis(
        index=None, columns=None
    )
