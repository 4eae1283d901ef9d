"""ROC curve, AUC and intervals against scikit-learn, pROC, brute force, closed forms, simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tests.helpers.scored import gaussian, pairwise, scored, steady
from util.errors import CourseError
from util.metrics import auc_intervals, calibration, comparison, roc, subgroups, thresholds

# --- ROC curve and AUC ----------------------------------------------------------------------------


def test_curve_by_hand():
    fpr, tpr, thresholds = roc.roc_curve([0, 1, 0, 1, 1], [0.1, 0.4, 0.4, 0.8, 0.3])
    assert thresholds.tolist() == [np.inf, 0.8, 0.4, 0.3, 0.1]
    assert fpr.tolist() == [0, 0, 0.5, 0.5, 1]
    assert tpr == pytest.approx([0, 1 / 3, 2 / 3, 1, 1], abs=1e-15)


@steady
@given(scored)
def test_curve_is_scikit_learns(pair):
    ours, theirs = roc.roc_curve(*pair), metrics.roc_curve(*pair, drop_intermediate=False)
    for mine, reference in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(reference, abs=1e-12)


@steady
@given(scored)
def test_auc_is_scikit_learns_the_share_of_pairs_and_the_area(pair):
    value = roc.auc(*pair)
    assert value == pytest.approx(metrics.roc_auc_score(*pair), abs=1e-12)
    assert value == pytest.approx(pairwise(*pair).mean(), abs=1e-12)
    fpr, tpr, _ = roc.roc_curve(*pair)
    assert value == pytest.approx(np.trapezoid(tpr, fpr), abs=1e-12)


def test_auc_of_many_films_is_scikit_learns():
    y, score = gaussian(3_000, 40_000, 0.8, seed=1)
    assert roc.auc(y, score) == pytest.approx(metrics.roc_auc_score(y, score), abs=1e-12)


@steady
@given(scored)
def test_auc_and_variance_know_only_the_ranks(pair):
    y, score = pair
    for other in (np.exp(score), 3 * score - 100, score**3):
        assert roc.auc(y, other) == pytest.approx(roc.auc(y, score), abs=1e-12)
        assert auc_intervals.auc_variance(y, other) == pytest.approx(
            auc_intervals.auc_variance(y, score), abs=1e-12, nan_ok=True
        )


@steady
@given(scored)
def test_complement(pair):
    y, score = pair
    value, variance = roc.auc(y, score), auc_intervals.auc_variance(y, score)
    assert roc.auc(~y, score) == pytest.approx(1 - value, abs=1e-12)
    assert roc.auc(y, -score) == pytest.approx(1 - value, abs=1e-12)
    assert auc_intervals.auc_variance(~y, score) == pytest.approx(variance, abs=1e-12, nan_ok=True)
    low, high = auc_intervals.auc_interval(y, score)
    assert auc_intervals.auc_interval(y, -score) == pytest.approx((1 - high, 1 - low), abs=1e-9, nan_ok=True)


def test_infinite_scores_rank_like_others():
    """inf - inf is no number: two infinite scores are a tie all the same."""
    assert roc.auc([0, 1, 1, 0], [-np.inf, np.inf, 2, 2]) == 0.875
    y, score = [1, 0, 1, 0, 0, 1], np.array([np.inf, np.inf, np.inf, 1, -np.inf, -np.inf])
    finite = np.clip(score, -5, 5)
    assert roc.average_precision(y, score) == pytest.approx(metrics.average_precision_score(y, finite), abs=1e-12)
    for mine, reference in zip(roc.roc_curve(y, score)[:2], roc.roc_curve(y, finite)[:2], strict=True):
        assert mine.tolist() == reference.tolist()


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_auc(label):
    y, score = np.full(5, label), np.arange(5)
    assert np.isnan(roc.auc(y, score))
    assert np.isnan(auc_intervals.auc_variance(y, score))
    assert np.isnan(auc_intervals.auc_interval(y, score)).all()
    with pytest.raises(CourseError, match="same label"):
        roc.roc_curve(y, score)


# --- Parts by patient -----------------------------------------------------------------------------


@steady
@given(scored, st.integers(0, 2**32 - 1))
def test_parts_among_some_films_are_those_of_these_films_alone(pair, seed):
    y, score = pair
    rng = np.random.default_rng(seed)
    patients, among = rng.integers(0, 8, len(y)), rng.random(len(y)) < 0.7
    for who in (None, patients):
        parts = auc_intervals.influence(y, score, who, among)
        assert len(parts.of_positives) == (len(y) if who is None else len(set(patients.tolist())))
        if among.sum() < 2 or y[among].all() or not y[among].any():
            assert np.isnan(parts.auc) and np.isnan(auc_intervals.variance_of(parts))
            continue
        assert parts.auc == roc.auc(y[among], score[among])
        alone = auc_intervals.auc_variance(y[among], score[among], None if who is None else who[among])
        assert auc_intervals.variance_of(parts) == pytest.approx(alone, abs=1e-14, nan_ok=True)
        assert parts.positives.sum() == pytest.approx(1) == parts.negatives.sum()


# --- Bad input ------------------------------------------------------------------------------------

TAKERS = [
    roc.roc_curve,
    roc.auc,
    roc.placements,
    auc_intervals.auc_variance,
    auc_intervals.auc_interval,
    roc.average_precision,
    auc_intervals.influence,
    lambda y, score: thresholds.threshold_for_sensitivity(y, score, 0.5),
    lambda y, score: thresholds.confusion(y, score, 0.5),
    thresholds.youden_threshold,
    lambda y, score: thresholds.cost_threshold(y, score, 5),
    lambda y, score: thresholds.net_benefit(y, score, [0.1]),
    lambda y, score: comparison.auc_difference(y, score, score),
    lambda y, score: comparison.auc_gap(y, score, [True] * len(y), [True] * len(y)),
    lambda y, score: subgroups.subgroup_table(y, score, ["a"] * len(y)),
    lambda y, score: subgroups.pairs_by_group(y, score, ["a"] * len(y)),
    calibration.reliability,
    calibration.brier,
    calibration.calibration_line,
]


@pytest.mark.parametrize("function", TAKERS)
@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([0, 1, 1], [0.1, 0.2], "shape"),
        ([[0, 1]], [[0.1, 0.2]], "shape"),
        ([], [], "no films"),
        ([1], [0.3], "single film"),
        ([0, 2], [0.1, 0.2], "0 or 1"),
        ([-1, 1], [0.1, 0.2], "0 or 1"),
        ([0, np.nan], [0.1, 0.2], "0 or 1"),
        ([0, 1], [0.1, np.nan], "1 of 2 scores are NaN"),
    ],
)
def test_bad_input_is_named(function, y, score, message):
    with pytest.raises(CourseError, match=message):
        function(y, score)


def test_level_and_scale_are_checked():
    with pytest.raises(CourseError, match="level"):
        auc_intervals.auc_interval([0, 0, 1, 1], [0, 1, 1, 2], 95)
    with pytest.raises(CourseError, match="no scale 'probit'"):
        auc_intervals.auc_interval([0, 0, 1, 1], [0, 1, 1, 2], scale="probit")


def test_patients_must_fit():
    with pytest.raises(CourseError, match="4 films and 3 patients"):
        auc_intervals.auc_variance([0, 0, 1, 1], [0, 1, 1, 2], [1, 2, 3])


@pytest.mark.parametrize("label", [0, 1])
def test_there_are_no_placements_within_one_class(label):
    below, above = roc.placements([label] * 4, [1, 2, 2, 3])
    assert below.shape == above.shape == (0,)
