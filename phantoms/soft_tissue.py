"""Trunk, shoulders, neck, arms and breasts on a frontal film, in mm of water."""

from __future__ import annotations

import numpy as np

from .body import Body, Pose
from .grid import FloatArray, Profile


def ellipse(
    x: FloatArray, y: FloatArray, centre: tuple[float, float], axes: tuple[float, float], tilt=0.0
) -> FloatArray:
    """Thickness (h, w) of an ellipsoid with unit depth: 1 in the middle, 0 outside."""
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    u = (cos * dx + sin * dy) / np.float32(axes[0])
    v = (cos * dy - sin * dx) / np.float32(axes[1])
    return np.sqrt(np.maximum(1 - u * u - v * v, 0))


def soft_tissue(
    x: FloatArray, y: FloatArray, wall: FloatArray, profile: Profile, body: Body, pose: Pose
) -> FloatArray:
    """Everything but lungs and bones as one solid of water (h, w), mm.

    Parameters
    ----------
    wall : float32 (h, w)
        Half width of the inner thorax at the height of every pixel, mm.
    """
    r = np.abs(x)
    trunk = np.maximum(_trunk(r, wall, profile, body), _girdle(r, profile, body))
    body_and_arms = np.maximum(trunk, _arms(r, y, profile, body, pose))
    sink = np.clip((y - _shoulder_line(r, body, pose)) / 38, 0, 1).astype(np.float32)
    outside = body_and_arms * np.sqrt(sink * (2 - sink))
    return np.maximum(outside, _neck(x, profile, body, pose)) + _breasts(x, y, body, pose)


def _trunk(r: FloatArray, wall: FloatArray, profile: Profile, body: Body) -> FloatArray:
    """The cross-section of the chest is a rounded rectangle, flatter at the top."""
    t = np.clip(profile.levels / (0.5 * body.height), 0, 1)
    thick = (body.depth + body.wall) * (0.66 + 0.34 * t * (2 - t))
    side = 34 + 9 * max(body.fat, -1.3)
    muscle = 22 * np.clip(1 - profile.levels / (0.9 * body.height), 0, 1)  # latissimus, serratus
    q = np.minimum(r / (wall + profile.spread(side + muscle)), 1)
    q2 = q * q
    return profile.spread(thick) * np.sqrt(1 - q2 * q2 * q2)


def _girdle(r: FloatArray, profile: Profile, body: Body) -> FloatArray:
    """Shoulder: pectoral muscle in front and the muscles of the blade behind, around the joint."""
    sinking = np.maximum(profile.levels - 45, 0)  # from the shoulder in to the axillary fold
    reach = body.shoulder + 36 + 5 * body.fat - 0.55 * sinking
    q = np.minimum(r / profile.spread(np.maximum(reach, 90)), 1)
    q2 = q * q
    lower = np.clip((0.74 * body.height - profile.levels) / (0.5 * body.height), 0, 1)
    thick = (138 + 15 * body.fat) * lower * (2 - lower)
    return profile.spread(thick) * np.sqrt(1 - q2 * q2 * q2)


def _arms(r: FloatArray, y: FloatArray, profile: Profile, body: Body, pose: Pose) -> FloatArray:
    """Upper arms, beside the trunk on bedside films, held away from it on PA films."""
    axis = body.shoulder + body.abduction(pose) * np.maximum(profile.levels - 20, 0)
    half = np.float32(48 + 5 * body.fat)
    q = np.minimum(np.abs(r - profile.spread(axis)) / half, 1)
    return 2.6 * half * np.sqrt(1 - q * q) * np.clip((y - 5) / 30, 0, 1)


def _shoulder_line(r: FloatArray, body: Body, pose: Pose) -> FloatArray:
    """Height (y, mm) of the skin: neck, trapezius, top of the shoulder, side of the arm."""
    edge = body.shoulder
    lift = 10 * pose.supine + body.shrug
    along = [0, 46, 58, 0.62 * edge, 0.9 * edge, edge + 14, edge + 38, edge + 52]
    above = [-130, -98, -76, -47 - 0.7 * lift, -33 - lift, -20 - lift, 22 - lift, 80]
    return np.interp(r, along, above).astype(np.float32)


def _neck(x: FloatArray, profile: Profile, body: Body, pose: Pose) -> FloatArray:
    half = 56 + 5 * body.fat + np.clip(-40 - profile.levels, 0, 60) * 0.15
    fade = np.clip((55 - profile.levels) / 70, 0, 1)
    q = np.minimum(np.abs(x - np.float32(pose.shifted(20))) / profile.spread(half), 1)
    return profile.spread((112 + 8 * body.fat) * fade) * np.sqrt(1 - q * q)


def _breasts(x: FloatArray, y: FloatArray, body: Body, pose: Pose) -> FloatArray:
    """Breasts: hanging half ellipsoids with a crescent lower edge, spread when lying."""
    if body.breast <= 4:
        return np.zeros_like(x)
    r = np.abs(x)
    spread = 80 + 20 * pose.supine + 0.15 * body.breast
    uneven = np.where(x < 0, np.float32(body.breast_drop), np.float32(-body.breast_drop))
    centre = (0.58 + 0.05 * (1 - pose.supine)) * body.height + 0.5 * body.breast
    height = y - uneven
    width, lower = 48 + 0.5 * body.breast, 26 + 0.6 * body.breast
    rise = np.maximum(centre - height, 0) / (2.4 * lower)  # thins towards the collar bone
    upper = ellipse(r, np.minimum(height, centre), (spread, centre), (width, 2.4 * lower))
    under = ellipse(r, np.maximum(height, centre), (spread, centre), (width, lower))
    flat = 1 - 0.45 * pose.supine
    return flat * body.breast * np.where(rise > 0, upper * (1 - 0.8 * rise), under)
