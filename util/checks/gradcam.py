"""Checks of notebook 5: the two steps of Grad-CAM."""

import numpy as np

from util.checks import expect, run


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
