"""The maps of one film: how much lung, soft tissue, bone, vessel and air each ray crosses (cm), before any finding.

Organs are intervals in depth; the lung's path is what the heart, diaphragm, spine and aorta leave of the lung's own
interval, integrated over slabs. Bones and vessels are projected point clouds.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from util.phantom.projection import Camera, bell, capsule, root, sigmoid, smooth_max

SLABS = 8


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
        ratio = min(ratio, 0.485)
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
        self.spine = anatomy.spine(self.y).astype(np.float32)
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
        a, s = self.anatomy, self.shape
        down = np.maximum(self.y, 0)
        self.border = np.where(self.y > 0, a.border(down) * (1 + 0.02 * s.inflation), 1e-3).astype(np.float32)
        depth = a.half_depth(down).astype(np.float32) * np.float32(1 + 0.06 * s.inflation)
        half = depth * root(1 - (self.ax / np.maximum(self.border, 0.01)) ** 2.5)
        middle = self.x - 0.6 * self.spine - np.float32(0.5 * s.shift)
        sway = np.sin(down * (1 / 3.2) + a.scoliosis_phase + (self.x > 0) * 2.0)  # no two borders alike
        inner = 0.1 + 0.35 * sway + 2.6 * np.exp(-down * (1 / 1.3))  # the mediastinum widens towards the neck
        taper = np.clip((np.abs(middle) - inner) * (1 / 2.6), 0, 1)
        self.half_lung = half * taper * (self.y > 0)
        top = np.where(self.x < 0, self.dome_of(-1), self.dome_of(1)).astype(np.float32)
        lateral = np.clip((self.ax - a.half_width * 0.47) * (2 / a.half_width), -1, 1.1)
        wave = self.camera.texture(self.rng, (7.0,), (0.08,))
        self.dome_line = top + np.float32(s.dome_height) * np.square(lateral) * np.where(lateral > 0, 1, 0.30)
        self.under_dome = root((self.y - self.dome_line + wave) * (1 / (s.dome_height * 1.25)))

    def _heart(self):
        """Left ventricle, right atrium, pulmonary trunk, ascending aorta and cava joined smoothly; knob on top."""
        a, s, camera = self.anatomy, self.shape, self.camera
        x, y = camera.coarse().grid  # chambers are smooth
        x = x - np.float32(s.shift + 2.5 * np.sin(camera.yaw))
        width = s.heart_ratio * 2 * a.half_width * camera.magnification(2.5)
        left, right = width * 0.655, width * 0.345
        tilt = np.radians(a.heart_tilt - 4 * self.acquisition.shallow)
        c, sn = np.cos(tilt), np.sin(tilt)
        half = (left + 0.30 * right) / 2
        long = half / np.hypot(c, a.heart_round * sn)
        short = long * a.heart_round
        cy = (
            s.dome
            + max(s.dome_left, -0.6) * 0.7
            + 1.2
            + 9 * max(s.heart_ratio - 0.40, 0)
            - np.hypot(long * sn, short * c)
        )
        cx = left - half
        parts = [
            ((x - cx) * c + (y - cy) * sn) ** 2 / long**2 + ((y - cy) * c - (x - cx) * sn) ** 2 / short**2,
            ((x + right * 0.02) / (right * 0.98)) ** 2 + np.abs((y - cy + 0.2) / (a.half_width * 0.37)) ** 2.4,
            ((x - (0.8 + a.trunk)) / 2.6) ** 2 + ((y - a.height * 0.47 - 0.6) / 4.0) ** 2,
            ((x + 0.20 + 0.35 * a.cava) / (2.0 + 0.4 * a.cava + 0.02 * max(0, a.age - 40))) ** 2
            + ((y - a.height * 0.34) / 6.8) ** 2,
        ]
        blend = 0.38  # width of the rounding where two chambers meet
        level = -blend * np.log(sum(np.exp(np.maximum(p, 0) * (-1 / blend)) for p in parts) + 1e-18)
        knob_x = 2.55 - a.knob * 0.5 + 0.012 * max(0, a.age - 50) + 0.3 * a.aorta_bow
        knob = ((x - knob_x) / a.knob) ** 2 + ((y - a.height * 0.30) / (a.knob * 1.2)) ** 2
        self.heart_level = camera.enlarge(level.astype(np.float32))  # below 1 inside the silhouette
        both = np.minimum(self.heart_level + 0.04, camera.enlarge(knob.astype(np.float32)))
        thick = np.maximum(1 - both, 0) ** 0.45 * (3.2 + 2.8 * sigmoid(self.y - a.height * 0.5, 1.5))
        self.heart = camera.blur(thick.astype(np.float32), 0.08)

    def _column(self):
        """Thickness of the soft tissue round the spine, and half thickness of the descending aorta."""
        a, y, shift = self.anatomy, self.y, self.shape.shift
        flare = 1 + 0.45 * np.exp(-np.maximum(y, 0) * (1 / 2.2)) - 0.10 * bell(y - a.height * 0.25, 3.0)
        width = a.mediastinum * flare
        middle = self.x - self.spine * 0.6 - shift * 0.5
        column = np.maximum(1 - np.square(middle / width), 0) ** 1.4
        column = (
            column * a.depth * (0.40 + 0.90 * sigmoid(a.height * 0.26 - y, 2.5))
        )  # the heart's level holds the spine alone
        bow = a.aorta_x + a.aorta_bow * np.sin(np.clip((y / a.height - 0.3) * 1.4, 0, 1) * np.pi)
        radius = 1.2 + 0.004 * a.age
        aorta = root(1 - np.square((self.x - self.spine - bow) * (1 / radius))) * radius * (y > a.height * 0.30)
        return column, aorta

    def _lung_path(self):
        a = self.anatomy
        column, aorta = self._column()
        area = _bounds(self.half_lung > 0)
        near = [
            (-self.half_lung - 0.3, self.half_lung - 0.3),
            (1 - 8.2 * self.under_dome, 1 + 9.5 * self.under_dome),
            (2.0 - self.heart, 2.0 + 1.15 * self.heart),
            (np.full_like(column, -a.depth), column - a.depth),
            (-5.2 - aorta, -5.2 + aorta),
        ]
        near = [(p[area].astype(np.float32), q[area].astype(np.float32)) for p, q in near]
        path = np.zeros_like(self.half_lung)
        step = np.float32(2 * (a.depth + 1) / SLABS)
        for k in range(SLABS):
            z = np.float32(-a.depth - 1) + k * step
            share = None
            for start, stop in near:
                part = np.minimum(stop, z + step)
                part -= np.maximum(start, z)
                np.clip(part, 0, step, out=part)
                if share is None:
                    share = part
                else:
                    part *= -1 / step
                    part += 1
                    share *= part
            path[area] += share
        self.lung = self.camera.blur(path.astype(np.float32), 0.05)
        self.lung0 = self.lung.copy()
        self.in_lung = self.lung0 > 1.0
        self.field = (self.lung0 > 4) & (self.y < self.dome) & (self.y > 2)
        self.core = (self.heart_level < 0.7) & (self.y > self.dome * 0.6) & (self.y < self.dome + 1)
        self.lungness = np.clip(self.lung0 * (1 / 5), 0, 1)

    def _body(self):
        """Thickness of the trunk, shoulders, arms and neck; smooth, so drawn at half size."""
        small = self.camera.coarse()
        thick = small.blur(trunk(self.anatomy, self.acquisition, *small.grid), 0.12)
        self.body = self.camera.enlarge(thick)
        self.in_body = self.body > 0.3

    def _air(self):
        """Trachea, main bronchi, gas in the stomach and colon."""
        a, x, y, rng, taken = self.anatomy, self.x, self.y, self.rng, self.acquisition
        middle = x - np.float32(a.trachea_x + self.shape.shift * 0.7 - 3 * np.sin(self.camera.yaw)) - self.spine * 0.5
        air = 2.0 * root(1 - np.square(middle * (1 / 0.88))) * sigmoid(self.carina - y, 0.25) * (y > -9)
        for side, slant in ((-1, 1.15), (1, 0.75)):
            out, low = middle * side, y - self.carina
            bronchus = root(1 - np.square((out - low / slant) * (1 / 0.75))) * np.clip(1 - (low - 1) * (1 / 2.2), 0, 1)
            air += 1.1 * bronchus * ((low > -0.3) & (out > -0.4))
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
        self.air = air.astype(np.float32)

    def _vessels(self):
        s, camera = self.shape, self.camera
        vessel = camera.blur(camera.splat(*self.anatomy.vessels), 0.075 + 0.16 * s.congestion)
        vessel = vessel / (1 + np.float32(0.12) * vessel)  # overlapping branches do not add up for ever
        self.vessel = vessel * np.float32((1 + 0.5 * s.congestion) * (1 - 0.45 * s.inflation))
        self.seen = np.ones_like(vessel)
        self.extra = np.zeros_like(vessel)
        grain = 1 + camera.texture(self.rng, (0.28, 1.7, 5.0), (0.045, 0.05, 0.07))
        self.density = np.float32(0.25 * (1 - 0.32 * s.inflation) * (1 + 0.10 * self.acquisition.shallow)) * grain

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


def _bounds(mask):
    """Slices (rows, columns) of the smallest rectangle that holds a mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return slice(0, 1), slice(0, 1)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def trunk(a, taken, x, y):
    """Body thickness (cm, float32) on a grid: torso, shoulder girdle, arms, neck, chin and breasts."""
    ax, fat = np.abs(x), a.fat
    wide = a.border(np.maximum(y, a.height * 0.42)) + a.wall
    torso = 1.86 * (a.depth + 1.3 + 0.6 * fat) * root(1 - (ax / wide) ** 2.6) * np.clip((y - 0.5) / 5, 0, 1) ** 0.6
    thick = smooth_max(torso, capsule(ax, y, (0, 2.6), (a.half_width * 0.62, 3.2), 8.3 + 0.3 * fat, 7.0 + 0.4 * fat))
    thick = smooth_max(thick, 11.8 * root(1 - ((x - a.spine(-3)) / (5.4 + 0.4 * fat)) ** 2) * (y < 8))
    level, w = a.shoulder_y + 1.2 * (1 - taken.arms), a.half_width
    limbs = (
        (1.22, (3.0, level + 2.6), (w + 3.2, 6.6 + 0.2 * level), 5.0 + 0.4 * fat, 6.1 + 0.5 * fat),
        (1.30, (w + 3.2, 7.0), (w + 4.6 + 3.4 * taken.arms, 27), 5.0 + 0.4 * fat, 4.1 + 0.4 * fat),
        (1.15, (w * 0.86, 5.5), (w * 0.98 + a.wall * 0.4, 13.5), 5.2, 3.2),
    )
    for factor, *limb in limbs:
        thick = smooth_max(thick, factor * capsule(ax, y, *limb))
    thick = np.maximum(thick - 0.25, 0) * (1 - 0.15 * bell(x - a.spine(y), 2.6) * (y > -2))
    thick = thick + 4.0 * np.exp(-np.square((y - 1.7) / 2.3) - ((ax - 5.8) / 4.5) ** 4) * (thick > 3)
    if taken.chin:  # the head hangs over the neck
        low = -8.5 + 4.5 * taken.chin
        thick = thick + 9 * root(1 - (x / 6.2) ** 2 - ((y - low + 6) / 6) ** 2)
    for side in (-1, 1):
        if a.breast:
            reach, drop = (6.3 * (0.7 + 0.3 * a.breast), np.where(y > a.breast_y, 4.2 + 1.3 * a.breast, 10))
            d = np.square((x - side * a.breast_x - 0.25 * side * (y - a.breast_y)) / reach) + np.square(
                (y - a.breast_y) / drop
            )
            thick = thick + 4.2 * a.breast * root(1 - d) * np.clip((y - 4) / 8, 0, 1)
    if a.sex == "M":
        thick = thick + sigmoid(13.5 - y, 1.2) * bell(ax - 8, 5) * (thick > 2)
    return thick.astype(np.float32)


