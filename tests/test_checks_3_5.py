"""The checks of notebooks 3 and 5: every right way passes, every known wrong answer meets its own hint."""

import numpy as np
import pytest

from util.checks.answers import CheckFailed
from util.checks.gradcam import check_channel_weights, check_finding_map, check_peak_pixel
from util.checks.predict import check_channels_after_block, check_probability_at, check_standardise


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def logit(p):
    return np.log(p / (1 - p))


def channel_by_loop(channels, layers, growth):
    for _ in range(layers):
        channels += growth
    return channels


def stacked(film, mean, std):
    return np.stack([(film.astype(np.float32) - mean) / std] * 3, axis=-1).astype(np.float32)


def cell(cam):
    return np.unravel_index(cam.argmax(), cam.shape)


def centre(row, column, shape, height, width):
    return (column + 0.5) * width / shape[1], (row + 0.5) * height / shape[0]


RIGHT = [
    (check_channels_after_block, lambda channels, layers, growth: channels + layers * growth),
    (check_channels_after_block, channel_by_loop),
    (check_standardise, stacked),
    (check_standardise, lambda f, m, s: np.repeat(((f - np.float32(m)) / s).astype("float32")[..., None], 3, -1)),
    (check_probability_at, lambda z, p: sigmoid(z + logit(p))),
    (check_probability_at, lambda z, p: (o := np.exp(z) * p / (1 - p)) / (1 + o)),
    (check_channel_weights, lambda g, k: g[k].mean(axis=(0, 1))),
    (check_channel_weights, lambda g, k: np.einsum("hwc->c", g[k]) / g[k][..., 0].size),
    (check_finding_map, lambda a, w: np.maximum(a @ w, 0)),
    (check_finding_map, lambda a, w: (a * w).sum(-1).clip(0)),
    (check_peak_pixel, lambda cam, height, width: centre(*cell(cam), cam.shape, height, width)),
    (check_peak_pixel, lambda cam, height, width: np.array(centre(*cell(cam), cam.shape, height, width))),
]

