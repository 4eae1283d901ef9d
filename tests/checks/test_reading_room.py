"""The checks of lesson 16, each with a bank of right and wrong answers."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from tests.helpers.bank import Bank, judge
from util.checks.reading_room import check_difference_error, check_jackknife_covariance, check_kappa, check_reader_point
from util.metrics.agreement import cohen_kappa
from util.metrics.roc import roc_curve


def by_library(y, said):
    tn, fp, fn, tp = confusion_matrix(y, said).ravel()
    return tp / (tp + fn), fp / (fp + tn)


def by_loop(y, said):
    counts = {1: [0, 0], 0: [0, 0]}
    for label, yes in zip(y.tolist(), said.tolist(), strict=True):
        counts[label][0] += yes
        counts[label][1] += 1
    return [counts[label][0] / counts[label][1] for label in (1, 0)]


def by_curve(y, said):
    fpr, tpr, _ = roc_curve(y, said.astype(int))
    return tpr[1], fpr[1]


def counted(first, second):
    def answer(y, said):
        tn, fp, fn, tp = confusion_matrix(y, said).ravel()
        return first(tp, fp, fn, tn), second(tp, fp, fn, tn)

    return answer


def tpr(tp, fp, fn, tn):
    return tp / (tp + fn)


def fpr(tp, fp, fn, tn):
    return fp / (fp + tn)


POINT = Bank(
    check_reader_point,
    right=[
        by_library,
        by_loop,
        by_curve,
        lambda y, said: np.array([said[y == k].mean() for k in (1, 0)], np.float32),
        lambda y, said: ((said * y).sum() / y.sum(), (said * (1 - y)).sum() / (1 - y).sum()),
        lambda y, said: np.array(by_library(y, said)),
    ],
    wrong={
        "reverse": (lambda y, said: by_library(y, said)[::-1], "sensitivity comes first"),
        "specificity": (counted(tpr, lambda tp, fp, fn, tn: tn / (tn + fp)), "specificity"),
        "ppv": (counted(lambda tp, fp, fn, tn: tp / (tp + fp), fpr), "PPV"),
        "fdr": (counted(tpr, lambda tp, fp, fn, tn: fp / (tp + fp)), "CALLED"),
        "both of called": (
            counted(lambda tp, fp, fn, tn: tp / (tp + fp), lambda tp, fp, fn, tn: fp / (tp + fp)),
            "Both numbers",
        ),
        "of all": (lambda y, said: (np.mean(said & (y == 1)), np.mean(said & (y == 0))), "all films"),
        "counts": (counted(lambda tp, fp, fn, tn: tp, lambda tp, fp, fn, tn: fp), "numbers of films"),
        "not called": (lambda y, said: by_library(y, ~said), "NOT called"),
        "missed": (counted(lambda tp, fp, fn, tn: fn / (tp + fn), fpr), "MISSED"),
        "accuracy": (lambda y, said: (np.mean(said == y), fpr(*counted_raw(y, said))), "accuracy"),
        "called": (lambda y, said: (np.mean(said), fpr(*counted_raw(y, said))), "truth is not used"),
        "alarms of ill": (counted(tpr, lambda tp, fp, fn, tn: fp / (tp + fn)), "divides by the films WITH"),
        "alarms of all": (counted(tpr, lambda tp, fp, fn, tn: fp / (tp + fp + fn + tn)), "ALL films"),
        "predictive": (lambda y, said: (y[said].mean(), 1 - y[~said].mean()), "predictive values"),
        "one number": (lambda y, said: np.mean(said[y == 1]), "should return two numbers"),
        "dictionary": (lambda y, said: dict(zip("ab", by_library(y, said), strict=True)), "should return"),
        "percent": (lambda y, said: 100 * np.array(by_library(y, said)), "percent"),
    },
)


def counted_raw(y, said):
    tn, fp, fn, tp = confusion_matrix(y, said).ravel()
    return tp, fp, fn, tn


def jack(one, other):
    n = len(one)
    return (n - 1) / n * np.sum((one - np.mean(one)) * (other - np.mean(other)))


def jack_loop(one, other):
    a, b, n, total = sum(one) / len(one), sum(other) / len(other), len(one), 0.0
    for x, y in zip(one, other, strict=True):
        total += (x - a) * (y - b)
    return total * (n - 1) / n


def dot(scale):
    return lambda a, b: scale(len(a)) * ((a - a.mean()) @ (b - b.mean()))


JACK = Bank(
    check_jackknife_covariance,
    right=[
        jack,
        jack_loop,
        lambda a, b: np.cov(a, b)[0, 1] * (len(a) - 1) ** 2 / len(a),
        lambda a, b: (len(a) - 1) * np.mean((a - a.mean()) * (b - b.mean())),
        lambda a, b: np.float32(jack(a, b)),
        lambda a, b: (len(a) - 1) * (np.mean(a * b) - np.mean(a) * np.mean(b)),
        lambda a, b: np.cov(a, b, ddof=0)[0, 1] * (len(a) - 1),
    ],
    wrong={
        "sample": (lambda a, b: np.cov(a, b)[0, 1], "usual sample covariance"),
        "mean": (lambda a, b: np.cov(a, b, ddof=0)[0, 1], "mean product"),
        "sum": (dot(lambda n: 1), "factor in front"),
        "upside down": (dot(lambda n: n / (n - 1)), "upside down"),
        "n - 1": (dot(lambda n: n - 1), "you have their sum"),
        "twice": (dot(lambda n: ((n - 1) / n) ** 2), "twice"),
        "of means": (dot(lambda n: 1 / n / (n - 1)), "MEANS"),
        "no means": (lambda a, b: (len(a) - 1) / len(a) * (a @ b), "not taken away"),
        "first": (lambda a, b: jack(a, a), "first reader alone"),
        "second": (lambda a, b: jack(b, b), "second reader alone"),
        "correlation": (lambda a, b: np.corrcoef(a, b)[1, 0], "correlation"),
        "difference": (lambda a, b: jack(a - b, a - b), "DIFFERENCE"),
        "median": (lambda a, b: (len(a) - 1) / len(a) * ((a - np.median(a)) @ (b - np.median(b))), "medians"),
        "matrix": (lambda a, b: np.cov(a, b), "one number"),
        "root": (lambda a, b: abs(jack(a, b)) ** 0.5, "root"),
        "over n": (dot(lambda n: (n - 1) / n**2), "once too often"),
        "wrong factor": (dot(lambda n: (n - 2) / n), None),
    },
)


def error(ms, cov2, cov3, r):
    shared = cov2 - cov3 if cov2 > cov3 else 0
    return (2 / r * ms + 2 * shared) ** 0.5


ERROR = Bank(
    check_difference_error,
    right=[
        error,
        lambda m, a, b, r: np.sqrt(2 / r * (m + r * max(a - b, 0))),
        lambda m, a, b, r: np.sqrt(2 * (m + r * np.clip(a - b, 0, None)) / r),
        lambda m, a, b, r: np.float32(error(m, a, b, r)),
        lambda m, a, b, r: np.hypot(np.sqrt(2 * m / r), np.sqrt(2 * max(0, a - b))),
        lambda m, a, b, r: np.array(error(m, a, b, r)),
    ],
    wrong={
        "fixed cases": (lambda m, a, b, r: (2 / r * m) ** 0.5, "THESE films"),
        "once": (lambda m, a, b, r: np.sqrt(2 / r * (m + max(a - b, 0))), "does not shrink"),
        "r - 1": (lambda m, a, b, r: np.sqrt(2 / r * (m + (r - 1) * max(a - b, 0))), "fixed readers"),
        "below 0": (lambda m, a, b, r: np.sqrt(2 / r * max(m + r * (a - b), 0)), "counts as 0"),
        "variance": (lambda m, a, b, r: error(m, a, b, r) ** 2, "variance"),
        "one mean": (lambda m, a, b, r: error(m, a, b, r) / 2**0.5, "twice the variance"),
        "not divided": (lambda m, a, b, r: error(m, a, b, r) * r**0.5, "division"),
        "root of ms": (lambda m, a, b, r: np.sqrt(m + r * max(a - b, 0)), "compared with"),
        "no cov3": (lambda m, a, b, r: np.sqrt(2 / r * (m + r * a)), "not used"),
        "added": (lambda m, a, b, r: np.sqrt(2 / r * (m + r * (a + b))), "added"),
        "exchanged": (lambda m, a, b, r: np.sqrt(2 / r * (m + r * max(b - a, 0))), "exchanged"),
        "size": (lambda m, a, b, r: np.sqrt(2 / r * (m + r * abs(a - b))), "not as its size"),
        "r - 1 below": (lambda m, a, b, r: np.sqrt(2 / (r - 1) * (m + r * max(a - b, 0))), "degrees of freedom"),
        "errors add": (lambda m, a, b, r: np.sqrt(2 / r * m) + np.sqrt(2 * max(a - b, 0)), "variances add up"),
        "no ms": (lambda m, a, b, r: np.sqrt(2 * max(a - b, 0)), "MS(TR) is missing"),
        "reach": (lambda m, a, b, r: 1.96 * error(m, a, b, r), "reach"),
        "root of a part": (lambda m, a, b, r: np.sqrt(2 / r) * (m + r * max(a - b, 0)), "around all of it"),
        "constant": (lambda m, a, b, r: 0.02, "whatever is in it"),
        "nan": (lambda m, a, b, r: np.sqrt(2 / r * m + 2 * (a - b) - 0.01), "NaN"),
    },
)


def by_counts(one, other):
    n = len(one)
    both, neither = np.sum((one == 1) & (other == 1)), np.sum((one == 0) & (other == 0))
    chance = (one.sum() * other.sum() + (n - one.sum()) * (n - other.sum())) / n**2
    return ((both + neither) / n - chance) / (1 - chance)


def beyond(chance, combine=lambda o, c: (o - c) / (1 - c)):
    return lambda a, b: combine(np.mean(a == b), chance(np.mean(a), np.mean(b)))


def both(p, q):
    return p * q + (1 - p) * (1 - q)


KAPPA = Bank(
    check_kappa,
    right=[
        cohen_kappa_score,
        cohen_kappa,
        by_counts,
        lambda a, b: np.float32(by_counts(a, b)),
        lambda a, b: 1 - np.mean(a != b) / (np.mean(a) * (1 - np.mean(b)) + np.mean(b) * (1 - np.mean(a))),
        beyond(both),
        lambda a, b: 2 * np.cov(a, b, ddof=0)[0, 1] / (a.mean() * (1 - b.mean()) + b.mean() * (1 - a.mean())),
    ],
    wrong={
        "observed": (lambda a, b: np.mean(a == b), "observed agreement"),
        "chance": (lambda a, b: both(a.mean(), b.mean()), "by chance"),
        "not divided": (beyond(both, lambda o, c: o - c), "divide it"),
        "half": (beyond(lambda p, q: 0.5), "one half"),
        "yes only": (beyond(lambda p, q: p * q), "agreement on YES"),
        "no only": (beyond(lambda p, q: (1 - p) * (1 - q)), "agreement on NO"),
        "pooled": (beyond(lambda p, q: both((p + q) / 2, (p + q) / 2)), "averaged first"),
        "disagree": (beyond(lambda p, q: 1 - both(p, q)), "DISAGREEING"),
        "over chance": (beyond(both, lambda o, c: (o - c) / c), "room that is left"),
        "ratio": (beyond(both, lambda o, c: o / c), "ratio"),
        "phi": (lambda a, b: np.corrcoef(a, b)[0, 1], "correlation"),
        "first": (beyond(lambda p, q: both(p, p)), "first reader's"),
        "second": (beyond(lambda p, q: both(q, q)), "second reader's"),
        "jaccard": (lambda a, b: np.sum(a & b) / np.sum(a | b), "Jaccard"),
        "ac1": (beyond(lambda p, q: (p + q) * (1 - (p + q) / 2)), "AC1"),
        "one minus": (lambda a, b: 1 - by_counts(a, b), "1 minus"),
        "size": (lambda a, b: abs(by_counts(a, b)), None),
        "disagreement": (lambda a, b: np.mean(a != b), None),
    },
)
BANKS = {"reader_point": POINT, "jackknife_covariance": JACK, "difference_error": ERROR, "kappa": KAPPA}


@pytest.mark.parametrize("name", BANKS)
def test_bank(name):
    assert judge(BANKS[name]) == []
