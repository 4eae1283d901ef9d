"""Findings inside the lung. Each painter changes the chest's maps and returns the finding's mask (bool).

A painter draws the same random numbers at every severity, so that a lesion grows in place. `chest.extra` is soft tissue
added, in cm: 0.3 cm is at the edge of what a reader sees among ribs, 2 cm is plain.
"""

import math

import cv2
import numpy as np

from util.phantom.acquisition import curve
from util.phantom.painting import painter
from util.phantom.projection import bell, root, sigmoid

COLLAPSE_SHARE = 0.4  # of atelectases are lobar collapse, the others plates


def is_collapse(lesion):
    """Whether an atelectasis is a lobar collapse (True) or plate-like (False)."""
    return lesion.kind < COLLAPSE_SHARE


def place(chest, rng, low, high, lateral=(0.1, 0.9), side=0):
    """A point (x, y) in aerated lung: height between fractions low..high of apex to dome, lateral from mediastinum to wall."""
    side = side or (1 if rng.random() < 0.5 else -1)
    body = chest.anatomy
    y = rng.uniform(low, high) * chest.dome_of(side)
    heart = body.heart_ratio * 2 * body.half_width * (0.655 if side > 0 else 0.345)
    inner = max(3.2, (0.9 if y > 0.5 * body.height else 0.5) * heart)
    outer = float(body.border(y)) * 0.92
    return side * (inner + rng.uniform(*lateral) * max(outer - inner, 0.3)), y


@painter("Emphysema", 0)
def emphysema(chest, lesion):
    """Less dense lung throughout (made by the shape) and thin-walled bullae in the upper half."""
    s, rng = lesion.severity, lesion.rng
    for _ in range(round(4 * lesion.extent * s)):
        x, y = place(chest, rng, 0.08, 0.5)
        size = rng.uniform(0.8, 2.4)
        w = chest.camera.window(x, y, 1.3 * size)
        d = np.hypot(chest.x[w] - x, chest.y[w] - y) * (1 / size)
        hollow = sigmoid(1 - d, 0.06)
        chest.density[w] *= 1 - np.float32(0.45 * s) * hollow
        chest.extra[w] += 0.10 * bell((d - 1) * size, 0.09) * chest.lungness[w]
        chest.seen[w] *= 1 - 0.8 * hollow
    return chest.in_lung.copy()


@painter("Edema", 1)
def edema(chest, lesion):
    """Haze round the hila, denser lung, short septal lines at the bases (Kerley B)."""
    s, rng, camera = lesion.severity, lesion.rng, chest.camera
    haze = 0
    for x, y in chest.hila:
        d = np.square((chest.x - x * 1.35) / (3.4 + 1.2 * s)) + np.square((chest.y - y - 1.5) / (5.0 + 1.5 * s))
        haze = haze + np.exp(-0.8 * d) * rng.uniform(0.8, 1.15)
    haze = np.clip(haze * (1 + 0.28 * camera.texture(rng, (1.2, 2.6), (0.6, 0.8))), 0, 2) * chest.lungness
    amount = haze * np.minimum(chest.lung0, 13)
    chest.extra += np.float32(0.04 + 0.42 * s) * amount
    chest.density *= np.float32(1 + 0.35 * s)
    lines = camera.canvas()
    for i in range(24):
        side, y = ((1 if rng.random() < 0.5 else -1), rng.uniform(0.62, 0.97) * chest.dome)
        start, length, tilt = (
            side * (float(chest.anatomy.border(y)) - 0.25),
            rng.uniform(0.8, 2.0),
            rng.normal() * 0.15,
        )
        if i < 2 + 22 * s:
            camera.draw(lines, np.array([[start, y], [start - side * length, y + tilt]]), 0.1)
    chest.extra += camera.soften(lines, 0.05) * np.float32(0.10 + 0.30 * s) * chest.lungness
    return amount > 3.6


