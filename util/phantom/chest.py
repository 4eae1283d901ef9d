"""The maps of one film: how much lung, soft tissue, bone, vessel and air each ray crosses (cm), before any finding.

Organs are intervals in depth; the lung's path is what the heart, diaphragm, spine and aorta leave of the lung's own
interval, integrated over slabs. Bones and vessels are projected point clouds.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from util.phantom.anatomy import trunk
from util.phantom.projection import Camera, bell, capsule, root, sigmoid

SLABS = 6


@dataclass
class Shape:
    """What a finding can change of the chest's shape on one film (cm unless said)."""

    dome: float  # y of the diaphragm
    dome_right: float  # added to the right dome's y
    dome_left: float
    dome_height: float
    heart_ratio: float
    shift: float = 0.0  # of the mediastinum, to the left
    inflation: float = 0.0  # 0..1, emphysema
    congestion: float = 0.0  # 0..1, edema


def resting_shape(anatomy, taken):
    """The chest's shape without findings, at this film's inspiration."""
    ratio = anatomy.heart_ratio + 0.012 * taken.shallow
    if taken.view == "PA":
        ratio = min(ratio, 0.47)
    return Shape(
        dome=anatomy.dome - taken.shallow,
        dome_right=-anatomy.dome_step / 2,
        dome_left=anatomy.dome_step / 2,
        dome_height=anatomy.dome_height,
        heart_ratio=ratio,
    )


def make_camera(anatomy, taken, size):
    """The film's camera: PA films are taken from afar with the detector at the chest, AP films the other way round."""
    ap = taken.view == "AP"
    return Camera(
        size=size,
        fov=2 * anatomy.half_width * taken.frame,
        centre=(taken.dx, anatomy.height * 0.5 + taken.dy),
        roll=float(np.radians(taken.roll)),
        yaw=float(np.radians(taken.yaw)),
        pitch=float(np.radians(taken.pitch)),
        source=110.0 if ap else 180.0,
        anterior=not ap,
    )


