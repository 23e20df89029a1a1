"""Domain randomisation: patients, looks and disturbed films far wider than any collection's.

A network that has seen only phantoms must meet every real film as one more variation, so films
vary here beyond what is plausible. Nothing is fitted to real films; what must not teach a shortcut
(devices, view, look, heart) is drawn independently of the opacity.
"""

from __future__ import annotations

import cv2
import numpy as np

from . import letters
from .causes import Device, Patient
from .devices import DEVICES
from .film import Film
from .grid import FloatArray
from .looks import Look
from .processing import compress, equalise, resample

# Uniform ranges: patients, looks, then disturbances (in px of a film of 128 px where it says px).
RANGES: dict[str, tuple[float, float]] = {
    "age": (18, 95),  # years
    "laterality": (0.25, 0.75),
    "one-sided": (0.0, 0.1),  # share of the burden in the healthier lung
    "inspiration": (-2.2, 1.6),  # sd
    "opacity": (0.0, 0.95),
    "heart": (0.38, 0.70),
    "aspect": (0.72, 1.3),
    "lung_share": (0.62, 1.06),  # above 1 the ribs are cut off
    "top": (-0.1, 0.8),  # of the film's height that the lungs leave free
    "shift": (-0.06, 0.06),
    "tilt": (-6, 6),  # degrees
    "lean": (-4, 4),
    "collimation": (-0.06, 0.12),
    "kilovolts": (70, 125),
    "scatter": (0.3, 3.6),
    "grid": (0.001, 0.008),
    "log photons": (9.2, 12.5),
    "blur": (0.2, 1.6),  # mm
    "motion": (1.5, 6),
    "flatten": (0.0, 0.5),
    "detail": (0.0, 1.8),
    "contrast": (0.4, 1.9),
    "middle": (0.2, 0.65),
    "log gamma": (-0.45, 0.45),
    "black": (-0.4, 0.12),
    "white": (0.85, 1.4),
    "black level": (0.0, 0.25),
    "white level": (0.65, 1.0),
    "equalise": (1.0, 5.0),
    "resolution": (70, 400),
    "quality": (30, 100),
    "stretch": (0.88, 1.12),
    "turn": (-8, 8),  # degrees
    "shear": (-0.08, 0.08),
    "trim": (0.0, 0.05),  # of a side, at any edge
    "cut side": (0.15, 0.45),  # a partial film
    "cut apices": (0.06, 0.28),
    "cut bases": (0.08, 0.35),
    "disturbed log gamma": (-0.4, 0.4),
    "clip low": (0.0, 0.18),
    "clip high": (0.78, 1.0),
    "gradient": (-0.3, 0.3),
    "soften": (0.3, 1.1),  # px
    "reduce": (0.4, 0.9),
    "sharpen": (0.3, 1.5),
    "jpeg": (20, 95),
    "noise": (0.004, 0.045),
    "grain": (0.0, 1.0),  # px
    "equalise after": (1.0, 4.0),
    "cutout": (0.06, 0.3),  # of a side
}
CHANCES: dict[str, float] = {
    "no opacity": 0.25,
    "one-sided": 1 / 6,
    "no devices": 0.4,
    "device": 0.45,
    "portable": 0.25,
    "collimated": 0.35,
    "white outside": 0.06,
    "grid": 0.2,
    "motion": 0.08,
    "equalised": 0.3,
    "reduced": 0.25,
    "cut side": 0.07,
    "cut apices": 0.08,
    "cut bases": 0.08,
    "cutout": 0.06,
}
VIEWS = {"PA": 0.30, "AP": 0.35, "AP supine": 0.25, "lateral": 0.10}
_SITES = ("ieee8023", "sbu", "hannover")
_LUNG_HEIGHT = 0.85  # of the thorax's width
_SIZE = 128  # px that ranges in px refer to


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient from everything a chest film may show, not from any collection."""
    view = str(rng.choice(list(VIEWS), p=list(VIEWS.values())))
    opacity = 0.0 if _happens("no opacity", rng) else _uniform("opacity", rng)
    laterality = _uniform("laterality", rng)
    if _happens("one-sided", rng):
        healthier = _uniform("one-sided", rng)
        laterality = healthier if rng.random() < 0.5 else 1 - healthier
    low, high = RANGES["heart"]
    return Patient(
        sex="F" if rng.random() < 0.5 else "M",
        age=_uniform("age", rng),
        habitus=float(np.clip(1.2 * rng.standard_normal(), -2.3, 3.0)),
        heart=float(low + (high - low) * rng.beta(2.0, 3.0)),
        view=view,  # type: ignore[arg-type]
        opacity=opacity,
        density=float(rng.random()),
        laterality=laterality,
        devices=_draw_devices(rng),
        site=_SITES[rng.integers(len(_SITES))],  # type: ignore[arg-type]
        portable=_happens("portable", rng),
        inspiration=_uniform("inspiration", rng),
        rotation=float(np.clip(4.5 * rng.standard_normal(), -14, 14)),
        anatomy_seed=int(rng.integers(2**31)),
        film_seed=int(rng.integers(2**31)),
    )


def draw_look(patient: Patient, rng: np.random.Generator) -> Look:
    """Draw a look far wider than any site's, with the same distribution for every patient."""
    tall = 1.15 if patient.view == "lateral" else 1.0
    share = 0.8 if patient.view == "lateral" else 1.0
    aspect, lung_share = tall * _uniform("aspect", rng), share * _uniform("lung_share", rng)
    free = max(1 - _LUNG_HEIGHT * lung_share / aspect, 0.1)
    borders = [_uniform("collimation", rng) for _ in range(4)]
    collimated = _happens("collimated", rng)
    return Look(
        aspect=aspect,
        lung_share=lung_share,
        top=free * _uniform("top", rng),
        tilt=_uniform("tilt", rng),
        shift=_uniform("shift", rng),
        collimation=tuple(max(edge, 0.0) * collimated for edge in borders),
        lean=_uniform("lean", rng),
        outside=float(_happens("white outside", rng)),
        kilovolts=_uniform("kilovolts", rng),
        scatter=_uniform("scatter", rng),
        grid=_happens("grid", rng) * _uniform("grid", rng),
        photons=float(np.exp(_uniform("log photons", rng))),
        blur=_uniform("blur", rng),
        motion=_happens("motion", rng) * _uniform("motion", rng),
        flatten=_uniform("flatten", rng),
        detail=_uniform("detail", rng),
        contrast=_uniform("contrast", rng),
        middle=_uniform("middle", rng),
        gamma=float(np.exp(_uniform("log gamma", rng))),
        black=_uniform("black", rng),
        white=_uniform("white", rng),
        levels=(_uniform("black level", rng), _uniform("white level", rng)),
        equalise=_happens("equalised", rng) * _uniform("equalise", rng),
        resolution=_uniform("resolution", rng) if _happens("reduced", rng) else 4000.0,
        quality=int(_uniform("quality", rng)),
    )


