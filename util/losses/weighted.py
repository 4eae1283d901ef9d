"""The class-weighted cross-entropy, computed on logits, and how to undo its effect. Taught in lesson 4.

For one finding of prevalence p, label y (0 or 1) and logit z, with softplus(z) = log(1 + exp(z)):

    loss = w+ y softplus(-z) + w- (1 - y) softplus(z),    w+ = 1 - p,    w- = p

Since -log(sigmoid(z)) is softplus(-z), nothing overflows and no epsilon is needed inside a logarithm. With these
weights, positives and negatives have the same total weight, w+ p = w- (1 - p), WITHIN a finding. BETWEEN findings, the
total 2 p (1 - p) still differs. CheXNet has these weights for one finding (Rajpurkar et al. 2017, arXiv 1711.05225,
section 2.1); here each finding has its own. Wang et al. 2017 (arXiv 1705.02315) balance by the counts of a batch.
"""

import numpy as np

from util.errors import CourseError


def class_weights(labels, equalise=False):
    """Weights of positives and of negatives that balance them within each finding.

    Parameters
    ----------
    labels : array or DataFrame (films, findings) of 0 and 1, of the TRAINING films
    equalise : bool, also give every finding the same total weight: both weights are divided by 2 p (1 - p)

    Returns
    -------
    positive, negative : float64 arrays (findings,), 1 - p and p, where p is the prevalence; with `equalise`,
        1 / (2 p) and 1 / (2 (1 - p)), at least 1/2. `undo_weighting` undoes both kinds, since their ratio is the same.

    Raises
    ------
    CourseError : a label is not 0 or 1, or a finding has no positive or no negative film. Its loss would be zero
        whatever the network predicts, so the network would silently not learn it.

    See Also
    --------
    weighted_cross_entropy : the loss that takes them
    undo_weighting : what the outputs are without them

    Examples
    --------
    >>> positive, negative = class_weights(np.array([[1], [0], [0], [0]]))
    >>> positive.tolist(), negative.tolist()
    ([0.75], [0.25])

    Taught in lesson 4, section 3.
    """
    values = _labels(labels)
    prevalence = values.mean(axis=0)
    one_sided = np.flatnonzero((prevalence == 0) | (prevalence == 1))
    if len(one_sided):
        names = [str(name) for name in getattr(labels, "columns", [f"column {i}" for i in range(len(prevalence))])]
        raise CourseError(
            f"{', '.join(names[i] for i in one_sided)}: all {len(values)} training films have the same label, so the "
            "loss cannot teach it; leave the finding out or add films."
        )
    scale = 2 * prevalence * (1 - prevalence) if equalise else 1.0
    return (1 - prevalence) / scale, prevalence / scale


def weighted_cross_entropy(y, logits, positive, negative):
    """Class-weighted cross-entropy of logits, the mean over films and findings. The reference, in NumPy.

    Parameters
    ----------
    y : array (films, findings) of 0 and 1
    logits : array (films, findings), any finite number
    positive, negative : arrays (findings,) of weights, at least 0

    Returns
    -------
    float, in nats, at least 0

    Raises
    ------
    CourseError : shapes differ, a label is not 0 or 1, or a logit is not finite (the training diverged).

    See Also
    --------
    class_weights : the weights
    weighted_loss : the same for Keras
    focal_loss : a different answer to rare findings

    Examples
    --------
    >>> y, logits = np.array([[1], [0]]), np.array([[0.0], [0.0]])
    >>> print(round(weighted_cross_entropy(y, logits, [0.9], [0.1]), 3))
    0.347

    Taught in lesson 4, section 5.
    """
    y, logits = _checked(y, logits)
    positive, negative = _weights(positive, negative, y.shape[-1])
    of_positives = positive * y * np.logaddexp(0, -logits)  # log(exp(0) + exp(-z)) is softplus(-z)
    of_negatives = negative * (1 - y) * np.logaddexp(0, logits)
    return float(np.mean(of_positives + of_negatives))


def weighted_loss(positive, negative):
    """The same loss for ``model.compile(loss=...)``, on any backend of Keras.

    Parameters
    ----------
    positive, negative : arrays (findings,) of weights, at least 0

    Returns
    -------
    util.losses.keras_loss.WeightedCrossEntropy : takes labels (films, findings) and LOGITS (films, findings), not
    probabilities, and gives the mean over both, a float32 tensor. Sample weights and masks may have the shape (films,)
    or (films, findings).

    See Also
    --------
    weighted_cross_entropy : the same in NumPy
    util.losses.keras_loss.WeightedCrossEntropy : the class of the result

    Examples
    --------
    Not run by the tests, since importing Keras takes seconds.

    >>> model.compile("adam", loss=weighted_loss(*class_weights(labels)))  # doctest: +SKIP

    Taught in lesson 4, section 6.
    """
    from util.losses.keras_loss import WeightedCrossEntropy

    return WeightedCrossEntropy(*_weights(positive, negative))


