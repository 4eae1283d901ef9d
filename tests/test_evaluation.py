"""ROC curve, AUC, intervals and rates against scikit-learn, pROC, brute force, closed forms, simulation."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn import metrics

from util import evaluation, nih
from util.errors import CourseError
from util.findings import FINDINGS

steady = settings(max_examples=60, deadline=None, derandomize=True)  # the same on a busy machine

# Labels and scores with both classes, many ties.
scored = (
    st.lists(st.tuples(st.booleans(), st.integers(-6, 6)), min_size=2, max_size=40)
    .map(lambda rows: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float)))
    .filter(lambda pair: 0 < pair[0].sum() < len(pair[0]))
)


def gaussian(positives, negatives, area, seed):
    """Labels and Gaussian scores whose true AUC is `area`."""
    rng = np.random.default_rng(seed)
    y = np.repeat([1, 0], [positives, negatives])
    return y, rng.standard_normal(len(y)) + y * np.sqrt(2) * norm.ppf(area)


def pairwise(y, score):
    """1 where a positive (row) outranks a negative (column), 1/2 where they tie, 0 otherwise."""
    positive, negative = (
        np.asarray(score, float)[np.asarray(y) == 1],
        np.asarray(score, float)[np.asarray(y) == 0],
    )
    difference = positive[:, None] - negative[None, :]
    return (difference > 0) + 0.5 * (difference == 0)


# --- ROC curve and AUC ----------------------------------------------------------------------------


def test_curve_by_hand():
    fpr, tpr, thresholds = evaluation.roc_curve([0, 1, 0, 1, 1], [0.1, 0.4, 0.4, 0.8, 0.3])
    assert thresholds.tolist() == [np.inf, 0.8, 0.4, 0.3, 0.1]
    assert fpr.tolist() == [0, 0, 0.5, 0.5, 1]
    assert tpr == pytest.approx([0, 1 / 3, 2 / 3, 1, 1], abs=1e-15)


@steady
@given(scored)
def test_curve_is_scikit_learns(pair):
    ours, theirs = evaluation.roc_curve(*pair), metrics.roc_curve(*pair, drop_intermediate=False)
    for mine, reference in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(reference, abs=1e-12)


@steady
@given(scored)
def test_auc_is_scikit_learns_the_share_of_pairs_and_the_area(pair):
    value = evaluation.auc(*pair)
    assert value == pytest.approx(metrics.roc_auc_score(*pair), abs=1e-12)
    assert value == pytest.approx(pairwise(*pair).mean(), abs=1e-12)
    fpr, tpr, _ = evaluation.roc_curve(*pair)
    assert value == pytest.approx(np.trapezoid(tpr, fpr), abs=1e-12)


def test_auc_of_many_films_is_scikit_learns():
    y, score = gaussian(3_000, 40_000, 0.8, seed=1)
    assert evaluation.auc(y, score) == pytest.approx(metrics.roc_auc_score(y, score), abs=1e-12)


@steady
@given(scored)
def test_auc_and_variance_know_only_the_ranks(pair):
    y, score = pair
    for other in (np.exp(score), 3 * score - 100, score**3):
        assert evaluation.auc(y, other) == pytest.approx(evaluation.auc(y, score), abs=1e-12)
        assert evaluation.auc_variance(y, other) == pytest.approx(
            evaluation.auc_variance(y, score), abs=1e-12, nan_ok=True
        )


@steady
@given(scored)
def test_complement(pair):
    y, score = pair
    value, variance = evaluation.auc(y, score), evaluation.auc_variance(y, score)
    assert evaluation.auc(~y, score) == pytest.approx(1 - value, abs=1e-12)
    assert evaluation.auc(y, -score) == pytest.approx(1 - value, abs=1e-12)
    assert evaluation.auc_variance(~y, score) == pytest.approx(variance, abs=1e-12, nan_ok=True)
    low, high = evaluation.auc_interval(y, score)
    assert evaluation.auc_interval(y, -score) == pytest.approx((1 - high, 1 - low), abs=1e-9, nan_ok=True)


def test_infinite_scores_rank_like_others():
    assert evaluation.auc([0, 1, 1, 0], [-np.inf, np.inf, 2, 2]) == 0.875


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_auc(label):
    y, score = np.full(5, label), np.arange(5)
    assert np.isnan(evaluation.auc(y, score))
    assert np.isnan(evaluation.auc_variance(y, score))
    assert np.isnan(evaluation.auc_interval(y, score)).all()
    with pytest.raises(CourseError, match="same label"):
        evaluation.roc_curve(y, score)


# --- Variance and intervals -----------------------------------------------------------------------


@steady
@given(scored)
def test_placements_are_the_shares_of_pairs(pair):
    below, above = evaluation.placements(*pair)
    assert below == pytest.approx(pairwise(*pair).mean(axis=1), abs=1e-12)
    assert above == pytest.approx(pairwise(*pair).mean(axis=0), abs=1e-12)


@steady
@given(scored)
def test_variance_is_delongs(pair):
    """DeLong 1988, by the matrix of all pairs."""
    y, score = pair
    wins = pairwise(y, score)
    value = evaluation.auc_variance(y, score)
    if min(wins.shape) < 2:
        assert np.isnan(value)
    else:
        rows, columns = wins.mean(axis=1), wins.mean(axis=0)
        expected = rows.var(ddof=1) / len(rows) + columns.var(ddof=1) / len(columns)
        assert value == pytest.approx(expected, abs=1e-12)


def test_variance_is_that_of_proc():
    """Frozen from pROC 1.18.0 in R 4.2.2 (Debian 12, apt-get install --no-install-recommends r-cran-proc):

    i <- 0:199
    y <- as.integer((i * 37) %% 100 < 12)
    s <- ((i * 61) %% 97 + 30 * y) %/% 4
    r <- pROC::roc(y, s, direction = "<", levels = c(0, 1), quiet = TRUE)
    sprintf("%.17g", c(pROC::auc(r), pROC::var(r, method = "delong")))
    """
    i = np.arange(200)
    y = ((i * 37) % 100 < 12).astype(int)
    score = ((i * 61) % 97 + 30 * y) // 4
    assert evaluation.auc(y, score) == pytest.approx(0.97277462121212122, abs=1e-14)
    assert evaluation.auc_variance(y, score) == pytest.approx(0.00073010544306168672, abs=1e-15)


@steady
@given(scored, st.integers(0, 2**32 - 1))
def test_variance_by_patient_is_obuchowskis(pair, seed):
    """Obuchowski 1997, equations of section 2, by loops over patients."""
    y, score = pair
    patients = np.random.default_rng(seed).integers(0, 8, len(y))
    wins = pairwise(y, score)
    area, (m, n) = wins.mean(), wins.shape
    rows, columns = wins.mean(axis=1), wins.mean(axis=0)
    of_positives, of_negatives = patients[y], patients[~y]
    everyone, i10, i01 = set(patients.tolist()), len(set(of_positives)), len(set(of_negatives))
    value = evaluation.auc_variance(y, score, patients)
    if min(i10, i01) < 2:
        assert np.isnan(value)
        return
    s10 = s01 = s11 = 0.0
    for who in everyone:
        a = (rows[of_positives == who] - area).sum()
        b = (columns[of_negatives == who] - area).sum()
        s10, s01, s11 = s10 + a * a, s01 + b * b, s11 + a * b
    i = len(everyone)
    expected = i10 / (i10 - 1) * s10 / m**2 + i01 / (i01 - 1) * s01 / n**2 + 2 * i / (i - 1) * s11 / (m * n)
    assert value == pytest.approx(expected, abs=1e-12)
    assert value >= -1e-15


def test_a_film_each_is_no_cluster():
    y, score = gaussian(30, 90, 0.8, seed=2)
    alone = [f"patient {i}" for i in range(len(y))]
    assert evaluation.auc_variance(y, score, alone) == evaluation.auc_variance(y, score)


def test_copied_films_count_once_by_patient():
    """Every film twice: DeLong halves the variance, though nothing new was seen; by patient it stays."""
    y, score = gaussian(40, 160, 0.8, seed=3)
    once = evaluation.auc_variance(y, score)
    twice = np.tile(y, 2), np.tile(score, 2)
    patients = np.tile(np.arange(len(y)), 2)
    assert evaluation.auc_variance(*twice) == pytest.approx(once / 2, rel=0.03)
    assert evaluation.auc_variance(*twice, patients) == pytest.approx(once, rel=1e-12)


def test_interval_by_closed_form():
    """Four of four: AUC and variance by hand, then logit(A) +- z s / (A (1 - A))."""
    y, score = [0, 0, 1, 1, 0, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.2, 0.4, 0.7, 0.9]
    area, variance = 0.78125, 0.033203125  # both dyadic; pROC 1.18.0 prints the same
    assert evaluation.auc(y, score) == area
    assert evaluation.auc_variance(y, score) == pytest.approx(variance, abs=1e-15)
    reach = 1.6448536269514722 * np.sqrt(variance) / (area * (1 - area))  # z of 90 %
    odds = area / (1 - area) * np.exp([-reach, reach])
    assert evaluation.auc_interval(y, score, level=0.90) == pytest.approx(tuple(odds / (1 + odds)), rel=1e-12)


@steady
@given(scored)
def test_interval_holds_the_auc_and_stays_inside(pair):
    value, (low, high) = evaluation.auc(*pair), evaluation.auc_interval(*pair)
    if np.isnan(low):
        return
    assert 0 < low <= value + 1e-12 and value - 1e-12 <= high < 1
    wide = evaluation.auc_interval(*pair, level=0.99)
    assert wide[0] <= low and high <= wide[1]


def test_a_perfect_ranking_has_no_interval():
    """DeLong's variance is 0 there; [1, 1] from eight films would be a false certainty."""
    y, score = [0, 0, 0, 0, 1, 1, 1, 1], range(8)
    assert evaluation.auc(y, score) == 1 and evaluation.auc_variance(y, score) == 0
    assert np.isnan(evaluation.auc_interval(y, score)).all()
    assert np.isnan(evaluation.auc_interval(y, -np.arange(8))).all()


