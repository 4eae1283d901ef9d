"""Twins: one simulated body drawn twice with one thing changed, so that a difference has one cause.

A counterfactual in the sense of Pearl (Causality, 2009, chapter 7): the same patient, the same day, the same noise,
and one intervention. Any draw has twins; no released film is touched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom.acquisition import Acquisition, make_acquisition
from util.phantom.anatomy import Anatomy, make_anatomy, same_body
from util.phantom.embedded import root_seed
from util.phantom.render import Film, render
from util.phantom.studies import sample_studies

EXPOSURES = ("held", "automatic")
BODY = ("age", "sex")
BEDSIDE = "bedside"  # the AP view with the pose, the devices and the image processing that usually go with it
TAKEN = tuple(f.name for f in dataclasses.fields(Acquisition) if f.name not in ("seed", "patient", "follow_up"))
VISIBLE = 8  # gray levels, after a blur over about three pixels: less is hard to see
ADULT = 18  # years


@dataclass(frozen=True)
class Patient:
    """One patient of one draw, on the day of one film.

    Attributes
    ----------
    number : int, at least 0, and seed : int, at least 0: together they are the body. For the patients of a cohort the
        seed is ``util.phantom.embedded.root_seed(seed, "cohort")``.
    age : years; sex : 'M' or 'F'; view : 'PA' or 'AP'; follow_up : int, which film of the patient
    findings : dict finding -> severity in (0, 1]; episodes : dict finding -> int, which spell of it
    taken : dict, fields of ``util.phantom.acquisition.Acquisition`` to fix, such as {"portable": False}

    See Also
    --------
    people : patients without a finding
    twins : draws a patient twice

    Examples
    --------
    >>> Patient(3, seed=24, sex="F").view
    'PA'

    Taught in lesson 12, section 1.
    """

    number: int
    seed: int
    age: float = 50
    sex: str = "M"
    view: str = "PA"
    follow_up: int = 0
    findings: Mapping = field(default_factory=dict)
    episodes: Mapping = field(default_factory=dict)
    taken: Mapping = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping, seed: int) -> Patient:
        """The patient of a row (a dict) of ``sample_studies``, drawn from the body seed `seed` as `films.draw` does."""
        findings = {finding: row[finding] for finding in FINDINGS if row[finding] > 0}
        return cls(
            row["PatientId"], seed, row["BaseAge"], row["Sex"], row["View"], row["FollowUp"], findings,
            {finding: row[f"{finding}_episode"] for finding in findings},
            {"portable": row["Portable"], "chest_tube": row["ChestTube"]},
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Twins:
    """Two films of one patient.

    Attributes
    ----------
    film, twin : util.phantom.render.Film, before and after the change; their `pixels` are uint8 (size, size)
    change : dict, what was changed

    See Also
    --------
    twins : draws them

    Examples
    --------
    >>> pair = twins(Patient(3, seed=24), {"Mass": 0.7}, size=96)
    >>> bool(pair.changed[pair.outline].mean() > pair.changed[~pair.outline].mean())
    True

    Taught in lesson 12, section 1.
    """

    film: Film
    twin: Film
    change: dict

    @property
    def difference(self) -> np.ndarray:
        """Gray levels of the twin minus those of the film: float32 (size, size), from -255 to 255."""
        return self.twin.pixels.astype(np.float32) - self.film.pixels

    @property
    def changed(self) -> np.ndarray:
        """Where the change is to be seen: bool (size, size), a smoothed difference of at least VISIBLE gray levels."""
        smooth = cv2.GaussianBlur(self.difference, (0, 0), self.twin.pixels.shape[0] / 200)
        return np.abs(smooth) >= VISIBLE

    @property
    def outline(self) -> np.ndarray:
        """The outline of the findings that were changed, on either film: bool (size, size), False without such a finding."""
        inside = np.zeros(self.twin.pixels.shape, bool)
        for drawn in (self.film, self.twin):
            for finding in set(self.change) & set(drawn.masks):
                inside |= drawn.masks[finding]
        return inside


def twins(patient: Patient, change: Mapping, *, exposure: str = "held", size: int = 320) -> Twins:
    """Draw a patient twice, with one thing changed.

    Parameters
    ----------
    patient : Patient
    change : dict name -> value, what the twin has instead; usually one entry. A name is

        - a finding of ``util.findings.FINDINGS``, its value the severity from 0 (taken away) to 1;
        - 'age' (years, from 18 on both sides) or 'sex': the same frame, grown older or of the other sex;
        - 'view' ('PA', 'AP'): the geometry alone, with pose, devices and processing held; or 'bedside' (True): the AP film
          as it is usually taken, with the pose, the tubes, the printed words and the processing that go with it;
        - any other field of ``util.phantom.acquisition.Acquisition``: 'portable' (the word on the film), 'marker',
          'chest_tube', 'leads', 'level' (brightness), 'dose', ...
    exposure : 'held': gray levels are set on the first film's lungs, so that a pixel changes only where the rays do.
        'automatic': on each film's own, as a machine does; then a large finding changes the gray of the whole film.
    size : int, pixels a side

    Returns
    -------
    Twins. The noise, the places of findings and everything that is not named are the same. Same arguments, same pixels.

    Raises
    ------
    CourseError : a name or a value is not known.

    See Also
    --------
    family : many changes of one patient, the first film drawn once

    Examples
    --------
    >>> pair = twins(Patient(3, seed=24), {"marker": False}, size=96)
    >>> bool((pair.difference != 0).mean() < 0.05)  # nothing else is touched
    True

    Taught in lesson 12, section 1.
    """
    return next(family(patient, [change], exposure=exposure, size=size))


def family(patient: Patient, changes, *, exposure: str = "held", size: int = 320) -> Iterator[Twins]:
    """Yield the `Twins` of one patient and each of several changes; the first film is drawn once.

    Parameters, errors and the rest as for `twins`; `changes` is a list of its `change`.

    See Also
    --------
    twins : a single pair

    Examples
    --------
    >>> first, second = family(Patient(3, seed=24), [{"Mass": 0.3}, {"Mass": 0.9}], size=96)
    >>> first.film is second.film
    True

    Taught in lesson 12, section 1.
    """
    if exposure not in EXPOSURES:
        raise CourseError(f"The exposure {exposure!r} is not known: give {' or '.join(map(repr, EXPOSURES))}.")
    film = _drawn(patient, {}, size, None)
    for change in changes:
        change = dict(change)
        yield Twins(film, _drawn(patient, change, size, film.window if exposure == "held" else None), change)


def people(count: int, seed: int, view: str = "PA") -> list[Patient]:
    """Adults without a finding, a tube or the word PORTABLE: first films of the patients of a new draw.

    Parameters
    ----------
    count : int, at least 1
    seed : int, at least 0, of the draw; 2026 is the released cohort's
    view : 'PA' or 'AP', the same for all

    Returns
    -------
    list of Patient, aged as in ChestX-ray14 and of both sexes. No network of the course was trained on their bodies.

    See Also
    --------
    twins : what to do with them

    Examples
    --------
    >>> [patient.findings for patient in people(2, seed=12)]
    [{}, {}]

    Taught in lesson 12, section 1.
    """
    if count < 1:
        raise CourseError(f"{count} people are asked for; ask for at least one.")
    table = sample_studies(6 * count + 40, seed)  # 2.6 films a patient, and a twentieth are children
    first = table[(table["FollowUp"] == 0) & (table["BaseAge"] >= ADULT)].head(count)
    root, held = root_seed(seed, "cohort"), {"portable": False, "chest_tube": False}
    return [
        Patient(int(row.PatientId), root, int(row.BaseAge), row.Sex, view, taken=held) for row in first.itertuples()
    ]


def body_of(patient: Patient) -> Anatomy:
    """The body of a patient: util.phantom.anatomy.Anatomy, with `fat` (0 lean to 4 obese) and all other measures."""
    return make_anatomy(patient.seed, patient.number, patient.age, patient.sex)


def _drawn(patient, change, size, window):
    """The film of a patient after a change."""
    _check(patient, change)
    body = body_of(patient)
    if set(BODY) & set(change):
        body = same_body(body, change.get("age", patient.age), change.get("sex", patient.sex))
    view = "AP" if change.get(BEDSIDE) else patient.view
    taken = patient.taken if view == patient.view else {}
    exposed = make_acquisition(patient.seed, patient.number, patient.follow_up, view, **taken)
    exposed = dataclasses.replace(exposed, **{name: value for name, value in change.items() if name in TAKEN})
    severities = {**patient.findings, **{name: change[name] for name in FINDINGS if name in change}}
    severities = {finding: severity for finding, severity in severities.items() if severity != 0}
    return render(body, exposed, severities, patient.seed, size, dict(patient.episodes), window)


def _check(patient, change):
    known = (*FINDINGS, *BODY, BEDSIDE, *TAKEN)
    unknown = [name for name in change if name not in known]
    if unknown:
        raise CourseError(
            f"Twins cannot differ in {unknown[0]!r}: name a finding, 'age', 'sex', 'view', 'bedside', 'portable', 'marker', "
            "'chest_tube', or another field of util.phantom.acquisition.Acquisition."
        )
    if change.get(BEDSIDE) and "view" in change:
        raise CourseError("'bedside' brings the AP view already: name it or 'view', not both.")
    if "age" in change and not min(patient.age, change["age"]) >= ADULT:
        raise CourseError(f"Twins of different ages are adults: give ages from {ADULT} years on, on both sides.")