def _bone(chest):
    """Bone thickness: projected clouds, vertebrae, shoulder blades, sternum; saturating where bones overlap."""
    a, camera, x, y = chest.anatomy, chest.camera, chest.x, chest.y
    bone = camera.splat(*a.bones) * (1 - 0.62 * sigmoid(y - chest.dome - 1.0, 1.2))
    bone += _vertebrae(chest)
    for side in (-1, 1):
        bone += np.float32(a.bone_density) * _scapula(chest, side)
    middle = np.abs(x - np.float32(5 * np.sin(camera.yaw)))
    manubrium = sigmoid(2.4 - 0.12 * (y - 2.5) - middle, 0.15) * sigmoid(y - 2.8, 0.2) * sigmoid(7.5 - y, 0.2)
    bone += np.float32(0.2 * a.bone_density) * (
        manubrium + sigmoid(1.5 - middle, 0.15) * sigmoid(y - 7.8, 0.2) * sigmoid(18 - y, 0.4)
    )
    bone = cv2.GaussianBlur(bone.astype(np.float32), (0, 0), max(0.35, 0.6 * camera.size / 320))
    return 1.75 * bone / (1 + 0.75 * bone)


def _vertebrae(chest):
    """Vertebral bodies, end plates, pedicles, spinous and transverse processes (drawn near the midline only)."""
    a, camera = chest.anatomy, chest.camera
    out = np.zeros_like(chest.x)
    near = np.abs(chest.x - chest.spine) < 4.6
    y = chest.y[near]
    x = chest.x[near] - chest.spine[near] + np.float32(7 * np.sin(camera.yaw))
    index = np.clip(np.searchsorted(a.vertebra, y) - 1, 0, len(a.vertebra) - 2)
    high = (a.vertebra[index + 1] - a.vertebra[index]).astype(np.float32)
    part = ((y - a.vertebra[index]) / high).astype(np.float32)  # 0..1 from disc to disc
    width = ((1.25 + 0.056 * np.maximum(index - 3, 0)) * (1 - 0.10 * np.sin(part * np.pi))).astype(np.float32)
    edge = np.minimum(part, 1 - part)
    disc = sigmoid(0.12 - edge, 0.02)
    across = np.abs(x)
    inside = across < width
    v = 0.97 * root(1 - (across / width) ** 6) * (1 - 0.75 * disc)
    v += 0.55 * bell((edge - 0.13) * high, 0.09) * inside + 0.35 * bell(across - width, 0.10) * (1 - disc)
    pedicle = np.hypot((across - width * 0.66) * (1 / 0.38), (part - 0.40) * high * (1 / 0.52))
    v += 0.55 * bell(pedicle - 1, 0.28) + 0.15 * (pedicle < 1)
    v += 0.9 * np.exp(-np.square(x * (1 / 0.28)) - np.square((part - 0.80) * high * (1 / 0.55)))
    v += 0.40 * bell((part - 0.42) * high, 0.38) * sigmoid(2.9 - across, 0.15) * sigmoid(across - width * 0.8, 0.1)
    out[near] = v * np.float32(0.55 * a.bone_density) * (y > -8) * np.where(y > 0, 0.8, 1)
    return out


