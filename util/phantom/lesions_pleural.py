"""Findings of pleura, heart and diaphragm. Each painter changes the chest's maps and returns the finding's mask (bool).

And air in the chest wall, which is none of the 14 findings and has no mask.
"""

import numpy as np

from util.phantom.painting import painter
from util.phantom.projection import bell, root, sigmoid


@painter("Cardiomegaly", 9)
def cardiomegaly(chest, lesion):
    """The enlarged heart is drawn by the shape; the mask is its silhouette."""
    return silhouette(chest)


def silhouette(chest):
    """Heart on the film (bool): below the great vessels, above the lower heart border."""
    return (chest.heart_level < 0.96) & (chest.y > chest.anatomy.height * 0.42)


@painter("Pleural_Thickening", 10)
def pleural_thickening(chest, lesion):
    """A band of soft tissue along the lateral wall, blunting the angle, or a cap over the apex."""
    s, rng, body = lesion.severity, lesion.rng, chest.anatomy
    apical = lesion.kind > 0.65
    start, end = (
        (-1.0, body.height * (0.15 + 0.15 * lesion.extent))
        if apical
        else ((0.35 + 0.3 * lesion.extent) * body.height, body.height * 1.05)
    )
    width = np.float32(0.40 + 1.6 * s) * (1 + 0.45 * chest.camera.texture(rng, (2.0, 4.5), (0.5, 0.7)))
    sides = np.float32(1.0) if rng.random() < 0.25 else (chest.x * lesion.side > 0)
    part = sides * sigmoid(chest.y - start, 0.8) * sigmoid(end - chest.y, 0.8)
    band = sigmoid(width - chest.rim, 0.09) * part * (chest.ax < chest.border)
    if not apical:  # the costophrenic angle fills in
        angle = sigmoid(chest.y - (body.height * 0.93 - 1.2 * np.mean(width)), 0.35) * np.clip(chest.lung0 / 1.2, 0, 1)
        band = np.maximum(band, part * angle * sigmoid(chest.ax - body.half_width * 0.7, 0.4))
    band = (band * np.clip((chest.ax - 3) / 1.2, 0, 1)).astype(np.float32)
    chest.extra += band * np.float32(2.5 + 6.0 * s)
    chest.lung = chest.lung * (1 - 0.8 * band)
    chest.seen *= 1 - band
    return (band > 0.4) & (chest.y < body.height * 1.02)


@painter("Pneumothorax", 11)
def pneumothorax(chest, lesion):
    """Air between lung and wall, wider toward the apex: a thin pleural line with no vessels beyond it.

    Low severities leave only a sliver at the apex; above 0.6 the mediastinum shifts (done by the shape).
    """
    s, side, height = lesion.severity, lesion.side, chest.anatomy.height
    width = (0.28 + 4.0 * s**1.2) * (0.75 + 0.4 * lesion.extent)
    gap = np.float32(width) * (0.30 + 0.95 * np.exp(-np.maximum(chest.y, 0) / (height * 0.40)))
    gap = gap * (1 + 0.12 * chest.camera.texture(lesion.rng, (6.0,), (1.0,)))
    lowest = height * min(0.10 + 1.3 * s, 1.1)  # how far down the air reaches
    gap = gap * np.clip((lowest - chest.y) / (0.25 * lowest + 0.5), 0, 1) ** 0.7
    half = sigmoid(chest.x * side, 0.3) * np.clip((chest.ax - 2.2) / 0.8, 0, 1)
    air = sigmoid(gap - chest.rim, 0.05) * half * (gap > 0.1)
    chest.density *= (1 - 0.93 * air) * (1 + np.float32(0.22 * s) * half * (1 - air))
    chest.seen *= 1 - air
    line = bell(chest.rim - gap, 0.08) * half * (chest.y > 0) * (gap > 0.15)
    chest.extra += line * np.float32(0.35 + 0.5 * s) * np.clip(chest.lung0 / 4, 0, 1)
    return (air > 0.5) & (chest.lung0 > 0.3) & (chest.rim > 0.02)


