"""From a patient to a film: exposure, scatter, noise, processing, collimation and letters.

The length of every ray in mm of water goes through a two-energy Beer–Lambert law, which hardens the
beam; scatter is a broad blur of what leaves the patient; the plate records the logarithm with
quantum noise; the processing enhances detail and fits a grey scale to the film's own histogram.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from .anatomy import frontal
from .body import Body, Pose, draw_body, pose_body
from .devices import add_devices
from .grid import FloatArray, Frame
from .lateral import lateral
from .lesions import add_lesions
from .looks import Look, annotate, choose_look, equalise
from .other import abdomen_length, ct_slice

if TYPE_CHECKING:
    from .causes import Patient

_GRID = 256  # longest side of the grid on which attenuation is computed
_NOISE = 61
# Attenuation of water, 1/mm, at about 48 and 80 keV (NIST, Hubbell and Seltzer 1995).
_SOFT, _HARD = 0.0235, 0.0184
_SCATTER_RANGE = 28.0  # mm
_DETAIL_RANGE = 9.0  # mm
_MIDDLE = 0.38  # of the way from the dark to the bright end: steepest part of the grey scale


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
    """

    pixels: FloatArray
    lungs: np.ndarray
    lesions: np.ndarray
    devices: np.ndarray


def render(patient: Patient, *, size: int, seed: int | None = None) -> Film:
    """Render one film of a patient.

    Parameters
    ----------
    patient : Patient
        Everything that the film depends on.
    size : int
        Longest side of the film, px; at least 32.
    seed : int, optional
        Seed of the exposure in place of `patient.film_seed`.

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
    look = choose_look(patient)
    body = draw_body(patient)
    pose = pose_body(patient, body)
    shape = _shape(look.aspect, size)
    frame = place_film(look, body, pose, _shape(look.aspect, _GRID), patient.view)
    scene = lateral(patient, frame) if patient.view == "lateral" else frontal(patient, frame)
    field = _exposed_field(look, frame.shape)
    scene = replace(scene, lungs=scene.lungs & (field > 0.5))
    opacity = add_lesions(patient, scene, frame)
    wires, device_mask = add_devices(patient, body, pose, frame)
    length = scene.attenuation + scene.vessels * (1 - opacity.hiding) + opacity.attenuation + wires
    rng = np.random.default_rng([patient.film_seed, _NOISE])
    pixels = develop(length, look, frame, shape, rng)
    pixels = annotate(pixels * _enlarge(field, shape), patient)
    lungs, lesions, devices = (
        _enlarge(mask.astype(np.float32), shape)
        for mask in (scene.lungs, opacity.mask, device_mask)
    )
    return Film(
        np.clip(pixels, 0, 1).astype(np.float32),
        lungs > 0.5,
        (lesions > 0.5) & (lungs > 0.5),
        devices > 0.3,  # a wire is thinner than a pixel of a small film
    )


def render_abdomen(seed: int, size: int) -> FloatArray:
    """Render a plain film of an abdomen: float32 (h, w) in [0, 1], longest side `size` px."""
    rng = np.random.default_rng([seed, _NOISE])
    height = 420.0
    frame = Frame((0.0, rng.uniform(130, 160)), height / 1.2, height, 0.0, _shape(1.2, _GRID))
    look = Look(
        aspect=1.2,
        lung_share=0.8,
        top=0.0,
        tilt=0.0,
        shift=0.0,
        collimation=(0.0, 0.0, 0.0, 0.0),
        scatter=1.2,
        photons=3e5,
        blur=0.6,
        detail=0.9,
        contrast=1.0,
        gamma=1.0,
        levels=(0.0, 1.0),
        equalise=0.0,
    )
    return develop(abdomen_length(seed, frame), look, frame, _shape(1.2, size), rng)


def render_ct(seed: int, size: int) -> FloatArray:
    """Render an axial CT slice: float32 (size, size) in [0, 1]."""
    return ct_slice(seed, size)


def place_film(look: Look, body: Body, pose: Pose, shape: tuple[int, int], view: str) -> Frame:
    """Lay the film on the body so that both lungs are on it."""
    span = 1.25 * body.depth if view == "lateral" else 2 * body.half_width
    width = span / look.lung_share
    # A film too flat for long lungs is exposed from further away.
    width = max(width, pose.base / (0.95 - look.top) / look.aspect)
    height = width * shape[0] / shape[1]
    centre = (look.shift * width, (0.5 - look.top) * height)
    return Frame(centre, width, height, look.tilt, shape)


def expose(length: FloatArray, scatter: float, frame: Frame) -> FloatArray:
    """Signal behind a patient, 1 = unattenuated beam.

    Parameters
    ----------
    length : float32 (h, w)
        Length of every ray, mm of water.
    scatter : float
        Scatter-to-primary ratio behind 200 mm of water.
    """
    primary = 0.5 * (np.exp(-_SOFT * length) + np.exp(-_HARD * length))
    source = primary * (length / 200)  # air scatters nothing, thick tissue most
    return primary + scatter * _broad_blur(source, _SCATTER_RANGE * frame.scale)


def develop(
    length: FloatArray,
    look: Look,
    frame: Frame,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> FloatArray:
    """From the length of rays (mm of water) to the pixels of a film of `shape`, in [0, 1]."""
    signal = expose(length, look.scatter, frame)
    density = _enlarge(-np.log(frame.blur(signal, look.blur)), shape)
    noise = cv2.GaussianBlur(rng.standard_normal(shape, dtype=np.float32), (0, 0), 0.55)
    density += noise * np.exp(0.5 * density) / np.float32(np.sqrt(look.photons) * 0.6)
    rows, columns = shape
    middle = density[rows // 7 : -rows // 7 : 3, columns // 6 : -columns // 6 : 3]
    patient = middle[middle > 0.45 * np.percentile(middle, 95)]  # leaves out air beside the body
    dark, bright = np.percentile(patient, (2, 93))
    density = np.clip(density, dark - 0.5, None)
    density += look.detail * (density - _broad_blur(density, _DETAIL_RANGE * frame.scale))
    grey = _grey_scale((density - dark) / max(bright - dark, 0.2), look)
    return equalise(grey, look.equalise) if look.equalise else grey


def _grey_scale(position: FloatArray, look: Look) -> FloatArray:
    """The S-shaped curve of film, from the position between the film's dark and bright ends."""
    steep = 3.0 * look.contrast
    low, high = (1 / (1 + np.exp(-steep * (end - _MIDDLE))) for end in (-0.4, 1.08))
    curve = 1 / (1 + np.exp(-steep * (position - _MIDDLE)))
    grey = np.clip((curve - low) / (high - low), 0, 1) ** np.float32(look.gamma)
    black, white = look.levels
    return (black + (white - black) * grey).astype(np.float32)


