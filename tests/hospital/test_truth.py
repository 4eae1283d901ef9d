import numpy as np
import pytest

from tests.helpers.hospitals import SECRET
from util.hospital.claims import CLAIMS, KEYS
from util.hospital.estimates import mean_auc
from util.hospital.plan import plan_hospital
from util.hospital.truth import TOLERANCE, truth_of_plan


def test_truth_comes_from_student_and_secret_alone(plans):
    truth = truth_of_plan(plans[0])
    assert truth_of_plan(plan_hospital("student-0", SECRET)) == truth
    assert truth_of_plan(plan_hospital("student-0", SECRET + b"!")) != truth


def test_truth_has_what_each_claim_asks_for(plans):
    for plan in plans:
        truth = truth_of_plan(plan)
        assert list(truth) == list(KEYS)
        for claim in CLAIMS:
            true = truth[claim.key]
            assert true.holds == (claim.key not in plan.roles.false)
            assert bool(true.films) == (claim.evidence == "films" and not true.holds)
            assert bool(true.group) == (claim.evidence == "group")
            assert (true.width > 0) == claim.interval
            assert true.tolerance == TOLERANCE[claim.key]
            assert true.films <= set(plan.films["Image"])


def test_values_are_those_of_counting(plans):
    for plan in plans:
        truth, films, people = truth_of_plan(plan), plan.films, plan.people
        sides = [set(films.loc[films["Split"] == split, "PatientId"]) for split in ("train", "test")]
        assert truth["patients"].value == len(sides[0] & sides[1])
        for image in truth["patients"].films:
            assert films.set_index("Image").loc[image, "PatientId"] in sides[0] & sides[1]
        split = dict(zip(people["Image"], people["Split"], strict=True))
        pairs = [
            (a, b) for a, b in zip(people["Image"], people["Source"], strict=True) if a != b and split[b] == "test"
        ]
        assert truth["copies"].value == len(pairs)
        assert truth["copies"].films == {image for pair in pairs for image in pair}
        assert truth["maps"].value == np.mean(people.loc[people["Hit"] >= 0, "Hit"])
        assert truth["average"].value == mean_auc(plan)
        label = films[plan.roles.findings["mark"]] == 1
        assert truth["mark"].value == pytest.approx(people["Word"][label].mean() - people["Word"][~label].mean())
        assert truth["statistics"].value == people.loc[people["Split"] == "train", "Gray"].mean()


def test_films_of_the_other_faults_are_those_that_show_them(plans):
    marked = next(plan for plan in plans if "mark" in plan.roles.false)
    assert truth_of_plan(marked)["mark"].films == set(marked.films.loc[marked.people["Word"], "Image"])
    astray = next(plan for plan in plans if "maps" in plan.roles.false)
    assert truth_of_plan(astray)["maps"].films == set(astray.films.loc[astray.people["Hit"] == 0, "Image"])


def test_groups_at_a_disadvantage_have_the_sign_of_one(plans):
    for plan in plans:
        truth = truth_of_plan(plan)
        assert truth["labels"].holds or truth["labels"].value > 0.15
        assert truth["subgroup"].holds or truth["subgroup"].value < -0.08
