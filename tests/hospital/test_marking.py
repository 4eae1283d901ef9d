"""The mark of one report: by hand for single claims, by simulation for students who do not audit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.audited import accepts_all, accuses_all, guesses, report_of, right_answer, sealed, truths
from util.hospital.claims import CLAIMS, Truth
from util.hospital.marking import POINTS, VERDICT, mark_claim, mark_of, mark_report
from util.hospital.report import new_report
from util.hospital.truth import truth_of_plan

CLAIM = {claim.key: claim for claim in CLAIMS}
MARK = Truth("mark", False, 0.4, 0.02, frozenset("abcde"), "", 0.2)
RIGHT = {
    "verdict": "fails",
    "estimate": 0.41,
    "low": 0.3,
    "high": 0.5,
    "films": list("abcde"),
    "group": "",
    "action": "",
}


def told(changes, truth=MARK):
    return mark_claim(CLAIM[truth.key], truth, {**RIGHT, **changes})


def test_a_right_answer_has_all_points():
    found = told({})
    assert found.points == POINTS and found.support == {"estimate": True, "interval": True, "evidence": True}
    assert found.sentence == (
        "The verdict is right; the estimate is right; the interval holds the truth; the films are the right ones."
    )


@pytest.mark.parametrize(
    ("changes", "part", "words"),
    [
        ({"estimate": 0.4201}, "estimate", "off by more than the tolerance"),
        ({"estimate": None}, "estimate", "the estimate is missing"),
        ({"estimate": True}, "estimate", "the estimate is missing"),
        ({"estimate": float("nan")}, "estimate", "the estimate is missing"),
        ({"low": 0.41, "high": 0.6}, "interval", "misses the truth"),
        ({"low": -0.2, "high": 0.9}, "interval", "too wide"),
        ({"low": 0.39, "high": 0.41}, "interval", "narrower than these films allow"),
        ({"low": None}, "interval", "the interval is missing"),
        ({"low": 0.5, "high": 0.3}, "interval", "the interval is missing"),
        ({"low": -float("inf"), "high": float("inf")}, "interval", "the interval is missing"),
        ({"films": list("abc")}, "evidence", "films are missing"),
        ({"films": list("abcdevwxyz")}, "evidence", "do not show the fault"),
        ({"films": "abcde"}, "evidence", "no films are named"),
        ({"films": []}, "evidence", "no films are named"),
    ],
)
def test_one_part_that_is_wrong_costs_a_third_of_the_support(changes, part, words):
    found = told(changes)
    assert (
        found.right and words in found.sentence and [key for key, fine in found.support.items() if not fine] == [part]
    )
    assert found.points == pytest.approx(POINTS * (VERDICT + (1 - VERDICT) * 2 / 3))


@pytest.mark.parametrize(
    ("films", "exact", "copies"),
    [
        ("abcd", False, True),
        ("abcdvw", False, False),
        ("abcdev", True, True),
        ("abc", False, False),
        ("abcdea", True, True),
    ],
)
def test_evidence_counts_from_an_f1_of_nine_tenths_on_or_four_fifths_for_copies(films, exact, copies):
    """F1 by hand: 8/9, 8/11, 10/11, 6/8; a film that is named twice is one film."""
    assert told({"films": list(films)}).support["evidence"] is exact
    of_copies = Truth("copies", False, 12, 3.5, frozenset("abcde"))
    assert told({"films": list(films), "estimate": 12}, of_copies).support["evidence"] is copies


def test_films_that_are_named_by_the_tables_alone_are_no_evidence(plans):
    """All films with the label for the claim about the word, and all films with a heat map: no film was looked at."""
    for plan in plans:
        truth = truth_of_plan(plan)
        labeled = plan.films.loc[plan.films[plan.roles.findings["mark"]] == 1, "Image"]
        mapped = plan.films.loc[plan.people["Hit"].to_numpy() >= 0, "Image"]
        for key, films in (("mark", labeled), ("maps", mapped)):
            if not truth[key].holds:
                given = right_answer(truth[key]) | {"films": list(films)}
                found = mark_claim(CLAIM[key], truth[key], given).support
                assert found == {"estimate": True, "interval": True, "evidence": False}


@pytest.mark.parametrize("sure", [2, 5, 8, 10])
def test_an_answer_is_never_worth_less_than_silence(sure):
    """A student who is sure of some claims gains on average by answering the others, too, whichever verdict is guessed."""
    rng, marks = np.random.default_rng(sure), {"silent": [], "holds": [], "fails": []}
    for seed in range(60):
        truth = truths(seed)
        known = rng.permutation(list(truth))[:sure]
        for rest, found in marks.items():
            claims = {key: {"verdict": rest} for key in truth if rest != "silent"}
            claims |= {key: right_answer(truth[key]) for key in known}
            found.append(mark_report({"claims": claims}, truth).mark)
    assert np.mean(marks["silent"]) < min(np.mean(marks["holds"]), np.mean(marks["fails"]))


def test_the_group_is_the_evidence_where_a_claim_is_about_groups():
    truth = Truth("labels", False, 0.4, 0.02, frozenset(), "women", 0.2)
    assert told({"group": "women"}, truth).support["evidence"] is True
    assert "not the one concerned" in told({"group": "men"}, truth).sentence


@pytest.mark.parametrize(
    ("group", "sign", "support"),
    [
        ("women", 1, (True, True, True)),
        ("women", -1, (False, False, True)),
        ("men", -1, (True, True, False)),
        ("men", 1, (False, False, False)),
        ("", 1, (True, True, False)),
        ("AP", -1, (True, True, False)),
    ],
)
def test_a_difference_is_seen_from_the_group_that_is_named(group, sign, support):
    truth = Truth("labels", False, 0.4, 0.02, frozenset(), "women", 0.2)
    low, high = sorted((sign * 0.3, sign * 0.5))
    found = told({"group": group, "estimate": sign * 0.4, "low": low, "high": high}, truth)
    assert tuple(found.support.values()) == support


@pytest.mark.parametrize("verdict", [None, "", "maybe", 1, ["fails"], "FAILS"])
def test_without_a_verdict_nothing_counts(verdict):
    found = told({"verdict": verdict})
    assert not found.right and found.points == 0 and found.support == {} and "No verdict" in found.sentence


@pytest.mark.parametrize("given", [None, [], "fails", 3, {}])
def test_an_answer_of_another_type_is_none(given):
    assert mark_claim(CLAIM["mark"], MARK, given).points == 0


def test_wrong_verdicts_are_named_for_what_they_are():
    assert "a fault was missed" in told({"verdict": "holds"}).sentence
    assert "false accusation" in told({}, Truth("mark", True, 0.4, 0.02, width=0.2)).sentence


def test_a_true_claim_asks_for_no_evidence():
    found = told({"verdict": "holds", "films": []}, Truth("mark", True, 0.4, 0.02, width=0.2))
    assert found.support == {"estimate": True, "interval": True} and found.points == POINTS


def test_no_sentence_says_the_truth():
    truth = Truth("mark", False, 0.7391, 0.02, frozenset(["secret.png"]), "", 0.2)
    for changes in ({}, {"verdict": "holds"}, {"films": ["x"]}, {"verdict": None}):
        assert "739" not in told(changes, truth).sentence and "secret" not in told(changes, truth).sentence


def test_a_whole_report_by_hand():
    """Five faults, six true claims. One fault missed, one claim accused, one estimate off: 100 (4/5 - 1/6) S."""
    key = sealed(0, faults=["patients", "mark", "statistics", "labels", "maps"])
    wrong = {"patients": "holds", "copies": "fails"}
    changes = {name: {**right_answer(key.truth[name]), "verdict": verdict} for name, verdict in wrong.items()}
    changes["average"] = {**right_answer(key.truth["average"]), "estimate": 77}
    mark = mark_report(report_of("ada", key, **changes), key.truth)
    assert (mark.found, mark.faults, mark.accused, mark.sound) == (4, 5, 1, 6)
    assert mark.mark == pytest.approx(100 * (4 / 5 - 1 / 6) * (8 + VERDICT) / 9)
    assert mark.count("estimate") == 8 and mark.count("evidence") == 3


def test_an_empty_report_has_no_mark():
    mark = mark_report(new_report("ada", "x"), truths(1))
    assert mark.mark == 0 and mark.found == 0 and mark.accused == mark.sound


def test_a_mark_that_waits_is_zero_and_says_what_it_would_be():
    key = sealed(2)
    mark = mark_report(report_of("ada", key), key.truth)
    assert mark.mark == mark.earned == 100
    mark.pending = True
    assert mark.mark == 0 and mark.earned == 100


@pytest.mark.parametrize(("student", "least", "most"), [(accepts_all, 0, 0), (accuses_all, 0, 0), (guesses, 3, 10)])
def test_students_who_do_not_audit_score_low(student, least, most):
    """Mean marks over 300 synthetic hospitals; a guess is right on average in no more than it is wrong."""
    rng, marks = np.random.default_rng(15), []
    for seed in range(300):
        key = sealed(seed)
        marks.append(mark_report(report_of("ada", key, **student(key, rng)), key.truth).mark)
    assert least <= np.mean(marks) <= most


@given(
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(0, 8),
    st.lists(st.floats(0, POINTS), max_size=11),
)
def test_the_mark_is_between_0_and_100_and_one_more_accusation_never_helps(found, missed, accused, sound, points):
    faults, sound = found + missed, sound + accused
    mark = mark_of(found, faults, accused, sound, points)
    assert 0 <= mark <= 100 + 1e-9
    assert mark_of(found, faults, accused + 1, sound + 1, points) <= mark + 1e-9 or accused == sound
