"""The checks of lesson 7, each with a bank of right and wrong answers."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from tests.helpers.bank import Bank, judge, told
from util.checks.decisions import check_accuracy_at, check_net_benefit_at, check_ppv_at, check_threshold_for
from util.metrics import roc, thresholds


def films(sensitivity, specificity, prevalence, of=1e7):
    """Numbers of films: tp, fp, fn, tn."""
    ill, healthy = of * prevalence, of * (1 - prevalence)
    return ill * sensitivity, healthy * (1 - specificity), ill * (1 - sensitivity), healthy * specificity


def of_films(formula):
    return lambda *rates: formula(*films(*rates))


def drawn(sensitivity, specificity, prevalence):
    tp, fp, fn, tn = np.array(films(sensitivity, specificity, prevalence), np.float32)
    return np.float32((tp + tn) / (tp + fp + fn + tn))


ACCURACY = Bank(
    check_accuracy_at,
    right=[
        drawn,
        of_films(lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn)),
        lambda se, sp, p: se * p + sp * (1 - p),
        lambda se, sp, p: sp + p * (se - sp),
        lambda se, sp, p: 1 - (1 - se) * p - (1 - sp) * (1 - p),
        lambda se, sp, p: np.average([se, sp], weights=[p, 1 - p]),
        lambda se, sp, p: np.dot(np.array([se, sp]), np.array([p, 1 - p])),
    ],
    wrong={
        "balanced": (lambda se, sp, p: (se + sp) / 2, "balanced accuracy"),
        "exchanged": (lambda se, sp, p: se * (1 - p) + sp * p, "exchanged"),
        "hits": (lambda se, sp, p: se * p, "hits alone"),
        "negatives": (lambda se, sp, p: sp * (1 - p), "negative films alone"),
        "sp whole": (lambda se, sp, p: se * p + sp, "WITHOUT"),
        "se whole": (lambda se, sp, p: se + sp * (1 - p), "WITH the finding"),
        "sum": (lambda se, sp, p: se + sp, "weigh"),
        "product": (lambda se, sp, p: se * sp, "product"),
        "youden": (lambda se, sp, p: se + sp - 1, "Youden"),
        "ppv": (thresholds.ppv_at_prevalence, "PPV"),
        "npv": (thresholds.npv_at_prevalence, "NPV"),
        "never": (lambda se, sp, p: 1 - p, "never calls"),
        "sensitivity": (lambda se, sp, p: se, "sensitivity"),
        "error": (lambda se, sp, p: (1 - se) * p + (1 - sp) * (1 - p), "1 minus"),
        "percent": (lambda se, sp, p: 100 * (se * p + sp * (1 - p)), "percent"),
        "f1": (of_films(lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn)), "F1"),
        "halved": (lambda se, sp, p: (se * p + sp * (1 - p)) / 2, "do not average"),
        "geometric": (lambda se, sp, p: np.sqrt(se * sp), None),
    },
)


def by_odds(sensitivity, specificity, prevalence):
    odds = prevalence / (1 - prevalence) * sensitivity / (1 - specificity)
    return odds / (1 + odds)


PPV = Bank(
    check_ppv_at,
    right=[
        thresholds.ppv_at_prevalence,
        by_odds,
        of_films(lambda tp, fp, fn, tn: tp / (tp + fp)),
        lambda se, sp, p: 1 / (1 + (1 - sp) * (1 - p) / (se * p)),
        lambda *rates: np.float32(thresholds.ppv_at_prevalence(*rates)),
        lambda se, sp, p: np.array([se * p, (1 - sp) * (1 - p)])[0] / np.sum([se * p, (1 - sp) * (1 - p)]),
    ],
    wrong={
        "sensitivity": (lambda se, sp, p: se, "sensitivity"),
        "specificity": (lambda se, sp, p: sp, "specificity"),
        "one half": (lambda se, sp, p: 0.5 * se / (0.5 * se + 0.5 * (1 - sp)), "one half only"),
        "joint": (lambda se, sp, p: se * p, "share of ALL films"),
        "healthy": (lambda se, sp, p: se * p / (se * p + 1 - sp), "WITHOUT"),
        "ill": (lambda se, sp, p: se / (se + (1 - sp) * (1 - p)), "WITH the finding"),
        "alarms": (lambda se, sp, p: se * p / (se * p + sp * (1 - p)), "NOT called"),
        "npv": (thresholds.npv_at_prevalence, "NPV"),
        "accuracy": (lambda se, sp, p: se * p + sp * (1 - p), "accuracy"),
        "false": (lambda *rates: 1 - by_odds(*rates), "FALSE alarms"),
        "called": (lambda se, sp, p: se * p + (1 - sp) * (1 - p), "share of films called positive"),
        "odds": (lambda *rates: by_odds(*rates) / (1 - by_odds(*rates)), "odds"),
        "false per true": (lambda *rates: 1 / by_odds(*rates) - 1, "false alarms for each true one"),
        "exchanged": (lambda se, sp, p: by_odds(se, sp, 1 - p), "exchanged"),
        "prevalence": (lambda se, sp, p: p, "prevalence"),
        "product": (lambda se, sp, p: se * sp, "product"),
        "constant": (lambda se, sp, p: 0.123, None),
    },
)


def midpoint(y, score, wanted):
    """Halfway between the best threshold and the next score below it: calls the same films."""
    best = thresholds.threshold_for_sensitivity(y, score, wanted)
    below = score[score < best]
    return (best + below.max()) / 2 if len(below) else best - 1


def from_curve(y, score, wanted):
    _, tpr, thresholds = roc.roc_curve(y, score)
    return thresholds[tpr >= wanted].max()


def from_sklearn(y, score, wanted):
    _, tpr, thresholds = roc_curve(y, score, drop_intermediate=False)
    return thresholds[np.argmax(tpr >= wanted)]


def by_trial(y, score, wanted):
    for threshold in sorted(score, reverse=True):
        if np.mean(score[y == 1] >= threshold) >= wanted:
            return threshold


def by_place(y, score, wanted, shift=0, rounding=np.ceil):
    falling = np.sort(score[y == 1])[::-1]
    return falling[max(int(rounding(np.round(wanted * len(falling), 9))) - 1 + shift, 0)]


THRESHOLD = Bank(
    check_threshold_for,
    right=[
        thresholds.threshold_for_sensitivity,
        midpoint,
        from_curve,
        from_sklearn,
        by_trial,
        by_place,
        lambda y, s, w: np.float32(by_place(y, s, w)),
        lambda y, s, w: (
            np.quantile(s[y == 1], 1 - w, method="inverted_cdf")
            if w == 1
            else -np.quantile(-s[y == 1], w, method="inverted_cdf")
        ),
    ],
    wrong={
        "wrong end": (lambda y, s, w: np.quantile(s[y == 1], w), "wrong end"),
        "interpolated": (lambda y, s, w: np.quantile(s[y == 1], 1 - w), "between two scores"),
        "negatives": (lambda y, s, w: np.quantile(s[y == 0], w), "specificity"),
        "negatives, 1 -": (lambda y, s, w: np.quantile(s[y == 0], 1 - w), "negative films"),
        "all films": (lambda y, s, w: np.quantile(s, 1 - w), "quantile of all films"),
        "share": (lambda y, s, w: w, "wanted share itself"),
        "1 - share": (lambda y, s, w: 1 - w, "1 minus the wanted share"),
        "too few": (lambda y, s, w: by_place(y, s, w, rounding=np.floor), "rounded down"),
        "one too many": (lambda y, s, w: by_place(y, s, w, shift=1) if w < 1 else s[y == 1].min(), "too many"),
        "above all": (lambda y, s, w: s.max() + 1, "stop at the score"),
        "lowest": (lambda y, s, w: s.min(), "HIGHEST"),
        "below": (lambda y, s, w: s.min() - 1, "HIGHEST"),
        "all positives": (lambda y, s, w: s[y == 1].min(), "finds all positive films"),
        "youden": (lambda y, s, w: thresholds.youden_threshold(y, s), "Youden"),
        "curve": (lambda y, s, w: roc.roc_curve(y, s), "should return"),
        "scores": (lambda y, s, w: s, "should return one number"),
        "nearest": (
            lambda y, s, w: min(s, key=lambda t: abs(np.mean(s[y == 1] >= t) - w)),
            None,
        ),
        "place": (lambda y, s, w: int(np.ceil(w * y.sum())), None),
        "nan": (lambda y, s, w: np.nan, "NaN"),
        "text": (lambda y, s, w: "0.5", "should return one number"),
        "upwards": (lambda y, s, w: np.sort(s[y == 1])[int(np.ceil(w * y.sum())) - 1], "upwards"),
    },
)


def benefit(y, p, t, called=None, price=None):
    called = p >= t if called is None else called
    price = t / (1 - t) if price is None else price
    return np.sum(called & (y == 1)) / len(y) - price * np.sum(called & (y == 0)) / len(y)


def by_loop(y, p, t):
    total = 0.0
    for label, answer in zip(y, p, strict=True):
        if answer >= t:
            total += 1 if label else -t / (1 - t)
    return total / len(y)


BENEFIT = Bank(
    check_net_benefit_at,
    right=[
        benefit,
        by_loop,
        lambda y, p, t: thresholds.net_benefit(y, p, [t])["model"][0],
        lambda y, p, t: np.mean(np.where(p >= t, np.where(y == 1, 1, -t / (1 - t)), 0)),
        lambda y, p, t: np.float32(y[p >= t].sum() - t / (1 - t) * (1 - y[p >= t]).sum()) / np.float32(len(y)),
        lambda y, p, t: y.mean() * np.mean(p[y == 1] >= t) - (1 - y.mean()) * np.mean(p[y == 0] >= t) * t / (1 - t),
    ],
    wrong={
        "threshold as price": (lambda y, p, t: benefit(y, p, t, price=t), "ODDS"),
        "upside down": (lambda y, p, t: benefit(y, p, t, price=(1 - t) / t), "upside down"),
        "no price": (lambda y, p, t: benefit(y, p, t, price=1), "price is missing"),
        "added": (lambda y, p, t: benefit(y, p, t, price=-t / (1 - t)), "are added"),
        "totals": (lambda y, p, t: len(y) * benefit(y, p, t), "divide by how many"),
        "of positives": (lambda y, p, t: benefit(y, p, t) / y.mean(), "with the finding"),
        "rates": (lambda y, p, t: np.mean(p[y == 1] >= t) - t / (1 - t) * np.mean(p[y == 0] >= t), "TPR and the FPR"),
        "above": (lambda y, p, t: benefit(y, p, t, p > t), "equals the threshold"),
        "below": (lambda y, p, t: benefit(y, p, t, p < t), "below the threshold"),
        "everybody": (lambda y, p, t: benefit(y, p, t, p > -1), "every film"),
        "one half": (lambda y, p, t: benefit(y, p, t, p >= 0.5), "called at 0.5"),
        "hits": (lambda y, p, t: benefit(y, p, t, price=0), "hits alone"),
        "misses": (lambda y, p, t: (y[p >= t].sum() - t / (1 - t) * y[p < t].sum()) / len(y), "missed films"),
        "accuracy": (lambda y, p, t: np.mean((p >= t) == y), "accuracy"),
        "all called": (
            lambda y, p, t: (y[p >= t].sum() - t / (1 - t) * np.sum(p >= t)) / len(y),
            "only the false alarms",
        ),
        "scaled": (lambda y, p, t: (1 - t) * benefit(y, p, t), "factor"),
        "curve": (lambda y, p, t: thresholds.net_benefit(y, p, [0.1, t])["model"], "should return one number"),
    },
)
BANKS = {"accuracy_at": ACCURACY, "ppv_at": PPV, "threshold_for": THRESHOLD, "net_benefit_at": BENEFIT}


@pytest.mark.parametrize("name", BANKS)
def test_bank(name):
    assert judge(BANKS[name]) == []


def test_a_wrong_threshold_is_told_what_it_finds():
    hint = told(check_threshold_for, lambda y, s, w: by_place(y, s, w, shift=-3))
    assert "the share of positive films found is 0.757, and 0.820 is wanted" in hint
