"""The checks of lesson 6, each with a bank of right and wrong answers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from tests.helpers.bank import Bank, judge
from util.checks.answers import CheckFailed
from util.checks.roc import check_auc_by_pairs, check_draw_films, check_effective_patients, check_roc_point
from util.metrics import bootstrap, roc


def curve_point(y, score, threshold):
    fpr, tpr, thresholds = roc.roc_curve(y, score)
    last = np.flatnonzero(thresholds >= threshold)[-1]
    return fpr[last], tpr[last]


def point_by_loop(y, score, threshold):
    hits = alarms = 0
    for label, value in zip(y, score, strict=True):
        if value >= threshold:
            hits += label == 1
            alarms += label == 0
    return [alarms / list(y).count(0), hits / list(y).count(1)]


def point_by_matrix(y, score, threshold):
    tn, fp, fn, tp = confusion_matrix(y, score >= threshold).ravel()
    return np.float32(fp / (fp + tn)), np.float32(tp / (tp + fn))


def point_by_table(y, score, threshold):
    return pd.Series(score >= threshold).groupby(y).mean()


def nearest_point(y, score, threshold):
    fpr, tpr, thresholds = roc.roc_curve(y, score)
    place = np.argmin(abs(thresholds - threshold))
    return fpr[place], tpr[place]


def rate(y, score, threshold, label, sign=1):
    return np.mean(sign * score[y == label] >= sign * threshold)


POINT = Bank(
    check_roc_point,
    right=[
        curve_point,
        point_by_loop,
        point_by_matrix,
        point_by_table,
        lambda y, s, t: (np.mean(s[y == 0] >= t), np.mean(s[y == 1] >= t)),
        lambda y, s, t: np.array([((s >= t) & (y == 0)).sum() / (y == 0).sum(), ((s >= t) & (y == 1)).sum() / y.sum()]),
    ],
    wrong={
        "exchanged": (lambda y, s, t: (rate(y, s, t, 1), rate(y, s, t, 0)), "exchanged"),
        "above": (lambda y, s, t: ((s[y == 0] > t).mean(), (s[y == 1] > t).mean()), "equals the threshold"),
        "counts": (lambda y, s, t: (sum(s[y == 0] >= t), sum(s[y == 1] >= t)), "numbers of films"),
        "specificity": (lambda y, s, t: (1 - rate(y, s, t, 0), rate(y, s, t, 1)), "specificity"),
        "of all": (lambda y, s, t: (((s >= t) & (y == 0)).mean(), ((s >= t) & (y == 1)).mean()), "divide by all films"),
        "of called": (lambda y, s, t: ((y[s >= t] == 0).mean(), (y[s >= t] == 1).mean()), "films called positive"),
        "missed": (lambda y, s, t: (rate(y, s, t, 0), 1 - rate(y, s, t, 1)), "that are missed"),
        "below": (lambda y, s, t: (1 - rate(y, s, t, 0), 1 - rate(y, s, t, 1)), "below the threshold"),
        "precision": (lambda y, s, t: (rate(y, s, t, 1), y[s >= t].mean()), "precision-recall"),
        "one half": (lambda y, s, t: (rate(y, s, 0.5, 0), rate(y, s, 0.5, 1)), "not used"),
        "one number": (lambda y, s, t: rate(y, s, t, 1), "TPR alone"),
        "no labels": (lambda y, s, t: (np.mean(s <= t), np.mean(s >= t)), "labels are not used"),
        "percent": (lambda y, s, t: (100 * rate(y, s, t, 0), 100 * rate(y, s, t, 1)), "percent"),
        "turned": (lambda y, s, t: (rate(y, s, t, 0, -1), rate(y, s, t, 1, -1)), None),
        "nearest score": (nearest_point, None),
        "three": (lambda y, s, t: (0.1, 0.2, 0.3), "asked for"),
        "rounded": (lambda y, s, t: tuple(np.round([rate(y, s, t, 0), rate(y, s, t, 1)], 2)), "rounded"),
        "whole divided": (
            lambda y, s, t: (np.sum(s[y == 0] >= t) // sum(y == 0), np.sum(s[y == 1] >= t) // sum(y)),
            None,
        ),
    },
)


def pairs(y, score, tie=0.5):
    return [1 if p > n else tie if p == n else 0 for p in score[y == 1] for n in score[y == 0]]


def by_ranks(y, score):
    ranks, m = pd.Series(score).rank(), int(y.sum())
    return (ranks[y == 1].sum() - m * (m + 1) / 2) / m / (len(y) - m)


def by_grid(y, score):
    """Right for probabilities, blind to logits: thresholds from 0 to 1."""
    points = [((score[y == 0] >= t).mean(), (score[y == 1] >= t).mean()) for t in np.linspace(1.005, -0.005, 102)]
    return np.trapezoid(*np.transpose(points)[::-1])


AUC = Bank(
    check_auc_by_pairs,
    right=[
        roc.auc,
        roc_auc_score,
        by_ranks,
        lambda y, s: np.mean(pairs(y, s)),
        lambda y, s: np.trapezoid(*roc.roc_curve(y, s)[1::-1]),
        lambda y, s: np.float32(np.mean((np.sign(np.subtract.outer(s[y == 1], s[y == 0])) + 1) / 2)),
        lambda y, s: np.array(sum(pairs(y, s)) / (y.sum() * (1 - y).sum()), dtype=np.float32),
    ],
    wrong={
        "ties nothing": (lambda y, s: np.mean(pairs(y, s, tie=0)), "counts nothing"),
        "ties one": (lambda y, s: np.mean(pairs(y, s, tie=1)), "counts one"),
        "ties out": (lambda y, s: sum(pairs(y, s, tie=0)) / np.sum(np.array(pairs(y, s)) != 0.5), "left out"),
        "exchanged": (lambda y, s: 1 - roc.auc(y, s), "NEGATIVE film scores higher"),
        "count": (lambda y, s: sum(pairs(y, s)), "divide by how many pairs"),
        "squared": (lambda y, s: sum(pairs(y, s)) / len(y) ** 2, "all pairs of films"),
        "all pairs": (lambda y, s: sum(pairs(y, s)) / (len(y) * (len(y) - 1) / 2), "all pairs of films"),
        "films": (lambda y, s: sum(pairs(y, s)) / len(y), "number of films"),
        "accuracy": (lambda y, s: np.mean((s >= 0.5) == y), "accuracy"),
        "placements": (lambda y, s: roc.placements(y, s)[0], "each positive film"),
        "means": (lambda y, s: s[y == 1].mean() - s[y == 0].mean(), "difference of the mean scores"),
        "which mean": (
            lambda y, s: float(s[y == 1].mean() > s[y == 0].mean()),
            "Compare every pair of films, not the mean",
        ),
        "signs": (lambda y, s: np.mean(np.sign(np.subtract.outer(s[y == 1], s[y == 0]))), "counts -1"),
        "grid": (by_grid, None),
        "no origin": (lambda y, s: np.trapezoid(*[part[1:] for part in roc.roc_curve(y, s)[1::-1]]), None),
        "better of two": (lambda y, s: max(roc.auc(y, s), 1 - roc.auc(y, s)), None),
        "constant": (lambda y, s: 0.83, None),
        "average precision": (roc.average_precision, None),
        "nothing": (lambda y, s: None, "returns nothing"),
        "no function": (0.5, "asks for a function"),
        "each pair": (pairs, "should return one number"),
    },
)


def counts(patients):
    return pd.Series(patients).value_counts().to_numpy()


def kish_by_loop(patients):
    films = {}
    for patient in patients:
        films[patient] = films.get(patient, 0) + 1
    return sum(films.values()) ** 2 / sum(m * m for m in films.values())


EFFECTIVE = Bank(
    check_effective_patients,
    right=[
        kish_by_loop,
        lambda p: len(p) ** 2 / np.sum(counts(p) ** 2),
        lambda p: 1 / np.sum((counts(p) / len(p)) ** 2),
        lambda p: (
            np.float32(np.sum(np.unique(p, return_counts=True)[1])) ** 2 / np.sum(counts(p).astype(np.float32) ** 2)
        ),
        lambda p: 1 / np.mean(np.equal.outer(p, p)),
        lambda p: pd.Series(counts(p)).sum() ** 2 / (pd.Series(counts(p)) ** 2).sum(),
    ],
    wrong={
        "films": (len, "number of films"),
        "patients": (lambda p: len(set(p)), "different patients"),
        "upside down": (lambda p: np.sum(counts(p) ** 2) / len(p) ** 2, "upside down"),
        "no square on top": (lambda p: len(p) / np.sum(counts(p) ** 2), "square of the sum"),
        "squares over sum": (lambda p: np.sum(counts(p) ** 2) / len(p), "sum of squares over the sum"),
        "top only": (lambda p: len(p) ** 2, "divide it"),
        "below only": (lambda p: np.sum(counts(p) ** 2), "below the line"),
        "same twice": (lambda p: np.sum(counts(p) ** 2) / np.sum(counts(p) ** 2), "square of the sum"),
        "mean": (lambda p: counts(p).mean(), "mean number"),
        "largest": (lambda p: len(p) / counts(p).max(), "most films"),
        "names": (lambda p: p.sum() ** 2 / np.sum(p**2), None),
        "root": (lambda p: np.sqrt(kish_by_loop(p)), "square root"),
        "root below": (lambda p: len(p) / np.sqrt(np.sum(counts(p) ** 2)), "square root"),
        "rounded": (lambda p: round(kish_by_loop(p)), "rounded"),
        "entropy": (lambda p: np.exp(-np.sum(counts(p) / len(p) * np.log(counts(p) / len(p)))), "entropy"),
        "singles": (lambda p: np.sum(counts(p) == 1), "single film"),
        "each": (counts, "one number"),
    },
)


def by_integers(patients, rng):
    names = np.unique(patients)
    return np.concatenate([np.nonzero(patients == names[i])[0] for i in rng.integers(0, len(names), len(names))])


def by_weights(patients, rng):
    """As the course does it: how often each patient counts."""
    _, who = np.unique(patients, return_inverse=True)
    return np.repeat(np.arange(len(patients)), bootstrap.draw_patients(who.max() + 1, 1, rng)[who, 0].astype(int))


def by_groups(patients, rng):
    groups = pd.Series(range(len(patients))).groupby(patients).apply(list)
    return [row for drawn in rng.choice(len(groups), len(groups)) for row in groups.iloc[drawn]]


def rows_of(names, patients):
    return np.concatenate([np.flatnonzero(patients == name) for name in names])


def pick(patients, rng, many=None, replace=True):
    names = np.unique(patients)
    return rng.choice(names, many or len(names), replace=replace)


DRAW = Bank(
    check_draw_films,
    right=[
        by_integers,
        by_weights,
        by_groups,
        lambda p, rng: rows_of(pick(p, rng), p),
        lambda p, rng: np.sort(rows_of(pick(p, rng), p)).astype(np.int32),
        lambda p, rng: [i for name in pick(p, rng).tolist() for i, other in enumerate(p) if other == name],
        lambda p, rng: rows_of([rng.choice(np.unique(p)) for _ in range(len(set(p)))], p),
    ],
    wrong={
        "films": (lambda p, rng: rng.integers(0, len(p), len(p)), "You draw films"),
        "few films": (lambda p, rng: rng.choice(len(p), 3), "You draw films"),
        "names": (lambda p, rng: pick(p, rng), "These are patients"),
        "mask": (lambda p, rng: np.isin(p, pick(p, rng)), "mask"),
        "isin": (lambda p, rng: np.flatnonzero(np.isin(p, pick(p, rng))), "comes once"),
        "set": (lambda p, rng: rows_of(sorted(set(pick(p, rng))), p), "comes once"),
        "without": (lambda p, rng: rows_of(pick(p, rng, replace=False), p), "WITH replacement"),
        "permutation": (lambda p, rng: rng.permutation(len(p)), "WITH replacement"),
        "all": (lambda p, rng: np.arange(len(p)), "WITH replacement"),
        "one too many": (lambda p, rng: rows_of(pick(p, rng, many=len(set(p)) + 1), p), "You draw 5 patients"),
        "by films": (lambda p, rng: rows_of(rng.choice(p, len(np.unique(p))), p), "DIFFERENT patients"),
        "first": (lambda p, rng: np.array([np.flatnonzero(p == n)[0] for n in pick(p, rng)]), "ALL films"),
        "own generator": (lambda p, rng: by_integers(p, np.random.default_rng(0)), "`rng`"),
        "fresh generator": (lambda p, rng: by_integers(p, np.random.default_rng()), "`rng`"),
        "leaves out": (lambda p, rng: rows_of(np.unique(p)[rng.integers(0, 3, len(set(p)))], p), "never drawn"),
        "alone": (lambda p, rng: rows_of([rng.choice(np.unique(p))] * len(set(p)), p), "single patient"),
        "list": (lambda p, rng: [np.flatnonzero(p == n) for n in pick(p, rng)], "flat array"),
        "floats": (lambda p, rng: by_integers(p, rng).astype(float), "whole numbers"),
        "number": (lambda p, rng: 3, "flat array"),
        "nothing": (lambda p, rng: None, "returns nothing"),
        "empty": (lambda p, rng: [], "empty"),
        "outside": (lambda p, rng: by_integers(p, rng) + len(p), "outside"),
    },
)
BANKS = {"roc_point": POINT, "auc_by_pairs": AUC, "effective_patients": EFFECTIVE, "draw_films": DRAW}


@pytest.mark.parametrize("name", BANKS)
def test_bank(name):
    assert judge(BANKS[name]) == []


def test_data_that_are_changed_are_noticed():
    def sorts(y, score):
        score.sort()
        return 0.5

    with pytest.raises(CheckFailed, match="changes the data"):
        check_auc_by_pairs(sorts)
