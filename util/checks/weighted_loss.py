"""Checks of notebook 2: weights of a finding, what they leave between findings, the loss on logits, its slope."""

import numpy as np
import pandas as pd

from util.checks.answers import CheckFailed, expect, run, same
from util.losses.weighted import weighted_cross_entropy

WEIGHT_HINTS = {
    "pair": "Return two things, `return positive, negative`, each with one number for each finding.",
    "one": "There is one prevalence for all findings together; each finding has its own: average over films only, `axis=0`.",
    "per film": "There is one weight for each film: you averaged over findings. Average over films, `axis=0`.",
    "swapped": "They are exchanged: the rarer side needs the larger weight, so w+ is the share of NEGATIVES.",
    "counts": "These are numbers of films; divide by how many films there are, so that the loss does not grow with them.",
    "equal": "Both sides have the same weight, so nothing is balanced: w+ is the share of negatives, w- that of positives.",
    "scaled": "These do balance each finding, but on another scale; here the two weights of a finding add up to 1: "
    "w+ = 1 - p and w- = p.",
}
ONE_HINT = "It would be 1 if the weights took nothing away. Add up: a share p of films has weight 1 - p, and the rest?"
LOSS_HINTS = {
    "sum": "This is the sum; take the mean over films and findings, or the loss grows with the batch.",
    "sum over findings": "You add up the findings and average over films; average over both.",
    "per finding": "There is one number for each finding; take the mean over findings, too.",
    "per film": "There is one number for each film; take the mean over films, too.",
    "each": "There is one number for each film and finding; take the mean.",
    "sign": "The sign is wrong: a loss is positive, -log of a probability.",
    "softplus": "Signs of the logit are exchanged: a positive film is costly when its logit is LOW, softplus(-z).",
    "swapped": "The weights are exchanged: w+ belongs to y, w- to 1 - y.",
    "plain": "This is the plain loss: the weights are not used, or they cancel.",
    "no negatives": "The negative films are left out: add w- (1 - y) softplus(z).",
    "sigmoid": "A sigmoid is taken first, and softplus takes it again: use the logit itself.",
    "infinite": "At a logit of {z:.0f} the loss is {cost}: exp overflows, or the sigmoid has rounded to 0 or 1 and its log "
    "is infinite. np.logaddexp(0, z) is log(1 + exp(z)) without either.",
    "epsilon": "A film that is wrong by 1000 logits with weight 0.5 must cost 500, here {cost:.1f}. Is there an epsilon or a "
    "clip inside a logarithm? It puts a ceiling on the loss, and above it nothing is learned.",
    "not zero": "A film that is right by 1000 logits must cost nothing, here {cost}.",
}
SLOPE_HINTS = {
    "sum": "This is the slope of the sum; the loss is a mean over films and findings, so divide by how many there are.",
    "per film": "This is divided by the number of films only; the loss is a mean over films AND findings.",
    "sign": "The sign is wrong: where a negative film's logit rises, its loss rises, so its slope is positive.",
    "plain": "The weights are not used: w+ belongs to y, w- to 1 - y.",
    "swapped": "The weights are exchanged: w+ belongs to y, w- to 1 - y.",
    "same": "A positive film has a slope of w+ (q - 1): its loss falls as its logit rises. You give it w+ q.",
    "twice": "There is a factor q (1 - q) too many. It belongs to the slope of the PROBABILITY; in the slope of the loss "
    "it has cancelled, and that is why the film that is most wrong teaches most.",
    "logit": "You use the logit z where the probability q = 1 / (1 + exp(-z)) belongs.",
    "loss": "This is the loss, not its slope: how fast does it grow with the logit?",
    "infinite": "At a logit of {z:.0f} the slope is {slope}: exp overflows. scipy.special.expit gives q for any logit.",
    "one": "There is one number; each film and finding has a slope of its own.",
    "flat": "A film that is wrong by 1000 logits must have the slope of its full weight, here {slope:.3g} of {right:.3g}.",
    "not zero": "A film that is right by 1000 logits must have no slope, here {slope:.3g}.",
}


