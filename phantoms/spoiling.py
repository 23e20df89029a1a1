"""What happens to the pixels of a film between the console and the network: nothing moves."""

from __future__ import annotations

import cv2
import numpy as np

from . import letters
from .exposure import broad_blur
from .grid import FloatArray
from .processing import compress, equalise, resample
from .ranges import happens, uniform

_SIZE = 128  # px; ranges in px hold for a film of this size
_KNOTS = 6  # of a random grey curve
_MARKER = 0.3  # chance of a boxed side marker among the marks


def spoil(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Change grey scale and sharpness of a film (h, w), add noise, marks and artefacts.

    Returns
    -------
    float32 (h, w)
        In [0, 1]; the film that was passed is left as it was.
    """
    for name, change in _CHANGES.items():
        if happens(name, rng):
            pixels = change(pixels, rng)
    return np.clip(pixels, 0, 1).astype(np.float32, copy=False)


def _pixel(pixels: FloatArray) -> float:
    """Size of a pixel of a film of `_SIZE` px on this film."""
    return max(pixels.shape) / _SIZE


def _change_gamma(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    return np.power(np.clip(pixels, 0, 1), np.float32(np.exp(uniform("disturbed log gamma", rng))))


def _clip_histogram(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    low, high = uniform("clip low", rng), uniform("clip high", rng)
    return np.clip((pixels - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)


def _bend_greys(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Any rising grey curve: through knots whose steps are random shares of the whole."""
    steps = rng.dirichlet(np.full(_KNOTS, uniform("bend", rng)))
    heights = np.concatenate([[0], np.cumsum(steps)]).astype(np.float32)
    places = np.clip(pixels, 0, 1) * np.float32(255)
    curve = np.interp(np.arange(256), np.linspace(0, 255, _KNOTS + 1), heights)
    curve = np.convolve(np.pad(curve, 12, mode="edge"), np.full(25, 1 / 25), "valid")
    return cv2.remap(
        curve.astype(np.float32)[None], places, np.zeros_like(places), cv2.INTER_LINEAR
    )


def _even_out(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Take away part of what is broad, as some consoles and many figures do."""
    broad = broad_blur(pixels, uniform("even out over", rng) * _pixel(pixels))
    share = np.float32(uniform("even out", rng))
    return np.clip(pixels - share * (broad - broad.mean()), 0, 1)


def _add_veil(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Uneven haze over body and lungs alike: folds of skin, cloth, scatter, a poor copy."""
    cells = rng.integers(3, 8, 2).tolist()
    lattice = rng.standard_normal(cells, dtype=np.float32)
    haze = cv2.resize(lattice, pixels.shape[::-1], interpolation=cv2.INTER_CUBIC)
    there = np.clip(pixels * np.float32(1 / 0.1), 0, 1)  # black stays black
    return np.clip(pixels + np.float32(uniform("veil", rng)) * haze * there, 0, 1)


def _filter_at_random(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Change fine texture and leave shapes: a random filter, mixed in (Xu et al., ICLR 2021)."""
    kernel = rng.standard_normal((3, 3), dtype=np.float32) / 3
    kernel[1, 1] += 1 - kernel.sum()  # what is even stays as it is
    share = np.float32(uniform("filter", rng))
    return np.clip(pixels + share * (cv2.filter2D(pixels, -1, kernel) - pixels), 0, 1)


def _light_unevenly(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A slope and a bowl of illumination; black stays black."""
    v, u = (np.linspace(-1, 1, side, dtype=np.float32) for side in pixels.shape)
    a, b, c, d = (np.float32(uniform("gradient", rng)) for _ in range(4))
    light = (1 + a * u + c * u * u)[None] + (b * v + d * v * v)[:, None]
    return pixels * np.clip(light, 0.3, 1.6)


def _soften(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    if rng.random() < 0.5:
        return resample(pixels, uniform("reduce", rng))
    return cv2.GaussianBlur(pixels, (0, 0), uniform("soften", rng) * _pixel(pixels))


def _sharpen(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1.2 * _pixel(pixels))
    return np.clip(pixels + np.float32(uniform("sharpen", rng)) * (pixels - smooth), 0, 1)


def _add_noise(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    noise = rng.standard_normal(pixels.shape, dtype=np.float32)
    grain = uniform("grain", rng) * _pixel(pixels)
    if grain > 0.4:
        noise = cv2.GaussianBlur(noise, (0, 0), grain) * np.float32(2 * grain)
    return np.clip(pixels + np.float32(uniform("noise", rng)) * noise, 0, 1)


def _compress(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    return compress(pixels, round(uniform("jpeg", rng)))


def _equalise(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    return equalise(pixels, uniform("equalise after", rng))


def _mark(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    pixels = pixels.copy()
    letters.journal_marks(pixels, rng)
    if rng.random() < _MARKER:
        letters.boxed_marker(pixels, rng)
    return pixels


# In this order; each has its chance in `CHANCES`.
_CHANGES = {
    "gamma": _change_gamma,
    "bend": _bend_greys,
    "clip": _clip_histogram,
    "even out": _even_out,
    "light": _light_unevenly,
    "veil": _add_veil,
    "filter": _filter_at_random,
    "soften": _soften,
    "sharpen": _sharpen,
    "noise": _add_noise,
    "equalise after": _equalise,
    "marks": _mark,
    "jpeg": _compress,
}
