"""The skeleton on a frontal film: ribs here, spine and shoulders beside it, mm of water.

A rib leaves the spine at its vertebra, rises a little over the transverse process, runs outwards
and ever more steeply down to the side of the chest, turns there and comes down and inwards in
front, where its bone ends in cartilage well short of the breastbone.
"""

from __future__ import annotations

import numpy as np

from .body import Body, Pose, wall_profile
from .grid import FloatArray, Frame
from .shoulders import shoulder_girdles, shoulders
from .spine import breastbone, fill_each, individual, kyphosis, spine, spine_bend, thoracic_levels

_RIBS, _CARTILAGE, _MOTTLE = 71, 73, 74  # streams drawn from the body's proportions
_NUMBER = np.arange(12)
_POINTS = 20  # of a rib's back and of its front half
# Front-to-back extent of a rib, relative to the deepest one.
_DEPTH = np.array([0.36, 0.56, 0.73, 0.86, 0.94, 0.99, 1.0, 1.0, 0.98, 0.94, 0.90, 0.86])
# Slope of a rib's plane relative to that of the eighth to tenth.
_PITCH = np.array([1.10, 0.94, 0.86, 0.83, 0.83, 0.86, 0.91, 0.96, 1.0, 1.0, 1.0, 1.0])
# Where the bone ends in front, relative to the half width of the chest: ribs 1 to 10.
_JUNCTION = np.array([0.24, 0.33, 0.38, 0.42, 0.46, 0.53, 0.62, 0.73, 0.84, 0.93])
_WIDTH = np.array([1.25, 0.98, 1.0, 1.02, 1.04, 1.05, 1.05, 1.03, 1.0, 0.95, 0.85, 0.7])
_BACK_STRENGTH = np.array([1.0, 1, 1, 1, 1, 1, 1, 0.95, 0.87, 0.74, 0.54, 0.42])
_BACK, _FRONT, _TURN = 10.0, 6.2, 8.5  # mm of water at the strongest grey value (255)
_MIDDLE, _UPPER, _LOWER = 122, 200, 225  # grey values of a rib's band and of its edges
_SQUARE = 0.74  # below 1 the sides of the chest are flatter than an ellipse's
_SOFTNESS = 0.7  # mm


def frontal_bones(body: Body, pose: Pose, frame: Frame) -> FloatArray:
    """All bones of a frontal film (h, w), mm of water."""
    girdles = shoulder_girdles(body, pose)
    total = _ribs(body, pose, frame)
    total += spine(body, pose, frame)
    total += breastbone(girdles[0].sternal[1], body, pose, frame)
    total += shoulders(girdles, body, frame)
    total *= 1 + 0.09 * frame.noise(individual(body, _MOTTLE), 4.5)  # trabeculae
    return frame.blur(body.bone * total, _SOFTNESS)


def rib_lines(posterior: bool, body: Body, pose: Pose) -> FloatArray:
    """Projected centre lines (ribs, 2, n, 2) of the back or front halves of all ribs, mm.

    The first axis counts the ribs (12 at the back, 10 in front), the second the sides, the
    patient's right first. A rib follows half an oval in a plane that slopes forward and down.
    """
    middles, heights = thoracic_levels(body)
    pitch, offsets = _slopes(body, pose)
    start = (middles - 0.3 * heights)[:, None, None] + offsets
    deep = (body.depth + 12) * _DEPTH[:, None, None]
    side_y = (start + 0.55 * pitch * deep).reshape(-1)
    across = wall_profile(side_y, body, pose).reshape(12, 2, 1) + 2.5
    across *= 1 - 0.21 * (_NUMBER == 0)[:, None, None]  # the first rib lies within the second
    angle = _angles(posterior, body, across)
    start, pitch, deep, across = (v[: len(angle)] for v in (start, pitch, deep, across))
    out = across * np.sin(angle) ** _SQUARE
    front = 0.5 * deep * (1 - np.cos(angle))
    # A rib falls with its way forward and, at the back, with its way outwards, where it hangs from
    # the spine like the handle of a bucket; in front it falls steeply towards the breastbone.
    hanging = np.where(angle < np.pi / 2, np.minimum(out / across, 1) ** 1.6, 1)
    beyond = np.maximum(angle - np.pi / 2, 0)
    fall = 0.6 * front + 0.3 * deep * hanging
    fall += 0.4 * across * (1 - np.cos(beyond)) / pitch * body.rib_pitch
    neck = 11 * (1 - np.exp(-(((out - 16) / 15) ** 2)))
    level = start + pitch * (fall - neck)
    bend = spine_bend(middles[: len(angle)], body)[:, None, None]
    x = np.array([-1, 1])[:, None] * out + bend * (1 - np.sin(angle)) * (angle < np.pi / 2)
    x = x + pose.turn * np.maximum(front - 0.5 * deep, 0)
    return np.stack([x, level], axis=-1)


