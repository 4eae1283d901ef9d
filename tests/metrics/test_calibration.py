"""Reliability, Brier's parts and the calibration line against scikit-learn, R, loops and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import t
from sklearn import metrics

from tests.helpers.scored import steady
from util.errors import CourseError
from util.losses.weighted import undo_weighting
from util.metrics import calibration
from util.metrics.proportions import share_interval, wilson_interval

answered = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=60).map(
    lambda rows: (np.array([r[0] for r in rows]), np.array([r[1] / 20 for r in rows]))
)


def simulated(films, seed, intercept=-2.0, spread=1.2):
    """Labels drawn with the probabilities that are answered."""
    rng = np.random.default_rng(seed)
    p = expit(intercept + spread * rng.standard_normal(films))
    return (rng.random(films) < p).astype(int), p


def test_reliability_by_hand():
    y, p = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8]
    table = calibration.reliability(y, p, bins=2)
    assert table["films"].tolist() == [3, 3] and table["positives"].tolist() == [1, 2]
    assert table["answer"].tolist() == pytest.approx([0.2, 0.7])
    assert table["share"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert tuple(table.loc[0, ["low", "high"]]) == wilson_interval(1, 3)


def test_reliability_by_patient_counts_patients():
    """Forty films of four patients in one bin: the interval of four patients, not of forty films."""
    y, patients = np.repeat([1, 0, 1, 0], 10), np.repeat([5, 6, 7, 8], 10)
    p = np.full(40, 0.5)
    by_film, by_patient = calibration.reliability(y, p).loc[0], calibration.reliability(y, p, patients=patients).loc[0]
    assert tuple(by_patient[["low", "high"]]) == share_interval(y, patients)[1:]
    assert by_patient["low"] < by_film["low"] and by_patient["high"] > by_film["high"]
    assert by_patient["share"] == by_film["share"] == 0.5


@steady
@given(answered, st.integers(1, 12))
def test_bins_lose_no_film_and_are_in_order(pair, bins):
    y, p = pair
    table = calibration.reliability(y, p, bins)
    assert table["films"].sum() == len(y) and table["positives"].sum() == y.sum()
    assert (table["films"] > 0).all() and len(table) <= bins
    assert np.all(np.diff(table["answer"]) > 0)
    assert np.sum(table["answer"] * table["films"]) == pytest.approx(p.sum(), abs=1e-9)


def test_bins_are_equally_full_without_ties():
    y, p = simulated(1_000, seed=1)
    assert calibration.reliability(y, p, 10)["films"].tolist() == [100] * 10


@steady
@given(answered, st.integers(1, 12))
def test_brier_is_scikit_learns_and_its_parts_add_up(pair, bins):
    y, p = pair
    found = calibration.brier(y, p, bins)
    assert found.score == pytest.approx(metrics.brier_score_loss(y.astype(int), p, labels=[0, 1]), abs=1e-12)
    total = found.reliability - found.resolution + found.uncertainty + found.within
    assert total == pytest.approx(found.score, abs=1e-12)
    assert min(found.reliability, found.resolution, found.uncertainty) >= 0


def test_nothing_is_hidden_where_answers_do_not_differ_within_bins():
    """Murphy 1973: three parts and no rest, when each bin has one answer."""
    p = np.repeat([0.1, 0.4, 0.9], 20)
    y = np.tile([0, 0, 1, 1, 0], 12)
    found = calibration.brier(y, p, bins=3)
    assert found.within == pytest.approx(0, abs=1e-15)
    shares = [y[p == answer].mean() for answer in (0.1, 0.4, 0.9)]
    assert found.reliability == pytest.approx(np.mean((np.array([0.1, 0.4, 0.9]) - shares) ** 2), abs=1e-15)


def test_answering_the_prevalence_costs_the_uncertainty():
    y = np.repeat([1, 0], [30, 70])
    found = calibration.brier(y, np.full(100, 0.3))
    assert found.score == pytest.approx(found.uncertainty) == pytest.approx(0.21)
    assert found.reliability == pytest.approx(0, abs=1e-15) == found.resolution


def test_line_is_that_of_r():
    """Frozen from R 4.2.2:

    i <- 0:199; y <- as.integer((i * 37) %% 100 < 32); p <- ((i * 61) %% 97) / 110 + 0.02 + 0.09 * y
    tight <- list(epsilon = 1e-14, maxit = 100)
    coef(glm(y ~ qlogis(p), family = binomial, control = tight))
    coef(glm(y ~ 1, offset = qlogis(p), family = binomial, control = tight))
    """
    i = np.arange(200)
    y = ((i * 37) % 100 < 32).astype(int)
    line = calibration.calibration_line(y, ((i * 61) % 97) / 110 + 0.02 + 0.09 * y)
    assert (line.intercept, line.slope) == pytest.approx((-1.1949820845872359, 1.3913253511360595), abs=1e-9)
    assert line.in_the_large == pytest.approx(-0.97529781456199893, abs=1e-9)


def test_sandwich_by_loops():
    """Liang and Zeger 1986: bread from the fitted variances, filling from the patients' sums of scores."""
    y, p = simulated(300, seed=2)
    patients = np.arange(300) // 3
    line = calibration.calibration_line(y, p, patients)
    design = np.column_stack([np.ones(300), logit(p)])
    fitted = expit(design @ [line.intercept, line.slope])
    bread = np.linalg.inv(sum(f * (1 - f) * np.outer(x, x) for f, x in zip(fitted, design, strict=True)))
    filling = np.zeros((2, 2))
    for patient in range(100):
        score = sum((y[i] - fitted[i]) * design[i] for i in range(300) if patients[i] == patient)
        filling += np.outer(score, score) * 100 / 99
    error = np.sqrt(np.diag(bread @ filling @ bread))
    patients_of = [np.bincount(patients[y == label]) for label in (0, 1)]
    effective = min(counts.sum() ** 2 / np.sum(counts**2) for counts in patients_of)
    reach = t.ppf(0.975, effective - 1) * error
    assert line.intercept_interval == pytest.approx((line.intercept - reach[0], line.intercept + reach[0]), abs=1e-9)
    assert line.slope_interval == pytest.approx((line.slope - reach[1], line.slope + reach[1]), abs=1e-9)


