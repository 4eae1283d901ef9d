"""Checks of notebook 5: the two steps of Grad-CAM."""

import numpy as np

from util.checks.answers import expect, run


def check_channel_weights(function):
    """`function(gradients, finding)`, gradients (findings, rows, columns, channels) -> weights (channels,)."""
    gradients = np.random.default_rng(5).normal(size=(4, 2, 3, 5))
    for finding in (2, 3):
        mine = gradients[finding]
        others = [(gradients[k].mean(axis=(0, 1)), k) for k in range(len(gradients)) if k != finding]
        expect(
            run(function, gradients.copy(), finding),
            mine.mean(axis=(0, 1)),
            [
                *(
                    (value, f"These are the weights of finding {k}; finding {finding} was asked for.")
                    for value, k in others
                ),
                (gradients.mean(axis=(0, 1, 2)), "The findings were averaged too: first take the one asked for."),
                (gradients.mean(axis=(1, 2)), "These are the weights of all findings: take the one asked for."),
                (mine.mean(axis=2), "Averaged over the channels: average over rows and columns instead."),
                (mine.mean(axis=0), "Averaged over rows only: the columns are still there."),
                (mine.mean(axis=1), "Averaged over columns only: the rows are still there."),
                (mine.mean(axis=(1, 2)), "The mean is over the wrong axes: keep the last one, the channels."),
                (mine.mean(axis=(0, 2)), "The mean is over the wrong axes: keep the last one, the channels."),
                (mine.mean(), "One number for all channels: keep the last axis, average over rows and columns."),
                (mine.sum(axis=(0, 1)), "That is the sum over the map; Grad-CAM's weight is the mean."),
                (
                    np.maximum(mine, 0).mean(axis=(0, 1)),
                    "The ReLU comes at the end, on the map: a weight may be below 0.",
                ),
                (np.abs(mine).mean(axis=(0, 1)), "The sign was lost: channels may speak against a finding."),
                (mine.max(axis=(0, 1)), "That is the largest gradient of each channel; Grad-CAM takes the mean."),
            ],
            "Take the gradient of the finding asked for, and average it over rows and columns: one number a channel.",
        )
    print("Right: one weight a channel, the mean gradient of this finding's logit.")


def check_finding_map(function):
    """`function(activations, weights)`, (rows, columns, channels) and (channels,) -> rectified map (rows, columns)."""
    activations = np.random.default_rng(6).uniform(0, 2, (2, 3, 5))
    weights = np.array([1.5, -1.0, 0.5, -2.0, 1.0])  # so some places speak for the finding, some against
    weighted = activations * weights
    total = weighted.sum(axis=-1)
    expect(
        run(function, activations.copy(), weights.copy()),
        np.maximum(total, 0),
        [
            (total, "The ReLU is missing: places that speak against the finding are not evidence for it."),
            (np.abs(total), "Absolute values turn evidence against the finding into evidence for it: use max(0, .)."),
            (np.maximum(weighted, 0).sum(axis=-1), "The ReLU comes last: first let the channels argue, then cut."),
            (np.maximum(weighted.mean(axis=-1), 0), "That is the mean over the channels: Grad-CAM takes their sum."),
            (
                np.maximum(total, 0) / total.max(),
                "Dividing by the map's own maximum hides its strength, and fails where nothing is positive.",
            ),
            (activations.sum(axis=-1), "The weights are missing: each channel counts as much as it moves the logit."),
            (np.maximum(weighted, 0), "The channels are still apart: sum over the last axis."),
            (weighted, "The channels are still apart: sum over the last axis, then take the ReLU."),
            (np.maximum(-total, 0), "The sign is turned: this is the evidence against the finding."),
        ],
        "Weigh each channel's activation, sum over the channels, then replace what is below 0 by 0.",
    )
    negative = run(function, activations.copy(), -np.abs(weights))
    expect(negative, np.zeros((2, 3)), [], "Where nothing speaks for the finding the map must be 0, not NaN.")
    print("Right: weigh, sum, then cut at 0; a film without evidence gets an empty map.")


def check_peak_pixel(function):
    """`function(cam, height, width)`, map (rows, columns) on a film of height x width pixels -> (x, y) of its peak."""
    cam = np.zeros((3, 6))
    cam[0, 4], cam[2, 1], height, width = 5.0, 1.0, 300, 480
    expect(
        np.ravel(run(function, cam.copy(), height, width)),
        (360, 50),
        [
            ((50, 360), "x and y are exchanged: x counts columns to the right, y rows downwards."),
            ((360, 250), "Upside down: in an image row 0 is at the top, so y grows downwards."),
            ((120, 50), "Mirrored: column 0 is at the left, so x grows to the right."),
            ((320, 0), "That is the corner of the cell: go half a cell further, to its centre."),
            ((400, 100), "That is the far corner of the cell: half a cell less, to its centre."),
            ((4, 0), "These are the numbers of the cell: multiply by the pixels that a cell covers."),
            ((0, 4), "These are row and column of the cell: give x and y in pixels of the film."),
            ((4.5, 0.5), "Still counted in cells: multiply by the pixels that a cell covers."),
            ((225, 80), "Height and width are exchanged: columns share out the width, rows the height."),
            ((720, 25), "Rows and columns of the map are exchanged: a cell is width / columns wide."),
            ((120, 250), "That is the lowest place, or upside down and mirrored: take the highest, from the top left."),
            ([4], "`argmax` counts through the flattened map: `np.unravel_index` turns it into row and column."),
        ],
        "Find row and column of the highest cell; its centre lies half a cell further: (column + 0.5) * width / columns.",
    )
    other = np.zeros((4, 4))
    other[3, 0] = 1
    expect(
        np.ravel(run(function, other, 320, 320)),
        (40, 280),
        [((280, 40), "x and y are exchanged: x counts columns to the right, y rows downwards.")],
        "Right for one map, wrong for another: use the map's own shape and the film's own size.",
    )
    print("Right: the centre of the highest cell, x to the right and y downwards.")
