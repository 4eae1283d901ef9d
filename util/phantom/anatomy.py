"""A simulated patient: body measures, bones and lung vessels, the same for every film of that patient.

Lengths in cm, frame of `projection`. The proportions are round numbers of adult radiographic anatomy; nothing here is
fitted to any patient.
"""

from dataclasses import dataclass, field, fields
from functools import lru_cache

import numpy as np

from util.errors import CourseError
from util.phantom.clouds import make_bones, make_vessels
from util.phantom.projection import bell, capsule, root, sigmoid, smooth_max


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One patient. Everything a film needs that does not change between films."""

    seed: int
    patient: int
    age: float
    sex: str
    half_width: float  # inner half width of the thorax
    height: float  # lung apex to costophrenic angle
    depth: float  # inner half depth
    fat: float  # 0 (lean) .. 4 (obese)
    wall: float  # thickness of the chest wall at the side
    apex_power: float  # shape of the lung's outer border
    taper: float
    waist: float
    dome: float  # y of the diaphragm's top
    dome_step: float  # how much lower the left dome is
    dome_height: float
    dome_middle: float  # where a dome is highest, as a share of the half width
    medial: float  # how far a dome falls towards the heart, relative to its lateral fall
    heart_ratio: float  # heart width over thorax width
    heart_tilt: float  # degrees
    heart_round: float  # short over long axis of the left ventricle
    knob: float  # radius of the aortic knob
    aorta_x: float  # how far the descending aorta lies to the left
    aorta_bow: float  # how far it bows out (age)
    trunk: float  # bulge of the pulmonary trunk
    cava: float  # how far the superior vena cava stands out on the right
    mediastinum: float  # half width of the column round the spine
    fat_pad: float  # 0..1, cardiophrenic fat
    scoliosis: float
    scoliosis_phase: float
    breast: float
    breast_x: float
    breast_y: float
    shoulder_y: float
    bone_density: float
    calibre: float  # of lung vessels
    trachea_x: float
    vertebra: np.ndarray = field(repr=False)  # y of the discs
    pacemaker: bool
    wires: bool  # after sternotomy
    bones: tuple = field(repr=False)  # points float32 (n, 3) in cm, mass float64 (n,) in cm^3
    vessels: tuple = field(repr=False)

    def border(self, y):
        """Inner half width of the thorax at height `y`."""
        u = np.minimum(np.maximum(np.asarray(y) * (1 / self.height), 0), 1)  # of few numbers, faster than np.clip
        narrowing = 1 - self.waist * np.square(np.maximum(u - 0.6, 0) * 2.5)
        return self.half_width * (1 - (1 - u) ** self.taper) ** self.apex_power * narrowing

    def half_depth(self, y):
        """Inner half depth of the thorax at height `y`."""
        u = np.minimum(np.clip(np.asarray(y) * (1 / self.height), 0, 1) * 1.4, 1)
        return self.depth * (0.14 + 0.86 * (u * (2 - u)) ** 0.75)

    def spine(self, y):
        """x of the spine's middle at height `y` (scoliosis)."""
        return self.scoliosis * np.sin(np.asarray(y) * (1 / 6.5) + self.scoliosis_phase)


@lru_cache(maxsize=4)
def make_anatomy(seed, patient, age, sex):
    """The patient's body, from random numbers keyed by (seed, patient).

    seed, patient: whole numbers >= 0; age in years, 0..120; sex 'F' or 'M'. Raises CourseError otherwise.
    """
    if sex not in ("F", "M"):
        raise CourseError(f"Sex {sex!r} is not known to the phantom; give 'F' or 'M'.")
    if not 0 <= age <= 120:
        raise CourseError(f"Age {age!r} is out of range; give years from 0 to 120.")
    measures = _measures(np.random.default_rng([7, seed, patient]), float(age), sex)
    bones = make_bones(_Body(measures), np.random.default_rng([8, seed, patient]))
    vessels = make_vessels(_Body(measures), np.random.default_rng([9, seed, patient]))
    return Anatomy(seed=seed, patient=patient, bones=bones, vessels=vessels, **measures)


