import pandas as pd
import pytest

from util.errors import CourseError
from util.hospital.claims import CLAIMS, GROUPS, KEYS, attribute_of, members, other_group

FILMS = pd.DataFrame({
    "Sex": ["F", "M", "F"], "Age": [49, 50, 90], "View": ["AP", "PA", "AP"], "Site": ["A", "B", "B"],
})  # fmt: skip


def test_every_claim_has_a_key_of_its_own_and_says_which_films_it_asks_for():
    assert len(CLAIMS) == 11
    assert len(set(KEYS)) == 11
    assert all((claim.evidence == "films") == bool(claim.films) for claim in CLAIMS)
    assert {claim.evidence for claim in CLAIMS} == {"films", "group", ""}


@pytest.mark.parametrize(
    ("group", "inside"),
    [
        ("women", [True, False, True]),
        ("men", [False, True, False]),
        ("under 50", [True, False, False]),
        ("50 and over", [False, True, True]),
        ("AP", [True, False, True]),
        ("PA", [False, True, False]),
        ("site A", [True, False, False]),
        ("site B", [False, True, True]),
    ],
)
def test_groups_are_what_their_names_say(group, inside):
    assert members(FILMS, group).tolist() == inside
    assert (members(FILMS, other_group(group)) != members(FILMS, group)).all()
    assert group in GROUPS[attribute_of(group)]


def test_an_unknown_group_is_refused():
    with pytest.raises(CourseError, match="no group 'children': name one of women, men, under 50"):
        members(FILMS, "children")