WRONG = [
    (check_channels_after_block, lambda c, n, k: n * k, "input is kept"),
    (check_channels_after_block, lambda c, n, k: c + k, "after one layer"),
    (check_channels_after_block, lambda c, n, k: k, "one layer's share"),
    (check_channels_after_block, lambda c, n, k: c + (n - 1) * k, "One layer is missing"),
    (check_channels_after_block, lambda c, n, k: c * n * k, "not multiplied"),
    (check_channels_after_block, lambda c, n, k: c * 2**n, "second copy"),
    (check_channels_after_block, lambda c, n, k: (c + n * k) // 2, "transition"),
    (check_channels_after_block, lambda c, n, k: 256, "What is there at the end"),
    (check_standardise, lambda f, m, s: (f - m) / s, "three channels"),
    (check_standardise, lambda f, m, s: np.stack([(f - m) / s] * 3), "Channels come last"),
    (check_standardise, lambda f, m, s: stacked(f, f.mean(), f.std()), "own mean"),
    (check_standardise, lambda f, m, s: stacked(f, 0, 255), "255"),
    (check_standardise, lambda f, m, s: stacked(f, m, 1), "division by the SD is missing"),
    (check_standardise, lambda f, m, s: stacked(f, 0, s), "taken away before"),
    (check_standardise, lambda f, m, s: stacked(f, m / s, 1), "Brackets"),
    (check_standardise, lambda f, m, s: stacked(f, m, s**2), "squared"),
    (check_standardise, lambda f, m, s: stacked(f / 255, m, s), "gray levels"),
    (check_standardise, lambda f, m, s: stacked(f - np.uint8(m), 0, s), "uint8"),
    (check_standardise, lambda f, m, s: stacked(f, 0, 1), "still as it was read"),
    (check_standardise, lambda f, m, s: stacked(f, m, s).astype("float64"), "float32"),
    (check_standardise, lambda f, m, s: stacked(f, m, s).astype("float16"), "Take the given mean|float32"),
    (check_standardise, lambda f, m, s: stacked(f, 100, s), "Take the given mean away"),
    (check_probability_at, lambda z, p: sigmoid(z), "has not been used"),
    (check_probability_at, lambda z, p: sigmoid(z) * p, "do not multiply"),
    (check_probability_at, lambda z, p: z + logit(p), "one sigmoid more"),
    (check_probability_at, lambda z, p: np.exp(z + logit(p)), "These are odds"),
    (check_probability_at, lambda z, p: sigmoid(z - logit(p)), "sign is turned"),
    (check_probability_at, lambda z, p: sigmoid(z + np.log(p)), "not p"),
    (check_probability_at, lambda z, p: sigmoid(z + p), "not p itself"),
    (check_probability_at, lambda z, p: 0.5, "then take the sigmoid"),
    (check_channel_weights, lambda g, k: g[0].mean(axis=(0, 1)), "finding 0; finding 2 was asked for"),
    (check_channel_weights, lambda g, k: g[2].mean(axis=(0, 1)), "finding 2; finding 3 was asked for"),
    (check_channel_weights, lambda g, k: g.mean(axis=(0, 1, 2)), "findings were averaged"),
    (check_channel_weights, lambda g, k: g.mean(axis=(1, 2)), "all findings"),
    (check_channel_weights, lambda g, k: g[k].mean(axis=-1), "over the channels"),
    (check_channel_weights, lambda g, k: g[k].mean(axis=0), "rows only"),
    (check_channel_weights, lambda g, k: g[k].mean(axis=1), "columns only"),
    (check_channel_weights, lambda g, k: g[k].mean(axis=(1, 2)), "wrong axes"),
    (check_channel_weights, lambda g, k: g[k].mean(axis=(0, 2)), "wrong axes"),
    (check_channel_weights, lambda g, k: g[k].mean(), "One number"),
    (check_channel_weights, lambda g, k: g[k].sum(axis=(0, 1)), "sum over the map"),
    (check_channel_weights, lambda g, k: np.maximum(g[k], 0).mean(axis=(0, 1)), "comes at the end"),
    (check_channel_weights, lambda g, k: np.abs(g[k]).mean(axis=(0, 1)), "sign was lost"),
    (check_channel_weights, lambda g, k: g[k].max(axis=(0, 1)), "largest gradient"),
    (check_channel_weights, lambda g, k: g[k], "one number a channel"),
    (check_finding_map, lambda a, w: a @ w, "ReLU is missing"),
    (check_finding_map, lambda a, w: np.abs(a @ w), "Absolute"),
    (check_finding_map, lambda a, w: np.maximum(a * w, 0).sum(-1), "comes last"),
    (check_finding_map, lambda a, w: np.maximum((a * w).mean(-1), 0), "mean over the channels"),
    (check_finding_map, lambda a, w: (m := np.maximum(a @ w, 0)) / m.max(), "own maximum"),
    (check_finding_map, lambda a, w: np.maximum(a.sum(-1), 0), "weights are missing"),
    (check_finding_map, lambda a, w: np.maximum(a * w, 0), "channels are still apart"),
    (check_finding_map, lambda a, w: a * w, "channels are still apart"),
    (check_finding_map, lambda a, w: np.maximum(-(a @ w), 0), "sign is turned"),
    (check_finding_map, lambda a, w: np.maximum(a @ w, 0) if (w > 0).any() else (a @ w) * np.nan, "not NaN"),
    (check_finding_map, lambda a, w: np.zeros(a.shape[:2]), "Weigh each channel"),
    (check_peak_pixel, lambda m, h, w: centre(*cell(m), m.shape, h, w)[::-1], "x and y are exchanged"),
    (check_peak_pixel, lambda m, h, w: centre(*cell(m[::-1]), m.shape, h, w), "Upside down"),
    (check_peak_pixel, lambda m, h, w: centre(*cell(m[:, ::-1]), m.shape, h, w), "Mirrored"),
    (check_peak_pixel, lambda m, h, w: centre(cell(m)[0] - 0.5, cell(m)[1] - 0.5, m.shape, h, w), "the corner of"),
    (check_peak_pixel, lambda m, h, w: centre(cell(m)[0] + 0.5, cell(m)[1] + 0.5, m.shape, h, w), "far corner"),
    (check_peak_pixel, lambda m, h, w: cell(m)[::-1], "numbers of the cell"),
    (check_peak_pixel, lambda m, h, w: cell(m), "row and column of the cell"),
    (check_peak_pixel, lambda m, h, w: (cell(m)[1] + 0.5, cell(m)[0] + 0.5), "counted in cells"),
    (check_peak_pixel, lambda m, h, w: centre(*cell(m), m.shape, w, h), "Height and width"),
    (check_peak_pixel, lambda m, h, w: centre(*cell(m), m.shape[::-1], h, w), "Rows and columns of the map"),
    (check_peak_pixel, lambda m, h, w: centre(*cell(m[::-1, ::-1]), m.shape, h, w), "upside down and mirrored"),
    (check_peak_pixel, lambda m, h, w: m.argmax(), "flattened"),
    (check_peak_pixel, lambda m, h, w: (360, 50), "wrong for another"),
    (check_peak_pixel, lambda m, h, w: (w / 2, h / 2), "half a cell further"),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_pass_in_any_style(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right: ")


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_each_misconception_meets_its_hint(check, answer, hint, capsys):
    with pytest.raises(CheckFailed, match=hint):
        check(answer)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("check", sorted({row[0] for row in RIGHT}, key=lambda check: check.__name__))
@pytest.mark.parametrize(
    ("answer", "hint"),
    [(lambda *_: None, "returns nothing"), (3, "function is asked for"), (lambda *_: 1 / 0, "ZeroDivisionError")],
)
def test_unfinished_answers_are_told_so(check, answer, hint):
    with pytest.raises(CheckFailed, match=hint):
        check(answer)
