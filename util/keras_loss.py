"""The class-weighted loss of `util.loss` as a loss of Keras: for any backend, saved and loaded with a model."""

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
    name, reduction, dtype : of every loss of Keras; by default the mean over films and findings

    Labels (..., findings) are 0 or 1 (or between: their share of either), logits of the same shape any number. One
    loss for each film and finding goes to Keras, so a sample weight or a mask of shape (films,) or (films, findings)
    leaves out, or stresses, a film or a single label. Keras divides by the number of labels, masked ones apart.

    With t = w+ y + w- (1 - y) the loss is t softplus(z) - w+ y z: one softplus, no epsilon, and a gradient
    t sigmoid(z) - w+ y that is finite for every logit.
    """

    def __init__(self, positive, negative, name="weighted_cross_entropy", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")  # mixed precision ends here
        self.positive = np.asarray(positive, np.float32)
        self.negative = np.asarray(negative, np.float32)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The reduced loss; a weight or a mask with one number for each film holds for all its findings."""
        if sample_weight is not None:
            sample_weight = _spread(sample_weight, y_pred)
        mask = getattr(y_pred, "_keras_mask", None)  # where Keras layers leave a mask
        if mask is not None:
            y_pred._keras_mask = _spread(mask, y_pred)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y, logits):
        """Loss of each film and finding, of the shape of `logits`."""
        if logits.shape[-1] != len(self.positive):
            raise CourseError(f"The network has {logits.shape[-1]} outputs, the loss {len(self.positive)} weights.")
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


def _spread(weights, logits):
    """Weights with as many axes as the logits, to be repeated along those that they lack."""
    weights = ops.convert_to_tensor(weights)
    for _ in range(len(logits.shape) - len(weights.shape)):
        weights = ops.expand_dims(weights, -1)
    return weights
