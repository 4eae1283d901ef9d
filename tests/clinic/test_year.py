"""util.clinic.year: events, and the films of a year against the pools that they are drawn from."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from util.clinic.pools import CONDITIONS, pools_of_scores, read_pools
from util.clinic.year import (
    LABELED,
    PREVALENCE,
    SENSITIVITY,
    SPECIFICITY,
    WAVE,
    WEEKS,
    Event,
    plan_events,
    simulate_year,
)  # fmt: skip
from util.errors import CourseError

POOLS = read_pools()


@given(st.integers(0, 10_000))
def test_events_are_in_the_year_and_those_that_change_films_never_meet(seed):
    events = plan_events(seed)
    assert events == plan_events(seed) and {event.kind for event in events} == {"wave", *CONDITIONS[1:]}
    assert all(1 <= event.start <= event.end <= WEEKS for event in events)
    assert [event.start for event in events] == sorted(event.start for event in events)
    changing = [event for event in events if event.kind != "wave"]
    weeks = [week for event in changing for week in range(event.start, event.end + 1)]
    assert len(weeks) == len(set(weeks)) and changing[-1].kind == "update" and changing[-1].end == WEEKS


def test_years_differ_in_their_events():
    assert len({plan_events(seed) for seed in range(30)}) > 20


def test_events_begin_in_the_weeks_kept_for_them():
    """A change of the films in each of the first three quarters, whichever it is, and the update in the last."""
    begun = {}
    for seed in range(400):
        for event in plan_events(seed):
            begun.setdefault(event.kind, set()).add(event.start)
    assert begun["scanner"] == begun["marker"] == begun["portable"] == {9, 10, 11, 20, 21, 22, 31, 32, 33}
    assert begun["wave"] == set(range(3, 12)) and begun["update"] == {41, 42, 43, 44}


def test_films_have_the_logits_of_the_pool_of_their_week():
    year = simulate_year(POOLS, plan_events(2), seed=2)
    truth = POOLS.films["Truth"].to_numpy() == 1
    for week, condition in enumerate(year.condition):
        for kind in (False, True):
            drawn = set(year.logit[week][year.truth[week] == kind])
            assert drawn <= set(POOLS.logits[str(condition)][truth == kind])


def test_weeks_of_events_are_what_they_are_called():
    year = simulate_year(POOLS, (Event("wave", 3, 5), Event("portable", 5, 8)), seed=1)
    assert np.flatnonzero(year.prevalence == PREVALENCE * WAVE).tolist() == [2, 3, 4]
    assert np.flatnonzero(year.condition == "portable").tolist() == [4, 5, 6, 7]
    assert year.ap[4:8].all() and not year.ap[:4].all()


def test_shares_are_those_that_were_asked_for():
    year = simulate_year(POOLS, (Event("wave", 1, 200),), seed=4, weeks=400, films=200)
    for part, share in ((year.truth[:200], WAVE * PREVALENCE), (year.truth[200:], PREVALENCE), (year.labeled, LABELED)):
        assert abs(part.mean() - share) < 4 * np.sqrt(share * (1 - share) / part.size)
    right = year.by_hand == year.truth
    for part, share in ((right[year.truth], SENSITIVITY), (right[~year.truth], SPECIFICITY)):
        assert abs(part.mean() - share) < 4 * np.sqrt(share * (1 - share) / part.size)
    assert np.unique(year.logit[year.truth]).size > 90  # nearly all films of the pool are drawn


@given(st.integers(0, 99), st.integers(1, 6), st.integers(1, 30))
def test_the_same_arguments_give_the_same_year(seed, weeks, films):
    first, second = (simulate_year(POOLS, (), seed, weeks, films) for _ in range(2))
    assert first.logit.shape == (weeks, films) == first.truth.shape
    assert np.array_equal(first.logit, second.logit) and np.array_equal(first.by_hand, second.by_hand)


def test_of_real_films_the_ap_ones_stand_for_portable_ones():
    table = pd.DataFrame({"Image": range(8), "Age": 40, "Sex": "F", "View": ["PA", "AP"] * 4, "Mass": [0, 0, 1, 1] * 2})
    pools = pools_of_scores(table, np.arange(8.0), "Mass")
    year = simulate_year(pools, (Event("portable", 2, 2),), weeks=3)
    assert set(year.logit[1]) <= {1.0, 3.0, 5.0, 7.0} and set(year.logit[0]) & {0.0, 2.0, 4.0, 6.0}
    with pytest.raises(CourseError, match="leave that event out"):
        simulate_year(pools, (Event("scanner", 2, 2),))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"weeks": 0}, "at least one of both"),
        ({"prevalence": 0.0}, "out of range"),
        ({"prevalence": 0.6, "events": (Event("wave", 1, 2),)}, "out of range"),
        ({"events": (Event("flood", 1, 2),)}, "no event 'flood'"),
        ({"events": (Event("marker", 1, 4), Event("scanner", 4, 6))}, "Two events"),
    ],
)
def test_years_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(CourseError, match=words):
        simulate_year(POOLS, **arguments)


def test_unknown_kinds_are_refused():
    with pytest.raises(CourseError, match="no event 'flood'"):
        plan_events(1, ("flood",))
