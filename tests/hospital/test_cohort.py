import numpy as np
import pytest

from tests.helpers.hospitals import SECRET
from util.findings import FINDINGS
from util.hospital.claims import GROUPS, KEYS, attribute_of
from util.hospital.cohort import (
    FAMILIES,
    MOST_FOLLOW_UPS,
    OUTLINED,
    RARES,
    ROLES,
    SEEN,
    SHARES,
    draw_people,
    draw_roles,
)

MANY = [draw_roles(f"student-{number}", SECRET) for number in range(600)]
ROLES_OF_ONE = MANY[0]


@pytest.fixture(scope="module")
def people():
    return draw_people("student-0", SECRET, ROLES_OF_ONE, 600, 0)


def test_every_hospital_has_four_to_six_faults_from_all_families():
    assert sorted(key for family in FAMILIES for key in family) == sorted(KEYS)
    sizes = [len(roles.false) for roles in MANY]
    assert [sizes.count(number) for number in (4, 5, 6)] == pytest.approx([200, 200, 200], abs=45)  # 3.9 SD
    assert all(len(roles.false & set(family)) in (1, 2) for roles in MANY for family in FAMILIES)


def test_every_claim_is_false_about_equally_often():
    shares = {key: np.mean([key in roles.false for roles in MANY]) for key in KEYS}
    assert 0.3 < min(shares.values()) <= max(shares.values()) < 0.65


def test_claims_are_about_different_findings_and_about_groups_that_fit():
    for roles in MANY[:100]:
        assert set(roles.findings) == {*ROLES, *RARES, "maps"}
        assert len(set(roles.findings.values())) == len(roles.findings)
        assert roles.findings["maps"] in OUTLINED
        assert attribute_of(roles.groups["labels"]) in ("Sex", "Age")
        assert attribute_of(roles.groups["subgroup"]) in ("View", "Site")
        assert roles.scored == [finding for finding in FINDINGS if finding in roles.findings.values()]
    assert {roles.groups["labels"] for roles in MANY} == {*GROUPS["Sex"], *GROUPS["Age"]}


def test_people_keep_their_splits_sites_and_numbers(people):
    assert len(people) == 600
    by_person = people.groupby("Person")
    for column in ("PatientId", "Split", "Site", "Sex"):
        assert (by_person[column].nunique() == 1).all()
    assert people["Person"].nunique() == people["PatientId"].nunique()
    assert by_person.size().max() <= MOST_FOLLOW_UPS
    assert people["BaseAge"].min() >= 18
    shares = people["Split"].value_counts(normalize=True)
    assert all(abs(shares[split] - share) < 0.02 for split, share in SHARES.items())


def test_findings_that_no_claim_is_about_are_rare_and_the_outlined_one_is_seen(people):
    shares = (people[list(FINDINGS)] > 0).mean()
    common = shares[ROLES_OF_ONE.common]
    assert common.min() > 0.15
    assert shares.drop(ROLES_OF_ONE.common).max() < 0.12
    outlined = people[ROLES_OF_ONE.findings["maps"]]
    assert outlined[outlined > 0].min() >= SEEN
    episodes = people[[f"{finding}_episode" for finding in FINDINGS]].to_numpy() > 0
    assert np.array_equal(episodes, people[list(FINDINGS)].to_numpy() > 0)


def test_other_attempts_bring_other_people(people):
    other = draw_people("student-0", SECRET, ROLES_OF_ONE, 600, 1)
    assert not people["Person"].equals(other["Person"])
    assert people.equals(draw_people("student-0", SECRET, ROLES_OF_ONE, 600, 0))
