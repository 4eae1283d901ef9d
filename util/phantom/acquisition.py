"""Everything on a film that is not the patient's state: how it was taken, what lies on the chest, what is printed on it.

These are the confounders of real collections (Zech et al. 2018, doi 10.1371/journal.pmed.1002683): each is a field of
`Acquisition`, so that a cohort can plant one on purpose.
"""

from dataclasses import dataclass, fields
from functools import lru_cache

import cv2
import numpy as np

from util.errors import CourseError

VIEWS = ("PA", "AP")
LOOKS = ("linear", "film", "flat")  # families of look-up tables, see detector.look_up


@dataclass(frozen=True)
class Acquisition:
    """One exposure. Angles in degrees, lengths in cm."""

    seed: int
    patient: int
    follow_up: int
    view: str  # 'PA' or 'AP'
    portable: bool  # 'PORTABLE' is printed on the film
    roll: float
    yaw: float
    pitch: float
    shallow: float  # how much higher the diaphragm stands than at full inspiration
    frame: float  # film width over thorax width
    dx: float
    dy: float
    arms: float  # 0 at the side .. 1 turned out
    scapula: float  # how far the shoulder blades are drawn off the lungs
    shoulders: float  # thickness of shoulders and arms, 1 as released
    wall_air: bool  # subcutaneous emphysema, never in the released cohort
    dose: float  # relative to a good film
    scatter: float
    look: str  # family of the look-up table
    level: float  # brightness, added
    contrast: float  # multiplied
    gamma: float
    enhance: float  # edge enhancement
    blur: float  # of focus and movement
    leads: bool
    line: bool  # central venous line
    ett: bool  # endotracheal tube
    feeding_tube: bool
    chest_tube: bool
    chest_tube_side: int  # -1 right, 1 left, 0 where the pneumothorax or effusion is
    marker: bool
    collimated: bool
    gas: float  # in the stomach, 0 none
    colon: bool
    skin_fold: bool
    chin: float  # how far the chin hangs into the film
    slope: tuple  # log exposure added across and down the film (anode heel, a tilted grid)
    local: float  # strength of local contrast enhancement
    floor: float  # grey value of the darkest pixel the display gives, 0..255
    ceiling: float  # grey value of the brightest
    grain: int  # changes the noise alone


def make_acquisition(seed, patient, follow_up, view, **overrides):
    """The exposure of one film, from random numbers keyed by (seed, patient, follow_up).

    view: 'PA' or 'AP'. overrides: any field of Acquisition, to fix it. Habits that stay with the patient's department
    (framing) are keyed by (seed, patient). Raises CourseError on an unknown view or field.
    """
    if view not in VIEWS:
        raise CourseError(f"View {view!r} is not known to the phantom; give 'PA' or 'AP'.")
    unknown = sorted(set(overrides) - {f.name for f in fields(Acquisition)})
    if unknown:
        raise CourseError(f"An acquisition has no field {unknown[0]!r}; see util.phantom.acquisition.Acquisition.")
    rng = np.random.default_rng([11, seed, patient, follow_up])
    drawn = {
        "seed": seed,
        "patient": patient,
        "follow_up": follow_up,
        "view": view,
        "grain": 0,
        "shoulders": 1.0,
        "wall_air": False,
    }
    drawn |= _pose(rng, view == "AP", np.random.default_rng([12, seed, patient]).normal(0, 0.07))
    drawn |= _look(rng, view == "AP") | _objects(rng, view == "AP")
    return Acquisition(**(drawn | overrides))


