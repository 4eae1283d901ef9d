"""The checks of lesson 14, each with a bank of right and wrong answers."""

import numpy as np
import pytest

from tests.helpers.bank import Bank, judge, told
from tests.helpers.taught import taught
from util.checks.a_year_in_the_clinic import (
    check_cusum_step,
    check_in_the_large_z,
    check_over_reliance,
    check_year_cost,
)  # fmt: skip
from util.clinic.cusum import cusum
from util.clinic.reliance import reliance
from util.clinic.rules import Prices, cost_of

NAME = "14_a_year_in_the_clinic"


def cost_loop(truth, called, by_hand, miss, hand):
    total = 0.0
    for t, c, b in zip(truth, called, by_hand, strict=True):
        total += miss * (t and not c) + (c and not t) + hand * b
    return total


COST = Bank(
    check_year_cost,
    right=[
        cost_loop,
        taught(NAME, "cost")["year_cost"],
        lambda t, c, b, m, h: cost_of(t, c, b, Prices(m, 1, h))["cost"],
        lambda t, c, b, m, h: np.float32(m * (t & ~c).sum() + (c & ~t).sum() + h * b.sum()),
        lambda t, c, b, m, h: np.dot([m, 1, h], [(t > c).sum(), (c > t).sum(), b.sum()]),
        lambda t, c, b, m, h: np.where(t & ~c, m, np.where(c & ~t, 1, 0)).sum() + h * np.count_nonzero(b),
    ],
    wrong={
        "no work": (lambda t, c, b, m, h: m * (t & ~c).sum() + (c & ~t).sum(), "has a price"),
        "no alarms": (lambda t, c, b, m, h: m * (t & ~c).sum() + h * b.sum(), "False alarms are free"),
        "no misses": (lambda t, c, b, m, h: (c & ~t).sum() + h * b.sum(), "Missed findings are free"),
        "exchanged": (lambda t, c, b, m, h: (t & ~c).sum() + m * (c & ~t).sum() + h * b.sum(), "exchanged"),
        "all called": (lambda t, c, b, m, h: m * (t & ~c).sum() + c.sum() + h * b.sum(), "Every called film"),
        "all left": (lambda t, c, b, m, h: m * (~c).sum() + (c & ~t).sum() + h * b.sum(), "not called"),
        "all ill": (lambda t, c, b, m, h: m * t.sum() + (c & ~t).sum() + h * b.sum(), "also those that were called"),
        "one price": (lambda t, c, b, m, h: (t != c).sum() + h * b.sum(), "as much as a false alarm"),
        "hand is 1": (lambda t, c, b, m, h: m * (t & ~c).sum() + (c & ~t).sum() + b.sum(), "use its price"),
        "model only": (
            lambda t, c, b, m, h: m * (t & ~c & ~b).sum() + (c & ~t & ~b).sum() + h * b.sum(),
            "own mistakes are left out",
        ),
        "mean": (lambda *a: cost_loop(*a) / len(a[0]), "mean cost"),
        "right ones": (lambda t, c, b, m, h: m * (t & c).sum() + (~t & ~c).sum() + h * b.sum(), "RIGHTLY"),
        "by film": (lambda t, c, b, m, h: m * (t & ~c) + (c & ~t) + h * b, None),
        "text": (lambda *a: str(cost_loop(*a)), None),
    },
)


def large_loop(y, p):
    gap = variance = 0.0
    for label, probability in zip(y, p, strict=True):
        gap, variance = gap + label - probability, variance + probability * (1 - probability)
    return gap / variance**0.5


