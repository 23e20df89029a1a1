"""An Analysis as HTML, and as the record that can be downloaded. No state, no widgets."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.dicom_picture import encode_png
from helpers.fine_grid import HALVINGS, STRIDE
from helpers.models import NOTICE
from helpers.panel_words import in_a_hundred, sentences
from helpers.pixels import preprocess
from helpers.tints import STRONGEST_TINT, layer

if TYPE_CHECKING:
    from helpers.panel import Analysis

IDENTITY = ("title", "architecture", "size_px", "preprocessing", "weights_sha256", "versions")


def thumbnail(film: np.ndarray) -> str:
    """Small square picture of a film, float32 (h, w) in [0, 1], as a data address."""
    return _data_address(preprocess(film, 96))


def record(analysis: Analysis) -> dict[str, Any]:
    """Return the result as JSON can hold it, without anything that tells whose film it was.

    Parameters
    ----------
    analysis : helpers.panel.Analysis

    Returns
    -------
    dict
        Risks and rates are probabilities; the map is the grid of squares, in logits, from the
        upper left corner, row by row.
    """
    return {
        "notice": NOTICE,
        "text": sentences(analysis),
        "risk": {
            "died": round(analysis.risk, 4),
            "survived": round(1 - analysis.risk, 4),
            "lowest": None if analysis.risk_low is None else round(analysis.risk_low, 4),
            "highest": None if analysis.risk_high is None else round(analysis.risk_high, 4),
            "networks": analysis.networks,
        },
        "base_rate": round(analysis.base_rate, 4),
        "threshold": round(analysis.threshold, 4),
        "warnings": list(analysis.warnings),
        "map": {
            "unit": "logits of the calibrated risk; above 0 for death, below 0 against it",
            "end_of_colour_bar": analysis.heat_limit,
            "summary": analysis.summary,
            "places": f"squares of {STRIDE} pixels of the film as the network saw it, "
            f"{STRIDE >> HALVINGS} pixels apart",
            "grid": [[round(float(value), 3) for value in row] for row in analysis.grid],
        },
        "model": {key: analysis.card[key] for key in IDENTITY if key in analysis.card},
    }


def result_html(analysis: Analysis) -> str:
    """Everything the panel says about one film; `upload.js` gives its controls their life.

    Parameters
    ----------
    analysis : helpers.panel.Analysis

    Returns
    -------
    str
        HTML without scripts; all text that could come from a file is escaped.
    """
    return "".join((_warnings(analysis), _risk(analysis), _pictures(analysis), _DOWNLOADS))


_DOWNLOADS = (
    '<div class="cxr-downloads" role="group" aria-label="Download">'
    '<button type="button" class="cxr-save-png">Download as PNG</button>'
    '<button type="button" class="cxr-save-json">Download as JSON</button>'
    "<span>Neither holds the file's name, nor anything else that tells whose film it is, unless it "
    "is written in the picture itself.</span></div>"
)


def _risk(analysis: Analysis) -> str:
    heading, *others = sentences(analysis)
    risk, low, high = analysis.risk, analysis.risk_low, analysis.risk_high
    died = None if low is None or high is None else (low, high)
    survived = None if died is None else (1 - died[1], 1 - died[0])
    return (
        f'<h3>{heading}</h3><div class="cxr-bars">'
        + _bars("Died", risk, analysis.base_rate, died)
        + _bars("Survived", 1 - risk, 1 - analysis.base_rate, survived)
        + f"</div><p>{' '.join(others)}</p>"
    )


def _bars(
    outcome: str, probability: float, without: float, range_: tuple[float, float] | None
) -> str:
    """Two bars: this film's probability, with its range, and that without a film."""
    return (
        f'<strong class="cxr-outcome">{outcome}</strong>'
        + _bar("this film", probability, range_)
        + _bar("without a film", without, None)
    )