def test_one_positive_film_has_an_auc_and_no_interval():
    assert evaluation.auc([1, 0, 0, 0], [2, 1, 2, 3]) == 0.5
    assert np.isnan(evaluation.auc_interval([1, 0, 0, 0], [2, 1, 2, 3])).all()


@pytest.mark.parametrize(("positives", "area", "at_least"), [(40, 0.8, 0.93), (10, 0.8, 0.88), (10, 0.65, 0.91)])
def test_interval_covers(positives, area, at_least):
    """How often the interval holds the true AUC of 420 films, in 400 draws; the plain one does no better."""
    ours = plain = 0
    for seed in range(400):
        y, score = gaussian(positives, 420 - positives, area, seed)
        low, high = evaluation.auc_interval(y, score)
        reach = 1.96 * np.sqrt(evaluation.auc_variance(y, score))
        ours += low <= area <= high
        plain += abs(evaluation.auc(y, score) - area) <= reach
    assert at_least <= ours / 400 <= 0.98
    assert plain <= ours


def test_three_positives_are_too_few_to_trust():
    """Why MINIMUM exists: with three positives a 95 % interval holds the truth four times in five."""
    held = 0
    for seed in range(400):
        y, score = gaussian(3, 417, 0.8, seed)
        low, high = evaluation.auc_interval(y, score)
        held += bool(low <= 0.8 <= high)
    assert held / 400 < 0.85
    assert evaluation.MINIMUM > 3


