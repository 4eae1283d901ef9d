"""The checks of lesson 13, each with a bank of right and wrong answers."""

import bisect

import numpy as np
import pandas as pd
import pytest

from tests.helpers.bank import Bank, judge
from util.checks.i_dont_know import (
    check_conformal_limit,
    check_risk_at,
    check_safe_threshold,
    check_weighted_limit,
)
from util.metrics.conformal import conformal_quantile
from util.metrics.risk_control import risk_threshold
from util.metrics.selective import risk_coverage


def number(w, c):
    return round(c * len(w))


def surest(w, u, c):
    return w[np.argsort(u)][: number(w, c)]


def by_loop(wrong, unsure, coverage):
    rows = sorted(zip(unsure.tolist(), wrong.tolist(), strict=True))[: number(wrong, coverage)]
    return sum(w for _, w in rows) / len(rows)


RISK = Bank(
    check_risk_at,
    right=[
        by_loop,
        lambda w, u, c: surest(w, u, c).mean(),
        lambda w, u, c: pd.DataFrame({"w": w, "u": u}).nsmallest(number(w, c), "u")["w"].mean(),
        lambda w, u, c: w[u <= np.sort(u)[number(w, c) - 1]].mean(),
        lambda w, u, c: risk_coverage(w, u)[1][number(w, c) - 1],
        lambda w, u, c: np.float32(surest(w, u, c).mean()),
        lambda w, u, c: [surest(w, u, c).mean()][0],
    ],
    wrong={
        "least sure": (lambda w, u, c: w[np.argsort(u)[::-1][: number(w, c)]].mean(), "LEAST sure"),
        "of all": (lambda w, u, c: surest(w, u, c).sum() / len(w), "divide by all films"),
        "count": (lambda w, u, c: surest(w, u, c).sum(), "number of wrong calls"),
        "right calls": (lambda w, u, c: 1 - surest(w, u, c).mean(), "RIGHT calls"),
        "of the errors": (lambda w, u, c: surest(w, u, c).sum() / w.sum(), "all errors"),
        "no doubt": (lambda w, u, c: w.mean(), "not used"),
        "as they come": (lambda w, u, c: w[: number(w, c)].mean(), "order of doubt"),
        "sent": (lambda w, u, c: w[np.argsort(u)[number(w, c) :]].mean() if c < 1 else np.nan, "go to a person"),
        "limit": (lambda w, u, c: w[u <= c].mean(), "share of films"),
        "absolute": (lambda w, u, c: w[np.argsort(np.abs(u))[: number(w, c)]].mean(), "without its sign"),
        "product": (lambda w, u, c: c * w.mean(), "evenly"),
        "sorted errors": (lambda w, u, c: np.sort(w)[: number(w, c)].mean(), "sort the errors"),
        "one fewer": (lambda w, u, c: surest(w, u, c)[: max(number(w, c) - 1, 1)].mean(), "one film too few"),
        "below": (lambda w, u, c: w[u < np.quantile(u, c)].mean() if c > 0.1 else 1.0, None),
        "percent": (lambda w, u, c: 100 * surest(w, u, c).mean(), "percent"),
        "array": (lambda w, u, c: surest(w, u, c), "one number"),
    },
)


def rank_of(n, alpha):
    return int(np.ceil((n + 1) * (1 - alpha) - 1e-9))


def by_counting(scores, alpha):
    for score in sorted(scores.tolist()):
        if np.sum(scores <= score) >= (len(scores) + 1) * (1 - alpha) - 1e-9:
            return score
    return float("inf")