def check_class_weights(class_weights):
    """`class_weights(labels)` -> (w+, w-), each one number for each finding: 1 - p and p."""
    labels = pd.DataFrame(
        {
            "Edema": [1, 0, 0, 0, 0, 0, 0, 0],
            "Mass": [0, 1, 1, 0, 0, 0, 0, 0],
            "Hernia": [0, 1, 0, 1, 1, 1, 0, 1],
        }
    )
    p = labels.mean().to_numpy()
    answer = run(class_weights, labels)
    try:
        positive, negative = (np.asarray(weights, dtype=float) for weights in answer)
    except (TypeError, ValueError):
        raise CheckFailed(WEIGHT_HINTS["pair"]) from None
    if positive.shape == negative.shape == ():
        raise CheckFailed(WEIGHT_HINTS["one"])
    if positive.shape == negative.shape == (len(labels),):
        raise CheckFailed(WEIGHT_HINTS["per film"])
    if not positive.shape == negative.shape == p.shape:
        raise CheckFailed(WEIGHT_HINTS["pair"])
    _check_balance(positive, negative, p, len(labels))
    print("Right: w+ is the share of negatives, w- the share of positives, so both sides carry p (1 - p).")


def _check_balance(positive, negative, p, films):
    """Raise unless weights of the right shape are 1 - p and p."""
    counts = films * p
    mistakes = [
        ([p, 1 - p], WEIGHT_HINTS["swapped"]),
        ([films - counts, counts], WEIGHT_HINTS["counts"]),
        ([counts, films - counts], WEIGHT_HINTS["swapped"]),
        ([1 - p, 1 - p], WEIGHT_HINTS["equal"]),
        ([p, p], WEIGHT_HINTS["equal"]),
        ([np.full(3, 1 - p.mean()), np.full(3, p.mean())], WEIGHT_HINTS["one"]),
    ]
    otherwise = (
        f"They do not balance: for the first finding w+ times the share of positives is {positive[0] * p[0]:.3f}, w- times "
        f"the share of negatives {negative[0] * (1 - p[0]):.3f}; these must be equal."
    )
    balanced = same(positive * p, negative * (1 - p))
    expect([positive, negative], [1 - p, p], mistakes, WEIGHT_HINTS["scaled"] if balanced else otherwise)


def check_scale(scale):
    """`scale(p)` -> weighted loss of a finding of prevalence p relative to the plain one, at logit 0: 2 p (1 - p)."""
    p = np.array([0.01, 0.1, 0.25, 0.4])
    right = 2 * p * (1 - p)
    mistakes = [
        (p * (1 - p), "This is what the positives contribute; the negatives contribute as much again: add both sides."),
        (np.ones(4), ONE_HINT),
        (1.0, ONE_HINT),
        (p, "The plain loss of the positives alone is p; weight it with w+, and add the negatives."),
        (2 * p, "Almost: that is so for rare findings only. Each side is p (1 - p) exactly."),
        (right * np.log(2), "This is the weighted loss itself; divide by the plain loss, log 2."),
        (p**2 + (1 - p) ** 2, "Positives got the weight p and negatives 1 - p: the weights are exchanged."),
        (1 / right, "This is the plain loss relative to the weighted one, the other way round."),
    ]
    otherwise = (
        "A share p of the films has weight 1 - p, a share 1 - p has weight p, and at logit 0 each film costs log 2 before "
        "weighting. Add the two sides, and divide by log 2."
    )
    expect(run(scale, p), right, mistakes, otherwise)
    print("Right: 2 p (1 - p). Balanced within a finding, it still depends on the finding.")


def check_weighted_cross_entropy(loss):
    """`loss(y, logits, positive, negative)` -> one number, the mean over films and findings, for any logits."""
    y = np.array([[1, 0], [0, 0], [0, 1], [0, 0]])
    z = np.array([[-1.2, 0.3], [0.4, -2.0], [2.1, 1.1], [-0.7, 0.9]])
    positive, negative = np.array([0.75, 0.6]), np.array([0.25, 0.4])
    otherwise = (
        "Four films and two findings give another number. For a positive film the loss is w+ softplus(-z), for a negative "
        "one w- softplus(z), with softplus(z) = log(1 + exp(z)); then take the mean."
    )
    with np.errstate(all="ignore"):
        answer = run(loss, y, z, positive, negative)
        right = weighted_cross_entropy(y, z, positive, negative)
        expect(answer, right, _loss_mistakes(y, z, positive, negative), otherwise)
        _check_extremes(loss)
    print("Right: and it stays finite and exact for any logit.")