def test_true_probabilities_have_slope_1_and_intercept_0():
    held = np.zeros(3)
    for seed in range(200):
        y, p = simulated(400, seed, intercept=-1.0)
        line = calibration.calibration_line(y, p)
        limits = zip(line[1::2], (1, 0, 0), strict=True)
        held += [low <= truth <= high for (low, high), truth in limits]
    assert (held / 200 >= 0.91).all()


def test_undoing_the_weights_brings_the_line_back():
    """Answers for a prevalence of one half are too high by logit(p); stretched ones have a slope below 1."""
    y, p = simulated(20_000, seed=3)
    share = y.mean()
    weighted = logit(p) - np.log(share / (1 - share))
    before = calibration.calibration_line(y, expit(weighted))
    after = calibration.calibration_line(y, expit(undo_weighting(weighted[:, None], [share])[:, 0]))
    assert before.in_the_large == pytest.approx(logit(share), abs=0.1) and before.slope == pytest.approx(1, abs=0.06)
    assert after.in_the_large == pytest.approx(0, abs=0.1)
    assert calibration.calibration_line(y, expit(2 * logit(p))).slope == pytest.approx(0.5, abs=0.03)


def test_classes_that_are_parted_have_no_slope():
    line = calibration.calibration_line([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9])
    assert np.isnan([line.slope, line.intercept, *line.slope_interval]).all()
    assert np.isfinite([line.in_the_large, *line.in_the_large_interval]).all()
    assert np.isnan(calibration.calibration_line([1, 1], [0.1, 0.2]).in_the_large)
    assert np.isnan(calibration.calibration_line([1, 0, 1], [0.3, 0.3, 0.3]).slope)


