"""Exercises of lesson 5: right answers in any style pass, and wrong ones are told what is wrong with them."""

import math

import numpy as np
import pytest
from scipy.special import expit, logit

from tests.helpers.bank import Bank, judge, told
from tests.helpers.taught import taught
from util.checks.predict import check_channels_after_block, check_probability_at, check_standardise
from util.losses.weighted import undo_weighting

# --- Channels --------------------------------------------------------------------------------------


def layer_by_layer(channels, layers, growth):
    for _ in range(layers):
        channels += growth
    return channels


CHANNELS = Bank(
    check_channels_after_block,
    [
        taught("05_predict", "channels")["channels_after_block"],
        layer_by_layer,
        lambda c, n, g: sum([c, *[g] * n]),
        lambda c, n, g: np.float32(c + n * g),
        lambda c, n, g: len([*range(c), *(new for _ in range(n) for new in range(g))]),
        lambda c, n, g: np.concatenate([np.zeros(c), np.zeros(n * g)]).size,
        lambda c, n, g: c if n == 0 else layer_by_layer(c + g, n - 1, g),
    ],
    {
        "appended only": (lambda c, n, g: n * g, "what came in is kept".capitalize()),
        "growth": (lambda c, n, g: g, "one dense layer appends"),
        "one layer": (lambda c, n, g: c + g, "after one dense layer"),
        "one missing": (lambda c, n, g: layer_by_layer(c, n - 1, g) if n else c - g, "One dense layer is missing"),
        "one too many": (lambda c, n, g: layer_by_layer(c, n + 1, g), "too many"),
        "multiplied": (lambda c, n, g: c * n * g, "not multiplied"),
        "doubled": (lambda c, n, g: c * 2**n, "second copy"),
        "halved": (lambda c, n, g: (c + n * g) // 2, "transition"),
        "bottleneck": (lambda c, n, g: c + 4 * n * g, "bottleneck"),
        "two convolutions": (lambda c, n, g: c + 2 * n * g, "two convolutions"),
        "brackets": (lambda c, n, g: (c + n) * g, None),
        "all bars": (lambda c, n, g: sum(c + k * g for k in range(n + 1)), "LAST"),
        "list": (lambda c, n, g: [c + k * g for k in range(n + 1)], "after every layer"),
        "text": (lambda c, n, g: str(c + n * g), "returns text"),
        "only the first block": (lambda c, n, g: 256, None),
    },
)


# --- A film ----------------------------------------------------------------------------------------


def film_by_loops(film, mean, std):
    made = np.zeros((*film.shape, 3), dtype=np.float32)
    for row in range(film.shape[0]):
        for column in range(film.shape[1]):
            made[row, column] = (float(film[row, column]) - mean) / std
    return made


FILM = Bank(
    check_standardise,
    [
        taught("05_predict", "standardise")["standardise"],
        film_by_loops,
        lambda f, m, s: np.stack([(f.astype(np.float32) - np.float32(m)) / np.float32(s)] * 3, axis=-1),
        lambda f, m, s: np.dstack([(f - m) / s] * 3).astype("float32"),
        lambda f, m, s: (np.broadcast_to(f[..., None], (*f.shape, 3)).astype(np.float32) - m).astype(np.float32) / np.float32(s),
        lambda f, m, s: np.tile(((f - m) / s)[:, :, np.newaxis], 3).astype(np.float32),
        lambda f, m, s: np.moveaxis(np.array([(f - m) / s] * 3, np.float32), 0, 2),
    ],
    {
        "two axes": (lambda f, m, s: ((f - m) / s).astype(np.float32), "three channels"),
        "channels first": (lambda f, m, s: np.stack([(f - m) / s] * 3).astype(np.float32), "channels come first"),
        "one channel": (lambda f, m, s: ((f - m) / s)[..., None], "one channel"),
        "double": (lambda f, m, s: np.dstack([(f - m) / s] * 3), "float32"),
        "a list": (lambda f, m, s: np.dstack([(f - m) / s] * 3).tolist(), "float32"),
        "own": (lambda f, m, s: np.dstack([(f - f.mean()) / f.std()] * 3), "own mean"),
        "255": (lambda f, m, s: np.dstack([f / 255] * 3), "255"),
        "no SD": (lambda f, m, s: np.dstack([f - m] * 3), "division by the SD is missing"),
        "no mean": (lambda f, m, s: np.dstack([f / s] * 3), "subtraction of the mean is missing"),
        "brackets": (lambda f, m, s: np.dstack([f - m / s] * 3), "parentheses"),
        "variance": (lambda f, m, s: np.dstack([(f - m) / s**2] * 3), "variance"),
        "wraps": (lambda f, m, s: np.dstack([(f - np.uint8(m)) / s] * 3), "wraps"),
        "as read": (lambda f, m, s: np.dstack([f] * 3), "as it was read"),
        "exchanged": (lambda f, m, s: np.dstack([(f - s) / m] * 3), "exchanged"),
        "sign": (lambda f, m, s: np.dstack([(m - f) / s] * 3), "sign is wrong"),
        "in place": (lambda f, m, s: (f.__isub__(np.uint8(3)), np.dstack([(f - m) / s] * 3))[1], "changes the data"),
        "two different channels": (lambda f, m, s: np.dstack([(f - m) / s, (f - m) / s, f]), None),
        "the transposed film": (lambda f, m, s: np.dstack([((f - m) / s).T] * 3), "shape"),
    },
)  # fmt: skip


# --- A probability ---------------------------------------------------------------------------------


def by_odds(z, p):
    odds = np.exp(z) * p / (1 - p)
    return odds / (1 + odds)


def by_loops(z, p):
    pairs = zip(np.ravel(z), np.ravel(p), strict=True)
    made = [1 / (1 + math.exp(-(one + math.log(share / (1 - share))))) for one, share in pairs]
    return made if np.ndim(z) else made[0]


PROBABILITY = Bank(
    check_probability_at,
    [
        taught("05_predict", "prevalence")["probability_at"],
        by_odds,
        by_loops,
        lambda z, p: expit(z + logit(p)),
        lambda z, p: expit(undo_weighting(z, p)),
        lambda z, p: expit(np.float32(z) + np.float32(np.log(p / (1 - p)))),
        lambda z, p: p * expit(z) / (p * expit(z) + (1 - p) * (1 - expit(z))),
    ],
    {
        "unused": (lambda z, p: expit(z), "has not been used"),
        "prevalence": (lambda z, p: p, "film has not been used"),
        "times": (lambda z, p: expit(z) * p, "multiplied"),
        "times twice": (lambda z, p: 2 * expit(z) * p, "do not scale"),
        "logit": (lambda z, p: z + logit(p), "Which function"),
        "odds": (lambda z, p: np.exp(z) * p / (1 - p), "odds"),
        "sign": (lambda z, p: expit(z - logit(p)), "sign is wrong"),
        "log p": (lambda z, p: expit(z + np.log(p)), "p / (1 - p)"),
        "p itself": (lambda z, p: expit(z + p), "Add its logit"),
        "odds added": (lambda z, p: expit(z + p / (1 - p)), "logarithm"),
        "sum of odds": (lambda z, p: 1 - 1 / (1 + np.exp(z) + p / (1 - p)), "You add the odds. Odds multiply"),
        "multiplied": (lambda z, p: expit(z * logit(p)), "multiply two logits"),
        "sigmoid first": (lambda z, p: expit(expit(z) + logit(p)), "logit already"),
        "not there": (lambda z, p: 1 - expit(z + logit(p)), "NOT there"),
        "log 10": (lambda z, p: expit(z + np.log10(p / (1 - p))), "natural"),
        "mean": (lambda z, p: (expit(z) + p) / 2, "mean of two"),
        "percent": (lambda z, p: 100 * expit(z + logit(p)), "percent"),
        "rounded": (lambda z, p: np.round(expit(z + logit(p)), 2), "rounded"),
        "a constant": (lambda z, p: 0.5, None),
    },
)  # fmt: skip


@pytest.mark.parametrize("bank", [CHANNELS, FILM, PROBABILITY], ids=lambda bank: bank.check.name)
def test_bank(bank):
    assert judge(bank) == []


@pytest.mark.parametrize("bank", [CHANNELS, FILM, PROBABILITY], ids=lambda bank: bank.check.name)
def test_every_mistake_is_caught_and_told_by_its_own_hint(bank):
    """A mistake that another one hides, or that is right on all probes, would be of no use."""
    hints = [(mistake, hint) for mistake, hint in bank.check.mistakes]
    assert [told(bank.check, mistake) for mistake, _ in hints] == [hint for _, hint in hints]
