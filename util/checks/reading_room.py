"""Checks of lesson 16: a reader's point, a jackknifed covariance, the error of a difference, and kappa."""

import numpy as np

from util.checks.answers import Check

# --- A reader's point ------------------------------------------------------------------------------


def _point(y, said):
    y, said = np.asarray(y), np.asarray(said)
    return np.array([np.mean(said[y == 1]), np.mean(said[y == 0])])


def _point_probes():
    rng, made = np.random.default_rng(161), []
    for n, share, hits, alarms in ((37, 0.3, 0.8, 0.3), (53, 0.7, 0.6, 0.1), (71, 0.45, 0.9, 0.45)):
        y = (rng.random(n) < share).astype(int)
        made.append((y, rng.random(n) < np.where(y == 1, hits, alarms)))
    return made


def _rates(hit, alarm):
    """A mistake as two formulas of the counts: hits, misses, false alarms, and films rightly left alone."""

    def answer(y, said):
        y, said = np.asarray(y) == 1, np.asarray(said).astype(bool)
        counts = [np.sum(part) for part in (said & y, ~said & y, said & ~y, ~said & ~y)]
        return np.array([hit(*counts), alarm(*counts)])

    return answer


check_reader_point = Check(
    "reader_point",
    _point,
    _point_probes,
    returns="two numbers, the sensitivity and the false positive rate",
    mistakes=[
        (
            lambda y, said: _point(y, said)[::-1],
            "The two numbers are in reverse order: the sensitivity comes first.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: tp / (tp + fn), lambda tp, fn, fp, tn: tn / (fp + tn)),
            "The second number is the specificity; the false positive rate is asked for.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: tp / (tp + fp), lambda tp, fn, fp, tn: fp / (fp + tn)),
            "The first number is the PPV: it divides by the films that the reader CALLED. Divide by those that HAVE the finding.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: tp / (tp + fn), lambda tp, fn, fp, tn: fp / (tp + fp)),
            "The second number is the share of false alarms among the films that were CALLED; divide by the films WITHOUT the finding.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: tp / (tp + fp), lambda tp, fn, fp, tn: fp / (tp + fp)),
            "Both numbers divide by the films that were called. Each coordinate of a point on the ROC curve is a share of one class of films.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: tp / (tp + fp), lambda tp, fn, fp, tn: tn / (fn + tn)),
            "These are the predictive values, PPV and NPV. A point on the ROC plane starts from the truth and looks at the answer, not the other way round.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: tp / (tp + fn + fp + tn), lambda tp, fn, fp, tn: fp / (tp + fn + fp + tn)),
            "You divide by all films; each rate is a share of one class.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: tp, lambda tp, fn, fp, tn: fp),
            "These are numbers of films; shares are asked for.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: fn / (tp + fn), lambda tp, fn, fp, tn: tn / (fp + tn)),
            "These are shares of films that were NOT called, the missed ones first. Count the called ones.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: fn / (tp + fn), lambda tp, fn, fp, tn: fp / (fp + tn)),
            "The first number is the share of MISSED films with the finding.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: (tp + tn) / (tp + fn + fp + tn), lambda tp, fn, fp, tn: fp / (fp + tn)),
            "The first number is the accuracy, the share of all right answers.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: (tp + fp) / (tp + fn + fp + tn), lambda tp, fn, fp, tn: fp / (fp + tn)),
            "The first number is the share of all films that were called; the truth is not used.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: tp / (tp + fn), lambda tp, fn, fp, tn: fp / (tp + fn)),
            "The second number divides by the films WITH the finding; a false alarm is on a film without it.",
        ),
        (
            _rates(lambda tp, fn, fp, tn: tp / (tp + fn), lambda tp, fn, fp, tn: fp / (tp + fn + fp + tn)),
            "The second number divides by ALL films; divide by the films without the finding.",
        ),
    ],
    idea="Take the films with the finding first, and forget the others: on what share of them did the reader say yes? "
    "Then the same question for the films without it.",
    right="one point: how many findings are called, and at the price of how many false alarms.",
)


# --- A covariance by the jackknife -----------------------------------------------------------------


def _jack(one, other):
    one, other = np.asarray(one, float), np.asarray(other, float)
    n = len(one)
    return float((n - 1) / n * np.sum((one - one.mean()) * (other - other.mean())))


def _jack_probes():
    rng, made = np.random.default_rng(162), []
    for n, spread, shared in ((19, 0.02, 0.6), (31, 0.05, -0.4), (47, 0.01, 0.9)):
        common = rng.normal(size=n)
        made.append(tuple(np.round(0.8 + spread * (w * common + rng.normal(size=n)), 4) for w in (1.0, shared)))
    return made


def _products(scale, center=np.mean):
    def answer(one, other):
        n = len(one)
        return scale(n) * np.sum((one - center(one)) * (other - center(other)))

    return answer


