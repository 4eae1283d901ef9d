import numpy as np
import pandas as pd
import pytest

from tests.helpers.hospitals import SECRET
from util.errors import CourseError
from util.hospital import estimates, plan
from util.hospital.claims import KEYS
from util.hospital.luck import UnluckyError
from util.hospital.plan import plan_hospital
from util.hospital.scores import SENSITIVITY

TABLES = ("people", "films", "scores", "reread", "claims")


def test_the_same_student_and_secret_give_the_same_plan(plans):
    again = plan_hospital("student-0", SECRET)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(plans[0], name))


def test_another_student_or_secret_gives_another_plan(plans):
    others = [plans[1], plan_hospital("student-0", SECRET + b"!")]
    for other in others:
        assert not set(other.films["Image"]) & set(plans[0].films["Image"])
        assert other.seed != plans[0].seed


def test_the_eight_plans_have_every_claim_true_and_false(plans):
    assert set().union(*(one.roles.false for one in plans)) == set(KEYS)
    assert set.intersection(*(set(one.roles.false) for one in plans)) == set()


def test_every_fault_is_clear_and_so_is_its_absence(plans):
    for one in plans:
        false, found, groups = one.roles.false, one.roles.findings, one.roles.groups
        assert (len(estimates.shared_patients(one)) == 10) == ("patients" in false)
        word = estimates.word_gap(one, one.people["Word"].to_numpy(), found["mark"])
        assert word.low > 0.5 if "mark" in false else abs(word.value) < 0.06
        missed = estimates.missed_gap(one, found["labels"], groups["labels"])
        assert missed.low > 0.15 if "labels" in false else abs(missed.value) < 0.05
        gap = estimates.group_gap(one, found["subgroup"], groups["subgroup"])
        assert gap.high < -0.08 if "subgroup" in false else gap.low < 0 < gap.high
        excess = estimates.excess(one, found["calibration"])
        assert max(excess.low, -excess.high) > 0.08 if "calibration" in false else excess.low < 0 < excess.high
        gain = estimates.gain(one, found["better"])
        assert gain.low < 0 if "better" in false else gain.low > 0.02
        assert gain.value > 0.02
        sides = [estimates.threshold_of(one, found["threshold"], SENSITIVITY, split) for split in ("valid", "test")]
        assert abs(sides[0] - sides[1]) >= 0.06


def test_heat_maps_are_of_positive_test_films_that_show_the_finding(plans):
    for one in plans:
        finding, mapped = one.roles.findings["maps"], (one.people["Hit"] >= 0).to_numpy()
        assert set(one.films.loc[mapped, "Split"]) == {"test"}
        assert set(one.films.loc[mapped, finding]) == {1}
        assert (one.people.loc[mapped, finding] > 0).all()
        share = (one.people.loc[mapped, "Hit"] == 1).mean()
        assert share == pytest.approx(0.35 if "maps" in one.roles.false else 0.9, abs=0.5 / mapped.sum() + 1e-9)


def test_what_a_student_sees_says_nothing_of_bodies_and_truth(plans):
    columns = {"Image", "PatientId", "FollowUp", "Age", "Sex", "View", "Site", "Split"}
    for one in plans:
        assert columns <= set(one.films)
        assert len(one.films.columns) == len(columns) + 14
        assert set(np.unique(one.films.iloc[:, 8:])) == {0, 1}
        assert not set(one.films["PatientId"]) & set(one.people["PatientId"])
        assert one.films["Image"].str.fullmatch(r"[0-9a-f]{16}\.png").all()


@pytest.mark.parametrize("films", [0, 399, 801])
def test_too_few_or_too_many_films_are_refused(films):
    with pytest.raises(CourseError, match=f"hospital of {films} films is not possible: ask for 400 to 800"):
        plan_hospital("anna", SECRET, films)


def test_bad_luck_without_end_ends_in_a_sentence(monkeypatch):
    def unlucky(*_):
        raise UnluckyError

    monkeypatch.setattr(plan, "_plan", unlucky)
    with pytest.raises(CourseError, match="No hospital of 500 films was found for anna: ask for more films"):
        plan_hospital("anna", SECRET, 500)
