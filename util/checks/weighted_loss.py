"""Checks of lesson 4: weights of a finding, what they leave between findings, the loss on logits, its slope."""

import numpy as np
import pandas as pd
from scipy.special import expit

from util.checks.answers import Check, CheckFailed, run, same


def _table(seed, films, shares):
    """A table of labels (films, findings) in which every finding has positive and negative films."""
    random = np.random.default_rng(seed)
    labels = (random.random((films, len(shares))) < shares).astype(int)
    labels[0], labels[1] = 1, 0
    return pd.DataFrame(labels, columns=[f"finding {k}" for k in range(len(shares))])


def _tables():
    return [
        (_table(1, 37, [0.1, 0.3, 0.6]),),
        (_table(2, 53, [0.02, 0.15, 0.4, 0.5, 0.9]),),
        (_table(3, 23, [0.25, 0.7]),),
    ]


def _weights(of):
    """A mistake that answers both weights from the prevalences and the number of films."""
    return lambda labels: of(labels.to_numpy().mean(axis=0), len(labels))


SCALE = "These weights balance each finding, but on a different scale. Here the two weights of a finding add up to 1."
SWAPPED = "The two are exchanged: the rarer side needs the larger weight. Which share goes with the positive films?"

check_class_weights = Check(
    "class_weights",
    _weights(lambda p, n: (1 - p, p)),
    _tables,
    returns="two things, `positive, negative`, each with one number for each finding",
    mistakes=[
        (_weights(lambda p, n: (p, 1 - p)), SWAPPED),
        (_weights(lambda p, n: (n * p, n - n * p)), SWAPPED + " (And divide these counts by the number of films.)"),
        (_weights(lambda p, n: (n - n * p, n * p)),
         "These are numbers of films, so the loss would grow with the table. Shares of the films are asked for."),
        (lambda y: (1 - y.to_numpy().mean(), y.to_numpy().mean()),
         "You have one prevalence for all findings together, and each finding has its own. Over which axis do you "
         "average?"),
        (lambda y: (np.full(y.shape[1], 1 - y.to_numpy().mean()), np.full(y.shape[1], y.to_numpy().mean())),
         "Every finding gets the same weights, from one prevalence for all findings together. Each finding has its "
         "own."),
        (lambda y: (1 - y.to_numpy().mean(axis=1), y.to_numpy().mean(axis=1)),
         "There is one weight for each film: you averaged over the findings. Average over the films."),
        (lambda y: 1 - y.to_numpy().mean(axis=0),
         "These are the weights of the positive films. Return those of the negative films as well."),
        (lambda y: y.to_numpy().mean(axis=0),
         "These are the weights of the negative films. Return those of the positive films as well, and first."),
        (lambda y: (1 - np.median(y.to_numpy(), axis=0), np.median(y.to_numpy(), axis=0)),
         "This is the median of the labels, which is 0 for every rare finding. A share of the films is asked for."),
        (_weights(lambda p, n: (1 - p, 1 - p)), "Both sides have the same weight, so nothing is balanced."),
        (_weights(lambda p, n: (p, p)), "Both sides have the same weight, so nothing is balanced."),
        (_weights(lambda p, n: (p * 0 + 1, p * 0 + 1)), "All weights are 1: that is the plain loss."),
        (_weights(lambda p, n: (p * 0 + 0.5, p * 0 + 0.5)),
         "All weights are 1/2, whatever the prevalence: nothing is balanced."),
        (_weights(lambda p, n: (1 / (2 * p), 1 / (2 * (1 - p)))), SCALE),
        (_weights(lambda p, n: (1 / p, 1 / (1 - p))), SCALE),
        (_weights(lambda p, n: ((1 - p) / p, p * 0 + 1)), SCALE),
        (_weights(lambda p, n: (p * 0 + 1, p / (1 - p))), SCALE),
        (_weights(lambda p, n: (p / (1 - p), p * 0 + 1)),
         "The rarer side gets the smaller weight here. Which side needs the larger one?"),
    ],
    idea="Find the prevalence of each finding: the mean of its column. Each side then gets the share of the other "
    "side as its weight.",
    right="w+ is the share of negatives, w- the share of positives, so both sides contribute p (1 - p).",
)  # fmt: skip


def _prevalences():
    random = np.random.default_rng(4)
    return [(np.array([0.013, 0.117, 0.31, 0.47]),), (0.083,), (random.uniform(0.002, 0.9, (2, 3)),)]


LOG = "Does your answer still hold a log 2? It is in the weighted and in the plain loss, so it cancels in their ratio."

