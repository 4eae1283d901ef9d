"""Exercises of lesson 4: right answers in any style pass, and wrong ones are told what is wrong with them."""

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit

from tests.helpers.bank import Bank, judge, told
from tests.helpers.taught import taught
from util.checks.weighted_loss import (
    _batches,
    _slopes,
    check_class_weights,
    check_scale,
    check_slope,
    check_weighted_cross_entropy,
)
from util.losses.weighted import class_weights, undo_weighting, weighted_cross_entropy, weighted_loss

defined = partial(taught, "04_weighted_loss", sigmoid=expit, print=lambda *_, **__: None)

# --- Weights ---------------------------------------------------------------------------------------


def weights_by_counting(labels):
    positive, negative = [], []
    for name in labels.columns:
        hits = sum(int(value) for value in labels[name])
        positive.append((len(labels) - hits) / len(labels))
        negative.append(hits / len(labels))
    return positive, negative


WEIGHTS = Bank(
    check_class_weights,
    [
        class_weights,
        defined("class-weights-solution")["class_weights"],
        weights_by_counting,
        lambda y: (1 - y.mean(), y.mean()),
        lambda y: [(y == 0).mean(), (y == 1).mean()],
        lambda y: np.stack([1 - y.to_numpy(np.float32).mean(0), y.to_numpy(np.float32).mean(0)]),
        lambda y: (tuple(1 - y.mean()), tuple(y.mean())),
    ],
    {
        "swapped": (lambda y: (y.mean(), 1 - y.mean()), "exchanged"),
        "counts": (lambda y: ((y == 0).sum(), y.sum()), "numbers of films"),
        "counts, swapped": (lambda y: (y.sum(), (y == 0).sum()), "exchanged"),
        "one for all": (lambda y: (1 - y.to_numpy().mean(), y.to_numpy().mean()), "each finding has its own"),
        "per film": (lambda y: (1 - y.mean(axis=1), y.mean(axis=1)), "one weight for each film"),
        "positives only": (lambda y: 1 - y.mean(), "negative films as well"),
        "negatives only": (lambda y: y.mean(), "positive films as well"),
        "equal": (lambda y: (1 - y.mean(), 1 - y.mean()), "same weight"),
        "inverse": (lambda y: (1 / y.mean(), 1 / (1 - y.mean())), "different scale"),
        "equalised": (lambda y: class_weights(y, equalise=True), "different scale"),
        "pos_weight": (lambda y: ((1 - y.mean()) / y.mean(), np.ones(y.shape[1])), "different scale"),
        "balanced for sklearn": (lambda y: (len(y) / (2 * y.sum()), len(y) / (2 * (len(y) - y.sum()))), "different scale"),
        "ones": (lambda y: (np.ones(y.shape[1]), np.ones(y.shape[1])), "plain loss"),
        "percent": (lambda y: (100 * (1 - y.mean()), 100 * y.mean()), "percent"),
        "rounded": (lambda y: ((1 - y.mean()).round(2), y.mean().round(2)), "rounded"),
        "a dict": (lambda y: {"positive": 1 - y.mean(), "negative": y.mean()}, "cannot be read as numbers"),
        "findings first": (lambda y: np.stack([1 - y.mean(), y.mean()], axis=1), None),
    },
)  # fmt: skip


# --- Scale -----------------------------------------------------------------------------------------


def scale_by_films(p):
    """Many films, each with its weight."""
    p = np.asarray(p, dtype=float)
    return (p * np.log(2) * (1 - p) + (1 - p) * np.log(2) * p) / np.log(2)


SCALE = Bank(
    check_scale,
    [
        defined("scale-solution")["scale"],
        scale_by_films,
        lambda p: 2 * p - 2 * p**2,
        lambda p: 1 - (p**2 + (1 - p) ** 2),
        lambda p: np.float32(2) * np.asarray(p, np.float32) * (1 - np.asarray(p, np.float32)),
        lambda p: 0.5 - 2 * (p - 0.5) ** 2,
        lambda p: np.vectorize(lambda share: share * (1 - share) * 2)(p),
    ],
    {
        "one side": (lambda p: p * (1 - p), "other side contributes as much again"),
        "ones": (lambda p: np.ones_like(p), "took nothing away"),
        "one": (lambda p: 1, "took nothing away"),
        "p": (lambda p: p, "share of the positive films"),
        "1 - p": (lambda p: 1 - p, "share of the negative films"),
        "2 p": (lambda p: 2 * p, "rare finding"),
        "with log 2": (lambda p: 2 * p * (1 - p) * math.log(2), "plain loss"),
        "over log 2": (lambda p: 2 * p * (1 - p) / math.log(2), "log 2"),
        "exchanged": (lambda p: p * p + (1 - p) * (1 - p), "exchanged"),
        "other way round": (lambda p: 1 / (2 * p * (1 - p)), "other way round"),
        "ratio of sides": (lambda p: (1 - p) / p, "two whole losses"),
        "entropy": (lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p), "answers the prevalence"),
        "summed": (lambda p: np.sum(2 * p * (1 - p)), "ratio of its own"),
        "percent": (lambda p: 200 * p * (1 - p), "percent"),
        "cube": (lambda p: p**3, None),
    },
)