def _loss_mistakes(y, z, positive, negative):
    """What known misconceptions answer, with their hints."""
    sp_minus, sp_plus, ones = np.logaddexp(0, -z), np.logaddexp(0, z), np.ones(2)
    right = positive * y * sp_minus + negative * (1 - y) * sp_plus
    wrong = {
        "sum": right.sum(),
        "sum over findings": right.sum(axis=1).mean(),
        "per finding": right.mean(axis=0),
        "per film": right.mean(axis=1),
        "each": right,
        "sign": -right.mean(),
        "softplus": (positive * y * sp_plus + negative * (1 - y) * sp_minus).mean(),
        "swapped": weighted_cross_entropy(y, z, negative, positive),
        "plain": weighted_cross_entropy(y, z, ones, ones),
        "no negatives": (positive * y * sp_minus).mean(),
        "sigmoid": weighted_cross_entropy(y, 1 / (1 + np.exp(-z)), positive, negative),
    }
    return [(value, LOSS_HINTS[name]) for name, value in wrong.items()]


def _check_extremes(loss):
    """A film that is wrong by 1000 logits costs 1000 times its weight, one that is right costs nothing."""
    half = np.array([0.5])
    for y, z, right in [(0, 1000.0, 500), (1, -1000.0, 500), (1, 1000.0, 0), (0, -1000.0, 0)]:
        cost = float(run(loss, np.array([[y]]), np.array([[z]]), half, half))
        if not np.isfinite(cost):
            raise CheckFailed(LOSS_HINTS["infinite"].format(z=z, cost=cost))
        if not same(cost, right):
            raise CheckFailed(LOSS_HINTS["epsilon" if right else "not zero"].format(cost=cost))


def check_slope(slope):
    """`slope(y, logits, positive, negative)` -> how fast the weighted loss grows with each logit: (films, findings)."""
    y = np.array([[1, 0], [0, 0], [0, 1], [0, 1]])
    z = np.array([[-1.2, 0.3], [0.4, -2.0], [2.1, 1.1], [-0.7, 0.9]])
    positive, negative = np.array([0.75, 0.6]), np.array([0.25, 0.4])
    right = _differences(y, z, positive, negative)
    with np.errstate(all="ignore"):
        answer = run(slope, y, z, positive, negative)
        if np.ndim(answer) == 0:
            raise CheckFailed(SLOPE_HINTS["one"])
        otherwise = (
            "Finite differences give another slope. Raise one logit by h, see by how much the loss grows, and divide by h: "
            f"for the first film and finding that is {right[0, 0]:.4f}."
        )
        if not same(answer, right, tolerance=1e-5):
            expect(answer, right, _slope_mistakes(y, z, positive, negative), otherwise)
        _check_far_slopes(slope)
    print("Right: as finite differences say, and finite for any logit.")


def _differences(y, z, positive, negative, h=1e-4):
    """Slope of the loss along each logit by central differences: (films, findings)."""
    steps = h * np.eye(z.size).reshape(z.size, *z.shape)
    rises = [
        weighted_cross_entropy(y, z + step, positive, negative)
        - weighted_cross_entropy(y, z - step, positive, negative)
        for step in steps
    ]
    return np.reshape(rises, z.shape) / (2 * h)


def _slope_mistakes(y, z, positive, negative):
    """What known misconceptions answer, with their hints."""
    q = 1 / (1 + np.exp(-z))
    each = positive * y * (q - 1) + negative * (1 - y) * q
    wrong = {
        "sum": each,
        "per film": each / len(y),
        "sign": -each / y.size,
        "plain": (q - y) / y.size,
        "swapped": (negative * y * (q - 1) + positive * (1 - y) * q) / y.size,
        "same": (positive * y + negative * (1 - y)) * q / y.size,
        "twice": each * q * (1 - q) / y.size,
        "logit": (positive * y * (z - 1) + negative * (1 - y) * z) / y.size,
        "loss": (positive * y * np.logaddexp(0, -z) + negative * (1 - y) * np.logaddexp(0, z)) / y.size,
    }
    return [(value, SLOPE_HINTS[name]) for name, value in wrong.items()]


def _check_far_slopes(slope):
    """A film that is wrong by 1000 logits has the slope of its full weight, one that is right has none."""
    half = np.array([0.5])
    for y, z, right in [(0, 1000.0, 0.5), (1, -1000.0, -0.5), (1, 1000.0, 0), (0, -1000.0, 0)]:
        far = float(np.ravel(run(slope, np.array([[y]]), np.array([[z]]), half, half))[0])
        if not np.isfinite(far):
            raise CheckFailed(SLOPE_HINTS["infinite"].format(z=z, slope=far))
        if not same(far, right):
            raise CheckFailed(SLOPE_HINTS["flat" if right else "not zero"].format(slope=far, right=right))
