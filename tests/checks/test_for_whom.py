"""The checks of lesson 8, each with a bank of right and wrong answers."""

import numpy as np
import pandas as pd
import pytest

from tests.helpers.bank import Bank, judge
from util.checks.for_whom import check_auc_with_wrong_labels, check_missed_by_group, check_pooled_auc
from util.metrics.label_noise import observed_auc


def by_pandas(y, score, groups, threshold):
    films = pd.DataFrame({"y": y, "missed": score < threshold, "group": groups})
    return films[films["y"] == 1].groupby("group")["missed"].mean()


def by_loop(y, score, groups, threshold):
    shares = []
    for name in sorted(set(groups.tolist())):
        ill = [s for label, s, g in zip(y, score, groups, strict=True) if g == name and label == 1]
        shares.append(sum(s < threshold for s in ill) / len(ill))
    return shares


def each(share):
    return lambda y, s, g, t: np.array([share(y[g == n], s[g == n], t) for n in np.unique(g)])


def by_counts(y, score, groups, threshold):
    _, who = np.unique(groups, return_inverse=True)
    return np.bincount(who, (y == 1) & (score < threshold)) / np.bincount(who, y)


MISSED = Bank(
    check_missed_by_group,
    right=[
        by_pandas,
        by_loop,
        by_counts,
        each(lambda y, s, t: 1 - np.mean(s[y == 1] >= t)),
        lambda *a: by_counts(*a).astype(np.float32),
        lambda y, s, g, t: tuple(by_loop(y, s, g, t)),
    ],
    wrong={
        "found": (each(lambda y, s, t: np.mean(s[y == 1] >= t)), "FOUND"),
        "counts": (each(lambda y, s, t: np.sum(s[y == 1] < t)), "numbers of missed films"),
        "of all films": (each(lambda y, s, t: np.mean((s < t) & (y == 1))), "all films of the group"),
        "of negatives called": (each(lambda y, s, t: np.mean(y[s < t])), "films called negative"),
        "false alarms": (each(lambda y, s, t: np.mean(s[y == 0] >= t)), "false alarms"),
        "specificity": (each(lambda y, s, t: np.mean(s[y == 0] < t)), "specificity"),
        "no labels": (each(lambda y, s, t: np.mean(s < t)), "labels are not used"),
        "all errors": (each(lambda y, s, t: np.mean((s >= t) != y)), "all wrong calls"),
        "reaches": (each(lambda y, s, t: np.mean(s[y == 1] <= t)), "EQUALS"),
        "together": (lambda y, s, g, t: np.mean(s[y == 1] < t), "one number for all groups"),
        "shares of the missed": (
            lambda y, s, g, t: [np.mean(g[(y == 1) & (s < t)] == n) for n in np.unique(g)],
            "divided among the groups",
        ),
        "of all positives": (
            lambda y, s, g, t: [np.sum((y == 1) & (s < t) & (g == n)) / y.sum() for n in np.unique(g)],
            "ALL groups",
        ),
        "as met": (lambda y, s, g, t: by_pandas(y, s, g, t)[pd.unique(pd.Series(g))], "in which they are met"),
        "own threshold": (each(lambda y, s, t: np.mean(s[y == 1] < np.median(s))), "ONE threshold"),
        "one half": (each(lambda y, s, t: np.mean(s[y == 1] < 0.5)), "not used"),
        "dictionary": (lambda *a: dict(by_pandas(*a)), "should return"),
        "prevalence": (each(lambda y, s, t: y.mean()), "prevalence"),
    },
)


def pooled(positives, negatives, aucs):
    return np.average(aucs, weights=np.outer(positives, negatives))


def pooled_loop(positives, negatives, aucs):
    won = pairs = 0
    for i, m in enumerate(positives):
        for j, n in enumerate(negatives):
            won, pairs = won + m * n * aucs[i][j], pairs + m * n
    return won / pairs


def share(counts):
    return np.asarray(counts) / np.sum(counts)