def _bar(name: str, probability: float, range_: tuple[float, float] | None) -> str:
    kind = "cxr-this" if name == "this film" else "cxr-without"
    mark = ""
    if range_ is not None:
        low, high = range_
        mark = f'<i style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
    return (
        f'<span>{name}</span><span class="cxr-bar-track {kind}" aria-hidden="true">'
        f'<b style="width:{100 * probability:.1f}%"></b>{mark}</span>'
        f"<span>{in_a_hundred(probability)}</span>"
    )


def _warnings(analysis: Analysis) -> str:
    if not analysis.warnings:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in analysis.warnings)
    return f'<div class="cxr-warnings"><strong>Warning</strong><ul>{items}</ul></div>'


def _pictures(analysis: Analysis) -> str:
    size, limit, summary = len(analysis.film), analysis.heat_limit, escape(analysis.summary)
    view = _data_address(analysis.view)
    film = f'<img class="cxr-film" src="{view}" alt="The film, in grey.">'
    small = (
        f'<img class="cxr-seen" src="{_data_address(analysis.film)}" width="{size}" height="{size}"'
        f' alt="The film as the network saw it, {size} by {size} pixels.">'
    )
    under = f'<img class="cxr-film" src="{view}" alt="The film under its map. {summary}">'
    heat = _over("cxr-for", layer(analysis.heat, limit))
    evidence = _over("cxr-signed", layer(analysis.evidence, limit, signed=True))
    return (
        f'<div class="cxr-pictures"><figure><div class="cxr-stack">{film}</div>'
        f"<figcaption>The film.</figcaption></figure>"
        f'<figure><div class="cxr-stack">{under}{heat}{evidence}</div><figcaption>'
        f"{_legend(limit)}</figcaption></figure>"
        f"<figure>{small}<figcaption>All that the network saw: {size} × {size} pixels, at their "
        f"own size.</figcaption></figure></div>{_CONTROLS}<p>{summary}</p>"
    )


_CONTROLS = (
    '<div class="cxr-controls" role="group" aria-label="How the map is shown">'
    '<label>Opacity of the map <input type="range" class="cxr-opacity" min="0" max="100" step="5" '
    f'value="{100 * STRONGEST_TINT:.0f}"></label> '
    '<label><input type="checkbox" class="cxr-against"> Show evidence against death, too</label>'
    "</div>"
)


def _over(kind: str, picture: np.ndarray) -> str:
    """Picture, (h, w, 4), to lay over another; what it shows is said beside it in words."""
    return f'<img class="cxr-layer {kind}" alt="" src="{_data_address(picture)}">'


def _legend(limit: float) -> str:
    """Both captions of the map, each with its colour bar; the style sheet shows one of them."""
    one, both = np.linspace(0, limit, 128)[None], np.linspace(-limit, limit, 128)[None]
    return _caption(
        "cxr-for",
        "Evidence for death, by place.",
        layer(one, limit),
        ("0", f"{limit / 2:g}", f"{limit:g} logits or more"),
    ) + _caption(
        "cxr-signed",
        "Evidence for death (orange) and against it (blue), by place.",
        layer(both, limit, signed=True),
        (f"−{limit:g} or less", "0", f"{limit:g} logits or more"),
    )


def _caption(kind: str, title: str, ramp: np.ndarray, ticks: tuple[str, ...]) -> str:
    return (
        f'<div class="{kind}">{title}<div class="cxr-colour-bar">{_over(kind, ramp)}</div>'
        '<div class="cxr-ticks">' + "".join(f"<span>{tick}</span>" for tick in ticks) + "</div>"
        "The scale is the same for every film.</div>"
    )


def _data_address(pixels: np.ndarray) -> str:
    """Grey (h, w), or red, green, blue and alpha (h, w, 4), uint8, as a PNG's data address."""
    ordered = pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3]]  # OpenCV's order
    packed = encode_png(np.ascontiguousarray(ordered))
    return "data:image/png;base64," + base64.b64encode(packed).decode()