def _pose(rng, ap, habit):
    n, u = rng.normal, rng.uniform
    loose = 0.25 * rng.random() * (rng.random() < (0.3 if ap else 0.15))
    return {
        "roll": min(max(n(0, 2.2 if ap else 1.2), -7.0), 7.0),
        "yaw": min(max(n(0, 5.0 if ap else 2.0), -13.0), 13.0),
        "pitch": n(0, 6) if ap else n(0, 2),
        "shallow": min(max(n(1.8, 1.4) if ap else n(0.3, 0.8), -0.6), 5.0),
        "frame": min(max(1.18 + habit + n(0, 0.06) + n(0.07, 0.06) * ap + loose, 1.0), 1.7),
        "dx": n(0, 1.3 if ap else 0.7),
        "dy": n(1.5, 1.8 if ap else 1.2),
        "arms": u(0, 0.5) if ap else u(0.4, 1.2),
        "scapula": u(-0.8, 1.4) if ap else u(0.8, 4.2),
    }


def _look(rng, ap):
    n, u = rng.normal, rng.uniform
    dull = bool(rng.random() < 0.11)
    return {
        "dose": float(np.exp(n(0.7 if ap else 1.1, 0.8))),
        "scatter": u(0.6, 2.4) if ap else u(0.3, 1.2),
        "look": LOOKS[int(rng.choice(3, p=(0.4, 0.4, 0.2)))],
        "level": n(0.04, 0.08),
        "contrast": float(np.exp(n(0.02, 0.24))),
        "gamma": float(np.exp(n(0, 0.22))),
        "enhance": u(0.1, 1.6),
        "blur": float(np.abs(n(0, 0.03 if ap else 0.015))),
        "slope": (n(0, 0.09 if ap else 0.04), n(0.08, 0.13 if ap else 0.08)),
        "local": u(0, 0.38),
        "floor": u(5, 60) * dull,
        "ceiling": 255.0 - u(15, 95) * (dull or rng.random() < 0.08),
    }


def _objects(rng, ap):
    def chance(if_ap, if_pa):
        return bool(rng.random() < (if_ap if ap else if_pa))

    return {
        "portable": chance(0.75, 0),
        "leads": chance(0.45, 0.03),
        "line": chance(0.28, 0.02),
        "ett": chance(0.18, 0),
        "feeding_tube": chance(0.12, 0),
        "chest_tube": False,
        "chest_tube_side": 0,
        "marker": chance(0.93, 0.93),
        "collimated": chance(0.25, 0.3),
        "gas": float(rng.uniform(0.1, 1.0)) * chance(0.75, 0.8),
        "colon": chance(0.6, 0.55),
        "skin_fold": chance(0.18, 0.01),
        "chin": float(rng.uniform(0.3, 1)) * chance(0.3, 0.08),
    }


def draw_devices(chest, tube_side):
    """Map (float32, relative attenuation) of leads, lines, tubes, wires and the pacemaker on this film.

    tube_side: -1 or 1, where a chest tube lies unless the acquisition fixes it.
    """
    taken, body, camera = chest.acquisition, chest.anatomy, chest.camera
    tubes = taken.line, taken.ett, taken.feeding_tube, taken.chest_tube
    if not any((taken.leads, *tubes, body.pacemaker, body.wires)):
        return None
    rng = np.random.default_rng([14, taken.seed, taken.patient, taken.follow_up])
    soft, hard = camera.canvas(), camera.canvas()
    _leads(camera, rng, body, soft, hard, taken.leads)
    _tubes(chest, rng, soft, taken.chest_tube_side or tube_side)
    if body.pacemaker:
        _pacemaker(chest, hard)
    if body.wires:
        for y in 5 + 2.4 * np.arange(5):
            camera.draw(
                hard,
                curve([[-0.5, y - 0.3], [0, y + 0.35], [0.6, y - 0.35], [0, y - 0.5], [-0.5, y + 0.3]]),
                0.1,
                220,
            )
    return camera.soften(soft, 0.05) * np.float32(0.9) + camera.soften(hard, 0.05) * np.float32(1.6)


