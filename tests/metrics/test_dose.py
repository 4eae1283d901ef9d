"""The psychometric curve against scikit-learn, closed forms, and simulation of its interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from util.errors import CourseError
from util.metrics.dose import dose_response


def drawn(seed, half=0.4, slope=9.0, people=20, spread=0.0):
    """Severities, answers and patients; `spread` moves the half of each patient."""
    rng = np.random.default_rng(seed)
    severity = np.tile([0.1, 0.3, 0.5, 0.7, 0.9], people)
    patients = np.repeat(np.arange(people), 5)
    own = half + spread * rng.standard_normal(people)[patients]
    return severity, (rng.random(len(severity)) < expit(slope * (severity - own))).astype(int), patients


@pytest.mark.parametrize("seed", range(4))
def test_the_fit_is_scikit_learn_s(seed):
    from sklearn.linear_model import LogisticRegression

    severity, found, patients = drawn(seed)
    curve = dose_response(severity, found, patients)
    model = LogisticRegression(C=1e10, tol=1e-10, max_iter=10_000).fit(severity[:, None], found)
    assert curve.slope == pytest.approx(model.coef_[0, 0], rel=1e-3)
    assert curve.half == pytest.approx(-model.intercept_[0] / model.coef_[0, 0], rel=1e-3)


def test_two_severities_have_a_closed_form():
    found = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    curve = dose_response(np.repeat([0.2, 0.6], 4), found, np.arange(8))
    slope = (np.log(3) - np.log(1 / 3)) / 0.4  # the curve goes through both shares, 1/4 and 3/4
    assert curve.slope == pytest.approx(slope) and curve.half == pytest.approx(0.4)


def test_the_interval_is_the_jackknife_s():
    severity, found, patients = drawn(3, people=10, slope=4)
    curve = dose_response(severity, found, patients)
    halves = np.array([dose_response(*(a[patients != k] for a in (severity, found, patients))).half for k in range(10)])
    error = np.sqrt(9 / 10 * np.sum((halves - halves.mean()) ** 2))
    assert curve.high - curve.half == pytest.approx(2.26216 * error, rel=1e-4)
    assert curve.half - curve.low == pytest.approx(curve.high - curve.half)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    inside = []
    for seed in range(120):
        curve = dose_response(*drawn(seed, people=16))
        inside.append(curve.low <= 0.4 <= curve.high)
    assert 0.88 <= np.mean(inside) <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 5), st.floats(-3, 3))
def test_another_scale_of_severity_moves_the_half_with_it(seed, factor, shift):
    severity, found, patients = drawn(seed, people=8)
    one, other = (dose_response(s, found, patients) for s in (severity, factor * severity + shift))
    assert other.half == pytest.approx(factor * one.half + shift, rel=1e-5, abs=1e-5, nan_ok=True)
    assert other.slope == pytest.approx(one.slope / factor, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("found", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 1]])
def test_where_no_curve_fits_there_is_none(found):
    curve = dose_response([0.1, 0.2, 0.3, 0.4], found, [1, 2, 3, 4])
    assert np.isnan(curve.half) and np.isnan(curve.low) and np.isnan(curve.slope)


def test_nearly_parted_answers_still_converge():
    severity = np.concatenate([np.linspace(0, 1, 200), [0.49]])
    found = np.concatenate([(np.linspace(0, 1, 200) > 0.5).astype(int), [1]])
    curve = dose_response(severity, found, np.arange(201))
    assert curve.half == pytest.approx(0.5, abs=0.02) and np.isfinite(curve.slope)


@pytest.mark.parametrize("arguments", [([0.1], [0, 1], [1, 2]), ([0.1, 0.2], [0, 2], [1, 2]), ([], [], [])])
def test_bad_input_is_told(arguments):
    with pytest.raises(CourseError, match="dose_response needs"):
        dose_response(*arguments)
