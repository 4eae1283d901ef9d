"""The checks of notebook 6: every right way passes, every known wrong answer meets its own hint."""

import numpy as np
import pytest

from util.checks.answers import CheckFailed
from util.checks.price_of_a_real_film import check_films_worth, check_probability_elsewhere, check_whole_patients


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def logit(p):
    return np.log(p / (1 - p))


def worth(films, auc, target):
    return np.inf if target > auc[-1] else np.exp(np.interp(target, auc, np.log(films)))


def worth_by_hand(films, auc, target):
    for i in range(1, len(films)):
        if auc[i] >= target:
            part = (target - auc[i - 1]) / (auc[i] - auc[i - 1])
            return films[i - 1] * (films[i] / films[i - 1]) ** part
    return float("inf")


def elsewhere(z, slope, intercept, here, there):
    return sigmoid(slope * z + intercept + logit(there) - logit(here))


def elsewhere_by_odds(z, slope, intercept, here, there):
    odds = np.exp(slope * z + intercept) * (there / (1 - there)) / (here / (1 - here))
    return odds / (1 + odds)


def whole(patients, films, rng):
    chosen = []
    for patient in rng.permutation(np.unique(patients)):
        if len(chosen) >= films:
            break
        chosen.extend(np.flatnonzero(patients == patient))
    return np.array(chosen)


def whole_by_count(patients, films, rng):
    order = rng.permutation(np.unique(patients))
    total = np.cumsum([(patients == patient).sum() for patient in order])
    return np.flatnonzero(np.isin(patients, order[: np.searchsorted(total, films) + 1]))


RIGHT = [
    (check_films_worth, worth),
    (check_films_worth, worth_by_hand),
    (check_probability_elsewhere, elsewhere),
    (check_probability_elsewhere, elsewhere_by_odds),
    (check_whole_patients, whole),
    (check_whole_patients, whole_by_count),
]

WRONG = [
    (check_films_worth, lambda f, a, t: np.interp(t, a, f), "straight in log"),
    (check_films_worth, lambda f, a, t: f[np.searchsorted(a, t)], "next number of the table"),
    (check_films_worth, lambda f, a, t: f[np.searchsorted(a, t) - 1], "do not reach the target"),
    (check_films_worth, lambda f, a, t: np.interp(t, a, np.log2(f)), "turn it back"),
    (check_films_worth, lambda f, a, t: np.exp(np.interp(t, a, np.log2(f))), "use one base"),
    (check_films_worth, lambda f, a, t: np.interp(t, f, a), "turned round"),
    (check_films_worth, lambda f, a, t: t, "target itself"),
    (check_films_worth, lambda f, a, t: 2 ** np.interp(t, a, np.log2(f)), "with the last one"),
    (check_films_worth, lambda f, a, t: np.nan if t > a[-1] else worth(f, a, t), "nobody has tried more"),
    (check_films_worth, lambda f, a, t: f.mean(), "Interpolate log"),
    (check_probability_elsewhere, lambda z, s, i, h, t: sigmoid(s * z + i), "old prevalence"),
    (check_probability_elsewhere, lambda z, s, i, h, t: sigmoid(z), "raw logit"),
    (check_probability_elsewhere, lambda z, s, i, h, t: sigmoid(z + logit(t) - logit(h)), "calibration is missing"),
    (check_probability_elsewhere, lambda z, s, i, h, t: sigmoid(s * z + logit(t) - logit(h)), "intercept is missing"),
    (check_probability_elsewhere, lambda z, s, i, h, t: elsewhere(z, s, i, t, h), "wrong way"),
    (check_probability_elsewhere, lambda z, s, i, h, t: s * z + i + logit(t) - logit(h), "That is a logit"),
    (check_probability_elsewhere, lambda z, s, i, h, t: sigmoid(s * z + i) * t / h, "odds do"),
    (check_probability_elsewhere, lambda z, s, i, h, t: sigmoid(s * z + i + t - h), "not theirs"),
    (check_probability_elsewhere, lambda z, s, i, h, t: sigmoid(s * (z + logit(t) - logit(h)) + i), "not stretched"),
    (check_probability_elsewhere, lambda z, s, i, h, t: 0.5, "then the sigmoid"),
    (check_whole_patients, lambda p, n, rng: rng.choice(len(p), n, replace=False), "cut in two"),
    (check_whole_patients, lambda p, n, rng: np.arange(n), "cut in two"),
    (check_whole_patients, lambda p, n, rng: whole(p, n, np.random.default_rng(0)), "shuffle them"),
    (check_whole_patients, lambda p, n, rng: whole(p, n, rng)[:n], "cut in two"),
    (check_whole_patients, lambda p, n, rng: whole(p, n // 2, rng), "only"),
    (check_whole_patients, lambda p, n, rng: np.flatnonzero(np.isin(p, rng.permutation(40)[:n])), "too many"),
    (check_whole_patients, lambda p, n, rng: np.repeat(whole(p, n, rng), 2), "chosen twice"),
    (check_whole_patients, lambda p, n, rng: whole(p, n, rng) + 1000, "not rows"),
    (check_whole_patients, lambda p, n, rng: np.isin(p, p[whole(p, n, rng)]), "whole numbers"),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_pass(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right")


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_wrong_answers_meet_their_hint(check, answer, hint):
    with pytest.raises(CheckFailed, match=hint):
        check(answer)
