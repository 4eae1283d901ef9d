"""Simulated films to look at: the gallery of all findings, and one patient whose finding grows."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from util.errors import CourseError
from util.findings import DEFINITIONS, FINDINGS
from util.phantom import films
from util.phantom.render import boxes
from util.plots import draw_boxes, draw_film

SEED, PATIENT = 4, 17  # not a seed of an embedded cohort or of training films
SEVERITIES = {"mild": 0.2, "moderate": 0.6, "gross": 1.0}
SIZE = 240  # pixels of a film


def gallery():
    """A normal patient, and the same patient with each of the 14 findings, mild to gross, with its boxes.

    Returns a matplotlib Figure of 45 simulated films, 240 x 240 pixels each, drawn in a few seconds. Each finding
    stands with its definition (``util.findings.DEFINITIONS``). Always the same films.
    """
    fig = plt.figure(figsize=(11, 19), dpi=72, layout="constrained")
    fig.suptitle("Normal, and 14 findings from mild to gross (simulated)")
    normal = {"man, PA": patient_film(), "woman, PA": patient_film(sex="F"), "man, AP": patient_film(view="AP")}
    first, *blocks = fig.subfigures(8, 2).flat
    _block(first, "Normal", "No finding: the heart at most half as wide as the thorax, clear lungs.", normal)
    for finding, block in zip(FINDINGS, blocks, strict=False):
        shown = {f"{word}, {severity}": patient_film(finding, severity) for word, severity in SEVERITIES.items()}
        _block(block, finding, DEFINITIONS[finding], shown, finding)
    return fig


def severity_strip(finding, severities=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), view="PA", patient=PATIENT):
    """One patient in one pose, whose finding grows: only the severity changes from film to film.

    Parameters
    ----------
    finding : one of ``util.findings.FINDINGS``
    severities : sequence of numbers above 0 and at most 1
    view : 'PA' or 'AP'
    patient : int, from 1; another number is another body

    Returns a matplotlib Figure with the normal film first. Raises CourseError when an argument is wrong.
    """
    if finding not in FINDINGS:
        raise CourseError(f"There is no finding {finding!r}: choose one of {', '.join(FINDINGS)}.")
    severities = np.atleast_1d(severities)
    wrong = severities[~((severities > 0) & (severities <= 1))]
    if not severities.size or wrong.size:
        said = f"the severity {wrong[0]:g} is out of range" if wrong.size else "there are no severities"
        raise CourseError(f"For {finding} {said}: give numbers above 0 and at most 1.")
    columns = min(6, len(severities) + 1)
    rows = -(-(len(severities) + 1) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(2 * columns, 2.2 * rows + 0.4), dpi=72, layout="constrained", squeeze=False
    )
    fig.suptitle(f"{finding}, severity {severities[0]:g} to {severities[-1]:g}, one patient, {view} (simulated)")
    for ax, severity in zip(axes.flat, (None, *severities), strict=False):
        film = patient_film(severity and finding, severity or 0, view=view, patient=patient)
        _draw(ax, film, "normal" if severity is None else f"{severity:g}", finding)
    for ax in axes.flat[len(severities) + 1 :]:
        ax.axis("off")
    return fig


def patient_film(finding=None, severity=0.0, sex="M", view="PA", patient=PATIENT):
    """A film, ``render.Film`` of 240 x 240 pixels, of a person of 50 years; without a finding a normal one."""
    if not isinstance(patient, (int, np.integer)) or patient < 1:
        raise CourseError(f"The patient is {patient!r}: give a whole number from 1.")
    severities = dict.fromkeys(FINDINGS, 0.0) | ({finding: float(severity)} if finding else {})
    person = {"PatientId": patient, "FollowUp": 0, "BaseAge": 50, "Sex": sex, "View": view}
    row = person | severities | {f"{name}_episode": int(value > 0) for name, value in severities.items()}
    return films.draw(row | {"Portable": False, "ChestTube": False}, SEED, SIZE)


def _block(figure, title, definition, shown, finding=None):
    """A row of films under the name and the definition of what they show."""
    figure.suptitle(
        f"{title}: " + textwrap.fill(definition, 78, initial_indent=" " * len(title)).strip(), fontsize="small"
    )
    for ax, (caption, film) in zip(figure.subplots(1, 3), shown.items(), strict=True):
        _draw(ax, film, caption, finding)


def _draw(ax, film, caption, finding=None):
    """A film without axes, with the boxes of its finding."""
    found = boxes(film.masks[finding]) if finding in film.masks else []
    draw_film(ax, film.pixels, caption)
    draw_boxes(ax, pd.DataFrame(found, columns=["x", "y", "w", "h"]), label=False)
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    ax.title.set_fontsize("small")
