"""Hardware that some patients carry whatever their illness: pacemakers, wires, ports, hairpins.

It is drawn by chance and enters no cause of the causal model, so it says nothing about the outcome
beyond the age that goes with a pacemaker (and the tube that a chest drain goes with).
"""

from __future__ import annotations

import numpy as np

from .grid import FloatArray, smooth_line
from .strokes import Drawer, Setting, Sheet, oriented
from .worn import WORN_BY_ALL, WORN_BY_WOMEN

_IMPLANTS, _WORN, _DRAIN = 42, 43, 44  # streams of random numbers
# Share of all patients. A pacemaker becomes commoner with age: the share is that at 65 years.
PACEMAKER, STERNOTOMY, PORT, SPINE_FIXATION, SHOULDER_PROSTHESIS = 0.04, 0.03, 0.02, 0.004, 0.004
VALVE = 0.25  # of those whose breastbone has been opened
WORN = 0.15  # share of films with something on or beside the patient
CHEST_DRAIN = 0.06  # share of films of intubated patients


def add_hardware(sheet: Sheet, setting: Setting, rate: float = 1.0) -> None:
    """Draw implants (from the anatomy seed), a drain and worn things (from the film's seed).

    Parameters
    ----------
    rate : float
        Multiplies every chance; 0 for none.
    """
    patient = setting.patient
    lateral = patient.view == "lateral"
    chance = np.random.default_rng([patient.anatomy_seed, _IMPLANTS]).random(8)
    for number, (share, frontal, side_on) in enumerate(_implants(patient.age)):
        draw = side_on if lateral else frontal
        if draw is not None and chance[number] < share * rate:
            draw(sheet, np.random.default_rng([patient.anatomy_seed, _IMPLANTS, number]), setting)
            sheet.next_layer()
    if lateral:
        return
    rng = np.random.default_rng([patient.film_seed, _DRAIN])
    if rng.random() < CHEST_DRAIN * rate and "endotracheal tube" in patient.devices:
        _chest_drain(sheet, rng, setting)
        sheet.next_layer()
    rng = np.random.default_rng([patient.film_seed, _WORN])
    if rng.random() < WORN * rate:
        things = WORN_BY_WOMEN if patient.sex == "F" else WORN_BY_ALL
        things[rng.integers(len(things))](sheet, rng, setting)
        sheet.next_layer()


def _implants(age: float) -> list[tuple[float, Drawer | None, Drawer | None]]:
    """Share of patients, frontal drawing and lateral drawing of every kind of implant."""
    older = float(np.clip((age - 35) / 30, 0.1, 2))
    return [
        (PACEMAKER * older, _pacemaker, _lateral_pacemaker),
        (STERNOTOMY, _sternotomy, _lateral_sternotomy),
        (PORT, _port, None),
        (SPINE_FIXATION, _spine_fixation, None),
        (SHOULDER_PROSTHESIS, _shoulder_prosthesis, None),
    ]


