"""The pixel grid of a phantom film in millimetres of the body, and drawing on it.

Body coordinates: x grows towards the patient's left, which is the right of the picture; y grows
downwards from the tips of the lungs; both in mm at the level of the detector. Everything that is
drawn is given in these coordinates, so that a patient keeps the same skeleton and the same pattern
of disease however a film is framed, tilted or scaled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

FloatArray = np.ndarray
_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
_LEVEL_STEP = 0.5  # mm between the entries of a profile along the body
_NOISE_ORIGIN = (-260.0, -160.0)  # mm; textures are anchored to the body from here on
_NOISE_EXTENT = (520.0, 640.0)  # mm


@dataclass(frozen=True)
class Frame:
    """Where a film lies on the body.

    Parameters
    ----------
    centre : (float, float)
        Body coordinates of the middle of the film, mm.
    width, height : float
        Size of the film, mm.
    tilt : float
        Rotation of the film against the body, degrees.
    shape : (int, int)
        Rows and columns of the pixel grid.
    """

    centre: tuple[float, float]
    width: float
    height: float
    tilt: float
    shape: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels per mm."""
        return self.shape[1] / self.width

    @cached_property
    def _to_body(self) -> FloatArray:
        """Matrix (2, 3) from column and row (pixel middles at whole numbers) to body mm."""
        angle = np.deg2rad(self.tilt)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        step = np.array([self.width / self.shape[1], self.height / self.shape[0]])
        corner = 0.5 * step - np.array([self.width, self.height]) / 2
        return np.hstack([turn * step, (turn @ corner + self.centre)[:, None]])

    @cached_property
    def _to_pixels(self) -> FloatArray:
        """Matrix (2, 3) from body mm to column and row."""
        return cv2.invertAffineTransform(self._to_body)

    def coordinates(self) -> tuple[FloatArray, FloatArray]:
        """Body coordinates x and y of every pixel's middle: two float32 arrays (h, w) in mm."""
        columns = np.arange(self.shape[1], dtype=np.float32)
        rows = np.arange(self.shape[0], dtype=np.float32)[:, None]
        matrix = self._to_body.astype(np.float32)
        x, y = (across * columns + (down * rows + start) for across, down, start in matrix)
        return x, y

    def pixels(self, points: FloatArray) -> FloatArray:
        """Pixel coordinates (…, 2), column before row, of body points (…, 2) in mm."""
        return np.asarray(points, dtype=float) @ self._to_pixels[:, :2].T + self._to_pixels[:, 2]

    def noise(self, rng: np.random.Generator, wavelength: float) -> FloatArray:
        """Smooth Gaussian noise (h, w), sd about 1, anchored to the body.

        Parameters
        ----------
        wavelength : float
            Distance between independent values, mm.
        """
        cells = [int(np.ceil(extent / wavelength)) + 4 for extent in _NOISE_EXTENT]
        lattice = rng.standard_normal((cells[1], cells[0]), dtype=np.float32)
        matrix = self._to_body.copy()  # pixel -> body mm -> index in the lattice
        matrix[:, 2] -= _NOISE_ORIGIN
        matrix /= wavelength
        matrix[:, 2] += 1.5  # a margin for the interpolation
        smooth = cv2.warpAffine(
            lattice,
            matrix,
            (self.shape[1], self.shape[0]),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        return smooth * 1.35  # interpolation averages neighbours; this restores unit variance

    def clouds(
        self, rng: np.random.Generator, wavelengths: Sequence[float], weights: Sequence[float]
    ) -> FloatArray:
        """Multi-scale noise (h, w): a weighted sum of octaves, sd about 1."""
        total = np.zeros(self.shape, dtype=np.float32)
        for wavelength, weight in zip(wavelengths, weights, strict=True):
            total += weight * self.noise(rng, wavelength)
        return total / float(np.linalg.norm(weights))

    def stroke(
        self, canvas: np.ndarray, lines: FloatArray | Sequence, width: float, value: float
    ) -> None:
        """Draw lines of body points on a uint8 canvas (h, w), anti-aliased.

        A line thinner than a pixel is drawn a pixel wide and fainter in proportion.

        Parameters
        ----------
        lines : array-like (k, n, 2)
            k lines of n points, body coordinates in mm.
        width : float
            Width of the line, mm.
        value : float
            Grey value, 0–255.
        """
        wide = width * self.scale
        grey = min(max(value * min(1.0, wide), 0.0), 255.0)
        paths = list(self._fixed_point(np.asarray(lines)))
        cv2.polylines(canvas, paths, False, grey, max(1, round(wide)), cv2.LINE_AA, _SHIFT)

    def fill(self, canvas: np.ndarray, outline: FloatArray, value: float) -> None:
        """Fill a closed outline of body points (n, 2) on a uint8 canvas, anti-aliased."""
        cv2.fillPoly(canvas, [self._fixed_point(outline)], value, cv2.LINE_AA, _SHIFT)

    def blank(self) -> np.ndarray:
        """Return an empty uint8 canvas (h, w) for `stroke` and `fill`."""
        return np.zeros(self.shape, dtype=np.uint8)

    def blur(self, picture: FloatArray, sigma: float) -> FloatArray:
        """Gaussian blur with a standard deviation given in mm."""
        return cv2.GaussianBlur(picture, (0, 0), max(sigma * self.scale, 0.3))

    def _fixed_point(self, points: FloatArray) -> np.ndarray:
        return np.rint(self.pixels(points) * (1 << _SHIFT)).astype(np.int32)


class Profile:
    """Spread a function of the height in the body (y) over a film, by one table look-up.

    Parameters
    ----------
    y : float32 (h, w)
        Body coordinate of every pixel, mm.
    """

    def __init__(self, y: FloatArray) -> None:
        lowest = float(y.min())
        self._index = ((y - lowest) * (1 / _LEVEL_STEP) + 0.5).astype(np.int32)
        count = int(self._index.max()) + 1
        self.levels = (lowest + np.arange(count) * _LEVEL_STEP).astype(np.float32)

    def spread(self, values: FloatArray) -> FloatArray:
        """Values (n,) at `levels` (mm) as a float32 picture (h, w)."""
        return np.asarray(values, dtype=np.float32)[self._index]


def tube(centreline: FloatArray, half_width: FloatArray | float) -> FloatArray:
    """Outline (2n, 2) of a band of given half width (mm) around a centreline (n, 2)."""
    step = np.empty_like(centreline)
    step[1:-1] = centreline[2:] - centreline[:-2]
    step[0], step[-1] = centreline[1] - centreline[0], centreline[-1] - centreline[-2]
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    normal /= np.hypot(normal[:, :1], normal[:, 1:]) + 1e-9
    offset = normal * np.reshape(half_width, (-1, 1))
    return np.concatenate([centreline + offset, (centreline - offset)[::-1]])


def smooth_line(
    points: FloatArray | Sequence[Sequence[float] | FloatArray], count: int = 40
) -> FloatArray:
    """A smooth curve (count, 2) through a few points (Catmull–Rom spline, uniform)."""
    knots = np.asarray(points, dtype=float)
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    position = np.linspace(0, len(knots) - 1, count)
    start = np.minimum(position.astype(int), len(knots) - 2)
    t = (position - start)[:, None]
    a, b, c, d = (padded[start + k] for k in range(4))
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
