"""Grey pictures of nothing: noise, textures, shapes, pages. They stand for photographs.

A dead-leaves picture, shapes of all sizes that hide one another, has the edges, the sizes and the
spectrum of photographs (Lee, Mumford and Huang, IJCV 2001); networks that learn from such pictures
learn much of what photographs would teach them (Baradad et al., NeurIPS 2021).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .grid import FloatArray

_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz     ABCDEFGHIJ0123456789.,"))


def draw_scene(kind: str, size: int, rng: np.random.Generator) -> FloatArray:
    """Draw one of `SCENES`: float32 (h, w) in [0, 1], longest side `size` px."""
    longest, aspect = size, np.exp(rng.uniform(-0.45, 0.45))
    shape = (longest, max(round(longest / aspect), 48))
    if aspect < 1:
        shape = (max(round(longest * aspect), 48), longest)
    draw = SCENES[kind][rng.integers(len(SCENES[kind]))]
    picture = _scaled(draw(shape, rng))
    if rng.random() < 0.4:
        picture = picture ** np.float32(np.exp(rng.uniform(-0.7, 0.7)))
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 2.0))
    if rng.random() < 0.3:
        noise = rng.standard_normal(shape, dtype=np.float32)
        picture = picture + np.float32(rng.uniform(0.01, 0.1)) * noise
    return np.clip(picture, 0, 1).astype(np.float32)


def coloured_noise(shape: tuple[int, int], slope: float, rng: np.random.Generator) -> FloatArray:
    """Noise whose amplitude falls with a power of the frequency: 0 white, 1 pink, 2 brown."""
    v, u = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    frequency = np.maximum(np.hypot(u, v), 1 / max(shape))
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) / frequency**slope
    return np.fft.irfft2(spectrum, shape).astype(np.float32)


def _scaled(picture: FloatArray) -> FloatArray:
    low, high = np.percentile(picture, [0.5, 99.5])
    return np.clip((picture - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def _noise(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    return coloured_noise(shape, rng.uniform(0, 2.2), rng)


def _blobs(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Noise cut at a level, in two to five greys."""
    noise = coloured_noise(shape, rng.uniform(0.8, 2.2), rng)
    levels = np.quantile(noise, np.sort(rng.uniform(0.1, 0.9, rng.integers(1, 5))))
    greys = rng.random(len(levels) + 1).astype(np.float32)
    return greys[np.digitize(noise, levels)]


