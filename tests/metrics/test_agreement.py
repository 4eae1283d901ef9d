"""Agreement of readers: a published example, scikit-learn, brute force over pairs, and what rare findings do."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from util.errors import CourseError
from util.metrics.agreement import agreement, agreement_table, cohen_kappa

# Ten subjects, fourteen raters, five categories: the worked example of Fleiss' kappa in Wikipedia, 0.210.
COUNTS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def test_fleiss_kappa_of_a_worked_example():
    answers = np.array([np.repeat(np.arange(5), row) for row in COUNTS]).T
    found = agreement(answers)
    assert (round(found["kappa"], 3), round(found["observed"], 3)) == (0.210, 0.378)


tables = st.integers(2, 5).flatmap(
    lambda r: st.integers(2, 9).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 2), min_size=n, max_size=n), min_size=r, max_size=r)
    )
)


@given(tables)
def test_brute_force_over_all_pairs_of_answers(answers):
    found, answers = agreement(answers), np.array(answers)
    observed = np.mean([np.mean(one == other) for one, other in combinations(answers, 2)])
    pool = answers.ravel()
    chance = np.mean(pool[:, None] == pool[None, :])
    assert found["observed"] == pytest.approx(observed)
    if chance < 1:
        k = len(np.unique(pool))
        assert found["kappa"] == pytest.approx((observed - chance) / (1 - chance))
        assert found["ac1"] == pytest.approx((observed - (1 - chance) / (k - 1)) / (1 - (1 - chance) / (k - 1)))
    else:
        assert np.isnan(found["kappa"]) and found["ac1"] == 1


@pytest.mark.parametrize("seed", range(5))
def test_cohens_kappa_is_that_of_scikit_learn(seed):
    one, other = np.random.default_rng(seed).integers(0, 3, (2, 40))
    assert cohen_kappa(one, other) == pytest.approx(cohen_kappa_score(one, other))


def test_the_same_answer_everywhere_has_no_kappa():
    assert np.isnan(cohen_kappa([1, 1], [1, 1])) and np.isnan(agreement([[0, 0], [0, 0]])["kappa"])
    assert cohen_kappa(["yes", "no"], ["yes", "no"]) == 1


def test_where_a_finding_is_rare_kappa_falls_and_ac1_hardly():
    """Two readers agree on 90 of 100 films: with 45 yes each, and with 5 yes each."""
    even = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [45, 5, 5, 45], axis=0).T
    rare = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [2, 5, 5, 88], axis=0).T
    one, other = agreement(even), agreement(rare)
    assert one["observed"] == other["observed"] == pytest.approx(0.9)
    assert one["kappa"] == pytest.approx(0.8) and other["kappa"] < 0.3 and other["ac1"] > one["ac1"]


def test_the_intervals_cover_and_count_patients():
    rng, hits = np.random.default_rng(3), []
    truth = 0.8**2 + 0.2**2  # both are right, or both are wrong
    for _ in range(60):
        y = rng.integers(0, 2, 80)
        row = agreement_table(y ^ (rng.random((3, 80)) < 0.2)).loc["observed"]
        hits.append(row["low"] <= truth <= row["high"])
    assert np.mean(hits) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 60)
    answers = (rng.random((3, 40)) < 0.4).astype(int)
    once, twice = agreement_table(answers), agreement_table(np.tile(answers, 2), np.tile(np.arange(40), 2))
    np.testing.assert_allclose(once, twice)


def test_two_patients_have_no_interval():
    assert agreement_table([[0, 1], [1, 1]])["low"].isna().all()


@pytest.mark.parametrize("answers", [[0, 1], [[0, 1]], [[], []], [[0, np.nan], [1, 1]]])
def test_answers_of_another_form_are_said(answers):
    with pytest.raises(CourseError):
        agreement(answers)
    with pytest.raises(CourseError):
        cohen_kappa([0, 1], [0, 1, 1])