def test_hanley_and_mcneils_own_example():
    """Hanley and McNeil 1982: area .893 with 51 abnormal and 58 normal films has a standard error of .032."""
    assert np.sqrt(evaluation.hanley_mcneil_variance(0.893, 51, 58)) == pytest.approx(0.0325, abs=5e-5)


def test_hanley_and_mcneil_agree_with_simulation():
    """For exponential scores the formula is exact; at a ratio k of scales the AUC is k / (k + 1)."""
    rng, area = np.random.default_rng(5), 0.8
    y = np.repeat([1, 0], [25, 100])
    draws = [
        evaluation.auc(y, rng.exponential(np.where(y, area / (1 - area), 1.0)))
        for _ in range(3_000)
    ]  # fmt: skip
    assert np.mean(draws) == pytest.approx(area, abs=0.003)
    assert np.var(draws) == pytest.approx(evaluation.hanley_mcneil_variance(area, 25, 100), rel=0.08)


def test_hanley_and_mcneil_of_arrays_and_nonsense():
    widths = evaluation.hanley_mcneil_variance(0.8, np.array([5, 50, 500]), 400)
    assert widths.shape == (3,) and np.all(np.diff(widths) < 0)
    for wrong in ((1.0, 5, 5), (0.8, 0, 5), (0.8, 5, 0)):
        with pytest.raises(CourseError, match="Hanley"):
            evaluation.hanley_mcneil_variance(*wrong)


