"""Answers to the exercises of lesson 1: right ones in several styles, wrong ones and what they are told."""

import math

import numpy as np
import pytest
from scipy import ndimage, signal

from tests.helpers.bank import Bank, judge, told
from tests.helpers.taught import taught
from util.checks import films_and_networks as checks


def loop_transmitted(mu, cm):
    share = 1.0
    for m, d in zip(mu, cm, strict=True):
        share = share * math.exp(-m * d)
    return share


TRANSMITTED = Bank(
    checks.check_transmitted,
    right=[
        loop_transmitted,
        lambda mu, cm: np.exp(-np.dot(mu, cm)),
        lambda mu, cm: np.prod(np.exp(-mu * cm)),
        lambda mu, cm: 1 / np.exp((mu * cm).sum()),
        lambda mu, cm: np.exp(-np.float32(mu) @ np.float32(cm)),
        lambda mu, cm: [math.exp(-sum(m * d for m, d in zip(mu.tolist(), cm.tolist(), strict=True)))][0],
        lambda mu, cm: np.exp(np.cumsum(-mu * cm))[-1],
    ],
    wrong={
        "stopped": (lambda mu, cm: 1 - np.exp(-np.dot(mu, cm)), "the layers stop"),
        "sign": (lambda mu, cm: np.exp(np.dot(mu, cm)), "sign in the exponent"),
        "exponent only": (lambda mu, cm: np.dot(mu, cm), "not yet a share"),
        "linear": (lambda mu, cm: 1 - np.dot(mu, cm), "as if each centimeter stopped the same amount"),
        "each layer": (lambda mu, cm: np.exp(-mu * cm), "shares of the single layers"),
        "sum": (lambda mu, cm: sum(np.exp(-mu * cm)), "add the shares"),
        "mean": (lambda mu, cm: np.mean(np.exp(-mu * cm)), "average the shares"),
        "sums apart": (lambda mu, cm: np.exp(-mu.sum() * cm.sum()), "sum of all attenuations"),
        "no thickness": (lambda mu, cm: np.exp(-mu.sum()), "thicknesses are not used"),
        "no attenuation": (lambda mu, cm: np.exp(-cm.sum()), "attenuations are not used"),
        "power of ten": (lambda mu, cm: 10 ** -np.dot(mu, cm), "power of 10"),
        "worst layer": (lambda mu, cm: np.exp(-max(mu * cm)), "stops most"),
        "percent": (lambda mu, cm: 100 * np.exp(-np.dot(mu, cm)), "percent"),
        "rounded": (lambda mu, cm: round(np.exp(-np.dot(mu, cm)), 2), "rounded"),
        "logarithm": (lambda mu, cm: -np.dot(mu, cm), "logarithm"),
        "text": (lambda mu, cm: f"{np.exp(-np.dot(mu, cm)):.2f}", "returns text"),
        "square": (lambda mu, cm: np.exp(-np.dot(mu, cm**2)), None),
    },
)

SHADOW = Bank(
    checks.check_shadow,
    right=[
        lambda w, far, gap: w * far / (far - gap),
        lambda w, far, gap: w / (1 - gap / far),
        lambda w, far, gap: w + w * gap / (far - gap),
        lambda w, far, gap: far * (w / (far - gap)),
        lambda w, far, gap: np.float32(w) * np.float32(far) / np.float32(far - gap),
        lambda w, far, gap: 2 * far * math.tan(math.atan(w / 2 / (far - gap))),
        lambda w, far, gap: np.array(w * (far / (far - gap))),
    ],
    wrong={
        "inverse": (lambda w, far, gap: w * (far - gap) / far, "smaller than the object"),
        "ratio": (lambda w, far, gap: far / (far - gap), "multiply the width"),
        "gap": (lambda w, far, gap: w * far / gap, "from object to detector"),
        "sum": (lambda w, far, gap: w * (far + gap) / far, "how far is it from the tube"),
        "area": (lambda w, far, gap: w * (far / (far - gap)) ** 2, "area"),
        "growth": (lambda w, far, gap: w * gap / (far - gap), "how much the shadow is wider"),
        "same": (lambda w, far, gap: w, "touches the detector"),
        "added": (lambda w, far, gap: w + gap, "factor"),
        "percent wider": (lambda w, far, gap: far / (far - gap) - 1, "width in centimeters is asked for"),
        "gap over far": (lambda w, far, gap: w * gap / far, "both measured from the tube"),
        "behind the film": (lambda w, far, gap: w * far / (far + gap), "nearer"),
        "too far": (lambda w, far, gap: w * (far + gap) / (far - gap), "counted too long"),
        "millimeters": (lambda w, far, gap: 10 * w * far / (far - gap), "10 times"),
        "half": (lambda w, far, gap: w / 2 * far / (far - gap), "0.5 times"),
        "nothing": (lambda w, far, gap: print(w), "returns nothing"),
    },
)


def loops_convolve(film, kernel):
    height, width = film.shape
    sums = []
    for r in range(height - 2):
        sums.append([float((film[r : r + 3, c : c + 3] * kernel).sum()) for c in range(width - 2)])
    return sums


def too_short(film, kernel):
    height, width = film.shape
    return [[(film[r : r + 3, c : c + 3] * kernel).sum() for c in range(width - 3)] for r in range(height - 3)]


