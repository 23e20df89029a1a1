"""How heat is coloured, in the figures and in the upload panel alike.

Heat tints the film in proportion to its strength, on a fixed scale: without heat the film stays.
"""

import numpy as np
from matplotlib import colormaps

HEAT_COLOURS = colormaps["inferno"]  # perceptually uniform; begins black, so weak heat stays weak
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
