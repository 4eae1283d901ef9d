"""util.clinic.rules: costs by hand, monitors on quiet weeks, the cheapest band by brute force, and the order of rules."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from util.clinic.cusum import first_alarm
from util.clinic.pools import read_pools
from util.clinic.rules import (
    MONITORS,
    Prices,
    Reference,
    Rules,
    cheapest_band,
    cost_of,
    learn_reference,
    oracle_year,
    run_year,
    weekly_z,
)  # fmt: skip
from util.clinic.year import LATE, SENSITIVITY, SPECIFICITY, plan_events, simulate_year
from util.errors import CourseError

POOLS = read_pools()
USUAL = learn_reference(simulate_year(POOLS, seed=1000, weeks=100))
COLUMNS = ["missed", "false alarms", "by hand", "cost"]
bits = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=40)


@given(bits)
def test_cost_film_by_film(films):
    truth, called, asked = np.array(films).T
    by_film = sum(10 * (t and not c) + (c and not t) + 0.1 * a for t, c, a in films)
    found = cost_of(truth, called, asked)
    assert found["cost"] == pytest.approx(by_film)
    assert found["missed"] + found["false alarms"] == sum(t != c for t, c, _ in films)


def test_the_reference_is_calibrated_where_it_was_learned():
    shadow = simulate_year(POOLS, seed=1000, weeks=100)
    assert USUAL.probability(shadow.logit).mean() == pytest.approx(shadow.mined.mean(), abs=1e-4)
    assert shadow.logit.mean() == pytest.approx(USUAL.logit)
    assert shadow.ap.mean() == pytest.approx(USUAL.ap)


def test_quiet_weeks_have_standardized_numbers():
    z = weekly_z(simulate_year(POOLS, seed=77, weeks=1000), USUAL)
    for monitor in MONITORS:
        numbers = z[monitor][LATE:]
        assert abs(numbers.mean()) < 0.35 and 0.85 < numbers.std() < 1.1, monitor
        assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.13


def test_calibration_is_that_of_the_labels_that_arrive():
    year = simulate_year(POOLS, seed=5, weeks=12)
    z = weekly_z(year, USUAL)["calibration"]
    assert np.isnan(z[:LATE]).all()
    known = year.labeled[2]
    p, y = USUAL.probability(year.logit[2][known]), year.mined[2][known]
    assert z[2 + LATE] == pytest.approx((y.sum() - p.sum()) / np.sqrt((p * (1 - p)).sum()))


def test_no_labels_no_number():
    year = simulate_year(POOLS, seed=5, weeks=12)
    z = weekly_z(replace(year, labeled=np.zeros_like(year.labeled)), USUAL)["calibration"]
    assert np.isnan(z).all()


def test_a_model_that_nobody_stops_decides_by_its_band():
    year = simulate_year(POOLS, plan_events(3), seed=3)
    rules = Rules(0.1, 0.4, listen=())
    p = USUAL.probability(year.logit)
    asked = (p >= 0.1) & (p < 0.4)
    expected = cost_of(year.truth, np.where(asked, year.by_hand, p >= 0.4), asked)
    run = run_year(year, rules, USUAL)
    assert run[COLUMNS].sum().to_dict() == pytest.approx(expected) and not run["stopped"].any()


def test_alarms_stop_the_model_for_the_pause():
    year = simulate_year(POOLS, plan_events(3), seed=3)
    run = run_year(year, Rules(0.1, 0.4, 5.5, listen=("score",), pause=3), USUAL)
    stops = [week for week, alarms in run["alarms"].items() if "score" in alarms]
    expected = {week + k for week in stops for k in (1, 2, 3)} & set(range(1, 53))
    assert stops and set(run.index[run["stopped"]]) == expected
    assert (run.loc[run["stopped"], "by hand"] == 100).all()


def test_the_first_alarm_is_that_of_the_cusum():
    year = simulate_year(POOLS, plan_events(1), seed=1)
    run = run_year(year, Rules(0.1, 0.4, 5.5, listen=()), USUAL)
    for monitor, z in weekly_z(year, USUAL).items():
        alarms = run.index[run["alarms"].str.contains(monitor)]
        assert first_alarm(z, 5.5) == (alarms[0] if len(alarms) else 0)


@pytest.mark.parametrize(("condition", "prevalence"), [("usual", 0.08), ("update", 0.08), ("portable", 0.3)])
def test_no_pair_of_cuts_is_cheaper_than_the_cheapest_band(condition, prevalence):
    p = USUAL.probability(POOLS.logits[condition])
    has = POOLS.films["Truth"].to_numpy() == 1
    price = Prices()

    def expected(low, high):
        asked, called = (p >= low) & (p < high), p >= high
        ill = np.where(asked, price.by_hand + (1 - SENSITIVITY) * price.miss, np.where(called, 0, price.miss))
        well = np.where(asked, price.by_hand + (1 - SPECIFICITY) * price.alarm, np.where(called, price.alarm, 0))
        return prevalence * ill[has].mean() + (1 - prevalence) * well[~has].mean()

    best = expected(*cheapest_band(POOLS, USUAL, prevalence, condition))
    cuts = np.concatenate([[0], np.quantile(p, np.linspace(0, 1, 25)), [1.1]])
    assert all(best <= expected(low, high) + 1e-9 for low in cuts for high in cuts if low <= high)


def test_the_dearer_the_staff_the_fewer_films_they_sort():
    p = USUAL.probability(POOLS.logits["usual"])
    has = POOLS.films["Truth"].to_numpy() == 1
    sorted_by_hand = []
    for price in (0.0, 0.05, 0.1, 0.3, 1.0, 50.0):
        low, high = cheapest_band(POOLS, USUAL, 0.08, prices=Prices(by_hand=price))
        assert low <= high  # a band, or none: never one of fewer than no films
        asked = (p >= low) & (p < high)
        sorted_by_hand.append(0.08 * asked[has].mean() + 0.92 * asked[~has].mean())
    assert sorted_by_hand == sorted(sorted_by_hand, reverse=True)
    assert sorted_by_hand[0] > 0.3 and sorted_by_hand[-1] == 0


def test_over_many_years_the_oracle_is_cheapest():
    low, high = cheapest_band(POOLS, USUAL, 0.08)
    gaps = []
    for k in range(40):
        year = simulate_year(POOLS, plan_events(k), seed=k)
        costs = [run_year(year, Rules(low, high, listen=()), USUAL)["cost"].sum()]
        costs += [run_year(year, Rules(0, 1.1, listen=()), USUAL)["cost"].sum()]
        gaps.append(np.array(costs) - oracle_year(year, POOLS, USUAL)["cost"])
    mean, error = np.mean(gaps, axis=0), np.std(gaps, axis=0) / np.sqrt(len(gaps))
    assert (mean > 3 * error).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Rules(0.5, 0.4), "low <= high"),
        (lambda: Rules(0.1, 0.4, listen=("luck",)), "no monitor 'luck'"),
        (lambda: Rules(0.1, 0.4, limit=0), "limit"),
        (lambda: cost_of([1], [1, 0], [0]), "one shape"),
    ],
)
def test_rules_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(CourseError, match=words):
        wrong()


def test_a_reference_maps_logits_by_its_line():
    assert Reference(2.0, -1.0, 0, 1, 0.5).probability([0.5]).tolist() == [0.5]