def _shape(aspect: float, longest: int) -> tuple[int, int]:
    """Rows and columns of a film with the given longest side."""
    if aspect >= 1:
        return longest, max(round(longest / aspect), 1)
    return max(round(longest * aspect), 1), longest


def _exposed_field(look: Look, shape: tuple[int, int]) -> FloatArray:
    """1 where the collimator lets the beam through, 0 under its blades, with soft edges."""
    rows, columns = shape
    left, top, right, bottom = look.collimation
    u = (np.arange(columns, dtype=np.float32) + 0.5) / columns
    v = (np.arange(rows, dtype=np.float32) + 0.5)[:, None] / rows
    lean = 0.004 * look.tilt
    edges = np.minimum(
        np.minimum(u - left - lean * v, 1 - right - lean * v - u),
        np.minimum(v - top - lean * u, 1 - bottom - lean * u - v),
    )
    if max(look.collimation) <= 0:
        return np.ones(shape, dtype=np.float32)
    return np.clip(edges * 120 + 0.5, 0, 1)


def _enlarge(picture: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Resample a picture to (rows, columns)."""
    if picture.shape == shape:
        return picture
    method = cv2.INTER_CUBIC if shape[0] > picture.shape[0] else cv2.INTER_AREA
    return cv2.resize(picture, (shape[1], shape[0]), interpolation=method)


def _broad_blur(picture: FloatArray, sigma: float) -> FloatArray:
    """Gaussian blur with a wide kernel (sigma in px), computed on a quarter of the grid."""
    if sigma < 4:
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    size = (picture.shape[1], picture.shape[0])
    return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