class Chest:
    """All maps of one film, float32 (size, size), in cm unless said. Findings change them in place.

    lung: path through aerated lung; lung0: the same before findings; density: of lung, relative to soft tissue;
    extra: soft-tissue-equivalent thickness added by findings; seen: 0..1, how visible vessels are; border: inner half
    width of the thorax; rim: distance from the inner chest wall; body, air, bone, vessel: thicknesses.
    """

    def __init__(self, anatomy, taken, camera, shape):
        self.anatomy, self.acquisition, self.camera, self.shape = (anatomy, taken, camera, shape)
        self.rng = np.random.default_rng([13, taken.seed, taken.patient, taken.follow_up])
        self.x, self.y = camera.grid
        self.ax = np.abs(self.x)
        self.dome, self.carina = shape.dome, anatomy.height * 0.375
        self.hila = ((-3.9, anatomy.height * 0.475), (3.9, anatomy.height * 0.435))
        self.spine = camera.at(anatomy.spine)
        self._lung_outline()
        self._heart()
        self._lung_path()
        self._body()
        self._air()
        self.bone = _bone(self)
        self._vessels()
        self._rim = None
        self.diameters = {}  # mm, of the largest mass and nodule

    def dome_of(self, side):
        """y of the diaphragm's top on one side (-1 right, 1 left)."""
        return self.shape.dome + (self.shape.dome_right if side < 0 else self.shape.dome_left)

    def _lung_outline(self):
        a, s, at = self.anatomy, self.shape, self.camera.at
        on_left = (self.x > 0).astype(np.float32)

        def by_side(right, left):
            return right + (left - right) * on_left

        self.border = at(lambda y: np.where(y > 0, a.border(y) * (1 + 0.02 * s.inflation), 1e-3))
        across = self.ax / np.clip(self.border, 0.01, np.inf)
        depth = at(lambda y: a.half_depth(y) * (1 + 0.06 * s.inflation))
        half = depth * root(1 - across * across * np.sqrt(across))
        middle = self.x - 0.6 * self.spine - np.float32(0.5 * s.shift)

        def inner(y, side):  # the mediastinum widens towards the neck, and no two borders are alike
            return 0.35 * np.sin(y / 3.2 + a.scoliosis_phase + side) + 2.6 * np.exp(-np.maximum(y, 0) / 1.3)

        gap = by_side(at(lambda y: inner(y, 0.0)), at(lambda y: inner(y, 2.0)))
        taper = np.clip((np.abs(middle) - gap) * (1 / 4.2), 0, 1)
        self.half_lung = half * taper * (self.y > 0)
        peaks = (a.half_width * a.dome_middle, a.half_width * max(a.dome_middle, 1.05 * s.heart_ratio))
        lateral = np.clip((self.ax - by_side(*peaks)) * (2 / a.half_width), -1, 1.1)  # the left dome carries the heart
        wave = self.camera.texture(self.rng, (7.0,), (0.08,))
        fall = s.dome_height * np.square(lateral) * (a.medial + np.float32(1 - a.medial) * (lateral > 0))
        self.dome_line = by_side(self.dome_of(-1), self.dome_of(1)) + fall
        self.under_dome = root((self.y - self.dome_line + wave) * (1 / min(s.dome_height * 1.25, 4.8)))

    def _heart(self):
        """Heart and great vessels as one body between two smooth borders, see `borders`."""
        a, s, camera = self.anatomy, self.shape, self.camera
        small = camera.coarse  # the borders are smooth
        height, right, left = self.borders()
        middle = small.at(lambda y: np.interp(y, height, (left - right) / 2) + s.shift + 2.5 * np.sin(camera.yaw))
        half = small.at(lambda y: np.maximum(np.interp(y, height, (left + right) / 2), 0.05))
        ragged = 1 + small.texture(self.rng, (2.2, 5.0), (0.03, 0.06))
        level = np.clip(ragged * np.square((small.grid[0] - middle) / half), 0, 9)
        self.heart_level = camera.enlarge(level)  # below 1 inside the silhouette
        inside, thick = self.heart_level < 1, np.zeros_like(self.heart_level)
        thick[inside] = (1 - self.heart_level[inside]) ** 0.42 * (a.depth / 9)
        thick *= camera.at(lambda y: 4.4 + 2.4 * sigmoid(y - a.height * 0.5, 1.5))
        self.heart = camera.blur(thick, 0.12)

    def borders(self):
        """Heights, and how far right and left of the midline the silhouette reaches there (cm, 1-D).

        Right: veins, superior cava, right atrium. Left: subclavian artery, aortic knob, pulmonary trunk, and the left
        ventricle's oblique border down to the apex on the left dome.
        """
        a, s = self.anatomy, self.shape
        h, scale = a.height, a.half_width / 14
        width = s.heart_ratio * 2 * a.half_width * self.camera.magnification(2.5)
        wide_left, wide_right, upright = width * 0.655, width * 0.345, (a.heart_tilt - 28) / 22
        apex = self.dome_of(1) - 1.0 + 1.3 * upright + 4 * max(s.heart_ratio - 0.45, 0)
        hilum, under = 0.43 * h, (3.4 + 4 * max(s.heart_ratio - 0.45, 0)) * scale
        y = np.linspace(-5, apex + under, 180)
        trunk = (2.2 + 0.9 * a.trunk) * scale
        left = scale * np.interp(y, [-3, 0.2 * h, 0.37 * h], [2.9, 2.0, 2.1])
        left = left + (trunk - left) * np.clip((y - 0.36 * h) / (0.07 * h), 0, 1)
        knob = (0.62 * a.knob + 0.4 * a.aorta_bow) * scale
        left = left + knob * np.exp(-(np.abs(y - 0.30 * h) ** 2.5) / (1.25 * a.knob) ** 2.5)
        share = np.sin(np.clip((y - hilum) / (apex - hilum), 0, 1) * np.pi / 2) ** (0.85 + 3.0 * (0.80 - a.heart_round))
        left = left + np.maximum(wide_left - trunk, 0.5) * share
        atrium, cava = hilum + 0.62 * (apex - hilum), (1.7 + 0.7 * a.cava + 0.01 * max(0, a.age - 40)) * scale
        right = np.interp(
            y,
            [-3, 0.14 * h, 0.36 * h, 0.6 * hilum + 0.4 * atrium, atrium - 0.7, atrium + 1.2, apex + under],
            [2.8 * scale, cava, cava + 0.2, cava + 0.35, wide_right, wide_right, wide_right * 0.75],
        )
        kernel = bell(np.arange(-8, 9), 4.0)
        left, right = (np.convolve(np.pad(b, 8, "edge"), kernel / kernel.sum(), "valid") for b in (left, right))
        below = root(1 - np.square(np.maximum(y - apex, 0) / under))
        return y, right * below**0.5, left * below

    def _column(self, x, y, spine):
        """Thickness of the soft tissue round the spine, and half thickness of the descending aorta, at some pixels."""
        a, shift = self.anatomy, self.shape.shift
        flare = 1 + 0.45 * np.exp(-np.maximum(y, 0) * (1 / 2.2)) - 0.10 * bell(y - a.height * 0.25, 3.0)
        width = a.mediastinum * flare
        middle = x - spine * 0.6 - shift * 0.5
        # the heart's level holds the spine alone
        column = bell(middle, 1.1 * width) * a.depth * (0.36 + 0.80 * sigmoid(a.height * 0.22 - y, 2.5))
        bow = a.aorta_x + a.aorta_bow * np.sin(np.clip((y / a.height - 0.3) * 1.4, 0, 1) * np.pi)
        radius = 1.2 + 0.004 * a.age
        aorta = root(1 - np.square((x - spine - bow) * (1 / radius))) * radius * (y > a.height * 0.30)
        return column, aorta

    def _lung_path(self):
        a, step = self.anatomy, 2 * (self.anatomy.depth + 1) / SLABS
        inside = self.half_lung > 0
        maps = (self.x, self.y, self.spine, self.half_lung, self.under_dome, self.heart)
        x, y, spine, half, dome, heart = (whole[inside] for whole in maps)
        column, aorta = self._column(x, y, spine)
        front, back = half - 0.3, column - a.depth

        def slabs(start, stop):  # depth in cm as numbers of slabs
            return (start + (a.depth + 1)) * (1 / step), (stop + (a.depth + 1)) * (1 / step)

        lung = slabs(np.clip(back, -half - 0.3, front), front)
        others = (
            slabs(1 - 8.2 * dome, 1 + 9.5 * dome),
            slabs(2.0 - heart, 2.0 + 1.15 * heart),
            slabs(-5.2 - aorta, -5.2 + aorta),
        )
        extents = [(start.min(initial=SLABS), stop.max(initial=0)) for start, stop in others]
        path = np.zeros_like(half)
        for k in range(SLABS):
            share = np.clip(lung[1], k, k + 1) - np.clip(lung[0], k, k + 1)
            for (start, stop), (first, last) in zip(others, extents, strict=True):
                if first < k + 1 and last > k:  # it leaves a part of this slab free
                    share *= 1 - (np.clip(stop, k, k + 1) - np.clip(start, k, k + 1))
            path += share
        whole = np.zeros_like(self.half_lung)
        whole[inside] = path * step
        self.lung = self.camera.blur(whole, 0.05)
        self.lung0 = self.lung.copy()
        self.in_lung = self.lung0 > 1.0
        self.field = (self.lung0 > 4) & (self.y < self.dome) & (self.y > 2)
        self.core = (self.heart_level < 0.7) & (self.y > self.dome * 0.6) & (self.y < self.dome + 1)
        self.lungness = np.clip(self.lung0 * (1 / 5), 0, 1)

    def _body(self):
        """Thickness of the trunk, shoulders, arms and neck; smooth, so drawn at half size."""
        small = self.camera.coarse
        thick = small.blur(trunk(self.anatomy, self.acquisition, small), 0.12)
        self.body = self.camera.enlarge(thick)
        self.in_body = self.body > 0.3

    def _air(self):
        """Trachea, main bronchi, gas in the stomach and colon."""
        a, x, y, rng, taken = self.anatomy, self.x, self.y, self.rng, self.acquisition
        air = np.zeros_like(x)
        where = a.trachea_x + self.shape.shift * 0.7 - 3 * math.sin(self.camera.yaw)
        w = self.camera.window(where, (self.carina - 5.6) / 2, math.hypot(6, (self.carina + 12.4) / 2))
        middle = x[w] - where
        middle -= self.spine[w] * 0.5
        low = y[w] - self.carina
        trachea = root(1 - np.square(middle * (1 / 0.88))) * sigmoid(-low, 0.25) * (y[w] > -9)
        air[w] = 1.5 * trachea * (0.6 + 0.4 * sigmoid(y[w] - 1, 1.0))
        for side, slant in ((-1, 1.15), (1, 0.75)):
            out = middle * side
            bronchus = root(1 - np.square((out - low / slant) * (1 / 0.75))) * np.clip(1 - (low - 1) * (1 / 2.2), 0, 1)
            air[w] += 0.7 * bronchus * ((low > -0.3) & (out > -0.4))
        gx, gy = (a.half_width * 0.47 + rng.normal() * 0.8, self.dome_of(1) + 1.9 + rng.uniform(0, 1.2))
        width, flat, cut = (rng.uniform(0.7, 1.2), rng.random() < 0.6, rng.uniform(0.1, 0.9))
        below = y > self.dome_line + 0.3
        if taken.gas > 0:
            gw, gh = 1.4 + 2.4 * taken.gas * width, 1.0 + 1.4 * taken.gas
            w = self.camera.window(gx, gy, gw + gh)
            bubble = root(1 - ((x[w] - gx) / gw) ** 2 - ((y[w] - gy - 0.2 * np.sin(x[w] * 1.5)) / gh) ** 2)
            air[w] += bubble * 3.6 * below[w] * (sigmoid(gy + gh * cut - y[w], 0.08) if flat else 1)
        if taken.colon:
            for _ in range(int(rng.integers(2, 6))):
                ex, ey, er = (
                    gx + rng.uniform(-12 if rng.random() < 0.3 else -1, 5),
                    gy + rng.uniform(2, 7),
                    rng.uniform(0.7, 1.7),
                )
                w = self.camera.window(ex, ey, er)
                bubble = root(1 - ((x[w] - ex) / er) ** 2 - ((y[w] - ey) / (er * 0.8)) ** 2)
                air[w] += rng.uniform(0.6, 1.6) * bubble * below[w]
        self.air = self.camera.blur(air, 0.06)

    def _vessels(self):
        s, camera = self.shape, self.camera
        vessel = camera.blur(camera.splat(*_thinned(self.anatomy.vessels, camera)), 0.055 + 0.16 * s.congestion)
        vessel = vessel / (1 + np.float32(0.30) * vessel)  # overlapping branches do not add up for ever
        # the twigs of the outer third are too thin to see
        outer = np.clip((self.ax / np.clip(self.border, 1, np.inf) - 0.50) * (1 / 0.5), 0, 1)
        vessel *= 1 - 0.72 * outer
        x, y = camera.coarse.grid
        hila = sum(np.exp(-np.square((x - x0 * 0.95) / 1.9) - np.square((y - y0 - 0.6) / 3.0)) for x0, y0 in self.hila)
        vessel += camera.enlarge(np.float32(0.6) * hila)  # their soft tissue
        vessel += np.float32(0.5) * np.exp(np.clip(0.8 - self.heart_level, -9, 0) * np.float32(0.9))
        self.vessel = vessel * np.float32((1 + 0.5 * s.congestion) * (1 - 0.6 * s.inflation))
        self.seen = np.ones_like(vessel)
        self.extra = np.zeros_like(vessel)
        grain = 1 + camera.texture(self.rng, (0.35, 1.7, 5.0), (0.018, 0.04, 0.09))
        self.density = np.float32(0.25 * (1 - 0.42 * s.inflation) * (1 + 0.10 * self.acquisition.shallow)) * grain

    @property
    def rim(self):
        """Distance (cm) from the inner chest wall, 0 outside the thorax."""
        if self._rim is None:
            a = self.anatomy
            apex = 0.25 * np.square(self.ax - 4.5) * (self.ax < 4.5)
            inside = (self.ax < self.border) & ((self.y > apex) | (self.y > a.height * 0.9))
            far = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5) * np.float32(self.camera.cm)
            self._rim = self.camera.blur(far, 0.2)
        return self._rim


