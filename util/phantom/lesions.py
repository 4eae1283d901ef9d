"""The 14 findings as causes: how each changes the chest's shape, and who draws it.

A finding's side, place and shape come from a generator keyed by (seed, patient, finding, episode): the same episode on
a later film looks the same and sits in the same place; only its severity and the film differ.
"""

from dataclasses import dataclass

import numpy as np

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom import lesions_lung, lesions_pleural  # noqa: F401 - they enter their painters
from util.phantom.painting import in_turn

PAINTERS = in_turn()


@dataclass
class Lesion:
    """One finding on one film. severity in (0, 1]; side -1 (right) or 1 (left); kind and extent uniform in 0..1."""

    finding: str
    severity: float
    side: int
    kind: float
    extent: float
    rng: np.random.Generator


def make_lesions(anatomy, severities, episodes, seed):
    """Lesions in the order of drawing. Raises CourseError on an unknown finding or a severity outside (0, 1]."""
    for finding in (*severities, *episodes):
        if finding not in FINDINGS:
            raise CourseError(f"The phantom cannot draw {finding!r}; the findings are {', '.join(FINDINGS)}.")
    for finding, severity in severities.items():
        if not 0 < severity <= 1:
            raise CourseError(f"Severity {severity!r} of {finding} is out of range; give a number above 0 and up to 1.")
    lesions = []
    for finding in PAINTERS:
        if finding in severities:
            key = [17, seed, anatomy.patient, FINDINGS.index(finding), episodes.get(finding, 0)]
            rng = np.random.default_rng(key)
            side, kind, extent = ((1 if rng.random() < 0.5 else -1), rng.random(), rng.random())
            lesions.append(Lesion(finding, float(severities[finding]), side, kind, extent, rng))
    return lesions


def deform(shape, lesions):
    """Apply to the resting shape (in place) what the lesions do to heart, diaphragm and mediastinum."""
    found = {lesion.finding: lesion for lesion in lesions}
    if lesion := found.get("Emphysema"):
        s = shape.inflation = lesion.severity
        shape.dome += 2.5 * s
        shape.dome_height *= 1 - 0.62 * s
        shape.heart_ratio *= 1 - 0.11 * s
    if lesion := found.get("Edema"):
        shape.congestion = lesion.severity
        shape.heart_ratio += 0.02 if "Cardiomegaly" not in found and shape.heart_ratio < 0.465 else 0
    if lesion := found.get("Cardiomegaly"):
        s = lesion.severity
        shape.heart_ratio = max(0.542 + 0.17 * s, shape.heart_ratio + 0.03 + 0.08 * s)
    if lesion := found.get("Atelectasis"):
        lift = (0.2 + 2.2 * lesion.severity) * (0.6 + 0.5 * lesion.extent)
        shape.dome_right -= lift * (lesion.side < 0)
        shape.dome_left -= lift * (lesion.side > 0)
        shape.shift += lesion.side * (0.2 + 1.2 * lesion.severity) * lesions_lung.is_collapse(lesion)
    if lesion := found.get("Pneumothorax"):
        shape.shift -= lesion.side * max(0, lesion.severity - 0.6) * 2.5
    if lesion := found.get("Effusion"):
        shape.shift -= lesion.side * max(0, lesion.severity - 0.75) * 2.0
    if lesion := found.get("Fibrosis"):
        shape.dome -= 2.0 * lesion.severity
    return shape
