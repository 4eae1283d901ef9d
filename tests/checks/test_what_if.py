"""The checks of lesson 12 let right answers of any style through and name what is wrong with others."""

import numpy as np
import pytest

from tests.helpers.bank import Bank, judge
from tests.helpers.taught import taught
from util.checks.what_if import check_half_severity, check_paired_effect, check_restored
from util.explain.localisation import difference_interval
from util.metrics.proportions import student_quantile


def by_loop(before, after, quantile):
    changes = [a - b for b, a in zip(before, after, strict=True)]
    mean = sum(changes) / len(changes)
    spread = (sum((c - mean) ** 2 for c in changes) / (len(changes) - 1)) ** 0.5
    return [mean, mean - quantile * spread / len(changes) ** 0.5, mean + quantile * spread / len(changes) ** 0.5]


def interval(before, after, quantile, error):
    mean = np.mean(after - before)
    return mean, mean - quantile * error, mean + quantile * error


def spread(change, ddof=1):
    return np.std(change, ddof=ddof)


PAIRED = Bank(
    check_paired_effect,
    right=[
        taught("12_what_if", "paired")["paired_effect"],
        by_loop,
        lambda b, a, q: tuple(np.float32(by_loop(b, a, q))),
        lambda b, a, q: np.mean(a - b) + q * np.std(a - b, ddof=1) / len(a) ** 0.5 * np.array([0, -1, 1]),
        lambda b, a, q: interval(b, a, q, np.sqrt(np.var(a - b, ddof=1) / len(a))),
        lambda b, a, q: interval(b, a, q, np.sqrt(np.sum((a - b - (a - b).mean()) ** 2) / (len(a) * (len(a) - 1)))),
        lambda b, a, q: np.array(by_loop(b.tolist(), a.tolist(), q)).reshape(3),
    ],
    wrong={
        "sign": (lambda b, a, q: by_loop(a, b, q), "AFTER"),
        "unpaired": (lambda b, a, q: interval(b, a, q, np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a))), "different people"),
        "ddof": (lambda b, a, q: interval(b, a, q, spread(a - b, 0) / len(a) ** 0.5), "n - 1"),
        "no root": (lambda b, a, q: interval(b, a, q, spread(a - b) / len(a)), "square root"),
        "no division": (lambda b, a, q: interval(b, a, q, spread(a - b)), "how much patients differ"),
        "variance": (lambda b, a, q: interval(b, a, q, spread(a - b) ** 2 / len(a)), "variance"),
        "after alone": (lambda b, a, q: interval(b, a, q, spread(a) / len(a) ** 0.5), "after the change alone"),
        "one error": (lambda b, a, q: by_loop(b, a, 1), "quantile is not used"),
        "normal": (lambda b, a, q: by_loop(b, a, 1.96), "1.96"),
        "order": (lambda b, a, q: np.array(by_loop(b, a, q))[[1, 0, 2]], "order is mean"),
        "ends": (lambda b, a, q: np.array(by_loop(b, a, q))[1:], "belongs in front"),
        "mean": (lambda b, a, q: np.mean(a - b), "mean alone"),
        "range": (lambda b, a, q: [np.mean(a - b), min(a - b), max(a - b)], "smallest and the largest"),
        "quantiles": (lambda b, a, q: [np.mean(a - b), *np.quantile(a - b, [0.025, 0.975])], "quantiles of the patients"),
        "ratio": (lambda b, a, q: np.array(by_loop(b, a, q)) / b.mean(), None),
    },
)  # fmt: skip


def by_neighbors(severities, shares):
    for k in range(1, len(shares)):
        if shares[k] >= 0.5:
            part = (0.5 - shares[k - 1]) / (shares[k] - shares[k - 1])
            return severities[k - 1] + part * (severities[k] - severities[k - 1])
    return float("nan")


def around(shares):
    high = int(np.searchsorted(shares, 0.5))
    return high - 1, high


