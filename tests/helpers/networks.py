"""A network that is small enough to be built in every test."""

from util.findings import FINDINGS


def tiny_network(size=32, seed=0):
    """A stand-in for DenseNet-121 with the same ends, made in a moment: films (n, size, size, 3) -> logits (n, 14)."""
    import keras

    inputs = keras.Input((size, size, 3), name="films")
    noise = keras.initializers.HeNormal(seed)
    x = keras.layers.Conv2D(16, 16, 8, "same", use_bias=False, name="conv", kernel_initializer=noise)(inputs)
    x = keras.layers.ReLU(name="pool3_relu")(x)
    x = keras.layers.ReLU(name="pool4_relu")(keras.layers.AveragePooling2D(2)(x))
    x = keras.layers.AveragePooling2D(2)(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    dense = keras.layers.Dense(len(FINDINGS), name="logits", kernel_initializer=keras.initializers.GlorotUniform(seed))
    return keras.Model(inputs, dense(x), name="tiny")