check_jackknife_covariance = Check(
    "jackknife_covariance",
    _jack,
    _jack_probes,
    returns="one number",
    mistakes=[
        (
            _products(lambda n: 1 / (n - 1)),
            "This is the usual sample covariance. AUCs without one film hardly differ from each other, so the jackknife ENLARGES the sum.",
        ),
        (
            _products(lambda n: 1 / n),
            "This is the mean product of deviations. AUCs without one film hardly differ, so the jackknife needs a much larger factor.",
        ),
        (
            _products(lambda n: (n - 1) / n**2),
            "This divides by n once too often: the factor belongs to the SUM of the products, not to their mean.",
        ),
        (_products(lambda n: 1.0), "The sum of products is right; the factor in front of it is missing."),
        (_products(lambda n: n / (n - 1)), "The factor is upside down."),
        (_products(lambda n: n - 1), "The factor n - 1 is for the MEAN of the products; you have their sum."),
        (
            _products(lambda n: (n - 1) ** 2 / n**2),
            "The factor enters twice: (n - 1) / n belongs there once.",
        ),
        (
            _products(lambda n: 1 / (n * (n - 1))),
            "This is the covariance of two MEANS of independent numbers. Left-out AUCs are far from independent.",
        ),
        (
            lambda one, other: (len(one) - 1) / len(one) * np.sum(one * other),
            "The means are not taken away: a covariance is about deviations.",
        ),
        (
            lambda one, other: (len(one) - 1) / len(one) * np.sum((one - one.mean()) ** 2),
            "This is the variance of the first reader alone; the second one is not used.",
        ),
        (
            lambda one, other: (len(one) - 1) / len(one) * np.sum((other - other.mean()) ** 2),
            "This is the variance of the second reader alone; the first one is not used.",
        ),
        (
            lambda one, other: np.corrcoef(one, other)[0, 1],
            "This is the correlation: a covariance is not divided by the standard deviations.",
        ),
        (
            lambda one, other: (len(one) - 1) / len(one) * np.sum(np.abs((one - one.mean()) * (other - other.mean()))),
            "Negative products count, too: where one reader is above the mean and the other below, the covariance falls.",
        ),
        (
            lambda one, other: (len(one) - 1) / len(one) * np.sum((one - other - np.mean(one - other)) ** 2),
            "This is the variance of the DIFFERENCE of the two readers.",
        ),
        (
            lambda one, other: np.sqrt(np.abs(_jack(one, other))),
            "This is the root of the covariance; leave it squared.",
        ),
        (
            _products(lambda n: (n - 1) / n, center=np.median),
            "The deviations are from the medians; take them from the means.",
        ),
    ],
    idea="How far is each left-out AUC from the mean of its own reader? Multiply the two readers' deviations film by film and add up. "
    "A film that is left out moves an AUC n - 1 times less than it should, so the sum is not divided by n.",
    right="where a hard film lowers both readers' AUCs, their errors share it.",
)


# --- The error of a difference ---------------------------------------------------------------------


def _error(ms_tr, cov2, cov3, readers):
    return float(np.sqrt(2 / readers * (ms_tr + readers * max(cov2 - cov3, 0))))


def _error_probes():
    return [
        (0.00055, 0.00034, 0.00024, 5),
        (0.0013, 0.0021, 0.0009, 12),
        (0.0007, 0.0006, 0.00085, 8),
        (0.0002, 0.0017, 0.0016, 3),
    ]


check_difference_error = Check(
    "difference_error",
    _error,
    _error_probes,
    returns="one number",
    mistakes=[
        (
            lambda m, a, b, r: np.sqrt(2 / r * m),
            "Only the readers are random here: this is the error for THESE films. The error that readers share through the films is missing.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / r * (m + max(a - b, 0))),
            "What the readers share does not shrink when there are more of them: it enters `readers` times before the division.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / r * (m + (r - 1) * max(a - b, 0))),
            "With `readers - 1` it is the formula for fixed readers, which begins with another term. MS(TR) has one share in it already.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / r * max(m + r * (a - b), 0)),
            "Where Cov2 is below Cov3, by luck, the shared part counts as 0; here it makes the error smaller.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / r) * (m + r * max(a - b, 0)),
            "The root covers only a part of the variance; it belongs around all of it.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 * r * (m + r * max(a - b, 0))),
            "You multiply by the number of readers; a mean of more readers is more certain.",
        ),
        (
            lambda m, a, b, r: 2 / r * (m + r * max(a - b, 0)),
            "This is the variance; the standard error is its root.",
        ),
        (
            lambda m, a, b, r: np.sqrt(1 / r * (m + r * max(a - b, 0))),
            "This is the error of ONE of two means; a difference has twice the variance.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 * (m + r * max(a - b, 0))),
            "The division by the number of readers is missing: means of readers are compared.",
        ),
        (
            lambda m, a, b, r: np.sqrt(m + r * max(a - b, 0)),
            "This is the root of the mean square that MS(T) is compared with. What is the variance of a difference of two means of `readers` AUCs?",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / r * (m + r * max(a, 0))),
            "Cov3 is not used: what readers share in BOTH ways of reading cancels in a difference.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / r * (m + r * (a + b))),
            "Cov3 is added; what is shared in both ways of reading cancels, so it is taken away.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / r * (m + r * max(b - a, 0))),
            "Cov2 and Cov3 are exchanged.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / r * (m + r * abs(a - b))),
            "A difference below 0 counts as 0, not as its size.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / (r - 1) * (m + r * max(a - b, 0))),
            "Divide by the number of readers; the degrees of freedom are in MS(TR) already.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 / r * m) + np.sqrt(2 * max(a - b, 0)),
            "Two errors are added; their variances add up.",
        ),
        (
            lambda m, a, b, r: np.sqrt(2 * max(a - b, 0)),
            "MS(TR) is missing: readers benefit differently from the advice.",
        ),
        (
            lambda m, a, b, r: 1.96 * _error(m, a, b, r),
            "This is the reach of an interval; the standard error alone is asked for.",
        ),
    ],
    idea="In words: two times, over the number of readers, times the mean square in the denominator of F, and then the root. Which "
    "two parts does that mean square have, and which of them is at least 0?",
    right="readers average out with their number; what they share of the films does not.",
)


