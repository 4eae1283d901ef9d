"""How sure an AUC is: DeLong, Obuchowski, pROC, closed forms and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from tests.helpers.scored import gaussian, pairwise, scored, steady
from util.errors import CourseError
from util.metrics import auc_intervals, auc_tables, comparison, roc

# --- Variance and intervals -----------------------------------------------------------------------


@steady
@given(scored)
def test_placements_are_the_shares_of_pairs(pair):
    below, above = roc.placements(*pair)
    assert below == pytest.approx(pairwise(*pair).mean(axis=1), abs=1e-12)
    assert above == pytest.approx(pairwise(*pair).mean(axis=0), abs=1e-12)


@steady
@given(scored)
def test_variance_is_delongs(pair):
    """DeLong 1988, by the matrix of all pairs."""
    y, score = pair
    wins = pairwise(y, score)
    value = auc_intervals.auc_variance(y, score)
    if min(wins.shape) < 2:
        assert np.isnan(value)
    else:
        rows, columns = wins.mean(axis=1), wins.mean(axis=0)
        expected = rows.var(ddof=1) / len(rows) + columns.var(ddof=1) / len(columns)
        assert value == pytest.approx(expected, abs=1e-12)


def proc_cases():
    """Frozen from pROC 1.18.0 in R 4.2.2 (Debian 12, apt-get install --no-install-recommends r-cran-proc):

    show <- function(y, s, t) {
      r <- pROC::roc(y, s, direction = "<", levels = c(0, 1), quiet = TRUE)
      q <- pROC::roc(y, t, direction = "<", levels = c(0, 1), quiet = TRUE)
      x <- pROC::roc.test(r, q, method = "delong", paired = TRUE)
      of <- function(r) c(pROC::auc(r), pROC::var(r, method = "delong"), pROC::ci.auc(r, method = "delong")[c(1, 3)])
      sprintf("%.17g", c(of(r), of(q), x$statistic, x$p.value))
    }
    i <- 0:199; y <- as.integer((i * 37) %% 100 < 12)                       # one model far better; interval cut at 1
    show(y, ((i * 61) %% 97 + 30 * y) %/% 4, ((i * 53) %% 89 + 18 * y) %/% 5)
    i <- 0:96; y <- as.integer((i * 29) %% 97 < 31)                         # ratings from 0 to 5: ties everywhere
    show(y, ((i * 41) %% 89 + 22 * y) %/% 20, ((i * 59) %% 83 + 12 * y) %/% 20)
    i <- 0:119; y <- as.integer((i * 53) %% 120 < 25)                       # correlated models, hardly a tie
    show(y, ((i * 7919) %% 10007 + 3100 * y) / 8, ((i * 7919) %% 10007 + (i * 6007) %% 9973 + 3900 * y) / 8)
    """
    i = np.arange(200)
    y = ((i * 37) % 100 < 12).astype(int)
    first = (0.97277462121212122, 0.00073010544306168672, 0.91981548607675379, 1.0)
    second = (0.66453598484848486, 0.0033811239278638302, 0.550569110992296, 0.77850285870467373)
    yield (
        y,
        ((i * 61) % 97 + 30 * y) // 4,
        ((i * 53) % 89 + 18 * y) // 5,
        first,
        second,
        (5.6114704001221707, 2.0061460727059533e-08),
    )
    i = np.arange(97)
    y = ((i * 29) % 97 < 31).astype(int)
    first = (0.69061583577712615, 0.0029981439131472241, 0.58329740128952368, 0.79793427026472841)
    second = (0.63660801564027369, 0.0037170007123180902, 0.51711447952697309, 0.7561015517535743)
    yield (
        y,
        ((i * 41) % 89 + 22 * y) // 20,
        ((i * 59) % 83 + 12 * y) // 20,
        first,
        second,
        (0.69702083764947786, 0.48578975332994412),
    )
    i = np.arange(120)
    y = ((i * 53) % 120 < 25).astype(int)
    first = (0.74905263157894741, 0.0029891430030844187, 0.64189541177778431, 0.8562098513801103)
    second = (0.70357894736842108, 0.0035481481306850549, 0.58683107829258108, 0.82032681644426109)
    one, two = (i * 7919) % 10007 + 3100 * y, (i * 7919) % 10007 + (i * 6007) % 9973 + 3900 * y
    yield y, one / 8, two / 8, first, second, (0.94900163540284754, 0.34261978031115503)


@pytest.mark.parametrize("case", range(3))
def test_variance_interval_and_paired_test_are_those_of_proc(case):
    y, one, two, first, second, (z, p) = list(proc_cases())[case]
    for score, (area, variance, low, high) in ((one, first), (two, second)):
        assert roc.auc(y, score) == pytest.approx(area, abs=1e-12)
        assert auc_intervals.auc_variance(y, score) == pytest.approx(variance, abs=1e-14)
        assert auc_intervals.auc_interval(y, score, scale="plain") == pytest.approx((low, high), abs=1e-10)
    found = comparison.auc_difference(y, one, two)
    assert found.difference == pytest.approx(first[0] - second[0], abs=1e-12)
    assert (found.z, 2 * norm.sf(abs(found.z))) == pytest.approx((z, p), rel=1e-10)
    assert found.p > p  # Student's: pROC takes the error for known


@steady
@given(scored, st.integers(0, 2**32 - 1))
def test_variance_by_patient_adds_up_placements_by_patient(pair, seed):
    """Obuchowski 1997, section 2, by loops over patients, with 1 - share for each in place of I / (I - 1) for all."""
    y, score = pair
    patients = np.random.default_rng(seed).integers(0, 8, len(y))
    wins = pairwise(y, score)
    area, (m, n) = wins.mean(), wins.shape
    rows, columns = wins.mean(axis=1), wins.mean(axis=0)
    of_positives, of_negatives = patients[y], patients[~y]
    value = auc_intervals.auc_variance(y, score, patients)
    if min(len(set(of_positives)), len(set(of_negatives))) < 2:
        assert np.isnan(value)
        return
    expected = 0.0
    for who in set(patients.tolist()):
        mine, others = of_positives == who, of_negatives == who
        a = (rows[mine] - area).sum() / m / np.sqrt(1 - mine.mean())
        b = (columns[others] - area).sum() / n / np.sqrt(1 - others.mean())
        expected += (a + b) ** 2
    assert value == pytest.approx(expected, abs=1e-12)


def test_equal_patients_have_obuchowskis_variance():
    """Equally many films of each, with the finding or without: her I / (I - 1) is the correction of each."""
    rng = np.random.default_rng(4)
    y, patients = np.repeat([1, 0], [60, 150]), np.repeat(np.arange(70), 3)
    score = y + rng.normal(size=70)[patients] + rng.normal(size=210)
    wins = pairwise(y, score)
    s10 = np.sum((wins.mean(axis=1) - wins.mean()).reshape(20, 3).sum(axis=1) ** 2)
    s01 = np.sum((wins.mean(axis=0) - wins.mean()).reshape(50, 3).sum(axis=1) ** 2)
    expected = 20 / 19 * s10 / 60**2 + 50 / 49 * s01 / 150**2
    assert auc_intervals.auc_variance(y, score, patients) == pytest.approx(expected, rel=1e-12)


def test_a_film_each_is_no_cluster():
    y, score = gaussian(30, 90, 0.8, seed=2)
    alone = [f"patient {i}" for i in range(len(y))]
    assert auc_intervals.auc_variance(y, score, alone) == auc_intervals.auc_variance(y, score)


def test_copied_films_count_once_by_patient():
    """Every film twice: DeLong halves the variance, though nothing new was seen; by patient it stays."""
    y, score = gaussian(40, 160, 0.8, seed=3)
    once = auc_intervals.auc_variance(y, score)
    twice = np.tile(y, 2), np.tile(score, 2)
    patients = np.tile(np.arange(len(y)), 2)
    assert auc_intervals.auc_variance(*twice) == pytest.approx(once / 2, rel=0.03)
    assert auc_intervals.auc_variance(*twice, patients) == pytest.approx(once, rel=1e-12)


def test_interval_by_closed_form():
    """Four of four: AUC and variance by hand; a fifth positive is added with the placement 1/2."""
    y, score = [0, 0, 1, 1, 0, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.2, 0.4, 0.7, 0.9]
    area, variance = 0.78125, 0.033203125  # both dyadic; pROC 1.18.0 prints the same
    assert roc.auc(y, score) == area
    assert auc_intervals.auc_variance(y, score) == pytest.approx(variance, abs=1e-15)
    z = 1.6448536269514722  # of 90 %
    reach = z * np.sqrt(variance) / (area * (1 - area))
    odds = area / (1 - area) * np.exp([-reach, reach])
    assert auc_intervals.interval_around(area, variance, 0.90) == pytest.approx(tuple(odds / (1 + odds)), rel=1e-12)
    worth = area * (1 - area) / variance  # independent hits and misses; two of each are added
    centre = (worth * area + 2) / (worth + 4)
    reach = 2.1318467863266495 * np.sqrt(variance) / (area * (1 - area))  # Student, 4 degrees, 90 %
    odds = centre / (1 - centre) * np.exp([-reach, reach])
    assert auc_intervals.auc_interval(y, score, level=0.90) == pytest.approx(tuple(odds / (1 + odds)), rel=1e-12)


def test_intervals_of_many_are_those_of_each():
    areas, variances = np.array([0.0, 0.3, 0.8, 1.0, np.nan, 0.7]), np.array([0.0, 0.02, 0.001, 0.0, 0.01, np.nan])
    for asked in ({}, {"scale": "plain"}, {"effective": 7.5}):
        low, high = auc_intervals.interval_around(areas, variances, 0.9, **asked)
        alone = [auc_intervals.interval_around(*pair, 0.9, **asked) for pair in zip(areas, variances, strict=True)]
        assert np.column_stack([low, high]) == pytest.approx(np.array(alone), nan_ok=True)
        assert np.isnan(low).tolist() == [True, False, False, True, True, True]
        assert np.all(low[1:3] < areas[1:3]) and np.all(high[1:3] > areas[1:3])


def test_many_patients_have_the_interval_of_large_samples():
    """What is added, and Student's quantile, vanish: at 5,000 positives the ends are the same to three decimals."""
    y, score = gaussian(5_000, 50_000, 0.8, seed=2)
    large = auc_intervals.interval_around(roc.auc(y, score), auc_intervals.auc_variance(y, score))
    assert auc_intervals.auc_interval(y, score) == pytest.approx(large, abs=5e-4)


