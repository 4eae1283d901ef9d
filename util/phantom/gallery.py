"""Simulated films to look at: one patient with each finding in turn, a labeled normal film, and both views.

Nothing here belongs to the released cohort. The patient is drawn in full inspiration and without devices, and the
exposure of the normal film is kept, so that only the finding differs.
"""

import textwrap
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom.acquisition import make_acquisition
from util.phantom.anatomy import make_anatomy
from util.phantom.chest import Chest, make_camera, resting_shape
from util.phantom.render import boxes, render
from util.plots import draw_boxes, draw_film

SEED, PATIENT, AGE = 4, 11, 50  # not a seed of an embedded cohort or of training films
SIZE = 240  # pixels of a film
SLIVER = 0.01  # boxes below this share of the largest are not drawn
FINE = 400  # of the gallery's films, which show lines of a millimeter
# A good film: full inspiration, no devices, shoulder blades drawn off the lungs, even exposure.
GOOD = {
    "portable": False, "shallow": -0.4, "frame": 1.22, "roll": 0.0, "yaw": 0.0, "pitch": 0.0, "dx": 0.0, "dy": 0.8,
    "arms": 0.9, "scapula": 4.0, "dose": 6.0, "scatter": 0.4, "look": "linear", "level": 0.02, "contrast": 1.0,
    "gamma": 1.0, "enhance": 0.8, "blur": 0.0, "slope": (0.0, 0.0), "local": 0.2, "floor": 0, "ceiling": 255.0,
    "leads": False, "line": False, "ett": False, "feeding_tube": False, "collimated": False, "colon": False,
    "skin_fold": False, "chin": 0.0, "gas": 0.6,
}  # fmt: skip
LINES, STRENGTH = 3, 1.6  # seed of the septal lines; tissue in cm that they add where edema is severe
MARKED = 0.8  # severity of the gallery's findings
MILDER = {"Pneumonia": 0.45, "Infiltration": 0.4}  # of those that would outshine bone
# Where and how the gallery draws each finding: the usual picture of several that the phantom draws.
EPISODES = {
    "Effusion": 1, "Hernia": 3, "Infiltration": 2, "Mass": 1, "Nodule": 2, "Pneumothorax": 4, "Pleural_Thickening": 6,
    "Pneumonia": 5, "Consolidation": 4,
}  # fmt: skip
CLOSER = {
    "Edema": (0.06, 0.5, 0.32),
    "Pneumothorax": (0.54, 0.2, 0.38),
    "Emphysema": (0.06, 0.52, 0.46),
}  # left, top and side of the enlarged part, as shares of the film
# What is to be seen on the gallery's films; util.findings.DEFINITIONS says what a finding is in general.
SEEN = {
    "Cardiomegaly": "The heart is wider than half the thorax.",
    "Hernia": "A round shadow behind the heart; air above fluid ends in a straight line.",
    "Effusion": "Fluid hides the diaphragm on one side and rises along the chest wall.",
    "Pneumothorax": "A dark rim along the wall, bounded by a thin white line; no vessels cross it.",
    "Pleural_Thickening": "A white band along the inside of the ribs.",
    "Consolidation": "One dense patch that ends sharply at the border between two lobes.",
    "Pneumonia": "A mottled white patch low in one lung.",
    "Infiltration": "Ill-defined, mottled patches.",
    "Edema": "White haze around the hila; short lines at the pleura of the bases (Kerley B).",
    "Atelectasis": "A white wedge behind the heart, where a part of the lung has collapsed.",
    "Mass": "A rounded opacity more than 30 mm across.",
    "Nodule": "A rounded opacity at most 30 mm across.",
    "Emphysema": "Large dark lungs, a low, flat diaphragm and a narrow heart.",
    "Fibrosis": "Coarse lines at both bases; the diaphragm is drawn up.",
}


def patient_film(
    finding=None, severity=0.0, view="PA", patient=PATIENT, sex="M", automatic=False, episode=None, size=None
):
    """A film of a person of 50 years in full inspiration; without a finding a normal one.

    Parameters
    ----------
    finding : one of ``util.findings.FINDINGS``, or None
    severity : float above 0 and at most 1, or 0 without a finding
    view : 'PA' or 'AP'
    patient : int, from 1; another number is another body
    sex : 'M' or 'F'
    automatic : bool, whether the gray levels follow this film's lungs, as a machine's automatic exposure does; by default
        they are those of the same patient's normal film
    episode : int, another number puts an acute finding elsewhere, or None for the gallery's
    size : int, pixels of a side, or None for 240

    Returns
    -------
    util.phantom.render.Film. Raises CourseError when an argument is wrong.
    """
    if not isinstance(patient, (int, np.integer)) or patient < 1:
        raise CourseError(f"The patient is {patient!r}: give a whole number from 1.")
    size = SIZE if size is None else size
    if finding is None:
        return _normal(view, int(patient), sex, size)
    window = None if automatic else _normal(view, int(patient), sex, size).window
    episodes = {finding: EPISODES.get(finding, 0) if episode is None else episode}
    body, taken = _person(view, int(patient), sex)
    touches = (lambda chest: septal_lines(chest, float(severity)),) if finding == "Edema" else ()
    return render(body, taken, {finding: float(severity)}, SEED, size, episodes, window, touches)