def _slopes(body: Body, pose: Pose) -> tuple[FloatArray, FloatArray]:
    """Slopes of the ribs' planes, and how far (mm) each rib strays: two arrays (12, 2, 1)."""
    rng = individual(body, _RIBS)
    slope = 0.075 * rng.standard_normal()
    asymmetry = 0.02 * rng.standard_normal() * np.array([-1, 1])[:, None]
    offsets = 0.7 * rng.standard_normal((12, 2, 1))
    lordosis = 0.04 * rng.standard_normal()
    # Lying down the chest leans back against the beam, which flattens the ribs on the film.
    pitch = 1.25 * body.rib_pitch + slope + asymmetry - (0.08 + lordosis) * pose.supine
    round_back = 0.97 + 0.25 * kyphosis(body)
    return np.maximum(pitch, 0.25) * round_back * _PITCH[:, None, None], offsets


def _angles(posterior: bool, body: Body, across: FloatArray) -> FloatArray:
    """Way around the chest (ribs, 2, n), radians: 0 at the spine, half pi at the side."""
    if posterior:
        first = np.arcsin(np.minimum(16 / across, 1) ** (1 / _SQUARE))
        last = np.full_like(first, np.pi / 2 + 0.06)
        last[10], last[11] = 1.32, 0.86  # the eleventh and the twelfth float
    else:
        end = _JUNCTION[:, None, None] * body.half_width / across[:10]
        last = np.pi - np.arcsin(np.minimum(end, 0.995))
        first = np.full_like(last, np.pi / 2 - 0.06)
    return first + (last - first) * np.linspace(0, 1, _POINTS) ** (1.2 if posterior else 1)


def _ribs(body: Body, pose: Pose, frame: Frame) -> FloatArray:
    """Back and front halves of the ribs, and the bright turn at the side (h, w), mm of water.

    Neighbours overlap on the film, so odd and even ribs are drawn on canvases of their own.
    """
    rng = individual(body, _RIBS + 100)
    along = np.linspace(0, 1, _POINTS)
    back, front = rib_lines(True, body, pose), rib_lines(False, body, pose)
    half = 0.5 * body.rib_width * (_WIDTH[:, None] + 0.05 * rng.standard_normal((12, 1)))
    wave = 1 + 0.05 * np.sin(7 * along + rng.uniform(0, 6, (12, 1)))
    back_half = half * wave * np.interp(along, [0, 0.12, 0.3, 0.6, 1], [0.66, 0.72, 1.05, 1.08, 1])
    front_half = (half * wave * np.interp(along, [0, 0.6, 1], [1.0, 1.08, 1.3]))[:10]
    total = np.zeros(frame.shape, dtype=np.float32)
    for parity in (0, 1):
        ribs = slice(parity, None, 2)
        canvas = frame.blank()
        _back_halves(frame, canvas, back[ribs], back_half[ribs], _BACK_STRENGTH[ribs])
        total += np.float32(_BACK / 255) * canvas
        canvas = frame.blank()
        _front_halves(frame, canvas, front[ribs], front_half[ribs])
        _calcified_cartilage(frame, canvas, front[ribs], body)
        total += np.float32(_FRONT / 255) * canvas
        canvas = frame.blank()
        _turns(frame, canvas, back[ribs][:5], front[ribs])
        total += np.float32(_TURN / 255) * canvas
    return total


