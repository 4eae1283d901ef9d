"""The checks of lesson 9: right answers in many styles, wrong ones with the hint that each must meet."""

import ast

import nbformat
import numpy as np
import pytest

from tests.helpers.bank import Bank, judge, told
from util.checks.gradcam import check_channel_weights, check_finding_map, check_peak_pixel
from util.data.cohort import HOME


def weights_by_loop(gradients, finding):
    block = gradients[finding]
    rows, columns, channels = block.shape
    return [sum(block[r, c, k] for r in range(rows) for c in range(columns)) / rows / columns for k in range(channels)]


WEIGHTS = Bank(
    check_channel_weights,
    right=[
        lambda g, k: g[k].mean(axis=(0, 1)),
        lambda g, k: g[k].mean(0).mean(0),
        lambda g, k: np.einsum("hwc->c", g[k]) / (g.shape[1] * g.shape[2]),
        lambda g, k: g[k].reshape(-1, g.shape[-1]).mean(axis=0),
        lambda g, k: g.mean(axis=(1, 2))[k],
        lambda g, k: g.astype(np.float32)[k].mean(axis=(0, 1)),
        weights_by_loop,
        lambda g, k: tuple(np.average(g[k].reshape(-1, g.shape[-1]), axis=0)),
    ],
    wrong={
        "always the first finding": (lambda g, k: g[0].mean(axis=(0, 1)), "always the weights of finding 0"),
        "always the last finding": (lambda g, k: g[-1].mean(axis=(0, 1)), "always the weights of the last"),
        "counted from 1": (lambda g, k: g[k - 1].mean(axis=(0, 1)), "start at 0"),
        "mean over findings": (lambda g, k: g.mean(axis=(0, 1, 2)), "findings were averaged"),
        "all findings": (lambda g, k: g.mean(axis=(1, 2)), "all findings"),
        "over the channels": (lambda g, k: g[k].mean(axis=-1), "over the channels"),
        "rows only": (lambda g, k: g[k].mean(axis=0), "rows only"),
        "columns only": (lambda g, k: g[k].mean(axis=1), "columns only"),
        "keeps rows": (lambda g, k: g[k].mean(axis=(1, 2)), "keeps the rows"),
        "keeps columns": (lambda g, k: g[k].mean(axis=(0, 2)), "keeps the columns"),
        "one number": (lambda g, k: g[k].mean(), "one number for all channels"),
        "sum": (lambda g, k: g[k].sum(axis=(0, 1)), "sum over the map"),
        "relu of gradients": (lambda g, k: np.maximum(g[k], 0).mean(axis=(0, 1)), "Negative gradients"),
        "relu of weights": (lambda g, k: g[k].mean(axis=(0, 1)).clip(0), "Negative weights"),
        "size of gradients": (lambda g, k: np.abs(g[k]).mean(axis=(0, 1)), "signs of the gradients"),
        "size of weights": (lambda g, k: np.abs(g[k].mean(axis=(0, 1))), "signs of the weights"),
        "largest": (lambda g, k: g[k].max(axis=(0, 1)), "largest gradient"),
        "median": (lambda g, k: np.median(g[k], axis=(0, 1)), "median"),
        "not averaged": (lambda g, k: g[k], "one for each cell"),
        "first cell": (lambda g, k: g[k, 0, 0], "first cell"),
        "sign turned": (lambda g, k: -g[k].mean(axis=(0, 1)), "negative of the right"),
        "rounded": (lambda g, k: g[k].mean(axis=(0, 1)).round(2), "rounded"),
        "sum over the channels' share": (lambda g, k: g[k].mean(axis=(0, 1)) / g.shape[-1], None),
        "softmax": (lambda g, k: (e := np.exp(g[k].mean(axis=(0, 1)))) / e.sum(), None),
    },
)


def map_by_loop(activations, weights):
    rows, columns, channels = activations.shape
    sums = [
        [sum(activations[r, c, k] * weights[k] for k in range(channels)) for c in range(columns)] for r in range(rows)
    ]
    return [[value if value > 0 else 0 for value in row] for row in sums]


