"""The checks of lesson 15, each with a bank of right and wrong answers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tests.helpers.bank import Bank, judge, told
from tests.helpers.taught import taught
from util.checks.audit_a_hospital import check_mean_auc, check_missed_gap, check_peak_is_inside, check_word_gap
from util.hospital.estimates import inside_any, share_gap
from util.metrics.roc import auc

NAME = "15_audit_a_hospital"


def word_loop(carries, has):
    counts = {True: [0, 0], False: [0, 0]}
    for word, finding in zip(carries, has, strict=True):
        counts[bool(finding)][0] += bool(word)
        counts[bool(finding)][1] += 1
    return counts[True][0] / counts[True][1] - counts[False][0] / counts[False][1]


WORD = Bank(
    check_word_gap,
    right=[
        word_loop,
        taught(NAME, "word")["word_gap"],
        lambda c, h: share_gap(c, h, np.arange(len(h))).value,
        lambda c, h: np.float32(np.mean(c[h]) - np.mean(c[~h])),
        lambda c, h: (c & h).sum() / h.sum() - (c & ~h).sum() / (~h).sum(),
        lambda c, h: -pd.Series(c.astype(float)).groupby(h).mean().diff().iloc[-1] * -1,
        lambda c, h: np.polyfit(h.astype(float), c.astype(float), 1)[0],
    ],
    wrong={
        "other way": (lambda c, h: h[c].mean() - h[~c].mean(), "films with the word have the FINDING"),
        "turned": (lambda c, h: -word_loop(c, h), "sign is reversed"),
        "size": (lambda c, h: abs(word_loop(c, h)), "sign is lost"),
        "with": (lambda c, h: c[h].mean(), "Compared with what"),
        "without": (lambda c, h: c[~h].mean(), "WITHOUT the finding"),
        "all": (lambda c, h: c[h].mean() - c.mean(), "You compare with all films"),
        "ratio": (lambda c, h: c[h].mean() / c[~h].mean(), "ratio"),
        "all below": (lambda c, h: np.mean(c & h) - np.mean(c & ~h), "number of ALL films"),
        "counts": (lambda c, h: np.sum(c & h) - np.sum(c & ~h), "numbers of films"),
        "marked only": (lambda c, h: h[c].mean() - (~h[c]).mean(), "films with the word only"),
        "correlation": (lambda c, h: np.corrcoef(c, h)[0, 1], "correlation"),
        "margins": (lambda c, h: h.mean() - c.mean(), "how common"),
        "agreement": (lambda c, h: np.mean(c == h), "agree"),
        "both": (lambda c, h: (c[h].mean(), c[~h].mean()), "one number"),
        "percent": (lambda c, h: 100 * word_loop(c, h), "percent"),
    },
)


def missed_loop(mined, seen, inside):
    shares = []
    for side in (True, False):
        rows = [m for m, s, i in zip(mined, seen, inside, strict=True) if s == 1 and i == side]
        shares.append(rows.count(0) / len(rows))
    return shares[0] - shares[1]


MISSED = Bank(
    check_missed_gap,
    right=[
        missed_loop,
        taught(NAME, "missed")["missed_gap"],
        lambda m, s, i: share_gap(m[s == 1] == 0, i[s == 1], np.arange(s.sum())).value,
        lambda m, s, i: np.float32(np.mean(1 - m[(s == 1) & i]) - np.mean(1 - m[(s == 1) & ~i])),
        lambda m, s, i: np.mean(m[(s == 1) & ~i]) - np.mean(m[(s == 1) & i]),
        lambda m, s, i: pd.DataFrame({"m": 1 - m, "i": i})[s == 1].groupby("i")["m"].mean().diff().iloc[-1],
    ],
    wrong={
        "turned": (lambda *a: -missed_loop(*a), "sign is reversed"),
        "size": (lambda *a: abs(missed_loop(*a)), "sign is lost"),
        "unlabeled": (lambda m, s, i: s[(m == 0) & i].mean() - s[(m == 0) & ~i].mean(), "without a label"),
        "all films": (lambda m, s, i: np.mean((s > m)[i]) - np.mean((s > m)[~i]), "divide by all films"),
        "found": (lambda m, s, i: m[(s == 1) & i].mean() - m[(s == 1) & ~i].mean(), "sign is reversed"),
        "all errors": (lambda m, s, i: np.mean((s != m)[i]) - np.mean((s != m)[~i]), "every wrong label"),
        "false labels": (lambda m, s, i: m[(s == 0) & i].mean() - m[(s == 0) & ~i].mean(), "false labels"),
        "no label": (lambda m, s, i: (m == 0)[i].mean() - (m == 0)[~i].mean(), "Use the rereading"),
        "labels": (lambda m, s, i: m[i].mean() - m[~i].mean(), "rereading is not used"),
        "findings": (lambda m, s, i: s[i].mean() - s[~i].mean(), "labels are not used"),
        "net": (lambda m, s, i: (s - m)[i].mean() - (s - m)[~i].mean(), "film by film"),
        "counts": (lambda m, s, i: np.sum((s > m)[i]) - np.sum((s > m)[~i]), "numbers of films"),
        "everybody": (
            lambda m, s, i: np.mean(m[(s == 1) & i] == 0) - np.mean(m[s == 1] == 0),
            "include the group itself",
        ),
        "alone": (lambda m, s, i: np.mean(m[(s == 1) & i] == 0), "Compared with whom"),
        "ratio": (lambda m, s, i: np.mean(m[(s == 1) & i] == 0) / np.mean(m[(s == 1) & ~i] == 0), "ratio"),
        "where": (lambda m, s, i: 2 * i[(s == 1) & (m == 0)].mean() - 1, "in which group the missed films are"),
    },
)


def hit_loop(heat, boxes):
    best = max((heat[r, c], r, c) for r in range(heat.shape[0]) for c in range(heat.shape[1]))
    x, y = best[2] + 0.5, best[1] + 0.5
    return any(b[0] <= x <= b[0] + b[2] and b[1] <= y <= b[1] + b[3] for b in boxes)


def at(heat):
    row, column = np.unravel_index(np.argmax(heat), heat.shape)
    return column + 0.5, row + 0.5


def within(point, box):
    return box[0] <= point[0] <= box[0] + box[2] and box[1] <= point[1] <= box[1] + box[3]


HIT = Bank(
    check_peak_is_inside,
    right=[
        hit_loop,
        taught(NAME, "peak")["peak_is_inside"],
        lambda heat, boxes: inside_any(at(heat), pd.DataFrame(boxes, columns=list("xywh"))),
        lambda heat, boxes: np.bool_(any(within(at(heat.astype(np.float32)), box) for box in boxes)),
        lambda heat, boxes: bool(
            (np.abs(np.array(at(heat)) - boxes[:, :2] - boxes[:, 2:] / 2) <= boxes[:, 2:] / 2).all(axis=1).any()
        ),
        lambda heat, boxes: any(within([v + 0.5 for v in divmod(int(heat.argmax()), 16)][::-1], b) for b in boxes),
    ],
    wrong={
        "whole cells": (
            lambda heat, boxes: any(
                int(b[0]) <= at(heat)[0] - 0.5 <= int(b[0] + b[2])
                and int(b[1]) <= at(heat)[1] - 0.5 <= int(b[1] + b[3])
                for b in boxes
            ),
            "whole cells",
        ),
        "corner": (lambda heat, boxes: any(within([v - 0.5 for v in at(heat)], b) for b in boxes), "half a cell"),
        "swapped": (
            lambda heat, boxes: any(within(at(heat)[::-1], b) for b in boxes),
            "Rows and columns are exchanged",
        ),
        "transposed": (lambda heat, boxes: hit_loop(heat.T, boxes), "Rows and columns are exchanged"),
        "all": (lambda heat, boxes: all(within(at(heat), b) for b in boxes), "EVERY outline"),
        "first": (lambda heat, boxes: within(at(heat), boxes[0]), "Only the first"),
        "last": (lambda heat, boxes: within(at(heat), boxes[-1]), "Only the last"),
        "lowest": (lambda heat, boxes: hit_loop(-heat, boxes), "LOWEST"),
        "absolute": (lambda heat, boxes: hit_loop(np.abs(heat), boxes), "absolute value"),
        "corners": (
            lambda heat, boxes: any(b[0] <= at(heat)[0] <= b[2] and b[1] <= at(heat)[1] <= b[3] for b in boxes),
            "x + width",
        ),
        "centers": (
            lambda heat, boxes: any(within(at(heat), [b[0] - b[2] / 2, b[1] - b[3] / 2, *b[2:]]) for b in boxes),
            "upper left corner",
        ),
        "x only": (lambda heat, boxes: any(b[0] <= at(heat)[0] <= b[0] + b[2] for b in boxes), "Only x"),
        "y only": (lambda heat, boxes: any(b[1] <= at(heat)[1] <= b[1] + b[3] for b in boxes), "Only y"),
        "sides": (
            lambda heat, boxes: any(within(at(heat), [b[0], b[1], b[3], b[2]]) for b in boxes),
            "Width and height",
        ),
        "outside": (lambda heat, boxes: not hit_loop(heat, boxes), "OUTSIDE"),
        "always": (lambda heat, boxes: True, None),
        "never": (lambda heat, boxes: False, None),
    },
)


def aucs(y, p):
    return [roc_auc_score(y[:, k], p[:, k]) for k in range(y.shape[1])]


def by_pairs(y, p):
    found = []
    for labels, scores in zip(y.T, p.T, strict=True):
        gap = scores[labels == 1][:, None] - scores[labels == 0]
        found.append(np.mean((gap > 0) + 0.5 * (gap == 0)))
    return sum(found) / len(found)


MEAN = Bank(
    check_mean_auc,
    right=[
        by_pairs,
        taught(NAME, "mean")["mean_auc"],
        lambda y, p: np.mean(aucs(y, p)),
        lambda y, p: np.float32(roc_auc_score(y, p, average="macro")),
        lambda y, p: np.mean([auc(a, b) for a, b in zip(y.T, p.T, strict=True)]),
        lambda y, p: pd.DataFrame(p).rank().where(y == 1).mean().sub((y.sum(0) + 1) / 2).div((1 - y).sum(0)).mean(),
    ],
    wrong={
        "pooled": (lambda y, p: roc_auc_score(y.ravel(), p.ravel()), "pooled"),
        "positives": (lambda y, p: roc_auc_score(y, p, average="weighted"), "by their positives"),
        "negatives": (lambda y, p: np.average(aucs(y, p), weights=(1 - y).sum(0)), "by their negatives"),
        "pairs": (lambda y, p: np.average(aucs(y, p), weights=y.sum(0) * (1 - y).sum(0)), "by their pairs"),
        "sum": (lambda y, p: sum(aucs(y, p)), "how many"),
        "median": (lambda y, p: np.median(aucs(y, p)), "median"),
        "best": (lambda y, p: max(aucs(y, p)), "best finding"),
        "worst": (lambda y, p: min(aucs(y, p)), "worst finding"),
        "each": (lambda y, p: np.array(aucs(y, p)), "mean is asked for"),
        "any": (lambda y, p: roc_auc_score(y.max(1), p.max(1)), "any finding"),
        "by film": (
            lambda y, p: np.mean([auc(a, b) for a, b in zip(y, p, strict=True) if 0 < a.sum() < len(a)]),
            "FILMS",
        ),
        "accuracy": (lambda y, p: np.mean((p > 0.5) == y), "accuracy"),
        "turned": (lambda y, p: 1 - np.mean(aucs(y, p)), "wrong way round"),
        "yes or no": (lambda y, p: np.mean(aucs(y, p > 0.5)), "yes or no"),
        "first": (lambda y, p: aucs(y, p)[0], "first finding"),
        "rounded": (lambda y, p: round(np.mean(aucs(y, p)), 2), "rounded"),
    },
)


@pytest.mark.parametrize("bank", [WORD, MISSED, HIT, MEAN], ids=lambda bank: bank.check.name)
def test_the_bank_is_judged_rightly(bank):
    assert judge(bank) == []


def test_probes_have_both_answers_and_every_mistake_differs_somewhere():
    probes = check_peak_is_inside.probes()
    answers = [hit_loop(*probe) for probe in probes]
    assert 0 < sum(answers) < len(answers)
    for check in (check_word_gap, check_missed_gap, check_peak_is_inside, check_mean_auc):
        for mistake, hint in check.mistakes:
            assert told(check, mistake), hint
