"""Drawing tubes, wires and metal on a film, in mm of water."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .body import Body, Pose
from .grid import FloatArray, Frame, tube

if TYPE_CHECKING:
    from .causes import Patient

_SOFT, _HARD = 60.0, 240.0  # added length at the strongest grey value of a canvas, mm of water
_VISIBLE = 3.0  # added length from which a pixel counts as part of a device, mm of water
_CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 25)), np.sin(a)], axis=1)


@dataclass(frozen=True)
class Setting:
    """A patient in the pose of one film: where veins, heart and skin are; lengths in mm."""

    patient: Patient
    body: Body
    pose: Pose

    @property
    def heart_left(self) -> float:
        """Distance of the heart's left border from the midline."""
        return 2 * self.patient.heart * self.body.half_width * self.body.heart_left

    @property
    def heart_right(self) -> float:
        """Distance of the heart's right border from the midline."""
        return 2 * self.patient.heart * self.body.half_width * (1 - self.body.heart_left)

    @property
    def cava(self) -> float:
        """The superior vena cava's place (x), right of the spine."""
        return -20 * self.body.half_width / 143 + self.pose.shifted(35)

    def to_cava(self, side: int, tip: float) -> list[tuple[float, float]]:
        """Way of a line from the brachiocephalic vein of a side down the cava to height `tip`."""
        if side == 1:  # the left one crosses in front of the arteries of the aortic arch
            return [(14, 45), (-8, 61), (self.cava, tip)]
        return [(self.cava - 5, 52), (self.cava, tip)]

    def at(self, points: Sequence[tuple[float, float]], side: int = 1) -> FloatArray:
        """Points (n, 2) in mm from shares of the thorax' half width (outwards) and height."""
        return np.asarray(points) * (side * self.body.half_width, self.body.height)


class Sheet:
    """What is drawn adds up layer by layer; within a layer the later hides the earlier.

    Parameters
    ----------
    frame : Frame
        The pixel grid.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._total = np.zeros(frame.shape, dtype=np.float32)
        self._layers: dict[float, np.ndarray] = {}

    def line(self, lines: FloatArray | Sequence, width: float, length: float) -> None:
        """Draw lines of points of a width (mm) that add a length (mm of water)."""
        canvas, value = self._canvas(length)
        wide = width * self.frame.scale
        # An anti-aliased line spreads over about half a pixel more than its width.
        spread = wide * 1.35 / (max(1.0, round(wide)) + 0.5)
        self.frame.stroke(canvas, lines, width, value * min(spread / min(wide, 1.0), 1.0))

    def fill(self, outline: FloatArray, length: float) -> None:
        """Fill an outline (n, 2)."""
        canvas, value = self._canvas(length)
        self.frame.fill(canvas, outline, value)

    def disc(self, centre: FloatArray | tuple[float, float], radius: float, length: float) -> None:
        """Fill a circle."""
        self.fill(np.asarray(centre) + radius * _CIRCLE, length)

    def ring(
        self, centre: FloatArray | tuple[float, float], radius: float, width: float, length: float
    ) -> None:
        """Draw a circle's edge."""
        self.line([np.asarray(centre) + radius * _CIRCLE], width, length)

    def hose(self, line: FloatArray, radius: float, wall: float, length: float) -> None:
        """Draw a hollow tube: its two walls, struck at a tangent, add most."""
        outline = tube(line, radius)
        self.fill(outline, 0.45 * length)
        half = len(line)
        self.line((outline[:half], outline[half:]), wall, length)

    def cable(self, line: FloatArray, width: float, core: float) -> None:
        """Draw an insulated wire: a faint sheath around a core that adds `core` mm of water."""
        self.cables([line], width, core)

    def cables(self, lines: Sequence[FloatArray], width: float, core: float) -> None:
        """Draw several insulated wires, of which none hides the core of another."""
        self.line(lines, width, 0.4 * core)
        self.line(lines, 0.5 * width, core)

    def next_layer(self) -> None:
        """Add the layer to what lies below."""
        for strongest, canvas in self._layers.items():
            share = strongest / 255
            cv2.addWeighted(self._total, 1, canvas, share, 0, dst=self._total, dtype=cv2.CV_32F)
        self._layers = {}

    def finish(self) -> tuple[FloatArray, np.ndarray]:
        """Attenuation (h, w) in mm of water, float32, and bool mask of what is drawn."""
        self.next_layer()
        return self.frame.blur(self._total, 0.4), self._total > _VISIBLE

    def _canvas(self, length: float) -> tuple[np.ndarray, float]:
        strongest = _SOFT if length <= _SOFT else _HARD
        if strongest not in self._layers:
            self._layers[strongest] = self.frame.blank()
        return self._layers[strongest], min(255.0 * length / strongest, 255.0)


def course(
    rng: np.random.Generator, start: FloatArray, end: FloatArray, bow: float, curl: float = 0.0
) -> FloatArray:
    """A loose cable's way (56, 2) from start to end, mm.

    Parameters
    ----------
    bow : float
        How far it hangs out sideways, share of the distance (standard deviation).
    curl : float
        Radius of a loop on the way, mm; 0 for none.
    """
    t = np.linspace(0, 1, 56)
    chord = np.subtract(end, start)
    distance = float(np.hypot(*chord)) + 1e-6
    along = chord / distance
    across = np.array([-along[1], along[0]])
    waves = rng.normal(0, (bow, 0.5 * bow, 0.25 * bow)) * distance
    hang = sum(wave * np.sin((k + 1) * np.pi * t) for k, wave in enumerate(waves))
    line = start + t[:, None] * chord + np.asarray(hang)[:, None] * across
    if curl:
        u = np.clip((t - rng.uniform(0.1, 0.5)) / 0.4, 0, 1)
        turn = 2 * np.pi * u * u * (3 - 2 * u)
        line += curl * np.sin(turn)[:, None] * along + (curl * (1 - np.cos(turn)))[:, None] * across
    return line


def oriented(
    shape: Sequence[tuple[float, float]] | FloatArray, centre: FloatArray, heading: FloatArray
) -> FloatArray:
    """Points (n, 2) of a small part, given along and across `heading`, placed at `centre`, mm."""
    along = np.asarray(heading) / (np.hypot(*heading) + 1e-9)
    return np.asarray(centre) + np.asarray(shape) @ np.array([along, [-along[1], along[0]]])


Drawer = Callable[[Sheet, np.random.Generator, Setting], None]