LIMIT = Bank(
    check_conformal_limit,
    right=[
        by_counting,
        conformal_quantile,
        lambda s, a: np.append(np.sort(s), [np.inf] * 3)[rank_of(len(s), a) - 1],
        lambda s, a: np.quantile(np.append(s, np.inf), 1 - a, method="inverted_cdf"),
        lambda s, a: sorted([*s.tolist(), np.inf])[rank_of(len(s), a) - 1],
        lambda s, a: np.partition(np.append(s, np.inf), rank_of(len(s), a) - 1)[rank_of(len(s), a) - 1].astype(
            np.float32
        ),
    ],
    wrong={
        "n": (lambda s, a: np.sort(s)[int(np.ceil(len(s) * (1 - a) - 1e-9)) - 1], "n + 1"),
        "never infinite": (lambda s, a: np.sort(s)[min(rank_of(len(s), a), len(s)) - 1], "no score is high enough"),
        "down": (
            lambda s, a: np.sort(s)[max(int((len(s) + 1) * (1 - a) + 1e-9), 1) - 1],
            "rounded DOWN",
        ),
        "nearest": (
            lambda s, a: np.append(np.sort(s), np.inf)[round((len(s) + 1) * (1 - a)) - 1],
            "nearest number",
        ),
        "alpha": (lambda s, a: np.sort(s)[int(np.ceil((len(s) + 1) * a - 1e-9)) - 1], "LEFT OUT"),
        "falling": (lambda s, a: np.sort(s)[::-1][min(rank_of(len(s), a), len(s)) - 1], None),
        "numpy": (lambda s, a: np.quantile(s, 1 - a), "interpolated"),
        "numpy, higher": (lambda s, a: np.quantile(s, 1 - a, method="higher"), "n + 1"),
        "level": (lambda s, a: np.quantile(s, min((1 - a) * (len(s) + 1) / len(s), 1)), "interpolated"),
        "numpy, alpha": (lambda s, a: np.quantile(s, a), "LEFT OUT"),
        "from zero": (lambda s, a: np.append(np.sort(s), [np.inf] * 2)[rank_of(len(s), a)], "counts from 0"),
        "not sorted": (lambda s, a: s[min(rank_of(len(s), a), len(s)) - 1], "not sorted"),
        "largest": (lambda s, a: s.max(), "largest score"),
        "rank": (lambda s, a: rank_of(len(s), a), "this rank"),
        "one minus": (lambda s, a: 1 - by_counting(s, a), "1 minus"),
        "stops": (lambda s, a: np.sort(s)[rank_of(len(s), a) - 1], "IndexError"),
        "mean": (lambda s, a: s.mean() + s.std(), None),
    },
)


def weighted_by_loop(scores, weights, own, alpha):
    total, carried = sum(weights.tolist()) + own, 0.0
    for score, weight in sorted(zip(scores.tolist(), weights.tolist(), strict=True)):
        carried += weight
        if carried >= (1 - alpha) * total - 1e-9:
            return score
    return np.inf


def by_search(scores, weights, own, alpha):
    order = np.argsort(scores)
    place = bisect.bisect_left(np.cumsum(weights[order]).tolist(), (1 - alpha) * (weights.sum() + own) - 1e-9)
    return [*scores[order], np.inf][place]


def carried(scores, weights, needed):
    order = np.argsort(scores)
    return np.append(scores[order], np.inf)[np.searchsorted(np.cumsum(weights[order]), needed - 1e-9)]


WEIGHTED = Bank(
    check_weighted_limit,
    right=[
        weighted_by_loop,
        by_search,
        lambda s, w, o, a: conformal_quantile(s, a, w, o),
        lambda s, w, o, a: carried(s, w, (1 - a) * (w.sum() + o)),
        lambda s, w, o, a: min([t for t in s if w[s <= t].sum() / (w.sum() + o) >= 1 - a - 1e-12], default=np.inf),
        lambda s, w, o, a: np.float32(carried(s, w / (w.sum() + o), 1 - a)),
    ],
    wrong={
        "own left out": (lambda s, w, o, a: carried(s, w, (1 - a) * w.sum()), "left out of the sum"),
        "never infinite": (lambda s, w, o, a: min(weighted_by_loop(s, w, o, a), s.max()), "infinite"),
        "no weights": (lambda s, w, o, a: by_counting(s, a), "not used"),
        "alpha": (lambda s, w, o, a: carried(s, w, a * (w.sum() + o)), "LEFT OUT"),
        "own is one": (lambda s, w, o, a: carried(s, w, (1 - a) * (w.sum() + 1)), "weight 1"),
        "own added": (lambda s, w, o, a: carried(s, w, (1 - a) * w.sum() + o), "part of the sum"),
        "own carried": (lambda s, w, o, a: carried(s, w, (1 - a) * (w.sum() + o) - o), "at infinity"),
        "weights stay": (
            lambda s, w, o, a: np.append(np.sort(s), np.inf)[
                np.searchsorted(np.cumsum(w), (1 - a) * (w.sum() + o) - 1e-9)
            ],
            "stay with its score",
        ),
        "table": (lambda s, w, o, a: s[np.argmax(np.cumsum(w) >= (1 - a) * (w.sum() + o))], "order of the table"),
        "product": (lambda s, w, o, a: by_counting(s * w, a), "multiplied"),
        "films": (lambda s, w, o, a: carried(s, w, (1 - a) * (len(s) + 1)), "number of films"),
        "upside down": (lambda s, w, o, a: carried(s, 1 / w, (1 - a) * (np.sum(1 / w) + 1 / o)), "upside down"),
        "from above": (lambda s, w, o, a: -carried(-s, w, (1 - a) * (w.sum() + o)), None),
        "mean": (lambda s, w, o, a: np.average(s, weights=w), "weighted mean"),
        "interpolated": (
            lambda s, w, o, a: np.interp((1 - a) * (w.sum() + o), np.cumsum(w[np.argsort(s)]), np.sort(s)),
            "interpolated",
        ),
        "pair": (lambda s, w, o, a: (weighted_by_loop(s, w, o, a), 1), "one number"),
    },
)


