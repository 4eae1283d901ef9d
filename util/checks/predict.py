"""Checks of lesson 5: dense blocks, preprocessing, and what a logit says at a given prevalence."""

import numpy as np

from util.checks.answers import Check, CheckFailed, run


def _blocks():
    return [(64, 6, 32), (17, 5, 7), (10, 0, 4), (3, 11, 13)]


check_channels_after_block = Check(
    "channels_after_block",
    lambda channels, layers, growth: channels + layers * growth,
    _blocks,
    returns="one whole number",
    mistakes=[
        (lambda c, n, g: n * g, "These are the appended channels. What came in is kept, so it leaves the block, too."),
        (lambda c, n, g: g, "That is what one dense layer appends. Count all of them, and what came in."),
        (lambda c, n, g: c + g, "That is the number after one dense layer. Each of the layers appends."),
        (lambda c, n, g: c, "That is what comes in. Each dense layer appends to it."),
        (lambda c, n, g: c + (n - 1) * g, "One dense layer is missing: the last one appends as well."),
        (lambda c, n, g: c + (n + 1) * g, "That is one dense layer too many: what comes in was made before the block."),
        (lambda c, n, g: c * n * g, "Channels are appended, not multiplied."),
        (lambda c, n, g: c * 2**n,
         "A dense layer appends a fixed number of new channels, not a second copy of all that it read."),
        (lambda c, n, g: c * g**n,
         "Channels are appended, not multiplied: no layer makes the growth rate out of every channel."),
        (lambda c, n, g: c + g**n, "Each layer appends the same number; nothing is raised to a power."),
        (lambda c, n, g: (c + g) * n, "What comes in is counted once for each layer. It is there only once."),
        (lambda c, n, g: c * n + g,
         "What comes in is counted once for each layer, and the appended channels once. Which of the two is repeated?"),
        (lambda c, n, g: c + n, "Each dense layer appends as many channels as the growth rate says, not one."),
        (lambda c, n, g: (c + n * g) / 2, "Halving is the work of the transition after the block."),
        (lambda c, n, g: (c + n * g) // 2, "Halving is the work of the transition after the block."),
        (lambda c, n, g: c + 2 * n * g,
         "A dense layer has two convolutions, but only the second one's channels are appended."),
        (lambda c, n, g: c + 4 * n * g,
         "You count the channels of the bottleneck. Only the new channels of the second convolution are appended."),
        (lambda c, n, g: c + 5 * n * g,
         "You count the channels of the bottleneck as well. Only the new channels of the second convolution are "
         "appended."),
        (lambda c, n, g: sum(c + k * g for k in range(n + 1)),
         "You add up the channels after every layer. What is there after the LAST one?"),
        (lambda c, n, g: c + g * n * (n + 1) // 2,
         "You let each layer append more than the one before it. All append the same number."),
        (lambda c, n, g: [c + k * g for k in range(n + 1)],
         "These are the channels after every layer. Only those after the last one are asked for."),
    ],
    idea="Go through a small block by hand: 10 channels come in, and each of two layers appends 3. What is there "
    "after the first layer, "
    "and after the second?",
    right="a dense block adds its growth rate once for each layer, and keeps what came in.",
)  # fmt: skip


def _films():
    films = []
    for seed, shape, mean, std in ((1, (7, 5), 120.37, 71.58), (2, (4, 11), 97.1, 33.3), (3, (6, 9), 141.9, 52.7)):
        films.append((np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8), mean, std))
    films[1][0][:3] = 0  # mostly black, as a film with wide collimation
    return films


def _thrice(of):
    """A mistake that repeats its gray levels in three channels."""
    return lambda film, mean, std: np.repeat(np.asarray(of(film, mean, std), float)[..., None], 3, axis=-1)


def _right(film, mean, std):
    return (film - mean) / std


def _wrapped(film, mean):
    """Differences in whole numbers from 0 to 255, as uint8 makes them."""
    return film - np.uint8(mean)


def _is_single(function):
    """Raise CheckFailed unless the answer is float32."""
    answer = run(function, *_films()[0])
    kind = getattr(answer, "dtype", None)
    if kind is None:
        raise CheckFailed(
            f"The numbers are right, but this is a {type(answer).__name__}; a float32 array is asked for."
        )
    if kind != np.float32:
        raise CheckFailed(f"The numbers are right, but the array holds {kind}; the network reads float32.")