LARGE = Bank(
    check_in_the_large_z,
    right=[
        large_loop,
        taught(NAME, "large")["in_the_large_z"],
        lambda y, p: (y - p).sum() / np.sqrt((p - p**2).sum()),
        lambda y, p: np.float32(y.sum() - p.sum()) / np.float32(np.sqrt(p @ (1 - p))),
        lambda y, p: len(y) * np.mean(y - p) / np.sqrt(len(y) * np.mean(p * (1 - p))),
        lambda y, p: np.mean(y - p) / np.sqrt(np.sum(p * (1 - p)) / len(y) ** 2),
    ],
    wrong={
        "gap": (lambda y, p: y.sum() - p.sum(), "vary by chance"),
        "mean gap": (lambda y, p: y.mean() - p.mean(), "mean difference"),
        "turned": (lambda y, p: -large_loop(y, p), "turned round"),
        "size": (lambda y, p: abs(large_loop(y, p)), "sign is lost"),
        "variance": (lambda y, p: (y - p).sum() / (p * (1 - p)).sum(), "square root"),
        "poisson": (lambda y, p: (y - p).sum() / p.sum() ** 0.5, "rare count"),
        "one p": (lambda y, p: (y - p).sum() / np.sqrt(len(y) * p.mean() * (1 - p.mean())), "own probability"),
        "root n": (lambda y, p: (y - p).sum() / np.sqrt(len(y)), "variance 1"),
        "one film": (lambda y, p: (y - p).mean() / (y - p).std(), "of the SUM"),
        "mixed": (lambda y, p: (y - p).mean() / np.sqrt((p * (1 - p)).sum()), "use the sum for both"),
        "sum of roots": (lambda y, p: (y - p).sum() / np.sqrt(p * (1 - p)).sum(), "Variances add up"),
        "seen spread": (lambda y, p: (y - p).sum() / ((y - p).std() * np.sqrt(len(y))), "happened to have"),
        "ratio": (lambda y, p: y.sum() / p.sum(), "ratio"),
        "each film": (lambda y, p: (y - p) / np.sqrt(p * (1 - p)), None),
    },
)


def step_by_two(up, down, z, slack):
    sums = cusum([up + slack, z], slack)[0][1], cusum([-down - slack, z], slack)[1][1]
    return sums


STEP = Bank(
    check_cusum_step,
    right=[
        step_by_two,
        taught(NAME, "step")["cusum_step"],
        lambda u, d, z, k: [max(0, u + z - k), max(0, d - z - k)],
        lambda u, d, z, k: np.maximum(0, np.array([u + z, d - z]) - k),
        lambda u, d, z, k: np.float32([max(u + z - k, 0), max(d - z - k, 0)]),
        lambda u, d, z, k: tuple(np.clip([u + z - k, d - z - k], 0, None)),
    ],
    wrong={
        "below 0": (lambda u, d, z, k: (u + z - k, d - z - k), "falls below 0"),
        "no slack": (lambda u, d, z, k: (max(0, u + z), max(0, d - z)), "slack is not used"),
        "added slack": (lambda u, d, z, k: (max(0, u + z + k), max(0, d - z + k)), "slack is added"),
        "both rise": (lambda u, d, z, k: (max(0, u + z - k), max(0, d + z - k)), "watch for a rise"),
        "helps": (lambda u, d, z, k: (max(0, u + z - k), max(0, d - z + k)), "slow down both"),
        "negative": (lambda u, d, z, k: (max(0, u + z - k), min(0, d + z + k)), "kept below 0"),
        "exchanged": (lambda u, d, z, k: (max(0, d + z - k), max(0, u - z - k)), "exchanged"),
        "order": (lambda u, d, z, k: (max(0, d - z - k), max(0, u + z - k)), "wrong order"),
        "forgets": (lambda u, d, z, k: (max(0, z - k), max(0, -z - k)), "forgotten"),
        "never falls": (lambda u, d, z, k: (u + max(0, z - k), d + max(0, -z - k)), "never fall"),
        "at slack": (lambda u, d, z, k: (max(k, u + z - k), max(k, d - z - k)), "held at 0"),
        "size": (lambda u, d, z, k: (max(0, u + abs(z) - k), max(0, d + abs(z) - k)), "sign of z"),
        "one": (lambda u, d, z, k: max(0, u + z - k), None),
        "larger": (lambda u, d, z, k: max(u + z - k, d - z - k, 0), None),
    },
)


def over_loop(truth, alone, advice, final):
    led = [f == v for t, a, v, f in zip(truth, alone, advice, final, strict=True) if a == t and v != t]
    return sum(led) / len(led)