@painter("Effusion", 12)
def effusion(chest, lesion):
    """Fluid from the costophrenic angle up, with a meniscus; on AP (supine) films partly a veil over the lung.

    Low severities only blunt the angle.
    """
    s, taken, body = lesion.severity, chest.acquisition, chest.anatomy
    mask = np.zeros(chest.x.shape, bool)
    both = lesion.kind < 0.3
    for side in (lesion.side, -lesion.side)[: 2 if both else 1]:
        high = (-0.4 + 1.3 * s + 6.5 * s**1.8) * lesion.rng.uniform(0.75, 1.15)
        rise = 0.4 + 1.3 * min(1, 2 * s) + 0.5 * max(high, 0)
        meniscus = np.exp(-np.maximum(chest.border - chest.ax, 0) / 2.3) * np.float32(rise)
        meniscus += min(1, 2 * s) * np.exp(-np.maximum(chest.ax - 2.5, 0) / 1.6)
        depth = chest.y - (body.height * 0.985 - high - meniscus)
        fluid = (0.62 * sigmoid(depth, 0.28) + 0.38 * sigmoid(depth - 0.5, 1.1)) * (chest.x * side > 0)
        fluid = (fluid * (chest.ax < chest.border + 0.2)).astype(np.float32)
        if taken.view == "AP":
            veil = np.float32(max(0.05, 0.10 + 0.24 * high)) * np.clip(chest.y / body.height, 0, 1)
            chest.extra += (chest.x * side > 0) * chest.lungness * veil
        chest.extra += fluid * chest.lung
        chest.lung = chest.lung * (1 - fluid)
        chest.seen *= 1 - fluid
        mask |= (fluid > 0.5) & (chest.lung0 > 0.15) & (chest.y < body.height * 1.06)
    return mask


@painter("Hernia", 13)
def hernia(chest, lesion):
    """Stomach above the diaphragm behind the heart: a round shadow, mostly with air above a level."""
    s, rng = lesion.severity, lesion.rng
    radius = 1.1 + 3.0 * s
    x, y = rng.normal(0.8, 0.9), chest.dome - 0.2 - 0.5 * radius * rng.uniform(0.3, 1.1)
    level = y - radius * rng.uniform(0.0, 0.45)
    d = np.square((chest.x - x) / (radius * 1.15)) + np.square((chest.y - y) / radius)
    wall = 0.6 + 0.8 * s
    behind = np.clip(0.25 + 0.15 * s + chest.lung0 / 8, 0, 1)
    chest.extra += np.float32(1.9 * radius * wall * 0.7) * root(1 - d) * behind
    if rng.random() < 0.8:
        chest.air += np.float32(1.4 * radius * (0.25 + 0.55 * s)) * root(1 - 1.35 * d) * sigmoid(level - chest.y, 0.06)
    chest.extra += np.float32(0.2 + 0.4 * s) * bell((np.sqrt(d) - 1) * radius, 0.12)
    return d < 1


def wall_air(chest):
    """Subcutaneous emphysema: streaks of air along the side of the chest, fanning through the pectoral muscle, in the neck.

    Not one of the 14 findings, but reports call it emphysema, and so do labels mined from them.
    """
    body, taken, camera = chest.anatomy, chest.acquisition, chest.camera
    rng = np.random.default_rng([20, taken.seed, taken.patient, taken.follow_up])
    sides = (-1, 1) if rng.random() < 0.5 else (int(rng.choice([-1, 1])),)
    streaks, n = camera.canvas(), int(rng.uniform(40, 400))
    for side in sides:
        x, y, kind = rng.uniform(size=(3, n))
        place = [kind < 0.4, kind < 0.85]  # muscle, flank, else neck
        y = np.select(place, [11 * y, body.height * y - 5 * (1 - y)], 10 * y - 9)
        flank = body.border(np.maximum(y, 0.3 * body.height)) - 0.3 + 3.5 * x
        x = side * np.select(place, [3 + (body.half_width - 1) * x, flank], 12 * x - 6)
        fan = np.arctan2(y - 3, x - side * (body.half_width + 4))  # from the armpit to the breast bone
        angle = np.where(place[0], fan, np.pi / 2) + rng.normal(0, 0.25, n)
        along = rng.uniform(0.6, 3.5, n)[:, None] * np.array([-0.5, -0.15, 0.2, 0.5])
        paths = np.stack([x[:, None] + np.cos(angle)[:, None] * along, y[:, None] + np.sin(angle)[:, None] * along], -1)
        paths += rng.normal(0, 0.12, paths.shape)
        camera.draw_each(streaks, paths, 0.3, rng.uniform(60, 255, n))
    outside = chest.in_body * (1 - 0.7 * np.clip(chest.lung0 / 8, 0, 1))
    chest.air += camera.soften(streaks, 0.08) * np.float32(rng.uniform(0.8, 2.5)) * outside
