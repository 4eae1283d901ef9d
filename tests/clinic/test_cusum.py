"""util.clinic.cusum: sums against a plain loop, run lengths against published tables, Siegmund's formula and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from util.clinic.cusum import average_run_length, cusum, first_alarm, limit_for, siegmund_run_length
from util.errors import CourseError

numbers = st.lists(st.floats(-4, 4), min_size=1, max_size=30)
slacks = st.floats(0, 2)


@given(numbers, slacks)
def test_sums_are_those_of_a_plain_loop(z, slack):
    up = down = 0.0
    for number, high, low in zip(z, *cusum(z, slack), strict=True):
        up, down = max(0.0, up + number - slack), max(0.0, down - number - slack)
        assert (high, low) == pytest.approx((up, down))


@given(numbers, slacks)
def test_the_upper_sum_is_a_walk_above_its_lowest_point(z, slack):
    walk = np.concatenate([[0], np.cumsum(np.array(z) - slack)])
    above = walk - np.minimum.accumulate(walk)
    np.testing.assert_allclose(cusum(z, slack)[0], above[1:], atol=1e-9)


@given(numbers, slacks)
def test_turning_the_sign_exchanges_the_sums(z, slack):
    up, down = cusum(z, slack)
    low, high = cusum(-np.array(z), slack)
    assert np.array_equal(up, high) and np.array_equal(down, low)


def test_a_week_without_a_number_changes_nothing():
    up, down = cusum([1.5, np.nan, -0.2])
    assert up.tolist() == [1.0, 1.0, pytest.approx(0.3)] and down.tolist() == [0, 0, 0]


def test_years_at_once_are_years_one_by_one():
    z = np.random.default_rng(3).normal(size=(5, 3, 20))
    assert np.array_equal(cusum(z)[0][2, 1], cusum(z[2, 1])[0])
    assert first_alarm(z, 2.0)[2, 1] == first_alarm(z[2, 1], 2.0)


def test_first_alarm_is_above_the_limit_not_at_it():
    assert first_alarm([1.5, 1.5], 2.0) == 0 and first_alarm([1.5, 1.6], 2.0) == 2 and first_alarm([-9.0], 2.0) == 1


# Montgomery, Introduction to Statistical Quality Control, table 9.4: two-sided, slack 0.5.
PUBLISHED = {
    (4, 0): 168,
    (4, 0.5): 26.6,
    (4, 1): 8.38,
    (4, 2): 3.34,
    (5, 0): 465,
    (5, 0.5): 38.0,
    (5, 1): 10.4,
    (5, 2): 4.01,
}


@pytest.mark.parametrize(("limit", "shift"), PUBLISHED)
def test_run_lengths_are_the_published_ones(limit, shift):
    assert average_run_length(limit, shift=shift) == pytest.approx(PUBLISHED[limit, shift], rel=0.005)


@pytest.mark.parametrize("limit", [3.5, 4.77, 6])
@pytest.mark.parametrize("shift", [0, 0.4, 1.3])
def test_siegmund_agrees_with_the_chain(limit, shift):
    assert siegmund_run_length(limit, shift=shift) == pytest.approx(average_run_length(limit, shift=shift), rel=0.05)


def test_siegmund_is_smooth_where_the_drift_is_zero():
    near = siegmund_run_length(4, shift=0.5 + 1e-4)
    assert siegmund_run_length(4, shift=0.5) == pytest.approx(near, rel=0.01)


def test_run_lengths_are_those_of_simulated_weeks():
    z = np.random.default_rng(8).normal(0.7, 1, (1000, 120))
    alarms = first_alarm(z, 3.0)
    assert (alarms > 0).all()
    error = alarms.std() / np.sqrt(len(alarms))
    assert abs(alarms.mean() - average_run_length(3.0, shift=0.7)) < 4 * error


def test_a_limit_keeps_its_promise_on_fresh_years():
    rng = np.random.default_rng(5)
    limit = limit_for(rng.normal(size=(1000, 3, 52)), 0.2)
    fresh = (first_alarm(rng.normal(size=(1000, 3, 52)), limit) > 0).any(axis=1).mean()
    assert abs(fresh - 0.2) < 4 * np.sqrt(2 * 0.2 * 0.8 / 1000)


@given(st.integers(10, 60), st.floats(0.11, 0.9))
def test_at_most_the_share_exceeds_the_limit(years, share):
    z = np.random.default_rng(years).normal(size=(years, 12))
    assert np.mean(first_alarm(z, limit_for(z, share)) > 0) <= share


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: cusum([1.0], -0.1),
        lambda: limit_for(np.zeros((3, 4)), 0.1),
        lambda: limit_for(np.zeros((3, 4)), 1.0),
        lambda: average_run_length(0),
        lambda: siegmund_run_length(-1),
        lambda: siegmund_run_length(3, np.nan),
    ],
)
def test_bad_input_is_refused(wrong):
    with pytest.raises(CourseError):
        wrong()