def disturb(film: Film, rng: np.random.Generator) -> Film:
    """Crop, stretch, turn and spoil a film; masks follow, so the truth is what is visible.

    Parameters
    ----------
    film : Film
        Arrays (h, w).
    rng : numpy.random.Generator

    Returns
    -------
    Film
        Arrays (h', w') with the same longest side, pixels in [0, 1].
    """
    film = _cut_out(_reframe(film, rng), rng)
    pixels = film.pixels
    for chance, spoil in _SPOILERS:
        if rng.random() < chance:
            pixels = spoil(pixels, rng)
    return film._replace(pixels=np.clip(pixels, 0, 1).astype(np.float32, copy=False))


def _uniform(name: str, rng: np.random.Generator) -> float:
    low, high = RANGES[name]
    return low + (high - low) * rng.random()


def _happens(name: str, rng: np.random.Generator) -> bool:
    return bool(rng.random() < CHANCES[name])


def _draw_devices(rng: np.random.Generator) -> frozenset[Device]:
    """Devices say nothing about the lungs here, or they would become a shortcut."""
    none, drawn = _happens("no devices", rng), [_happens("device", rng) for _ in DEVICES]
    names = [] if none else [name for name, there in zip(DEVICES, drawn, strict=True) if there]
    return frozenset(names)  # type: ignore[arg-type]


def _reframe(film: Film, rng: np.random.Generator) -> Film:
    """Crop, stretch, shear and turn pixels and masks by one and the same affine map."""
    rows, columns = film.pixels.shape
    matrix, shape = _map_to_film(_visible(rng), rows, columns, rng)
    size = (shape[1], shape[0])
    flags = cv2.WARP_INVERSE_MAP
    grey = cv2.warpAffine(np.dstack([film.pixels, film.density]), matrix, size, flags=flags | 1)
    bits: np.ndarray = (
        film.lungs | film.lesions.astype(np.uint8) << 1 | film.devices.astype(np.uint8) << 2
    )
    bits = np.asarray(cv2.warpAffine(bits, matrix, size, flags=flags | cv2.INTER_NEAREST))
    lungs, lesions, devices = (np.bitwise_and(bits, bit) > 0 for bit in (1, 2, 4))
    return Film(grey[..., 0].copy(), lungs, lesions, devices, grey[..., 1] * lesions)