# --- The table ------------------------------------------------------------------------------------


@pytest.fixture
def cohort_like():
    """120 films and scores: Hernia has no positive, Nodule three, Mass all; Edema is ranked perfectly."""
    rng = np.random.default_rng(8)
    labels = pd.DataFrame(rng.random((120, 14)) < 0.3, columns=list(FINDINGS)).astype(int)
    labels["Hernia"], labels["Mass"], labels["Nodule"] = 0, 1, [1] * 3 + [0] * 117
    images = [f"{i:03d}.png" for i in range(120)]
    films = pd.concat([pd.DataFrame({"Image": images, "PatientId": np.arange(120) // 3}), labels], axis=1)
    scores = labels + rng.normal(0, 1.0, labels.shape)
    scores["Edema"] = labels["Edema"] * 1.0
    return films, scores.set_axis(pd.Index(images, name="Image"), axis=0)


def test_table_has_every_finding_in_order(cohort_like):
    films, scores = cohort_like
    table = evaluation.auc_table(films, scores)
    assert tuple(table.index) == FINDINGS and table.index.name == "finding"
    assert list(table.columns) == ["films", "positives", "auc", "low", "high", "note"]
    assert (table["films"] == 120).all()
    assert (table["positives"] == films[list(FINDINGS)].sum()).all()
    unjudged = {
        "Hernia": "undefined: no positive film",
        "Mass": "undefined: no negative film",
        "Nodule": "too few: 3 positives",
    }
    for finding, note in unjudged.items():
        assert table.loc[finding, "note"] == note
        assert table.loc[finding, ["auc", "low", "high"]].isna().all()
    assert table.loc["Edema", "auc"] == 1 and np.isnan(table.loc["Edema", "low"])
    assert table.loc["Edema", "note"] == "no interval: the AUC is 0 or 1"
    for finding in set(FINDINGS) - {*unjudged, "Edema"}:
        y, score = films[finding], scores[finding]
        assert table.loc[finding, "auc"] == pytest.approx(metrics.roc_auc_score(y, score), abs=1e-12)
        assert tuple(table.loc[finding, ["low", "high"]]) == evaluation.auc_interval(y, score)
        assert table.loc[finding, "note"] == ""


def test_table_minimum_level_and_patients(cohort_like):
    films, scores = cohort_like
    table = evaluation.auc_table(films, scores, minimum=2, level=0.8, by_patient=True)
    nodule = table.loc["Nodule"]  # all of one patient
    assert nodule["note"] == "no interval: one film or patient" and np.isnan(nodule["low"])
    assert nodule["auc"] == pytest.approx(metrics.roc_auc_score(films["Nodule"], scores["Nodule"]), abs=1e-12)
    expected = evaluation.auc_interval(films["Effusion"], scores["Effusion"], 0.8, films["PatientId"])
    assert tuple(table.loc["Effusion", ["low", "high"]]) == expected
    assert expected != evaluation.auc_interval(films["Effusion"], scores["Effusion"], 0.8)


def test_table_says_too_few_negatives(cohort_like):
    films, scores = cohort_like
    films["Fibrosis"] = [0] * 4 + [1] * 116
    assert evaluation.auc_table(films, scores).loc["Fibrosis", "note"] == "too few: 4 negatives"
    films["Fibrosis"] = [1] + [0] * 119
    assert evaluation.auc_table(films, scores).loc["Fibrosis", "note"] == "too few: 1 positive"


def test_table_matches_films_by_name(cohort_like):
    films, scores = cohort_like
    expected = evaluation.auc_table(films, scores)
    shuffled = scores.sample(frac=1, random_state=1)[list(reversed(FINDINGS))]
    pd.testing.assert_frame_equal(evaluation.auc_table(films, shuffled), expected)
    pd.testing.assert_frame_equal(evaluation.auc_table(films.iloc[::-1], scores), expected)
    some = films.iloc[30:90]
    part = evaluation.auc_table(some, scores)
    expected = metrics.roc_auc_score(some["Effusion"], scores["Effusion"].iloc[30:90])
    assert part.loc["Effusion", "auc"] == pytest.approx(expected, abs=1e-12)


def test_table_refuses_what_does_not_fit(cohort_like):
    films, scores = cohort_like
    with pytest.raises(CourseError, match=r"2 of 120 films, 000\.png for one, have no score"):
        evaluation.auc_table(films, scores.iloc[2:])
    with pytest.raises(CourseError, match="No labels or no scores for Edema"):
        evaluation.auc_table(films, scores.drop(columns="Edema"))
    with pytest.raises(CourseError, match=r"003\.png has more than one row"):
        evaluation.auc_table(films, pd.concat([scores, scores.iloc[3:4]]))
    with pytest.raises(CourseError, match="1 of 120 scores of Effusion are NaN"):
        evaluation.auc_table(films, scores.assign(Effusion=scores["Effusion"].where(scores.index != "007.png")))
    with pytest.raises(CourseError, match="Labels of Pneumonia must be 0 or 1"):
        evaluation.auc_table(films.assign(Pneumonia=2), scores)


# --- Thresholds and rates -------------------------------------------------------------------------


@steady
@given(scored, st.floats(0.01, 1.0))
def test_threshold_is_the_highest_that_reaches_the_sensitivity(pair, wanted):
    y, score = pair
    threshold = evaluation.threshold_for_sensitivity(y, score, wanted)
    assert np.mean(score[y] >= threshold) >= wanted
    higher = score[score > threshold]
    assert all(np.mean(score[y] >= h) < wanted for h in higher)


@pytest.mark.parametrize("share", [0.07, 0.14, 0.28, 0.29, 0.55, 0.56, 0.57, 0.58])
def test_threshold_meets_exact_shares(share):
    """0.07 * 100 is 7.000000000000001 in floating point: rounding that up would ask for one film more."""
    score = np.arange(100)[::-1]
    assert evaluation.threshold_for_sensitivity(np.ones(100), score, share) == 100 - round(100 * share)


@pytest.mark.parametrize("wanted", [0, -0.1, 1.1, 80, np.nan])
def test_threshold_refuses_no_share(wanted):
    with pytest.raises(CourseError, match="above 0 and at most 1"):
        evaluation.threshold_for_sensitivity([0, 1], [0, 1], wanted)


def test_threshold_needs_a_positive():
    with pytest.raises(CourseError, match="No film is positive"):
        evaluation.threshold_for_sensitivity([0, 0], [0, 1], 0.8)


@steady
@given(scored, st.integers(-7, 7))
def test_confusion_is_scikit_learns(pair, threshold):
    y, score = pair
    tn, fp, fn, tp = metrics.confusion_matrix(y, score >= threshold, labels=[False, True]).ravel()
    assert evaluation.confusion(y, score, threshold) == (tp, fp, fn, tn)


def test_confusion_refuses_nan():
    with pytest.raises(CourseError, match="threshold is NaN"):
        evaluation.confusion([0, 1], [0, 1], np.nan)


def test_rates_by_hand():
    table = evaluation.rates(evaluation.Confusion(tp=8, fp=5, fn=2, tn=85))
    assert list(table.index) == ["sensitivity", "specificity", "ppv", "npv"]
    assert table["value"].tolist() == pytest.approx([8 / 10, 85 / 90, 8 / 13, 85 / 87], abs=1e-15)
    assert table["of"].tolist() == [10, 90, 13, 87]
    assert tuple(table.loc["ppv", ["low", "high"]]) == evaluation.wilson_interval(8, 13)
    assert table.iloc[:, :3].apply(lambda row: row["low"] < row["value"] < row["high"], axis=1).all()


def test_rates_of_nothing_are_nan():
    table = evaluation.rates((0, 0, 4, 6))
    assert table.loc["ppv", ["value", "low", "high"]].isna().all() and table.loc["ppv", "of"] == 0
    assert table.loc["sensitivity", "value"] == 0 and table.loc["sensitivity", "low"] == 0
    assert table.loc["specificity", "value"] == 1 and table.loc["specificity", "high"] == 1


# Newcombe 1998 (doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I, score method
# without continuity correction.
@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_newcombes_table(hits, of, low, high):
    assert evaluation.wilson_interval(hits, of) == pytest.approx((low, high), abs=5e-5)


@steady
@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilson_solves_its_equation(pair):
    """The limits are the shares p at which (hits/of - p)^2 = z^2 p (1 - p) / of; mirrored for misses."""
    hits, of = pair
    low, high = evaluation.wilson_interval(hits, of)
    assert 0 <= low < high <= 1
    for p in (low, high):
        assert (hits / of - p) ** 2 == pytest.approx(1.959963984540054**2 * p * (1 - p) / of, abs=1e-12)
    assert evaluation.wilson_interval(of - hits, of) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_wilson_of_nothing_and_nonsense():
    assert np.isnan(evaluation.wilson_interval(0, 0)).all()
    for wrong in ((3, 2), (-1, 2)):
        with pytest.raises(CourseError, match="is no share"):
            evaluation.wilson_interval(*wrong)


@steady
@given(*[st.integers(0, 300)] * 4)
def test_ppv_at_the_tables_own_prevalence_is_the_tables_ppv(tp, fp, fn, tn):
    table = evaluation.rates((tp, fp, fn, tn))["value"]
    total = tp + fp + fn + tn
    if not (tp + fn and tn + fp and tp + fp):
        return
    value = evaluation.ppv_at_prevalence(table["sensitivity"], table["specificity"], (tp + fn) / total)
    assert value == pytest.approx(tp / (tp + fp), rel=1e-9)


def test_ppv_of_arrays_and_at_the_ends():
    values = evaluation.ppv_at_prevalence(0.8, 0.6, np.array([0, 0.5, 1]))
    assert values == pytest.approx([0, 2 / 3, 1], abs=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(evaluation.ppv_at_prevalence(0.0, 1.0, 0.3))  # no film is called positive


@pytest.mark.parametrize("wrong", [(80, 0.9, 0.1), (0.8, -0.1, 0.1), (0.8, 0.9, np.nan), (0.8, 0.9, [0.1, 12])])
def test_ppv_refuses_percent(wrong):
    with pytest.raises(CourseError, match="between 0 and 1"):
        evaluation.ppv_at_prevalence(*wrong)


# --- Bad input ------------------------------------------------------------------------------------

TAKERS = [
    evaluation.roc_curve,
    evaluation.auc,
    evaluation.placements,
    evaluation.auc_variance,
    evaluation.auc_interval,
    lambda y, score: evaluation.threshold_for_sensitivity(y, score, 0.5),
    lambda y, score: evaluation.confusion(y, score, 0.5),
]


@pytest.mark.parametrize("function", TAKERS)
@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([0, 1, 1], [0.1, 0.2], "shape"),
        ([[0, 1]], [[0.1, 0.2]], "shape"),
        ([], [], "no films"),
        ([0, 2], [0.1, 0.2], "0 or 1"),
        ([-1, 1], [0.1, 0.2], "0 or 1"),
        ([0, np.nan], [0.1, 0.2], "0 or 1"),
        ([0, 1], [0.1, np.nan], "1 of 2 scores are NaN"),
    ],
)
def test_bad_input_is_named(function, y, score, message):
    with pytest.raises(CourseError, match=message):
        function(y, score)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_is_a_share(level):
    with pytest.raises(CourseError, match="level"):
        evaluation.auc_interval([0, 0, 1, 1], [0, 1, 1, 2], level)


def test_patients_must_fit():
    with pytest.raises(CourseError, match="4 films and 3 patients"):
        evaluation.auc_variance([0, 0, 1, 1], [0, 1, 1, 2], [1, 2, 3])


# --- A published evaluation -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(nih_root):
    """Films, scores and AUCs of github.com/jrzech/reproduce-chexnet with NIH's labels; skips when absent."""
    label_file = nih.find_file(nih_root, ["Data_Entry_2017_v2020.csv"])
    files = [label_file, nih_root / "chexnet_predictions.csv", nih_root / "chexnet_published_auc.csv"]
    if label_file is None or not all(path.is_file() for path in files):
        pytest.skip(f"{nih_root} lacks NIH's label file or the published predictions")
    films, scores = nih.read_labels(files[0]), pd.read_csv(files[1], index_col="Image Index")
    scores.columns = scores.columns.str.removeprefix("prob_")
    films = films[films["Image"].isin(scores.index)].reset_index(drop=True)
    return films, scores, pd.read_csv(files[2], index_col="label")["auc"]


def test_published_aucs_are_reproduced(published):
    films, scores, expected = published
    table = evaluation.auc_table(films, scores)
    assert len(films) == 22_433 and (table["note"] == "").all()
    for finding in FINDINGS:
        assert table.loc[finding, "auc"] == pytest.approx(expected[finding], abs=1e-6)


def test_intervals_by_patient_agree_with_a_bootstrap_of_patients(published):
    films, scores, _ = published
    y, score = films["Pneumothorax"].to_numpy(), scores.loc[films["Image"], "Pneumothorax"].to_numpy()
    rng, (_, who) = np.random.default_rng(0), np.unique(films["PatientId"], return_inverse=True)
    order = np.argsort(who, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(who))[:-1])
    draws = []
    for _ in range(200):
        drawn = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        draws.append(evaluation.auc(y[drawn], score[drawn]))
    by_patient = np.sqrt(evaluation.auc_variance(y, score, films["PatientId"]))
    assert by_patient == pytest.approx(np.std(draws), rel=0.12)
    assert by_patient > 1.7 * np.sqrt(evaluation.auc_variance(y, score))


def test_what_notebook_4_says_of_the_published_predictions(published):
    """Pneumonia against healthy films and against other abnormal ones; the widest change of an interval by patient."""
    films, scores, _ = published
    others = films[list(FINDINGS)].drop(columns="Pneumonia").sum(axis=1) > 0
    ill, y = films["Pneumonia"] == 1, films["Pneumonia"].to_numpy()
    score = scores.loc[films["Image"], "Pneumonia"].to_numpy()
    against = {name: (ill | rest).to_numpy() for name, rest in (("healthy", ~others), ("abnormal", others))}
    assert evaluation.auc(y[against["healthy"]], score[against["healthy"]]) == pytest.approx(0.83, abs=0.005)
    assert evaluation.auc(y[against["abnormal"]], score[against["abnormal"]]) == pytest.approx(0.68, abs=0.005)
    ratios = {}
    for finding in FINDINGS:
        pair = films[finding], scores.loc[films["Image"], finding]
        ratios[finding] = np.sqrt(evaluation.auc_variance(*pair, films["PatientId"]) / evaluation.auc_variance(*pair))
    assert max(ratios, key=ratios.get) == "Pneumothorax"
    assert ratios["Pneumothorax"] == pytest.approx(1.8, abs=0.05)
