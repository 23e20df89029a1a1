"""What happens to the pixels of a film between the console and the network: nothing moves."""

from __future__ import annotations

import cv2
import numpy as np

from . import letters
from .grid import FloatArray
from .processing import compress, equalise, resample
from .ranges import happens, uniform

_SIZE = 128  # px; ranges in px hold for a film of this size
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
    "clip": _clip_histogram,
    "light": _light_unevenly,
    "soften": _soften,
    "sharpen": _sharpen,
    "noise": _add_noise,
    "equalise after": _equalise,
    "marks": _mark,
    "jpeg": _compress,
}
