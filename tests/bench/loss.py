"""Bench of the weighted loss, forward and backward, compiled."""

import numpy as np

from tests.bench import best, row

EPSILON = 1e-7


def bench():
    """The loss against the loop over findings with an epsilon, and TensorFlow's own weighted cross-entropy."""
    import tensorflow as tf

    from util.losses.weighted import class_weights, weighted_loss

    for films, rounds in ((32, 500), (4096, 100), (65_536, 10)):
        rng = np.random.default_rng(0)
        y = (rng.random((films, 14)) < 0.2).astype(np.float32)
        y[0], y[1] = 1, 0
        labels = tf.constant(y)
        logits = tf.constant(3 * rng.normal(size=y.shape), tf.float32)
        positive, negative = class_weights(y)
        ratio = tf.constant(positive / negative, tf.float32)
        plus, minus = tf.constant(positive, tf.float32), tf.constant(negative, tf.float32)
        ours = weighted_loss(positive, negative)

        def tensorflow(labels, logits, ratio=ratio, minus=minus):
            return tf.reduce_mean(minus * tf.nn.weighted_cross_entropy_with_logits(labels, logits, ratio))

        def loop(labels, logits, plus=plus, minus=minus):
            q, loss = tf.sigmoid(logits), 0.0
            for k in range(14):
                of_positives = plus[k] * labels[:, k] * tf.math.log(q[:, k] + EPSILON)
                of_negatives = minus[k] * (1 - labels[:, k]) * tf.math.log(1 - q[:, k] + EPSILON)
                loss -= tf.reduce_mean(of_positives + of_negatives) / 14
            return loss

        taken = {}
        for name, loss in (("ours", ours), ("tf.nn", tensorflow), ("loop", loop)):
            step = compiled(loss)
            step(labels, logits)
            taken[name] = best(lambda step=step, n=rounds: [step(labels, logits) for _ in range(n)], rounds=5) / rounds  # noqa: B023
        row(f"weighted loss and slope, {films:,} films: microseconds", f"{1e6 * taken['ours']:,.0f}")
        row("  times faster than a loop over findings with an epsilon", f"{taken['loop'] / taken['ours']:.1f}")
        row("  times faster than tf.nn.weighted_cross_entropy_with_logits", f"{taken['tf.nn'] / taken['ours']:.2f}")


def compiled(loss):
    """Loss and its slope along the logits, as one graph."""
    import tensorflow as tf

    @tf.function
    def step(labels, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(labels, logits)
        return value, tape.gradient(value, logits)

    return step
