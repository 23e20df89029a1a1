"""Where COVID-19 pneumonia settles in a patient's lungs, and what its texture is.

Each patient has a mixture of patterns of their own: rounded patches, bands along the chest wall,
clouds without a shape. The pull of the periphery and of the lower zones is strong in most patients;
some show perihilar, upper-zone or diffuse disease instead (Wong et al., Radiology 2020: 41 %
peripheral and 50 % lower-zone predominance of opacities, 33 % ground glass, 47 % consolidation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .body import Body, Pose
from .grid import FloatArray, Frame

if TYPE_CHECKING:
    from .anatomy import Scene
    from .causes import Patient

_PATTERN, _CHANGE, _TEXTURE, _BRONCHI = 31, 32, 33, 34  # streams of random numbers
_COARSE = 6.0  # mm; nothing of an opacity's outline is finer
_GREY_PER_MM = 25  # of air, where bronchi are drawn
_PATCHES = 7  # rounded patches in a lung, the first the most conspicuous
# Predominance: how often, pull of the chest wall, pull of the lower zones (in sd of the clouds).
_PREDOMINANCE = {
    "peripheral and basal": (0.70, 1.5, 2.2),
    "diffuse": (0.15, 0.5, 1.1),
    "perihilar": (0.08, -1.0, 0.9),
    "upper zones": (0.07, 0.9, -1.1),
}


@dataclass(frozen=True)
class Pattern:
    """How disease settles in one patient; the same on every film.

    Attributes
    ----------
    periphery, base : float
        Pull of the chest wall and of the lower zones, in sd of the clouds.
    clouds, patches, bands : float
        Weights of the three shapes; their squares add to 1.
    reticular, streaks : float
        Strength of a network of lines and of streaks towards the hilum, 0–1.
    margin : float
        Blur of the margins of ground glass, mm.
    centres, sizes, heights : float (2, k, 2), (2, k), (2, k)
        Rounded patches of the right and the left lung: place (0 hilum – 1 chest wall, 0 tip –
        1 base), radius in mm and conspicuity.
    levels : float (2, 2)
        Middle and half height of the band in each lung, 0 tip – 1 base.
    """

    periphery: float
    base: float
    clouds: float
    patches: float
    bands: float
    reticular: float
    streaks: float
    margin: float
    centres: FloatArray
    sizes: FloatArray
    heights: FloatArray
    levels: FloatArray


def draw_pattern(patient: Patient) -> Pattern:
    """Pattern of a patient's disease, from the anatomy seed."""
    rng = np.random.default_rng([patient.anatomy_seed, _PATTERN])
    kinds = list(_PREDOMINANCE.values())
    _, periphery, base = kinds[rng.choice(len(kinds), p=[kind[0] for kind in kinds])]
    weights = np.sqrt(rng.dirichlet((2.2, 2.0, 1.0)))
    across, down = rng.beta(2.6, 1.3, (2, _PATCHES)), rng.beta(2.2, 1.5, (2, _PATCHES))
    return Pattern(
        periphery=periphery + 0.35 * rng.standard_normal(),
        base=base + 0.45 * rng.standard_normal(),
        clouds=float(weights[0]),
        patches=float(weights[1]),
        bands=float(weights[2]),
        reticular=float(rng.beta(0.9, 2.0)),
        streaks=float(rng.beta(1.6, 1.6)),
        margin=rng.uniform(10, 16),
        centres=np.stack([across, down], axis=-1),
        sizes=rng.uniform(0.65, 1.1) * rng.uniform(18, 40, (2, _PATCHES)),
        heights=np.sort(rng.uniform(0.55, 1.0, (2, _PATCHES)))[:, ::-1],
        levels=np.stack([rng.uniform(0.45, 0.85, 2), rng.uniform(0.15, 0.45, 2)], axis=-1),
    )


def coarse_frame(frame: Frame) -> Frame:
    """The same film on a grid of about 6 mm, on which everything blurred is computed."""
    rows = max(round(frame.height / _COARSE), 8)
    columns = max(round(frame.width / _COARSE), 8)
    return Frame(frame.centre, frame.width, frame.height, frame.tilt, (rows, columns))


def resample(picture: FloatArray, frame: Frame) -> FloatArray:
    """A picture of the same film on another frame's grid."""
    finer = frame.shape[0] > picture.shape[0]
    method = cv2.INTER_CUBIC if finer else cv2.INTER_AREA
    return cv2.resize(picture, frame.shape[::-1], interpolation=method)


def likelihood(
    patient: Patient, pattern: Pattern, scene: Scene, frame: Frame, body: Body, pose: Pose
) -> FloatArray:
    """Field (h, w) whose highest places fall ill first, in sd of the clouds.

    It varies a little from film to film, and grows smoother and more basal with the burden: the
    worst lungs are white but for their tips.
    """
    rng = np.random.default_rng([patient.anatomy_seed, _TEXTURE])
    change = np.random.default_rng([patient.film_seed, _CHANGE])
    coarse = coarse_frame(frame)
    x, y = coarse.coordinates()
    periphery = resample(scene.periphery, coarse)
    base = resample(scene.base, coarse)
    spread = float(np.clip((patient.opacity - 0.35) / 0.5, 0, 1))
    field = pattern.clouds * coarse.clouds(rng, (95, 52, 30), (1.0, 0.7, 0.3))
    field += 2.4 * pattern.patches * _rounded(patient, pattern, x, y, body, pose)
    field += 2.2 * pattern.bands * _bands(pattern, x, periphery, base)
    field += 0.24 * coarse.noise(rng, 24) + 0.2 * coarse.noise(change, 45)
    field = coarse.blur(field, 6 + 10 * spread) * (1 - 0.4 * spread)
    towards_base = pattern.base + spread * (1.6 - 0.5 * pattern.base)
    outwards = np.minimum(periphery / 0.75, 1)  # the outer quarter falls ill alike
    return resample(field + pattern.periphery * outwards + towards_base * base, frame)


