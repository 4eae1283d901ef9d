"""Paired test, gaps and the table of comparisons against pROC (test_evaluation), definitions and the bootstrap."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from scipy.stats import t

from tests.helpers.scored import gaussian, pairwise, scored, steady
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics import auc_intervals, auc_tables, bootstrap, comparison, roc
from util.metrics.proportions import holm


@steady
@given(scored)
def test_error_is_delongs_covariance(pair):
    """DeLong 1988: var(A) + var(B) - 2 cov(A, B), from the matrices of pairs."""
    y, first = pair
    second = np.round(first / 2) + np.arange(len(y)) % 3
    one, two = pairwise(y, first), pairwise(y, second)
    found = comparison.auc_difference(y, first, second)
    assert found.difference == pytest.approx(one.mean() - two.mean(), abs=1e-12)
    if min(one.shape) > 1:
        rows, columns = np.cov(one.mean(axis=1), two.mean(axis=1)), np.cov(one.mean(axis=0), two.mean(axis=0))
        covariance = rows / one.shape[0] + columns / one.shape[1]
        expected = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        assert found.error**2 == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan([found.error, found.p]).all()


def test_a_model_does_not_differ_from_itself():
    y, score = gaussian(30, 90, 0.8, seed=1)
    found = comparison.auc_difference(y, score, np.exp(score))
    assert (found.difference, found.error, found.z, found.p) == (0, 0, 0, 1)


def test_exchanged_models_change_the_sign_alone():
    y, score = gaussian(30, 90, 0.8, seed=1)
    other = score + np.random.default_rng(0).normal(size=120)
    there, back = comparison.auc_difference(y, score, other), comparison.auc_difference(y, other, score)
    assert there.p == pytest.approx(back.p, rel=1e-12) and there.low == pytest.approx(-back.high, abs=1e-12)


def test_pairing_beats_two_separate_intervals():
    """The models share their films' luck: intervals that overlap may belong to a sure difference."""
    y, score = gaussian(100, 400, 0.85, seed=2)
    worse = score + 0.35 * np.random.default_rng(1).normal(size=500)
    found = comparison.auc_difference(y, score, worse)
    apart = np.sqrt(auc_intervals.auc_variance(y, score) + auc_intervals.auc_variance(y, worse))
    assert found.error < apart / 2


def test_by_patient_it_is_the_bootstraps_spread():
    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(120), 5)
    y = (rng.random(120) < 0.4).astype(int).repeat(5)
    first = y + rng.normal(size=120).repeat(5) + 0.3 * rng.normal(size=600)
    second = y + rng.normal(size=120).repeat(5) + 0.3 * rng.normal(size=600)
    found = comparison.auc_difference(y, first, second, patients)
    draws = np.diff(
        bootstrap.bootstrap_aucs(np.column_stack([y, y]), np.column_stack([first, second]), patients, 2_000)
    )
    assert found.error == pytest.approx(np.std(draws), rel=0.06)
    view = rng.random(600) < 0.5
    gap = comparison.auc_gap(y, first, view, ~view, patients)
    assert gap.difference == roc.auc(y[view], first[view]) - roc.auc(y[~view], first[~view])
    rounds = []
    for weights in bootstrap.draw_patients(120, 600, rng).T:
        films = np.repeat(np.arange(600), weights[patients].astype(int))
        pair = [films[view[films]], films[~view[films]]]
        rounds.append(np.subtract(*(roc.auc(y[i], first[i]) for i in pair)))
    assert gap.error == pytest.approx(np.std(rounds), rel=0.1)


def test_gap_of_strangers_adds_their_variances():
    y, score = gaussian(60, 140, 0.8, seed=3)
    one = np.arange(200) % 2 == 0
    gap = comparison.auc_gap(y, score, one, ~one)
    parts = [auc_intervals.auc_variance(y[mask], score[mask]) for mask in (one, ~one)]
    assert gap.error == pytest.approx(np.sqrt(sum(parts)), abs=1e-12)
    assert comparison.auc_gap(y, score, one, one)[:2] == pytest.approx((0, 0), abs=1e-8)