MAP = Bank(
    check_finding_map,
    right=[
        lambda a, w: np.maximum(a @ w, 0),
        lambda a, w: (a * w).sum(-1).clip(0),
        lambda a, w: np.where((cam := np.tensordot(a, w, 1)) > 0, cam, 0),
        lambda a, w: np.einsum("hwc,c->hw", a, w).clip(min=0),
        lambda a, w: np.maximum(a.astype(np.float32) @ w.astype(np.float32), 0),
        lambda a, w: ((cam := a @ w) + np.abs(cam)) / 2,
        map_by_loop,
    ],
    wrong={
        "no relu": (lambda a, w: a @ w, "ReLU of step 4 is missing"),
        "size": (lambda a, w: np.abs(a @ w), "Absolute"),
        "relu first": (lambda a, w: np.maximum(a * w, 0).sum(-1), "before the channels were added"),
        "relu of the weights": (lambda a, w: a @ np.maximum(w, 0), "before the channels were added"),
        "size of the weights": (lambda a, w: a @ np.abs(w), "signs of the weights"),
        "mean": (lambda a, w: np.maximum((a * w).mean(-1), 0), "mean over the channels"),
        "strongest channel": (lambda a, w: np.maximum((a * w).max(-1), 0), "strongest channel"),
        "own maximum": (lambda a, w: (m := np.maximum(a @ w, 0)) / m.max(), "own maximum"),
        "adds up to 1": (lambda a, w: (m := np.maximum(a @ w, 0)) / m.sum(), "add up to 1"),
        "stretched": (lambda a, w: ((m := a @ w) - m.min()) / (m.max() - m.min()), "stretched"),
        "no weights": (lambda a, w: np.maximum(a.sum(-1), 0), "weights are missing"),
        "channels apart": (lambda a, w: np.maximum(a * w, 0), "still apart"),
        "apart, with sign": (lambda a, w: a * w, "still apart"),
        "turned": (lambda a, w: np.maximum(-(a @ w), 0), "sign is turned"),
        "wrong side": (lambda a, w: np.minimum(a @ w, 0), "wrong side"),
        "where": (lambda a, w: a @ w > 0, "not how strong"),
        "sigmoid": (lambda a, w: 1 / (1 + np.exp(-(a @ w))), "sigmoid"),
        "transposed": (lambda a, w: np.maximum(a @ w, 0).T, "exchanged"),
        "adds cells": (lambda a, w: (a * w).sum(axis=(0, 1)), "keeps the cells"),
        "nan": (lambda a, w: np.maximum(a @ w, 0) if (w > 0).any() else (a @ w) * np.nan, "yours is NaN"),
        "small value in place of 0": (lambda a, w: np.maximum(a @ w, 0) if (w > 0).any() else a @ w, "in every cell"),
        "in logits": (lambda a, w: np.maximum(a @ w, 0) * a[..., 0].size, "multiplied by its number of cells"),
        "leaky relu": (lambda a, w: np.where((m := a @ w) > 0, m, 0.01 * m), None),
        "zeros": (lambda a, w: np.zeros(a.shape[:2]), None),
    },
)


def cell(cam):
    return np.unravel_index(np.argmax(cam), np.shape(cam))


def center(row, column, shape, height, width, step=0.5):
    return (column + step) * width / shape[1], (row + step) * height / shape[0]


def right_peak(cam, height, width):
    return center(*cell(cam), cam.shape, height, width)


def peak_by_loop(cam, height, width):
    best = max((cam[r, c], r, c) for r in range(cam.shape[0]) for c in range(cam.shape[1]))
    return [width * (2 * best[2] + 1) / (2 * cam.shape[1]), height * (2 * best[1] + 1) / (2 * cam.shape[0])]


def peak_by_where(cam, height, width):
    (row,), (column,) = np.where(cam == cam.max())
    return np.float32((column + 0.5) * width / cam.shape[1]), np.float32((row + 0.5) * height / cam.shape[0])


