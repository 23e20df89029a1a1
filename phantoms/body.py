"""The patient's body and how it is posed for one film; lengths in mm.

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
HEART_MAGNIFICATION = {"PA": 1.0, "AP": 1.08, "AP supine": 1.12, "lateral": 1.0}


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
    heart_left: float  # share of the heart's width left of the midline
    apex_drop: float  # how far the heart's apex lies below the top of the left dome
    waist: float  # width of the heart at the pulmonary trunk over its width at the apex, left
    arch: float  # height of the aortic arch, share of the lungs' height below their tips
    trachea: float  # radius
    shoulder: float  # joint's distance from the midline
    shrug: float  # how much higher than average the shoulders are
    breast_drop: float  # how much lower the right breast hangs than the left, half of it
    fat: float  # standard deviations from the average build
    stoop: float  # kyphosis, 0 = straight
    lung_density: float  # relative to water

    def abduction(self, pose: Pose) -> float:
        """Slope of the upper arm: mm sideways for a mm down."""
        return 0.34 - 0.27 * min(2 * pose.supine, 1.0) + 0.01 * self.shrug


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


def draw_body(patient: Patient) -> Body:
    """Sizes of a patient's body from sex, age, habitus and the anatomy seed."""
    rng = np.random.default_rng([patient.anatomy_seed, _BODY])
    z = rng.standard_normal(24).tolist()  # plain floats keep float32 pictures float32
    female = patient.sex == "F"
    size = (0.93 if female else 1.0) * math.exp(0.04 * z[0])
    fat = float(np.clip(patient.habitus, -2.5, 3.0))
    old = patient.age - 50
    stoop = max(0.012 * old + 0.25 * z[16], 0.0)  # kyphosis: a short, deep thorax
    breast = 24 + 8 * fat + 7 * z[6] if female else 9 * (fat - 0.7) + 3 * z[6]
    half_width = 139 * size * math.exp(0.03 * z[1]) + 2 * fat
    return Body(
        half_width=half_width,
        height=266 * size * math.exp(0.04 * z[2]) * (1 - 0.05 * stoop) - 4 * fat,
        depth=162 * size + 5 * fat + 6 * z[3] + 8 * stoop,
        wall=max(52 + 17 * fat + 5 * z[4], 22.0),
        apex=46 * size,
        dome=44 + 6 * z[5],
        dome_gap=12 + 5 * z[7],
        aorta=float(np.clip(14 + 0.08 * old + 1.5 * z[8], 11, 23)),
        breast=float(np.clip(breast, 0, 75)),
        rib_pitch=0.58 + 0.06 * z[9],
        rib_width=10.3 * size + 0.6 * z[10],
        bone=float(np.clip(1.08 - 0.005 * old + 0.1 * z[11], 0.6, 1.4)),
        scoliosis=4 * z[12] + 0.03 * old * z[13],
        clavicle=22 + 7 * z[14],
        heart_left=0.67 + 0.025 * z[13],
        apex_drop=float(np.clip(4 + 7 * z[15], -10, 16)),
        waist=float(np.clip(0.44 + 0.05 * z[17], 0.32, 0.58)),
        arch=0.225 + 0.012 * z[18] - 0.0006 * old,
        trachea=(7.6 if female else 9.0) + 0.6 * z[19],
        shoulder=half_width + 30 + 5 * z[20],
        shrug=7 * z[21],
        breast_drop=4 * z[22],
        fat=fat,
        stoop=stoop,
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
    t = np.clip(levels / (0.86 * body.height), 0, 1)
    opening = (1 - (1 - t) ** 2.2) ** 0.53
    flare = 1 - 0.06 * np.clip(levels / pose.base - 0.85, 0, 1)
    return (body.apex + (body.half_width - body.apex) * opening) * flare


def heart_width(patient: Patient, body: Body) -> float:
    """Width of the heart's shadow, mm.

    `patient.heart` is the ratio of the heart's width to the inner width of the thorax as a PA film
    shows it; AP films magnify the heart by about a tenth.
    """
    ratio = min(patient.heart * HEART_MAGNIFICATION[patient.view], 0.74)
    return ratio * 2 * body.half_width