def _pacemaker(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Generator below a clavicle, mostly the left; leads to the right atrium and ventricle."""
    side = -1 if rng.random() < 0.2 else 1
    defibrillator = rng.random() < 0.3
    centre = s.at([(rng.normal(0.78, 0.05), rng.normal(0.25, 0.025))], side)[0]
    heading = np.array([-side * 0.45, -1.0]) + rng.normal(0, 0.35, 2)
    _generator(sheet, centre, heading, 1.25 if defibrillator else 1.0)
    sheet.next_layer()
    header = oriented([(24, 0)], centre, heading)[0]
    loop = centre + 33 * np.array([(side, 0.25), (0.45 * side, 1.0), (-0.75 * side, 0.75)])
    vein = [(side * 92, 36), (side * 66, 26), (side * 40, 33)]
    height, apex = s.body.height, s.pose.dome[1] + s.body.apex_drop
    start = [header, *loop, *vein, *s.to_cava(side, 0.38 * height)]
    atrium = s.pose.shifted(50) - 0.72 * s.heart_right
    ventricle = smooth_line(
        [*start, (atrium, 0.56 * height), (-6, apex - 24), (0.62 * s.heart_left, apex - 14)], 72
    )
    sheet.line([ventricle], 1.8, 44)
    sheet.line([ventricle[-2:]], 3.0, 80)
    if defibrillator:  # the shock coil
        sheet.line([ventricle[-14:-3]], 3.4, 80)
    if rng.random() < 0.7:  # the atrial lead turns up into the appendage
        turn = [(atrium + 8, 0.60 * height), (0.3 * atrium + 4, 0.60 * height)]
        lead = smooth_line([*start, *turn, (0.1 * atrium + 6, 0.51 * height)], 72)
        sheet.line([lead + np.array([1.5, 2.0])], 1.6, 40)
        sheet.line([lead[-2:] + np.array([1.5, 2.0])], 3.0, 80)


def _generator(sheet: Sheet, centre: FloatArray, heading: FloatArray, size: float) -> None:
    """A titanium can with battery and circuits, and a plastic header for the leads' plugs."""
    angle = np.linspace(0, 2 * np.pi, 32)
    cos, sin = np.cos(angle), np.sin(angle)
    can = np.stack([19 * np.sign(cos) * np.abs(cos) ** 0.6, 23 * np.sign(sin) * np.abs(sin) ** 0.7])
    can = size * can.T - (4, 0)
    sheet.fill(oriented(can, centre, heading), 120)
    sheet.fill(oriented(0.82 * can * (0.55, 1) - (7, 0), centre, heading), 190)
    sheet.line([oriented(can, centre, heading)], 1.4, 170)
    header = size * np.array([(14, -17), (24, -13), (27, 0), (24, 13), (14, 17)])
    sheet.fill(oriented(header, centre, heading), 16)
    for across in (-6, 6):
        plug = size * np.array([(15, across), (24, across)])
        sheet.line([oriented(plug, centre, heading)], 3.0, 75)


def _sternotomy(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Steel loops that close the breastbone; clips of a bypass or the ring of a valve with them."""
    middle = s.pose.shifted(95) + rng.normal(0, 2)
    levels = np.linspace(0.19, 0.66, rng.integers(5, 8)) * s.body.height
    for level in levels:
        place = np.array([middle, level]) + rng.normal(0, 1.5, 2)
        half, tall, tilt = rng.uniform(7, 12), rng.uniform(2.5, 6.5), rng.normal(0, 2.5)
        wire = [(-half, -tilt), (-0.6 * half, -tall), (0.6 * half, -tall), (half, tilt)]
        wire += [(0.6 * half, tall), (0, 0.7 * tall), (-0.6 * half, tall), (-half, -tilt)]
        sheet.line([place + smooth_line(wire, 20)], 0.9, 70)
        twist = place + np.array([(0, 0.7 * tall), (rng.normal(0, 3), 0.7 * tall + 7)])
        sheet.line([twist], 1.6, 80)
    if rng.random() < VALVE:
        _valve(sheet, rng, s)
    elif rng.random() < 0.7:  # clips along the bypass from the left internal mammary artery
        y = np.sort(rng.uniform(0.28, 0.62, rng.integers(3, 8))) * s.body.height
        x = np.linspace(18, 0.6 * s.heart_left, len(y)) + rng.normal(0, 6, len(y))
        clips = np.stack([x, y], axis=1)[:, None] + np.array([(-1.0, -1.6), (1.0, 1.6)])
        sheet.line(clips, 1.3, 60)


def _valve(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """A prosthetic valve: the aortic ring lies above the mitral one and is seen more on edge."""
    apex = s.pose.dome[1] + s.body.apex_drop
    shift = s.pose.shifted(50)
    angle = np.linspace(0, 2 * np.pi, 28)
    aortic = rng.random() < 0.65
    radii, heading = ((12, 5), (1.0, 0.55)) if aortic else ((15, 9), (0.8, 1.0))
    place = (3 + shift, apex - 62) if aortic else (0.30 * s.heart_left + shift, apex - 46)
    ring = np.stack([radii[0] * np.cos(angle), radii[1] * np.sin(angle)], axis=1)
    ring = oriented(ring, np.array(place), np.array(heading))
    sheet.line([ring], 2.2, 120)


def _port(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """A chamber under the skin of the chest, its catheter through a vein to the upper cava."""
    side = 1 if rng.random() < 0.25 else -1
    chamber = s.at([(0.66, 0.27)], side)[0] + rng.normal(0, 6, 2)
    sheet.disc(chamber, 12.5, 22)
    sheet.ring(chamber, 11.5, 2.2, 48)
    sheet.disc(chamber, 6.0, 60)
    sheet.next_layer()
    points = [chamber, (side * 76, 34), (side * 54, -12), (side * 39, -8), (side * 29, 20)]
    tip = rng.uniform(0.36, 0.48) * s.body.height
    sheet.cable(smooth_line([*points, *s.to_cava(side, tip)], 60), 2.2, 26)


def _spine_fixation(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Two rods beside the spinous processes, held by screws through the pedicles."""
    top = rng.uniform(0.30, 0.70)
    levels = (top + 0.088 * np.arange(rng.integers(3, 6))) * s.body.height
    turn = s.pose.shifted(-20)
    bend = s.body.scoliosis * np.sin(levels / 75)
    for side in (-1, 1):
        rod = np.stack([turn + bend + side * 15, levels], axis=1)
        sheet.line([np.vstack([rod[0] - (0, 10), rod, rod[-1] + (0, 10)])], 5.5, 95)
        for head in rod:
            sheet.line([np.stack([head, head + np.array([-side * 11, -1])])], 5.0, 120)
            sheet.disc(head, 5.5, 190)


def _shoulder_prosthesis(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """A metal head on a stem in the marrow of the upper arm."""
    side = int(rng.choice([-1, 1]))
    head = np.array([s.body.shoulder + 14, 46 - s.body.shrug]) * (side, 1)
    slope = s.body.abduction(s.pose)
    sheet.disc(head, 23, 210)
    stem = head + np.array([(6, 8), (16, 22), (20 + 100 * slope, 125)]) * (side, 1)
    sheet.line([stem], 12.0, 190)


def _chest_drain(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Through the fifth or sixth space at the side, up to the apex or back to the base."""
    side = rng.choice([-1, 1])
    entry = [(1.7, 0.86), (1.2, 0.68), (1.0, 0.56)]
    apical = [(0.86, 0.38), (0.62, 0.20), (0.36, 0.09)]
    inside = apical if rng.random() < 0.7 else [(0.80, 0.60), (0.55, 0.76), (0.22, 0.80)]
    line = smooth_line(s.at([*entry, *inside], side), 56)
    sheet.hose(line, rng.uniform(3.6, 5.0), 1.2, 10)
    for part in (line[:38], line[40:]):  # the gap marks the side hole nearest the skin
        sheet.line([part], 1.6, 40)


def _lateral_pacemaker(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Seen from the side the can lies flat below the skin of the front."""
    centre = np.array([-0.42 * s.body.depth, 0.2 * s.body.height])
    sheet.line([centre + np.array([(2, -20), (-3, 20)])], 9.0, 220)
    apex = (-0.42 * s.body.depth, s.pose.dome[0] - 12)
    height = s.body.height
    way = [(-20, 0.04 * height), (-2, 0.12 * height), (0, 0.45 * height), (-12, 0.62 * height)]
    lead = smooth_line([centre, *way, apex], 60)
    sheet.line([lead], 2.2, 60)
    sheet.line([lead[-2:]], 3.0, 80)


def _lateral_sternotomy(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    share = np.linspace(0.2, 0.66, rng.integers(5, 8))
    opening = np.sqrt(1 - (1 - np.minimum(share / 0.55, 1)) ** 2)
    x = -0.5 * s.body.depth * (0.18 + 0.9 * opening) + 14 * share - 4
    for place in np.stack([x, share * s.body.height], axis=1):
        sheet.line([place + np.array([(-5, -3), (5, -2), (5, 3), (-5, 3), (-5, -3)])], 1.3, 80)
