"""Checked input, Wilson's interval and Holm's rule against published tables and R."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from util.errors import CourseError
from util.metrics import inputs, proportions


# Newcombe 1998 (doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I, score method
# without continuity correction.
@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_newcombes_table(hits, of, low, high):
    assert proportions.wilson_interval(hits, of) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilson_solves_its_equation(pair):
    """The limits are the shares p at which (hits/of - p)^2 = z^2 p (1 - p) / of; mirrored for misses."""
    hits, of = pair
    low, high = proportions.wilson_interval(hits, of)
    assert 0 <= low < high <= 1
    for p in (low, high):
        assert (hits / of - p) ** 2 == pytest.approx(1.959963984540054**2 * p * (1 - p) / of, abs=1e-12)
    assert proportions.wilson_interval(of - hits, of) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_wilson_of_nothing_and_nonsense():
    assert np.isnan(proportions.wilson_interval(0, 0)).all()
    for wrong in ((3, 2), (-1, 2)):
        with pytest.raises(CourseError, match="is no share"):
            proportions.wilson_interval(*wrong)


def test_holm_is_rs():
    """Frozen from R 4.2.2: p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.5, 0.03), "holm")"""
    adjusted = proportions.holm([0.01, 0.04, 0.03, 0.005, 0.5, 0.03])
    assert adjusted == pytest.approx([0.05, 0.12, 0.12, 0.03, 0.5, 0.12], abs=1e-15)


def test_holm_leaves_out_what_was_not_tested():
    assert proportions.holm([0.02, np.nan, 0.01]) == pytest.approx([0.02, np.nan, 0.02], abs=1e-15, nan_ok=True)
    assert np.isnan(proportions.holm([np.nan, np.nan])).all() and len(proportions.holm([])) == 0
    with pytest.raises(CourseError, match="between 0 and 1"):
        proportions.holm([1.2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_p_and_bonferroni_and_keeps_the_order(p):
    p, adjusted = np.array(p), proportions.holm(p)
    assert np.all(adjusted >= p) and np.all(adjusted <= np.minimum(1, p * len(p)) + 1e-15)
    assert np.all(np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0)


def test_holm_keeps_false_alarms_rare():
    """14 tests of nothing: uncorrected, half of all studies claim something; by Holm one in twenty."""
    p = np.random.default_rng(1).random((2_000, 14))
    assert np.mean((p < 0.05).any(axis=1)) == pytest.approx(1 - 0.95**14, abs=0.03)
    assert np.mean([(proportions.holm(study) < 0.05).any() for study in p]) == pytest.approx(0.05, abs=0.015)


def test_probabilities_are_asked_for():
    with pytest.raises(CourseError, match=r"these go from -2 to 3\. Are they logits"):
        inputs.checked_probabilities([0, 1], [-2.0, 3.0])
    y, p = inputs.checked_probabilities([0, 1], [0, 1])
    assert y.dtype == bool and p.tolist() == [0, 1]


def test_patients_are_counted():
    who, everyone = inputs.patient_codes(["b", "a", "b"], 3)
    assert who.tolist() == [1, 0, 1] and everyone == 2
    who, everyone = inputs.patient_codes(None, 3)
    assert who.tolist() == [0, 1, 2] and everyone == 3
    with pytest.raises(CourseError, match="no patient"):
        inputs.patient_codes([1, np.nan], 2)
    with pytest.raises(CourseError, match="3 films and 2 patients"):
        inputs.patient_codes([1, 2], 3)


@pytest.mark.parametrize("level", [0, 1, 95, np.nan])
def test_level_is_a_share(level):
    with pytest.raises(CourseError, match="level"):
        proportions.normal_quantile(level)
    assert proportions.normal_quantile(0.95) == pytest.approx(1.959963984540054, abs=1e-14)


# --- Patients and Student's quantile --------------------------------------------------------------


@pytest.mark.parametrize(
    "patients",
    [
        [1, None, 2],
        ["a", None, "b"],
        ["a", np.nan, "b"],
        np.array(["a", "nan", "b"]),
        ["a", "", "b"],
        [1.0, np.nan, 2.0],
        pd.Series([1, pd.NA, 2], dtype="Int64"),
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        [None, None, None],
    ],
)
def test_films_without_a_patient_are_refused(patients):
    with pytest.raises(CourseError, match="Some films have no patient"):
        inputs.patient_codes(patients, 3)


def test_patients_of_two_kinds_are_refused():
    """7 and '7' are one patient, read twice in different ways."""
    with pytest.raises(CourseError, match="numbers and some are text"):
        inputs.patient_codes(pd.Series([7, "7", 8], dtype=object), 3)


def test_patients_of_any_one_kind_have_the_same_codes():
    for patients in (
        [12, 7, 12],
        [12.0, 7.0, 12.0],
        ["b", "a", "b"],
        pd.Series([12, 7, 12], dtype="Int64"),
        (True, False, True),
    ):
        who, everyone = inputs.patient_codes(patients, 3)
        assert who.tolist() == [1, 0, 1] and everyone == 2
    assert inputs.patient_codes(None, 3)[0].tolist() == [0, 1, 2]
    with pytest.raises(CourseError, match="3 films and 2 patients"):
        inputs.patient_codes([1, 2], 3)


def test_effective_number_by_hand():
    assert proportions.effective_number([3, 3, 3, 3]) == 4
    assert proportions.effective_number([24, *[1] * 13, 13]) == pytest.approx(50**2 / (24**2 + 13 + 13**2))
    assert proportions.effective_number([5, 0, 0]) == 1
    assert proportions.effective_number([0, 0]) == 0


def test_student_quantile_is_scipys_and_bounded():
    for freedom in (0.5, 1, 2.7, 30):
        assert proportions.student_quantile(0.9, freedom) == pytest.approx(t.ppf(0.95, freedom), rel=1e-9)
    assert proportions.student_quantile(0.95, np.inf) == proportions.normal_quantile(0.95)
    assert proportions.student_quantile(0.95, 0) == proportions.student_quantile(0.95, 0.1) < 1e13
    for level in (0, 1, 95, -0.5):
        with pytest.raises(CourseError, match=f"level is {level}"):
            proportions.student_quantile(level, 3)


def test_shares_reach_their_bounds_and_not_beyond():
    assert inputs.checked_shares(share=0, other=np.array([0.0, 1.0])) is None
    for wrong in (-1e-9, 1 + 1e-9, np.nan, [0.5, 2]):
        with pytest.raises(CourseError, match="The prevalence must lie between 0 and 1"):
            inputs.checked_shares(prevalence=wrong)
    for level in (0.0, 1.0):
        with pytest.raises(CourseError, match="level"):
            proportions.normal_quantile(level)
    _, p = inputs.checked_probabilities([0, 1], [0.0, 1.0])
    assert p.tolist() == [0, 1]
    for p in ([-0.01, 0.5], [0.5, 1.01]):
        with pytest.raises(CourseError, match="Are they logits"):
            inputs.checked_probabilities([0, 1], p)


def test_clustered_mean_by_hand():
    """Three patients with 1, 2 and 3 films: each patient's sum of distances, over 1 - share."""
    values, patients = np.array([1.0, 0, 1, 1, 0, 0]), [5, 6, 6, 7, 7, 7]
    mean, variance, effective = proportions.clustered_mean(values, patients)
    sums = np.array([0.5, 0.0, -0.5]) / 6
    assert mean == 0.5 and effective == pytest.approx(36 / 14)
    assert variance == pytest.approx(np.sum(sums**2 / (1 - np.array([1, 2, 3]) / 6)))
    mean, variance, effective = proportions.clustered_mean(values)
    assert variance == pytest.approx(values.var(ddof=1) / 6) and effective == pytest.approx(6)
    _, variance, effective = proportions.clustered_mean(values, [1] * 6)
    assert np.isnan(variance) and effective == 1