def _visible(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom end of what is kept of a film, in shares of its sides."""
    left, top, right, bottom = (_uniform("trim", rng) for _ in range(4))
    if _happens("cut side", rng):
        cut = _uniform("cut side", rng)
        left, right = (cut, right) if rng.random() < 0.5 else (left, cut)
    elif _happens("cut apices", rng):
        top = _uniform("cut apices", rng)
    elif _happens("cut bases", rng):
        bottom = _uniform("cut bases", rng)
    return left, top, 1 - right, 1 - bottom


def _map_to_film(
    visible: tuple[float, float, float, float], rows: int, columns: int, rng: np.random.Generator
) -> tuple[FloatArray, tuple[int, int]]:
    """Matrix (2, 3) from column and row of the new film to those of the old; the new shape."""
    left, top, right, bottom = visible
    stretch = _uniform("stretch", rng)
    wide, high = (right - left) * columns, (bottom - top) * rows / stretch
    scale = max(rows, columns) / max(wide, high)
    shape = (max(round(high * scale), 32), max(round(wide * scale), 32))
    angle = np.deg2rad(_uniform("turn", rng))
    cos, sin, shear = np.cos(angle), np.sin(angle), _uniform("shear", rng)
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, shear], [0, 1]])
    linear = turn * np.array([1, stretch]) / scale
    old = np.array([(left + right) / 2 * columns, (top + bottom) / 2 * rows]) - 0.5
    new = (np.array([shape[1], shape[0]]) - 1) / 2
    return np.hstack([linear, (old - linear @ new)[:, None]]), shape


def _cut_out(film: Film, rng: np.random.Generator) -> Film:
    """Rarely a black box: what it hides is no longer part of the truth."""
    if not _happens("cutout", rng):
        return film
    rows, columns = film.pixels.shape
    high, wide = (max(int(_uniform("cutout", rng) * side), 1) for side in (rows, columns))
    top, left = rng.integers(rows - high + 1), rng.integers(columns - wide + 1)
    layers = [layer.copy() for layer in film]
    for layer in layers:
        layer[top : top + high, left : left + wide] = 0
    return Film(*layers)


def _pixel(pixels: FloatArray) -> float:
    """Size of a pixel of a film of `_SIZE` px on this film."""
    return max(pixels.shape) / _SIZE


def _change_gamma(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    return np.power(np.clip(pixels, 0, 1), np.float32(np.exp(_uniform("disturbed log gamma", rng))))


def _clip_histogram(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    low, high = _uniform("clip low", rng), _uniform("clip high", rng)
    return np.clip((pixels - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)


def _light_unevenly(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A slope and a bowl of illumination; black stays black."""
    v, u = (np.linspace(-1, 1, side, dtype=np.float32) for side in pixels.shape)
    a, b, c, d = (np.float32(_uniform("gradient", rng)) for _ in range(4))
    light = (1 + a * u + c * u * u)[None] + (b * v + d * v * v)[:, None]
    return pixels * np.clip(light, 0.3, 1.6)


def _soften(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    if rng.random() < 0.5:
        return resample(pixels, _uniform("reduce", rng))
    return cv2.GaussianBlur(pixels, (0, 0), _uniform("soften", rng) * _pixel(pixels))


def _sharpen(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1.2 * _pixel(pixels))
    return np.clip(pixels + np.float32(_uniform("sharpen", rng)) * (pixels - smooth), 0, 1)


def _add_noise(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    noise = rng.standard_normal(pixels.shape, dtype=np.float32)
    grain = _uniform("grain", rng) * _pixel(pixels)
    if grain > 0.4:
        noise = cv2.GaussianBlur(noise, (0, 0), grain) * np.float32(2 * grain)
    return np.clip(pixels + np.float32(_uniform("noise", rng)) * noise, 0, 1)


def _compress(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    return compress(pixels, round(_uniform("jpeg", rng)))


def _equalise(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    return equalise(pixels, _uniform("equalise after", rng))


def _mark(pixels: FloatArray, rng: np.random.Generator) -> FloatArray:
    pixels = np.ascontiguousarray(pixels)
    letters.journal_marks(pixels, rng)
    if rng.random() < 0.3:
        letters.boxed_marker(pixels, rng)
    return pixels


# What spoils the pixels, in this order, each with its chance.
_SPOILERS = (
    (0.5, _change_gamma),
    (0.3, _clip_histogram),
    (0.35, _light_unevenly),
    (0.25, _soften),
    (0.15, _sharpen),
    (0.35, _add_noise),
    (0.15, _equalise),
    (0.5, _mark),
    (0.3, _compress),
)
