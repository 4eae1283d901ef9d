"""Twins: the same patient twice is the same film, one change changes one thing, and no released film is touched."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom import films
from util.phantom.acquisition import make_acquisition
from util.phantom.anatomy import make_anatomy, same_body
from util.phantom.embedded import root_seed
from util.phantom.studies import sample_studies
from util.phantom.twins import TAKEN, Patient, body_of, family, people, twins

SIZE, SEED = 96, 24
WIDE = {"Cardiomegaly", "Edema", "Emphysema", "Fibrosis", "Atelectasis"}  # these move borders or fill the whole chest


def patient(number=3, **more):
    return Patient(number, SEED, **more)


@pytest.mark.parametrize("view", ["PA", "AP"])
def test_no_change_is_the_same_film_to_the_byte(view):
    for exposure in ("held", "automatic"):
        pair = twins(patient(view=view), {}, exposure=exposure, size=SIZE)
        assert np.array_equal(pair.film.pixels, pair.twin.pixels)
        assert not pair.changed.any() and not pair.outline.any() and not pair.difference.any()


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 60), st.sampled_from(FINDINGS), st.floats(0.1, 1), st.sampled_from(["PA", "AP"]))
def test_the_same_twins_twice_are_the_same(number, finding, severity, view):
    first, second = (twins(patient(number, view=view), {finding: severity}, size=SIZE) for _ in range(2))
    assert first.film.pixels.dtype == first.twin.pixels.dtype == np.uint8
    assert np.array_equal(first.film.pixels, second.film.pixels)
    assert np.array_equal(first.twin.pixels, second.twin.pixels)
    assert np.array_equal(first.difference, first.twin.pixels.astype(int) - first.film.pixels)
    assert first.outline.any() and first.twin.pixels.any()


def test_the_film_is_the_one_that_the_draw_has():
    rows = sample_studies(40, seed=5, enriched=True).to_dict("records")
    for row in [row for row in rows if row["FollowUp"]][:2] + rows[:2]:
        pair = twins(Patient.of(row, 9), {"portable": not row["Portable"]}, size=SIZE)
        assert np.array_equal(pair.film.pixels, films.draw(row, 9, SIZE).pixels)
        assert pair.difference.any()


def test_a_released_film_is_drawn_as_ever():
    from util.data.cohort import load_cohort
    from util.phantom.embedded import sample_cohort

    cohort = load_cohort("phantom")
    import json

    made = json.loads((cohort.root / "cohort.json").read_text(encoding="utf-8"))
    table = sample_cohort(made["sizes"], made["seed"], made["enriched"], made["confounding"])
    row = table[table["Exposure"] == table["FollowUp"]].iloc[7].to_dict()
    film = twins(Patient.of(row, root_seed(made["seed"], "cohort")), {"age": 70} if row["BaseAge"] >= 18 else {}).film
    stored = cohort.read(row["Image"]).astype(float)
    assert np.abs(film.pixels - stored).mean() < 3  # JPEG alone


@pytest.mark.parametrize("finding", [finding for finding in FINDINGS if finding not in WIDE])
def test_outside_of_the_outline_little_changes_when_exposure_is_held(finding):
    inside, outside = [], []
    for number in (1, 2, 7):
        pair = twins(patient(number), {finding: 0.6}, size=SIZE)
        inside.append(np.abs(pair.difference[pair.outline]).mean())
        outside.append(np.abs(pair.difference[~pair.outline]).mean())
    assert np.median(outside) < 4 and np.median(inside) > 2 * np.median(outside)


@pytest.mark.parametrize("finding", ["Edema", "Effusion"])
def test_automatic_exposure_moves_the_rest_of_the_film(finding):
    held, automatic = (twins(patient(), {finding: 1.0}, exposure=e, size=SIZE) for e in ("held", "automatic"))
    away = ~held.outline
    assert np.abs(held.difference[away]).mean() < np.abs(automatic.difference[away]).mean()
    assert held.twin.window == held.film.window != automatic.twin.window


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_severer_twin_differs_more(finding):
    pairs = [list(family(patient(number), [{finding: s} for s in (0.1, 0.5, 1.0)], size=SIZE)) for number in (1, 7)]
    sizes = np.mean([[np.abs(pair.difference).mean() for pair in three] for three in pairs], axis=0)
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_finding_is_taken_away_at_severity_0():
    ill = patient(findings={"Mass": 0.8, "Effusion": 0.4}, episodes={"Mass": 2})
    pair = twins(ill, {"Mass": 0}, size=SIZE)
    assert set(pair.film.masks) == {"Mass", "Effusion"} and set(pair.twin.masks) == {"Effusion"}
    assert np.array_equal(pair.outline, pair.film.masks["Mass"])
    healed = twins(dataclasses.replace(ill, findings={"Effusion": 0.4}), {}, exposure="automatic", size=SIZE)
    assert np.array_equal(
        twins(ill, {"Mass": 0}, exposure="automatic", size=SIZE).twin.pixels, healed.film.pixels
    )  # the same film as of the patient who never had it


def test_a_word_or_a_marker_changes_its_own_pixels_alone():
    for change in ({"portable": True}, {"marker": False}):
        pair = twins(patient(), change, size=192)
        touched = pair.difference != 0
        assert 0 < touched.mean() < 0.05


def test_the_view_alone_holds_pose_devices_and_look():
    alone = make_acquisition(SEED, 3, 0, "PA")
    expected = dataclasses.replace(alone, view="AP")
    assert {name for name in TAKEN if getattr(alone, name) != getattr(expected, name)} == {"view"}
    pair = twins(patient(taken={"chest_tube": True}), {"view": "AP"}, size=SIZE)
    bedside = twins(patient(), {"bedside": True}, exposure="automatic", size=SIZE)
    assert pair.difference.any()
    drawn = twins(patient(view="AP"), {}, size=SIZE).film.pixels
    assert np.array_equal(bedside.twin.pixels, drawn)  # the AP film that the draw itself would have
    assert pair.twin.measures["cardiothoracic_ratio"] > pair.film.measures["cardiothoracic_ratio"]


@pytest.mark.parametrize("sex", ["F", "M"])
def test_the_other_sex_has_the_same_luck(sex):
    other = "M" if sex == "F" else "F"
    body = make_anatomy(SEED, 3, 50, sex)
    changed = same_body(body, 50, other)
    same = (
        "heart_ratio", "heart_tilt", "shoulder_y", "bone_density", "calibre", "trachea_x", "scoliosis", "pacemaker",
        "wires", "fat", "apex_power", "taper",
    )  # fmt: skip
    assert all(getattr(changed, name) == getattr(body, name) for name in same)
    assert (changed.half_width < body.half_width) == (other == "F")
    assert bool(changed.breast) == (other == "F")
    assert changed.breast_y / changed.height == pytest.approx(body.breast_y / body.height)
    back = same_body(body, 50, sex)
    assert back is body


def test_an_older_twin_is_the_same_person():
    body = body_of(patient(age=40))
    old = same_body(body, 80, "M")
    assert old.half_width == body.half_width and old.heart_tilt == body.heart_tilt
    assert old.bone_density < body.bone_density and old.aorta_x > body.aorta_x
    assert twins(patient(age=40), {"age": 80}, size=SIZE).difference.any()


def test_people_are_adults_without_a_finding_whom_no_network_met():
    group = people(9, seed=12)
    assert len(group) == 9 and len({person.number for person in group}) == 9
    assert all(person.age >= 18 and not person.findings for person in group)
    assert {person.seed for person in group} == {24} and 24 % 2 == 0  # shards have odd seeds
    assert people(9, seed=12) == group != people(9, seed=13)
    assert len(people(1, seed=12)) == 1
    assert min(person.age for person in people(150, seed=12)) == 18  # an adult on the birthday


def test_a_family_shares_its_first_film():
    one, two = family(patient(), [{"Mass": 0.3}, {"leads": True}], size=SIZE)
    assert one.film is two.film
    assert np.array_equal(two.twin.pixels, twins(patient(), {"leads": True}, size=SIZE).twin.pixels)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Cough": 0.5}, "cannot differ in 'Cough'"),
        ({"patient": 4}, "cannot differ in 'patient'"),
        ({"Mass": 1.5}, "Severity 1.5"),
        ({"Mass": -0.5}, "Severity -0.5"),
        ({"view": "lateral"}, "View 'lateral'"),
        ({"sex": "X"}, "Sex 'X'"),
        ({"age": 12}, "adults"),
        ({"bedside": True, "view": "AP"}, "not both"),
    ],
)
def test_a_wrong_change_is_told(change, words):
    with pytest.raises(CourseError, match=words):
        twins(patient(), change, size=SIZE)


def test_a_wrong_exposure_and_no_people_are_told():
    with pytest.raises(CourseError, match="'held' or 'automatic'"):
        twins(patient(), {}, exposure="auto", size=SIZE)
    with pytest.raises(CourseError, match="at least one"):
        people(0, seed=1)
