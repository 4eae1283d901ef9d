"""Many readers, many cases: two programs' printed results on a published study, closed forms, brute force and simulation."""

import numpy as np
import pytest
from scipy.stats import norm, ttest_rel
from sklearn.metrics import roc_auc_score

from tests.helpers.van_dyke import van_dyke
from util.errors import CourseError
from util.metrics.comparison import auc_difference
from util.metrics.mrmc import ANALYSES, mrmc, readers_against
from util.metrics.mrmc_parts import components_of, covariances_of, mean_squares

BOTH, READERS_FIXED, CASES_FIXED = ANALYSES
# Printed by OR-DBM MRMC 2.51 (Schartz, Hillis, Pesce and Berbaum) and by the R package RJafroc, jackknife.
PRINTED_AUCS = [
    [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
    [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
]
PRINTED_JACKKNIFE = [0.00153499935, 0.00020040252, 0.00080228827, 0.00034661371, 0.00034407483, 0.00023902837]
# Printed by the R package MRMCaov (Smith and Hillis), cov = DeLong.
PRINTED_DELONG = [0.0015364254, 0.0002045840, 0.0007921325, 0.0003420090, 0.0003395265, 0.0002358497]


@pytest.fixture(scope="module", params=["delong", "jackknife"])
def study(request):
    return request.param, mrmc(*van_dyke(), method=request.param)


def row(table, analysis, number=0):
    return table[table["analysis"] == analysis].iloc[number]


def test_the_aucs_and_mean_squares_are_the_printed_ones(study):
    found = study[1]
    np.testing.assert_allclose(found.aucs, PRINTED_AUCS, atol=5e-9)
    np.testing.assert_allclose(list(found.ms.values()), [0.00479617053, 0.00383619999, 0.00055103062], rtol=1e-8)


def test_the_components_are_the_printed_ones(study):
    method, found = study
    printed = PRINTED_JACKKNIFE if method == "jackknife" else PRINTED_DELONG
    np.testing.assert_allclose(found.components, printed, rtol=2e-7)


@pytest.mark.parametrize(
    "method, analysis, statistic, df2, p",
    [
        ("jackknife", BOTH, 4.4563187, 15.259675, 0.051665686),
        ("jackknife", READERS_FIXED, 5.4759532, np.inf, 0.019279843),
        ("jackknife", CASES_FIXED, 8.704, 4, 0.041958752),
        ("delong", BOTH, 4.484854, 15.06611, 0.05123303),
    ],
)
def test_the_tests_are_the_printed_ones(method, analysis, statistic, df2, p):
    found = mrmc(*van_dyke(), method=method).tests.loc[analysis]
    np.testing.assert_allclose([found["statistic"], found["df2"], found["p"]], [statistic, df2, p], rtol=5e-7)
    assert found["df1"] == 1 and found["name"] == ("chi2" if analysis == READERS_FIXED else "F")


@pytest.mark.parametrize(
    "method, analysis, error, low, high",
    [
        ("jackknife", BOTH, None, -0.087959499, 0.00035885444),
        ("jackknife", READERS_FIXED, 0.018717483, -0.080485914, -0.0071147303),
        ("jackknife", CASES_FIXED, 0.014846287, -0.085020224, -0.0025804202),
        ("delong", BOTH, 0.0206825, -0.0878671960, 0.0002665519),
    ],
)
def test_the_intervals_of_the_difference_are_the_printed_ones(method, analysis, error, low, high):
    found = row(mrmc(*van_dyke(), method=method).differences, analysis)
    np.testing.assert_allclose(found["difference"], -0.043800322, atol=5e-10)
    np.testing.assert_allclose([found["low"], found["high"]], [low, high], atol=6e-8)
    np.testing.assert_allclose(found["error"], error or 0.02075, atol=6e-8 if error else 5e-6)  # printed to five places


@pytest.mark.parametrize(
    "method, analysis, modality, error, df, low, high",
    [
        ("jackknife", BOTH, 0, 0.033173597, 12.744648, 0.82522360, 0.96885048),
        ("jackknife", BOTH, 1, 0.021566368, 12.710190, 0.89413783, 0.98753689),
        ("jackknife", READERS_FIXED, 0, 0.024289710, np.inf, 0.84943008, 0.94464399),
        ("jackknife", CASES_FIXED, 1, 0.016153030, 4, 0.89598936, 0.98568536),
        ("delong", BOTH, 0, 0.03307642, 12.59597, 0.8253461, 0.9687280),
        ("delong", BOTH, 1, 0.02150464, 12.56530, 0.8942155, 0.9874592),
    ],
)
def test_the_intervals_of_each_modality_are_the_printed_ones(method, analysis, modality, error, df, low, high):
    found = row(mrmc(*van_dyke(), method=method).means, analysis, modality)
    assert found["modality"] == modality
    np.testing.assert_allclose(found[["error", "df", "low", "high"]].astype(float), [error, df, low, high], rtol=4e-7)


# ---- Closed forms and brute force -------------------------------------------------------------------------


def ratings_of(rng, t=2, r=3, n=40, levels=None):
    y = np.arange(n) % 2
    made = rng.normal(size=(t, r, n)) + 0.7 * rng.normal(size=n) + 1.2 * y
    return y, made if levels is None else np.digitize(made, np.linspace(-1.5, 2.5, levels - 1))


def test_covariances_are_those_of_a_jackknife_by_hand():
    y, ratings = ratings_of(np.random.default_rng(1), n=24, levels=5)
    _, found = covariances_of(y, ratings, method="jackknife")
    kept = [np.delete(np.arange(24), k) for k in range(24)]
    left = np.array([[roc_auc_score(y[k], rating[k]) for k in kept] for rating in ratings.reshape(6, 24)])
    expected = np.cov(left) * (24 - 1) ** 2 / 24
    np.testing.assert_allclose(found.reshape(6, 6), expected, rtol=1e-10, atol=1e-15)


def test_two_modalities_of_one_reader_are_delongs_test():
    y, ratings = ratings_of(np.random.default_rng(2), r=1)
    found = mrmc(y, ratings)
    expected = auc_difference(y, ratings[0, 0], ratings[1, 0])
    fixed = row(found.differences, READERS_FIXED)
    np.testing.assert_allclose([fixed["difference"], fixed["error"]], [expected.difference, expected.error], rtol=1e-12)
    assert found.tests["p"].isna().tolist() == [True, False, True]
    assert np.isnan(found.components.reader) and np.isnan(row(found.means, BOTH)["low"])


def test_with_fixed_cases_it_is_a_paired_t_test_of_the_aucs():
    y, ratings = ratings_of(np.random.default_rng(3), r=6)
    found = mrmc(y, ratings)
    expected = ttest_rel(*found.aucs)
    fixed = row(found.differences, CASES_FIXED)
    np.testing.assert_allclose(fixed["p"], expected.pvalue, rtol=1e-10)
    np.testing.assert_allclose(found.tests.loc[CASES_FIXED, "statistic"], expected.statistic**2, rtol=1e-10)


def test_films_of_a_patient_count_once():
    """Every film twice, as two films of one patient: nothing changes but the number of films."""
    y, ratings = ratings_of(np.random.default_rng(4))
    once = mrmc(y, ratings)
    twice = mrmc(np.tile(y, 2), np.tile(ratings, 2), patients=np.tile(np.arange(40), 2))
    np.testing.assert_allclose(twice.covariances, once.covariances, rtol=1e-10)
    alone = mrmc(np.tile(y, 2), np.tile(ratings, 2))
    assert alone.components.error < 0.6 * once.components.error


def test_the_order_of_readers_and_any_rising_change_of_ratings_do_not_matter():
    y, ratings = ratings_of(np.random.default_rng(5), t=3, r=4)
    one, other = mrmc(y, ratings), mrmc(y, np.exp(ratings[:, ::-1]))
    np.testing.assert_allclose(other.tests["p"], one.tests["p"], rtol=1e-9)
    assert len(one.differences) == 9 and one.tests["df1"].tolist() == [2, 2, 2]


def test_one_modality_has_means_and_no_tests():
    y, ratings = ratings_of(np.random.default_rng(6), t=1)
    found = mrmc(y, ratings)
    assert found.differences.empty and found.tests["p"].isna().all() and found.means["low"].notna().all()


def test_sixty_readers_are_no_problem_and_readers_alike_leave_the_cases():
    y, ratings = ratings_of(np.random.default_rng(7), r=1)
    found = mrmc(y, np.repeat(ratings, 60, axis=1))
    fixed, both = row(found.differences, READERS_FIXED), row(found.differences, BOTH)
    expected = auc_difference(y, ratings[0, 0], ratings[1, 0])
    np.testing.assert_allclose([fixed["error"], both["error"]], expected.error, rtol=1e-10)
    assert np.isnan(row(found.differences, CASES_FIXED)["p"])


def test_readers_against_a_model_of_one_reader_is_delongs_test():
    rng = np.random.default_rng(8)
    y, ratings = ratings_of(rng, t=1, r=1)
    score = y + rng.normal(size=40)
    found = readers_against(y, ratings[0], score).loc[READERS_FIXED]
    expected = auc_difference(y, ratings[0, 0], score)
    np.testing.assert_allclose([found["difference"], found["error"]], [expected.difference, expected.error], rtol=1e-12)


def test_readers_against_a_model_without_an_error_is_the_analysis_of_one_modality():
    y, ratings = ratings_of(np.random.default_rng(9), t=1, r=5)
    found, alone = readers_against(y, ratings[0], y), mrmc(y, ratings)
    for analysis in ANALYSES:
        expected = row(alone.means, analysis)
        np.testing.assert_allclose(found.loc[analysis, "difference"], expected["auc"] - 1, rtol=1e-12)
        np.testing.assert_allclose(found.loc[analysis, "error"], expected["error"], rtol=1e-12)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda y, r: (y, r[0]), "modalities, readers, films"),
        (lambda y, r: (y, r[:, :, :5]), "must be"),
        (lambda y, r: (y, np.where(r > 2, np.nan, r)), "NaN"),
        (lambda y, r: (np.eye(40)[0], r), "two patients"),
        (lambda y, r: (y, [[["high"]]]), "numbers"),
    ],
)
def test_what_cannot_be_analysed_is_said(change, words):
    with pytest.raises(CourseError, match=words):
        mrmc(*change(*ratings_of(np.random.default_rng(10))))


