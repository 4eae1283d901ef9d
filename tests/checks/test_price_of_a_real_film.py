"""Exercises of lesson 11: right answers in any style pass, and wrong ones are told what is wrong with them."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from tests.helpers.bank import Bank, judge, told
from tests.helpers.taught import taught
from util.checks.price_of_a_real_film import check_films_worth, check_probability_elsewhere, check_whole_patients

# --- Films worth -----------------------------------------------------------------------------------


def worth(films, auc, target):
    if target > auc[-1]:
        return np.inf
    return np.nan if target < auc[0] else 2 ** np.interp(target, auc, np.log2(films))


def worth_by_hand(films, auc, target):
    if target < auc[0]:
        return float("nan")
    for i in range(1, len(films)):
        if auc[i] >= target:
            part = (target - auc[i - 1]) / (auc[i] - auc[i - 1])
            return films[i - 1] * (films[i] / films[i - 1]) ** part
    return math.inf


def within(of):
    return lambda f, a, t: of(f, a, t) if a[0] <= t <= a[-1] else worth(f, a, t)


WORTH = Bank(
    check_films_worth,
    [
        taught("11_price_of_a_real_film", "worth")["films_worth"],
        worth,
        worth_by_hand,
        lambda f, a, t: np.float32(worth(np.float32(f), a, t)),
        lambda f, a, t: pd.Series(np.log(f), index=a).reindex(sorted({*a, t})).interpolate("index", limit_area="inside").pipe(np.exp).get(t)
        if t <= a[-1] else float("inf"),
        lambda f, a, t: 10 ** np.interp(t, a, np.log10(f), left=np.nan, right=np.inf),
        lambda f, a, t: [worth(f, a, t)][0],
    ],
    {
        "clamped": (lambda f, a, t: np.exp(np.interp(t, a, np.log(f))), "np.interp repeats"),
        "clamped below": (lambda f, a, t: np.inf if t > a[-1] else np.exp(np.interp(t, a, np.log(f))), "below the first AUC"),
        "clamped above": (lambda f, a, t: np.nan if t < a[0] else np.exp(np.interp(t, a, np.log(f))), "above the last AUC"),
        "nan above": (lambda f, a, t: np.exp(np.interp(t, a, np.log(f), left=np.nan, right=np.nan)), "np.inf there"),
        "infinite below": (lambda f, a, t: np.inf if not a[0] <= t <= a[-1] else worth(f, a, t), "smallest number suffice"),
        "zero below": (lambda f, a, t: 0 if t < a[0] else worth(f, a, t), "return 0"),
        "straight in films": (lambda f, a, t: np.interp(t, a, f, left=np.nan, right=np.inf), "nearly straight in log(films)"),
        "next point": (within(lambda f, a, t: f[np.searchsorted(a, t)]), "from the table"),
        "nearest point": (within(lambda f, a, t: f[np.argmin(abs(a - t))]), "nearest AUC"),
        "logarithm": (within(lambda f, a, t: np.interp(t, a, np.log(f))), "logarithm of the films"),
        "two bases": (within(lambda f, a, t: np.exp(np.interp(t, a, np.log2(f)))), "same base"),
        "exchanged": (lambda f, a, t: np.interp(t, f, a), "exchanged"),
        "one line": (within(lambda f, a, t: np.exp(np.polyval(np.polyfit(a, np.log(f), 1), t))), "one straight line"),
        "target": (lambda f, a, t: t, "target itself"),
        "whole films": (within(lambda f, a, t: int(worth(f, a, t) + 1e-9)), "rounded down"),
        "rounded": (within(lambda f, a, t: round(worth(f, a, t))), "rounded"),
        "nan at the start": (lambda f, a, t: np.nan if t <= a[0] else worth(f, a, t), "At the first AUC"),
        "infinite at the end": (lambda f, a, t: np.inf if t >= a[-1] else worth(f, a, t), "At the last AUC"),
        "text": (lambda f, a, t: "more than there are", "returns text"),
        "the mean": (lambda f, a, t: f.mean(), None),
        "curve": (lambda f, a, t: np.exp(np.interp(a, a, np.log(f))), "shape"),
    },
)  # fmt: skip


# --- Probability elsewhere -------------------------------------------------------------------------


def elsewhere(z, s, i, h, t):
    return expit(s * z + i + logit(t) - logit(h))


def by_odds(z, s, i, h, t):
    odds = math.exp(s * z + i) * (t / (1 - t)) / (h / (1 - h))
    return odds / (1 + odds)


def by_bayes(z, s, i, h, t):
    p = expit(s * z + i)
    with_it, without = p * t / h, (1 - p) * (1 - t) / (1 - h)
    return with_it / (with_it + without)


ELSEWHERE = Bank(
    check_probability_elsewhere,
    [
        taught("11_price_of_a_real_film", "elsewhere")["probability_elsewhere"],
        elsewhere,
        by_odds,
        by_bayes,
        lambda *a: elsewhere(*map(np.float32, a)),
        lambda z, s, i, h, t: np.array(elsewhere(z, s, i, h, t)),
        lambda z, s, i, h, t: 0.5 * (1 + math.tanh((s * z + i + math.log(t / (1 - t) * (1 - h) / h)) / 2)),
    ],
    {
        "old prevalence": (lambda z, s, i, h, t: expit(s * z + i), "old prevalence"),
        "raw": (lambda z, s, i, h, t: expit(z), "raw logit"),
        "not calibrated": (lambda z, s, i, h, t: expit(z + logit(t) - logit(h)), "calibration is missing"),
        "no intercept": (lambda z, s, i, h, t: expit(s * z + logit(t) - logit(h)), "intercept is missing"),
        "no slope": (lambda z, s, i, h, t: expit(z + i + logit(t) - logit(h)), "slope is missing"),
        "exchanged line": (lambda z, s, i, h, t: expit(i * z + s + logit(t) - logit(h)), "exchanged"),
        "wrong way": (lambda z, s, i, h, t: elsewhere(z, s, i, t, h), "wrong way"),
        "new only": (lambda z, s, i, h, t: expit(s * z + i + logit(t)), "do not remove"),
        "old only": (lambda z, s, i, h, t: expit(s * z + i - logit(h)), "do not add"),
        "logit": (lambda z, s, i, h, t: s * z + i + logit(t) - logit(h), "That is a logit"),
        "odds": (lambda z, s, i, h, t: np.exp(s * z + i + logit(t) - logit(h)), "These are odds"),
        "scaled": (lambda z, s, i, h, t: expit(s * z + i) * t / h, "Odds do"),
        "difference": (lambda z, s, i, h, t: expit(s * z + i + t - h), "difference of their logits"),
        "ratio": (lambda z, s, i, h, t: expit(s * z + i + np.log(t / h)), "p / (1 - p)"),
        "stretched": (lambda z, s, i, h, t: expit(s * (z + logit(t) - logit(h)) + i), "stretched"),
        "negative": (lambda z, s, i, h, t: 1 - elsewhere(z, s, i, h, t), "NOT there"),
        "percent": (lambda *a: 100 * elsewhere(*a), "percent"),
        "half": (lambda *a: 0.5, None),
    },
)  # fmt: skip


# --- Whole patients --------------------------------------------------------------------------------


def whole(patients, films, rng):
    chosen = []
    for patient in rng.permutation(np.unique(patients)):
        if len(chosen) >= films:
            break
        chosen.extend(np.flatnonzero(patients == patient))
    return np.array(chosen)


def whole_in_pandas(patients, films, rng):
    groups = pd.Series(range(len(patients))).groupby(np.asarray(patients)).groups
    order = rng.choice(list(groups), len(groups), replace=False)
    total, count = 0, 0
    while total < films:
        total, count = total + len(groups[order[count]]), count + 1
    return [row for patient in order[:count] for row in groups[patient]]


def whole_by_shuffling(patients, films, rng):
    order = np.unique(patients)
    rng.shuffle(order)
    rows = np.concatenate([np.flatnonzero(patients == patient) for patient in order])
    total = np.cumsum([(patients == patient).sum() for patient in order])
    return rows[: total[np.argmax(total >= films)]]


def films_shuffled(patients, films, rng):
    """Patients in the order of shuffled films: those with many films come first."""
    order = pd.unique(patients[rng.permutation(len(patients))])
    total = np.cumsum([(patients == patient).sum() for patient in order])
    return np.flatnonzero(np.isin(patients, order[: np.searchsorted(total, films) + 1]))


def smallest_first(patients, films, rng):
    everyone, counts = np.unique(patients, return_counts=True)
    order = everyone[np.argsort(counts + rng.random(len(counts)), kind="stable")]
    total = np.cumsum([(patients == patient).sum() for patient in order])
    return np.flatnonzero(np.isin(patients, order[: np.searchsorted(total, films) + 1]))


def small_preferred(patients, films, rng):
    everyone, counts = np.unique(patients, return_counts=True)
    chance = 1.0 / counts**2
    order = rng.choice(everyone, len(everyone), replace=False, p=chance / chance.sum())
    total = np.cumsum([(patients == patient).sum() for patient in order])
    return np.flatnonzero(np.isin(patients, order[: np.searchsorted(total, films) + 1]))


def below(patients, films, rng):
    order = rng.permutation(np.unique(patients))
    total = np.cumsum([(patients == patient).sum() for patient in order])
    return np.flatnonzero(np.isin(patients, order[: np.searchsorted(total, films)]))


class Rolled:
    """In place of a generator: patients in their old order from a random one on."""

    def __init__(self, rng):
        self.rng = rng

    def permutation(self, values):
        return np.roll(values, int(self.rng.integers(len(values))))


def sorts_in_place(patients, films, rng):
    patients.sort()
    return whole(patients, films, rng)


WHOLE = Bank(
    check_whole_patients,
    [
        taught("11_price_of_a_real_film", "patients")["whole_patients"],
        whole,
        whole_in_pandas,
        whole_by_shuffling,
        lambda p, n, rng: np.float32(whole(p, n, rng)),
        lambda p, n, rng: pd.Series(whole(p, n, rng)),
        lambda p, n, rng: tuple(int(row) for row in whole(p, n, rng)),
    ],
    {
        "films at random": (lambda p, n, rng: rng.choice(len(p), n, replace=False), "cut in two"),
        "first films": (lambda p, n, rng: np.arange(n), "cut in two"),
        "own generator": (lambda p, n, rng: whole(p, n, np.random.default_rng(0)), "random order with `rng`"),
        "unseeded": (lambda p, n, rng: whole(p, n, np.random.default_rng()), "`rng` alone"),
        "first patients": (lambda p, n, rng: whole(p, n, type("R", (), {"permutation": staticmethod(lambda x: x)})), "random order"),
        "cut to the number": (lambda p, n, rng: whole(p, n, rng)[:n], "cut in two"),
        "too few": (lambda p, n, rng: whole(p, n // 2, rng), "only"),
        "stops before": (below, "only"),
        "as many patients": (lambda p, n, rng: np.flatnonzero(np.isin(p, rng.permutation(np.unique(p))[:n])), "too many"),
        "all": (lambda p, n, rng: np.arange(len(p)), "too many"),
        "twice": (lambda p, n, rng: np.repeat(whole(p, n, rng), 2), "chosen twice"),
        "from 1": (lambda p, n, rng: whole(p, n, rng) + len(p), "not rows"),
        "mask": (lambda p, n, rng: np.isin(np.arange(len(p)), whole(p, n, rng)), "mask"),
        "patients": (lambda p, n, rng: np.unique(p[whole(p, n, rng)]).astype(str), "These are patients"),
        "films shuffled": (films_shuffled, "many films are chosen more often"),
        "smallest first": (smallest_first, "each order"),
        "small ones preferred": (small_preferred, "less often"),
        "one too many": (lambda p, n, rng: whole(p, n + 1, rng), "too many"),
        "from a random start": (lambda p, n, rng: whole(p, n, Rolled(rng)), "each order"),
        "in place": (sorts_in_place, "changes the array"),
        "a set": (lambda p, n, rng: set(whole(p, n, rng)), "returns a set"),
        "two axes": (lambda p, n, rng: whole(p, n, rng)[:, None], "one axis"),
        "two answers": (lambda p, n, rng: (whole(p, n, rng), n), "one axis"),
    },
)  # fmt: skip


@pytest.mark.parametrize("bank", [WORTH, ELSEWHERE, WHOLE], ids=lambda bank: bank.check.__name__)
def test_bank(bank):
    assert judge(bank) == []


@pytest.mark.parametrize("bank", [WORTH, ELSEWHERE], ids=lambda bank: bank.check.__name__)
def test_every_mistake_is_caught_and_told_by_its_own_hint(bank):
    """A mistake that another one hides, or that is right on all probes, would be of no use."""
    hints = [(mistake, hint) for mistake, hint in bank.check.mistakes]
    assert [told(bank.check, mistake) for mistake, _ in hints] == [hint for _, hint in hints]


def test_every_hint_of_whole_patients_can_be_met():
    assert check_whole_patients.idea.startswith("Shuffle the different patients")
    assert "stopped with ZeroDivisionError" in told(check_whole_patients, lambda p, n, rng: 1 / 0)
    assert "still open" in told(check_whole_patients, _open)


def _open(patients, films, rng):
    raise NotImplementedError