def _thinned(cloud, camera):
    """Every second point with twice the mass, for a small film: its larger pixels gather enough points."""
    points, mass = cloud
    return (points[::2], mass[::2] * 2) if camera.size <= 160 else (points, mass)


def _bone(chest):
    """Bone thickness: projected clouds, vertebrae, shoulder blades, sternum; saturating where bones overlap."""
    a, camera = chest.anatomy, chest.camera
    bone = camera.splat(*_thinned(a.bones, camera)) * camera.at(lambda y: 1 - 0.62 * sigmoid(y - chest.dome - 1.0, 1.2))
    _add_vertebrae(chest, bone)
    bone += a.bone_density * (_scapulae(chest) + camera.enlarge(_humeri(chest) + 0.2 * _sternum(chest)))
    bone = cv2.GaussianBlur(bone, (0, 0), max(0.35, 0.6 * camera.size / 320))
    return 2.1 * bone / (1 + 1.05 * bone)


def _sternum(chest):
    """Manubrium and body of the breast bone, 0..1, at half size."""
    small = chest.camera.coarse
    (x, y), turn = small.grid, 5 * math.sin(small.yaw)
    middle = np.abs(x - turn)
    top = small.at(lambda y: sigmoid(y - 2.8, 0.2) * sigmoid(7.5 - y, 0.2))
    body = small.at(lambda y: sigmoid(y - 7.8, 0.2) * sigmoid(18 - y, 0.4))
    return sigmoid(2.4 - 0.12 * (y - 2.5) - middle, 0.15) * top + sigmoid(1.5 - middle, 0.15) * body


