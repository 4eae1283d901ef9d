from dataclasses import replace

import numpy as np
import pytest

from util.hospital import auditors
from util.hospital.claims import CLAIMS, KEYS
from util.hospital.difficulty import _judged, _without_films
from util.hospital.truth import truth_of_plan


def test_the_good_auditor_is_right_and_gives_reasons(plans):
    """Of eight hospitals, the seven claims that need no film; 56 verdicts."""
    for plan in plans:
        table = _judged(auditors.audit(_without_films(plan), pixels=False), truth_of_plan(plan))
        assert len(table) == 7
        assert table["right"].all()
        assert table["supported"].all()


def test_the_good_auditor_is_right_on_drawn_films(small, small_plan):
    table = _judged(auditors.audit(small), truth_of_plan(small_plan))
    assert list(table.index) == list(KEYS)
    assert table["right"].all()
    assert table["supported"].drop("copies").all()  # films of 64 pixels are small to be compared


def test_the_good_auditor_looks_at_films_and_not_at_the_claims_alone(small, small_plan):
    """The same films under tables that hide a leak and claim another number give the same findings."""
    claims = small.claims.assign(claimed=small.claims["claimed"] + 9)
    told = auditors.audit(replace(small, claims=claims))
    assert all(told[key]["verdict"] == "fails" for key in ("statistics", "threshold", "average", "maps"))
    assert told["statistics"]["estimate"] == auditors.audit(small)["statistics"]["estimate"]


def test_answers_have_the_shape_of_a_report(plans):
    answers = auditors.audit(_without_films(plans[0]), pixels=False)
    for claim in CLAIMS:
        if claim.key in answers:
            given = answers[claim.key]
            assert list(given) == ["verdict", "estimate", "low", "high", "films", "group", "action"]
            assert (given["low"] is not None) == (given["high"] is not None) == claim.interval
            assert bool(given["action"]) == (given["verdict"] == "fails")
            assert all(type(given[part]) in (float, type(None)) for part in ("estimate", "low", "high"))


def test_the_others_do_as_they_are_called(plans):
    hospital = _without_films(plans[0])
    assert {given["verdict"] for given in auditors.careless(hospital).values()} == {"holds"}
    assert {given["verdict"] for given in auditors.paranoid(hospital).values()} == {"fails"}
    rng, accused = np.random.default_rng(0), 0
    for _ in range(200):
        accused += sum(given["verdict"] == "fails" for given in auditors.lucky(hospital, rng).values())
    assert accused == pytest.approx(1000, abs=85)  # 11 x 200 x 5 / 11; 3.6 standard deviations


def test_nothing_is_held_against_films_without_any_word(small, monkeypatch):
    monkeypatch.setattr(auditors, "_carries_word", lambda film: False)
    assert auditors.audit(small)["mark"]["verdict"] == "holds"