# --- The loss --------------------------------------------------------------------------------------


def each(y, z, positive, negative):
    """Weighted loss of each film and finding, by scipy."""
    return -(positive * y * log_expit(z) + negative * (1 - y) * log_expit(-z))


def loss_by_loops(y, z, positive, negative):
    total = 0.0
    for film in range(len(y)):
        for k in range(len(positive)):
            far = -z[film, k] if y[film, k] == 1 else z[film, k]
            weight = positive[k] if y[film, k] == 1 else negative[k]
            total += weight * (max(far, 0.0) + math.log1p(math.exp(-abs(far))))
    return total / y.size


def single(y, z, p, n):
    y, z, p, n = (np.asarray(values, np.float32) for values in (y, z, p, n))
    return np.where(y == 1, p * np.logaddexp(0, -z), n * np.logaddexp(0, z)).mean()


def clipped(z):
    return np.clip(expit(z), 1e-7, 1 - 1e-7)


LOSS = Bank(
    check_weighted_cross_entropy,
    [
        weighted_cross_entropy,
        defined("weighted-cross-entropy-solution")["weighted_cross_entropy"],
        lambda *a: each(*a).mean(),
        loss_by_loops,
        single,
        lambda y, z, p, n: np.average(np.where(y, p, n) * np.logaddexp(0, np.where(y, -z, z))),
        lambda y, z, p, n: float(each(y, z, p, n).sum() / y.size),
        lambda y, z, p, n: float(np.mean(weighted_loss(p, n)(y, z))),
    ],
    {
        "sum": (lambda *a: each(*a).sum(), "grows with the batch"),
        "sum over findings": (lambda *a: each(*a).sum(axis=1).mean(), "add up the findings"),
        "per finding": (lambda *a: each(*a).mean(axis=0), "one number for each finding"),
        "per film": (lambda *a: each(*a).mean(axis=1), "one number for each film"),
        "each": (each, "one number for each film and finding"),
        "sign": (lambda *a: -each(*a).mean(), "never negative"),
        "softplus": (lambda y, z, p, n: each(y, -z, p, n).mean(), "signs of the logit"),
        "swapped": (lambda y, z, p, n: each(y, z, n, p).mean(), "exchanged"),
        "plain": (lambda y, z, p, n: each(y, z, 1, 1).mean(), "weights are not used"),
        "positives only": (lambda y, z, p, n: each(y, z, p, 0).mean(), "negative films are left out"),
        "sigmoid": (lambda y, z, p, n: each(y, expit(z), p, n).mean(), "sigmoid is taken first"),
        "normalised": (lambda y, z, p, n: each(y, z, p, n).sum() / np.where(y, p, n).sum(), "sum of the weights"),
        "labels unused": (lambda y, z, p, n: (p * np.logaddexp(0, -z) + n * np.logaddexp(0, z)).mean(), "labels y are not used"),
        "log 10": (lambda *a: each(*a).mean() / np.log(10), "0.4343 times"),
        "naive": (lambda y, z, p, n: -(p * y * np.log(expit(z)) + n * (1 - y) * np.log(1 - expit(z))).mean(), "1,000"),
        "exp": (lambda y, z, p, n: (p * y * np.log1p(np.exp(-z)) + n * (1 - y) * np.log1p(np.exp(z))).mean(), "overflows"),
        "clipped": (lambda y, z, p, n: -(p * y * np.log(clipped(z)) + n * (1 - y) * np.log(1 - clipped(z))).mean(), "ceiling"),
        "clipped logits": (lambda y, z, p, n: each(y, np.clip(z, -30, 30), p, n).mean(), "ceiling"),
        "epsilon": (lambda y, z, p, n: -(p * y * np.log(expit(z) + 1e-12) + n * (1 - y) * np.log(expit(-z) + 1e-12)).mean(), "ceiling"),
    },
)  # fmt: skip


# --- The slope -------------------------------------------------------------------------------------


def slopes(y, z, positive, negative):
    return (positive * y * (expit(z) - 1) + negative * (1 - y) * expit(z)) / y.size


def numerical(y, z, p, n, h=1e-3):
    """By differences of each film's own loss."""
    return (each(y, z + h, p, n) - each(y, z - h, p, n)) / (2 * h * y.size)