CONVOLVE = Bank(
    checks.check_convolve,
    right=[
        loops_convolve,
        lambda f, k: signal.correlate2d(f.astype(float), k, mode="valid"),
        lambda f, k: signal.convolve2d(f.astype(float), k[::-1, ::-1], mode="valid"),
        lambda f, k: ndimage.correlate(f.astype(float), k, mode="constant")[1:-1, 1:-1],
        lambda f, k: np.einsum("hwij,ij->hw", np.lib.stride_tricks.sliding_window_view(f, (3, 3)), k),
        lambda f, k: np.array(loops_convolve(f.astype(np.float32), k.astype(np.float32)), np.float32),
    ],
    wrong={
        "turned": (lambda f, k: signal.convolve2d(f.astype(float), k, mode="valid"), "turned by 180"),
        "same size": (lambda f, k: signal.correlate2d(f.astype(float), k, mode="same"), "as large as the film"),
        "mean": (lambda f, k: signal.correlate2d(f.astype(float), k, mode="valid") / 9, "average over the nine"),
        "relu": (lambda f, k: np.maximum(signal.correlate2d(f.astype(float), k, mode="valid"), 0), "ReLU"),
        "absolute": (lambda f, k: np.abs(signal.correlate2d(f.astype(float), k, mode="valid")), "signs are lost"),
        "transposed kernel": (lambda f, k: np.array(loops_convolve(f, k.T)), "exchanged"),
        "mirrored kernel": (lambda f, k: np.array(loops_convolve(f, k[:, ::-1])), "mirrored"),
        "upside down": (lambda f, k: np.array(loops_convolve(f, k[::-1])), "upside down"),
        "too short": (too_short, None),
        "transposed": (lambda f, k: np.transpose(loops_convolve(f, k)), "exchanged"),
        "no kernel": (lambda f, k: np.array(loops_convolve(f, np.ones((3, 3)))), "kernel is not used"),
        "middle": (lambda f, k: f[1:-1, 1:-1] * k[1, 1], "middle of the kernel"),
        "one number": (lambda f, k: (f[:3, :3] * k).sum(), "one number"),
        "sign": (lambda f, k: -np.array(loops_convolve(f, k)), "sign is wrong"),
        "changes film": (lambda f, k: f.__setitem__((0, 0), 1) or loops_convolve(f, k), "changes the data"),
    },
)


def step_by_loop(w, x, y, rate):
    slope = 0.0
    for a, b in zip(x, y, strict=True):
        slope += 2 * (w * a - b) * a
    return w - rate * slope / len(x)


STEP = Bank(
    checks.check_gradient_step,
    right=[
        step_by_loop,
        lambda w, x, y, r: w - r * 2 * np.mean((w * x - y) * x),
        lambda w, x, y, r: w + 2 * r * np.mean((y - w * x) * x),
        lambda w, x, y, r: w - r * 2 / len(x) * np.dot(x, w * x - y),
        lambda w, x, y, r: w - r * (2 * w * np.mean(x**2) - 2 * np.mean(x * y)),
        lambda w, x, y, r: (
            np.float32(w) - np.float32(r) * np.mean(2 * (np.float32(w * x) - np.float32(y)) * np.float32(x))
        ),
    ],
    wrong={
        "uphill": (lambda w, x, y, r: w + r * np.mean(2 * (w * x - y) * x), "against the slope"),
        "slope": (lambda w, x, y, r: np.mean(2 * (w * x - y) * x), "weight after the step"),
        "step": (lambda w, x, y, r: -r * np.mean(2 * (w * x - y) * x), "add it to the old weight"),
        "no rate": (lambda w, x, y, r: w - np.mean(2 * (w * x - y) * x), "learning rate is not used"),
        "no factor 2": (lambda w, x, y, r: w - r * np.mean((w * x - y) * x), "slope of a square"),
        "sum": (lambda w, x, y, r: w - r * np.sum(2 * (w * x - y) * x), "their mean"),
        "no x": (lambda w, x, y, r: w - r * np.mean(2 * (w * x - y)), "factor x is missing"),
        "loss": (lambda w, x, y, r: w - r * np.mean((w * x - y) ** 2), "step by its slope"),
        "means apart": (lambda w, x, y, r: w - r * 2 * np.mean(w * x - y) * np.mean(x), "apart"),
        "each film": (lambda w, x, y, r: w - r * 2 * (w * x - y) * x, "share one weight"),
        "best weight": (lambda w, x, y, r: np.sum(x * y) / np.sum(x * x), "best weight at once"),
        "no weight": (lambda w, x, y, r: w - r * np.mean(2 * (x - y) * x), "w times x"),
        "direction": (lambda w, x, y, r: w - r * np.sign(np.mean(2 * (w * x - y) * x)), "steep slope"),
        "unchanged": (lambda w, x, y, r: w, None),
        "rate twice": (lambda w, x, y, r: r * (w - r * np.mean(2 * (w * x - y) * x)), None),
        "two": (lambda w, x, y, r: (w, np.mean(2 * (w * x - y) * x)), None),
    },
)

BANKS = {"transmitted": TRANSMITTED, "shadow": SHADOW, "convolve": CONVOLVE, "gradient-step": STEP}


@pytest.mark.parametrize("name", BANKS)
def test_answers_are_judged(name):
    assert judge(BANKS[name]) == []


@pytest.mark.parametrize("name", BANKS)
def test_the_notebook_s_solution_passes(name):
    solution = taught("01_films_and_networks", name)[name.replace("-", "_")]
    assert told(BANKS[name].check, solution) == ""