@painter("Infiltration", 2)
def infiltration(chest, lesion):
    """Two to five ill-defined, mottled patches, mostly on one side."""
    s, rng, camera = lesion.severity, lesion.rng, chest.camera
    patches = np.zeros_like(chest.x)
    for _ in range(2 + int(4 * lesion.extent)):
        x, y = place(chest, rng, 0.35, 0.95, (0.05, 0.85), lesion.side if rng.random() < 0.7 else -lesion.side)
        wide, high, strength = (rng.uniform(1.2, 2.8), rng.uniform(1.2, 2.8), rng.uniform(0.75, 1))
        w = camera.window(x, y, 3 * max(wide, high))
        patches[w] += strength * np.exp(-np.square((chest.x[w] - x) / wide) - np.square((chest.y[w] - y) / high))
    patches = np.clip(patches, 0, 1.2) * chest.lungness
    mottle = np.clip(1 + 0.9 * camera.texture(rng, (0.6, 1.3, 2.8), (0.45, 0.5, 0.5)), 0, 3)
    chest.extra += patches * mottle * np.float32(0.6 + 4.6 * s)
    return patches > 0.35


def _airspace(chest, rng, x, y, radii, fill, bronchogram, limit=None):
    """An irregular patch whose air is replaced over `fill` (0..1) of the path: (window, cm added, membership 0..1).

    Air bronchograms are branches of air left open, drawn from the hilum through the patch.
    """
    camera = chest.camera
    w = camera.window(x, y, 2.5 * max(radii))
    ragged = camera.texture(rng, (1.1, 2.3), (0.25, 0.35))[w]
    away = np.sqrt(np.square((chest.x[w] - x) / radii[0]) + np.square((chest.y[w] - y) / radii[1]))
    inside = sigmoid(1 - away - 0.55 * ragged, 0.13) * chest.lungness[w] * (chest.x[w] * x > 0)
    if limit is not None:
        inside *= limit(chest.y[w])
    added = inside * np.clip(chest.lung0[w] * 0.9, 0, 11) * fill * (1 + 0.12 * ragged)
    branches = camera.canvas()
    hx, hy = chest.hila[0 if x < 0 else 1]
    start, aim = np.array([hx + (x - hx) * 0.2, hy + (y - hy) * 0.2]), np.array([x, y])
    for _ in range(5):
        end = aim + rng.normal(size=2) * np.array(radii) * 0.6
        camera.draw(branches, curve([start, (start + end) / 2 + rng.normal(size=2) * 0.5, end], 12), 0.25)
    if bronchogram:
        added -= camera.soften(branches, 0.07)[w] * inside * (0.55 * min(1, fill * 2))
    return w, np.clip(added, 0, np.inf), inside


@painter("Consolidation", 3)
def consolidation(chest, lesion):
    """One lobe's dense, fairly uniform opacity that hides vessels, with air bronchograms."""
    s, rng, body = lesion.severity, lesion.rng, chest.anatomy
    lobe = ("RUL", "RML", "RLL", "LUL", "LLL")[int(lesion.kind * 5)]
    fissure = body.height * 0.47
    level = {"RUL": 0.26, "RML": 0.60, "RLL": 0.74, "LUL": 0.30, "LLL": 0.74}[lobe] * body.height * 0.95
    x, y = (
        (-1 if lobe[0] == "R" else 1) * body.half_width * 0.58 + rng.normal() * 0.6,
        level + rng.normal() * 0.8,
    )
    limit = None
    if lobe == "RUL":  # the minor fissure bounds it sharply
        limit, y = lambda level: sigmoid(fissure - level, 0.15), fissure - 2.6
    elif lobe == "RML":
        limit = lambda level: sigmoid(level - fissure, 0.15)  # noqa: E731
    radii = [1.9 + 3.9 * s, 1.9 + 3.4 * s]
    w, added, inside = _airspace(chest, rng, x, y, radii, 0.25 + 0.65 * s, True, limit)
    chest.extra[w] += added
    chest.lung[w] -= 0.9 * added
    chest.seen[w] *= 1 - 0.8 * inside
    mask = np.zeros(chest.x.shape, bool)
    mask[w] = (inside > 0.4) & chest.in_lung[w]
    return mask