check_scale = Check(
    "scale",
    lambda p: 2 * p * (1 - p),
    _prevalences,
    returns="one number for each prevalence",
    mistakes=[
        (lambda p: p * (1 - p), "This is what one side contributes. The other side contributes as much again."),
        (lambda p: p * 0 + 1.0,
         "It would be 1 if the weights took nothing away. A share p of the films has the weight 1 - p: what have the "
         "others?"),
        (lambda p: 1.0,
         "It would be 1 if the weights took nothing away. A share p of the films has the weight 1 - p: what have the "
         "others?"),
        (lambda p: p,
         "This is the share of the positive films. Weigh them, and add the weighted share of the negative ones."),
        (lambda p: 1 - p,
         "This is the share of the negative films. Weigh them, and add the weighted share of the positive ones."),
        (lambda p: 2 * p,
         "That is nearly right for a rare finding, and wrong for a frequent one: each side contributes p (1 - p)."),
        (lambda p: 2 * p * (1 - p) * np.log(2), "This is the weighted loss itself. Divide it by the plain loss."),
        (lambda p: p * (1 - p) * np.log(2),
         "This is the weighted loss of one side. Add the other side, and divide by the plain loss."),
        (lambda p: 2 * p * (1 - p) / np.log(2), LOG),
        (lambda p: p**2 + (1 - p) ** 2,
         "The weights are exchanged: the positive films, a share p, have the weight 1 - p."),
        (lambda p: 1 / (2 * p * (1 - p)), "This is the plain loss divided by the weighted one, the other way round."),
        (lambda p: (1 - p) / p,
         "This is how much more the negative films contribute in the plain loss. The ratio of two whole losses is "
         "asked for."),
        (lambda p: p / (1 - p), "These are the odds of the finding. The ratio of two whole losses is asked for."),
        (lambda p: 4 * p * (1 - p),
         "This is twice the right value: it would be 1 for a prevalence of one half. What does the loss of such a "
         "finding become?"),
        (lambda p: 2 * p * (1 - p) - 1, "You subtract the plain loss; divide by it."),
        (lambda p: -(p * np.log(p) + (1 - p) * np.log(1 - p)),
         "This is the loss of a network that answers the prevalence. Here it knows nothing and answers one half."),
        (lambda p: np.sum(2 * p * (1 - p)), "You add up over the prevalences. Each of them has a ratio of its own."),
        (lambda p: np.mean(2 * p * (1 - p)), "You average over the prevalences. Each of them has a ratio of its own."),
    ],
    idea="Before weighting, every film contributes the same. Which share of the films has which weight? Add up share "
    "times weight over both sides.",
    right="2 p (1 - p). Balanced within a finding, it still depends on the finding.",
)  # fmt: skip


def _batches():
    """Labels, logits and both weights: (films, findings) uneven, weights that do not add up to 1."""
    batches = []
    for seed, shape in ((5, (7, 3)), (6, (13, 5)), (7, (5, 2))):
        random = np.random.default_rng(seed)
        y = (random.random(shape) < 0.4).astype(int)
        y[0], y[1] = 1, 0
        positive, negative = random.uniform(0.1, 0.9, (2, shape[1]))
        batches.append((y, random.normal(0, 1.7, shape), positive, negative))
    return batches


def _each(y, z, positive, negative):
    """Weighted loss of each film and finding."""
    return positive * y * np.logaddexp(0, -z) + negative * (1 - y) * np.logaddexp(0, z)


def _normalised(y, z, positive, negative):
    return _each(y, z, positive, negative).sum() / (positive * y + negative * (1 - y)).sum()


def _far(name, function, wanted, hints):
    """Raise CheckFailed unless an answer is right where a logit is 1,000 away on either side."""
    half = np.array([0.5])
    for y, z in ((0, 1000.0), (1, -1000.0), (1, 1000.0), (0, -1000.0)):
        found = np.ravel(np.asarray(run(function, np.array([[y]]), np.array([[z]]), half, half), dtype=float))[0]
        right = wanted(y, z)
        what = (
            f"At a logit of {z:,.0f}, for a {'positive' if y else 'negative'} film of weight 0.5, {name} is {found:.4g}"
        )
        if not np.isfinite(found):
            raise CheckFailed(f"{what}: an exp overflows, or a sigmoid has rounded to 0 or 1. {hints['infinite']}")
        if not same(found, right):
            raise CheckFailed(f"{what} and must be {right:.4g}. {hints['ceiling' if right else 'zero']}")