def _edges(lines: FloatArray, half: FloatArray, posterior: bool) -> tuple[FloatArray, FloatArray]:
    """Upper and lower borders of ribs: two arrays like `lines` (ribs, 2, n, 2)."""
    step = np.gradient(lines, axis=2)
    normal = np.stack([-step[..., 1], step[..., 0]], axis=-1)
    normal /= np.hypot(normal[..., :1], normal[..., 1:]) + 1e-9
    down = np.array([-1, 1])[:, None, None] * (1 if posterior else -1)
    offset = down * normal * half[:, None, :, None]
    return lines - offset, lines + offset


def _fill(frame: Frame, canvas, upper: FloatArray, lower: FloatArray, grey: FloatArray) -> None:
    """Fill between the borders (ribs, 2, n, 2), a grey value a rib."""
    outlines = np.concatenate([upper, lower[:, :, ::-1]], axis=2)
    fill_each(frame, canvas, outlines.reshape(-1, *outlines.shape[2:]), np.repeat(grey, 2))


def _back_halves(frame: Frame, canvas, lines, half, strength) -> None:
    upper, lower = _edges(lines, half, True)
    groove = 0.35 * lines + 0.65 * lower  # thin bone above the lower border
    _fill(frame, canvas, upper, lower, _MIDDLE * strength)
    inner = slice(1, None)
    frame.stroke(canvas, groove[:5, :, 6:-2].reshape(-1, _POINTS - 8, 2), 1.6, 0.86 * _MIDDLE)
    count = _POINTS - 1
    frame.stroke(canvas, upper[:5, :, inner].reshape(-1, count, 2), 1.3, _UPPER)
    frame.stroke(canvas, lower[:5, :, inner].reshape(-1, count, 2), 1.6, _LOWER)


def _front_halves(frame: Frame, canvas, lines, half) -> None:
    """Bone fades into cartilage over the last centimetres."""
    upper, lower = _edges(lines, half, False)
    for cut, share in ((0, 0.5), (2, 1.0)):
        keep = slice(0, _POINTS - cut)
        grey = np.full(len(lines), share * _MIDDLE)
        _fill(frame, canvas, upper[:, :, keep], lower[:, :, keep], grey)
    shaft = slice(0, _POINTS - 4)
    frame.stroke(canvas, upper[:, :, shaft].reshape(-1, _POINTS - 4, 2), 1.3, 0.80 * _UPPER)
    frame.stroke(canvas, lower[:, :, shaft].reshape(-1, _POINTS - 4, 2), 1.4, 0.80 * _UPPER)


def _calcified_cartilage(frame: Frame, canvas, lines: FloatArray, body: Body) -> None:
    """Flecks of lime in the cartilages, the commoner the older (poorer in mineral) the patient."""
    rng = individual(body, _CARTILAGE)
    amount = float(np.clip(1.6 * (1.05 - body.bone) + 0.25 * rng.standard_normal(), 0, 0.7))
    if amount < 0.08:
        return
    end = lines[:, :, -1, None, :]
    heading = end - lines[:, :, -4, None, :]
    heading /= np.hypot(heading[..., :1], heading[..., 1:])
    way = rng.uniform(0, 30, (*lines.shape[:2], 12, 1))
    turn_up = np.array([0, -0.012]) * way**2  # cartilages curve up towards the breastbone
    flecks = end + way * heading + turn_up + rng.normal(0, 2.6, (*way.shape[:3], 2))
    flecks = flecks[rng.random(way.shape[:3]) < amount]
    ends = flecks + rng.normal(0, 2.0, flecks.shape)
    if len(flecks):
        frame.stroke(canvas, np.stack([flecks, ends], axis=1), 2.0, 190)


def _turns(frame: Frame, canvas, back: FloatArray, front: FloatArray) -> None:
    """At the side the ray runs along the rib: its inner and outer cortex shine."""
    for share, width, value in ((0.5, 8.0, 70), (0.66, 5.5, 125), (0.78, 3.0, 180)):
        first = int(share * _POINTS)
        last = round(0.75 * (_POINTS - first))
        turn = np.concatenate([back[:, :, first:], front[:, :, 1:last]], axis=2)
        frame.stroke(canvas, turn.reshape(-1, turn.shape[2], 2), width, value)