def _rounded(patient: Patient, pattern: Pattern, x, y, body: Body, pose: Pose) -> FloatArray:
    """Rounded patches (h, w), 0–1."""
    if patient.view == "lateral":
        places = body.depth * (pattern.centres[..., :1] - 0.5)
    else:
        side = np.array([-1.0, 1.0])[:, None, None]
        places = side * (28 + pattern.centres[..., :1] * (body.half_width - 34))
    centres = np.concatenate([places, pattern.centres[..., 1:] * pose.base], axis=-1)
    centres = centres.reshape(-1, 2, 1, 1).astype(np.float32)
    squared = (x - centres[:, 0]) ** 2 + (y - centres[:, 1]) ** 2
    widths = (2 * pattern.sizes**2).reshape(-1, 1, 1).astype(np.float32)
    heights = pattern.heights.reshape(-1, 1, 1).astype(np.float32)
    return (heights * np.exp(-squared / widths)).max(axis=0)


def _bands(pattern: Pattern, x, periphery, base) -> FloatArray:
    """Bands along the chest wall (h, w), 0–1: subpleural disease."""
    middle, half = (
        np.where(x < 0, *pattern.levels[:, column]).astype(np.float32) for column in (0, 1)
    )
    inwards, away = (1 - periphery) / np.float32(0.3), np.square((base - middle) / half)
    return np.exp(-inwards * inwards - away * away)


def texture(
    patient: Patient, pattern: Pattern, density: FloatArray, frame: Frame, hila: FloatArray
) -> FloatArray:
    """What an opacity's length (h, w) is multiplied with; about 1 on average.

    Ground glass is smooth; between it and homogeneous consolidation lie streaks along bronchi and
    vessels and a network of thickened septa.

    Parameters
    ----------
    density : float32 (h, w)
        Local density, 0–1.
    hila : float (k, 2)
        Body coordinates of the hila, mm.
    """
    rng = np.random.default_rng([patient.anatomy_seed, _TEXTURE, 1])
    mixed = 1 - np.square(1.6 * density - 0.75)
    streaks = _streaks(rng, frame, hila)
    septa = frame.clouds(rng, (15, 9), (1, 0.8))
    network = 0.8 - np.sqrt(np.square(septa) + np.float32(0.12))  # lines between lobules
    rough = 0.11 * pattern.streaks * streaks + 0.17 * pattern.reticular * network
    rough += 0.13 * resample(coarse_frame(frame).clouds(rng, (30, 14), (1, 0.8)), frame)
    rough *= np.float32(patient.roughness)
    most = np.float32(min(0.26 * patient.roughness, 0.8))  # no holes
    rough /= np.sqrt(1 + np.square(rough / most))
    return 1 + np.maximum(mixed, 0.2) * rough


def _streaks(rng: np.random.Generator, frame: Frame, hila: FloatArray) -> FloatArray:
    """Noise (h, w) drawn out towards the hila, sd about 1."""
    lattice = rng.standard_normal((96, 24), dtype=np.float32)
    x, y = frame.coordinates()
    middle = float(np.mean(hila[:, 0]))
    dx = np.abs(x - np.float32(middle)) - np.float32(np.abs(hila[:, 0] - middle).mean())
    dy = y - np.float32(np.mean(hila[:, 1]))
    radius, angle = cv2.cartToPolar(dx, dy)
    turns = angle * np.float32(44 / (2 * np.pi)) + np.where(x > middle, np.float32(48), 0)
    picture = cv2.remap(lattice, radius / 20, turns, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
    return 1.35 * picture * np.minimum(radius / 40, 1)


def air_bronchograms(patient: Patient, frame: Frame, hila: FloatArray) -> FloatArray:
    """Air in the branching bronchi (h, w), mm: dark tubes within consolidation.

    Parameters
    ----------
    hila : float (2, 2)
        Body coordinates of the right and the left hilum, mm.
    """
    rng = np.random.default_rng([patient.anatomy_seed, _BRONCHI])
    canvas = frame.blank()
    for side, (x, y) in zip((-1, 1), hila.tolist(), strict=True):
        _grow_bronchi(rng, canvas, frame, (x, y), side)
    clear = rng.uniform(0.9, 2.2)  # bronchi before and behind add to the air along a ray
    return frame.blur(canvas.astype(np.float32), 0.5) * np.float32(clear / _GREY_PER_MM)


def _grow_bronchi(rng, canvas, frame: Frame, hilum: tuple[float, float], side: int) -> None:
    """Draw four generations of bronchi from a hilum outwards, some of them plugged."""
    angle = np.deg2rad(np.array([-62, -25, 8, 38, 68])) + 0.15 * rng.standard_normal(5)
    start = np.repeat([hilum], len(angle), axis=0)
    for length, width in ((30, 5.0), (25, 3.7), (21, 2.6), (18, 1.8)):
        reach = length * rng.uniform(0.7, 1.3, (len(angle), 1))
        end = start + reach * np.stack([side * np.cos(angle), np.sin(angle)], axis=1)
        sag = start + 0.5 * (end - start) + 0.05 * length * rng.standard_normal(end.shape)
        frame.stroke(canvas, np.stack([start, sag, end], axis=1), width, _GREY_PER_MM * width)
        fork = rng.uniform(0.15, 0.45, (2, len(angle)))
        angle = np.concatenate([angle + fork[0], angle - fork[1]])
        open_ = rng.random(len(angle)) < 0.7
        angle, start = angle[open_], np.concatenate([end, end])[open_]
        if not len(angle):
            return
