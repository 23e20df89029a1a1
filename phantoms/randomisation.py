"""Domain randomisation: patients, looks and disturbed films far wider than any collection's.

A network that has seen only phantoms must meet every real film as one more variation, so films
vary here beyond what is plausible. Nothing is fitted to real films; what must not teach a shortcut
(devices, view, look, heart) is drawn independently of the opacity.
"""

from __future__ import annotations

import cv2
import numpy as np

from .causes import Device, Patient, SiteName
from .devices import DEVICES
from .film import Film
from .grid import FloatArray
from .looks import Look
from .ranges import RANGES, VIEWS, happens, uniform
from .spoiling import spoil

_SITES: tuple[SiteName, ...] = ("ieee8023", "sbu", "hannover")
_LUNG_HEIGHT = 0.85  # of the thorax's width


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient from everything a chest film may show, not from any collection."""
    view = list(VIEWS)[rng.choice(len(VIEWS), p=list(VIEWS.values()))]
    opacity = 0.0 if happens("no opacity", rng) else uniform("opacity", rng)
    laterality = uniform("laterality", rng)
    if happens("one-sided", rng):
        healthier = uniform("one-sided", rng)
        laterality = healthier if rng.random() < 0.5 else 1 - healthier
    low, high = RANGES["heart"]
    return Patient(
        sex="F" if rng.random() < 0.5 else "M",
        age=uniform("age", rng),
        habitus=float(np.clip(1.2 * rng.standard_normal(), -2.3, 3.0)),
        heart=float(low + (high - low) * rng.beta(2.0, 3.0)),
        view=view,
        opacity=opacity,
        density=float(rng.beta(1.2, 1.8)),  # ground-glass is commoner than consolidation
        laterality=laterality,
        devices=_draw_devices(rng),
        site=_SITES[rng.integers(len(_SITES))],
        portable=happens("portable", rng),
        inspiration=uniform("inspiration", rng),
        rotation=float(np.clip(4.5 * rng.standard_normal(), -14, 14)),
        anatomy_seed=int(rng.integers(2**31)),
        film_seed=int(rng.integers(2**31)),
        bones=uniform("bones", rng),
        vessels=uniform("vessels", rng),
        roughness=float(np.exp(uniform("log roughness", rng))),
    )


def draw_look(patient: Patient, rng: np.random.Generator) -> Look:
    """Draw a look far wider than any site's, with the same distribution for every patient."""
    tall = 1.15 if patient.view == "lateral" else 1.0
    share = 0.8 if patient.view == "lateral" else 1.0
    aspect, lung_share = tall * uniform("aspect", rng), share * uniform("lung_share", rng)
    free = max(1 - _LUNG_HEIGHT * lung_share / aspect, 0.1)
    borders = [uniform("collimation", rng) for _ in range(4)]
    collimated = happens("collimated", rng)
    return Look(
        aspect=aspect,
        lung_share=lung_share,
        top=free * uniform("top", rng),
        tilt=uniform("tilt", rng),
        shift=uniform("shift", rng),
        collimation=tuple(max(edge, 0.0) * collimated for edge in borders),
        lean=uniform("lean", rng),
        outside=float(happens("white outside", rng)),
        kilovolts=uniform("kilovolts", rng),
        scatter=uniform("scatter", rng),
        grid=happens("grid", rng) * uniform("grid", rng),
        photons=float(np.exp(uniform("log photons", rng))),
        blur=uniform("blur", rng),
        motion=happens("motion", rng) * uniform("motion", rng),
        flatten=uniform("flatten", rng),
        detail=uniform("detail", rng),
        contrast=uniform("contrast", rng),
        middle=uniform("middle", rng),
        gamma=float(np.exp(uniform("log gamma", rng))),
        black=uniform("black", rng),
        white=uniform("white", rng),
        levels=(uniform("black level", rng), uniform("white level", rng)),
        equalise=happens("equalised", rng) * uniform("equalise", rng),
        resolution=uniform("resolution", rng) if happens("reduced", rng) else 4000.0,
        quality=int(uniform("quality", rng)),
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
    return film._replace(pixels=spoil(film.pixels, rng))


def _draw_devices(rng: np.random.Generator) -> frozenset[Device]:
    """Devices say nothing about the lungs here, or they would become a shortcut."""
    none, drawn = happens("no devices", rng), [happens("device", rng) for _ in DEVICES]
    names = [] if none else [name for name, there in zip(DEVICES, drawn, strict=True) if there]
    return frozenset(names)


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
    left, top, right, bottom = (uniform("trim", rng) for _ in range(4))
    if happens("cut side", rng):
        cut = uniform("cut side", rng)
        left, right = (cut, right) if rng.random() < 0.5 else (left, cut)
    elif happens("cut apices", rng):
        top = uniform("cut apices", rng)
    elif happens("cut bases", rng):
        bottom = uniform("cut bases", rng)
    return left, top, 1 - right, 1 - bottom


def _map_to_film(
    visible: tuple[float, float, float, float], rows: int, columns: int, rng: np.random.Generator
) -> tuple[FloatArray, tuple[int, int]]:
    """Matrix (2, 3) from column and row of the new film to those of the old; the new shape."""
    left, top, right, bottom = visible
    stretch = uniform("stretch", rng)
    wide, high = (right - left) * columns, (bottom - top) * rows / stretch
    scale = max(rows, columns) / max(wide, high)
    shape = (max(round(high * scale), 32), max(round(wide * scale), 32))
    angle = np.deg2rad(uniform("turn", rng))
    cos, sin, shear = np.cos(angle), np.sin(angle), uniform("shear", rng)
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, shear], [0, 1]])
    linear = turn * np.array([1, stretch]) / scale
    old = np.array([(left + right) / 2 * columns, (top + bottom) / 2 * rows]) - 0.5
    new = (np.array([shape[1], shape[0]]) - 1) / 2
    return np.hstack([linear, (old - linear @ new)[:, None]]), shape


def _cut_out(film: Film, rng: np.random.Generator) -> Film:
    """Rarely a black box: what it hides is no longer part of the truth."""
    if not happens("cutout", rng):
        return film
    rows, columns = film.pixels.shape
    high, wide = (max(int(uniform("cutout", rng) * side), 1) for side in (rows, columns))
    top, left = rng.integers(rows - high + 1), rng.integers(columns - wide + 1)
    layers = [layer.copy() for layer in film]
    for layer in layers:
        layer[top : top + high, left : left + wide] = 0
    return Film(*layers)