def _pacemaker(chest, hard):
    """A generator below the clavicle, mostly the left one, with one or two leads; the same on every film."""
    body, camera = chest.anatomy, chest.camera
    rng = np.random.default_rng([18, body.seed, body.patient])
    side = 1 if rng.random() < 0.8 else -1
    x, y, turn = side * body.half_width * rng.uniform(0.5, 0.78), rng.uniform(4.5, 8.5), rng.uniform(0, np.pi)
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    loop = np.stack([np.cos(t), np.sin(t)]) * [[rng.uniform(1.9, 2.6)], [rng.uniform(1.5, 2.1)]]
    loop = np.sign(loop) * np.abs(loop) ** 0.8
    c, s = np.cos(turn), np.sin(turn)
    camera.fill(
        hard, np.stack([x + c * loop[0] - s * loop[1], y + s * loop[0] + c * loop[1]], 1), rng.uniform(110, 190)
    )
    for _ in range(1 + (rng.random() < 0.6)):
        end = [rng.uniform(-1, 4), chest.dome - rng.uniform(0.8, 4)]
        way = [[x, y - 1], [x * 0.6, 3.2 + rng.random()], [-1.3, 6.5], [-2.2, 12 + rng.random()], end]
        camera.draw(hard, curve(way), 0.13, 130)


def curve(points, n=40):
    """A smooth (Catmull-Rom) line of n points through the given (x, y) points."""
    points = np.asarray(points, float)
    t = np.linspace(0, len(points) - 1, n)
    i = np.clip(t.astype(int), 0, len(points) - 2)
    f = (t - i)[:, None]
    a, b, c, d = (
        points[np.maximum(i - 1, 0)],
        points[i],
        points[i + 1],
        points[np.minimum(i + 2, len(points) - 1)],
    )
    return 0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3)


def _leads(camera, rng, body, soft, hard, present):
    for _ in range(int(rng.integers(2, 5))):
        at = np.array([rng.uniform(-0.85, 0.85) * body.half_width, rng.uniform(2, 21)])
        path = [
            at,
            at + rng.normal(0, 2.5, 2) + [0, 3],
            [rng.uniform(-10, 10), rng.uniform(14, 24)],
            [rng.uniform(-6, 14), 36],
        ]
        strength = rng.uniform(60, 200)
        if present:
            camera.draw(soft, curve(path), 0.12, strength)
            camera.disc(soft, at, 0.95, 55)
            camera.disc(hard, at, 0.42, strength)


def _tubes(chest, rng, soft, tube_side):
    taken, body, camera, dome = (chest.acquisition, chest.anatomy, chest.camera, chest.dome)
    side, depth, gap = ((-1 if rng.random() < 0.7 else 1), rng.uniform(0, 4), rng.uniform(2, 4.5))
    bend, high = rng.normal(0, 1.0, 2), rng.uniform(0.1, 0.35)
    if taken.line:
        camera.draw(
            soft,
            curve([[side * 9, 1.5], [side * 5, 2.8], [-1.2 + 0.5 * side, 5], [-2.0, 10 + depth]]),
            0.16,
            150,
        )
    if taken.ett:
        x, end = body.trachea_x, chest.carina - gap
        camera.draw(soft, curve([[x, -9], [x + 0.1, -2], [x, end]]), 0.7, 45)
        camera.draw(soft, curve([[x + 0.3, -9], [x + 0.3, -2], [x + 0.3, end]]), 0.1, 200)
    if taken.feeding_tube:
        gx, gy = body.half_width * 0.45, dome + 3
        camera.draw(
            soft,
            curve([[0.3, -9], [0.4, 5], [0.8, 14], [1.5, dome], [gx - 1, gy + 1.5], [gx, gy + 3.5]]),
            0.25,
            130,
        )
    if taken.chest_tube:
        outside = [tube_side * (body.half_width + 5), body.height * 0.72 + bend[0]]
        entry = [tube_side * (body.half_width - 0.5), body.height * 0.6 + bend[1]]
        path = curve(
            [
                outside,
                entry,
                [tube_side * body.half_width * 0.62, body.height * 0.35],
                [tube_side * 5.2, body.height * high],
            ]
        )
        camera.draw(soft, path, 0.6, 80)
        camera.draw(soft, path, 0.1, 190)


