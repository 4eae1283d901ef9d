"""What a larger study needs: powers printed by another program, closed forms and simulation."""

import numpy as np
import pytest
from scipy.stats import f, ncf, norm

from tests.helpers.van_dyke import van_dyke
from util.errors import CourseError
from util.metrics.mrmc import mrmc
from util.metrics.mrmc_parts import Components
from util.metrics.mrmc_power import cases_needed, power_of, sizes_table

DIFFERENCE = -0.043800322  # observed by Van Dyke et al.


@pytest.fixture(scope="module")
def pilot():
    return mrmc(*van_dyke(), method="jackknife").components


# Values that the tests of the R package RJafroc hold (SsPowerGivenJK and SsSampleSizeKGivenJ, dataset02, Wilcoxon).
def test_power_and_cases_are_those_of_another_program(pilot):
    np.testing.assert_allclose(power_of(pilot, DIFFERENCE, 10, 165, pilot=114), 0.80541995, atol=2e-8)
    np.testing.assert_allclose(power_of(pilot, DIFFERENCE, 6, 111, pilot=114), 0.5526116, atol=5e-7)
    assert cases_needed(pilot, DIFFERENCE, 6, pilot=114) == 251


def test_with_fixed_readers_it_is_a_normal_test(pilot):
    error = np.sqrt(2 / 5 * (pilot.error - pilot.cov1 + 4 * (pilot.cov2 - pilot.cov3)) * 114 / 200)
    ends = norm.ppf(0.975) + np.array([-1, 1]) * 0.05 / error
    expected = norm.sf(ends[0]) + norm.sf(ends[1])
    np.testing.assert_allclose(power_of(pilot, 0.05, 5, 200, 114, fixed_readers=True), expected, rtol=1e-9)


def test_without_an_interaction_it_is_the_noncentral_f_of_scipy():
    found = power_of(Components(0, -0.001, 0.0010, 0.0004, 0.0003, 0.0002), 0.04, 8, 100, 100)
    total, own = 0.0006 + 7 * 0.0001, 0.0006 - 0.0001
    df = 7 * (total / own) ** 2
    expected = ncf.sf(f.isf(0.05, 1, df), 1, df, 8 * 0.04**2 / 2 / total)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_the_power_is_what_simulated_studies_reach():
    """F of 20,000 studies drawn from the model with r = 6 readers, by its normal errors."""
    c, r, d = Components(0, 0.0004, 0.0012, 0.0004, 0.0004, 0.0002), 6, 0.07
    rng = np.random.default_rng(13)
    own = c.error - c.cov1 - c.cov2 + c.cov3  # the parts of the error that differences of two modalities keep
    apart = rng.normal(size=(20_000, r)) * np.sqrt(2 * (c.interaction + own))
    apart += rng.normal(size=(20_000, 1)) * np.sqrt(2 * (c.cov2 - c.cov3)) + d
    ms_t, ms_tr = r / 2 * apart.mean(axis=1) ** 2, apart.var(axis=1, ddof=1) / 2
    both = ms_tr + r * (c.cov2 - c.cov3)
    alarms = f.sf(ms_t / both, 1, (r - 1) * (both / ms_tr) ** 2) < 0.05
    np.testing.assert_allclose(alarms.mean(), power_of(c, d, r, 100, 100), atol=0.03)


def test_more_of_anything_gives_more_power_and_cases_cannot_replace_readers(pilot):
    powers = [
        power_of(pilot, d, r, k, 114) for d, r, k in [(0.03, 5, 100), (0.05, 5, 100), (0.05, 9, 100), (0.05, 9, 300)]
    ]
    assert powers == sorted(powers)
    assert power_of(pilot, 0.05, 3, 10**9, 114) < 0.9 < power_of(pilot, 0.05, 3, 400, 114, fixed_readers=True)


def test_cases_needed_is_the_least_number(pilot):
    found = cases_needed(pilot, 0.05, 7, 114, power=0.9)
    assert power_of(pilot, 0.05, 7, found, 114) >= 0.9 > power_of(pilot, 0.05, 7, found - 1, 114)
    assert cases_needed(pilot, 0.01, 2, 114) is None
    assert np.isclose(power_of(pilot, -0.05, 7, found, 114), power_of(pilot, 0.05, 7, found, 114))


def test_the_table_has_a_row_for_each_number_of_readers(pilot):
    table = sizes_table(pilot, DIFFERENCE, 114, readers=(2, 6, 12))
    assert table.loc[6, "cases"] == 251 and table.loc[6, "readings"] == 2 * 6 * 251
    assert np.isnan(table.loc[2, "cases"]) and table.loc[12, "cases"] < 251


def test_no_variance_is_certainty():
    none = Components(0, 0, 0.001, 0.001, 0, 0)
    assert power_of(none, 0.01, 3, 10, 10) == power_of(none, 0.01, 3, 10, 10, fixed_readers=True) == 1


@pytest.mark.parametrize(
    "change",
    [{"difference": 0}, {"difference": 1.5}, {"alpha": 1}, {"readers": 1}, {"cases": 1}, {"pilot": 0}],
)
def test_numbers_out_of_range_are_said(pilot, change):
    with pytest.raises(CourseError):
        power_of(**({"components": pilot, "difference": 0.05, "readers": 5, "cases": 100, "pilot": 100} | change))


def test_a_pilot_of_one_reader_has_no_power_for_other_readers(pilot):
    alone = pilot._replace(interaction=np.nan)
    with pytest.raises(CourseError, match="two modalities"):
        power_of(alone, 0.05, 5, 100, 100)
    with pytest.raises(CourseError, match="power"):
        cases_needed(pilot, 0.05, 5, 100, power=80)
