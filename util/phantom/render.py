"""Render one simulated chest radiograph: patient + acquisition + findings -> film, masks, measures.

The physics is Beer-Lambert along parallel depths with a cone-beam projection of bones and vessels, blurred scatter,
quantum noise and a detector's image processing. Simulated films; not for clinical use.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from util.errors import CourseError
from util.phantom.acquisition import VIEWS, draw_devices, print_on
from util.phantom.chest import Chest, make_camera, resting_shape
from util.phantom.detector import expose, look_up, process, window_of
from util.phantom.lesions import PAINTERS, deform, make_lesions
from util.phantom.lesions_pleural import silhouette, wall_air
from util.phantom.projection import bell, sigmoid

SOFT, BONE = 0.20, 0.55  # attenuation, 1/cm, at about 60 keV effective
MIN_BOX = 12  # pixels

# glibc gives the memory of freed maps back to the system, so that every new map pays for it with page faults, a tenth
# of the time of a film. Once a block of this size has been freed, it keeps as much at hand instead.
np.empty(16_000_000, np.uint8)


@dataclass(frozen=True, eq=False)
class Film:
    """A rendered film.

    pixels: uint8 (size, size). masks: {finding: bool (size, size)}. measures: {name: float}: 'cardiothoracic_ratio'
    measured on the silhouette; 'mass_mm', 'nodule_mm' the longest diameter of the largest one, in the plane z = 0.
    window: the exposures (lung, mediastinum) on which the gray levels were set.
    """

    pixels: np.ndarray = field(repr=False)
    masks: dict = field(repr=False)
    measures: dict
    window: tuple = ()


def render(anatomy, acquisition, severities, seed, size=320, episodes=None, window=None, touches=()):
    """Render a film.

    anatomy, acquisition: of the same patient. severities: {finding: number in (0, 1]}; {} for a normal film.
    seed: keys the findings' places and the noise. size: pixels a side, 64..1024; the geometry is the same at every
    size. episodes: {finding: whole number}, default 0; another number puts an acute finding elsewhere. window: that of
    another film, to hold its exposure; by default it follows this film's lungs, as a machine's automatic exposure does.
    touches: functions (chest) -> None that add to the maps after the findings, on teaching films; none by default.
    Same arguments, same pixels. Raises CourseError on bad input.
    """
    if acquisition.view not in VIEWS:
        raise CourseError(f"View {acquisition.view!r} is not known to the phantom; give 'PA' or 'AP'.")
    if size != int(size) or not 64 <= size <= 1024:
        raise CourseError(f"Film size {size!r} is out of range; give a whole number from 64 to 1024.")
    lesions = make_lesions(anatomy, severities, episodes or {}, seed)
    shape = deform(resting_shape(anatomy, acquisition), lesions)
    chest = Chest(anatomy, acquisition, make_camera(anatomy, acquisition, int(size)), shape)
    masks = {lesion.finding: PAINTERS[lesion.finding](chest, lesion) for lesion in lesions}
    for touch in touches:
        touch(chest)
    _mimics(chest)
    sides = [lesion.side for lesion in lesions if lesion.finding in ("Pneumothorax", "Effusion")]
    noise = np.random.default_rng([13, seed, acquisition.patient, acquisition.follow_up, acquisition.grain])
    wander = chest.camera.wander(np.random.default_rng([19, anatomy.seed, anatomy.patient]))
    masks = {finding: wander(mask) for finding, mask in masks.items()}
    exposure = expose(wander(_attenuation(chest, sides[-1] if sides else 1)), chest, noise)
    processed = process(exposure, chest)
    window = window or window_of(processed, chest)
    grey = print_on(look_up(processed, chest, window), acquisition)
    grey += 0.6 * noise.standard_normal(grey.shape, dtype=np.float32)
    return Film(np.clip(grey, 0, 255).astype(np.uint8), masks, _measures(chest, wander), window)


def boxes(mask):
    """Bounding boxes [(x, y, w, h)] in pixels of a bool mask's connected components of at least 12 pixels."""
    stats = cv2.connectedComponentsWithStats(np.asarray(mask).astype(np.uint8))[2]
    return [tuple(int(v) for v in row[:4]) for row in stats[1:] if row[4] >= MIN_BOX]


def _mimics(chest):
    """Things a reader may take for a finding: fat pads beside the heart, a skin fold, air in the chest wall."""
    body, taken = chest.anatomy, chest.acquisition
    if body.fat_pad > 0.3:
        middle, low = body.half_width * 0.42, chest.dome + 0.8
        w = chest.camera.window(middle, low, 7)
        pad = np.exp(-np.square((chest.x[w] - middle) / 2.4) - np.square((chest.y[w] - low) / 1.8))
        chest.extra[w] += 1.6 * body.fat_pad * pad * chest.lungness[w]
    if taken.skin_fold:
        rng = np.random.default_rng([16, taken.seed, taken.patient, taken.follow_up])
        side, start, lean = ((1 if rng.random() < 0.5 else -1), rng.uniform(0.55, 0.85), rng.uniform(-0.15, 0.15))
        away = chest.x * side - body.half_width * start - lean * (chest.y - 9)
        fold = np.exp(-np.maximum(away, 0) / 1.8) * sigmoid(away, 0.05) * bell(chest.y - 10, 9)
        chest.extra += np.float32(0.8) * fold * chest.in_body
    if taken.wall_air:
        wall_air(chest)


def _attenuation(chest, tube_side):
    """Sum of mu * thickness over everything the rays cross (float32)."""
    tissue = np.clip(chest.body - chest.lung0 - chest.air * (chest.body > 3), 0, np.inf)
    tissue *= 1 + chest.camera.texture(chest.rng, (1.0, 3.0, 8.0), (0.01, 0.02, 0.03))
    tissue += chest.density * np.clip(chest.lung, 0, np.inf)
    tissue += 1.25 * chest.vessel * np.clip((chest.lung0 - 3) * (1 / 9), 0, 1) * chest.seen
    tissue += chest.extra + 0.012 * chest.heart
    total = SOFT * tissue + (BONE - SOFT) * 1.05 * chest.bone
    devices = draw_devices(chest, tube_side)
    return total if devices is None else total + devices


def _measures(chest, wander):
    """Cardiothoracic ratio on this film's silhouettes, and the longest diameter of masses and nodules."""
    heart = chest.x[wander(silhouette(chest))]
    thorax = chest.x[wander(chest.lung0 > 0.3)]
    measures = {
        "cardiothoracic_ratio": float(np.ptp(heart) / np.ptp(thorax)) if heart.size and thorax.size else float("nan")
    }
    return measures | {f"{finding.lower()}_mm": value for finding, value in chest.diameters.items()}