@painter("Pneumonia", 4)
def pneumonia(chest, lesion):
    """One or two mottled patches in the mid and lower lung, less dense than a consolidation."""
    s, rng, camera = lesion.severity, lesion.rng, chest.camera
    mask = np.zeros(chest.x.shape, bool)
    for _ in range(2 if lesion.extent < 0.35 else 1):
        x, y = place(chest, rng, 0.45, 0.93, (0.1, 0.75))
        radii = (rng.uniform(1.6, 3.0, 2) * (0.75 + 0.6 * s)).tolist()
        w, added, inside = _airspace(chest, rng, x, y, radii, 0.20 + 0.68 * s, rng.random() < 0.4)
        mottle = np.clip(1 + 0.5 * camera.texture(rng, (0.7, 1.5), (0.5, 0.6))[w], 0.2, 2)
        chest.extra[w] += added * mottle
        chest.seen[w] *= 1 - 0.4 * inside
        mask[w] |= (inside > 0.4) & chest.in_lung[w]
    return mask


@painter("Atelectasis", 5)
def atelectasis(chest, lesion):
    """Plates above the diaphragm, or a lower-lobe collapse: a wedge behind the heart against the spine."""
    return _collapse(chest, lesion) if is_collapse(lesion) else _plates(chest, lesion)


def _collapse(chest, lesion):
    s, side = lesion.severity, lesion.side
    top = chest.dome_of(side) - 8.5
    reach = np.clip((chest.y - top) / 8.5, 0, 1.2) * np.float32(3.2 + 3.2 * s)  # the wedge widens downward
    inside = (
        sigmoid(reach - (chest.x * side - 1.2), 0.22) * sigmoid(chest.y - top, 0.8) * np.clip(chest.lung0 / 3, 0, 1)
    )
    inside = inside * (chest.x * side > 0)
    chest.extra += inside * np.float32(0.8 + 6.0 * s) * np.clip(chest.lung0 / 5, 0.25, 1)
    chest.seen *= 1 - 0.6 * inside
    return (inside > 0.4) & (chest.lung0 > 0.5)


def _plates(chest, lesion):
    s, rng, side = lesion.severity, lesion.rng, lesion.side
    plates = np.zeros_like(chest.x)
    for _ in range(1 + int(3 * lesion.extent)):
        x = side * chest.anatomy.half_width * rng.uniform(0.38, 0.70)
        y = chest.dome_of(side) - rng.uniform(1.3, 5.5)
        tilt, length, thick = (
            rng.normal(0, 0.28),
            rng.uniform(2.4, 4.6) * (0.6 + 0.7 * s),
            rng.uniform(0.2, 0.48) * (0.7 + 0.7 * s),
        )
        bow, strength = 0.03 * rng.normal(), rng.uniform(0.6, 1)
        w = chest.camera.window(x, y, length + 3)
        dx, dy, cosine, sine = chest.x[w] - x, chest.y[w] - y, math.cos(tilt), math.sin(tilt)
        u = dx * cosine + dy * sine
        v = dy * cosine - dx * sine - bow * u * u
        plates[w] = np.maximum(plates[w], bell(v, thick) * sigmoid(length - np.abs(u), 0.4) * strength)
    plates *= chest.lungness
    chest.extra += plates * np.float32(0.5 + 4.6 * s)
    return plates > 0.3


