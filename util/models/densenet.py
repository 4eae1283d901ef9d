"""DenseNet-121 for 14 findings, in Keras. Taught in lesson 5."""

from contextlib import contextmanager

import keras

from util.findings import FINDINGS


def build_densenet(size: int = 320, final_relu: bool = True) -> keras.Model:
    """DenseNet-121, flat and functional: films in, one logit for each finding out.

    Parameters
    ----------
    size : int, pixels of the square input, a multiple of 32
    final_relu : bool, False for weights that were trained without the ReLU after the last batch norm

    Returns
    -------
    keras.Model, float32 (n, size, size, 3) -> float32 logits (n, 14) in the order of FINDINGS, with random weights. Its
    last layers are 'relu' (n, size/32, size/32, 1024), absent without final_relu, the global average 'pool' and the
    dense layer 'logits'.

    It computes in float32 whatever the global policy of Keras is (mixed_float16 is common on a GPU), since the recorded
    logits, calibrations and thresholds are those of float32, and half precision moves a logit by some thousandths.
    """
    with _settings_of_the_weights():
        return _build(size, final_relu)


@contextmanager
def _settings_of_the_weights():
    """Context manager: Keras' defaults while a network is built, and the user's settings afterward."""
    config = keras.config
    policy, floats, order = config.dtype_policy(), config.floatx(), config.image_data_format()
    try:
        config.set_floatx("float32")
        config.set_dtype_policy("float32")
        config.set_image_data_format("channels_last")
        yield
    finally:
        config.set_floatx(floats)
        config.set_dtype_policy(policy)
        config.set_image_data_format(order)


def _build(size, final_relu):
    backbone = keras.applications.DenseNet121(weights=None, include_top=False, input_shape=(size, size, 3))
    features = backbone.output if final_relu else backbone.get_layer("bn").output
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    logits = keras.layers.Dense(len(FINDINGS), name="logits", dtype="float32")(pooled)
    return keras.Model(backbone.input, logits, name="densenet121")
