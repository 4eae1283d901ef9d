"""Checks of lesson 1: what arrives at the detector, the width of a shadow, a convolution, a step down the slope."""

import numpy as np

from util.checks.answers import Check

# --- transmitted ---


def _rays():
    rng = np.random.default_rng(1)
    return [(rng.uniform(0.03, 0.6, n), rng.uniform(0.3, 4.1, n)) for n in (3, 5, 1, 4)]


def _path(mu, cm):
    return np.sum(np.asarray(mu) * np.asarray(cm))


check_transmitted = Check(
    "transmitted",
    lambda mu, cm: np.exp(-_path(mu, cm)),
    _rays,
    returns="one number, the share of the ray that arrives",
    mistakes=[
        (lambda mu, cm: 1 - np.exp(-_path(mu, cm)), "This is the share that the layers stop, not the share that arrives."),
        (lambda mu, cm: np.exp(_path(mu, cm)), "More arrives here than was sent: look at the sign in the exponent."),
        (lambda mu, cm: _path(mu, cm), "This is the sum of attenuation times thickness; it is not yet a share of the ray."),
        (lambda mu, cm: -_path(mu, cm), "This is the logarithm of the share; the share itself is asked for."),
        (lambda mu, cm: 1 - _path(mu, cm), "You subtract as if each centimeter stopped the same amount. It stops the same "
         "share of what is left, so the shares multiply."),
        (lambda mu, cm: np.maximum(1 - _path(mu, cm), 0), "You subtract as if each centimeter stopped the same amount, and "
         "cut off at 0. It stops the same share of what is left, so some of the ray always arrives."),
        (lambda mu, cm: np.exp(-np.asarray(mu) * cm), "These are the shares of the single layers. The ray crosses one after "
         "the other: what becomes of the share that the first one lets through?"),
        (lambda mu, cm: np.exp(-np.asarray(mu) * cm).sum(), "You add the shares of the layers. The second layer gets only "
         "what the first one lets through: which operation is that?"),
        (lambda mu, cm: np.exp(-np.asarray(mu) * cm).mean(), "You average the shares of the layers, but the ray crosses all "
         "of them, one after the other."),
        (lambda mu, cm: np.exp(-np.mean(np.asarray(mu) * cm)), "You average over the layers in the exponent: then ten layers "
         "would stop no more than one."),
        (lambda mu, cm: np.exp(-np.sum(mu) * np.sum(cm)), "You multiply the sum of all attenuations by the sum of all "
         "thicknesses. Each layer has its own thickness."),
        (lambda mu, cm: np.exp(-np.mean(mu) * np.sum(cm)), "You use the mean attenuation for every layer, as if all layers "
         "were equally thick."),
        (lambda mu, cm: np.exp(-np.sum(mu)), "The thicknesses are not used: this holds for layers of one centimeter each."),
        (lambda mu, cm: np.exp(-np.sum(cm)), "The attenuations are not used: every tissue would count alike."),
        (lambda mu, cm: 10 ** -_path(mu, cm), "This is a power of 10. The attenuations of this course belong to powers of e."),
        (lambda mu, cm: 2 ** -_path(mu, cm), "This is a power of 2. The attenuations of this course belong to powers of e."),
        (lambda mu, cm: np.exp(-np.max(np.asarray(mu) * cm)), "Only the layer that stops most is counted; all of them stop "
         "some of the ray."),
        (lambda mu, cm: np.exp(-mu[0] * cm[0]), "Only the first layer is counted."),
        (lambda mu, cm: np.exp(-np.sum(np.asarray(mu) / cm)), "You divide the attenuation by the thickness: then a thicker "
         "layer would stop less."),
        (lambda mu, cm: 1 / (1 + _path(mu, cm)), "This falls with thickness, but not by the same share per centimeter: use "
         "the law above."),
    ],
    idea="Each layer lets a share through, and the next layer gets only that. Shares that follow each other multiply; in "
    "the exponent, products become sums.",
    right="the shares of the layers multiply, so their exponents add up.",
)  # fmt: skip

# --- shadow ---


def _beams():
    return [(11.7, 183.0, 9.3), (3.1, 107.0, 17.9), (27.3, 151.0, 41.7), (8.9, 97.0, 0.7)]


def _beside(change):
    """A wrong width: `change` of width, distance to the detector, and distance from tube to object."""
    return lambda width, far, gap: change(width, far, gap, far - gap)