HALF = Bank(
    check_half_severity,
    right=[
        taught("12_what_if", "half")["half_severity"],
        by_neighbors,
        lambda x, p: np.float32(by_neighbors(x, p)),
        lambda x, p: by_neighbors(list(x), list(p)),
        lambda x, p: np.polyval(np.polyfit(p[list(around(p))], x[list(around(p))], 1), 0.5),
        lambda x, p: float(np.interp([0.5], p, x)[0]),
    ],
    wrong={
        "above": (lambda x, p: x[p >= 0.5][0], "MORE than half"),
        "below": (lambda x, p: x[p < 0.5][-1], "LESS than half"),
        "middle": (lambda x, p: x[list(around(p))].mean(), "middle between"),
        "nearest": (lambda x, p: x[np.abs(p - 0.5).argmin()], "half"),
        "turned": (lambda x, p: np.interp(0.5, x, p), "other way round"),
        "median": (lambda x, p: np.median(x), "median of the severities"),
        "mean": (lambda x, p: x.mean(), "mean of the severities"),
        "weighted": (lambda x, p: (x * p).sum() / p.sum(), "weighted"),
        "line": (lambda x, p: np.roots(np.polyfit(x, p - 0.5, 1))[0], "one straight line"),
        "largest": (lambda x, p: np.interp(p.max() / 2, p, x), "LARGEST"),
        "halfway": (lambda x, p: np.interp((p.min() + p.max()) / 2, p, x), "halfway"),
        "share": (lambda x, p: p.mean(), "severity is asked for"),
        "number": (lambda x, p: float(around(p)[1]), "number of a severity"),
        "square": (lambda x, p: by_neighbors(x**2, p), None),
    },
)


def with_copy(logit_of, film, twin, patch):
    third = twin.copy()
    third[patch] = film[patch]
    return logit_of(twin) - logit_of(third)


RESTORED = Bank(
    check_restored,
    right=[
        taught("12_what_if", "restored")["restored"],
        with_copy,
        lambda f, a, b, m: f(b) - f(a * m + b * ~m),
        lambda f, a, b, m: f(b) - f(b - (b - a) * m),
        lambda f, a, b, m: np.float32(with_copy(f, a, b, m)),
        lambda f, a, b, m: f(b) - f([[x if k else y for x, y, k in zip(*row, strict=True)] for row in zip(a, b, m, strict=True)]),
    ],
    wrong={
        "sign": (lambda f, a, b, m: -with_copy(f, a, b, m), "turned round"),
        "into the film": (lambda f, a, b, m: with_copy(f, b, a, m) * -1, "into the FILM"),
        "complement": (lambda f, a, b, m: with_copy(f, a, b, ~m), "all but the patch"),
        "black": (lambda f, a, b, m: f(b) - f(b * ~m), "black"),
        "gray": (lambda f, a, b, m: f(b) - f(np.where(m, b.mean(), b)), "gray"),
        "mean of the film": (lambda f, a, b, m: f(b) - f(np.where(m, a.mean(), b)), "film's mean"),
        "whole": (lambda f, a, b, m: f(b) - f(a), "whole effect"),
        "third": (lambda f, a, b, m: f(np.where(m, a, b)), "How far did it fall"),
        "left": (lambda f, a, b, m: f(np.where(m, a, b)) - f(a), "LEFT"),
        "share": (lambda f, a, b, m: with_copy(f, a, b, m) / (f(b) - f(a)), "share"),
        "difference": (lambda f, a, b, m: f((b - a) * m), "difference picture"),
        "pixels": (lambda f, a, b, m: np.abs(b - a)[m].sum(), "PIXELS"),
        "twin": (lambda f, a, b, m: f(b), "nothing is put back"),
        "size": (lambda f, a, b, m: abs(with_copy(f, a, b, m)), "sign is lost"),
        "half": (lambda f, a, b, m: with_copy(f, a, b, m) / 2, None),
    },
)  # fmt: skip
BANKS = {"paired_effect": PAIRED, "half_severity": HALF, "restored": RESTORED}


@pytest.mark.parametrize("name", BANKS)
def test_bank(name):
    assert judge(BANKS[name]) == []


def test_the_paired_effect_is_the_course_s_interval():
    rng = np.random.default_rng(5)
    before = rng.normal(size=9)
    after = before + rng.normal(0.5, 1, 9)
    given = check_paired_effect.expected(before, after, student_quantile(0.95, 8))
    assert given == pytest.approx(difference_interval(after, before, np.arange(9)))


def test_an_answer_that_paints_on_the_twin_is_told():
    def careless(logit_of, film, twin, patch):
        before = logit_of(twin)
        twin[patch] = film[patch]
        return before - logit_of(twin)

    with pytest.raises(AssertionError, match="changes the data"):
        check_restored(careless)
