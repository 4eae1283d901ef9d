"""The class-weighted loss of `util.losses.weighted` for Keras: for any backend, saved and loaded with a model."""

import keras
import numpy as np
from keras import ops

from util.errors import CourseError


@keras.saving.register_keras_serializable("course")
class WeightedCrossEntropy(keras.losses.Loss):
    """Class-weighted cross-entropy of logits.

    Parameters
    ----------
    positive, negative : arrays (findings,) of weights, at least 0
    name, reduction, dtype : as in every loss of Keras; by default, the result is the mean over films and findings

    Labels (films, findings) are 0 or 1, or a share between them; logits have the same shape and any value. Keras gets
    one loss for each film and finding, so a sample weight or a mask of shape (films,) or (films, findings) can leave
    out or stress a film or a single label. A label with the weight 0 may have any value, even NaN or -1. Keras divides
    by the number of labels, leaving out masked ones.

    Labels of a different shape or outside 0 to 1 raise a CourseError. Compiled training cannot raise one: there the
    loss of such a label is NaN, so that the mistake does not go unnoticed.

    With t = w+ y + w- (1 - y), the loss is t softplus(z) - w+ y z: one softplus, no epsilon, and a gradient
    t sigmoid(z) - w+ y that is finite for every logit.

    See Also
    --------
    util.losses.weighted.weighted_loss : makes it, after a check of the weights
    util.losses.weighted.weighted_cross_entropy : the same loss in NumPy

    Examples
    --------
    Not run by the tests, since importing Keras takes seconds.

    >>> loss = WeightedCrossEntropy(positive=[0.9], negative=[0.1])  # doctest: +SKIP
    >>> round(float(loss([[1.0]], [[0.0]])), 3)  # doctest: +SKIP
    0.624

    Taught in lesson 4, section 6.
    """

    def __init__(self, positive, negative, name="weighted_cross_entropy", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")  # mixed precision ends here
        self.positive = np.asarray(positive, np.float32)
        self.negative = np.asarray(negative, np.float32)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The reduced loss; a weight or a mask with one number for each film applies to all its findings."""
        mask = getattr(y_pred, "_keras_mask", None)  # where Keras layers leave a mask
        y, logits = (ops.convert_to_tensor(values, self.dtype) for values in (y_true, y_pred))
        _check_shapes(y, logits)
        if sample_weight is not None:
            sample_weight = _spread(sample_weight, logits)
            y, logits = _without(ops.equal(sample_weight, 0), y, logits)
        if mask is not None:
            mask = _spread(mask, logits)
            y, logits = _without(ops.logical_not(ops.cast(mask, "bool")), y, logits)
            logits._keras_mask = mask
        _check_values(y)
        return super().__call__(y, logits, sample_weight)

    def call(self, y, logits):
        """Loss of each film and finding, in the shape of `logits`."""
        if logits.shape[-1] != len(self.positive):
            raise CourseError(f"The network has {logits.shape[-1]} outputs, the loss {len(self.positive)} weights.")
        y = ops.where((y >= 0) & (y <= 1), y, np.nan)
        of_positives = y * self.positive
        total = of_positives + (1 - y) * self.negative
        return total * ops.softplus(logits) - of_positives * logits

    def get_config(self):
        """What `from_config` needs."""
        return {
            "positive": self.positive.tolist(),
            "negative": self.negative.tolist(),
            "name": self.name,
            "reduction": self.reduction,
            "dtype": self.dtype,
        }


def _check_shapes(y, logits):
    """Refuse labels that Keras would broadcast to the shape of the logits: each finding needs its own."""
    pairs = zip(y.shape, logits.shape, strict=False)
    if len(y.shape) != len(logits.shape) or any(a != b and None not in (a, b) for a, b in pairs):
        raise CourseError(
            f"There are labels of shape {tuple(y.shape)} and logits of shape {tuple(logits.shape)}; give equal shapes."
        )


def _check_values(y):
    """Refuse labels outside 0 to 1 where their values are known, which is not the case while Keras compiles."""
    try:
        values = ops.convert_to_numpy(y)
    except (NotImplementedError, TypeError, ValueError, AttributeError):  # each backend has its own
        return
    if not ((values >= 0) & (values <= 1)).all():
        raise CourseError(
            "Some labels are not between 0 and 1 (or are missing): decide what they are before training, or give them "
            "the sample weight 0."
        )


def _without(left_out, y, logits):
    """Labels and logits, set to 0 where the weight is 0: 0 times NaN would be NaN, in the loss and its gradient."""
    return ops.where(left_out, 0.0, y), ops.where(left_out, 0.0, logits)


def _spread(weights, logits):
    """Weights with as many axes as the logits, so that they broadcast along the new ones."""
    weights = ops.convert_to_tensor(weights)
    for _ in range(len(logits.shape) - len(weights.shape)):
        weights = ops.expand_dims(weights, -1)
    return weights