check_shadow = Check(
    "shadow",
    lambda width, far, gap: width * far / (far - gap),
    _beams,
    returns="one number, a width in centimeters",
    mistakes=[
        (_beside(lambda w, f, g, n: w * n / f), "Your shadow is smaller than the object. It is the other way round: the rays "
         "spread on their way."),
        (_beside(lambda w, f, g, n: f / n), "This is the magnification, a ratio; multiply the width by it."),
        (_beside(lambda w, f, g, n: w * (f + g) / f), "You place the object behind the tube's full distance. The tube is "
         "`tube_to_detector` from the detector, and the object is between them: how far is it from the tube?"),
        (_beside(lambda w, f, g, n: w * f / (f + g)), "You add the distance of the object. The object is between tube and "
         "detector: is it farther from the tube than the detector, or nearer?"),
        (_beside(lambda w, f, g, n: w * (f + g) / n), "The way from tube to detector is counted too long: the object is on it, "
         "not in front of it."),
        (_beside(lambda w, f, g, n: w * f / g), "You divide by the distance from object to detector; the law has the "
         "distance from tube to object."),
        (_beside(lambda w, f, g, n: w * g / f), "You use the distance from object to detector; the law compares two distances "
         "that are both measured from the tube."),
        (_beside(lambda w, f, g, n: w * g / n), "This is by how much the shadow is wider than the object; the whole width is "
         "asked for."),
        (_beside(lambda w, f, g, n: w * n / g), "Both distances of your ratio end at the object. Compare the distances from "
         "the tube: to the detector, and to the object."),
        (_beside(lambda w, f, g, n: w * (f / n) ** 2), "You square the magnification. That would be right for an area; a "
         "width grows by the simple ratio."),
        (_beside(lambda w, f, g, n: w + g), "A distance is added to the width. Widths grow by a factor: use similar triangles."),
        (_beside(lambda w, f, g, n: w), "The shadow is as wide as the object only when the object touches the detector."),
        (_beside(lambda w, f, g, n: f / n - 1), "This is the share by which the shadow is wider; the width in centimeters is "
         "asked for."),
    ],
    idea="Draw the tube as a point. The object and its shadow are the bases of two similar triangles with their tips at "
    "the tube. How high is each triangle?",
    right="width times (tube to detector) over (tube to object).",
)  # fmt: skip

# --- convolve ---


def _patches():
    rng = np.random.default_rng(3)
    return [
        (rng.integers(0, 256, (9, 6)).astype(np.uint8), np.array([[-1, 0, 1], [-2, 1, 2], [-3, 0, 4]])),
        (rng.normal(0, 7.3, (5, 11)), rng.normal(size=(3, 3))),
        (rng.normal(3, 2.1, (3, 4)), rng.normal(size=(3, 3))),
    ]


def _slide(film, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(film, float), (3, 3))
    return np.einsum("hwij,ij->hw", windows, np.asarray(kernel, float))


def _windows(film):
    return np.lib.stride_tricks.sliding_window_view(np.asarray(film, float), (3, 3))


def _same_size(film, kernel):
    return _slide(np.pad(np.asarray(film, float), 1), kernel)


check_convolve = Check(
    "convolve",
    _slide,
    _patches,
    returns="an array (height - 2, width - 2), one sum for each patch",
    mistakes=[
        (lambda f, k: _slide(f, k[::-1, ::-1]), "The kernel is turned by 180 degrees. Mathematicians define a convolution "
         "so, and scipy's convolve does it; networks, and this exercise, lay the kernel on the film as it is."),
        (lambda f, k: _slide(f, k.T), "Rows and columns of the kernel are exchanged."),
        (lambda f, k: _slide(f, k[::-1]), "The kernel is upside down: its first row belongs to the patch's top row."),
        (lambda f, k: _slide(f, k[:, ::-1]), "The kernel is mirrored: its first column belongs to the patch's left column."),
        (lambda f, k: _slide(f, k) / 9, "You average over the nine products; add them up."),
        (lambda f, k: _slide(f, k) / np.sum(k), "You divide by the sum of the kernel; only the sum of the products is asked for."),
        (lambda f, k: np.maximum(_slide(f, k), 0), "Negative sums are set to 0. A network does that in a later step (ReLU); "
         "here they stay."),
        (lambda f, k: np.abs(_slide(f, k)), "The signs are lost: a negative sum says that the patch is the kernel's opposite."),
        (_same_size, "The result is as large as the film: zeros were added around it. Use only patches that fit inside."),
        (lambda f, k: _slide(f, np.abs(k)), "The signs of the kernel are lost."),
        (lambda f, k: _slide(f, k)[:-1, :-1], "The last row and column of patches are missing: how many patches of 3 fit "
         "into a film of n?"),
        (lambda f, k: _windows(f).sum(axis=(2, 3)), "The kernel is not used: this adds up the patches."),
        (lambda f, k: _windows(f).mean(axis=(2, 3)), "The kernel is not used: this is the mean of each patch."),
        (lambda f, k: _windows(f).max(axis=(2, 3)), "This is the largest gray level of each patch, as in pooling."),
        (lambda f, k: (_windows(f) * k).max(axis=(2, 3)), "You keep the largest of the nine products; add them up."),
        (lambda f, k: (_windows(f) * k)[..., 1, 1], "Only the middle of the kernel is used; all nine products count."),
        (lambda f, k: np.einsum("hwij,jk->hwik", _windows(f), k).sum(axis=(2, 3)), "You use matrix multiplication (@). Multiply "
         "number by number (*), then add up."),
        (lambda f, k: _slide(f, k).T, "The result has rows and columns exchanged: its first axis is the height."),
        (lambda f, k: (_slide(np.asarray(f, float), k)).astype(np.uint8).astype(float), "The sums are stored as uint8, which "
         "holds 0 to 255 only; use floats."),
    ],
    idea="There is one sum for each position of the kernel. Cut out the 3 x 3 patch at that position, multiply it by the "
    "kernel number by number, and add the nine products.",
    right="a patch that looks like the kernel gets a large sum.",
)  # fmt: skip