def focal_loss(y, logits, gamma=2.0):
    """Focal loss, the mean over films and findings: cross-entropy in which films that are already right count less.

    Parameters
    ----------
    y : array (films, findings) of 0 and 1
    logits : array (films, findings), any finite number
    gamma : float, at least 0; 0 is the plain cross-entropy

    Returns
    -------
    float, in nats: the mean of (1 - q)^gamma (-log q), where q is the predicted probability of the true label
    (Lin et al. 2017, arXiv 1708.02002, equation 4, without alpha)

    See Also
    --------
    weighted_cross_entropy : weights classes instead of easy and hard films

    Examples
    --------
    >>> y, logits = np.array([[1], [0]]), np.array([[3.0], [-3.0]])
    >>> print(round(focal_loss(y, logits, gamma=0), 4), round(focal_loss(y, logits), 4))
    0.0486 0.0001

    Taught in lesson 17.
    """
    y, logits = _checked(y, logits)
    if not gamma >= 0:
        raise CourseError(f"Gamma is {gamma}; it must be at least 0, and 2 is the usual choice.")
    margin = np.where(y == 1, logits, -logits)
    return float(np.mean(np.exp(-gamma * np.logaddexp(0, margin)) * np.logaddexp(0, -margin)))


def undo_weighting(logits, prevalence):
    """Logits at the true prevalence, from those of a network trained with ``class_weights``.

    Parameters
    ----------
    logits : array (..., findings)
    prevalence : array (findings,), p of the training films, strictly between 0 and 1

    Returns
    -------
    float64 array like `logits`: logits + logit(p)

    Raises
    ------
    CourseError : a prevalence is not strictly between 0 and 1.

    With w+ = 1 - p and w- = p, the loss is smallest where the odds of the output are the odds of the posterior times
    (1 - p) / p, as if half of the films had the finding (Elkan 2001, 'The foundations of cost-sensitive learning',
    theorem 2). The ranking of the films does not change, and so neither does the AUC.

    See Also
    --------
    class_weights : the weights that are undone
    util.metrics.calibration.calibration_line : whether it helped

    Examples
    --------
    >>> undo_weighting(np.array([[0.0]]), [0.1]).round(3).tolist()
    [[-2.197]]

    Taught in lesson 4, section 7.
    """
    prevalence = np.asarray(prevalence, dtype=np.float64)
    if not ((prevalence > 0) & (prevalence < 1)).all():
        raise CourseError(f"The prevalences are {prevalence}; each must lie strictly between 0 and 1.")
    return np.asarray(logits, dtype=np.float64) + np.log(prevalence) - np.log1p(-prevalence)


def _checked(y, logits):
    """Labels and logits as float64 (films, findings)."""
    y, logits = _labels(y), np.asarray(logits, dtype=np.float64)
    if y.shape != logits.shape:
        raise CourseError(f"There are labels of shape {y.shape} and logits of shape {logits.shape}; give equal shapes.")
    if not np.isfinite(logits).all():
        raise CourseError(f"{(~np.isfinite(logits)).sum()} logits are not finite: lower the learning rate.")
    return y, logits


def _labels(labels):
    """Labels as float64 (films, findings), each 0 or 1."""
    values = np.asarray(labels, dtype=np.float64)
    if values.ndim != 2 or not len(values):
        raise CourseError(f"The labels have shape {values.shape}; give a table of films (rows) by findings (columns).")
    if not np.isin(values, (0, 1)).all():
        raise CourseError("Some labels are neither 0 nor 1 (or are missing); decide what they are before training.")
    return values


def _weights(positive, negative, findings=None):
    """Both weights as float64 (findings,)."""
    positive, negative = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    if positive.ndim != 1 or positive.shape != negative.shape or findings not in (None, len(positive)):
        expected = "" if findings is None else f" for {findings} findings"
        raise CourseError(
            f"The weights have shapes {positive.shape} and {negative.shape}{expected}; give one number per finding."
        )
    if not ((positive >= 0) & (negative >= 0)).all():
        raise CourseError("Some weights are negative or not numbers; take those of class_weights.")
    return positive, negative
