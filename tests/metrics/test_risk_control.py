"""Conformal risk control against brute force, its special case, and the guarantee in simulated draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.scored import steady
from util.errors import CourseError
from util.metrics.conformal import conformal_quantile
from util.metrics.risk_control import missed_shares, risk_threshold


def drawn(rng, films=40, findings=4):
    ill = rng.random((films, findings)) < rng.uniform(0.1, 0.7, (films, 1))
    ill[np.arange(films), rng.integers(0, findings, films)] = True
    return ill.astype(int), np.clip(0.3 + 0.2 * ill + 0.25 * rng.standard_normal(ill.shape), 0, 1)


@steady
@given(st.integers(0, 10_000), st.integers(1, 99), st.booleans())
def test_the_threshold_is_the_highest_that_keeps_the_promise(seed, percent, coarse):
    y, p = drawn(np.random.default_rng(seed), 12)
    p, alpha = np.round(p, 1) if coarse else p, percent / 100
    kept = [t for t in np.unique(p[y == 1]) if missed_shares(y, p, t).sum() + 1 <= alpha * 13 + 1e-9]
    assert risk_threshold(y, p, alpha) == (max(kept) if kept else -np.inf)


@steady
@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(1, 99))
def test_with_one_finding_it_is_the_conformal_quantile_of_the_films_that_have_it(values, percent):
    p = np.array(values)[:, None] / 20
    limit = conformal_quantile(1 - p[:, 0], percent / 100)
    assert risk_threshold(np.ones_like(p), p, percent / 100) == pytest.approx(1 - limit)


def test_the_share_of_missed_findings_is_kept_on_average():
    rng, made = np.random.default_rng(7), []
    for _ in range(1_000):
        (y, p), (new, q) = drawn(rng), drawn(rng)
        made.append([missed_shares(new, q, risk_threshold(y, p, alpha)).mean() for alpha in (0.1, 0.3)])
    few, many = np.mean(made, axis=0)
    assert 0.06 < few < 0.1 + 0.005 and 0.26 < many < 0.3 + 0.005


def test_too_few_films_call_everything():
    assert risk_threshold([[1]], [[0.9]], 0.4) == -np.inf
    assert missed_shares([[1]], [[0.0]], -np.inf).tolist() == [0.0]


@pytest.mark.parametrize(
    ("y", "p", "words"),
    [
        ([[1, 0]], [[0.5]], "shape"),
        ([1, 0], [0.5, 0.5], "shape"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "shape"),
        ([[2, 0]], [[0.5, 0.5]], "0 or 1"),
        ([[1, 0]], [[np.nan, 0.5]], "finite"),
        ([[1, 0]], [[np.inf, 0.5]], "finite"),
        ([[1, 0], [0, 0]], [[0.5, 0.5], [0.5, 0.5]], "no finding"),
    ],
)
def test_wrong_input_is_named(y, p, words):
    with pytest.raises(CourseError, match=words):
        risk_threshold(y, p, 0.2)


@pytest.mark.parametrize(("alpha", "on_a_grid"), [(0.1, 0.33), (0.2, 0.40), (0.3, 0.49)])
def test_mapie_chooses_the_same_threshold_on_its_grid(alpha, on_a_grid):
    """Frozen from MAPIE 1.6.0, whose thresholds are hundredths: ours, rounded down, is the highest of them that holds.

    MultiLabelClassificationController(lambda p: p, risk="recall", method="crc", target_level=1 - alpha), then calibrate(p,
    y) and `best_predict_param`.
    """
    rng = np.random.default_rng(17)
    y = (rng.random((43, 5)) < 0.4).astype(int)
    y[np.arange(43), rng.integers(0, 5, 43)] = 1
    p = np.clip(0.3 + 0.25 * y + 0.2 * rng.standard_normal(y.shape), 0.001, 0.999)
    assert np.floor(100 * risk_threshold(y, p, alpha)) / 100 == pytest.approx(on_a_grid)