def shares(y, p, t):
    return [
        sum(1 for there, q in zip(a, b, strict=True) if there and q < t) / sum(a)
        for a, b in zip(y.tolist(), p.tolist(), strict=True)
    ]


def highest(y, p, holds):
    return max([t for t in p[y == 1].tolist() if holds(t)], default=-np.inf)


def by_sorting(y, p, alpha):
    order = np.argsort(p[y == 1])
    lost = np.cumsum((y / y.sum(axis=1, keepdims=True))[y == 1][order])
    return p[y == 1][order][np.argmax(lost > alpha * (len(y) + 1) - 1 + 1e-12)]


def falling(y, p, alpha):
    for threshold in np.sort(p.ravel())[::-1]:
        if (sum(shares(y, p, threshold)) + 1) / (len(y) + 1) <= alpha:
            return threshold
    return None


def missed(y, p, t):
    return ((y == 1) & (p < t)).sum(axis=1) / y.sum(axis=1)


def kept(loss):
    return lambda y, p, a: highest(y, p, lambda t: loss(y, p, t) <= a)


SAFE = Bank(
    check_safe_threshold,
    right=[
        by_sorting,
        falling,
        risk_threshold,
        kept(lambda y, p, t: (sum(shares(y, p, t)) + 1) / (len(y) + 1)),
        kept(lambda y, p, t: np.append(missed(y, p, t), 1).mean()),
        lambda y, p, a: np.float32(by_sorting(y, p, a)),
        lambda y, p, a: kept(lambda y, p, t: len(y) / (len(y) + 1) * missed(y, p, t).mean() + 1 / (len(y) + 1))(
            y, p, a
        ),
    ],
    wrong={
        "plain mean": (kept(lambda y, p, t: missed(y, p, t).mean()), "needs its place"),
        "no one": (kept(lambda y, p, t: missed(y, p, t).sum() / (len(y) + 1)), "not added"),
        "over n": (kept(lambda y, p, t: (missed(y, p, t).sum() + 1) / len(y)), "divide by n"),
        "findings": (kept(lambda y, p, t: (np.sum(p[y == 1] < t) + 1) / (y.sum() + 1)), "Every FINDING"),
        "findings, plain": (kept(lambda y, p, t: np.mean(p[y == 1] < t)), "Every FINDING"),
        "any": (kept(lambda y, p, t: (np.sum(missed(y, p, t) > 0) + 1) / (len(y) + 1)), "ANY"),
        "all": (kept(lambda y, p, t: (np.sum(missed(y, p, t) == 1) + 1) / (len(y) + 1)), "ALL its findings"),
        "of the table": (
            kept(lambda y, p, t: (np.sum((y == 1) & (p < t)) / y.shape[1] + 1) / (len(y) + 1)),
            "that there could be",
        ),
        "nothing": (lambda y, p, a: p[y == 1].min(), "misses nothing"),
        "breaks": (
            lambda y, p, a: min(t for t in p[y == 1] if (missed(y, p, t).sum() + 1) / (len(y) + 1) > a),
            "BREAKS",
        ),
        "quantile": (lambda y, p, a: np.quantile(p[y == 1], a), "quantile over findings"),
        "no labels": (lambda y, p, a: np.quantile(p, a), "labels are not used"),
        "reaches": (
            kept(lambda y, p, t: ((((y == 1) & (p <= t)).sum(axis=1) / y.sum(axis=1)).sum() + 1) / (len(y) + 1)),
            "EQUALS",
        ),
        "the other share": (
            lambda y, p, a: max(t for t in p.ravel() if (missed(y, p, t).sum() + 1) / (len(y) + 1) <= 1 - a),
            "1 - alpha",
        ),
        "one minus": (lambda y, p, a: 1 - by_sorting(y, p, a), "1 minus"),
        "half": (lambda y, p, a: 0.5, "for every table"),
    },
)
BANKS = {"risk_at": RISK, "conformal_limit": LIMIT, "weighted_limit": WEIGHTED, "safe_threshold": SAFE}


@pytest.mark.parametrize("name", BANKS)
def test_bank(name):
    assert judge(BANKS[name]) == []
