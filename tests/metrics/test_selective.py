"""Risk against coverage by hand, by brute force over ties, and against its closed form."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from tests.helpers.scored import steady
from util.errors import CourseError
from util.metrics import selective

films = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=30).map(
    lambda rows: tuple(np.array(column, float) for column in zip(*rows, strict=True))
)


@steady
@given(films)
def test_the_end_is_the_share_of_errors_and_the_order_of_films_does_not_matter(pair):
    wrong, unsure = pair
    coverage, risk = selective.risk_coverage(wrong, unsure)
    assert coverage[-1] == 1 and risk[-1] == pytest.approx(wrong.mean())
    assert np.allclose(selective.risk_coverage(wrong[::-1], unsure[::-1])[1], risk)
    assert np.allclose(selective.risk_coverage(wrong, np.exp(unsure))[1], risk)
    best, worst = selective.aurc(wrong, wrong), selective.aurc(wrong, -wrong)
    assert best - 1e-9 <= selective.aurc(wrong, unsure) <= worst + 1e-9


def test_ties_are_the_mean_over_all_orders():
    wrong, unsure = np.array([1, 0, 0, 1, 0]), np.array([2, 2, 1, 2, 3])
    curves = [
        np.cumsum(wrong[list(order)]) / np.arange(1, 6)
        for order in permutations(range(5))
        if (np.diff(unsure[list(order)]) >= 0).all()
    ]
    assert len(curves) == 6
    assert np.allclose(selective.risk_coverage(wrong, unsure)[1], np.mean(curves, axis=0))


def test_area_without_information_and_with_all_of_it():
    wrong = np.repeat([0, 1], [700, 300])
    assert selective.aurc(wrong, np.zeros(1000)) == pytest.approx(0.3)
    # Geifman et al. 2019: the best area is r + (1 - r) ln(1 - r) for many films
    assert selective.aurc(wrong, wrong) == pytest.approx(0.3 + 0.7 * np.log(0.7), abs=0.001)


def test_doubts():
    p = np.array([0.0, 0.03, 0.5, 0.8, 1.0])
    assert np.allclose(selective.entropy(p), entropy([p, 1 - p], base=2))
    assert selective.nearness([-2.0, 1.0, 3.0], 1.0).tolist() == [-3.0, 0.0, -2.0]
    for values in ([1.2], [np.nan]):
        with pytest.raises(CourseError, match="between 0 and 1"):
            selective.entropy(values)
    with pytest.raises(CourseError, match="NaN"):
        selective.aurc([0, 1], [np.nan, 1.0])
    with pytest.raises(CourseError, match="0 or 1"):
        selective.aurc([0, 2], [0.5, 1.0])
