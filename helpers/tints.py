"""How heat is coloured, in the figures and in the upload panel alike.

Heat tints the film in proportion to its strength, on a fixed scale: without heat the film stays.

Both scales are perceptually uniform: equal steps of evidence are equal steps of perceived colour,
so that nothing looks like an edge that is not there. For one sign it is inferno, whose steps are
even in CAM02-UCS. For two it is managua (Crameri, scientific colour maps,
doi:10.5281/zenodo.1243862), whose steps are even by CIEDE2000, turned round: light blue against,
dark in the middle, orange for. Its ends are equally light, so that neither side looks the stronger,
and blue and orange stay apart in every common kind of colour blindness.
"""

import numpy as np
from matplotlib import colormaps

HEAT_COLOURS = colormaps["inferno"]  # perceptually uniform; begins black, so weak heat stays weak
SIGNED_COLOURS = colormaps["managua_r"]  # 0 against, 1 for
STRONGEST_TINT = 0.7  # opacity of the heat at the end of the colour bar
MIDDLE_GREY = 128


def tint(film: np.ndarray, heat: np.ndarray, limit: float) -> np.ndarray:
    """Film with its heat map laid over; where there is no heat, the film itself.

    Parameters
    ----------
    film : ndarray, shape (h, w), uint8
    heat : ndarray, shape (h, w)
        In logits; evidence against, below 0, is not drawn.
    limit : float
        Heat, in logits, that gets the strongest colour; more is drawn as this much.

    Returns
    -------
    ndarray, shape (h, w, 3), uint8
        Red, green, blue.
    """
    colours, strength = _coloured(heat, limit, signed=False)
    return _lay_over(film, colours, STRONGEST_TINT * strength)


def heat_ramp(limit: float, steps: int = 128) -> np.ndarray:
    """Tints from 0 to `limit` over a middle grey, uint8 (steps, 3): the colours of a legend."""
    ramp = np.linspace(0, limit, steps)[None]
    return tint(np.full(ramp.shape, MIDDLE_GREY, np.uint8), ramp, limit)[0]


def tint_signed(
    film: np.ndarray, evidence: np.ndarray, limit: float, *, opacity: float = STRONGEST_TINT
) -> np.ndarray:
    """Film with the evidence for and against laid over; where there is none, the film itself.

    Parameters
    ----------
    film : ndarray, shape (h, w), uint8
    evidence : ndarray, shape (h, w)
        In logits; above 0 speaks for the outcome, below 0 against it.
    limit : float
        Evidence, in logits, that gets the strongest colour, and `-limit` that of the other side.
    opacity : float
        Of the strongest colour, in [0, 1].

    Returns
    -------
    ndarray, shape (h, w, 3), uint8
        Red, green, blue.
    """
    colours, strength = _coloured(evidence, limit, signed=True)
    return _lay_over(film, colours, opacity * strength)


def diverging_ramp(limit: float, steps: int = 256) -> np.ndarray:
    """Tints from `-limit` to `limit` over a middle grey, uint8 (1, steps, 3): for legends."""
    ramp = np.linspace(-limit, limit, steps)[None]
    return tint_signed(np.full(ramp.shape, MIDDLE_GREY, np.uint8), ramp, limit)


def layer(evidence: np.ndarray, limit: float, *, signed: bool = False) -> np.ndarray:
    """Colours to lay over a film, transparent where there is no evidence.

    With an opacity of `STRONGEST_TINT` it gives what `tint` and `tint_signed` give; a browser can
    lay it over with any other, and asks nobody.

    Parameters
    ----------
    evidence : ndarray, shape (h, w)
        In logits.
    limit : float
        Evidence, in logits, that gets the strongest colour.
    signed : bool
        Whether evidence against is drawn, too.

    Returns
    -------
    ndarray, shape (h, w, 4), uint8
        Red, green, blue, alpha.
    """
    colours, strength = _coloured(evidence, limit, signed=signed)
    return np.rint(np.concatenate([colours, 255 * strength], axis=-1)).astype(np.uint8)


def _coloured(evidence: np.ndarray, limit: float, *, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Colours (h, w, 3) in 0 to 255, and how strong the evidence is (h, w, 1), in 0 to 1."""
    share = np.clip(evidence / limit, -1 if signed else 0, 1)
    colours = SIGNED_COLOURS((share + 1) / 2) if signed else HEAT_COLOURS(share)
    return colours[..., :3] * 255, np.abs(share)[..., None]


def _lay_over(film: np.ndarray, colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return np.rint(film[..., None] * (1 - opacity) + colours * opacity).astype(np.uint8)
