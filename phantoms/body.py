"""The patient's body, how it is posed for one film, and the place of the heart; lengths in mm.

Proportions are those of adults (inner thoracic width 26–31 cm, lungs 22–28 cm high) and vary
from patient to patient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .grid import FloatArray

if TYPE_CHECKING:
    from .causes import Patient

_BODY = 11  # stream of random numbers drawn from the anatomy seed
# The heart lies in front: the nearer the tube and the further the plate, the larger its shadow.
_HEART_MAGNIFICATION = {"PA": 1.0, "AP": 1.08, "AP supine": 1.12, "lateral": 1.0}


@dataclass(frozen=True)
class Body:
    """What stays the same on every film of a patient; lengths in mm, upright, breathed in."""

    half_width: float  # inner thorax, midline to chest wall
    height: float  # tip of the lung to costophrenic angle
    depth: float  # inner thorax, front to back
    wall: float  # soft tissue in front and behind, together
    apex: float  # distance of the lung's tip from the midline
    dome: float  # height of the right dome above the costophrenic angle
    dome_gap: float  # how much lower the left dome stands
    aorta: float  # radius of the arch
    breast: float  # thickness
    rib_pitch: float  # slope of a rib's plane, forward and down
    rib_width: float
    bone: float  # mineral, 1 = average
    scoliosis: float
    clavicle: float  # height of its lateral end above the medial end
    heart_tilt: float  # radians
    heart_left: float  # share of the heart's width left of the midline
    lung_density: float  # relative to water


@dataclass(frozen=True)
class Pose:
    """How the patient stands or lies for one film; lengths in mm, y down from the lung's tip."""

    base: float  # costophrenic angles
    dome: tuple[float, float]  # tops of the right and the left dome
    turn: float  # sine of the rotation about the long axis
    supine: float  # 0 upright PA, 0.5 sitting AP, 1 supine

    def shifted(self, depth: float) -> float:
        """Sideways shift of what lies `depth` mm in front of the spine when the patient turns."""
        return depth * self.turn


@dataclass(frozen=True)
class Heart:
    """An ellipse; lengths in mm."""

    centre: tuple[float, float]
    axes: tuple[float, float]
    tilt: float
    depth: float


def draw_body(patient: Patient) -> Body:
    """Sizes of a patient's body from sex, age, habitus and the anatomy seed."""
    rng = np.random.default_rng([patient.anatomy_seed, _BODY])
    z = rng.standard_normal(16).tolist()  # plain floats keep float32 pictures float32
    female = patient.sex == "F"
    size = (0.93 if female else 1.0) * math.exp(0.04 * z[0])
    fat = float(np.clip(patient.habitus, -2.5, 3.0))
    breast = 24 + 7 * fat + 6 * z[6] if female else 9 * (fat - 0.7) + 3 * z[6]
    return Body(
        half_width=143 * size * math.exp(0.03 * z[1]) + 2 * fat,
        height=258 * size * math.exp(0.035 * z[2]) - 3 * fat,
        depth=165 * size + 5 * fat + 6 * z[3],
        wall=max(52 + 17 * fat + 5 * z[4], 22.0),
        apex=47 * size,
        dome=46 + 5 * z[5],
        dome_gap=12 + 4 * z[7],
        aorta=float(np.clip(14 + 0.08 * (patient.age - 50) + 1.5 * z[8], 11, 22)),
        breast=float(np.clip(breast, 0, 75)),
        rib_pitch=0.58 + 0.05 * z[9],
        rib_width=10.3 * size + 0.6 * z[10],
        bone=float(np.clip(1.08 - 0.005 * (patient.age - 50) + 0.1 * z[11], 0.6, 1.4)),
        scoliosis=4 * z[12] + 0.03 * (patient.age - 50) * z[13],
        clavicle=22 + 7 * z[14],
        heart_tilt=math.radians(float(np.clip(38 - 3 * fat + 4 * z[15], 24, 50))),
        heart_left=0.66 + 0.02 * z[13],
        lung_density=0.25 + 0.012 * z[8],
    )


def pose_body(patient: Patient, body: Body) -> Pose:
    """Diaphragm and rotation for one film: lower lungs when upright and well inspired."""
    supine = {"PA": 0.0, "AP": 0.5, "AP supine": 1.0, "lateral": 0.0}[patient.view]
    lift = 22 * supine - 11 * float(np.clip(patient.inspiration, -2.5, 2.0))
    base = body.height - lift
    right = base - body.dome - 6 * supine
    return Pose(
        base=base,
        dome=(right, right + body.dome_gap),
        turn=math.sin(math.radians(float(np.clip(patient.rotation, -20, 20)))),
        supine=supine,
    )


def wall_profile(levels: FloatArray, body: Body, pose: Pose) -> FloatArray:
    """Half width (mm) of the inner thorax at heights `levels` (mm): a cone, then a barrel."""
    t = np.clip(levels / (0.82 * body.height), 0, 1)
    opening = (1 - (1 - t) ** 2.1) ** 0.6
    flare = 1 - 0.05 * np.clip(levels / pose.base - 0.8, 0, 1)
    return (body.apex + (body.half_width - body.apex) * opening) * flare


def place_heart(patient: Patient, body: Body, pose: Pose) -> Heart:
    """Place the heart: a tilted ellipse as wide as the cardiothoracic ratio asks.

    `patient.heart` is the ratio of the heart's width to the inner width of the thorax as a PA film
    shows it; AP films magnify the heart by about a tenth.
    """
    ratio = min(patient.heart * _HEART_MAGNIFICATION[patient.view], 0.72)
    width = ratio * 2 * body.half_width
    tilt = body.heart_tilt - 0.12 * pose.supine
    cos, sin = math.cos(tilt), math.sin(tilt)
    slim = 0.70
    long = width / 2 / math.hypot(cos, slim * sin)
    half_height = long * math.hypot(sin, slim * cos)
    left = body.heart_left * width + pose.shifted(45)
    centre = (left - width / 2, pose.dome[1] + 28 - half_height)
    return Heart(centre, (long, slim * long), tilt, 0.86 * width)