# --- gradient_step ---


def _steps():
    rng = np.random.default_rng(4)
    return [
        (float(rng.normal()), rng.normal(0.4, 1.3, n), rng.normal(1.1, 2.0, n), rate)
        for n, rate in ((7, 0.13), (5, 0.037), (1, 0.29), (11, 0.71))
    ]


def _slope(w, x, y):
    return np.mean(2 * (w * x - y) * x)


check_gradient_step = Check(
    "gradient_step",
    lambda w, x, y, rate: w - rate * _slope(w, x, y),
    _steps,
    returns="one number, the weight after the step",
    mistakes=[
        (lambda w, x, y, r: w + r * _slope(w, x, y), "You step up the slope, and the loss grows: go against the slope."),
        (lambda w, x, y, r: _slope(w, x, y), "This is the slope; the weight after the step is asked for."),
        (lambda w, x, y, r: r * _slope(w, x, y), "This is how far to go; start from the old weight."),
        (lambda w, x, y, r: -r * _slope(w, x, y), "This is the change of the weight; add it to the old weight."),
        (lambda w, x, y, r: w - _slope(w, x, y), "The learning rate is not used."),
        (lambda w, x, y, r: w - r * _slope(w, x, y) / 2, "A factor is missing: what is the slope of a square?"),
        (lambda w, x, y, r: w - r * _slope(w, x, y) * len(x), "You add over the films; the loss is their mean, and so is its "
         "slope."),
        (lambda w, x, y, r: w - r * np.mean(2 * (w * x - y)), "The factor x is missing: a film with a large x moves the answer "
         "w x more when w changes."),
        (lambda w, x, y, r: w - r * np.mean((w * x - y) ** 2), "You step by the loss; step by its slope."),
        (lambda w, x, y, r: w - r * 2 * np.mean(w * x - y) * np.mean(x), "You take the mean of the errors and the mean of x "
         "apart. Multiply for each film first, then take the mean."),
        (lambda w, x, y, r: w - r * np.mean(2 * np.abs(w * x - y) * x), "The sign of the error is lost: it says in which "
         "direction to go."),
        (lambda w, x, y, r: w - r * np.sign(_slope(w, x, y)), "Only the direction of the slope is used; a steep slope asks for "
         "a longer step."),
        (lambda w, x, y, r: w - r * np.sum((w * x - y) * x), "You add over the films and leave out the factor 2: the loss is a "
         "mean of squares."),
        (lambda w, x, y, r: w - 2 * r * np.mean(2 * (w * x - y) * x), "The factor 2 of the slope is used twice."),
        (lambda w, x, y, r: w - r * np.mean(2 * np.abs(w * x - y) * np.abs(x)), "The signs are lost: they say in which "
         "direction to go."),
        (lambda w, x, y, r: w - r * 2 * (w * x - y) * x, "There is one new weight for each film. The films share one weight: "
         "take the mean of their slopes."),
        (lambda w, x, y, r: w - r * (2 * (w * x - y) * x)[0], "Only the first film is used."),
        (lambda w, x, y, r: w - r * np.mean(2 * (x - y) * x), "The answer of the network is w times x, not x."),
        (lambda w, x, y, r: w - r * np.mean(2 * (w * x - y) * w), "The slope along w has the factor x, not w."),
        (lambda w, x, y, r: w - r * np.mean(2 * (w * x - y) * y), "The slope along w has the factor x, not y."),
        (lambda w, x, y, r: w - r * np.median(2 * (w * x - y) * x), "You take the median over the films; the loss is a mean."),
        (lambda w, x, y, r: np.sum(x * y) / np.sum(x * x), "This is the best weight at once. It exists here, but not for a "
         "network: take one step."),
        (lambda w, x, y, r: w * (1 - r * _slope(w, x, y)), "The step is multiplied by the weight: subtract it instead."),
    ],
    idea="First the slope: an error for each film, times 2 x, and the mean over the films. Then go against it, by the "
    "learning rate times the slope, starting from the old weight.",
    right="the old weight minus the learning rate times the slope.",
)  # fmt: skip
