"""Checks of notebook 3: dense blocks, preprocessing, and what a logit says at another prevalence."""

import numpy as np

from util.checks.answers import CheckFailed, expect, run


def check_channels_after_block(function):
    """`function(channels, layers, growth)` -> channels that leave a dense block."""
    for channels, layers, growth in ((64, 6, 32), (10, 3, 7), (5, 0, 4)):
        expect(
            run(function, channels, layers, growth),
            channels + layers * growth,
            [
                (layers * growth, "The block's input is kept: its channels leave the block too."),
                (growth, "That is one layer's share: count every layer of the block, and the block's input."),
                (channels + growth, "That is after one layer: each of the layers adds `growth` channels."),
                (channels + (layers - 1) * growth, "One layer is missing: the last one's channels are kept as well."),
                (channels * layers * growth, "Channels are put behind one another, not multiplied: add."),
                (channels * 2**layers, "A layer adds `growth` new channels, not a second copy of what it read."),
                ((channels + layers * growth) / 2, "Halving is the work of the transition after the block."),
            ],
            "Each layer reads all channels there are and puts `growth` new ones behind them. What is there at the end?",
        )
    print("Right: a dense block adds its growth rate once for each layer, and keeps what came in.")


def check_standardise(function):
    """`function(film, mean, std)`, film uint8 (h, w) -> float32 (h, w, 3)."""
    film = np.array([[0, 100, 200], [50, 150, 250]], np.uint8)
    answer = np.asarray(run(function, film.copy(), 120.0, 50.0))
    right = np.repeat(((film - 120.0) / 50.0)[..., None], 3, axis=-1)
    if answer.shape == film.shape:
        raise CheckFailed("The network reads three channels: repeat the gray one, (h, w) -> (h, w, 3).")
    if answer.shape == (3, *film.shape):
        raise CheckFailed("Channels come last here: (h, w, 3), not (3, h, w).")

    def thrice(values):
        return np.repeat(np.asarray(values, float)[..., None], 3, axis=-1)

    own = (film - film.mean()) / film.std()
    expect(
        answer,
        right,
        [
            (thrice(own), "This is the film's own mean and SD, which makes all films equally bright."),
            (thrice(film / 255), "Division by 255 belongs to other weights: these want (film - mean) / std."),
            (thrice(film - 120.0), "The mean is gone; the division by the SD is missing."),
            (thrice(film / 50.0), "The division is there; the mean must be taken away before."),
            (thrice(film - 120.0 / 50.0), "Brackets: (film - mean) / std takes the mean away first."),
            (thrice((film - 120.0) / 50.0**2), "The SD was squared: divide by the SD, not by the variance."),
            (thrice((film / 255 - 120.0) / 50.0), "Mean and SD are gray levels from 0 to 255: leave the film so too."),
            (thrice((film - np.uint8(120)) / 50.0), "uint8 knows no negative numbers (0 - 120 became 136): use float."),
            (thrice(film), "The film is still as it was read: subtract the mean, divide by the SD."),
        ],
        "Take the given mean away, divide by the given SD, and repeat the result in three channels.",
    )
    if answer.dtype != np.float32:
        raise CheckFailed(f"The numbers are right, but {answer.dtype}: end with .astype(np.float32).")
    print("Right: the same two constants for every film, so a dark film stays darker than a bright one.")


def check_probability_at(function):
    """`function(logit, prevalence)` -> probability, for logits that hold at a prevalence of one half."""
    for logit, prevalence in ((1.0, 0.02), (-0.5, 0.3), (2.0, 0.5)):
        odds, prior = np.exp(logit), prevalence / (1 - prevalence)

        def probability(o):
            return o / (1 + o)

        expect(
            run(function, logit, prevalence),
            probability(odds * prior),
            [
                (probability(odds), "That is the probability at one half: the prevalence has not been used."),
                (probability(odds) * prevalence, "Probabilities do not multiply so: odds do."),
                (logit + np.log(prior), "That is the logit at the new prevalence: one sigmoid more, please."),
                (odds * prior, "These are odds: odds / (1 + odds) is the probability."),
                (probability(odds / prior), "The sign is turned: a rarer finding must become less probable, not more."),
                (probability(odds * prevalence), "The odds of the prevalence are p / (1 - p), not p."),
                (probability(odds + prior), "Odds multiply, their logarithms add: this adds the odds themselves."),
                (probability(odds * np.exp(prevalence)), "Add log(p / (1 - p)), not p itself."),
            ],
            "Add log(p / (1 - p)) to the logit, then take the sigmoid.",
        )
    print("Right: in logits a change of prevalence is one addition, and the order of the films stays the same.")
