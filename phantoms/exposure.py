"""From lengths of rays to the plate: beam, scatter, grid, detector and quantum noise.

The length of every ray in mm of water goes through a two-energy Beer–Lambert law, which hardens the
beam; scatter is a broad blur of what leaves the patient; the plate records the logarithm with
quantum noise that the detector's own blur correlates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from .grid import FloatArray, Frame

if TYPE_CHECKING:
    from .looks import Look

# Mass attenuation, cm²/g, of water and of cortical bone (NIST, Hubbell and Seltzer 1995).
_ENERGIES = (40.0, 50.0, 60.0, 80.0, 100.0)  # keV
_WATER = (0.2683, 0.2269, 0.2059, 0.1837, 0.1707)
_BONE = (0.6655, 0.4242, 0.3148, 0.2229, 0.1855)
_TUBE = (70.0, 125.0)  # kV
_SOFT_PART, _HARD_PART = (40.0, 52.0), (56.0, 88.0)  # keV of the two halves of either spectrum
_BONE_DRAWN = 1.59  # bone over water where bones are drawn in mm of water: 48 and 80 keV
_SCATTER_RANGE = 32.0  # mm
_SCATTERING = 200.0  # mm of water behind which `Look.scatter` is the scatter-to-primary ratio
_PATTERN_LENGTH = 3000  # columns of the widest detector


def attenuations(kilovolts: float) -> list[tuple[float, float]]:
    """Attenuation of water, 1/mm, and relative weight of bone, for both halves of the spectrum."""
    found = []
    for keV in (np.interp(kilovolts, _TUBE, part) for part in (_SOFT_PART, _HARD_PART)):
        water, bone = np.interp(keV, _ENERGIES, _WATER), np.interp(keV, _ENERGIES, _BONE)
        found.append((float(water) / 10, float(bone / water) / _BONE_DRAWN))
    return found


def expose(
    length: FloatArray, look: Look, frame: Frame, bones: FloatArray | None = None
) -> FloatArray:
    """Signal behind a patient, 1 = unattenuated beam.

    Parameters
    ----------
    length : float32 (h, w)
        Length of every ray, mm of water, bones included.
    look : Look
        Its tube voltage and its scatter-to-primary ratio behind 200 mm of water.
    bones : float32 (h, w), optional
        The bones' part of `length`: the softer the beam, the whiter it shows them.

    Returns
    -------
    float32 (h, w)
    """
    primary = np.zeros(length.shape, dtype=np.float32)
    for water, weight in attenuations(look.kilovolts):
        ray = length if bones is None else length + np.float32(weight - 1) * bones
        primary += np.exp(np.float32(-water) * ray)
    primary *= np.float32(0.5)
    source = primary * (length * np.float32(look.scatter / _SCATTERING))  # air scatters nothing
    return primary + broad_blur(source, _SCATTER_RANGE * frame.scale)


def record(signal: FloatArray, look: Look, frame: Frame) -> FloatArray:
    """Blur of detector and patient; the logarithm that the plate records (h, w)."""
    blurred = frame.blur(signal, look.blur)
    if look.motion > 0:
        blurred = _smear(blurred, look.motion * frame.scale)
    return -np.log(blurred)


def add_noise(
    density: FloatArray, dark: float, look: Look, pixel: float, rng: np.random.Generator
) -> FloatArray:
    """Quantum noise, grid lines and the detector's pattern, on the recorded logarithm.

    Parameters
    ----------
    density : float32 (h, w)
        Logarithm of the attenuation.
    dark : float
        Its value where the patient is thinnest: there `look.photons` quanta reach a mm².
    pixel : float
        Side of a pixel, mm.
    """
    noise: FloatArray = rng.standard_normal(density.shape, dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), max(0.35 / pixel, 0.4))
    strength = np.float32(1.3 / (pixel * np.sqrt(look.photons)))
    few = np.exp(np.float32(0.5) * np.clip(density - np.float32(dark), -2.0, 4.0))
    return density + strength * noise * few + _pattern(density.shape, look, rng)


def _pattern(shape: tuple[int, int], look: Look, rng: np.random.Generator) -> FloatArray:
    """Lines of an antiscatter grid (their moiré) and unequal gain of the detector's lines."""
    rows, columns = shape
    gain = rng.standard_normal(_PATTERN_LENGTH, dtype=np.float32)[:columns] * np.float32(0.002)
    if look.grid > 0:
        period, phase = rng.uniform(2.3, 9.0), rng.uniform(0, 6.3)
        wave = np.sin(np.arange(columns, dtype=np.float32) * np.float32(6.2832 / period) + phase)
        gain = gain + np.float32(look.grid) * wave.astype(np.float32)
    return np.broadcast_to(gain, (rows, columns))


def _smear(picture: FloatArray, length: float) -> FloatArray:
    """Vertical motion over `length` px: breathing moves diaphragm and ribs up and down."""
    taps = max(2 * round(length / 2) + 1, 3)
    return cv2.blur(picture, (1, taps))


def broad_blur(picture: FloatArray, sigma: float) -> FloatArray:
    """Gaussian blur with a wide kernel (sigma in px), computed on a quarter of the grid."""
    if sigma < 4:
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    size = (picture.shape[1], picture.shape[0])
    return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
