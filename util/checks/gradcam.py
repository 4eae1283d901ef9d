"""Checks of lesson 9: the weights of the channels, the map, and the point of the film where it is highest."""

import numpy as np

from util.checks.answers import Check, CheckFailed, run

# --- channel_weights -------------------------------------------------------------------------------


def _gradients():
    """Gradients (findings, rows, columns, channels), all sizes different, and the number of a finding."""
    rng = np.random.default_rng(5)
    shapes = [((4, 2, 3, 5), 2), ((4, 2, 3, 5), 3), ((5, 7, 4, 3), 1), ((2, 1, 6, 4), 0)]
    return [(rng.normal(0.3, 1.7, shape), finding) for shape, finding in shapes]


def _of(finding):
    return lambda gradients, _: gradients[finding].mean(axis=(0, 1))


check_channel_weights = Check(
    "channel_weights",
    lambda gradients, finding: gradients[finding].mean(axis=(0, 1)),
    _gradients,
    returns="one number for each channel, an array (channels,)",
    mistakes=[
        (_of(0), "These are always the weights of finding 0. Use the number that is given."),
        (_of(-1), "These are always the weights of the last finding. Use the number that is given."),
        (
            lambda g, k: g[k - 1].mean(axis=(0, 1)),
            "These are the weights of the finding before the one asked for: numbers of findings start at 0.",
        ),
        (
            lambda g, k: g.mean(axis=(0, 1, 2)),
            "The findings were averaged too, so every finding would get the same map. First take the one asked for.",
        ),
        (lambda g, k: g.mean(axis=(1, 2)), "These are the weights of all findings. Take the one asked for."),
        (
            lambda g, k: g[k].mean(axis=2),
            "The mean is over the channels here, and each cell keeps its number. Which axes say where on the film?",
        ),
        (lambda g, k: g[k].mean(axis=0), "The mean is over the rows only. The columns are still there."),
        (lambda g, k: g[k].mean(axis=1), "The mean is over the columns only. The rows are still there."),
        (
            lambda g, k: g[k].mean(axis=(1, 2)),
            "This keeps the rows. Which axis of gradients[finding] holds the channels?",
        ),
        (
            lambda g, k: g[k].mean(axis=(0, 2)),
            "This keeps the columns. Which axis of gradients[finding] holds the channels?",
        ),
        (lambda g, k: g[k].mean(), "This is one number for all channels. Each channel needs a weight of its own."),
        (
            lambda g, k: g[k].sum(axis=(0, 1)),
            "This is the sum over the map; the second step of Grad-CAM takes the mean.",
        ),
        (
            lambda g, k: np.maximum(g[k], 0).mean(axis=(0, 1)),
            "Negative gradients were set to 0. The ReLU comes at the end, on the map: a weight may be below 0.",
        ),
        (
            lambda g, k: np.maximum(g[k].mean(axis=(0, 1)), 0),
            "Negative weights were set to 0. The ReLU comes at the end, on the map: a weight may be below 0.",
        ),
        (
            lambda g, k: np.abs(g[k]).mean(axis=(0, 1)),
            "The signs of the gradients were lost, but a channel may speak against a finding.",
        ),
        (
            lambda g, k: np.abs(g[k].mean(axis=(0, 1))),
            "The signs of the weights were lost, but a channel may speak against a finding.",
        ),
        (lambda g, k: g[k].max(axis=(0, 1)), "This is the largest gradient of each channel, not the mean."),
        (lambda g, k: np.median(g[k], axis=(0, 1)), "This is the median of each channel, not the mean."),
        (
            lambda g, k: np.square(g[k]).mean(axis=(0, 1)),
            "The gradients were squared. A weight has the sign of its gradient.",
        ),
        (
            lambda g, k: g[k],
            "These are the gradients of the finding, still one for each cell: step 2 takes their mean.",
        ),
        (
            lambda g, k: g[k].mean(axis=(0, 1)) / np.abs(g[k].mean(axis=(0, 1))).sum(),
            "The weights were scaled to add up to 1. Grad-CAM leaves them as they are, or its map has no unit.",
        ),
        (
            lambda g, k: g[k][0, 0],
            "This is the gradient of the first cell. It would do at the last ReLU, where all cells agree, but not at other layers.",
        ),
    ],
    idea="Pick the block of the finding first. It has three axes: rows, columns, channels. Average over the two that say "
    "where on the film a cell is, and keep the third.",
    right="one weight for each channel, the mean gradient of this finding's logit.",
)


# --- finding_map -----------------------------------------------------------------------------------


def _layers():
    """Activations (rows, columns, channels) and weights (channels,), with evidence for and against in the same map."""
    rng = np.random.default_rng(6)
    shapes = [(2, 3, 5), (4, 3, 7), (3, 6, 4)]
    return [(rng.gamma(0.7, 1.3, shape), rng.normal(0.05, 1.1, shape[2])) for shape in shapes]