def septal_lines(chest, severity):
    """Draw Kerley B lines on a teaching film: thin, horizontal, one to two cm long, from the pleura inwards at the bases.

    The lines of the released cohort's edema are fainter than its films can show; these are drawn on top of them.
    """
    rng, lines = np.random.default_rng(LINES), chest.camera.canvas()
    for side in (-1, 1):
        for y in np.arange(0.76, 1.10, 0.04) * chest.dome:
            y += rng.uniform(-0.2, 0.2)
            outer, length = float(chest.anatomy.border(y)) - 0.1, rng.uniform(1.2, 2.0)
            ends = [[side * outer, y], [side * (outer - length), y + rng.normal() * 0.08]]
            chest.camera.draw(lines, np.array(ends), 0.1)
    chest.extra += chest.camera.soften(lines, 0.04) * np.float32(STRENGTH * severity) * chest.lungness


def _person(view, patient, sex):
    return make_anatomy(SEED, patient, AGE, sex), make_acquisition(SEED, patient, 0, view, chest_tube=False, **GOOD)


@lru_cache(maxsize=16)
def _normal(view, patient, sex, size):
    body, taken = _person(view, patient, sex)
    return render(body, taken, {}, SEED, size)


def gallery(*findings):
    """The same patient normal and with each finding, first without and then with the boxes around it, then enlarged.

    Parameters
    ----------
    findings : of ``util.findings.FINDINGS``, one block for each

    Returns a matplotlib Figure of 2 x 2 films a finding: normal, with the finding, boxed, and a part of it enlarged.
    Narrow enough for a telephone. Its exposure is that of the normal film. Always the same films.
    """
    unknown = [finding for finding in findings if finding not in FINDINGS]
    if unknown or not findings:
        raise CourseError(f"There is no finding {unknown[0]!r}." if unknown else "Name at least one finding.")
    fig = plt.figure(figsize=(4, 4.7 * len(findings)), dpi=144, layout="constrained")
    for finding, block in zip(findings, np.atleast_1d(fig.subfigures(len(findings), 1)), strict=True):
        film = patient_film(finding, MILDER.get(finding, MARKED), size=FINE)
        block.suptitle(textwrap.fill(f"{finding.replace('_', ' ')}: {SEEN[finding]}", 52), fontsize=9)
        shown = {"normal": patient_film(size=FINE), "with the finding": film, "boxed": film, "enlarged": film}
        for ax, (caption, drawn) in zip(block.subplots(2, 2).flat, shown.items(), strict=True):
            draw_plain(ax, drawn.pixels, caption)
            if caption == "boxed":
                draw_finding_boxes(ax, film, finding)
        left, top, side = closer_look(film, finding)
        ax.set(xlim=(left, left + side), ylim=(top + side, top))
    return fig


def closer_look(film, finding):
    """The square (left, top, side) in pixels that the gallery enlarges: around the largest box, or where CLOSER says."""
    size = len(film.pixels)
    if finding in CLOSER:
        return tuple(share * size for share in CLOSER[finding])
    x, y, w, h = max(boxes(film.masks[finding]), key=lambda box: box[2] * box[3])
    side = min(size, max(0.35 * size, 1.25 * w, 1.25 * h))
    left, top = (float(np.clip(middle - side / 2, 0, size - side)) for middle in (x + w / 2, y + h / 2))
    return left, top, side


def draw_plain(ax, pixels, caption):
    """A film without ticks or axis labels, under a caption."""
    draw_film(ax, pixels, caption)
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    ax.title.set_fontsize(9)


def draw_finding_boxes(ax, film, finding):
    """The boxes around a finding of a ``render.Film``, without slivers of a mask."""
    found = boxes(film.masks[finding]) if finding in film.masks else []
    least = SLIVER * max((w * h for *_, w, h in found), default=0)
    found = [box for box in found if box[2] * box[3] >= least]
    draw_boxes(ax, pd.DataFrame(found, columns=["x", "y", "w", "h"]), label=False)


def landmarks():
    """Where the structures of the normal film are: dict name -> (column, row), floats, in pixels.

    They come from the geometry that the film is drawn from, up to about 0.5 cm of random asymmetry. The patient's right
    side is on the left of the film.
    """
    body, taken = _person("PA", PATIENT, "M")
    shape = resting_shape(body, taken)
    chest = Chest(body, taken, make_camera(body, taken, SIZE), shape)
    heights, right, left = chest.borders()

    def at_height(y, border):
        return float(np.interp(y, heights, border))

    knob, atrium, low = 0.30 * body.height, 0.68 * shape.dome, 0.88 * shape.dome
    corner = min(body.height * 0.97, SIZE)
    places = {
        "trachea": (body.trachea_x, chest.carina - 4),
        "aortic knob": (at_height(knob, left), knob),
        "right hilum": chest.hila[0],
        "left hilum": chest.hila[1],
        "heart, right border": (-at_height(atrium, right), atrium),
        "heart, left border": (at_height(low, left), low),
        "diaphragm, right dome": (-body.half_width * 0.55, chest.dome_of(-1)),
        "air in the stomach": (body.half_width * 0.47, chest.dome_of(1) + 2.4),
        "right costophrenic angle": (-0.97 * float(body.border(corner)), corner),
        "left costophrenic angle": (0.97 * float(body.border(corner)), corner),
    }
    columns, rows = chest.camera.project(np.array(list(places.values()), float))
    return {name: (float(x), float(y)) for name, x, y in zip(places, columns, rows, strict=True)}


def labeled_normal():
    """The normal film with its structures numbered and named beside it: a matplotlib Figure."""
    from util.plots import draw_labels

    fig, ax = plt.subplots(figsize=(5.7, 3.6), dpi=144, layout="constrained")
    draw_plain(ax, patient_film().pixels, "A normal PA film (simulated)")
    draw_labels(ax, landmarks())
    return fig