def test_share_around_is_wilsons_equation_with_students_quantile():
    values, patients = np.array([1.0, 0, 1, 1, 0, 0, 1, 1]), [5, 6, 6, 7, 7, 7, 8, 9]
    mean, variance, effective = proportions.clustered_mean(values, patients)
    assert proportions.share_interval(values, patients) == (mean, *proportions.share_around(mean, variance, effective))
    n, q = mean * (1 - mean) / variance, t.ppf(0.975, effective - 1)
    for p in proportions.share_around(mean, variance, effective):
        assert (mean - p) ** 2 == pytest.approx(q**2 * p * (1 - p) / n, rel=1e-9)
    assert proportions.share_around(1.0, 0.0, 4)[1] == 1 and proportions.share_around(0.0, 0.0, 4)[0] == 0
    assert proportions.share_around(1.0, 0.0, 4)[0] == pytest.approx(proportions.wilson_interval(4, 4)[0])
    assert proportions.share_around(0.5, 0.0, 4) == pytest.approx(
        proportions.wilson_interval(2, 4)
    )  # equal shares of all patients
    assert np.isnan(proportions.share_around(0.5, 0.1, 1.0)).all()
    low, high = proportions.share_around(
        0.5, 0.1, 1.5
    )  # one of two patients has most films: an interval, and a wide one
    assert 0 < low < 0.1 and 0.9 < high < 1
    with pytest.raises(CourseError, match="both must be"):
        inputs.checked([0, 1, 1], [0.5, 0.2])