def _add_vertebrae(chest, bone):
    """Add vertebral bodies, end plates, pedicles, spinous and transverse processes (drawn near the midline only)."""
    a = chest.anatomy
    middle = chest.x - chest.spine
    middle += 7 * math.sin(chest.camera.yaw)
    near = np.abs(middle) < 3.8
    x, y = middle[near], chest.y[near]
    discs = a.vertebra.astype(np.float32)
    index = np.clip(np.searchsorted(discs, y) - 1, 0, len(discs) - 2)
    high = np.diff(discs)[index]
    part = (y - discs[index]) / high  # 0..1 from disc to disc
    width = (1.25 + 0.056 * np.maximum(np.arange(len(discs)) - 3, 0)).astype(np.float32)[index]
    width *= 1 - 0.10 * np.sin(part * np.pi)
    edge = np.minimum(part, 1 - part)
    disc = sigmoid(0.12 - edge, 0.04)
    across = np.abs(x)
    inside = across < width
    v = 0.97 * root(1 - np.square(across / width) ** 3) * (1 - 0.75 * disc)
    v += 0.55 * bell((edge - 0.13) * high, 0.09) * inside + 0.35 * bell(across - width, 0.10) * (1 - disc)
    pedicle = np.sqrt(np.square((across - width * 0.66) / 0.38) + np.square((part - 0.40) * high / 0.52))
    v += 0.55 * bell(pedicle - 1, 0.28) + np.float32(0.15) * (pedicle < 1)
    v += 0.9 * np.exp(-np.square(x / 0.28) - np.square((part - 0.80) * high / 0.55))
    v += 0.40 * bell((part - 0.42) * high, 0.38) * sigmoid(2.9 - across, 0.15) * sigmoid(across - width * 0.8, 0.1)
    bone[near] += v * (0.55 * a.bone_density) * (y > -8) * (0.55 + 0.5 * sigmoid(2 - y, 1.5))