def _scapula(chest, side):
    """Shoulder blade: a thin plate with denser borders and spine."""
    camera, w, off = (chest.camera, chest.anatomy.half_width / 14.0, chest.acquisition.scapula)
    outline = np.array(
        [
            (8.6, 3.2),
            (9.0, 8),
            (10.6, 14.6),
            (11.4, 14.4),
            (13.4, 9.5),
            (15, 7.4),
            (15.6, 5.2),
            (14, 3.4),
            (11, 2.4),
        ]
    )
    outline = outline * [w, 1] + np.stack([off * (0.4 + 0.6 * outline[:, 1] / 14), np.full(9, -0.3)], 1)
    loop = np.concatenate(
        [np.linspace(p, q, 12, endpoint=False) for p, q in zip(outline, np.roll(outline, -1, 0), strict=True)]
    )
    loop = np.stack([np.convolve(np.r_[c[-8:], c, c[:8]], np.ones(17) / 17, "valid") for c in loop.T], 1)
    loop = np.column_stack([side * loop[:, 0], loop[:, 1], np.full(len(loop), -7.0)])
    spine = np.array([(9.0, 5.2), (12, 3.9), (14.8, 2.2), (16.6, 2.2)]) * [w, 1] + [off * 0.55, 0]
    spine = np.column_stack([side * spine[:, 0], spine[:, 1], np.full(4, -8.0)])
    plate, edge, thick = camera.canvas(), camera.canvas(), camera.canvas()
    camera.fill(plate, loop)
    camera.draw(edge, loop, 0.28, closed=True)
    camera.draw(thick, loop[27:67], 0.5)
    camera.draw(thick, spine, 0.6)
    return camera.soften(cv2.addWeighted(plate, 0.20, cv2.addWeighted(edge, 0.41, thick, 0.59, 0), 0.54, 0), 0.10)