OWN = (
    "This uses the film's own mean or SD, so a dark film comes out as bright as any other. The two constants are given."
)

check_standardise = Check(
    "standardise",
    _thrice(_right),
    _films,
    returns="a float32 array (h, w, 3)",
    mistakes=[
        (_right, "The numbers are right, but the network reads three channels: repeat the gray one along a last axis."),
        (lambda f, m, s: _right(f, m, s)[..., None], "There is one channel; the network reads three equal ones."),
        (lambda f, m, s: np.repeat(_right(f, m, s)[None], 3, axis=0),
         "The channels come first here; they come last in this network, (h, w, 3)."),
        (lambda f, m, s: np.tile(_right(f, m, s), (1, 3)),
         "The film is repeated side by side. The three channels need an axis of their own."),
        (lambda f, m, s: np.repeat(_right(f, m, s), 3, axis=-1),
         "Each pixel is repeated beside itself. The three channels need an axis of their own."),
        (lambda f, m, s: _thrice(_right)(f, m, s)[None], "There is one axis too many: that is a batch of one film."),
        (_thrice(lambda f, m, s: (f - f.mean()) / f.std()), OWN),
        (_thrice(lambda f, m, s: (f - f.mean()) / s), OWN),
        (_thrice(lambda f, m, s: (f - m) / f.std()), OWN),
        (_thrice(lambda f, m, s: f / 255),
         "Division by 255 belongs to other weights. Use the two constants that are given."),
        (_thrice(lambda f, m, s: f - m), "The mean is subtracted; the division by the SD is missing."),
        (_thrice(lambda f, m, s: f / s), "You divide by the SD; the subtraction of the mean is missing."),
        (_thrice(lambda f, m, s: f - m / s), "Only the mean is divided by the SD: put the difference in parentheses."),
        (_thrice(lambda f, m, s: f / s - m),
         "The mean is subtracted after the division. It is in gray levels, as the film is: which step comes first?"),
        (_thrice(lambda f, m, s: (f - m) / s**2), "You divide by the square of the SD, the variance."),
        (_thrice(lambda f, m, s: (f - m) / np.sqrt(s)), "You divide by the square root of the SD."),
        (_thrice(lambda f, m, s: (f - m) * s), "You multiply by the SD."),
        (_thrice(lambda f, m, s: (f + m) / s), "The mean is added; subtract it."),
        (_thrice(lambda f, m, s: (m - f) / s),
         "The sign is wrong: a pixel brighter than the mean must become positive."),
        (_thrice(lambda f, m, s: (f - s) / m), "Mean and SD are exchanged."),
        (_thrice(lambda f, m, s: (f / 255 - m) / s),
         "Mean and SD are gray levels from 0 to 255, and the film was divided by 255."),
        (_thrice(lambda f, m, s: (f / 255 - m / 255) / s), "The difference was divided by 255, and the SD was not."),
        (_thrice(lambda f, m, s: _wrapped(f, m) / s),
         "uint8 has no negative numbers: a dark pixel minus the mean wraps round to a bright one. Use floats before "
         "you subtract."),
        (_thrice(lambda f, m, s: f), "The film is still as it was read."),
        (_thrice(lambda f, m, s: _right(f, m, s).astype(int)),
         "The decimals are cut off: do not convert to whole numbers."),
        (_thrice(lambda f, m, s: _right(f, m, s).astype(np.uint8)),
         "The result is stored as uint8, which has neither negative numbers nor decimals."),
        (_thrice(lambda f, m, s: _right(f, m, s).astype(np.float16)),
         "float16 has only three digits. The network reads float32."),
        (_thrice(lambda f, m, s: np.clip(_right(f, m, s), 0, None)),
         "Negative numbers are cut off; a pixel darker than the mean must stay negative."),
        (_thrice(lambda f, m, s: np.clip(_right(f, m, s), -1, 1)),
         "The numbers are clipped to -1 to 1; brighter and darker pixels must keep their differences."),
        (_thrice(lambda f, m, s: (f - f.min()) / (f.max() - f.min())),
         "This stretches each film to 0 to 1 by its own darkest and brightest pixel. The two constants are given."),
    ],
    further=[_is_single],
    idea="Three steps: turn the film into float32, apply the two constants as in section 4, and repeat the result "
    "along a new last axis.",
    right="the same two constants for every film, so a dark film stays darker than a bright one.",
)  # fmt: skip