def print_on(film, taken):
    """Collimation and markers on a float32 film (0..255); returns the film."""
    rng = np.random.default_rng([15, taken.seed, taken.patient, taken.follow_up])
    size = film.shape[0]
    film = _collimate(film, rng, taken.collimated)
    kind, flip, tilt = int(rng.integers(4)), rng.random() < 0.25, rng.normal() * 18
    right = rng.random() < 0.25  # some departments mark the right side
    x, y = rng.uniform(0.85, 0.94), rng.uniform(0.04, 0.25)
    bright = rng.uniform(170, 255) * (0.5 if flip else 1)
    scale, tilt = rng.uniform(0.36, 0.6), tilt * (3 if taken.view == "AP" else 1)
    if taken.marker:
        x = 1 - x - 0.03 if right else x
        _text(film, "R" if right else "L", x, y, scale, bright, tilt)
        if kind == 0:
            _text(film, ("DW", "JK", "DDH", "3")[int(rng.integers(4))], x - 0.01, y + 0.05, 0.24, bright * 0.9)
        if kind == 1:
            centre = (int(x * size), int(y * size - 1))
            cv2.circle(film, centre, int(0.035 * size), float(bright), max(1, size // 300), cv2.LINE_AA)
    y, x = rng.uniform(0.05, 0.4), (0.78 if rng.random() < 0.6 else 0.05)
    second, third = rng.random(), rng.random()
    if taken.portable:
        _text(film, "PORTABLE", x, y, 0.26, 240)
        if second < 0.6:
            _text(film, "AP", x + 0.025, y - 0.034, 0.28, 240)
        if third < 0.3:
            _text(film, "SUPINE" if third < 0.12 else "SEMI-ERECT", x - 0.02, y + 0.037, 0.22, 235)
    return film


def _collimate(film, rng, present):
    """Black borders where the collimator cut the beam, slightly tilted."""
    size = film.shape[0]
    cut = rng.uniform(0, 0.05, 4) * (rng.random(4) < 0.5)
    tilt, dark = rng.normal() * 1.2, rng.uniform(0, 12)
    if not present or not cut.any():
        return film
    left, right, top, bottom = np.where(cut == 0, -1.0, cut)  # an edge not cut lies far outside
    corners = np.array([[left, top], [1 - right, top], [1 - right, 1 - bottom], [left, 1 - bottom]]) - 0.5
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    corners = (corners @ np.array([[c, s], [-s, c]]) + 0.5) * size
    open_field = np.zeros((size, size), np.uint8)
    cv2.fillPoly(open_field, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    beam = cv2.GaussianBlur(open_field, (0, 0), size / 320).astype(np.float32) * np.float32(1 / 255)
    return film * beam + np.float32(dark) * (1 - beam)


@lru_cache
def _plate(words):
    """Words to print, uint8 (64, 300)."""
    plate = np.zeros((64, 300), np.uint8)
    return cv2.putText(plate, words, (8, 44), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 255, 3, cv2.LINE_AA)


def _text(film, words, x, y, scale, bright, tilt=0.0):
    """Print words at (x, y), fractions of the film, in place; `scale` is for a film of 320 pixels."""
    size = film.shape[0]
    matrix = cv2.getRotationMatrix2D((20, 36), tilt, scale * size / 320)
    matrix[:, 2] += np.array([x * size - 20, y * size - 36])
    printed = cv2.warpAffine(_plate(words), matrix, (size, size), flags=cv2.INTER_LINEAR)
    left, top, wide, high = cv2.boundingRect(printed)
    part = np.s_[top : top + high, left : left + wide]
    film[part] = np.maximum(film[part], printed[part] * np.float32(bright / 255))
