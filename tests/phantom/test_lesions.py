"""What findings do to the chest's shape, by their rules, and what lesions can be asked for."""

from types import SimpleNamespace

import numpy as np
import pytest

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom.lesions import Lesion, deform, make_lesions

RESTING = {"dome": 10.0, "dome_height": 4.0, "dome_right": 9.0, "dome_left": 10.0, "shift": 0.0, "heart_ratio": 0.45}
PATIENT = SimpleNamespace(patient=7)


def shape(lesions, **changed):
    resting = SimpleNamespace(**RESTING | changed, inflation=0.0, congestion=0.0)
    assert deform(resting, lesions) is resting
    return resting


def lesion(finding, severity, side=1, kind=0.5, extent=0.5):
    return Lesion(finding, severity, side, kind, extent, np.random.default_rng(0))


def test_a_large_heart_is_above_half_of_the_chest_and_one_that_was_large_grows():
    for severity in (0.1, 0.5, 1.0):
        found = [lesion("Cardiomegaly", severity)]
        assert shape(found).heart_ratio == pytest.approx(0.542 + 0.17 * severity)
        assert shape(found, heart_ratio=0.65).heart_ratio == pytest.approx(0.68 + 0.08 * severity)


def test_emphysema_inflates_flattens_and_narrows():
    found = shape([lesion("Emphysema", 0.5)])
    assert (found.inflation, found.dome, found.dome_height) == (0.5, 11.25, pytest.approx(4 * (1 - 0.31)))
    assert found.heart_ratio == pytest.approx(0.45 * (1 - 0.055))


@pytest.mark.parametrize(("before", "others", "wider"), [(0.45, [], 0.02), (0.465, [], 0), (0.45, ["Cardiomegaly"], 0)])
def test_edema_widens_a_small_heart_unless_it_is_large_anyway(before, others, wider):
    rest = shape([lesion(name, 0.4) for name in others], heart_ratio=before).heart_ratio
    found = shape([lesion("Edema", 0.7), *(lesion(name, 0.4) for name in others)], heart_ratio=before)
    assert found.congestion == 0.7 and found.heart_ratio == pytest.approx(rest + wider)


@pytest.mark.parametrize("side", [-1, 1])
def test_atelectasis_lifts_its_side_and_pressure_pushes_to_the_other(side):
    found = shape([lesion("Atelectasis", 0.5, side, extent=0.4)])
    lifted, other = ("dome_right", "dome_left")[::-side]
    assert getattr(found, lifted) == pytest.approx(RESTING[lifted] - 1.3 * 0.8)
    assert getattr(found, other) == RESTING[other]
    for finding, free, push in (("Pneumothorax", 0.6, 2.5), ("Effusion", 0.75, 2.0)):
        assert shape([lesion(finding, free - 0.1, side)]).shift == 0
        assert shape([lesion(finding, 1.0, side)]).shift == pytest.approx(-side * push * (1 - free))


def test_fibrosis_lifts_both_domes_and_other_findings_change_no_shape():
    assert shape([lesion("Fibrosis", 0.5)]).dome == 9.0
    for finding in ("Mass", "Nodule", "Hernia", "Infiltration"):
        assert vars(shape([lesion(finding, 1.0)])) == vars(shape([]))


def test_lesions_belong_to_a_patient_a_finding_and_an_episode():
    first = make_lesions(PATIENT, {"Mass": 0.5, "Effusion": 1}, {}, seed=3)
    again = make_lesions(PATIENT, {"Effusion": 0.2, "Mass": 0.9}, {}, seed=3)
    assert [lesion.finding for lesion in first] == [lesion.finding for lesion in again]
    for a, b in zip(first, again, strict=True):
        assert (a.side, a.kind, a.extent, a.rng.random()) == (b.side, b.kind, b.extent, b.rng.random())
    (other,) = make_lesions(PATIENT, {"Mass": 0.5}, {"Mass": 1}, seed=3)
    (zeroth,) = make_lesions(PATIENT, {"Mass": 0.5}, {"Mass": 0}, seed=3)
    assert other.kind != next(lesion for lesion in first if lesion.finding == "Mass").kind == zeroth.kind


def test_either_side_is_as_likely():
    sides = [make_lesions(PATIENT, {"Mass": 1.0}, {"Mass": k}, 0)[0].side for k in range(400)]
    assert set(sides) == {-1, 1} and abs(sum(sides)) < 4 * 20  # four standard errors


@pytest.mark.parametrize(
    ("severities", "episodes", "words"),
    [({"Cough": 0.5}, {}, "cannot draw 'Cough'"), ({}, {"Cough": 1}, "cannot draw 'Cough'"),
     ({"Mass": 0}, {}, "out of range"), ({"Mass": 1.01}, {}, "Severity 1.01 of Mass"), ({"Mass": -1}, {}, "out of range")],
)  # fmt: skip
def test_what_cannot_be_drawn(severities, episodes, words):
    with pytest.raises(CourseError, match=words):
        make_lesions(PATIENT, severities, episodes, 0)
    assert len(make_lesions(PATIENT, dict.fromkeys(FINDINGS, 1), {}, 0)) == 14