def _nothing_positive(function):
    """A film without evidence for the finding has a map of zeros, and not of NaN."""
    activations, weights = _layers()[1]
    answer = np.asarray(run(function, activations, -np.abs(weights)), float)
    if np.isnan(answer).any():
        raise CheckFailed(
            "Where nothing speaks for the finding the map must be 0, and yours is NaN. What do you divide by?"
        )
    if answer.shape != activations.shape[:2] or np.abs(answer).max() > 1e-6:
        raise CheckFailed("Where nothing speaks for the finding the map must be 0 in every cell, and yours is not.")


def _relu(values):
    return np.maximum(values, 0)


check_finding_map = Check(
    "finding_map",
    lambda activations, weights: _relu(activations @ weights),
    _layers,
    returns="one map, an array (rows, columns)",
    mistakes=[
        (lambda a, w: a @ w, "The ReLU of step 4 is missing: cells that speak against the finding are still below 0."),
        (lambda a, w: np.abs(a @ w), "Absolute values turn evidence against the finding into evidence for it."),
        (
            lambda a, w: _relu(a * w).sum(axis=-1),
            "No channel can speak against the finding here: what is negative was set to 0 before the channels were added up. "
            "First let the channels argue, then cut their sum.",
        ),
        (lambda a, w: a @ np.abs(w), "The signs of the weights were lost, so every channel speaks for the finding."),
        (lambda a, w: _relu((a * w).mean(axis=-1)), "This is the mean over the channels; step 3 adds them up."),
        (
            lambda a, w: _relu((a * w).max(axis=-1)),
            "This is the strongest channel of each cell; step 3 adds all of them up.",
        ),
        (
            lambda a, w: _relu(a @ w) / _relu(a @ w).max(),
            "The map was divided by its own maximum. That hides how strong it is, and it fails where nothing is positive.",
        ),
        (
            lambda a, w: _relu(a @ w) / _relu(a @ w).sum(),
            "The map was scaled to add up to 1. That hides how strong it is, and it fails where nothing is positive.",
        ),
        (
            lambda a, w: (a @ w - (a @ w).min()) / np.ptp(a @ w),
            "The map was stretched from 0 to 1. Then 0 no longer means 'no evidence', and the strength is hidden.",
        ),
        (
            lambda a, w: _relu(a @ w) * a[..., 0].size,
            "The map was multiplied by its number of cells. The lesson does that in a later step; here the map is asked for as it is.",
        ),
        (
            lambda a, w: _relu(a @ w) / a[..., 0].size,
            "The map was divided by its number of cells. That mean is in the weights already.",
        ),
        (lambda a, w: a.sum(axis=-1), "The weights are missing: here each channel counts alike."),
        (lambda a, w: a.mean(axis=-1), "The weights are missing, and this is a mean over the channels, not a sum."),
        (lambda a, w: _relu(a * w), "The channels are still apart. Add them up; which axis holds them?"),
        (lambda a, w: a * w, "The channels are still apart. Add them up, then apply the ReLU."),
        (lambda a, w: _relu(-(a @ w)), "The sign is turned: this is the evidence against the finding."),
        (lambda a, w: np.minimum(a @ w, 0), "The wrong side was kept: this is the part of the map below 0."),
        (lambda a, w: a @ w > 0, "This says where the map is positive, but not how strong it is there."),
        (lambda a, w: 1 / (1 + np.exp(-(a @ w))), "This is a sigmoid of the sum; step 4 is a ReLU."),
        (lambda a, w: _relu(a @ w).T, "Rows and columns of the map are exchanged."),
        (
            lambda a, w: (a * w).sum(axis=(0, 1)),
            "This adds up the cells and keeps the channels. A map keeps the cells.",
        ),
        (lambda a, w: _relu(a @ w).sum(), "This is one number, the sum of the map. Keep the cells apart."),
    ],
    further=[_nothing_positive],
    idea="Each cell holds one activation for each channel. Multiply each by the weight of its channel and add them up: one "
    "number for each cell. Only then replace what is below 0 by 0.",
    right="weigh, sum, then cut at 0. A film without evidence gets an empty map.",
)


# --- peak_pixel ------------------------------------------------------------------------------------


def _maps():
    """Maps that are not square on films that are not square, each with one highest cell, and the film's height and width."""
    rng = np.random.default_rng(7)
    sizes = [((3, 6), 310, 483), ((5, 4), 641, 509), ((7, 11), 223, 391), ((4, 7), 350, 270)]
    maps = [(rng.normal(size=shape), height, width) for shape, height, width in sizes]
    maps[3][0][:] -= 6  # nothing positive: the highest cell is still the one that is asked for
    return maps


def _cell(cam):
    return np.unravel_index(np.argmax(cam), cam.shape)


