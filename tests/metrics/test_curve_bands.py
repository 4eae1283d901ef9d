"""Band and average precision: influence by numeric derivatives of scikit-learn's, the band's ends, bad input."""

import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics

from tests.helpers.scored import gaussian, scored, steady
from util.errors import CourseError
from util.metrics import auc_intervals, curve_bands, roc


@steady
@given(scored)
def test_influence_on_average_precision_is_its_derivative(pair):
    """By weighing one film a little more in scikit-learn's, ties and all."""
    y, score = pair
    moved = curve_bands.average_precision_influence(y, score)
    assert moved.sum() == pytest.approx(0, abs=1e-12)
    for film in range(0, len(y), 3):
        more, less = np.ones(len(y)), np.ones(len(y))
        more[film], less[film] = 1 + 1e-4, 1 - 1e-4
        slope = np.subtract(*(metrics.average_precision_score(y, score, sample_weight=w) for w in (more, less))) / 2e-4
        assert moved[film] == pytest.approx(slope, abs=1e-6)


def test_interval_of_average_precision_is_that_of_its_parts():
    y, score = gaussian(30, 120, 0.8, seed=1)
    patients = np.r_[np.arange(30) // 3, 100 + np.arange(120) // 2]
    moved = curve_bands.average_precision_influence(y, score)
    sums = [moved[patients == one].sum() / np.sqrt(1 - 1 / 10) for one in range(10)]
    sums += [moved[patients == one].sum() / np.sqrt(1 - 1 / 60) for one in range(100, 160)]
    value = roc.average_precision(y, score)
    expected = auc_intervals.interval_around(value, np.sum(np.square(sums)), 0.9, effective=10)
    found = curve_bands.average_precision_interval(y, score, 0.9, patients)
    assert found == pytest.approx(expected, rel=1e-12)
    assert found[0] < value < found[1]
    by_film = curve_bands.average_precision_interval(y, score, 0.9)
    assert by_film == curve_bands.average_precision_interval(y, score, 0.9, np.arange(150))


def test_no_interval_of_one_patient_or_class():
    y, score = gaussian(5, 20, 0.8, seed=1)
    assert np.isnan(curve_bands.average_precision_interval(y, score, patients=np.r_[[7] * 5, np.arange(20)])).all()
    assert np.isnan(curve_bands.average_precision_interval(np.zeros(4), np.arange(4))).all()
    assert np.isnan(curve_bands.average_precision_interval(np.ones(4), np.arange(4))).all()
    band = curve_bands.roc_band(y, score, np.r_[[7] * 5, np.arange(20)])
    assert band[["low", "high"]].isna().all().all() and band["tpr"].notna().all()


def test_band_holds_the_curve_and_follows_the_films():
    y, score = gaussian(40, 200, 0.8, seed=2)
    score = np.round(score, 1)  # ties
    band = curve_bands.roc_band(y, score, fpr=[0.05, 0.3, 0.9])
    fpr, tpr, _ = roc.roc_curve(y, score)
    assert band["tpr"].to_numpy() == pytest.approx(np.interp([0.05, 0.3, 0.9], fpr, tpr), abs=1e-12)
    assert (band["low"] < band["tpr"]).all() and (band["tpr"] < band["high"]).all() and (band["high"] <= 1).all()
    again = curve_bands.roc_band(y, score, fpr=[0.05, 0.3, 0.9])
    assert band.equals(again)
    narrower = curve_bands.roc_band(y, score, fpr=[0.05, 0.3, 0.9], level=0.8)
    assert ((band["high"] - band["low"]) > (narrower["high"] - narrower["low"])).all()
    twice = np.tile(y, 2), np.tile(score, 2)
    patients = np.tile(np.arange(240), 2)
    copied = curve_bands.roc_band(*twice, patients, [0.05, 0.3, 0.9], rounds=200)
    once = curve_bands.roc_band(y, score, None, [0.05, 0.3, 0.9], rounds=200)
    assert copied[["low", "high"]].to_numpy() == pytest.approx(once[["low", "high"]].to_numpy(), abs=1e-12)


def test_band_spreads_as_films_drawn_by_hand():
    """The standard error: patients drawn as lists of films, the curve by scikit-learn."""
    y, score = gaussian(30, 90, 0.75, seed=3)
    patients, rates = np.arange(120) // 2, np.array([0.1, 0.4])
    rng, drawn = np.random.default_rng(0), []
    films_of = [np.flatnonzero(patients == one) for one in range(60)]
    for _ in range(1500):
        films = np.concatenate([films_of[one] for one in rng.integers(0, 60, 60)])
        drawn.append(np.interp(rates, *metrics.roc_curve(y[films], score[films], drop_intermediate=False)[:2]))
    step = np.searchsorted(np.unique(-score), -score)
    ours = curve_bands._drawn_curves(y == 1, step, 120, patients, 60, rates, 1500, 1)
    assert ours.std(axis=0) == pytest.approx(np.std(drawn, axis=0), rel=0.08)


@pytest.mark.parametrize("fpr", [[0.0], [1.0], [-0.1], [1.1], 0.5, [np.nan]])
def test_band_refuses_what_is_no_rate(fpr):
    with pytest.raises(CourseError, match="False positive rates"):
        curve_bands.roc_band([0, 1, 0, 1], [1, 2, 3, 4], fpr=fpr)


def test_bad_input_is_named():
    for function in (
        curve_bands.roc_band,
        curve_bands.average_precision_interval,
        curve_bands.average_precision_influence,
    ):
        with pytest.raises(CourseError, match="0 or 1"):
            function([0, 2], [0.1, 0.2])
    with pytest.raises(CourseError, match="same label"):
        curve_bands.roc_band([1, 1], [0.1, 0.2])