# Drawn after the breasts, which draw a number of their own: neither age nor sex shall change the luck of these.
AFTER_BREASTS = "breast_x", "shoulder_y", "bone_density", "calibre", "trachea_x", "pacemaker", "wires"


def same_body(body, age, sex):
    """The body of the same adult at a different age or of the other sex: only what age and sex govern is different.

    body: an Anatomy of `make_anatomy`; age in years, from 18; sex 'F' or 'M'. Frame, heart, breasts, fat and bone density
    follow age and sex as in `make_anatomy`; every random number is the same. Raises CourseError as `make_anatomy` does.
    """
    if (age, sex) == (body.age, body.sex):
        return body
    other = make_anatomy(body.seed, body.patient, age, sex)
    if sex == body.sex:
        return other
    here = make_anatomy(body.seed, body.patient, age, body.sex)
    measures = {name: getattr(other, name) for name in _names()} | {name: getattr(here, name) for name in AFTER_BREASTS}
    measures["breast_y"] = here.breast_y / here.height * other.height
    bones = make_bones(_Body(measures), np.random.default_rng([8, body.seed, body.patient]))
    vessels = make_vessels(_Body(measures), np.random.default_rng([9, body.seed, body.patient]))
    return Anatomy(seed=body.seed, patient=body.patient, bones=bones, vessels=vessels, **measures)


def _names():
    """Names of the measures: the fields of Anatomy that are neither keys nor clouds."""
    return [f.name for f in fields(Anatomy) if f.name not in ("seed", "patient", "bones", "vessels")]


def _measures(rng, age, sex):
    """Body measures: a dict with every field of Anatomy that is not a cloud of points."""
    grown = min(max(0.55 + 0.45 * age / 17, 0.6), 1.0)  # children are drawn as small adults
    frame = _frame(rng, age, sex, grown)
    return frame | _organs(rng, age, sex, grown, frame["height"], frame["fat"])


def _frame(rng, age, sex, grown):
    """Thorax, lungs and diaphragm."""
    u, n = rng.uniform, rng.normal
    female = sex == "F"
    width = n(13.2 if female else 14.3, 0.95) * grown
    height = width * min(max(n(1.52 + 0.18 * (grown - 0.6) / 0.4, 0.20), 1.28), 2.3)
    fat = min(max(n(0.9 + 0.01 * (age - 45), 0.95), 0.0), 4.0)
    return {
        "age": age,
        "sex": sex,
        "half_width": width,
        "height": height,
        "fat": fat,
        "depth": (n(9.0, 0.6) + 0.3 * fat) * grown,
        "wall": u(2.0, 2.8) + 0.9 * fat,
        "apex_power": u(0.30, 0.56),
        "taper": u(1.6, 3.1),
        "waist": u(-0.06, 0.10),
        "dome": height * u(0.76, 0.87),
        "dome_step": min(max(n(1.0, 0.8), -0.6), 2.8) * grown,
        "dome_height": u(2.4, 6.2) * grown,
        "dome_middle": u(0.38, 0.54),
        "medial": u(0.12, 0.45),
    }


def _organs(rng, age, sex, grown, height, fat):
    """Heart, great vessels, spine, breasts and what was implanted."""
    u, n = rng.uniform, rng.normal
    old = max(0.0, age - 45)
    return {
        "heart_ratio": min(max(n(0.435 + 0.0006 * (age - 50) + 0.15 * (1 - grown), 0.028), 0.36), 0.475),
        "heart_tilt": u(28, 50),
        "heart_round": u(0.60, 0.80),
        "knob": grown * u(1.05, 1.6) + old * 0.012,
        "aorta_x": u(0.9, 1.8) + old * 0.012,
        "aorta_bow": u(0, 0.5) + old * 0.02,
        "trunk": u(0.2, 1.1),
        "cava": u(0, 0.9),
        "mediastinum": grown * u(1.75, 2.3) + 0.14 * fat,
        "fat_pad": u(0, 1) * min(1, fat / 1.5),
        "scoliosis": n(0, 0.4),
        "scoliosis_phase": u(0, 6.28),
        "breast": u(0.4, 1.6) if sex == "F" and age > 13 else 0.0,
        "breast_x": u(6.4, 8.8),
        "breast_y": height * u(0.62, 0.80),
        "shoulder_y": u(-4.5, -1.0),
        "bone_density": min(max(n(0.86 - 0.004 * old, 0.2), 0.42), 1.35),
        "calibre": u(0.8, 1.25),
        "trachea_x": n(-0.15, 0.3),
        "vertebra": 1.0 + np.arange(-5, 16) * height / 26.0 * 2.12 * (1 + 0.022 * np.arange(-5, 16)),
        "pacemaker": bool(rng.random() < 0.012),
        "wires": bool(rng.random() < 0.03),
    }


