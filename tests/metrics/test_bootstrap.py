"""The bootstrap on ranks against scikit-learn on the films that were drawn, one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.helpers.scored import gaussian, scored, steady
from util.errors import CourseError
from util.metrics import auc_intervals, bootstrap


def drawn_one_by_one(y, score, patients, rounds, seed):
    """The same draws, film by film, scored by scikit-learn."""
    known, who = np.unique(patients, return_inverse=True)
    rng, aucs = np.random.default_rng(seed), []
    for start in range(0, rounds, bootstrap.BATCH):
        many = min(bootstrap.BATCH, rounds - start)
        for drawn in rng.integers(0, len(known), (many, len(known))):
            films = np.concatenate([np.flatnonzero(who == patient) for patient in drawn])
            both = 0 < y[films].sum() < len(films)
            aucs.append(roc_auc_score(y[films], score[films]) if both else np.nan)
    return np.array(aucs)


@steady
@given(scored, st.integers(0, 2**32 - 1))
def test_every_round_is_scikit_learns(pair, seed):
    y, score = pair
    patients = np.random.default_rng(seed).integers(0, 9, len(y))
    ours = bootstrap.bootstrap_aucs(y, score, patients, rounds=5, seed=seed)
    expected = drawn_one_by_one(y, score, patients, 5, seed)
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_rounds_beyond_a_batch_and_several_findings():
    y, score = gaussian(20, 60, 0.8, seed=1)
    patients = np.arange(80) % 30
    labels, scores = np.column_stack([y, np.zeros(80, int), 1 - y]), np.column_stack([score] * 3)
    ours = bootstrap.bootstrap_aucs(labels, scores, patients, rounds=200, seed=3)
    assert ours.shape == (200, 3) and np.isnan(ours[:, 1]).all()
    np.testing.assert_allclose(ours[:, 0], drawn_one_by_one(y, score, patients, 200, 3), atol=1e-12)
    np.testing.assert_allclose(ours[:, 2], 1 - ours[:, 0], atol=1e-12)  # one draw for all findings


def test_same_seed_same_rounds():
    y, score = gaussian(20, 60, 0.8, seed=1)
    first, again, other = (bootstrap.bootstrap_aucs(y, score, None, 50, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_spread_is_obuchowskis_standard_error():
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(150), 4)
    y = (rng.random(150) < 0.4).astype(int).repeat(4)
    score = y + rng.normal(size=150).repeat(4) + 0.5 * rng.normal(size=600)
    draws = bootstrap.bootstrap_aucs(y, score, patients, 2_000)
    expected = np.sqrt(auc_intervals.auc_variance(y, score, patients))
    assert np.std(draws) == pytest.approx(expected, rel=0.06)
    assert expected > 1.5 * np.sqrt(auc_intervals.auc_variance(y, score))


def test_patients_are_drawn_with_replacement():
    weights = bootstrap.draw_patients(40, 300, np.random.default_rng(0))
    assert weights.shape == (40, 300) and (weights.sum(axis=0) == 40).all()
    assert (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.02)


def test_percentiles_leave_out_rounds_without_a_value():
    draws = np.array([[0.1, np.nan], [0.3, np.nan], [np.nan, np.nan]])
    limits = bootstrap.percentile_interval(draws, 0.5)
    assert limits[0] == pytest.approx([0.15, 0.25]) and np.isnan(limits[1]).all()


def test_bad_input_is_named():
    with pytest.raises(CourseError, match="must be"):
        bootstrap.bootstrap_aucs([0, 1], [0.1, 0.2, 0.3])
    with pytest.raises(CourseError, match="no bootstrap"):
        bootstrap.bootstrap_aucs([0, 1], [0.1, 0.2], rounds=0)
    with pytest.raises(CourseError, match="NaN"):
        bootstrap.bootstrap_aucs([0, 1], [0.1, np.nan])
    with pytest.raises(CourseError, match="single film"):
        bootstrap.bootstrap_aucs([[0, 1]], [[0.1, 0.2]])
    with pytest.raises(CourseError, match="2 films and 3 patients"):
        bootstrap.bootstrap_aucs([0, 1], [0.1, 0.2], [1, 2, 3])
