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
    strength = np.clip(heat / limit, 0, 1)[..., None]
    colours = HEAT_COLOURS(strength[..., 0])[..., :3] * 255
    opacity = STRONGEST_TINT * strength
    return np.rint(film[..., None] * (1 - opacity) + colours * opacity).astype(np.uint8)


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
    signed = np.clip(evidence / limit, -1, 1)
    colours = SIGNED_COLOURS((signed + 1) / 2)[..., :3] * 255
    cover = opacity * np.abs(signed)[..., None]
    return np.rint(film[..., None] * (1 - cover) + colours * cover).astype(np.uint8)


def diverging_ramp(limit: float, steps: int = 256) -> np.ndarray:
    """Tints from `-limit` to `limit` over a middle grey, uint8 (1, steps, 3): for legends."""
    ramp = np.linspace(-limit, limit, steps)[None]
    return tint_signed(np.full(ramp.shape, MIDDLE_GREY, np.uint8), ramp, limit)
