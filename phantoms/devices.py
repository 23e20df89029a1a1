"""Tubes, lines and wires on a film, with their mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .body import Body, Pose
from .grid import FloatArray, Frame, smooth_line, tube
from .hardware import add_hardware
from .strokes import Drawer, Setting, Sheet, course, oriented

if TYPE_CHECKING:
    from .causes import Device, Patient

_DEVICES = 41
DEVICES: tuple[Device, ...] = ("endotracheal tube", "central line", "nasogastric tube", "ecg leads")


def add_devices(
    patient: Patient, body: Body, pose: Pose, frame: Frame, *, incidental_rate: float = 1.0
) -> tuple[FloatArray, np.ndarray]:
    """Draw a patient's devices, and by chance the hardware that many patients carry anyway.

    Parameters
    ----------
    incidental_rate : float
        Multiplies the chance of everything in :mod:`phantoms.hardware`; 0 for none.

    Returns
    -------
    attenuation : float32 (h, w)
        Added length, mm of water.
    mask : bool (h, w)
        Pixels that a device or other hardware covers.

    Raises
    ------
    ValueError
        If the patient carries a device that is not in `DEVICES`.
    """
    unknown = set(patient.devices) - set(DEVICES)
    if unknown:
        raise ValueError(f"devices must be among {DEVICES}, got {sorted(unknown)}")
    setting, sheet = Setting(patient, body, pose), Sheet(frame)
    add_hardware(sheet, setting, incidental_rate)
    drawers = _LATERAL if patient.view == "lateral" else _FRONTAL
    for number, name in enumerate(DEVICES):
        rng = np.random.default_rng([patient.film_seed, _DEVICES, number])
        if name in patient.devices:
            drawers[name](sheet, rng, setting)
            sheet.next_layer()
    return sheet.finish()


def _endotracheal_tube(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Through the trachea, its tip mostly 2–6 cm above the carina; sometimes a tracheostomy."""
    carina = 0.33 * s.body.height
    lean = 4.0 * s.body.aorta / 15  # the aortic arch pushes the trachea to the right
    tip = carina - float(np.clip(rng.normal(40, 13), 5, 70))
    shift = s.pose.shifted(25)
    if rng.random() < 0.12:
        _tracheostomy(sheet, shift, carina - 45)
        return
    start, turned = rng.normal(0, 12), rng.normal(0, 3)
    end = shift - lean * tip / carina
    points = [(start, -190), (0.6 * start, -120), (turned + shift, -55), (shift, 0), (end, tip)]
    _bevelled(sheet, smooth_line(points, 48), 4.7 if s.patient.sex == "F" else 5.2)


def _bevelled(sheet: Sheet, line: FloatArray, radius: float) -> None:
    """A tube with a slanted end, a side eye opposite the slant, and a radio-opaque stripe."""
    outline = tube(line, radius)
    one, other = outline[: len(line)], outline[: len(line) - 1 : -1]
    one = one[:-2]
    sheet.fill(np.concatenate([one, other[::-1]]), 6)
    sheet.line([one], 1.2, 12)
    sheet.line([other[:-4]], 1.2, 12)
    sheet.line([other[-3:]], 1.2, 12)
    sheet.line([line[:-1] + np.array([0.35 * radius, 0.0])], 1.4, 42)


def _tracheostomy(sheet: Sheet, middle: float, tip: float) -> None:
    top = tip - 75
    line = smooth_line([(middle, top), (middle - 1, top + 25), (middle - 2, tip)], 14)
    sheet.hose(line, 6.0, 1.4, 15)
    sheet.line([line[1:]], 1.3, 30)
    wing = [(middle - 36, top + 6), (middle, top), (middle + 36, top + 6)]
    sheet.line([smooth_line(wing, 12)], 3.0, 9)
    sheet.ring((middle, top), 8.0, 3.0, 24)


