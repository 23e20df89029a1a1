"""From a patient to a film: place it, expose it, develop it, write on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from .abdomen import abdomen_length
from .anatomy import frontal
from .body import Body, Pose, draw_body, pose_body
from .devices import add_devices
from .exposure import add_noise, expose, record
from .grid import FloatArray, Frame
from .lateral import lateral
from .lesions import add_lesions
from .letters import annotate
from .looks import Look, choose_look
from .processing import develop, fit_ends, publish
from .tomography import axial_slice, windowed

if TYPE_CHECKING:
    from .causes import Patient

# Longest side of the grid on which attenuation is computed, px: finer than a small film, as fine as
# a large one.
_FINER = 1.25
_SMALLEST_GRID, _FINER_UP_TO, _LARGEST_GRID = 160, 320, 512
_NOISE = 61  # stream


class Film(NamedTuple):
    """A phantom radiograph and what is known about it; every array is (h, w).

    Attributes
    ----------
    pixels : float32
        Grey in [0, 1], lungs dark.
    lungs : bool
        Lung on the film that heart, mediastinum, diaphragm and collimation leave visible.
    lesions : bool
        Opaque part of `lungs`.
    devices : bool
        Tubes, lines, wires and electrodes.
    density : float32
        How dense the opacity is, 0 (faint ground glass) to 1 (consolidation); 0 outside `lesions`.
    """

    pixels: FloatArray
    lungs: np.ndarray
    lesions: np.ndarray
    devices: np.ndarray
    density: FloatArray


def render(
    patient: Patient, *, size: int, seed: int | None = None, look: Look | None = None
) -> Film:
    """Render one film of a patient.

    Parameters
    ----------
    patient : Patient
        Everything that the film depends on.
    size : int
        Longest side of the film, px; at least 32.
    seed : int, optional
        Seed of the exposure in place of `patient.film_seed`.
    look : Look, optional
        How to frame, expose and process it; by default as the patient's site does.

    Returns
    -------
    Film
        Equal arrays for equal arguments.

    Raises
    ------
    ValueError
        If the size is too small, or the view, the site, a device, the opacity or the laterality
        is not a known one.
    """
    if size < 32:
        raise ValueError(f"size must be at least 32 px, got {size}")
    if patient.view not in ("PA", "AP", "AP supine", "lateral"):
        raise ValueError(f"view must be PA, AP, AP supine or lateral, got {patient.view!r}")
    if seed is not None:
        patient = replace(patient, film_seed=seed)
    look = look or choose_look(patient)
    body = draw_body(patient)
    pose = pose_body(patient, body)
    shape = _shape(look.aspect, size)
    frame = place_film(look, body, pose, _grid_shape(look.aspect, size), patient.view)
    scene = lateral(patient, frame) if patient.view == "lateral" else frontal(patient, frame)
    field = _exposed_field(look, frame.shape)
    scene = replace(scene, lungs=scene.lungs & (field > 0.5))
    opacity = add_lesions(patient, scene, frame)
    wires, device_mask = add_devices(patient, body, pose, frame)
    length = scene.attenuation + scene.vessels * (1 - opacity.hiding) + opacity.attenuation + wires
    rng = np.random.default_rng([patient.film_seed, _NOISE])
    pixels = take_picture(length, look, frame, shape, rng, scene.bones)
    field = _enlarge(field, shape)
    pixels = annotate(pixels * field + look.outside * (1 - field), patient)
    lungs = _enlarge(scene.lungs, shape) > 0.5
    lesions = (_enlarge(opacity.mask, shape) > 0.5) & lungs
    return Film(
        np.clip(publish(pixels, look), 0, 1).astype(np.float32),
        lungs,
        lesions,
        _enlarge(device_mask, shape) > 0.3,  # a wire is thinner than a pixel of a small film
        np.clip(_enlarge(opacity.density, shape), 0, 1) * lesions,
    )


def take_picture(
    length: FloatArray,
    look: Look,
    frame: Frame,
    shape: tuple[int, int],
    rng: np.random.Generator,
    bones: FloatArray | None = None,
) -> FloatArray:
    """From the length of rays (mm of water) on a grid to grey in [0, 1] on a film of `shape`."""
    length = length.astype(np.float32, copy=False)
    recorded = _enlarge(record(expose(length, look, frame, bones), look, frame), shape)
    length = _enlarge(length, shape)
    pixel = frame.width / shape[1]
    dark, _ = fit_ends(recorded, length)
    return develop(add_noise(recorded, dark, look, pixel, rng), length, look, pixel)


def render_abdomen(seed: int, size: int) -> FloatArray:
    """Render a plain film of an abdomen: float32 (h, w) in [0, 1], longest side `size` px."""
    rng = np.random.default_rng([seed, _NOISE])
    height = 420.0
    shape = _grid_shape(1.2, size)
    frame = Frame((0.0, rng.uniform(130, 160)), height / 1.2, height, 0.0, shape)
    look = Look(
        aspect=1.2,
        lung_share=0.8,
        top=0.0,
        tilt=0.0,
        shift=0.0,
        collimation=(0.0, 0.0, 0.0, 0.0),
        lean=0.0,
        outside=0.0,
        kilovolts=80.0,
        scatter=1.2,
        grid=0.0,
        photons=5e3,
        blur=0.6,
        motion=0.0,
        flatten=0.2,
        detail=0.9,
        contrast=1.0,
        middle=0.45,
        gamma=1.0,
        black=-0.2,
        white=1.1,
        levels=(0.0, 1.0),
        equalise=0.0,
        resolution=4000.0,
        quality=100,
    )
    return take_picture(abdomen_length(seed, frame), look, frame, _shape(1.2, size), rng)


def render_ct(seed: int, size: int) -> FloatArray:
    """Render an axial CT slice in the window for lungs: float32 (size, size) in [0, 1]."""
    return windowed(axial_slice(seed, size))


def place_film(look: Look, body: Body, pose: Pose, shape: tuple[int, int], view: str) -> Frame:
    """Lay the film on the body so that both lungs are on it."""
    span = 1.25 * body.depth if view == "lateral" else 2 * body.half_width
    width = span / look.lung_share
    # A film too flat for long lungs is exposed from further away.
    width = max(width, pose.base / (0.95 - look.top) / look.aspect)
    height = width * shape[0] / shape[1]
    centre = (look.shift * width, (0.5 - look.top) * height)
    return Frame(centre, width, height, look.tilt, shape)


def _shape(aspect: float, longest: int) -> tuple[int, int]:
    """Rows and columns of a film with the given longest side."""
    if aspect >= 1:
        return longest, max(round(longest / aspect), 1)
    return max(round(longest * aspect), 1), longest


def _grid_shape(aspect: float, size: int) -> tuple[int, int]:
    """Rows and columns of the grid on which the attenuation of a film is computed."""
    longest = max(min(_FINER * size, _FINER_UP_TO), size)
    return _shape(aspect, int(np.clip(longest, _SMALLEST_GRID, _LARGEST_GRID)))


def _exposed_field(look: Look, shape: tuple[int, int]) -> FloatArray:
    """1 where the collimator lets the beam through, 0 under its blades, with soft edges."""
    if max(look.collimation) <= 0:
        return np.ones(shape, dtype=np.float32)
    rows, columns = shape
    left, top, right, bottom = look.collimation
    u = (np.arange(columns, dtype=np.float32) + 0.5) / columns
    v = (np.arange(rows, dtype=np.float32) + 0.5)[:, None] / rows
    lean = np.float32(np.tan(np.deg2rad(look.lean)))
    across, down = u - lean * (v - 0.5), v + lean * (u - 0.5)
    edges = np.minimum(
        np.minimum(across - left, 1 - right - across), np.minimum(down - top, 1 - bottom - down)
    )
    return np.clip(edges * 120 + 0.5, 0, 1).astype(np.float32)


def _enlarge(picture: np.ndarray, shape: tuple[int, int]) -> FloatArray:
    """Resample a picture or a mask to (rows, columns), float32."""
    picture = picture.astype(np.float32, copy=False)
    if picture.shape == shape:
        return picture
    method = cv2.INTER_CUBIC if shape[0] > picture.shape[0] else cv2.INTER_AREA
    return cv2.resize(picture, (shape[1], shape[0]), interpolation=method)