def test_other_mistakes_are_said():
    y, ratings = ratings_of(np.random.default_rng(11))
    with pytest.raises(CourseError, match="no method"):
        mrmc(y, ratings, method="bootstrap")
    with pytest.raises(CourseError, match="readers, films"):
        readers_against(y, ratings, y)
    with pytest.raises(CourseError, match="modalities, readers"):
        mean_squares([0.7, 0.8])
    with pytest.raises(CourseError, match="need"):
        components_of(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(CourseError, match="two patients"):
        mrmc(y, ratings, patients=np.where(y == 1, 0, np.arange(40)), method="jackknife")


# ---- Simulation -------------------------------------------------------------------------------------------


def roe_metz(rng, shift, t=2, r=5, n=60):
    """Ratings of the model of Roe and Metz 1997: variances of readers 0.011, cases 0.3, both with and without modality."""
    y = np.arange(n) % 2

    def draw(size, variance):
        return rng.normal(scale=variance**0.5, size=size)

    made = draw((1, r, 1), 0.011) * y * 2**0.5 + draw((t, r, 1), 0.011) * y * 2**0.5
    made = made + draw((1, 1, n), 0.3) + draw((t, 1, n), 0.3) + draw((1, r, n), 0.2) + draw((t, r, n), 0.2)
    return y, made + y * (1.5 + np.reshape(shift, (t, 1, 1)))


def test_the_level_of_random_readers_is_kept_and_the_coverage_nearly():
    """250 studies: within four binomial standard errors of 5 %, and of the 92 % of 3,000; a fixed-cases test alarms far more often."""
    rng, found = np.random.default_rng(12), []
    truth = norm.cdf(1.5 / np.sqrt(2 + 4 * 0.011))  # readers' shifts vary by 2 x 2 x 0.011 in films with the finding
    for _ in range(250):
        study = mrmc(*roe_metz(rng, [0, 0]))
        mean = row(study.means, BOTH)
        found.append([*(study.tests["p"] < 0.05), mean["low"] <= truth <= mean["high"]])
    both, readers_fixed, cases_fixed, covered = np.mean(found, axis=0)
    slack = 4 * np.sqrt(0.05 * 0.95 / 250)
    assert both < 0.05 + slack and 0.92 - slack < covered < 0.92 + slack
    assert cases_fixed > 0.05 + slack and readers_fixed > both
