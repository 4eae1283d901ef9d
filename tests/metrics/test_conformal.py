"""Conformal sets against exact fractions, brute force, a closed form of the coverage, and simulated guarantees."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.helpers.scored import steady
from util.errors import CourseError
from util.metrics import conformal
from util.metrics.conformal import conformal_quantile

DRAWS = 1_000
scores = st.lists(st.integers(0, 20), min_size=0, max_size=40).map(lambda values: np.array(values, float) / 20)
alphas = st.integers(1, 99)


@steady
@given(scores, alphas)
def test_the_quantile_is_the_one_of_exact_fractions(values, percent):
    alpha = Fraction(percent, 100)
    rank = -((-(len(values) + 1) * (1 - alpha)) // 1)
    expected = sorted(values)[int(rank) - 1] if rank <= len(values) else np.inf
    assert conformal_quantile(values, percent / 100) == expected
    assert conformal.conformal_rank(len(values), percent / 100) == rank


@steady
@given(scores, alphas, st.randoms(use_true_random=False))
def test_weights_of_one_and_another_order_change_nothing(values, percent, random):
    shuffled = values.copy()
    random.shuffle(shuffled)
    limit = conformal_quantile(values, percent / 100)
    assert conformal_quantile(shuffled, percent / 100) == limit
    assert conformal_quantile(values, percent / 100, weights=np.full(len(values), 3.0), own=3.0) == limit


@steady
@given(scores, alphas, alphas)
def test_a_smaller_alpha_gives_larger_sets(values, one, two):
    small, large = sorted((one / 100, two / 100))
    loose, strict = conformal_quantile(values, small), conformal_quantile(values, large)
    assert loose >= strict
    p = np.linspace(0, 1, 21)
    assert (conformal.answer_sets(p, loose) | ~conformal.answer_sets(p, strict)).all()


@steady
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=15), alphas)
def test_whole_weights_are_films_repeated(rows, percent):
    values, weights = np.array(rows, float).T
    repeated = np.repeat(values, weights.astype(int))
    expected = conformal_quantile(repeated, percent / 100)
    assert conformal_quantile(values, percent / 100, weights=weights, own=1.0) == expected


def test_a_weight_of_zero_is_no_film_and_too_little_weight_gives_the_full_set():
    assert conformal_quantile([0.1, 0.9, 0.3], 0.4, weights=[1, 0, 1]) == conformal_quantile([0.1, 0.3], 0.4)
    assert conformal_quantile([0.1, 0.2, 0.3], 0.2, own=50.0) == np.inf
    assert conformal_quantile([], 0.2) == np.inf
    assert conformal.answer_sets([0.0, 0.5, 1.0], np.inf).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.1, np.nan], 0.1), "finite"),
        (([0.1, np.inf], 0.1), "finite"),
        (([[0.1]], 0.1), "finite"),
        (([0.1], 0.0), "between 0 and 1"),
        (([0.1], np.nan), "between 0 and 1"),
        (([0.1], "0.1"), "between 0 and 1"),
        (([0.1], 0.1, [-1.0]), "at least 0"),
        (([0.1], 0.1, [np.nan]), "at least 0"),
        (([0.1], 0.1, [1.0, 1.0]), "one for each"),
        (([0.1], 0.1, None, 0.0), "above 0"),
        (([0.1], 0.1, None, np.inf), "above 0"),
    ],
)
def test_wrong_input_is_named(arguments, words):
    with pytest.raises(CourseError, match=words):
        conformal_quantile(*arguments)


def test_the_law_of_the_coverage_is_the_one_of_order_statistics():
    """A limit of rank k of n uniform scores covers the share U_(k), which is Beta(k, n + 1 - k)."""
    rng = np.random.default_rng(1)
    limits = np.array([conformal_quantile(rng.random(37), 0.2) for _ in range(DRAWS)])
    law = conformal.coverage_law(37, 0.2)
    assert stats.kstest(limits, law.cdf).pvalue > 0.01
    assert stats.kstest(limits, stats.beta(31, 7).cdf).pvalue > 0.01  # ceil(38 * 0.8) = 31
    assert stats.kstest(limits, stats.beta(30, 8).cdf).pvalue < 0.01  # a rank too low would be noticed
    assert law.mean() == pytest.approx(31 / 38)
    assert conformal.coverage_law(37, 0.2, films=11).mean() == pytest.approx(11 * 31 / 38)
    with pytest.raises(CourseError, match="too few"):
        conformal.coverage_law(8, 0.1)


def drawn(rng, films, share=0.3):
    """Labels and the probabilities of a poor model, which no one has calibrated."""
    y = rng.random(films) < share
    return y, np.clip(0.2 + 0.25 * y + 0.2 * rng.standard_normal(films), 0, 1)


def test_labels_are_covered_also_class_by_class():
    rng, made = np.random.default_rng(2), []
    for _ in range(DRAWS):
        (y, p), (new, q) = drawn(rng, 60), drawn(rng, 60)
        one = conformal.answer_sets(q, conformal_quantile(conformal.label_scores(y, p), 0.1))
        two = conformal.answer_sets(q, conformal.class_quantiles(y, p, 0.1))
        made.append([*conformal.judged(new, one)[:3], *conformal.judged(new, two)[:3]])
    covered, with_one, _, _, with_two, without_two = np.mean(made, axis=0)
    assert 0.9 - 0.005 < covered < 0.9 + 1 / 61 + 0.005
    assert with_one < 0.8  # one quantile leaves out films with the finding
    assert with_two > 0.9 - 0.005 and without_two > 0.9 - 0.005


def test_ties_are_conservative():
    rng = np.random.default_rng(3)
    covered = [np.mean(rng.integers(0, 3, 50) <= conformal_quantile(rng.integers(0, 3, 30), 0.4)) for _ in range(DRAWS)]
    assert np.mean(covered) > 0.6 - 0.005


def test_a_known_shift_is_repaired_by_weights_and_not_without():
    """AP films score higher; 35 % of calibration films are AP, and 90 % of the new ones."""
    rng, wanted, plain, weighted = np.random.default_rng(4), {"AP": 0.9, "PA": 0.1}, [], []
    for _ in range(DRAWS):
        view = np.where(rng.random(80) < 0.35, "AP", "PA")
        old = rng.standard_normal(80) + (view == "AP")
        new = np.where(rng.random() < 0.9, "AP", "PA")
        score = rng.standard_normal(50) + (new == "AP")
        weights = conformal.shift_weights(view, wanted)
        own = wanted[str(new)] / np.mean(view == new)
        plain.append(np.mean(score <= conformal_quantile(old, 0.2)))
        weighted.append(np.mean(score <= conformal_quantile(old, 0.2, weights, own)))
    assert np.mean(plain) < 0.75
    assert 0.78 < np.mean(weighted) < 0.85


def test_weights_by_patient_keep_the_promise_for_a_new_patient():
    """Patients with many films are alike inside and strange; a film of a new patient is drawn at random."""
    rng, by_film, by_patient = np.random.default_rng(5), [], []
    for _ in range(DRAWS):
        heavy = rng.random(40) < 0.2
        patients = np.repeat(np.arange(40), np.where(heavy, 12, 1))
        level = np.where(heavy, 3.0, 0.0) + rng.standard_normal(40)
        old = level[patients] + 0.3 * rng.standard_normal(len(patients))
        new = np.where(rng.random(50) < 0.2, 3.0, 0.0) + rng.standard_normal(50) + 0.3 * rng.standard_normal(50)
        by_film.append(np.mean(new <= conformal_quantile(old, 0.2)))
        by_patient.append(np.mean(new <= conformal_quantile(old, 0.2, conformal.patient_weights(patients))))
    assert np.mean(by_film) > 0.87  # films of the heavy patients raise the limit
    assert 0.8 - 0.01 < np.mean(by_patient) < 0.8 + 1 / 41 + 0.01


def test_weights_of_groups_and_patients():
    assert conformal.patient_weights([7, 7, 3, 7]).tolist() == pytest.approx([1 / 3, 1 / 3, 1, 1 / 3])
    assert conformal.shift_weights(["a", "b", "b", "c"], {"a": 0.5, "b": 0.5}).tolist() == [2.0, 1.0, 1.0, 0.0]
    with pytest.raises(CourseError, match="add up"):
        conformal.shift_weights(["a"], {"a": 0.5})
    with pytest.raises(CourseError, match="group b"):
        conformal.shift_weights(["a"], {"a": 0.5, "b": 0.5})


def test_judged_by_hand():
    sets = np.array([[True, False], [True, True], [False, False], [False, True]])
    assert conformal.judged([0, 1, 1, 1], sets) == (0.75, pytest.approx(2 / 3), 1.0, 0.25, 0.25)
    assert np.isnan(conformal.judged([0, 0, 0, 0], sets).covered_with)
    with pytest.raises(CourseError, match="shape"):
        conformal.judged([0, 1], sets)
    with pytest.raises(CourseError, match="between 0 and 1"):
        conformal.answer_sets([1.5], 0.3)


@pytest.mark.parametrize(
    ("alpha", "limit", "counts"),
    [
        (0.1, 0.7515655874965579, (134, 163, 97, 0)),
        (0.2, 0.6893002935254592, (121, 149, 70, 0)),
        (0.35, 0.3651153061365403, (57, 92, 0, 51)),
    ],
)
def test_mapie_gives_the_same_sets(alpha, limit, counts):
    """Frozen from MAPIE 1.6.0 (scikit-learn 1.9.1, NumPy 2.4.6), in an environment of its own.

    SplitConformalClassifier(given, confidence_level=1 - alpha, conformity_score="lac", prefit=True), where `given` returns
    the columns 1 - p and p, after conformalize(p, y); the limit is `quantiles_` of its score, the counts are of its sets of
    `new`: with 'no', with 'yes', with both, with none.
    """
    rng = np.random.default_rng(16)
    p = rng.beta(1, 4, 57)
    y = (rng.random(57) < p).astype(int)
    new = rng.random(200)
    found = conformal_quantile(conformal.label_scores(y, p), alpha)
    sets = conformal.answer_sets(new, found)
    assert found == pytest.approx(limit, rel=1e-12)
    assert (*sets.sum(axis=0), (sets.sum(axis=1) == 2).sum(), (sets.sum(axis=1) == 0).sum()) == counts
