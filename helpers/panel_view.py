"""An Analysis as HTML: words, bars, pictures with text alternatives. No state, no widgets."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

import cv2
import numpy as np

from helpers.radiographs import preprocess
from helpers.tints import heat_ramp, tint

if TYPE_CHECKING:
    from helpers.panel import Analysis


def in_a_hundred(probability: float) -> str:
    """Probability as a frequency: "12 in 100 patients"."""
    if probability < 0.005:
        return "fewer than 1 in 100 patients"
    if probability > 0.995:
        return "more than 99 in 100 patients"
    return f"{probability * 100:.0f} in 100 patients"


def thumbnail(film: np.ndarray) -> str:
    """Small square picture of a film, float32 (h, w) in [0, 1], as a data address."""
    return _data_address(preprocess(film, 96))


def result_html(analysis: Analysis) -> str:
    """Everything the panel says about one film.

    Parameters
    ----------
    analysis : helpers.panel.Analysis

    Returns
    -------
    str
        HTML without scripts; all text that could come from a file is escaped.
    """
    return "".join((_risk(analysis), _warnings(analysis), _pictures(analysis)))


def _risk(analysis: Analysis) -> str:
    side = "at or above" if analysis.risk >= analysis.threshold else "below"
    return (
        f"<h3>Predicted risk of death in hospital: {analysis.words}</h3>"
        + '<div class="cxr-bars">'
        + _bar("This film", analysis.risk)
        + _bar("Without a film", analysis.base_rate)
        + "</div><p>Of the patients the model learned from, "
        f"{in_a_hundred(analysis.base_rate)} died: that is what it would say without seeing a "
        "film. The prediction is "
        f"{side} the model's threshold of {in_a_hundred(analysis.threshold)}.</p>"
    )


def _bar(name: str, probability: float) -> str:
    percent = 100 * min(max(probability, 0.0), 1.0)
    return (
        f'<span>{name}</span><span class="cxr-bar-track" aria-hidden="true">'
        f'<span style="width:{percent:.1f}%"></span></span><span>{in_a_hundred(probability)}</span>'
    )


def _warnings(analysis: Analysis) -> str:
    if not analysis.warnings:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in analysis.warnings)
    return f'<div class="cxr-warnings"><strong>Warning</strong><ul>{items}</ul></div>'


def _pictures(analysis: Analysis) -> str:
    size, summary = len(analysis.film), escape(analysis.summary)
    overlay = tint(analysis.film, analysis.heat, analysis.heat_limit)
    film = _picture(
        analysis.film,
        alt=f"The film as the network saw it, {size} by {size} pixels.",
        caption=f"What the network saw: {size} × {size} pixels.",
    )
    heat = _picture(
        overlay,
        alt=f"The same film under its heat map. {summary}",
        caption="Evidence for death, by place (class activation map, negative values left out)."
        + _colour_bar(analysis.heat_limit),
    )
    return f'<div class="cxr-pictures">{film}{heat}</div><p>{summary}</p>'


def _picture(pixels: np.ndarray, *, alt: str, caption: str) -> str:
    return (
        f'<figure><img src="{_data_address(pixels)}" alt="{alt}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _colour_bar(limit: float) -> str:
    pixels = np.tile(heat_ramp(limit), (8, 1, 1))
    return (
        f'<img class="cxr-colour-bar" alt="" src="{_data_address(pixels)}">'
        f'<span class="cxr-ticks"><span>0</span><span>{limit / 2:g}</span>'
        f"<span>{limit:g} logits or more</span></span>"
        "The scale is the same for every film."
    )


def _data_address(pixels: np.ndarray) -> str:
    ordered = pixels if pixels.ndim == 2 else pixels[..., ::-1]  # OpenCV writes blue, green, red
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(ordered))
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode()