def _center(row, column, shape, height, width, step=0.5):
    return (column + step) * width / shape[1], (row + step) * height / shape[0]


def _at(cam, height, width, step=0.5):
    return _center(*_cell(cam), cam.shape, height, width, step)


def _turned(cam, height, width, down, across):
    x, y = _at(cam[:: -1 if down else 1, :: -1 if across else 1], height, width)
    return x, y


check_peak_pixel = Check(
    "peak_pixel",
    _at,
    _maps,
    returns="two numbers, x and y in pixels",
    mistakes=[
        (
            lambda c, h, w: _at(c, h, w)[::-1],
            "x and y are exchanged: x counts columns to the right, y counts rows downwards.",
        ),
        (
            lambda c, h, w: (_at(c, h, w)[0], h - _at(c, h, w)[1]),
            "The point is upside down: in an image row 0 is at the top, so y grows downwards.",
        ),
        (
            lambda c, h, w: (w - _at(c, h, w)[0], _at(c, h, w)[1]),
            "The point is mirrored: column 0 is at the left, so x grows to the right.",
        ),
        (lambda c, h, w: _at(-c, h, w), "This is the lowest cell of the map, not the highest."),
        (
            lambda c, h, w: _at(np.abs(c), h, w),
            "This is the cell farthest from 0. Evidence against a finding is no peak.",
        ),
        (
            lambda c, h, w: _at(c, h, w, 0),
            "This is the upper left corner of the cell. Its center is half a cell further.",
        ),
        (
            lambda c, h, w: _at(c, h, w, 1),
            "This is the lower right corner of the cell. Its center is half a cell before it.",
        ),
        (
            lambda c, h, w: (_cell(c)[1], _cell(c)[0]),
            "These are column and row of the cell. How many pixels wide and high is a cell?",
        ),
        (
            lambda c, h, w: _cell(c),
            "These are row and column of the cell. Pixels are asked for, and x comes first.",
        ),
        (
            lambda c, h, w: (_cell(c)[1] + 0.5, _cell(c)[0] + 0.5),
            "This is the center counted in cells. How many pixels wide and high is a cell?",
        ),
        (
            lambda c, h, w: ((_cell(c)[1] + 0.5) / c.shape[1], (_cell(c)[0] + 0.5) / c.shape[0]),
            "These are shares of the film, between 0 and 1. Pixels are asked for.",
        ),
        (
            lambda c, h, w: _at(c, w, h),
            "Height and width of the film are exchanged: the columns share out the width, the rows the height.",
        ),
        (
            lambda c, h, w: _center(*_cell(c), c.shape[::-1], h, w),
            "Rows and columns of the map are exchanged: how many cells share the width?",
        ),
        (
            lambda c, h, w: _center(*_cell(c), (c.shape[0] - 1, c.shape[1] - 1), h, w, 0),
            "The cells were spread from edge to edge, with the outer ones on the border. A cell has a width; the film is cut "
            "into as many equal parts as there are cells.",
        ),
        (
            lambda c, h, w: ((_cell(c)[1] + 0.5) * 32, (_cell(c)[0] + 0.5) * 32),
            "A cell is 32 pixels wide for one network and one film size. Use the sizes that are given.",
        ),
        (
            lambda c, h, w: ((_cell(c)[1] + 0.5) * (w // c.shape[1]), (_cell(c)[0] + 0.5) * (h // c.shape[0])),
            "The width of a cell was rounded down to whole pixels, so the point drifts away across the film.",
        ),
        (
            lambda c, h, w: tuple(corner + 0.5 for corner in _at(c, h, w, 0)),
            "Half a pixel was added to the corner of the cell. Its center is half a CELL further.",
        ),
        (
            lambda c, h, w: tuple(np.floor(_at(c, h, w))),
            "The point was rounded to whole pixels. Return it as it is.",
        ),
        (lambda c, h, w: _turned(c, h, w, True, True), "The map was turned by half a circle before the peak was read."),
        (lambda c, h, w: (w / 2, h / 2), "This is the middle of the film, whatever the map."),
        (
            lambda c, h, w: np.argmax(c),
            "`argmax` counts through the flattened map. `np.unravel_index` turns its number into row and column.",
        ),
        (lambda c, h, w: np.max(c), "This is how high the map is at its peak. The question is where."),
        (
            lambda c, h, w: (
                (c.max(0).argmax() + 0.5) * w / c.shape[1],
                (c.sum(1).argmax() + 0.5) * h / c.shape[0],
            ),
            "The row was taken from sums over the columns. The highest cell is one cell, not the fullest row.",
        ),
    ],
    idea="Find row and column of the highest cell. The film is cut into as many equal strips as the map has columns, so a cell "
    "is width / columns pixels wide; its center is half a cell from its left edge. The same holds for rows and height.",
    right="the center of the highest cell, x to the right and y downwards.",
)