def _far_losses(function):
    hints = {
        "infinite": "Which function gives log(1 + exp(z)) without either?",
        "ceiling": "An epsilon or a clip puts a ceiling on the loss.",
        "zero": "This film is right, and nothing is left to learn from it.",
    }
    _far("the loss", function, lambda y, z: 0.5 * max(0.0, -z if y else z), hints)


check_weighted_cross_entropy = Check(
    "weighted_cross_entropy",
    lambda y, z, p, n: np.mean(_each(y, z, p, n)),
    _batches,
    returns="one number, the mean over films and findings",
    mistakes=[
        (lambda y, z, p, n: _each(y, z, p, n).sum(),
         "This is the sum, which grows with the batch. Take the mean over films and findings."),
        (lambda y, z, p, n: _each(y, z, p, n).sum(axis=1).mean(),
         "You add up the findings and average over the films. Average over both."),
        (lambda y, z, p, n: _each(y, z, p, n).sum(axis=0).mean(),
         "You add up the films and average over the findings. Average over both."),
        (lambda y, z, p, n: _each(y, z, p, n).mean(axis=0),
         "There is one number for each finding. Take the mean over the findings, too."),
        (lambda y, z, p, n: _each(y, z, p, n).mean(axis=1),
         "There is one number for each film. Take the mean over the films, too."),
        (_each, "There is one number for each film and finding. Take the mean."),
        (lambda y, z, p, n: -_each(y, z, p, n).mean(), "The sign is wrong: a loss is never negative."),
        (lambda y, z, p, n: _each(y, -z, p, n).mean(),
         "The signs of the logit are exchanged: the loss of a positive film is large when its logit is LOW."),
        (lambda y, z, p, n: _each(y, z, n, p).mean(),
         "The weights are exchanged: which of them belongs to a positive film?"),
        (lambda y, z, p, n: _each(1 - y, z, p, n).mean(),
         "The labels are exchanged: y is 1 for a film with the finding."),
        (lambda y, z, p, n: _each(1 - y, -z, p, n).mean(),
         "The weights are exchanged: which of them belongs to a positive film?"),
        (lambda y, z, p, n: _each(y, z, 1, 1).mean(), "This is the plain loss: the weights are not used."),
        (lambda y, z, p, n: _each(y, z, p, 0 * n).mean(), "The negative films are left out."),
        (lambda y, z, p, n: _each(y, z, 0 * p, n).mean(), "The positive films are left out."),
        (lambda y, z, p, n: _each(y, z, p, 1).mean(), "The negative films are not weighted."),
        (lambda y, z, p, n: _each(y, z, 1, n).mean(), "The positive films are not weighted."),
        (lambda y, z, p, n: _each(y, expit(z), p, n).mean(),
         "A sigmoid is taken first, and softplus holds one already. Use the logit itself."),
        (_normalised,
         "You divide by the sum of the weights. Here the mean is over films and findings, each counted once."),
        (lambda y, z, p, n: _each(y, z, p, n).mean() / 2,
         "This is half of the right value: the mean is over films and findings, not over the two sides as well."),
        (lambda y, z, p, n: (p * np.logaddexp(0, -z) + n * np.logaddexp(0, z)).mean(),
         "Every film contributes to both sides: the labels y are not used."),
        (lambda y, z, p, n: (_each(y, z, p, 0 * n).sum() / y.sum() + _each(y, z, 0 * p, n).sum() / (1 - y).sum()),
         "You average over the positive and over the negative films apart. There is one mean, over all."),
        (lambda y, z, p, n: (p * y * np.log1p(np.exp(z)) - n * (1 - y) * np.log1p(np.exp(z))).mean(),
         "The two sides are subtracted, and both use softplus(z). Add them; a positive film uses -z."),
    ],
    further=[_far_losses],
    idea="y is 1 for a positive film and 0 for a negative one, so y and 1 - y switch the two terms on and off. "
    "Multiply each by its weight "
    "and by its softplus, add, and take one mean over everything.",
    right="and it stays finite and exact for any logit.",
)  # fmt: skip


def _slope_of_each(y, z, positive, negative):
    """Slope of the weighted loss of each film and finding along its own logit."""
    return positive * y * (expit(z) - 1) + negative * (1 - y) * expit(z)


def _slopes(y, z, positive, negative):
    return _slope_of_each(y, z, positive, negative) / y.size