def _central_line(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """From the neck, below the clavicle or the arm into the superior vena cava."""
    tip = rng.uniform(0.35, 0.50) * s.body.height
    route = rng.choice(6, p=[0.46, 0.14, 0.12, 0.08, 0.12, 0.08])
    sway = rng.normal(0, 3)
    side = 1 if route in (1, 3, 5) else -1
    if route < 2:  # internal jugular vein
        points: list[tuple[float, float]]
        points = [(side * (50 + sway), -120), (side * 41, -65), (side * 33, -18), (side * 27, 22)]
    elif route < 4:  # subclavian vein: behind the middle of the clavicle
        points = [(side * 118, 66 + sway), (side * 94, 42), (side * 68, 28), (side * 40, 32)]
    else:  # from the arm by the axillary vein
        arm = s.body.shoulder
        points = [(side * (arm + 42), 250), (side * (arm + 10), 120), (side * (arm - 32), 58)]
        points += [(side * 96, 34), (side * 66, 27 + sway), (side * 40, 33)]
    line = smooth_line([*points, *s.to_cava(side, tip)], 64)
    if route == 0 and rng.random() < 0.22:
        _dialysis(sheet, line)
        return
    sheet.cable(line, 1.8 if route > 3 else 2.5, 30)
    if route < 4 and rng.random() < 0.6:
        _lumens(sheet, rng, np.array(points[0 if route > 1 else 1]), side)


def _dialysis(sheet: Sheet, line: FloatArray) -> None:
    """Two lumens side by side; the one that gives blood back ends 2–3 cm further on."""
    sheet.line([line[:-5]], 4.6, 12)
    edges = tube(line, 1.5)
    sheet.line([edges[: len(line) - 5]], 1.2, 30)
    sheet.line([edges[len(line) :]], 1.2, 30)


def _lumens(sheet: Sheet, rng: np.random.Generator, skin: FloatArray, side: int) -> None:
    """Hub and three lumens of a central line, lying on the skin, with their clamps."""
    hub = skin + np.array([side * 14, -4])
    sheet.line([np.stack([skin, hub])], 5.0, 14)
    for _ in range(3):
        end = hub + np.array([side * rng.uniform(40, 110), rng.uniform(-60, 50)])
        line = course(rng, hub, end, 0.12)
        sheet.line([line], 1.9, 11)
        sheet.line([line[30:36]], 5.0, 16)
        sheet.line([line[-5:]], 4.5, 22)


def _nasogastric_tube(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Down the oesophagus, behind the heart, through the hiatus into the stomach."""
    hiatus = s.pose.dome[1] + 18
    sway = rng.normal(0, 3, 4)
    back = s.pose.shifted(10)
    side = 0.42 * s.body.half_width
    points = [
        (3 * sway[0], -190),
        (4 + sway[1], -60),
        (3 + sway[2] + back, s.body.arch * s.body.height),  # right of the aortic arch
        (8 + sway[3] + back, 0.55 * s.body.height),
        (19 + back, hiatus),
        (31 + back, hiatus + 24),
        (0.80 * side + sway[0], hiatus + rng.uniform(42, 50)),
    ]
    if rng.random() < 0.6:
        points += [(side + sway[0], hiatus + 72), (0.84 * side, hiatus + 104 + 3 * sway[1])]
    if rng.random() < 0.2:  # a thin feeding tube with a weight, on its way to the duodenum
        points += [(8, hiatus + 142), (-32, hiatus + 132)]
        line = smooth_line(points, 90)
        sheet.line([line], 2.8, 26)
        sheet.line([line[-6:]], 4.0, 95)
        return
    line = smooth_line(points, 90)
    sheet.line([line], 4.2, 5)
    sheet.line([line[:-14]], 1.5, 32)
    sheet.line([line[-12:]], 1.5, 32)  # the gap marks the last side hole


def _ecg_leads(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    """Electrodes on shoulders and flanks; cables to one side, often across the chest."""
    kind = rng.choice(3, p=[0.45, 0.40, 0.15])  # snaps, spring clips, carbon (nearly lucent)
    width, core = rng.uniform(1.8, 3.4), rng.uniform(16, 34) * (0.45 if kind == 2 else 1.0)
    places = [(-0.80, 0.08), (0.80, 0.08), (0.78, 0.86), (-0.74, 0.88), (0.30, 0.62)]
    side = rng.choice([-1, 1])
    ends = [(1.9, rng.uniform(0.3, 1.2)), (rng.uniform(0, 1), 1.75), (rng.uniform(0.8, 1.6), -0.7)]
    yoke = s.at([ends[rng.choice(3, p=[0.5, 0.35, 0.15])]], side)[0]
    clip, lines = rng.uniform(0.65, 1.0), []
    for place in places[: rng.choice([3, 4, 5], p=[0.45, 0.2, 0.35])]:
        spot = s.at([place])[0] + rng.normal(0, (16, 14))
        curl = rng.uniform(18, 42) if rng.random() < 0.2 else 0.0
        line = course(rng, spot, yoke + rng.normal(0, 16, 2), rng.uniform(0.03, 0.16), curl)
        lines.append(line)
        if kind == 1:
            _spring_clip(sheet, spot, line[2] - spot, clip)
        else:
            _electrode(sheet, rng, spot, 6 if kind == 2 else 85)
    sheet.next_layer()
    sheet.cables(lines, width, core)
    sheet.next_layer()
    for _ in range(rng.choice(3, p=[0.5, 0.3, 0.2])):  # of the oximeter, of pressure lines …
        across = rng.choice([-1, 1])
        start = s.at([(1.7, rng.uniform(-0.3, 1.1))], across)[0]
        end = s.at([(rng.uniform(-1.8, 0.3), rng.uniform(0.6, 1.8))], across)[0]
        line = course(rng, start, end, 0.12, rng.uniform(20, 50) if rng.random() < 0.25 else 0.0)
        sheet.cable(line, rng.uniform(2, 4.5), rng.uniform(8, 26))


def _electrode(sheet: Sheet, rng: np.random.Generator, spot: FloatArray, snap: float) -> None:
    """A metal snap on a faint gel pad."""
    sheet.disc(spot + rng.normal(0, 1.5, 2), rng.uniform(13, 18), 2.0)
    sheet.disc(spot, 8.5, 7)
    sheet.disc(spot, 5.0, min(snap, 45))
    sheet.disc(spot, 2.4, snap)


def _spring_clip(sheet: Sheet, spot: FloatArray, heading: FloatArray, size: float) -> None:
    """Two metal jaws and a spring in a plastic grip that holds the electrode's stud."""
    grip = [(2, -3.5), (26, -2.2), (26, 2.2), (2, 3.5)]
    sheet.fill(oriented(size * np.array(grip), spot, heading), 6)
    jaw = size * np.array([(-9, 0.5), (-8, 2.6), (-3, 3.8), (4, 2.0), (12, 3.6), (17, 2.4)])
    for jaws in (jaw, jaw * (1, -1)):
        sheet.line([oriented(jaws, spot, heading)], 1.2, 80)
    sheet.line([oriented([(6, -4 * size), (6, 4 * size)], spot, heading)], 2.0, 80)


def _lateral_tube(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    tip = 0.33 * s.body.height - float(np.clip(rng.normal(40, 13), 5, 70))
    line = smooth_line([(-30, -130), (-6, -60), (4, -10), (4 + 0.06 * tip, tip)])
    _bevelled(sheet, line, 5.0)


def _lateral_line(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    points = [(-10, -90), (-14, -30), (-10, 30), (-6, rng.uniform(0.34, 0.46) * s.body.height)]
    sheet.cable(smooth_line(points), 2.5, 34)


def _lateral_gastric(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    base, sway = s.pose.base, rng.normal(0, 4)
    points = [(10, -130), (18, -10), (34 + sway, 100), (24, base - 25), (-20, base + 25)]
    line = smooth_line(points, 60)
    sheet.line([line], 4.6, 8)
    sheet.line([line], 1.5, 38)


def _lateral_leads(sheet: Sheet, rng: np.random.Generator, s: Setting) -> None:
    end = np.array([-0.6 * s.body.depth, 1.5 * s.body.height])
    lines = []
    for x, y in ((-0.5, 0.15), (-0.62, 0.55), (-0.5, 0.85)):
        spot = np.array([x * s.body.depth, y * s.body.height]) + rng.normal(0, 8, 2)
        _electrode(sheet, rng, spot, 85)
        lines.append(course(rng, spot, end, 0.1))
    sheet.next_layer()
    sheet.cables(lines, 2.4, 28)


_FRONTAL: dict[str, Drawer] = dict(
    zip(DEVICES, (_endotracheal_tube, _central_line, _nasogastric_tube, _ecg_leads), strict=True)
)
_LATERAL: dict[str, Drawer] = dict(
    zip(DEVICES, (_lateral_tube, _lateral_line, _lateral_gastric, _lateral_leads), strict=True)
)
