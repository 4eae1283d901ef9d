"""Thresholds, rates and values at a prevalence against scikit-learn, brute force and hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tests.helpers.scored import gaussian, scored, steady
from util.errors import CourseError
from util.metrics import thresholds
from util.metrics.proportions import wilson_interval


@steady
@given(scored, st.floats(0.01, 1.0))
def test_threshold_is_the_highest_that_reaches_the_sensitivity(pair, wanted):
    y, score = pair
    threshold = thresholds.threshold_for_sensitivity(y, score, wanted)
    assert np.mean(score[y] >= threshold) >= wanted
    higher = score[score > threshold]
    assert all(np.mean(score[y] >= h) < wanted for h in higher)


@pytest.mark.parametrize("share", [0.07, 0.14, 0.28, 0.29, 0.55, 0.56, 0.57, 0.58])
def test_threshold_meets_exact_shares(share):
    """0.07 * 100 is 7.000000000000001 in floating point: rounding that up would ask for one film more."""
    score = np.arange(100)[::-1]
    assert thresholds.threshold_for_sensitivity(np.ones(100), score, share) == 100 - round(100 * share)


@pytest.mark.parametrize("wanted", [0, -0.1, 1.1, 80, np.nan])
def test_threshold_refuses_no_share(wanted):
    with pytest.raises(CourseError, match="above 0 and at most 1"):
        thresholds.threshold_for_sensitivity([0, 1], [0, 1], wanted)


def test_threshold_needs_a_positive():
    with pytest.raises(CourseError, match="No film is positive"):
        thresholds.threshold_for_sensitivity([0, 0], [0, 1], 0.8)


@steady
@given(scored, st.integers(-7, 7))
def test_confusion_is_scikit_learns(pair, threshold):
    y, score = pair
    tn, fp, fn, tp = metrics.confusion_matrix(y, score >= threshold, labels=[False, True]).ravel()
    assert thresholds.confusion(y, score, threshold) == (tp, fp, fn, tn)


@pytest.mark.parametrize("threshold", [np.nan, None, "0.5", [0.1, 0.2]])
def test_confusion_refuses_what_is_no_threshold(threshold):
    with pytest.raises(CourseError, match="no threshold"):
        thresholds.confusion([0, 1], [0, 1], threshold)


def test_rates_by_hand():
    table = thresholds.rates(thresholds.Confusion(tp=8, fp=5, fn=2, tn=85))
    assert list(table.index) == ["sensitivity", "specificity", "ppv", "npv"]
    assert table["value"].tolist() == pytest.approx([8 / 10, 85 / 90, 8 / 13, 85 / 87], abs=1e-15)
    assert table["of"].tolist() == [10, 90, 13, 87]
    assert tuple(table.loc["ppv", ["low", "high"]]) == wilson_interval(8, 13)
    assert table.iloc[:, :3].apply(lambda row: row["low"] < row["value"] < row["high"], axis=1).all()


def test_rates_of_nothing_are_nan():
    table = thresholds.rates((0, 0, 4, 6))
    assert table.loc["ppv", ["value", "low", "high"]].isna().all() and table.loc["ppv", "of"] == 0
    assert table.loc["sensitivity", "value"] == 0 and table.loc["sensitivity", "low"] == 0
    assert table.loc["specificity", "value"] == 1 and table.loc["specificity", "high"] == 1


@steady
@given(*[st.integers(0, 300)] * 4)
def test_ppv_at_the_tables_own_prevalence_is_the_tables_ppv(tp, fp, fn, tn):
    table = thresholds.rates((tp, fp, fn, tn))["value"]
    total = tp + fp + fn + tn
    if not (tp + fn and tn + fp and tp + fp):
        return
    value = thresholds.ppv_at_prevalence(table["sensitivity"], table["specificity"], (tp + fn) / total)
    assert value == pytest.approx(tp / (tp + fp), rel=1e-9)


def test_ppv_of_arrays_and_at_the_ends():
    values = thresholds.ppv_at_prevalence(0.8, 0.6, np.array([0, 0.5, 1]))
    assert values == pytest.approx([0, 2 / 3, 1], abs=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(thresholds.ppv_at_prevalence(0.0, 1.0, 0.3))  # no film is called positive


@pytest.mark.parametrize("wrong", [(80, 0.9, 0.1), (0.8, -0.1, 0.1), (0.8, 0.9, np.nan), (0.8, 0.9, [0.1, 12])])
def test_ppv_refuses_percent(wrong):
    with pytest.raises(CourseError, match="between 0 and 1"):
        thresholds.ppv_at_prevalence(*wrong)


# --- Youden, cost, decision curve -----------------------------------------------------------------


def every_threshold(score):
    return np.append(np.unique(score), np.inf)


@steady
@given(scored)
def test_youden_is_the_best_of_all_thresholds(pair):
    y, score = pair

    def youden(t):
        return np.mean(score[y] >= t) - np.mean(score[~y] >= t)

    best = max(youden(t) for t in every_threshold(score))
    found = thresholds.youden_threshold(y, score)
    assert youden(found) == pytest.approx(best, abs=1e-12)
    assert all(youden(t) < best - 1e-12 for t in every_threshold(score) if t > found)


@steady
@given(scored, st.floats(0.1, 50), st.one_of(st.none(), st.floats(0.0, 1.0)))
def test_cost_threshold_is_the_cheapest_of_all(pair, worth, prevalence):
    y, score = pair
    p = y.mean() if prevalence is None else prevalence

    def cost(t):
        return p * worth * np.mean(score[y] < t) + (1 - p) * np.mean(score[~y] >= t)

    found = thresholds.cost_threshold(y, score, worth, prevalence)
    assert cost(found) == pytest.approx(min(cost(t) for t in every_threshold(score)), abs=1e-10)


def test_cost_of_equal_classes_is_youden():
    y, score = gaussian(40, 120, 0.8, seed=4)
    assert thresholds.cost_threshold(y, score, 120 / 40) == thresholds.youden_threshold(y, score)


def test_the_dearer_a_miss_the_lower_the_threshold():
    y, score = gaussian(60, 240, 0.8, seed=5)
    found = [thresholds.cost_threshold(y, score, worth) for worth in (0.001, 1, 4, 20, 1e6)]
    assert found == sorted(found, reverse=True) and found[0] > score[y == 0].max()
    assert found[-1] == score[y == 1].min()


@pytest.mark.parametrize("worth", [0, -1, np.nan])
def test_cost_must_be_positive(worth):
    with pytest.raises(CourseError, match="above 0"):
        thresholds.cost_threshold([0, 1], [0, 1], worth)


@steady
@given(*[st.integers(0, 300)] * 4)
def test_npv_at_the_tables_own_prevalence_is_the_tables_npv(tp, fp, fn, tn):
    table, total = thresholds.rates((tp, fp, fn, tn))["value"], tp + fp + fn + tn
    if tp + fn and tn + fp and tn + fn:
        value = thresholds.npv_at_prevalence(table["sensitivity"], table["specificity"], (tp + fn) / total)
        assert value == pytest.approx(tn / (tn + fn), rel=1e-9)


@steady
@given(scored, st.floats(0, 0.99))
def test_net_benefit_by_its_definition(pair, threshold):
    """Vickers and Elkin 2006: TP / n - FP / n times the odds of the threshold."""
    y, score = pair
    p = (score + 6) / 12
    row = thresholds.net_benefit(y, p, [threshold]).iloc[0]
    tp, fp, odds = np.sum(y & (p >= threshold)), np.sum(~y & (p >= threshold)), threshold / (1 - threshold)
    assert row["model"] == pytest.approx(tp / len(y) - fp / len(y) * odds, abs=1e-12)
    assert row["all"] == pytest.approx(y.mean() - (1 - y.mean()) * odds, abs=1e-12)
    assert row["none"] == 0


def test_net_benefit_of_a_perfect_answer_is_the_prevalence():
    y = np.repeat([1, 0], [30, 70])
    table = thresholds.net_benefit(y, y.astype(float), np.linspace(0.01, 0.99, 20))
    assert table["model"].to_numpy() == pytest.approx(0.3, abs=1e-12)


def test_net_benefit_refuses_logits_and_certainty():
    with pytest.raises(CourseError, match="Are they logits"):
        thresholds.net_benefit([0, 1], [-2.0, 3.0], [0.1])
    for wrong in ([1.0], [-0.1], 0.5):
        with pytest.raises(CourseError, match="from 0 up and below 1"):
            thresholds.net_benefit([0, 1], [0.2, 0.3], wrong)