@painter("Fibrosis", 6)
def fibrosis(chest, lesion):
    """Coarse lines and small rings at the bases and periphery (or apices), with loss of volume."""
    s, rng, camera = lesion.severity, lesion.rng, chest.camera
    basal = lesion.kind < 0.65
    low, high = 0.58 * chest.dome, 0.40 * chest.dome
    zone = camera.at(lambda y: sigmoid(y - low, 1.3) if basal else sigmoid(high - y, 1.2))
    zone = zone * (0.35 + 0.65 * np.exp(-np.maximum(chest.rim - 0.3, 0) / (2.8 + 2.5 * s))) * chest.lungness
    if lesion.extent > 0.7:  # one side only
        zone = zone * (chest.x * lesion.side > 0)
    lines = camera.canvas()
    draws = rng.random((900, 5))
    y = (0.55 + 0.5 * draws[:, 0] if basal else 0.45 * draws[:, 0]) * chest.dome
    x = (2 * draws[:, 1] - 1) * chest.anatomy.half_width
    number = int(160 + 740 * s)
    angle, length, bend = draws[:, 2] * np.pi, 0.5 + 1.3 * draws[:, 3], 0.5 * draws[:, 4] - 0.25
    along = length[:, None] * np.array([-0.5, 0.0, 0.5])
    off = (bend * length)[:, None] * np.array([0, 1, 0])
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    paths = np.stack([x[:, None] + cosine * along - sine * off, y[:, None] + sine * along + cosine * off], axis=-1)
    rings = (np.arange(number) % 6 == 5) & (s > 0.2)
    camera.draw_each(lines, paths[:number][~rings], 0.13, 110 + 145 * draws[:number, 3][~rings])
    centres, drawn = np.column_stack([x, y])[:number][rings], draws[:number][rings]
    camera.rings(lines, centres, 0.22 + 0.3 * drawn[:, 2], 0.1, 120 + 135 * drawn[:, 4])
    chest.extra += (camera.soften(lines, 0.06) * np.float32(1.0 + 3.4 * s) + np.float32(1.9 * s)) * zone
    return zone > 0.4


def longest(mask):
    """Diameter in pixels of the smallest circle round a mask; 0 for an empty one."""
    points = cv2.findNonZero(mask.astype(np.uint8))
    return 0.0 if points is None else 2 * cv2.minEnclosingCircle(points)[1] + 1.0


@painter("Mass", 7)
def mass(chest, lesion):
    """One or two rounded opacities more than 30 mm across."""
    return _rounds(chest, lesion, 1.75 + 1.9 * lesion.severity, 2 if lesion.extent < 0.2 else 1)


@painter("Nodule", 8)
def nodule(chest, lesion):
    """One to four rounded opacities at most 30 mm across."""
    number = 1 if lesion.extent < 0.6 else 2 if lesion.extent < 0.85 else 4
    return _rounds(chest, lesion, 0.42 + 0.93 * lesion.severity, number)


def _rounds(chest, lesion, radius, number):
    """Balls of about soft-tissue density, lobulated, some with spicules, the later ones smaller for nodules."""
    rng, s = lesion.rng, lesion.severity
    is_nodule = lesion.finding == "Nodule"
    strength = 1.6 + 0.5 * s if is_nodule else 0.8 + 0.4 * s
    mask = np.zeros(chest.x.shape, bool)
    sites = []
    for i in range(number):
        x, y = place(chest, rng, 0.12, 0.93, (0.1, 0.9))
        r = radius * (rng.uniform(0.7, 1.0) if i and is_nodule else 1.0)
        phase, squash, firm = (rng.uniform(0, 6.28, 3), rng.uniform(0.85, 1.0), rng.uniform(0.75, 1.05))
        chalk, spiky = rng.random() < 0.3, rng.random() < 0.4
        if any(np.hypot(x - u, y - v) < (3.2 if is_nodule else 8) for u, v in sites):
            continue  # two that touch would be one larger lesion
        sites.append((x, y))
        w = chest.camera.window(x, y, 1.3 * r)
        dx, dy = chest.x[w] - x, chest.y[w] - y
        if not dx.size:
            continue  # the film ends before it
        angle = np.arctan2(dy, dx)
        lobes = 0.07 * np.sin(3 * angle + phase[0]) + 0.05 * np.sin(5 * angle + phase[1])
        lobes = lobes + (0.03 * np.sin(17 * angle + phase[2]) if spiky else 0)
        d = np.hypot(dx, dy * (1 / squash)) / (r * (1 + lobes) / 1.05)
        thick = 2 * r * root(1 - d * d) * np.float32(firm * strength * (1.4 if chalk and is_nodule else 1))
        chest.extra[w] += chest.camera.blur(thick.astype(np.float32), 0.06) * np.clip(chest.lung0[w] / 2.5, 0.35, 1)
        mask[w] |= d < 1
        widest = longest(d < 1) * chest.camera.cm * 10
        chest.diameters[lesion.finding] = max(widest, chest.diameters.get(lesion.finding, 0.0))
    return mask & chest.in_body