def _humeri(chest):
    """Upper arm bones at half size: a dense tube with a spongy head."""
    small, w, out = chest.camera.coarse, chest.anatomy.half_width, chest.acquisition.arms
    x, y = small.grid
    ax = np.abs(x)
    start, end = (w + 2.3 + 0.5 * out, 3.4), (w + 4.6 + 3.4 * out, 27)
    limb = capsule(ax, y, start, end, 1.25, 1.15) - 0.72 * capsule(ax, y, start, end, 0.85, 0.75)
    head = root(1 - np.square((ax - start[0] + 0.4) / 2.2) - np.square((y - start[1] + 0.4) / 2.3))
    return small.blur(0.5 * limb + 0.6 * head, 0.07)


SCAPULA = ((8.6, 3.2), (9.0, 8), (10.6, 14.6), (11.4, 14.4), (13.4, 9.5), (15, 7.4), (15.6, 5.2), (14, 3.4), (11, 2.4))
SCAPULAR_SPINE = ((9.0, 5.2), (12, 3.9), (14.8, 2.2), (16.6, 2.2))  # cm, of a thorax of 14 cm half width


def _scapulae(chest):
    """Shoulder blades: thin plates with denser borders and spine, 0..1."""
    camera, w, off = (chest.camera, chest.anatomy.half_width / 14.0, chest.acquisition.scapula)
    corners, spine = np.array(SCAPULA), np.array(SCAPULAR_SPINE) * [w, 1] + [off * 0.55, 0]
    corners = np.column_stack([corners[:, 0] * w + off * (0.4 + 0.6 * corners[:, 1] / 14), corners[:, 1] - 0.3])
    way = np.arange(-8, 9 * 12 + 8) / 12  # twelve points from corner to corner, a few twice
    loop = [np.interp(way, np.arange(9), column, period=9) for column in corners.T]
    loop = np.stack([np.convolve(column, np.ones(17) / 17, "valid") for column in loop], 1)
    plate, edge, thick = camera.canvas(), camera.canvas(), camera.canvas()
    for side in (-1, 1):
        outline = np.column_stack([side * loop[:, 0], loop[:, 1], np.full(len(loop), -7.0)])
        camera.fill(plate, outline)
        camera.draw(edge, outline, 0.28, closed=True)
        camera.draw(thick, outline[27:67], 0.5)
        camera.draw(thick, np.column_stack([side * spine[:, 0], spine[:, 1], np.full(4, -8.0)]), 0.6)
    return camera.soften(cv2.addWeighted(plate, 0.20, cv2.addWeighted(edge, 0.55, thick, 0.65, 0), 0.9, 0), 0.07)