def _logits():
    random = np.random.default_rng(4)
    return [
        (1.3, 0.021),
        (-0.57, 0.31),
        (2.1, 0.83),
        (random.normal(0, 2, 7), random.uniform(0.003, 0.7, 7)),
        (np.array([-6.3, 5.1]), np.array([0.003, 0.93])),
    ]


def _sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z, float)))


def _log_odds(p):
    return np.log(p) - np.log(1 - p)


def _of_odds(odds):
    return odds / (1 + odds)


check_probability_at = Check(
    "probability_at",
    lambda z, p: _sigmoid(z + _log_odds(p)),
    _logits,
    returns="a probability for each logit",
    mistakes=[
        (lambda z, p: _sigmoid(z),
         "That is the probability at a prevalence of one half: the prevalence has not been used."),
        (lambda z, p: p, "That is the prevalence: the film has not been used."),
        (lambda z, p: _sigmoid(z) * p, "Probabilities cannot be multiplied like this. Odds can."),
        (lambda z, p: _sigmoid(z) * p / 0.5,
         "Probabilities do not scale with the prevalence (this one can exceed 1). Odds do."),
        (lambda z, p: z + _log_odds(p),
         "That is the logit at the new prevalence. Which function turns it into a probability?"),
        (lambda z, p: np.exp(z) * p / (1 - p), "These are odds. How do odds become a probability?"),
        (lambda z, p: _sigmoid(z - _log_odds(p)), "The sign is wrong: a rarer finding must become less probable."),
        (lambda z, p: _sigmoid(z + np.log(p)),
         "log(p) alone is not the logit of a prevalence: its odds are p / (1 - p)."),
        (lambda z, p: _sigmoid(z + np.log(1 - p)),
         "log(1 - p) alone is not the logit of a prevalence: its odds are p / (1 - p)."),
        (lambda z, p: _sigmoid(z + p / (1 - p)), "You add the odds of the prevalence to a logit. Add their logarithm."),
        (lambda z, p: _sigmoid(z * p / (1 - p)), "You multiply the logit. Odds multiply, and their logarithms add."),
        (lambda z, p: _sigmoid(z * _log_odds(p)), "You multiply two logits. Odds multiply, and their logarithms add."),
        (lambda z, p: _sigmoid(z + p), "You add the prevalence itself to a logit. Add its logit."),
        (lambda z, p: _of_odds(np.exp(z) + p / (1 - p)), "You add the odds. Odds multiply, and their logarithms add."),
        (lambda z, p: _sigmoid(z) + p,
         "You add two probabilities. Work with logits, and turn the sum into a probability at the end."),
        (lambda z, p: _sigmoid(_sigmoid(z) + _log_odds(p)),
         "You apply the sigmoid before the addition as well: `logit` is a logit already."),
        (lambda z, p: 1 - _sigmoid(z + _log_odds(p)), "This is the probability that the finding is NOT there."),
        (lambda z, p: _sigmoid(z + np.log10(p / (1 - p))), "The logit uses the natural logarithm, np.log."),
        (lambda z, p: _sigmoid(z + np.log2(p / (1 - p))), "The logit uses the natural logarithm, np.log."),
        (lambda z, p: _sigmoid(z + _log_odds(p) + np.log(2)),
         "There is a factor of 2 too many in the odds: at one half they are 1, not 1/2."),
        (lambda z, p: np.exp(z) * p / (1 - p) / (1 + np.exp(z)),
         "The odds are divided by 1 plus the OLD odds. The new odds belong there."),
        (lambda z, p: (_sigmoid(z) + p) / 2, "This is the mean of two probabilities. Evidence adds up in logits."),
    ],
    idea="First move the logit, with the formula above the exercise. Then turn it into a probability, with the "
    "sigmoid.",
    right="in logits a change of prevalence is one addition, and the order of the films stays the same.",
)  # fmt: skip