# --- Kappa -----------------------------------------------------------------------------------------


def _kappa(one, other):
    one, other = np.asarray(one, float), np.asarray(other, float)
    p, q = one.mean(), other.mean()
    chance = p * q + (1 - p) * (1 - q)
    return float((np.mean(one == other) - chance) / (1 - chance))


def _kappa_probes():
    rng, made = np.random.default_rng(164), []
    for n, share, flips in (
        (41, 0.4, (0.1, 0.3)),
        (67, 0.15, (0.05, 0.2)),
        (89, 0.6, (0.35, 0.15)),
        (57, 0.3, (0.2, 0.7)),
    ):
        truth = rng.random(n) < share
        made.append(tuple((truth ^ (rng.random(n) < flip)).astype(int) for flip in flips))
    return made


def _with_chance(chance, combine=lambda observed, chance: (observed - chance) / (1 - chance)):
    def answer(one, other):
        one, other = np.asarray(one, float), np.asarray(other, float)
        return combine(np.mean(one == other), chance(one.mean(), other.mean()))

    return answer


def _by_both(p, q):
    return p * q + (1 - p) * (1 - q)


check_kappa = Check(
    "kappa",
    _kappa,
    _kappa_probes,
    returns="one number",
    mistakes=[
        (_with_chance(lambda p, q: 0.0), "This is the observed agreement; two readers who guess also agree sometimes."),
        (_with_chance(_by_both, lambda o, c: c), "This is the agreement by chance; what is there beyond it?"),
        (
            _with_chance(_by_both, lambda o, c: o - c),
            "This is the agreement beyond chance; divide it by the most that can be beyond chance.",
        ),
        (
            _with_chance(lambda p, q: 0.5),
            "Chance is one half only for readers who say yes to half of the films. These say yes to other shares.",
        ),
        (
            _with_chance(lambda p, q: p * q),
            "Chance has only the agreement on YES; two readers also agree by chance on no.",
        ),
        (
            _with_chance(lambda p, q: (1 - p) * (1 - q)),
            "Chance has only the agreement on NO; two readers also agree by chance on yes.",
        ),
        (
            _with_chance(lambda p, q: _by_both((p + q) / 2, (p + q) / 2)),
            "The two readers' shares of yes are averaged first (that is Fleiss' and Scott's way). Cohen takes each reader's own share.",
        ),
        (
            _with_chance(lambda p, q: p * (1 - q) + q * (1 - p)),
            "This is the chance of DISAGREEING.",
        ),
        (
            _with_chance(_by_both, lambda o, c: (o - c) / c),
            "Divide by the room that is left above chance, not by chance itself.",
        ),
        (_with_chance(_by_both, lambda o, c: o / c), "This is the ratio of observed to chance agreement."),
        (
            _with_chance(_by_both, lambda o, c: 1 - (o - c) / (1 - c)),
            "This is 1 minus kappa: the share of the room above chance that is NOT used.",
        ),
        (
            lambda one, other: np.corrcoef(one, other)[0, 1],
            "This is the correlation (phi) of the two readers, which is close to kappa but not the same where their shares of yes differ.",
        ),
        (
            _with_chance(lambda p, q: p**2 + (1 - p) ** 2),
            "Chance uses only the first reader's share of yes.",
        ),
        (
            _with_chance(lambda p, q: q**2 + (1 - q) ** 2),
            "Chance uses only the second reader's share of yes.",
        ),
        (
            lambda one, other: np.sum(one & other) / np.sum(one | other),
            "This is the overlap of the films that either calls (Jaccard); agreement on no counts, too.",
        ),
        (
            _with_chance(lambda p, q: 2 * ((p + q) / 2) * (1 - (p + q) / 2)),
            "This is Gwet's AC1, which corrects for chance in a different way than kappa.",
        ),
    ],
    idea="How often do they agree? If each said yes as often as now, but at random, how often would they agree then, on yes and on no? "
    "Kappa is the share of the way from there to 1.",
    right="0 is agreement as by chance, 1 is full agreement.",
)