def _far_slopes(function):
    hints = {
        "infinite": "Write the sigmoid so that it never computes exp of a large positive number.",
        "ceiling": "A film that is very wrong has the slope of its full weight: do you clip, or add an epsilon?",
        "zero": "This film is right, so its slope is zero.",
    }
    _far("the slope", function, lambda y, z: 0.0 if (z > 0) == bool(y) else 0.5 * np.sign(z), hints)


check_slope = Check(
    "slope",
    _slopes,
    _batches,
    returns="an array with one slope for each film and finding",
    mistakes=[
        (_slope_of_each, "This is the slope of the sum. The loss is a mean over films and findings."),
        (lambda y, z, p, n: _slope_of_each(y, z, p, n) / len(y),
         "You divide by the number of films only. The loss is a mean over films AND findings."),
        (lambda y, z, p, n: _slope_of_each(y, z, p, n) / y.shape[1],
         "You divide by the number of findings only. The loss is a mean over films AND findings."),
        (lambda y, z, p, n: -_slopes(y, z, p, n),
         "The sign is wrong: when the logit of a negative film rises, its loss rises."),
        (lambda y, z, p, n: -_slope_of_each(y, z, p, n),
         "The sign is wrong (when the logit of a negative film rises, its loss rises), and the loss is a mean."),
        (lambda y, z, p, n: (expit(z) - y) / y.size, "This is the slope of the plain loss: the weights are not used."),
        (lambda y, z, p, n: expit(z) - y,
         "This is the slope of the plain loss, summed: the weights are not used, and the loss is a mean."),
        (lambda y, z, p, n: _slopes(y, z, n, p),
         "The weights are exchanged: which of them belongs to a positive film?"),
        (lambda y, z, p, n: _slopes(1 - y, z, p, n), "The labels are exchanged: y is 1 for a film with the finding."),
        (lambda y, z, p, n: _slopes(y, -z, p, n), "The sign of the logit is exchanged: q rises with z."),
        (lambda y, z, p, n: (p * y + n * (1 - y)) * expit(z) / y.size,
         "A positive film does not have the slope w+ q: its loss falls when its logit rises."),
        (lambda y, z, p, n: (p * y - n * (1 - y)) * expit(z) / y.size,
         "Neither side has the right slope: for a negative film it is positive, for a positive film it is q - 1 times "
         "the weight."),
        (lambda y, z, p, n: _slopes(y, z, p, n) * expit(z) * (1 - expit(z)),
         "There is a factor q (1 - q) too many. It belongs to the slope of the PROBABILITY, and has canceled in the "
         "slope of the loss."),
        (lambda y, z, p, n: (p * y * (z - 1) + n * (1 - y) * z) / y.size,
         "You use the logit z where the probability q belongs."),
        (lambda y, z, p, n: _each(y, z, p, n) / y.size,
         "This is the loss, not its slope: how fast does the loss grow with the logit?"),
        (lambda y, z, p, n: _each(y, z, p, n),
         "This is the loss of each film, not its slope: how fast does the loss grow with the logit?"),
        (lambda y, z, p, n: _slopes(y, z, p, n).mean(),
         "There is one number. Each film and finding has a slope of its own."),
        (lambda y, z, p, n: _slopes(y, z, p, n).sum(),
         "There is one number. Each film and finding has a slope of its own."),
        (lambda y, z, p, n: _slopes(y, z, p, n).sum(axis=0),
         "There is one number for each finding. Each film and finding has a slope of its own."),
        (lambda y, z, p, n: _slopes(y, z, p, 0 * n), "The negative films are left out."),
        (lambda y, z, p, n: _slopes(y, z, p, -n),
         "The negative films have the wrong sign: their loss rises when the logit rises."),
        (lambda y, z, p, n: p * y * (expit(z) - 1) + n * (1 - y) * expit(z) / y.size,
         "Only one of the two terms is divided: put both in parentheses."),
        (lambda y, z, p, n: _slopes(y, z, 0 * p, n), "The positive films are left out."),
        (lambda y, z, p, n: (p * y * (1 - expit(z)) + n * (1 - y) * expit(z)) / y.size,
         "The positive films have the wrong sign: their loss falls when the logit rises."),
        (lambda y, z, p, n: (-p * y / expit(z) + n * (1 - y) / (1 - expit(z))) / y.size,
         "This is the slope along the PROBABILITY q. The slope along the logit z is asked for."),
    ],
    further=[_far_slopes],
    idea="The text above the exercise gives both slopes: q for a negative film, q - 1 for a positive one. Weigh them "
    "as in the loss. A mean "
    "over N numbers has 1/N of the slope of each of them.",
    right="as finite differences say, and finite for any logit.",
)  # fmt: skip