@steady
@given(st.integers(0, 10**6), st.floats(-6, 6), st.floats(0.2, 6))
def test_a_shift_moves_the_intercept_alone_and_stretching_the_slope(seed, shift, stretch):
    y, p = simulated(80, seed, intercept=-1.0)
    line, moved = (calibration.calibration_line(y, q) for q in (p, expit(logit(p) * stretch + shift)))
    if np.isfinite(line.slope):
        assert moved.slope * stretch == pytest.approx(line.slope, rel=1e-4, abs=1e-5)
        assert moved.intercept + moved.slope * shift == pytest.approx(line.intercept, rel=1e-4, abs=1e-4)
        ends = np.array(moved.slope_interval) * stretch
        assert ends == pytest.approx(line.slope_interval, rel=1e-4, abs=1e-4)


def test_extreme_answers_are_fitted_all_the_same():
    y, p = simulated(500, seed=4)
    stretched = calibration.calibration_line(y, expit(np.clip(8 * logit(p), -30, 30)))
    assert 0.09 < stretched.slope < 0.2


def test_bad_input_is_named():
    with pytest.raises(CourseError, match="Are they logits"):
        calibration.reliability([0, 1], [-1, 2])
    with pytest.raises(CourseError, match="exactly 0 or 1"):
        calibration.calibration_line([0, 1], [0.0, 0.4])
    for bins in (0, 2.5):
        with pytest.raises(CourseError, match="whole number"):
            calibration.brier([0, 1], [0.2, 0.4], bins)
    with pytest.raises(CourseError, match="2 films and 1 patients"):
        calibration.calibration_line([0, 1], [0.2, 0.4], [1])


def test_ten_bins_unless_others_are_asked_for():
    y, p = simulated(400, seed=5)
    assert calibration.brier(y, p) == calibration.brier(y, p, bins=10) != calibration.brier(y, p, bins=11)
    assert len(calibration.reliability(y, p)) == 10


def test_a_line_that_newton_oversteps_is_found():
    """Answers so extreme that a whole step of Newton's lowers the likelihood: the score equations hold all the same."""
    y = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    x = np.array([-9.0, 8.0, 9.0, -8.0, -7.0, -9.0, -8.5, -6.0, -9.0, -7.5])
    line = calibration.calibration_line(y, expit(x))
    residuals = y - expit(line.intercept + line.slope * x)
    assert [residuals.sum(), (residuals * x).sum()] == pytest.approx([0, 0], abs=1e-8)
    assert (y - expit(line.in_the_large + x)).sum() == pytest.approx(0, abs=1e-8)


def test_two_patients_have_an_interval_and_one_has_none():
    y, p = simulated(60, seed=6, intercept=0.0)
    assert np.isfinite(calibration.calibration_line(y, p, np.arange(60) % 2).slope_interval).all()
    one = calibration.calibration_line(y, p, np.zeros(60))
    assert np.isnan(one.slope_interval).all() and np.isfinite(one.slope)


def test_a_reliability_diagram_on_logarithmic_axes_draws_shares_of_zero_at_its_floor():
    import matplotlib.pyplot as plt

    from util.plots import draw_reliability

    y, p = np.repeat([0, 0, 1, 0], 25), np.repeat([0.002, 0.05, 0.1, 0.3], 25)
    table = calibration.reliability(y, p, bins=4)
    fig, ax = plt.subplots()
    draw_reliability(ax, table, title="four bins", floor=0.01)
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_title()) == ("log", "log", "four bins")
    points = ax.containers[0].lines[0]
    np.testing.assert_allclose(np.asarray(points.get_xdata(), float), [0.01, 0.05, 0.1, 0.3])
    np.testing.assert_allclose(np.asarray(points.get_ydata(), float), [0.01, 0.01, 1, 0.01])
    lowest = [segment[0, 1] for segment in ax.containers[0].lines[2][0].get_segments()]
    assert min(lowest) == pytest.approx(0.01)
    plt.close(fig)