def share(hit, of):
    return lambda t, a, v, f: np.mean(hit(t, a, v, f)[of(t, a, v, f)])


OVER = Bank(
    check_over_reliance,
    right=[
        over_loop,
        taught(NAME, "over")["over_reliance"],
        lambda *a: reliance(*a).loc["over-reliance", "share"],
        lambda t, a, v, f: np.sum((a == t) & (v != t) & (f != t)) / np.sum((a == t) & (v != t)),
        lambda t, a, v, f: np.float32(np.mean((f != a)[(a == t) & (v != a)])),
        lambda t, a, v, f: 1 - np.mean(f[(a == t) & (v != t)] == t[(a == t) & (v != t)]),
    ],
    wrong={
        "remained": (share(lambda t, a, v, f: f == t, lambda t, a, v, f: (a == t) & (v != t)), "REMAINED"),
        "all wrong advice": (share(lambda t, a, v, f: f == v, lambda t, a, v, f: v != t), "All wrong advice"),
        "all that differs": (share(lambda t, a, v, f: f == v, lambda t, a, v, f: a != v), "differs from the first"),
        "under": (share(lambda t, a, v, f: f != v, lambda t, a, v, f: (a != t) & (v == t)), "UNDER"),
        "helped": (share(lambda t, a, v, f: f == v, lambda t, a, v, f: (a != t) & (v == t)), "HELPED"),
        "all right": (share(lambda t, a, v, f: f == v, lambda t, a, v, f: a == t), "rightly alone"),
        "of all": (lambda t, a, v, f: np.mean((a == t) & (v != t) & (f == v)), "all films"),
        "of wrong": (share(lambda t, a, v, f: (a == t) & (v != t), lambda t, a, v, f: f != t), "other way round"),
        "number": (lambda t, a, v, f: np.sum((a == t) & (v != t) & (f == v)), "a share is asked for"),
        "agrees": (lambda t, a, v, f: np.mean(f == v), "agrees with the advice"),
        "changed": (lambda t, a, v, f: np.mean(f != a), "changed the answer"),
        "errors": (lambda t, a, v, f: np.mean(f != t), "wrong answers in the end"),
        "bad advice": (lambda t, a, v, f: np.mean(v != t), "reader is not used"),
        "per cent": (lambda *a: 100 * over_loop(*a), None),
    },
)
BANKS = {"year_cost": COST, "in_the_large_z": LARGE, "cusum_step": STEP, "over_reliance": OVER}


@pytest.mark.parametrize("name", BANKS)
def test_bank(name):
    assert judge(BANKS[name]) == []


FURTHER = [  # wrong answers that came to mind later: none passes
    (check_year_cost, lambda t, c, b, m, h: m * (t & ~c).sum() + (c & ~t & ~b).sum() + h * b.sum()),
    (check_year_cost, lambda t, c, b, m, h: m * (t & ~c).sum() + (c & ~t).sum() + h * (~b).sum()),
    (check_year_cost, lambda t, c, b, m, h: m * (t & ~c).mean() + (c & ~t).mean() + h * b.mean()),
    (check_in_the_large_z, lambda y, p: (y - p).sum() / np.sqrt(np.sum((y - p) ** 2))),
    (check_in_the_large_z, lambda y, p: (y - (p > 0.5)).sum() / np.sqrt((p * (1 - p)).sum())),
    (check_cusum_step, lambda u, d, z, k: (min(0, u + z - k), min(0, d - z - k))),
    (check_cusum_step, lambda u, d, z, k: (max(0, u + z - k), max(0, d - u - k))),
    (check_cusum_step, lambda u, d, z, k: (max(u, z - k), max(d, -z - k))),
    (check_over_reliance, lambda t, a, v, f: np.mean(f[v != t] != t[v != t])),
    (check_over_reliance, lambda t, a, v, f: np.mean((f == v)[(a == t)]) - np.mean((f == v)[(a != t)])),
]


@pytest.mark.parametrize("place", range(len(FURTHER)))
def test_further_wrong_answers_do_not_pass(place):
    check, answer = FURTHER[place]
    assert told(check, answer)