class _Body:
    """The measures with the border functions of Anatomy, for use before the Anatomy exists."""

    border, half_depth, spine = Anatomy.border, Anatomy.half_depth, Anatomy.spine

    def __init__(self, measures):
        self.__dict__.update(measures)


def trunk(a, taken, camera):
    """Body thickness (cm, float32 map): torso, shoulder girdle, arms, neck, chin and breasts."""
    (x, y), fat = camera.grid, a.fat
    ax = np.abs(x)
    wide = camera.at(lambda y: a.border(np.maximum(y, a.height * 0.42)) + a.wall)
    thickest = camera.at(lambda y: (1 + 0.15 * sigmoid(y - a.dome, 2.0)) * np.clip((y - 0.5) / 5, 0, 1) ** 0.6)
    torso = root(1 - (ax / wide) ** 2.6) * thickest * (1.86 * (a.depth + 1.3 + 0.6 * fat))
    thick = smooth_max(torso, capsule(ax, y, (0, 2.6), (a.half_width * 0.62, 3.2), 7.0 + 0.3 * fat, 5.4 + 0.4 * fat))
    thick = smooth_max(thick, 11.8 * root(1 - np.square((x - float(a.spine(-3))) / (5.4 + 0.4 * fat))) * (y < 8))
    level, w = a.shoulder_y + 1.2 * (1 - taken.arms), a.half_width
    limbs = (
        (1.22, (3.0, level + 2.6), (w + 3.2, 6.6 + 0.2 * level), 4.4 + 0.4 * fat, 5.2 + 0.5 * fat),
        (1.30, (w + 3.2, 7.0), (w + 4.6 + 3.4 * taken.arms, 27), 5.0 + 0.4 * fat, 4.1 + 0.4 * fat),
        (1.15, (w * 0.86, 5.5), (w * 0.98 + a.wall * 0.4, 13.5), 5.2, 3.2),
    )
    for factor, *limb in limbs:
        thick = smooth_max(thick, factor * taken.shoulders * capsule(ax, y, *limb))
    thick = np.maximum(thick - 0.25, 0) * (1 - 0.15 * bell(x - camera.at(a.spine), 2.6) * (y > -2))
    square = np.square(np.square((ax - 5.8) / 4.5))
    thick = thick + 3.6 * np.exp(-square - np.square((y - 1.7) / 2.3)) * (thick > 3)
    if taken.chin:  # the head hangs over the neck
        low = -8.5 + 4.5 * taken.chin
        thick = thick + 9 * root(1 - (x / 6.2) ** 2 - ((y - low + 6) / 6) ** 2)
    for side in (-1, 1):
        if a.breast:
            reach, low = 6.3 * (0.7 + 0.3 * a.breast), y - a.breast_y
            across = np.square((x - side * a.breast_x - 0.25 * side * low) / reach)
            drop = np.where(low > 0, np.float32(4.2 + 1.3 * a.breast), np.float32(10))
            thick = thick + 4.2 * a.breast * root(1 - across - np.square(low / drop)) * np.clip((y - 4) / 8, 0, 1)
    if a.sex == "M":
        thick = thick + camera.at(lambda y: sigmoid(13.5 - y, 1.2)) * bell(ax - 8, 5) * (thick > 2)
    return thick