@steady
@given(scored)
def test_interval_holds_the_auc_and_stays_inside(pair):
    value, (low, high) = roc.auc(*pair), auc_intervals.auc_interval(*pair)
    if np.isnan(low):
        return
    assert 0 <= low <= value <= high <= 1
    wide = auc_intervals.auc_interval(*pair, level=0.99)
    assert wide[0] <= low and high <= wide[1]


def test_a_perfect_ranking_has_no_interval():
    """DeLong's variance is 0 there; [1, 1] from eight films would be a false certainty."""
    y, score = [0, 0, 0, 0, 1, 1, 1, 1], range(8)
    assert roc.auc(y, score) == 1 and auc_intervals.auc_variance(y, score) == 0
    assert np.isnan(auc_intervals.auc_interval(y, score)).all()
    assert np.isnan(auc_intervals.auc_interval(y, -np.arange(8))).all()
    assert np.isnan(auc_intervals.auc_interval(y, score, scale="plain")).all()


def test_one_positive_film_has_an_auc_and_no_interval():
    assert roc.auc([1, 0, 0, 0], [2, 1, 2, 3]) == 0.5
    assert np.isnan(auc_intervals.auc_interval([1, 0, 0, 0], [2, 1, 2, 3])).all()


def coverage(positives, negatives, area, cohorts=2_000):
    """How often the logit and the plain interval hold the true AUC; all cohorts at once, from the pairs themselves."""
    rng, held = np.random.default_rng(11), np.zeros(2)
    z, root = norm.ppf(0.975), np.sqrt(2) * norm.ppf(area)
    for _ in range(cohorts // 200):
        wins = rng.normal(root, size=(200, positives, 1)) > rng.normal(size=(200, 1, negatives))
        rows, columns = wins.mean(axis=2), wins.mean(axis=1)
        found = rows.mean(axis=1)
        error = np.sqrt(rows.var(axis=1, ddof=1) / positives + columns.var(axis=1, ddof=1) / negatives)
        inside = np.abs(np.log(found / (1 - found) * (1 - area) / area)) <= z * error / (found * (1 - found))
        held += inside.sum(), np.sum(np.abs(found - area) <= z * error)
    return held / cohorts


@pytest.mark.parametrize(("positives", "negatives", "area"), [(40, 160, 0.8), (60, 180, 0.7), (80, 200, 0.9)])
def test_interval_covers_what_it_promises(positives, negatives, area):
    """2,000 cohorts: 94 to 96 of 100 large-sample intervals hold the truth; tests/course/test_coverage.py has small samples."""
    on_logit, plain = coverage(positives, negatives, area)
    assert 0.94 <= on_logit <= 0.96
    assert plain <= on_logit + 0.005
    y, score = gaussian(positives, negatives, area, seed=0)
    wins = pairwise(y, score)
    error = np.sqrt(wins.mean(axis=1).var(ddof=1) / positives + wins.mean(axis=0).var(ddof=1) / negatives)
    assert auc_intervals.auc_variance(y, score) == pytest.approx(error**2, abs=1e-14)


def test_by_patient_the_interval_keeps_its_promise_and_by_film_it_breaks_it():
    """100 ill and 100 other patients, 20 films each that resemble each other; 2,000 cohorts.

    With equal numbers of films of a kind per patient, Obuchowski's variance is DeLong's of the patients' parts, so
    all cohorts are done at once; one of them is compared with the module.
    """
    rng, patients, films, area, shared = np.random.default_rng(12), 100, 20, 0.8, 0.7
    shift, held, z = np.sqrt(2) * norm.ppf(area), np.zeros(2), norm.ppf(0.975)
    y, who = np.repeat([1, 0], patients * films), np.repeat(np.arange(2 * patients), films)
    for cohort in range(2_000):
        patient = np.sqrt(shared) * rng.standard_normal((2 * patients, 1))
        score = (patient + np.sqrt(1 - shared) * rng.standard_normal((2 * patients, films))).ravel() + shift * y
        order = np.argsort(score)
        below = np.cumsum(y[order] == 0) / (y == 0).sum()
        above = 1 - np.cumsum(y[order] == 1) / y.sum()
        share = np.empty(len(y))
        share[order] = np.where(y[order] == 1, below, above)
        halves = share.reshape(2, patients, films)
        found = halves[0].mean()
        clustered = halves.mean(axis=2).var(axis=1, ddof=1).sum() / patients
        naive = halves.reshape(2, -1).var(axis=1, ddof=1).sum() / (patients * films)
        if cohort == 0:
            assert auc_intervals.auc_variance(y, score, who) == pytest.approx(clustered, rel=1e-9)
            assert auc_intervals.auc_variance(y, score) == pytest.approx(naive, rel=1e-9)
        distance = abs(np.log(found / (1 - found)) - np.log(area / (1 - area))) * found * (1 - found)
        held += distance <= z * np.sqrt([clustered, naive])
    by_patient, by_film = held / 2_000
    assert 0.94 <= by_patient <= 0.96
    assert by_film < 0.5


def test_three_positives_say_little():
    """The large-sample interval of three positives holds the truth four times in five; ours mostly, and is no use."""
    held, widths = np.zeros(2), []
    for seed in range(400):
        y, score = gaussian(3, 417, 0.8, seed)
        ends = auc_intervals.auc_interval(y, score)
        large = auc_intervals.interval_around(roc.auc(y, score), auc_intervals.auc_variance(y, score))
        held += [low <= 0.8 <= high for low, high in (large, ends)]
        widths.append(ends[1] - ends[0])
    assert held[0] / 400 < 0.85
    assert held[1] / 400 > 0.9 and np.nanmedian(widths) > 0.4  # where all three rank highest there is no interval
    assert auc_tables.MINIMUM > 3


def test_hanley_and_mcneils_own_example():
    """Hanley and McNeil 1982: area .893 with 51 abnormal and 58 normal films has a standard error of .032."""
    assert np.sqrt(auc_intervals.hanley_mcneil_variance(0.893, 51, 58)) == pytest.approx(0.0325, abs=5e-5)


def test_hanley_and_mcneil_agree_with_simulation():
    """For exponential scores the formula is exact; at a ratio k of scales the AUC is k / (k + 1)."""
    rng, area = np.random.default_rng(5), 0.8
    y = np.repeat([1, 0], [25, 100])
    draws = [
        roc.auc(y, rng.exponential(np.where(y, area / (1 - area), 1.0)))
        for _ in range(3_000)
    ]  # fmt: skip
    assert np.mean(draws) == pytest.approx(area, abs=0.003)
    assert np.var(draws) == pytest.approx(auc_intervals.hanley_mcneil_variance(area, 25, 100), rel=0.08)


def test_one_pair_of_films_is_one_toss_of_a_coin():
    for area in (0.5, 0.8, 0.99):
        assert auc_intervals.hanley_mcneil_variance(area, 1, 1) == pytest.approx(area * (1 - area), rel=1e-12)


def test_hanley_and_mcneil_of_arrays_and_nonsense():
    widths = auc_intervals.hanley_mcneil_variance(0.8, np.array([5, 50, 500]), 400)
    assert widths.shape == (3,) and np.all(np.diff(widths) < 0)
    for wrong in ((1.0, 5, 5), (0.8, 0, 5), (0.8, 5, 0)):
        with pytest.raises(CourseError, match="Hanley"):
            auc_intervals.hanley_mcneil_variance(*wrong)