def _leaves(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Shapes of all sizes, each of its own grey and texture, that hide one another."""
    rows, columns = shape
    picture = _noise(shape, rng) * 0.2 + np.float32(rng.random())
    largest, smallest = max(shape) * rng.uniform(0.2, 0.6), rng.uniform(1.5, 6)
    texture = _scaled(_noise(shape, rng)) - 0.5
    rough, kind = rng.uniform(0, 0.5), rng.integers(4)
    for _ in range(int(rng.integers(20, 400))):
        share = rng.random()  # radii fall off with their third power
        radius = ((1 - share) / smallest**2 + share / largest**2) ** -0.5
        middle = (int(rng.uniform(-0.1, 1.1) * columns), int(rng.uniform(-0.1, 1.1) * rows))
        mask = np.zeros(shape, np.uint8)
        _shape(mask, middle, radius, int(kind if kind < 3 else rng.integers(3)), rng)
        shade = rng.random() + rough * texture + rng.uniform(-0.2, 0.2) * _ramp(shape, rng)
        picture = np.where(mask > 0, shade, picture)
    return picture.astype(np.float32)


def _shape(mask: np.ndarray, middle, radius: float, kind: int, rng: np.random.Generator) -> None:
    axes = [max(int(radius * side), 1) for side in rng.uniform(0.4, 1.0, 2)]
    angle = rng.uniform(0, 180)
    if kind == 0:
        cv2.ellipse(mask, middle, axes, angle, 0, 360, 255, -1)
        return
    if kind == 1:
        corners = cv2.boxPoints((middle, (2 * axes[0], 2 * axes[1]), angle))
    else:
        turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        away = radius * rng.uniform(0.4, 1.0, len(turns))
        corners = np.stack([np.cos(turns) * away, np.sin(turns) * away], axis=1) + middle
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 255)


def _ramp(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    v, u = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    angle = rng.uniform(0, 2 * np.pi)
    return (np.cos(angle) * u[None] + np.sin(angle) * v[:, None]).astype(np.float32)


def _object(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """One or a few things before a plain, shaded or blurred ground, as in portraits."""
    rows, columns = shape
    ground = rng.random() + rng.uniform(0, 0.4) * _ramp(shape, rng)
    ground = ground + rng.uniform(0, 0.3) * (_scaled(_noise(shape, rng)) - 0.5)
    picture: np.ndarray = ground.astype(np.float32)
    for _ in range(int(rng.integers(1, 9))):
        middle = (int(rng.uniform(0.2, 0.8) * columns), int(rng.uniform(0.2, 0.8) * rows))
        mask = np.zeros(shape, np.uint8)
        _shape(mask, middle, max(shape) * rng.uniform(0.05, 0.4), int(rng.integers(3)), rng)
        light = rng.random() + rng.uniform(-0.4, 0.4) * _ramp(shape, rng)
        light = light + rng.uniform(0, 0.5) * (_scaled(_noise(shape, rng)) - 0.5)
        soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), rng.uniform(0.3, 4))
        picture = picture + soft * (light - picture)
    return picture.astype(np.float32)


def _discs(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Many things of one sort on an even ground: coins, cells, stars."""
    picture = np.full(shape, rng.random(), np.float32) + rng.uniform(0, 0.3) * _ramp(shape, rng)
    radius, grey = max(shape) * rng.uniform(0.005, 0.09), rng.random()
    kind = int(rng.integers(3))
    for _ in range(int(rng.integers(10, 120))):
        middle = (int(rng.uniform(0, shape[1])), int(rng.uniform(0, shape[0])))
        mask = np.zeros(shape, np.uint8)
        _shape(mask, middle, radius * rng.uniform(0.7, 1.3), kind, rng)
        picture = np.where(mask > 0, grey + rng.uniform(-0.15, 0.15), picture)
    return picture + np.float32(0.08) * rng.standard_normal(shape, dtype=np.float32)


def _stripes(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Stripes, checks and grids, straight or bent."""
    bend = rng.uniform(0, 4) * _scaled(coloured_noise(shape, 2.0, rng))
    one, other = (
        np.sin(_ramp(shape, rng) * rng.uniform(4, 90) + bend + rng.uniform(0, 6)) for _ in range(2)
    )
    picture = (one, one * other, np.maximum(one, other))[rng.integers(3)]
    return np.sign(picture) if rng.random() < 0.4 else picture


def _page(shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """A page or a screen of text, printed dark or light, at times lit unevenly."""
    page = np.zeros(shape, np.uint8)
    scale, y = rng.uniform(0.25, 0.9), 4
    while y < shape[0]:
        y += int(rng.uniform(18, 26) * scale) + 3
        if rng.random() < 0.85:
            line = "".join(rng.choice(_LETTERS, rng.integers(8, 60)))
            start = (int(rng.integers(2, 20)), y)
            cv2.putText(page, line, start, int(rng.integers(4)), scale, 255, 1, cv2.LINE_AA)
    ink = page.astype(np.float32) / 255
    light = 1 + rng.uniform(0, 0.5) * _ramp(shape, rng)
    return (1 - ink if rng.random() < 0.7 else ink) * light


SCENES: dict[str, tuple[Callable[[tuple[int, int], np.random.Generator], FloatArray], ...]] = {
    "photograph": (_leaves, _object),
    "pattern": (_discs, _stripes, _blobs),
    "noise": (_noise,),
    "page": (_page,),
}
