"""What tests of heat_maps share."""

import keras
import numpy as np
import pytest
import tensorflow as tf

FINDINGS = 5


def small_densenet(seed=0, findings=FINDINGS, size=32, **dense):
    """A flat network with two dense layers, a final ReLU, pooling and one dense layer, as DenseNet-121 has."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(8, 5, strides=4, padding="same", name="stem")(inputs)
    for block in (1, 2):
        new = layers.Activation("relu", name=f"block{block}_relu")(layers.BatchNormalization()(x))
        new = layers.Conv2D(4, 3, padding="same", name=f"block{block}_conv")(new)
        x = layers.Concatenate(name=f"block{block}_concat")([x, new])
    x = layers.Activation("relu", name="relu")(layers.BatchNormalization(name="bn")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(findings, name="logits", bias_initializer="random_normal", **dense)(x)
    model = keras.Model(inputs, outputs, name="small_densenet")
    generator = np.random.default_rng(seed)
    for layer in model.layers:  # running statistics other than 0 and 1, or they would not be tested
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(generator.normal(0, 0.3, shape))
            layer.moving_variance.assign(generator.uniform(0.5, 2, shape))
    return model


@pytest.fixture(scope="module")
def model():
    return small_densenet()


@pytest.fixture(scope="module")
def films():
    return np.random.default_rng(1).normal(size=(3, 32, 32, 3)).astype(np.float32)


def by_tape(model, films, layer):
    """Grad-CAM the plain way: one gradient for each film and finding. Returns (n, c, rows, columns)."""
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    maps = []
    for film in films:
        for finding in range(model.output.shape[1]):
            with tf.GradientTape() as tape:
                tape.watch(x := tf.constant(film[None]))
                seen, logits = both(x, training=False)
                logit = logits[0, finding]
            weights = tf.reduce_sum(tape.gradient(logit, seen), axis=(1, 2), keepdims=True)
            maps.append(tf.reduce_sum(weights * seen, axis=-1)[0].numpy())
    return np.reshape(maps, (len(films), -1, *maps[0].shape))