PEAK = Bank(
    check_peak_pixel,
    right=[
        right_peak,
        lambda c, h, w: np.array(right_peak(c, h, w)),
        lambda c, h, w: np.float32(right_peak(c, h, w)),
        lambda c, h, w: ((c.max(0).argmax() + 0.5) * w / c.shape[1], (c.max(1).argmax() + 0.5) * h / c.shape[0]),
        lambda c, h, w: (
            (c.argmax() % c.shape[1] + 0.5) * w / c.shape[1],
            (c.argmax() // c.shape[1] + 0.5) * h / c.shape[0],
        ),
        peak_by_loop,
        peak_by_where,
    ],
    wrong={
        "exchanged": (lambda c, h, w: right_peak(c, h, w)[::-1], "x and y are exchanged"),
        "upside down": (lambda c, h, w: (right_peak(c, h, w)[0], h - right_peak(c, h, w)[1]), "upside down"),
        "mirrored": (lambda c, h, w: (w - right_peak(c, h, w)[0], right_peak(c, h, w)[1]), "mirrored"),
        "lowest": (lambda c, h, w: right_peak(-c, h, w), "lowest cell"),
        "largest size": (lambda c, h, w: right_peak(np.abs(c), h, w), "farthest from 0"),
        "corner": (lambda c, h, w: center(*cell(c), c.shape, h, w, 0), "upper left corner"),
        "far corner": (lambda c, h, w: center(*cell(c), c.shape, h, w, 1), "lower right corner"),
        "column and row": (lambda c, h, w: cell(c)[::-1], "column and row of the cell"),
        "row and column": (lambda c, h, w: cell(c), "row and column of the cell"),
        "in cells": (lambda c, h, w: (cell(c)[1] + 0.5, cell(c)[0] + 0.5), "counted in cells"),
        "shares": (lambda c, h, w: right_peak(c, 1, 1), "shares of the film"),
        "height for width": (lambda c, h, w: right_peak(c, w, h), "Height and width"),
        "rows for columns": (lambda c, h, w: center(*cell(c), c.shape[::-1], h, w), "Rows and columns of the map"),
        "edge to edge": (
            lambda c, h, w: (cell(c)[1] * w / (c.shape[1] - 1), cell(c)[0] * h / (c.shape[0] - 1)),
            "edge to edge",
        ),
        "32 pixels": (lambda c, h, w: ((cell(c)[1] + 0.5) * 32, (cell(c)[0] + 0.5) * 32), "32 pixels"),
        "whole pixels a cell": (
            lambda c, h, w: ((cell(c)[1] + 0.5) * (w // c.shape[1]), (cell(c)[0] + 0.5) * (h // c.shape[0])),
            "rounded down",
        ),
        "int": (lambda c, h, w: tuple(int(v) for v in right_peak(c, h, w)), "whole pixels"),
        "flat": (lambda c, h, w: c.argmax(), "flattened"),
        "height of the peak": (lambda c, h, w: c.max(), "how high"),
        "middle": (lambda c, h, w: (w / 2, h / 2), "middle of the film"),
        "a constant": (lambda c, h, w: (120, 77), None),
        "integer division of the center": (
            lambda c, h, w: ((cell(c)[1] * w) // c.shape[1], (cell(c)[0] * h) // c.shape[0]),
            None,
        ),
        "four numbers": (lambda c, h, w: [*right_peak(c, h, w), h, w], "should return two numbers"),
    },
)
BANKS = {"channel_weights": WEIGHTS, "finding_map": MAP, "peak_pixel": PEAK}


@pytest.mark.parametrize("name", BANKS)
def test_bank(name):
    assert judge(BANKS[name]) == []


@pytest.mark.parametrize("name", BANKS)
def test_the_solution_of_the_lesson_is_right(name):
    notebook = nbformat.read(HOME / "notebooks" / "09_gradcam.ipynb", as_version=4)
    names = {"np": np}
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            exec(compile(ast.parse(cell.source), cell.id, "exec"), names)
    assert told(BANKS[name].check, names[name]) == ""