def slope_by_loops(y, z, p, n):
    rows = []
    for labels, logits in zip(y, z, strict=True):
        q = [1 / (1 + math.exp(-v)) if v > -700 else 0.0 for v in logits]
        rows.append([(p[k] * (q[k] - 1) if labels[k] else n[k] * q[k]) / y.size for k in range(len(q))])
    return rows


SLOPE = Bank(
    check_slope,
    [
        defined("slope-solution")["slope"],
        slopes,
        numerical,
        slope_by_loops,
        lambda y, z, p, n: np.where(y == 1, -p * expit(-z), n * expit(z)) / (len(y) * len(p)),
        lambda y, z, p, n: (np.where(y == 1, p, n) * (expit(z) - y) / y.size).astype(np.float32),
        lambda y, z, p, n: pd.DataFrame(slopes(y, z, p, n)),
    ],
    {
        "sum": (lambda *a: slopes(*a) * a[0].size, "slope of the sum"),
        "per film": (lambda *a: slopes(*a) * a[0].shape[1], "number of films only"),
        "per finding": (lambda *a: slopes(*a) * len(a[0]), "number of findings only"),
        "sign": (lambda *a: -slopes(*a), "sign is wrong"),
        "plain": (lambda y, z, p, n: (expit(z) - y) / y.size, "weights are not used"),
        "swapped": (lambda y, z, p, n: slopes(y, z, n, p), "exchanged"),
        "same": (lambda y, z, p, n: np.where(y == 1, p, n) * expit(z) / y.size, "w+ q"),
        "twice": (lambda y, z, p, n: slopes(y, z, p, n) * expit(z) * (1 - expit(z)), "factor q (1 - q)"),
        "logit": (lambda y, z, p, n: np.where(y == 1, p * (z - 1), n * z) / y.size, "logit z"),
        "loss": (lambda y, z, p, n: each(y, z, p, n) / y.size, "not its slope"),
        "one": (lambda *a: slopes(*a).mean(), "slope of its own"),
        "transposed": (lambda *a: slopes(*a).T, "axes exchanged"),
        "along q": (lambda y, z, p, n: (-p * y / expit(z) + n * (1 - y) / expit(-z)) / y.size, "PROBABILITY"),
        "overflow": (lambda y, z, p, n: (p * y * (np.exp(z) / (1 + np.exp(z)) - 1) + n * (1 - y) * np.exp(z) / (1 + np.exp(z))) / y.size, "overflows"),
        "clipped": (lambda y, z, p, n: slopes(y, np.clip(z, -8, 8), p, n), None),
        "silent far out": (lambda y, z, p, n: slopes(y, z, p, n) * (abs(z) < 100), "full weight"),
        "half more": (lambda *a: slopes(*a) * 1.5, "1.5 times"),
    },
)  # fmt: skip


@pytest.mark.parametrize("bank", [WEIGHTS, SCALE, LOSS, SLOPE], ids=lambda bank: bank.check.name)
def test_bank(bank):
    assert judge(bank) == []


@pytest.mark.parametrize("bank", [WEIGHTS, SCALE, LOSS, SLOPE], ids=lambda bank: bank.check.name)
def test_every_mistake_is_caught_and_told_by_its_own_hint(bank):
    """A mistake that another one hides, or that is right on all probes, would be of no use."""
    hints = [(mistake, hint) for mistake, hint in bank.check.mistakes]
    assert [told(bank.check, mistake) for mistake, _ in hints] == [hint for _, hint in hints]


def test_slopes_are_those_of_finite_differences():
    for y, z, positive, negative in _batches():
        step, found = 1e-5, np.empty(z.shape)
        for place in np.ndindex(z.shape):
            rise = np.zeros(z.shape)
            rise[place] = step
            losses = [weighted_cross_entropy(y, z + sign * rise, positive, negative) for sign in (1, -1)]
            found[place] = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose(found, _slopes(y, z, positive, negative), atol=1e-9)


def test_taught_undoing_is_its_twin():
    z, p = np.random.default_rng(2).normal(size=(5, 3)), np.array([0.01, 0.2, 0.6])
    np.testing.assert_allclose(
        defined("undo-weighting")["undo_weighting"](z, p),
        undo_weighting(z, p),
    )


def test_taught_loss_for_keras_is_its_twin():
    random = np.random.default_rng(0)
    y = (random.random((30, 4)) < 0.3).astype(int)
    y[0], y[1] = 1, 0
    z = (20 * random.normal(size=y.shape)).astype("float32")
    weights = [side.astype("float32") for side in class_weights(y)]
    taught_loss = defined("weighted-loss")["loss_with"](*weights)
    found, twin = np.mean(taught_loss(y.astype("float32"), z)), weighted_loss(*weights)(y, z)
    assert np.isclose(found, float(twin), rtol=1e-6)
