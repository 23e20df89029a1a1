"""How heat is coloured, in the figures and in the upload panel alike.

Heat tints the film in proportion to its strength, on a fixed scale: without heat the film stays.

Both scales are perceptually uniform as drawn: over a middle grey, equal steps of evidence are equal
steps of perceived colour (CIEDE2000), so that nothing looks like an edge that is not there. The
colours are inferno's for one sign, and managua's (Crameri, scientific colour maps,
doi:10.5281/zenodo.1243862), turned round, for two: light blue against, dark in the middle, orange
for. Its ends are equally light, so that neither side looks the stronger, and blue and orange stay
apart in every common kind of colour blindness. Mixing a colour with the film would make the steps
uneven, so the strength of the tint is bent until they are even again.
"""

from functools import cache

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap
from skimage.color import deltaE_ciede2000, rgb2lab

HEAT_COLOURS = colormaps["inferno"]  # perceptually uniform; begins black, so weak heat stays weak
SIGNED_COLOURS = colormaps["managua_r"]  # 0 against, 1 for
STRONGEST_TINT = 0.7  # opacity of the heat at the end of the colour bar
MIDDLE_GREY = 128
_STEPS = 257


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
    strength = np.where(share < 0, _even(share, -1), _even(share, 1 if signed else 0))
    return _colours(np.sign(share) * strength, signed=signed) * 255, strength[..., None]


def _colours(place: np.ndarray, *, signed: bool) -> np.ndarray:
    """Colours, (…, 3) in 0 to 1, of places on a scale from -1 or 0 to 1."""
    scale: Colormap = SIGNED_COLOURS if signed else HEAT_COLOURS
    return scale((place + 1) / 2 if signed else place)[..., :3]


def _even(share: np.ndarray, side: int) -> np.ndarray:
    """Strength of the tint, 0 to 1, at which shares of the limit lie at even steps of colour."""
    return np.interp(np.abs(share), _travelled(side), np.linspace(0, 1, _STEPS))


@cache
def _travelled(side: int) -> np.ndarray:
    """Share of the way in perceived colour, over a middle grey, to each of `_STEPS` strengths.

    `side` is 1 for evidence for and -1 for evidence against on the signed scale, 0 for the scale of
    one sign.
    """
    strength = np.linspace(0, 1, _STEPS)[:, None]
    colours = _colours(strength[:, 0] * (side or 1), signed=side != 0)
    opacity = STRONGEST_TINT * strength
    drawn = MIDDLE_GREY / 255 * (1 - opacity) + colours * opacity
    lab = rgb2lab(drawn[None])[0]
    way = np.concatenate([[0], np.cumsum(deltaE_ciede2000(lab[1:], lab[:-1]))])
    return way / way[-1]


def _lay_over(film: np.ndarray, colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return np.rint(film[..., None] * (1 - opacity) + colours * opacity).astype(np.uint8)