POOLED = Bank(
    check_pooled_auc,
    right=[
        pooled,
        pooled_loop,
        lambda p, n, a: share(p) @ a @ share(n),
        lambda p, n, a: np.sum(share(p)[:, None] * share(n)[None, :] * a),
        lambda p, n, a: np.float32((np.outer(p, n) * a).sum() / (p.sum() * n.sum())),
        lambda p, n, a: np.einsum("i,ij,j", share(p).astype(np.float32), a, share(n)),
    ],
    wrong={
        "plain mean": (lambda p, n, a: a.mean(), "plain mean"),
        "within": (lambda p, n, a: np.average(np.diag(a), weights=p * n), "WITHIN"),
        "within, plain": (lambda p, n, a: np.diag(a).mean(), "within a group"),
        "within, films": (lambda p, n, a: np.average(np.diag(a), weights=p + n), "weighted by their films"),
        "between": (
            lambda p, n, a: np.average(
                a[~np.eye(len(a), dtype=bool)], weights=np.outer(p, n)[~np.eye(len(a), dtype=bool)]
            ),
            "BETWEEN",
        ),
        "sum of films": (lambda p, n, a: np.average(a, weights=np.add.outer(p, n)), "add films"),
        "transposed": (lambda p, n, a: np.average(a.T, weights=np.outer(p, n)), "exchanged"),
        "positives": (lambda p, n, a: np.average(a.mean(axis=1), weights=p), "positive films alone"),
        "negatives": (lambda p, n, a: np.average(a.mean(axis=0), weights=n), "negative films alone"),
        "all films": (lambda p, n, a: np.average(a, weights=np.outer(p + n, p + n)), "all films of the groups"),
        "won": (lambda p, n, a: (np.outer(p, n) * a).sum(), "number of pairs won"),
        "parts": (lambda p, n, a: np.outer(share(p), share(n)) * a, "add them up"),
        "largest": (lambda p, n, a: a.max(), "largest"),
        "diagonal pairs": (lambda p, n, a: (np.outer(p, n) * a).sum() / (p * n).sum(), "number of ALL pairs"),
        "median": (lambda p, n, a: np.median(a), "median"),
        "geometric": (lambda p, n, a: np.exp(np.average(np.log(a), weights=np.outer(p, n))), None),
    },
)


def four_cases(auc, ppv, npv):
    total = 0.0
    for positive, weight in ((1, ppv), (0, 1 - ppv)):
        for negative, other in ((0, npv), (1, 1 - npv)):
            total += weight * other * (0.5 if positive == negative else auc if positive else 1 - auc)
    return total


def of_kinds(formula):
    return lambda a, p, n: formula(a, p * n, (1 - p) * (1 - n), p * (1 - n) + (1 - p) * n)


NOISE = Bank(
    check_auc_with_wrong_labels,
    right=[
        observed_auc,
        four_cases,
        of_kinds(lambda a, right, wrong, one: a * right + (1 - a) * wrong + one / 2),
        lambda a, p, n: a * (p + n - 1) + (2 - p - n) / 2,
        lambda a, p, n: np.float32(0.5 + (a - 0.5) * (p + n - 1)),
        lambda a, p, n: 1 - observed_auc(1 - a, p, n),
    ],
    wrong={
        "truth": (lambda a, p, n: a, "against the truth"),
        "both right": (lambda a, p, n: a * p * n, "two right labels"),
        "turned forgotten": (of_kinds(lambda a, r, w, o: a * r + o / 2), "count nothing"),
        "turned won": (of_kinds(lambda a, r, w, o: a * (r + w) + o / 2), "turned round"),
        "mixed nothing": (of_kinds(lambda a, r, w, o: a * r + (1 - a) * w), "truly the same"),
        "mixed won": (of_kinds(lambda a, r, w, o: a * r + (1 - a) * w + o), "count as won"),
        "mixed by truth": (of_kinds(lambda a, r, w, o: a * r + (1 - a) * w + o * a / 2), "does not depend on the AUC"),
        "mixed turned": (of_kinds(lambda a, r, w, o: a * r + (1 - a) * (1 - r)), "turned round"),
        "mixed out": (of_kinds(lambda a, r, w, o: (a * r + (1 - a) * w) / (r + w)), "left out"),
        "perfect": (lambda a, p, n: (p + n) / 2, "PERFECT"),
        "product": (lambda a, p, n: a * (p + n) / 2, "starts from one half"),
        "ceiling": (lambda a, p, n: min(a, (p + n) / 2), "ceiling"),
        "from zero": (lambda a, p, n: a * (p + n - 1), "one half"),
        "ppv only": (lambda a, p, n: 0.5 + (a - 0.5) * p, "NPV"),
        "npv only": (lambda a, p, n: 0.5 + (a - 0.5) * n, "PPV"),
        "way back": (lambda a, p, n: 0.5 + (a - 0.5) / (p + n - 1), "way back"),
        "distance": (lambda a, p, n: (a - 0.5) * (p + n - 1), "distance from one half"),
        "squares": (lambda a, p, n: a**2 * p * n, None),
    },
)
BANKS = {"missed_by_group": MISSED, "pooled_auc": POOLED, "auc_with_wrong_labels": NOISE}


@pytest.mark.parametrize("name", BANKS)
def test_bank(name):
    assert judge(BANKS[name]) == []
