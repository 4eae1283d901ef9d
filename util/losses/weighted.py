"""The class-weighted cross-entropy, computed on logits, and how to undo it. Taught in notebook 2.

For one finding of prevalence p, label y (0 or 1) and logit z, with softplus(z) = log(1 + exp(z)):

    loss = w+ y softplus(-z) + w- (1 - y) softplus(z),    w+ = 1 - p,    w- = p

-log(sigmoid(z)) is softplus(-z), so nothing overflows and no epsilon is needed inside a logarithm. With these
weights positives and negatives carry the same total weight, w+ p = w- (1 - p), WITHIN a finding. BETWEEN findings
the total, 2 p (1 - p), still differs. The weights are those of CheXNet (Rajpurkar et al. 2017, arXiv 1711.05225,
section 2.1) for one finding, taken for each; Wang et al. 2017 (arXiv 1705.02315) balance by the counts of a batch.
"""

import numpy as np

from util.errors import CourseError


def class_weights(labels, equalise=False):
    """Weights of positives and of negatives that balance them within each finding.

    Parameters
    ----------
    labels : array or DataFrame (films, findings) of 0 and 1, of the TRAINING films
    equalise : bool, also let every finding weigh alike: both weights divided by 2 p (1 - p)

    Returns
    -------
    positive, negative : float64 arrays (findings,), 1 - p and p with p the prevalence, between 0 and 1; with
        `equalise` 1 / (2 p) and 1 / (2 (1 - p)), at least 1/2. `undo_weighting` undoes either: their ratio is the same.

    Raises
    ------
    CourseError if a label is not 0 or 1, or if a finding has no positive or no negative film: its loss would be
    zero whatever the network says, so the network would not learn it and nobody would notice.
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
    """Class-weighted cross-entropy of logits, the mean over films and findings. The reference, in numpy.

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
    CourseError if shapes differ, a label is not 0 or 1, or a logit is not finite (the training diverged).
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
    util.losses.keras_loss.WeightedCrossEntropy : of labels (films, findings) and LOGITS (films, findings), not probabilities,
    the mean over both, a float32 tensor; sample weights and masks of shape (films,) or (films, findings) are heeded.
    """
    from util.losses.keras_loss import WeightedCrossEntropy

    return WeightedCrossEntropy(*_weights(positive, negative))


def focal_loss(y, logits, gamma=2.0):
    """Focal loss, the mean over films and findings: cross-entropy in which films that are right already count less.

    Parameters
    ----------
    y : array (films, findings) of 0 and 1
    logits : array (films, findings), any finite number
    gamma : float, at least 0; 0 is the plain cross-entropy

    Returns
    -------
    float, in nats: the mean of (1 - q)^gamma (-log q), with q the probability given to the true label
    (Lin et al. 2017, arXiv 1708.02002, equation 4, without alpha)
    """
    y, logits = _checked(y, logits)
    if not gamma >= 0:
        raise CourseError(f"Gamma is {gamma}; it must be at least 0, and 2 is the usual choice.")
    margin = np.where(y == 1, logits, -logits)
    return float(np.mean(np.exp(-gamma * np.logaddexp(0, margin)) * np.logaddexp(0, -margin)))


def undo_weighting(logits, prevalence):
    """Logits at the true prevalence from those of a network trained with ``class_weights``.

    Parameters
    ----------
    logits : array (..., findings)
    prevalence : array (findings,), p of the training films, strictly between 0 and 1

    Returns
    -------
    float64 array like `logits`: logits + logit(p)

    Raises
    ------
    CourseError if a prevalence is not strictly between 0 and 1.

    With w+ = 1 - p and w- = p the loss is least where the output has the odds of the posterior times (1 - p) / p,
    as if half of the films had the finding (Elkan 2001, 'The foundations of cost-sensitive learning', theorem 2).
    A finding's ranking of films, so its AUC, does not change.
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