def test_interval_of_a_gap_has_satterthwaites_degrees():
    y, score = gaussian(12, 40, 0.8, seed=4)
    one = np.r_[np.arange(12) < 8, np.arange(40) < 10]
    gap = comparison.auc_gap(y, score, one, ~one)
    variances = np.array([auc_intervals.auc_variance(y[mask], score[mask]) for mask in (one, ~one)])
    freedom = variances.sum() ** 2 / np.sum(variances**2 / np.array([8 - 1, 4 - 1]))  # the rarer class of each
    reach = t.ppf(0.975, freedom) * np.sqrt(variances.sum())
    assert (gap.low, gap.high) == pytest.approx((gap.difference - reach, gap.difference + reach), abs=1e-12)
    assert gap.p == pytest.approx(2 * t.sf(abs(gap.z), freedom), rel=1e-9)


def test_gap_to_a_group_of_one_patient_has_no_interval():
    y, score = gaussian(10, 30, 0.8, seed=5)
    one = np.r_[np.arange(10) < 1, np.arange(30) < 10]
    gap = comparison.auc_gap(y, score, one, ~one)
    assert np.isfinite(gap.difference) and np.isnan(gap[1:]).all()


def test_gap_to_an_empty_group_is_nan():
    y, score = gaussian(10, 10, 0.8, seed=3)
    assert np.isnan(comparison.auc_gap(y, score, np.ones(20, bool), np.zeros(20, bool))).all()


def test_false_alarms_are_as_rare_as_promised():
    """Two models of the same quality, 600 studies: p falls below 0.05 in one of twenty."""
    rng, alarms = np.random.default_rng(6), 0
    y = np.repeat([1, 0], [60, 140])
    for _ in range(600):
        common = rng.normal(size=200) + 1.2 * y
        alarms += comparison.auc_difference(y, *(common + 0.7 * rng.normal(size=(2, 200)))).p < 0.05
    assert 0.03 <= alarms / 600 <= 0.075


def test_table_compares_every_finding(cohort_like):
    films, scores = cohort_like
    other = scores + np.random.default_rng(1).normal(size=scores.shape)
    table = comparison.compare_table(films, scores, other, films["PatientId"])
    assert tuple(table.index) == FINDINGS
    assert list(table.columns) == ["first", "second", "difference", "low", "high", "p", "holm", "note"]
    own, others = auc_tables.auc_table(films, scores), auc_tables.auc_table(films, other)
    assert table["first"].to_numpy() == pytest.approx(own["auc"].to_numpy(), abs=1e-12, nan_ok=True)
    assert table["second"].to_numpy() == pytest.approx(others["auc"].to_numpy(), abs=1e-12, nan_ok=True)
    row = comparison.auc_difference(films["Effusion"], scores["Effusion"], other["Effusion"], films["PatientId"])
    assert table.loc["Effusion", "p"] == row.p
    assert table["holm"].to_numpy() == pytest.approx(holm(table["p"]), nan_ok=True)
    assert table.loc["Nodule", "note"] == "too few: 1 positive patient"
    assert table.loc["Hernia", "note"] == "undefined: no positive film" and np.isnan(table.loc["Hernia", "p"])
    shuffled = comparison.compare_table(films, scores, other.iloc[::-1], films["PatientId"])
    pd.testing.assert_frame_equal(shuffled, table)
    with pytest.raises(CourseError, match="single film"):
        comparison.compare_table(films.iloc[:1], scores, other)


def test_three_films_of_a_class_leave_two_degrees_of_freedom():
    """The interval of a difference is Student's, of one degree less than there are films of the rarer class."""
    found = comparison.auc_difference([1, 1, 1, 0, 0, 0], [6, 5, 4, 3, 2, 1], [6, 5, 2, 4, 3, 1])
    reach = (
        0.95 * np.sqrt(2 / (1 - 0.95**2)) * found.error
    )  # times 0.95 * sqrt(2 / (1 - 0.95**2)), the quantile of 2 degrees
    assert (found.low, found.high) == pytest.approx((2 / 9 - reach, 2 / 9 + reach), rel=1e-9)
